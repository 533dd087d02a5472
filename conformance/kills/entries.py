"""An entry of the reference's tables, taught: what it makes of some numbers, and who gets it wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from ..faults import FAULTS, Fault
from ..faults.showing import structures_in
from ..faults.updating import WRONG_UPDATES, WrongUpdate
from ..faults.ways import Wrong, entries_of
from ..reference import ACTIVATIONS, LAYERS, LOSSES, TABLES, LossSpec
from ..reference.kinds import REQUIRED, Activation, Loss, Rule
from ..reference.regularised import options as options_of_loss
from ..reference.training import UPDATES, Row
from .lessons import Entry, Lesson

Known = Fault | WrongUpdate
WHERE = {"activations": "activations.ACTIVATIONS", "losses": "losses.LOSSES",
         "layers": "layers.LAYERS", "updates": "training.UPDATES"}
ENTRIES: Mapping[str, Mapping[str, Any]] = {
    "activations": ACTIVATIONS, "losses": LOSSES, "layers": LAYERS, "updates": UPDATES}
Z = np.array([-2.0, -0.5, 0.5, 2.0])
LOGITS = np.array([[0.0, 1.0, 2.0]])
OUTPUTS = (np.array([[0.2, 0.7, 0.1]]), np.log([[0.2, 0.7, 0.1]]))
TARGETS = {"sign": np.array([[-1.0, 1.0, -1.0]])}
ONE_HOT = np.array([[0.0, 1.0, 0.0]])


def of_entry(name: str) -> Lesson | None:
    """A lesson on an entry of one of the tables, by its name there; or None."""
    found = tuple((table, name) for table, rows in ENTRIES.items() if name in rows)
    return Lesson((name,), (), tuple(WHERE[table] for table, _ in found), entries=found) \
        if found else None


# --- who gets it wrong ----------------------------------------------------------------------------


@cache
def changed(name: str) -> frozenset[Entry]:
    """The entries of the tables that a known mistake changes in every case."""
    engine = FAULTS[name].engine
    if not isinstance(engine, Wrong):
        return frozenset()
    wrong = engine.entries(TABLES)
    return frozenset((table, key) for table in ("activations", "losses", "layers")
                     for key, row in entries_of(wrong, table).items()
                     if row is not entries_of(TABLES, table)[key])


def about(entry: Entry) -> dict[str, Known]:
    """The known mistakes that change an entry: those that change few others first."""
    table, name = entry
    if table == "updates":
        return {key: row for key, row in WRONG_UPDATES.items() if name in row.rows}
    own = {key: row for key, row in FAULTS.items() if entry in changed(key)
           or (table == "layers" and name in structures_in(row.family))}
    return dict(sorted(own.items(), key=lambda each: len(changed(each[0]))))


# --- in numbers -----------------------------------------------------------------------------------


def numbers(entry: Entry) -> Iterator[str]:
    """What the entry makes of some numbers, computed now; of a layer, the options it has."""
    table, name = entry
    yield from IN_NUMBERS[table](name, ENTRIES[table][name])


def _activation(name: str, row: Activation) -> Iterator[str]:
    usual = {key: option.default for key, option in row.options.items()}
    if row.df is None:
        y = row.f(LOGITS, **usual)
        yield f"{name} of {short(LOGITS[0])} is {short(y[0])}"
        error = np.array([[1.0, 0.0, 0.0]])
        back = row.backward(LOGITS, y, error, **usual)
        yield f"the error {short(error[0])} behind it is {short(back[0])} before it"
        return
    y = row.f(Z, **usual)
    yield f"z     = {short(Z)}"
    yield f"f(z)  = {short(y)}"
    yield f"f'(z) = {short(row.df(Z, y, **usual))}"


def _loss(name: str, row: Loss) -> Iterator[str]:
    low, high = row.domain
    p = next(each for each in OUTPUTS if low <= each.min() and each.max() <= high)
    t = next((TARGETS[kind] for kind in row.targets if kind in TARGETS), ONE_HOT)
    numbers = options_of_loss(LossSpec(name), row)
    yield f"p = {short(p[0])}, t = {short(t[0])}"
    yield f"L     = {short(np.sum(row.L(p, t, **numbers)))}"
    yield f"dL/dp = {short(row.dL(p, t, **numbers)[0])}"


def _layer(name: str, row: Rule) -> Iterator[str]:
    wanted = (f"{key}: {option.wanted}" + ("" if option.default is REQUIRED
              else f" ({option.default})") for key, option in row.options.items())
    options = "; ".join(wanted)
    if options:
        yield f"options of {name}: {options}"


def _update(name: str, row: Row) -> Iterator[str]:
    usual = ", ".join(key if value is None else f"{key} ({value})"
                      for key, value in row.options.items())
    yield f"{name} takes {usual}"


IN_NUMBERS: Mapping[str, Any] = {"activations": _activation, "losses": _loss, "layers": _layer,
                                 "updates": _update}


def short(array: object) -> str:
    """An array on one line, with at most six digits and some of its entries."""
    text = np.array2string(np.asarray(array) + 0.0, separator=", ", threshold=6,
                           formatter={"float_kind": lambda v: f"{v:.6g}"})
    return " ".join(text.replace("\n", "").split())
