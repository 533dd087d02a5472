"""Branches side by side: y = combine(branch_0(x), branch_1(x), ...).

An empty branch is the identity: with "add" it makes the layer residual.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from operator import add, mul
from typing import Any, NamedTuple

import numpy as np

from .. import chain
from ..checks import DescriptionError
from ..kinds import Option, Parse, Rule, Scope, Shape, Shapes, Tables
from ..network import LayerSpec


def _split(ys: list[Any], dy: Any) -> list[Any]:
    edges = np.cumsum([0, *(y.shape[-1] for y in ys)])
    return [dy[..., a:b] for a, b in pairwise(edges)]


class Combine(NamedTuple):
    """y from the branches' outputs, and the gradient of each from dy."""

    forward: Callable[[list[Any]], Any]
    backward: Callable[[list[Any], Any], list[Any]]


COMBINE = {
    "add": Combine(lambda ys: reduce(add, ys), lambda ys, dy: [dy for _ in ys]),
    "concatenate": Combine(lambda ys: np.concatenate(ys, axis=-1), _split),
    "multiply": Combine(
        lambda ys: reduce(mul, ys),
        lambda ys, dy: [reduce(mul, ys[:i] + ys[i + 1:], dy) for i in range(len(ys))]),
}


def finish(where: str, options: dict[str, Any], parse: Parse) -> dict[str, Any]:
    """Parse the layers inside the branches."""
    branches = tuple(
        tuple(parse(f"{where} {b}.{i}", layer) for i, layer in enumerate(branch))
        for b, branch in enumerate(options["branches"])
    )
    return {**options, "branches": branches}


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    each = [chain.shapes(branch, f"{where}.{b}", shape, tables)
            for b, branch in enumerate(spec.branches)]
    outputs = [one.output for one in each]
    if spec.options["combine"] == "concatenate":
        alike = {output[:-1] for output in outputs}
        output = (*outputs[0][:-1], sum(o[-1] for o in outputs))
    else:
        alike, output = set(outputs), outputs[0]
    if len(alike) > 1:
        raise DescriptionError(f"layer {where} (parallel): "
                               f"cannot {spec.options['combine']} branches of shapes {outputs}")
    groups = zip(*(one[1:] for one in each), strict=True)
    return Shapes(output, *({k: v for group in same for k, v in group.items()} for same in groups))


def forward(p: Scope, x: Any) -> tuple[Any, Any]:
    runs = [chain.forward(p.tables, branch, f"{p.name}.{b}", p.values, x)
            for b, branch in enumerate(p.spec.branches)]
    ys = [y for y, _ in runs]
    return COMBINE[p.options["combine"]].forward(ys), (ys, [tape for _, tape in runs])


def backward(p: Scope, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    ys, tapes = saved
    return back(tapes, COMBINE[p.options["combine"]].backward(ys, dy), p.tables)


def back(tapes: list[Any], dys: list[Any], tables: Tables) -> tuple[Any, dict[str, Any]]:
    """Every branch walked back with its own dy. Several uses of x: their gradients add."""
    dx, gradients = None, dict[str, Any]()
    for tape, each in zip(tapes, dys, strict=True):
        dbranch, inner = chain.backward(tables, tape, each)
        dx = dbranch if dx is None or dbranch is None else dx + dbranch
        chain.accumulate(gradients, inner)
    return dx, gradients


BRANCHES = Option(lambda v: isinstance(v, list) and len(v) > 0
                  and all(isinstance(branch, list) for branch in v), "a list of lists of layers")
LAYERS = {
    "parallel": Rule(
        forward, backward, shapes,
        {"branches": BRANCHES,
         "combine": Option(lambda v: isinstance(v, str) and v in COMBINE,
                           f"one of {', '.join(COMBINE)}")},
        inside=lambda saved: saved[1], finish=finish),
}
