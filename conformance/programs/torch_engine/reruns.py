"""Mistakes that are a wrong value: the plain form runs again, one of its calls changed.

This is what a backward does that recomputes a value wrongly, or keeps the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .. import sources
from ..changes import ordinal
from ..formats import FORMATS
from ..trial import Arrays, Trial
from .graph import IMPOSSIBLE, Function, Graph
from .recording import Call, Edit, Tensor, in_place, tensors

Edits = Iterator[tuple[str, Edit]]
NUMBERS = {"padding_idx": None, "eps": 0.0, "correction": 0, "ignore_index": -100}
NOT_FLAGS = {"keepdim", "inplace", "track_running_stats", "training"}
LANES = (16, 32, 64, 128, 256, 512, 1024)


def rerun(plain: Function, trial: Trial, edits: dict[Any, Edit]) -> Arrays | None:
    """Outputs and gradients with some calls changed; None where that cannot be computed."""
    try:
        return Graph(plain, trial, edits).answers()
    except IMPOSSIBLE:
        return None


def flipped(call: Call) -> Iterator[tuple[tuple[Any, ...], Any, str]]:
    """The options of a call that could be others: place, the other value, and words."""
    for name, value in call.options.items():
        if isinstance(value, bool) and name not in NOT_FLAGS:
            yield (1, name), not value, f"{name} = {not value}"
        elif name in NUMBERS and value is not None and value != NUMBERS[name]:
            yield (1, name), NUMBERS[name], f"{name} = {NUMBERS[name]}"
    if not call.whole and call.name not in ("mean", "sum", "amax", "amin", "var", "std"):
        for i, value in enumerate(call.arguments):
            if isinstance(value, bool):
                yield (0, i), not value, f"its {i + 1}th argument {not value}"


def rounded(call: Call, graph: Graph) -> Edits:
    """The call's result rounded to the dtype of storage."""
    if len(call.values) == 1 and not in_place(call.name):
        form = FORMATS[graph.trial.dtype]

        def edit(call: Call, args: Any, kwargs: Any) -> Any:
            result = call.run(*args, **kwargs)
            plain = result.detach()
            return result + (torch.from_numpy(form.rounded(plain.numpy())) - plain)
        yield "", edit


def left_out(call: Call, graph: Graph) -> Edits:
    """One of the operands stands for the result."""
    if len(call.values) != 1 or in_place(call.name):
        return
    floats = [each for each in call.operands if each.tensor.dtype.is_floating_point]
    for operand in floats:
        if operand.tensor.shape == call.values[0].shape and call.name != "detach":
            text = sources.operand(call.inner, operand.place[1:], len(call.arguments))
            number = ordinal(call.operands.index(operand))
            which = f"`{text}`" if text else f"its {number} operand"
            yield f"{which} stands for it", _taken(operand.place)


def _taken(place: tuple[Any, ...]) -> Edit:
    def edit(call: Call, args: Any, kwargs: Any) -> Any:
        found = dict(tensors((args, kwargs)))[place]
        return found * 1
    return edit


def not_stopped(call: Call, graph: Graph) -> Edits:
    """A detach lets the gradient through."""
    if call.name == "detach":
        yield "", _taken((0, 0))


def statistics(call: Call, graph: Graph) -> Edits:
    """A mean or a sum over one of its axes alone; n - 1 for n; padding lanes counted."""
    axes = _axes(call)
    if axes is None:
        return
    n = 1
    for axis in axes:
        n *= call.operands[0].tensor.shape[axis]
    if n > 1 and call.name in ("mean", "sum"):
        yield "n - 1 in the place of n", _times(n / (n - 1))
        yield "n + 1 in the place of n", _times(n / (n + 1))
    for axis in axes if len(axes) > 1 else ():
        yield f"axis {axis} alone in the place of {tuple(axes)}", _over(axis)
    if len(axes) == 1:
        yield from _padded(call, graph, axes[0], n)


def _axes(call: Call) -> list[int] | None:
    """The axes that a reduction reduces; None for other calls."""
    if call.name not in ("mean", "sum", "amax") or not call.operands:
        return None
    given = call.arguments[1] if len(call.arguments) > 1 else call.options.get("dim")
    rank = call.operands[0].tensor.dim()
    if given is None:
        return [*range(rank)]
    return [int(axis) % rank for axis in ([given] if isinstance(given, int) else given)]


def _times(factor: float) -> Edit:
    def edit(call: Call, args: Any, kwargs: Any) -> Any:
        return call.run(*args, **kwargs) * factor
    return edit


def _over(axis: int) -> Edit:
    """The reduction over one axis, the first entry of the others standing for all."""
    def edit(call: Call, args: Any, kwargs: Any) -> Any:
        found = getattr(torch, call.name)(args[0], axis, keepdim=True)
        shape = call.values[0].shape
        if found.dim() != len(shape):
            return found.reshape(-1)[:1].expand(shape)
        for i, size in enumerate(shape):
            if found.shape[i] != size:
                found = found.narrow(i, 0, size)
        return found
    return edit


def _padded(call: Call, graph: Graph, axis: int, n: int) -> Edits:
    """A sum of squares of x - m, with lanes of padding whose x is 0: each adds m squared."""
    mean = _centre(call, graph)
    if mean is None or mean.dim() <= axis or mean.shape[axis] != 1:
        return
    for block in LANES:
        if n % block:
            more = (block - n % block) / (n if call.name == "mean" else 1)
            extra = (mean * mean * more).reshape(call.values[0].shape)
            yield f"lanes of padding counted, to a multiple of {block}", _plus(extra)
    power = 1 << (n - 1).bit_length()
    if power != n:
        more = (power - n) / (n if call.name == "mean" else 1)
        yield "lanes of padding counted, to a power of two", _plus(
            (mean * mean * more).reshape(call.values[0].shape))


def _plus(extra: Tensor) -> Edit:
    def edit(call: Call, args: Any, kwargs: Any) -> Any:
        return call.run(*args, **kwargs) + extra
    return edit


def _centre(call: Call, graph: Graph) -> Tensor | None:
    """m, where the call sums the squares of x - m."""
    square = _source(call, 0, graph)
    squares = square is not None and square.name in ("pow", "square", "mul", "__pow__")
    centred = _source(square, 0, graph) if squares and square is not None else None
    if centred is None or centred.name != "sub" or len(centred.operands) < 2:
        return None
    return centred.operands[1].tensor


def _source(call: Call, i: int, graph: Graph) -> Call | None:
    """The call that made an operand."""
    source = call.operands[i].source if len(call.operands) > i else None
    return graph.calls[source] if isinstance(source, int) else None


EDITS: dict[str, Callable[[Call, Graph], Edits]] = {
    "rounded": rounded, "left out": left_out, "gradient stopped not": not_stopped,
    "other statistic": statistics,
}
