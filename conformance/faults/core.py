"""What a fault is: one line of the reference made wrong on purpose. Tables in, engine out.

A fault measures the harness (is it found?) and names a user's mistake (does it give the same wrong
answer?). How a line is made wrong is in `ways.py`, whether a case shows it in `showing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

from ..reference import DescriptionError, Engine, Tables

Make = Callable[[Tables], Engine]


class Number(NamedTuple):
    """The one number that a mistake has in it, where programs with the mistake differ in it.

    `name` says what it is ("rate"), `usual` is the value that is seen most, and `engine(value)` is
    the mistake with another value. `least` and `most` are the ends of its size; `signed` says that
    it may be negative too, `whole` that it counts something.
    """

    name: str
    usual: float
    engine: Callable[[float], Make]
    least: float = 1e-4
    most: float = 10.0
    signed: bool = False
    whole: bool = False

    def may_be(self, value: float) -> bool:
        """Whether somebody may have written this value."""
        return self.least <= (abs(value) if self.signed else value) <= self.most


class Mistake(Protocol):
    """What a finding tells of a known mistake, be it one of a gradient or of an update."""

    @property
    def numbers(self) -> dict[str, float]: ...

    @property
    def place(self) -> dict[str, str]: ...


class Feature(NamedTuple):
    """Where a mistake is, if it is not everywhere.

    `of` is "activation", "loss", "dtype", "layer" or "gradients", and `value` which one of them:
    "tanh", "first" of the layers, or "parameters" of the gradients.
    """

    of: str
    value: str


class Fault(NamedTuple):
    """One known mistake.

    `family` is the headline it is listed under, `symptom` a sentence that says what one sees,
    without its full stop. `wrong` and `right` are the two lines of code, `seen` says where the
    mistake was seen. `engine(tables)` makes the wrong engine; it is made anew for every use, so
    that nothing remembered goes from one use to the next.

    `number` is the number that the mistake has in it, where it has one: `engine` is then that of
    the usual value. `value` is what the number was found to be in somebody's program, and `only`
    says where its mistake is, if it is in one place only.
    """

    family: str
    symptom: str
    wrong: str
    right: str
    seen: str
    engine: Make
    number: Number | None = None
    value: float | None = None
    only: Feature | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """The number, by its name: what it was found to be, else the usual one; or nothing."""
        if self.number is None:
            return {}
        return {self.number.name: self.number.usual if self.value is None else self.value}

    @property
    def place(self) -> dict[str, str]:
        """Where the mistake is, if it is in one place only: {"activation": "tanh"}."""
        return {} if self.only is None else {self.only.of: self.only.value}


def numbered(family: str, symptom: str, wrong: str, right: str, seen: str,
             number: Number) -> Fault:
    """A mistake with a number in it; its engine is that of the usual value."""
    return Fault(family, symptom, wrong, right, seen, number.engine(number.usual), number)


@lru_cache(maxsize=1024)
def with_value(fault: Fault, value: float) -> Fault:
    """The mistake with this value of its number; the same object each time it is asked for."""
    if fault.number is None:
        return fault
    return fault._replace(engine=fault.number.engine(value), value=value)


Faults = dict[str, Fault]


def table_of(*tables: Mapping[str, Fault]) -> Faults:
    """All the rows in one table, in this order; DescriptionError for a name that is there twice."""
    whole: Faults = {}
    for table in tables:
        for name, fault in table.items():
            if name in whole:
                raise DescriptionError(f"fault {name!r} is there twice")
            whole[name] = fault
    return whole
