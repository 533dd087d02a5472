"""What is verified: a subject is an engine and what is known about it; a function makes one."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..properties.claims import Claims
from ..reference import Answer, Case, Engine
from .contract import check_untouched, read, read_loss
from .implementing import called, claims_of
from .replies import paired
from .stepping import Stepped
from .wanted import check_called

Array = Any
Backprop = Callable[..., Any]


@dataclass(frozen=True)
class Subject:
    """The engine under verification, and what is known about it.

    made_of: the oracle families it is built from ("torch"), which cannot witness for it. fresh:
    gives a new engine with fresh state, where that can be had. source: file:line, where known.
    door: how it was plugged in. target: the text it was loaded from, where it was. needs: the
    packages that a ready-made one is made of. stepping: of a training step, the same engine, which
    can also make several steps and be asked with another rate. alone: where it is made of layers,
    the cases that ask each of a case's layers by itself, by name.
    """

    name: str
    claims: Claims
    engine: Engine
    made_of: frozenset[str] = frozenset()
    fresh: Callable[[], Engine] | None = None
    source: str = ""
    door: str = "function"
    target: str = ""
    needs: tuple[str, ...] = ()
    stepping: Stepped | None = None
    alone: Callable[[Case], Iterable[tuple[str, Case]]] | None = None


def subject_of(
    target: Any, name: str | None = None, *, made_of: Sequence[str] = (), stateless: bool = False
) -> Subject:
    """The subject a function makes, with its claims; a Subject as it is.

    stateless: a new wrapper is a fresh engine.

    Raises DescriptionError where the target is not callable, TargetError where it is to be called
    in another way.
    """
    if isinstance(target, Subject):
        return target
    name = name or getattr(called(target), "__qualname__", None) or type(target).__name__
    check_called(target, name)
    fresh = functools.partial(Wrapped, target) if stateless else None
    door = getattr(target, "__backproof_door__", "function")
    claims = claims_of(target)
    stepping = target.__backproof_engine__() if hasattr(target, "__backproof_engine__") else None
    return Subject(name, claims, stepping or Wrapped(target),
                   frozenset((*made_of, *claims.made_of)), fresh, source_of(target), door,
                   stepping=stepping, alone=getattr(target, "__backproof_alone__", None))


def source_of(target: Any) -> str:
    """file:line of a function, of a class, or of an object's class; "" where there is none."""
    while isinstance(target, functools.partial):
        target = target.func
    target = getattr(target, "__backproof_source__", None) or inspect.unwrap(target)
    if not (inspect.isroutine(target) or inspect.isclass(target)):
        target = type(target)
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (TypeError, OSError):
        return ""


class Wrapped:
    """The engine of a plugged-in function. `notes`: what was odd about its answers but no failure.

    Calling it raises BrokenContract, and whatever the function raises.
    """

    def __init__(self, target: Backprop):
        self.target, self.notes = target, set[str]()
        self._seen: dict[str, weakref.ref[Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process wraps the function anew."""
        return Wrapped, (self.target,)

    def loss(self, case: Case) -> float:
        """The loss of the reply, whatever the gradients in it are."""
        mine = case.copy()
        reply = self.target(case.network, dict(mine.values), mine.inputs, mine.targets)
        return read_loss(case, paired(case.network, reply)[0])

    def __call__(self, case: Case) -> Answer:
        mine = case.copy()
        parameters = dict(mine.values)
        reply = self.target(case.network, parameters, mine.inputs, mine.targets)
        check_untouched(case, mine, parameters)
        reply, how = paired(case.network, reply)
        answer, notes = read(case, reply)
        self.notes |= how | notes | self._buffers(reply[1])
        return answer

    def _buffers(self, gradients: Mapping[str, Any]) -> set[str]:
        """A note for every array that shares memory with the last answer's.

        That is harmless here, where answers are copied.
        """
        arrays = {name: value for name, value in gradients.items() if isinstance(value, np.ndarray)}
        last = {name: seen() for name, seen in self._seen.items()}
        self._seen = {name: weakref.ref(value) for name, value in arrays.items()}
        shared = [name for name, value in arrays.items() if _shared(value, last.get(name))]
        return {f"{name}: the same memory as in the answer before" for name in shared}


def _shared(one: Array, other: Array) -> bool:
    return other is not None and np.may_share_memory(one, other)
