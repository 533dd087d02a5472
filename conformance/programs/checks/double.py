"""Gradients of gradients: the program whose outputs are a program's gradients is a program too.

Its inputs are those of the first and the cotangents ("cotangent 0"), its outputs the gradients of
the inputs that were wanted. Lines through it say whether what comes out of a second backward is the
gradient of what came out of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..judged import Failure
from ..trial import Trial, Value
from .asked import Asked, Refused
from .comparing import raised
from .ground import WIDE_BITS
from .paths import in_dtype, paths

CHECK = "double_backward"


def _wide(asked: Asked) -> Trial | None:
    """The trial in a dtype in which second gradients have digits left; None where none is claimed.
    """
    trial = asked.once()
    if asked.claim.stored.bits >= WIDE_BITS:
        return trial
    return in_dtype(trial, "float32") if "float32" in asked.claims.dtypes else None


def of_gradients(trial: Trial, rng: np.random.Generator) -> Trial:
    """The trial of the program whose outputs are the gradients, with random cotangents."""
    given = {f"cotangent {i}": value for i, value in enumerate(trial.cotangents)}
    wanted = (*trial.wanted, *(name for name, value in given.items() if value is not None))
    return replace(trial, inputs={**trial.inputs, **given}, wanted=wanted, repeats=1, twice=False,
                   poison=False, cotangents=tuple(_like(trial, name, rng) for name in trial.wanted))


def _like(trial: Trial, name: str, rng: np.random.Generator) -> Value:
    """Whole numbers and halves, which every dtype has."""
    value = trial.inputs[name]
    assert value is not None
    return Value(rng.integers(-4, 5, value.numbers.shape) / 2.0, value.dtype)


def check(asked: Asked) -> Iterator[Failure]:
    """What is claimed is right. Where nothing is claimed, a refusal is: nothing that is silently
    wrong, which is a failure of the kind "unclaimed".
    """
    first = _wide(asked)
    if asked.second is None or first is None or not first.wanted:
        return
    trial = of_gradients(first, asked.rng)
    claimed = asked.claims.double_backward
    try:
        reply = asked.second(trial)
        refused = all(g is None for g in reply.gradients.values())
        differentiated = replace(asked, answer=asked.second, trial=trial, reply=reply,
                                 tolerance=None)
        found = [] if refused else list(
            paths(differentiated, trial, trial.wanted, CHECK, each=claimed))
    except Refused as refused:
        if claimed:
            yield raised(CHECK, asked.trial, refused)
        return
    if refused and claimed:
        yield Failure(CHECK, asked.trial, "", "missing", {})
    for failure in found:
        yield failure if claimed else replace(failure, kind="unclaimed")
