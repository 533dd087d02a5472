"""What a wrong gradient looks like where no known mistake matches it: a row for each thing that can be said of it.

A symptom is said where it holds on the reduced case and on its variations (ordinary numbers for zeros and ones): on a
network of one unit almost anything equals almost anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..properties.tolerance import Spread
from ..reference import TABLES, Answer, Case, evaluate
from ..reference.chain import Step
from .diagnosis import factor, same

Sweep = Callable[[list[Step], int, Any], tuple[Any, dict[str, Any]]]
PRECISIONS = {"float32": 7.2, "float16": 3.3, "bfloat16": 2.4}


@dataclass(frozen=True)
class Seen:
    """What a symptom looks at: the case, the subject's answer, the truth with its spread, the wrong parameters."""

    case: Case
    answer: Answer
    spread: Spread
    wrong: tuple[str, ...]

    @property
    def truth(self) -> dict[str, Any]:
        return dict(self.spread.truth.gradients)

    @cached_property
    def layers(self) -> list[int]:
        """The indices of the layers that have parameters."""
        return sorted({int(name.split(".")[0]) for name in self.case.parameters})

    def equals(self, name: str, other: Any) -> bool:
        """Whether the subject's gradient of a parameter is this array and, where it is wrong, not the truth too."""
        mine, theirs, true = (Answer(0.0, {name: g}) for g in (self.answer.gradients[name], other, self.truth[name]))
        blurred = name in self.wrong and same(mine, true, self.spread, self.case.dtype)
        return not blurred and same(mine, theirs, self.spread, self.case.dtype)

    def backward(self, sweep: Sweep) -> bool:
        """Whether the subject's gradients are those of another way back through the network."""
        with np.errstate(all="ignore"):
            other = evaluate(self.case, TABLES._replace(sweep=sweep)).gradients
        return all(self.equals(name, other[name]) for name in self.answer.gradients if name in other)


Symptom = Callable[[Seen], str]


def first_wrong(seen: Seen) -> str:
    """Going back from the loss, where it goes wrong first."""
    wrong = [int(name.split(".")[0]) for name in seen.wrong if name != "inputs"]
    if not wrong:
        return "only the gradient of the inputs is wrong: look at what the first layer hands down"
    if max(wrong) == seen.layers[-1]:
        return f"going back from the loss, the last layer with parameters, layer {max(wrong)}, is wrong already"
    above = min(layer for layer in seen.layers if layer > max(wrong))
    return f"going back from the loss, layer {above} is right and layer {max(wrong)} is the first that is wrong"


def transposed(seen: Seen) -> str:
    names = [n for n in seen.wrong if seen.truth[n].ndim == 2 and seen.truth[n].shape == seen.truth[n].T.shape
             and seen.equals(n, seen.truth[n].T)]
    return f"the gradient of {_and(names)} is the transpose of what it should be" if names else ""


def anothers(seen: Seen) -> str:
    """Equal to the gradient of another parameter."""
    pairs = [(n, other) for n in seen.wrong for other, true in seen.truth.items()
             if other != n and true.shape == seen.truth[n].shape and seen.equals(n, true)]
    return "; ".join(f"the gradient of {n} is that of {other}" for n, other in pairs[:2])


def ratios(seen: Seen) -> str:
    """A constant ratio for each wrong parameter."""
    found = {n: k for n in seen.wrong if (k := constant_ratio(seen, n))}
    return "on this network " + ", ".join(f"{n} is {k:.6g} times" for n, k in found.items()) + " what it should be" if (
        len(found) == len(seen.wrong)) else ""


def constant_ratio(seen: Seen, name: str) -> float:
    """k where the subject's gradient is k times the truth, 0 where there is no such number."""
    got, true = np.ravel(seen.answer.gradients[name]).astype(float), np.ravel(seen.truth[name])
    k = factor(got, true)
    return k if k and seen.equals(name, k * seen.truth[name]) else 0.0


def one_example(seen: Seen) -> str:
    """Equal to the gradient of one example of the batch alone."""
    last, batch = len(seen.case.network.layers) - 1, seen.case.batch
    for row in range(batch if batch > 1 else 0):
        only = np.arange(batch) == row

        def sweep(tape: list[Step], i: int, dy: Any, only: Any = only) -> tuple[Any, dict[str, Any]]:
            return TABLES.sweep(tape, i, (dy.T * only).T if i == last else dy)
        if seen.backward(sweep):
            return f"the gradient is that of example {row} of the batch alone"
    return ""


def detached(seen: Seen) -> str:
    """Equal to the gradient of a network in which nothing is handed down below some layer."""
    for at in range(1, len(seen.case.network.layers)):
        def sweep(tape: list[Step], i: int, dy: Any, at: int = at) -> tuple[Any, dict[str, Any]]:
            dx, gradients = TABLES.sweep(tape, i, dy)
            return (0.0 * dx if i == at else dx), gradients
        if seen.backward(sweep):
            where = f"layer {at} ({_kind(seen, at)})"
            return f"the gradient is that of a network detached at or above {where}: nothing is handed down"
    return ""


def skipped(seen: Seen) -> str:
    """Equal to the gradient that leaves some layer out on the way back."""
    for at in range(len(seen.case.network.layers)):
        def sweep(tape: list[Step], i: int, dy: Any, at: int = at) -> tuple[Any, dict[str, Any]]:
            dx, gradients = TABLES.sweep(tape, i, dy)
            return (dy if i == at and dx.shape == dy.shape else dx), gradients
        if seen.backward(sweep):
            return f"the gradient is that of a way back without layer {at} ({_kind(seen, at)})"
    return ""


def digits(all_seen: Sequence[Seen]) -> str:
    """How many digits the wrong gradients agree to, and which precision keeps as many; nothing below one digit."""
    worst = max(_relative(seen, name) for seen in all_seen for name in seen.wrong)
    kept = -np.log10(worst) if 0 < worst < np.inf else 0.0
    if kept < 1:
        return ""
    nearest = min(PRECISIONS, key=lambda name: abs(PRECISIONS[name] - kept))
    like = f", as {nearest} keeps" if abs(PRECISIONS[nearest] - kept) < 0.8 else ""
    count = round(kept)
    return f"the wrong gradients agree to about {count} digit{'s' * (count != 1)}{like}"


def _relative(seen: Seen, name: str) -> float:
    true = seen.truth[name]
    error = np.abs(np.asarray(seen.answer.gradients[name], dtype=float) - true).max()
    return float(error / np.abs(true).max()) if np.any(true) else float("inf")


def _kind(seen: Seen, at: int) -> str:
    spec = seen.case.network.layers[at]
    return str(spec.options.get("function", spec.kind))


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


SYMPTOMS: tuple[Symptom, ...] = (first_wrong, transposed, anothers, one_example, detached, skipped, ratios)


def said(all_seen: Sequence[Seen]) -> Iterator[str]:
    """Every symptom of the first that all the others have too, of those that are wrong in the same parameters."""
    alike = [seen for seen in all_seen if seen.wrong == all_seen[0].wrong]
    if len(alike) == 1 and len(all_seen) > 1:
        return
    for symptom in SYMPTOMS:
        sentences = {symptom(seen) for seen in alike}
        if len(sentences) == 1:
            yield from filter(None, sentences)
    yield from filter(None, [digits(alike)])
