"""A record read back: the report, what each judge said of each feature, how near answers came.

It is read from `report.jsonl` alone. A record without its last line, or cut in the middle of one,
is of a run that did not end: it is read as far as it goes, and is incomplete. Anything else that is
no record is a RecordError of one line. Nothing in a record is executed.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..reference.checks import DEEP, LARGEST, deeper, visible
from . import files, harmless
from .folder import LINES as NAME
from .folder import RecordError
from .keeping import Kept
from .notes import Note, note_of, of_schema_1
from .report import OUTCOMES, SCHEMA, VERDICTS, Finding, Report
from .shown import shown

Json = Any
ID = re.compile("[0-9a-f]{12}")
POINTS = 20_000
DEEPEST = "nested too deeply"
READS = (1, SCHEMA)
# What a finding had not before, and stands for it in an older record.
SINCE: Mapping[str, Json] = {"kinds": "", "wrong": [], "right": [], "ratio": None, "equals": "",
                              "networks": [], "when": {}, "zero": [], "loses_digits": False,
                              "located": [], "of": "networks"}
LESSONS = ("symptom", "wrong", "right", "seen")


@dataclass
class Run:
    """One record.

    header: its first line. report: the verdict and all that the run found out; without a footer
    what the results say, and "incomplete". cells: (facet, name) -> property -> outcome -> how many.
    points: of the first answer on each network, (parameter, dtype, error, tolerance, largest
    entry). examples: case id -> the case as JSON. folder: where the record is, from the current
    folder; "" where it is elsewhere. cases: whether the record has files of its cases.
    """

    header: Mapping[str, Json]
    report: Report
    complete: bool
    cells: dict[tuple[str, str], dict[str, Counter[str]]] = field(default_factory=dict)
    points: list[tuple[str, str, float, float, float]] = field(default_factory=list)
    examples: dict[str, Json] = field(default_factory=dict)
    results: int = 0
    folder: str = ""
    cases: bool = True

    @property
    def unclaimed(self) -> dict[str, list[str]]:
        """What there is and the subject does not claim: facet -> names."""
        return {facet: names for facet, names in self.header.get("unclaimed", {}).items() if names}


def read(where: str | os.PathLike[str]) -> Run:
    """The record of a directory, or of a report.jsonl.

    Raises RecordError, in one line, where there is none.
    """
    path = Path(where)
    path = path / NAME if os.path.isdir(path) else path
    try:
        run = _Reader(path.name).run(files.lines(path))
    except files.UnreadableError as error:
        raise RecordError(str(error)) from error
    return _placed(run, path.parent)


def kept(record: Kept, folder: str | os.PathLike[str] | None = None) -> Run:
    """The record that a run kept in memory; folder: where it left another one, with its cases.

    Raises RecordError where it was too large to be kept.
    """
    if not record.whole:
        raise RecordError("the run's record was too large to be kept in memory: "
                          "verify(..., report=\"out\") writes it to a folder")
    with record.lines() as lines:
        run = _Reader("the run").run(lines)
    if folder is None:
        run.cases = False
        return run
    return _placed(run, Path(folder))


def _placed(run: Run, folder: Path) -> Run:
    """The run, told where its record is."""
    try:
        here, there = Path(os.path.realpath(Path.cwd())), Path(os.path.realpath(folder))
    except OSError:  # the current folder is gone
        return run
    run.folder = there.relative_to(here).as_posix() if there.is_relative_to(here) else ""
    return run


class _Reader:
    """The lines of one record, taken in one after another."""

    def __init__(self, name: str):
        self.name, self.number = name, 0
        self.header: Mapping[str, Json] | None = None
        self.footer: Mapping[str, Json] | None = None
        self.features: dict[int, Mapping[str, Json]] = {}
        self.findings: list[Finding] = []
        self.examples: dict[str, Json] = {}
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.by_features: dict[tuple[int | None, str], Counter[str]] = defaultdict(Counter)
        self.points: list[tuple[str, str, float, float, float]] = []
        self.networks = self.results = 0

    def run(self, lines: Iterator[str] | Any) -> Run:
        takes: dict[str, Callable[[Mapping[str, Json]], None]] = {
            "header": self._header, "features": self._features, "result": self._result,
            "finding": self._finding, "footer": self._footer}
        for line in lines:
            self.number += 1
            data = self._json(line)
            if data is None:
                break
            kind = data.get("type")
            if not isinstance(kind, str) or kind not in takes:
                raise self._error(f"type is {_short(kind)}, wanted one of {', '.join(takes)}")
            if (self.header is None) != (kind == "header"):
                raise self._error("the header is the first line, and no other")
            if self.footer is not None:
                raise self._error("there is something after the footer")
            takes[kind](data)
        if self.header is None:
            raise RecordError(f"{self.name}: is empty: no header, no record")
        return self._whole(self.header)

    def _json(self, line: str) -> Mapping[str, Json] | None:
        """The line; None for one that was cut off: the last, without its end."""
        try:
            data = json.loads(line, parse_constant=no_constant)
        except (ValueError, RecursionError) as error:
            if not line.endswith("\n"):
                return None
            why = DEEPEST if isinstance(error, RecursionError) else "is not JSON"
            raise self._error(why) from error
        if line.count("[") + line.count("{") > DEEP and deeper(data, DEEP):
            raise self._error(DEEPEST)
        if not isinstance(data, dict):
            raise self._error(f"is {_short(data)}, wanted an object")
        data = harmless.short(data) if len(line) > harmless.LONGEST else data
        return _mended(data) if "\\ud" in line or "\\uD" in line else data

    def _error(self, why: str) -> RecordError:
        return RecordError(visible(f"{self.name}:{self.number}: {why}"))

    def _get(self, data: Mapping[str, Json], key: str, kind: type | tuple[type, ...],
             missing: Json = None) -> Json:
        value = data.get(key, missing)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._error(f"{key} is {_short(value)}, wanted {_word(kind)}")
        return value

    def _number(self, data: Mapping[str, Json], key: str) -> float:
        if not _is_number(data.get(key)):
            raise self._error(f"{key} is {_short(data.get(key))}, wanted a number")
        return float(data[key])

    # --- the lines --------------------------------------------------------------------------------

    def _header(self, data: Mapping[str, Json]) -> None:
        if data.get("schema") not in READS:
            raise self._error(f"schema is {_short(data.get('schema'))}, this backproof reads "
                              f"{' and '.join(map(str, READS))}")
        for key, kind in {"subject": str, "seed": int, "environment": dict}.items():
            self._get(data, key, kind)
        for key in ("plan", "claims"):
            self._get(data, key, dict, {})
        for name, value in data["environment"].items():
            self._get({name: value}, name, str)
        for facet, names in self._get(data, "unclaimed", dict, {}).items():
            self._names(facet, names)
        for key in ("door", "source", "started", "target"):
            self._get(data, key, str, "")
        if not harmless.may_be_typed(data.get("target", "")):
            raise self._error(f"target is {_short(data['target'])}, wanted what can be typed")
        if (code := self._get(data, "code", (dict, type(None)))) is not None:
            self._get(code, "line", int)
            self._get(code, "text", str)
        self.header = data

    def _names(self, what: str, value: Json) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._error(f"{what} is {_short(value)}, wanted a list of names")
        return value

    def _features(self, data: Mapping[str, Json]) -> None:
        number = self._get(data, "id", int)
        named = {key: value for key, value in data.items() if key not in ("type", "id")}
        self.features[number] = {key: self._names(key, value) for key, value in named.items()}

    def _result(self, data: Mapping[str, Json]) -> None:
        name, outcome = self._get(data, "property", str), data.get("outcome")
        if outcome not in OUTCOMES:
            raise self._error(f"outcome is {_short(outcome)}, wanted one of {', '.join(OUTCOMES)}")
        number = data.get("features")
        if number is not None and (not isinstance(number, int) or number not in self.features):
            raise self._error(f"features is {_short(number)}, which no line before has said")
        times = self._get(data, "times", int, 1)
        if times < 1:
            raise self._error(f"times is {times}, wanted 1 or more")
        self.results += times
        self.networks = max(self.networks, self._get(data, "network", int, 0))
        self.counts[name][outcome] += times
        self.by_features[number, name][outcome] += times
        for parameter, values in self._get(data, "agreement", dict, {}).items():
            self._point(parameter, number, values)

    def _point(self, parameter: str, number: int | None, values: Json) -> None:
        three = isinstance(values, list) and len(values) == 3 and all(map(_is_number, values))
        if not three:
            raise self._error(f"agreement of {_short(parameter)} is {_short(values)}, "
                              "wanted three numbers")
        if len(self.points) < POINTS:
            dtype = (self.features.get(number or 0, {}).get("dtype") or ["float64"])[0]
            error, tolerance, size = map(float, values)
            self.points.append((parameter, dtype, error, tolerance, size))

    def _finding(self, data: Mapping[str, Json]) -> None:
        if (case := self._get(data, "case", str)) and not ID.fullmatch(case):
            raise self._error(f"case is {_short(case)}, wanted 12 digits of 0-9 and a-f")
        finding = Finding(**{key: self._field(data, key, kind) for key, kind in FINDING.items()})
        try:
            shown(finding.networks, finding.when, finding.of)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise self._error("networks or when is no count of networks, or no condition that "
                              "can be told") from error
        self.findings.append(finding)
        if isinstance(data.get("example"), dict):
            self.examples[finding.case] = data["example"]

    def _field(self, data: Mapping[str, Json], key: str, kind: str) -> Json:
        value = data.get(key, SINCE.get(key))
        if kind == "number":
            return self._number(data, key)
        if kind == "ratio":
            return None if value is None else self._number({key: value}, key)
        if kind == "words":
            each = self._get(data, key, dict, {})
            return {name: self._get(each, name, str) for name in each}
        if kind == "numbers":
            each = self._get(data, key, dict, {})
            return {name: self._number(each, name) for name in each}
        if kind == "names":
            return tuple(self._names(key, value))
        if kind == "yes or no":
            if not isinstance(value, bool):
                raise self._error(f"{key} is {_short(value)}, wanted true or false")
            return value
        if kind == "places":
            return self._places(key, value)
        if kind == "when":
            return self._when(self._get({key: value}, key, dict))
        if kind == "where":
            if not isinstance(value, list) or not all(type(each) is int for each in value):
                raise self._error(f"{key} is {_short(value)}, wanted a list of whole numbers")
            return tuple(value)
        if kind == "texts":
            return self._lesson(data, self._get(data, key, dict, {}))
        return self._get({key: value}, key, str)

    def _places(self, key: str, value: Json) -> tuple[dict[str, Json], ...]:
        """Places of a plain form: texts, and the number of the line."""
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._error(f"{key} is {_short(value)}, wanted a list of places")
        for each in value:
            for name, told in each.items():
                self._get({name: told}, name, int if name in ("line", "trials") else str)
        return tuple(value)

    def _lesson(self, data: Mapping[str, Json], texts: Mapping[str, Json]) -> dict[str, str]:
        if texts and not data.get("faults"):
            raise self._error("there is a lesson, but faults is empty")
        return {each: self._get(texts, each, str) for each in LESSONS} if texts else {}

    def _when(self, data: Mapping[str, Json]) -> Mapping[str, Json]:
        """The condition: names, numbers and lists of numbers."""
        if data:
            for key in ("trait", "relation"):
                self._get(data, key, str)
            for key in ("inside", "outside", "asked"):
                counts = self._get(data, key, list)
                if not all(type(each) is int for each in counts):
                    raise self._error(f"{key} is {_short(counts)}, wanted a list of whole numbers")
        return data

    def _footer(self, data: Mapping[str, Json]) -> None:
        if data.get("verdict") not in VERDICTS:
            raise self._error(f"verdict is {_short(data.get('verdict'))}, "
                              f"wanted one of {', '.join(VERDICTS)}")
        data = {**LATER, **data}
        for key, kind in FOOTER.items():
            self._get(data, key, kind)
        notes = self._notes(data.get("notes"))
        if data.get("first_failure") is not None:
            self._get(data, "first_failure", int)
        if data["findings"] != len(self.findings):
            raise self._error(f"findings is {data['findings']}, "
                              f"but there are lines for {len(self.findings)}")
        self._counts(data["counts"])
        self.footer = {**data, "seconds": self._finite(data, "seconds"), "notes": notes,
                       "resolution": self._resolution(data["resolution"])}

    def _notes(self, data: Json) -> list[Note]:
        """Kind and text each; of the schema before, texts alone."""
        if not isinstance(data, list):
            raise self._error(f"notes is {_short(data)}, wanted a list")
        found = []
        for each in data:
            if isinstance(each, str):
                found.append(of_schema_1(each))
            elif isinstance(each, dict) and all(isinstance(each.get(key), str)
                                                for key in ("kind", "text")):
                found.append(note_of(each["kind"], each["text"]))
            else:
                raise self._error(f"notes holds {_short(each)}, wanted a kind and a text")
        return found

    def _finite(self, data: Mapping[str, Json], key: str) -> float:
        if not math.isfinite(number := self._number(data, key)):
            raise self._error(f"{key} is {_short(data[key])}, wanted a finite number")
        return number

    def _resolution(self, data: Mapping[str, Json]) -> dict[str, dict[str, dict[str, float]]]:
        """By dtype and kind of parameter; a smallest error may be infinite, the rest may not."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for dtype, kinds in data.items():
            for kind, figures in self._get({dtype: kinds}, dtype, dict).items():
                self._get({kind: figures}, kind, dict)
                counted = {key: self._get(figures, key, int) for key in ("sharp", "comparisons")}
                found.setdefault(dtype, {})[kind] = {
                    "digits": self._finite(figures, "digits"),
                    "smallest_error": self._number(figures, "smallest_error"), **counted}
        return found

    def _counts(self, data: Mapping[str, Json]) -> None:
        """The footer's counts are those of the results: else lines are missing."""
        said = {name: {o: n for o, n in self._get({name: by}, name, dict).items() if n}
                for name, by in data.items()}
        seen = {name: dict(by) for name, by in self.counts.items()}
        if {k: v for k, v in said.items() if v} != seen:
            raise self._error("its counts are not those of the results above: "
                              "lines are missing, or were changed")

    # --- the whole --------------------------------------------------------------------------------

    def _whole(self, header: Mapping[str, Json]) -> Run:
        report = Report(header["subject"], "incomplete", header["environment"], header["seed"])
        report.counts = {name: dict(by) for name, by in self.counts.items()}
        report.networks, report.findings = self.networks, self.findings
        if self.footer is None:
            report.reason = self._missing(header)
        else:
            for key in FOOTED:
                setattr(report, key, self.footer.get(key, getattr(report, key)))
        return Run(header, report, self.footer is not None, self._cells(header), self.points,
                   self.examples, self.results)

    def _missing(self, header: Mapping[str, Json]) -> str:
        planned = header.get("plan", {}).get("examples")
        of = f" of {planned}" if type(planned) is int else ""
        bad = sum(by["failed"] + by["errored"] for by in self.counts.values())
        seen = f"; {bad} checks had failed" if bad else ""
        return f"the record has no last line: the run ended after network {self.networks}{of}{seen}"

    def _cells(self, header: Mapping[str, Json]) -> dict[tuple[str, str], dict[str, Counter[str]]]:
        cells: dict[tuple[str, str], dict[str, Counter[str]]]
        cells = defaultdict(lambda: defaultdict(Counter))
        for (number, name), outcomes in self.by_features.items():
            door = header.get("door") or "function"
            facets = {} if number is None else {**self.features[number], "door": [door]}
            for facet, names in facets.items():
                for each in names:
                    cells[facet, each][name].update(outcomes)
        return {key: dict(by) for key, by in cells.items()}


