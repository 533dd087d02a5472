"""Real-time recurrent learning of every recurrent layer: an algorithm that never walks back.

`answer` gives the gradients of the parameters and initial states of the recurrent layers, and no
other. The layer's part, dh_t/dθ, is carried forward in time (`reference/real_time.py`), its forward
too. What the rest of the network makes of the layer's output, dL/dh_t, is the complex step of the
reference's forward; no backward line of the reference is used. It knows any network: layers before
and behind, stacked and bidirectional ones, shared parameters. It declines (Unsupported) networks
without a recurrent layer, those with a penalty, and layers with too many outputs to step each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import TABLES, Answer, Case, Tables, backprop
from ..reference.chain import accumulate
from ..reference.kinds import Rule, Scope
from ..reference.real_time import CELLS, run
from ..reference.stacked import Stacked
from . import Unsupported

STEP = 1e-30
MOST = 1 << 10  # outputs of one layer
NUMBERS = 1 << 18  # at most so many in one stacked forward
Forward = Callable[[Scope, Any], tuple[Any, Any]]


def answer(case: Case) -> Answer:
    """The loss, and the gradients of the recurrent layers alone, in float64."""
    wide = case.astype("float64")
    names = [name for name, spec in case.network.walk() if spec.kind in CELLS]
    if not names or case.network.loss.l2:
        raise Unsupported("real_time: no recurrent layer, or one with a penalty")
    seen: dict[str, tuple[Scope, Any, Any]] = {}
    tables = going(lambda right, p, x: _own(seen, right, p, x))
    loss = backprop.loss(wide, backprop.forward(wide, tables))
    gradients: dict[str, Any] = {}
    for name in names:
        p, x, y = seen[name]
        arrays, mask = _arrays(p, x)
        _, found = run(p.spec, arrays, x, mask, _errors(wide, name, y.shape))
        accumulate(gradients, _named(p, found))
    return Answer(loss, gradients)


def going(forward: Callable[[Forward, Scope, Any], tuple[Any, Any]]) -> Tables:
    """The tables with another forward of the recurrent layers: (right forward, p, x)."""
    def changed(rule: Rule) -> Rule:
        return rule._replace(forward=lambda p, x: forward(rule.forward, p, x))

    return TABLES._replace(layers={kind: changed(rule) if kind in CELLS else rule
                                   for kind, rule in TABLES.layers.items()})


def _own(seen: dict[str, tuple[Scope, Any, Any]], right: Forward, p: Scope,
         x: Any) -> tuple[Any, Any]:
    """The forward of this algorithm; what it was given and gave is remembered."""
    arrays, mask = _arrays(p, x)
    y, _ = run(p.spec, arrays, x, mask)
    seen[p.name] = p, x, y
    return y, None


def _arrays(p: Scope, x: Any) -> tuple[dict[str, Any], Any]:
    """The layer's parameters and initial states by local name, and its mask or None."""
    shapes = p.rule.shapes(p.spec, x.shape[1:], p.tables, p.name)
    mask = p["mask"] if shapes.masks else None
    return {name: p[name] for name in (*shapes.parameters, *shapes.states)}, mask


def _named(p: Scope, found: dict[str, Any]) -> dict[str, Any]:
    """By global name; a transposed matrix's as its owner has it."""
    owners = {local: p.owner(local) for local in found}
    return {name: found[local].T if transposed else found[local]
            for local, (name, transposed) in owners.items()}


def _errors(wide: Case, name: str, shape: tuple[int, ...]) -> Any:
    """dL/dy of the layer's output y, of this shape: each entry stepped by itself."""
    count = int(np.prod(shape))
    if count > MOST:
        raise Unsupported(f"real_time: {count} outputs of one layer, at most {MOST}")
    size = max(1, NUMBERS // count)
    parts = []
    for start in range(0, count, size):
        rows = np.eye(min(size, count - start), count, start).reshape(-1, *shape)
        step = Stacked(1j * STEP * rows)

        def stepped(right: Forward, p: Scope, x: Any, step: Any = step) -> tuple[Any, Any]:
            y, saved = right(p, x)
            return (y + step if p.name == name else y), saved

        trace = backprop.forward(wide, tables := going(stepped))
        parts.append(backprop.loss(wide, trace, tables).raw.imag / STEP)
    return np.concatenate(parts).reshape(shape) * wide.network.loss.gradient_scale
