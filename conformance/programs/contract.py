"""What an answer must be before its numbers count: how many, of which shape and which dtype."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .judged import Failure, Judged
from .program import Program
from .trial import Reply, Trial, output


def broken(program: Program, judged: Judged, reply: Reply) -> Iterator[Failure]:
    """A failure for each output or gradient that is not what it must be."""
    wrong = [*_outputs(judged, reply)]
    yield from wrong
    for name in judged.trial.wanted if not wrong else ():
        yield from _gradient(judged, reply, name)


def _outputs(judged: Judged, reply: Reply) -> Iterator[Failure]:
    trial, there = judged.trial, len(reply.outputs)
    if there != len(trial.cotangents):
        yield Failure("contract", trial, "", "count", {"got": there,
                                                       "wanted": len(trial.cotangents)})
        return
    for i, got in enumerate(reply.outputs):
        key = output(i)
        if key in judged.truth:
            yield from _array(judged, key, got, reply.dtypes.get(key, ""))


def _gradient(judged: Judged, reply: Reply, name: str) -> Iterator[Failure]:
    value, got = judged.trial.inputs[name], reply.gradients.get(name)
    assert value is not None
    if got is None:
        if name in judged.truth and np.any(judged.truth[name]):
            yield Failure("contract", judged.trial, name, "missing", {"got": "None"})
        return
    if got.shape != value.numbers.shape:
        yield _shape(judged.trial, name, got.shape, value.numbers.shape)
    elif reply.dtypes.get(name, value.dtype) != value.dtype:
        yield Failure("contract", judged.trial, name, "dtype",
                      {"got": reply.dtypes[name], "wanted": value.dtype})


def _array(judged: Judged, key: str, got: object, dtype: str) -> Iterator[Failure]:
    wanted = judged.truth[key]
    if got is None:
        yield Failure("contract", judged.trial, key, "missing", {"got": "None"})
    elif got.shape != wanted.shape:  # type: ignore[attr-defined]
        yield _shape(judged.trial, key, got.shape, wanted.shape)  # type: ignore[attr-defined]


def _shape(trial: Trial, key: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> Failure:
    return Failure("contract", trial, key, "shape", {"got": list(got), "wanted": list(wanted)})