FIELDS = {"where": "where", "networks": "where", "when": "when", "also": "names",
          "faults": "names", "lesson": "texts", "wrong": "names", "right": "names",
          "ratio": "ratio", "numbers": "numbers", "only": "words", "got": "number",
          "wanted": "number", "error": "number", "tolerance": "number", "zero": "names",
          "loses_digits": "yes or no", "located": "places"}
FINDING = {f.name: FIELDS.get(f.name, "text") for f in fields(Finding)}
FOOTER: dict[str, type] = {
    "reason": str, "networks": int, "counts": dict, "resolution": dict, "findings": int,
    "planned": int, "ended": str, "expectation": dict, "of": str, "figures": dict}
# What a footer may lack, since those of before have it not.
LATER: dict[str, Any] = {"planned": 0, "ended": "", "expectation": {}, "of": "networks",
                         "figures": {}}
FOOTED = ("verdict", "reason", "networks", "first_failure", "resolution", "notes", "seconds",
          *LATER)


def _mended(value: Json) -> Json:
    """Halves of surrogate pairs, which no file can hold, as their escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return [_mended(each) for each in value] if isinstance(value, list) else value


def no_constant(word: str) -> Json:
    raise ValueError(word)


def _is_number(value: Json) -> bool:
    """A number, or one of the texts that stand for those JSON does not have."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return isinstance(value, float) or abs(value) <= LARGEST
    return isinstance(value, str) and value in ("nan", "inf", "-inf")


def _word(kind: type | tuple[type, ...]) -> str:
    words = {str: "a text", int: "a whole number", dict: "an object", float: "a number",
             list: "a list", type(None): "nothing"}
    return " or ".join(words[each] for each in (kind if isinstance(kind, tuple) else (kind,)))


def _short(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
