"""How tensors lie in memory changes no number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..judged import Failure
from ..layouts import LAYOUTS
from ..trial import Trial, Value
from .asked import Asked, Refused
from .comparing import apart, full, lasting, raised, total

FEW = 3  # tensors and layouts that are tried on a trial


def layouts(asked: Asked) -> Iterator[Failure]:
    """The same numbers in another layout give the answer of contiguous ones."""
    choices = [(name, layout) for name, value in asked.values().items()
               for layout, row in LAYOUTS.items()
               if layout != "contiguous" and row.applies(value.numbers.shape)]
    for i in asked.rng.permutation(len(choices))[:FEW]:
        yield from _tried(asked, *choices[int(i)])


def _tried(asked: Asked, name: str, layout: str) -> Iterator[Failure]:
    value = asked.values()[name]
    numbers = LAYOUTS[layout].numbers(value.numbers)
    plain = asked.at(_with(asked.once(), name, Value(numbers, value.dtype)))
    what: dict[str, Any] = {"asked": f"{name} {layout}", "input": name, "layout": layout}
    try:
        reply = plain.answer(_with(plain.trial, name, Value(numbers, value.dtype, layout)))
    except Refused as refused:
        yield raised("layouts", asked.trial, refused, **what)
        return
    yield from apart("layouts", asked.trial, full(reply, plain.reply), plain.reply.arrays,
                     lambda: total(plain.allowed, plain.allowed), **what)


def _with(trial: Trial, name: str, value: Value) -> Trial:
    """The trial with another value for an input or a cotangent ("cotangent 0")."""
    if name in trial.inputs:
        return replace(trial, inputs={**trial.inputs, name: value})
    given = [value if f"cotangent {i}" == name else each
             for i, each in enumerate(trial.cotangents)]
    return replace(trial, cotangents=tuple(given))


def check(asked: Asked) -> Iterator[Failure]:
    """Failures that stay when the numbers move, for the tensors and layouts of this trial."""
    seed = int(asked.rng.integers(2**32))
    def asks(again: Asked) -> Iterator[Failure]:
        return layouts(replace(again, rng=np.random.default_rng(seed)))
    return lasting(asks)(asked)
