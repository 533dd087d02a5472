"""What a fault is: one line of the reference made wrong on purpose. Tables in, engine out.

A fault measures the harness (is it found?) and names a user's mistake (does it give the same wrong
answer?). How a line is made wrong is in `ways.py`, whether a case shows it in `showing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..reference import DescriptionError, Engine, Tables

Make = Callable[[Tables], Engine]


class Fault(NamedTuple):
    """One known mistake.

    `family` is the headline it is listed under, `symptom` a sentence that says what one sees,
    without its full stop. `wrong` and `right` are the two lines of code, `seen` says where the
    mistake was seen. `engine(tables)` makes the wrong engine; it is made anew for every use, so
    that nothing remembered goes from one use to the next.
    """

    family: str
    symptom: str
    wrong: str
    right: str
    seen: str
    engine: Make


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
