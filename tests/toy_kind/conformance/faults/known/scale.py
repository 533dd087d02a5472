"""The scale layer: its gradient, and what it hands down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...reference import Rule
from ..core import Fault, Faults
from ..ways import with_entry

Wrong = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
row = partial(Fault, "scale")


def backward(wrong: Wrong) -> Callable[[Rule], Rule]:
    """The rule with a wrong line: wrong(x, dy, right dx, right ds) -> (dx, ds)."""

    def line(rule: Rule, p: Any, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
        dx, gradients = rule.backward(p, x, dy)
        dx, ds = wrong(x, dy, dx, gradients["scale"])
        return dx, {"scale": ds}

    return lambda rule: rule._replace(backward=partial(line, rule))


def scale(symptom: str, wrong: str, right: str, seen: str, change: Wrong) -> Fault:
    return row(symptom, wrong, right, seen, with_entry("layers", "scale", backward(change)))


FAULTS: Faults = {
    "scale-forgotten": scale(
        "the factors of a scale layer never change, because their gradient is zero",
        "ds = np.zeros(units)", "ds = (x * dy).sum(axis=0)", "layers that only hand down",
        lambda x, dy, dx, ds: (dx, 0.0 * ds)),
    "scale-not-summed-over-rows": scale(
        "the gradient of the factors has one row for every example",
        "ds = x * dy", "ds = (x * dy).sum(axis=0)", "broadcasting, which hides it in the update",
        lambda x, dy, dx, ds: (dx, x * dy)),
    "scale-not-handed-down": scale(
        "everything below a scale layer learns as if its factors were 1",
        "dx = dy", "dx = dy * s", "layers added to a program that was finished",
        lambda x, dy, dx, ds: (dy, ds)),
}
