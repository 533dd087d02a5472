"""A tally as data, and back: what shards of one run hand each other, and what is kept of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..properties.agreement import Disagreement
from ..record.notes import note_of
from ..record.writing import plain
from ..reference import Case, parse
from .tally import Failure, Key, Row, Tally

Json = Any
NUMBERS = ("networks", "invalid", "failing", "last_failing", "first")


def to_json(tally: Tally) -> Json:
    """Strict JSON; the networks one by one only where something failed on one of them."""
    cases: dict[str, Case] = {}

    def known(case: Case) -> str:
        cases[case.id] = case
        return case.id

    data = {
        "counts": tally.counts,
        "failures": [[*key, [_failure(each, known) for each in found]]
                     for key, found in tally.failures.items()],
        "sharpness": [[*key, rows] for key, rows in tally.sharpness.items()],
        "broken": [[*key, sorted(names)] for key, names in tally.broken.items()],
        "last": [[*key, n] for key, n in tally.last.items()],
        "notes": [note.to_json() for note in tally.notes], "divergences": tally.divergences,
        "slopes": {kind: sorted(slopes) for kind, slopes in tally.slopes.items()},
        "rows": [_row(row, known) for row in tally.rows] if tally.failing else [],
        **{name: getattr(tally, name) for name in NUMBERS}}
    return plain({**data, "cases": cases})


def of_json(data: Json) -> Tally:
    """The tally again; raises KeyError, TypeError or ValueError where the data is none."""
    cases = {name: parse.case(each) for name, each in data["cases"].items()}
    tally = Tally(**{name: data[name] for name in NUMBERS})
    for name, by in data["counts"].items():
        tally.counts[name] = Counter(by)
    for *key, found in data["failures"]:
        tally.failures[_key(key)] = [_failed(each, cases) for each in found]
    for *key, rows in data["sharpness"]:
        tally.sharpness[_key(key)] = [(float(t), float(e)) for t, e in rows]
    for *key, names in data["broken"]:
        tally.broken[_key(key)] = set(names)
    tally.last = {_key(key): n for *key, n in data["last"]}
    tally.notes = {note_of(**each): None for each in data["notes"]}
    tally.divergences = data["divergences"]
    tally.slopes = {kind: set(map(float, slopes)) for kind, slopes in data["slopes"].items()}
    tally.rows = [_rowed(each, cases) for each in data["rows"]]
    return tally


def _key(pair: list[str]) -> Key:
    family, kind = pair
    return family, kind


def _failure(failure: Failure, known: Any) -> Json:
    return {"property": failure.property, "kind": failure.kind, "case": known(failure.case),
            "message": failure.message, "disagreements": list(map(list, failure.disagreements)),
            "asked": [known(case) for case in failure.asked],
            "loses_digits": failure.loses_digits}


def _failed(data: Json, cases: dict[str, Case]) -> Failure:
    found = [Disagreement(name, tuple(where), *map(float, numbers))
             for name, where, *numbers in data["disagreements"]]
    return Failure(**{**data, "case": cases[data["case"]], "disagreements": tuple(found),
                      "asked": tuple(cases[name] for name in data["asked"])})


def _row(row: Row, known: Any) -> Json:
    return {"network": row.network, "question": row.question, "case": known(row.case),
            "broken": sorted(row.broken), "unsure": row.unsure}


def _rowed(data: Json, cases: dict[str, Case]) -> Row:
    return Row(**{**data, "case": cases[data["case"]],
                  "broken": {_key(key) for key in data["broken"]}})
