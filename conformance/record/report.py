"""What a run says: outcomes, findings, the verdict. Plain data, also after a trip through JSON."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..oracles import ORACLES
from . import harmless
from .notes import Note
from .shown import shown
from .written import written

SCHEMA = 2
OUTCOMES = ("passed", "failed", "errored", "declined", "not_claimed", "inconclusive",
            "not_available")
EXECUTED = ("passed", "failed", "errored")
PLACES = {("layer", "first"): "the first layer alone", ("layer", "last"): "the last layer alone",
          ("layer", "hidden"): "the hidden layers alone",
          ("layer", "later"): "every layer but the first",
          ("gradients", "parameters"): "the gradients of the parameters alone"}
LESSON = {"wrong": "wrong", "right": "right", "seen in": "seen"}
VERDICTS = ("conforms", "does_not_conform", "not_judged", "incomplete")
EXITS = {"conforms": 0, "does_not_conform": 1, "not_judged": 2, "incomplete": 3}


@dataclass(frozen=True)
class Finding:
    """One mistake: the property it broke, where, the numbers, the case that shows it and why.

    `parameter` is the worst one on the reduced case, `where` its worst entry's index; `error` and
    `tolerance` are that entry's. `case` is the id of the case file. `explanation` says what is
    wrong, a line each. `also` names the other properties that broke with it. `faults` are the known
    mistakes it is consistent with, the likeliest first, and `lesson` that one's symptom, wrong and
    right line, and where it was seen; empty where no known mistake matches. `kinds` are the kinds
    of parameter that are wrong ("bias,weight"), or how it broke. `wrong` and `right` are the
    gradients given that are and are not ("0.bias"). `ratio` is the one number that the wrong ones
    are times the truth, where there is one, and `equals` what that number is on every failing
    network ("1/N", "3"). `numbers` is what the likeliest mistake's number was found to be
    ({"rate": 0.1}), where it has one. `networks`: on how many of the networks drawn it shows, and
    how many were judged; nothing where that is not known. `when`: the condition under which it
    shows, as data (`naming.when`), empty where none was found. `only`: where the likeliest mistake
    is, if it is in one place only ({"activation": "tanh"}). `zero` are the gradients given that are
    0 in truth, so neither wrong nor right. `loses_digits`: the wrong ones are off by rounding, of
    which right programs make less. `located`: of a program, where in its plain form the mistake is,
    the likeliest place first: file, line, text, kind, edge. `of`: what was drawn, "networks" or
    "trials".
    """

    property: str
    parameter: str
    where: tuple[int, ...]
    got: float
    wanted: float
    error: float
    tolerance: float
    case: str
    explanation: str
    outcome: str = "failed"
    also: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    lesson: Mapping[str, str] = field(default_factory=dict)
    kinds: str = ""
    wrong: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    ratio: float | None = None
    equals: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    networks: tuple[int, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    zero: tuple[str, ...] = ()
    loses_digits: bool = False
    located: tuple[Mapping[str, Any], ...] = ()
    of: str = "networks"

    @builtins.property  # `property` is a field here
    def id(self) -> str:
        """property:kinds:mistake, the same from run to run as far as the mistake is."""
        parts = (self.property, self.kinds or self.parameter.rpartition(".")[2],
                 (*self.faults, "unknown")[0])
        return ":".join(re.sub(r"[^\w,.-]", "_", part) or "none" for part in parts)

    @builtins.property
    def text(self) -> str:
        """The likeliest mistake with its lines, what else it could be, and the explanation."""
        return harmless.lines("\n".join([*self._taught(), *self.lines]))

    @builtins.property
    def lines(self) -> list[str]:
        """The explanation, behind its first line on which networks the mistake shows."""
        first, *rest = self.explanation.split("\n")
        return [first, *shown(self.networks, self.when, self.of), *rest]

    @builtins.property
    def headline(self) -> str:
        """The first line of the text."""
        return self.text.partition("\n")[0]

    def _taught(self) -> Iterator[str]:
        if self.lesson:
            told = "".join(self._particulars())
            yield f"consistent with {self.faults[0]}{told}: {self.lesson['symptom']}"
            yield from (f"  {what}: {self.lesson[key]}" for what, key in LESSON.items())
        if self.faults[1:]:
            yield f"also consistent with: {', '.join(self.faults[1:4])}"

    def _particulars(self) -> Iterator[str]:
        """The number of the likeliest mistake, and the one place where it is."""
        for name, value in self.numbers.items():
            yield f" with {name} = {written(value, 4)}"
        for of, place in self.only.items():
            yield f" in {PLACES.get((of, place), f'{place} alone')}"

    def to_json(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name))
                 for name in ("where", "also", "faults", "wrong", "right", "networks", "zero",
                              "located")}
        numbers = {name: _finite(getattr(self, name))
                   for name in ("got", "wanted", "error", "tolerance")}
        ratio = None if self.ratio is None else _finite(self.ratio)
        mappings = {"lesson": dict(self.lesson), "when": dict(self.when),
                    "only": dict(self.only),
                    "numbers": {name: _finite(value) for name, value in self.numbers.items()}}
        return {**asdict(self), **lists, **numbers, **mappings, "ratio": ratio}


def _note(note: str) -> dict[str, str]:
    """A note as data; a plain text is one of no kind."""
    return (note if isinstance(note, Note) else Note(note)).to_json()


def _few(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _finite(value: float) -> float | str:
    """JSON has no NaN and no infinity: they travel as strings."""
    return float(value) if abs(value) < float("inf") else str(float(value))


class Shows(Protocol):
    """What can show a report in more than text: it knows the record that the run kept.

    Both raise BackproofError, in one line, where there is none.
    """

    def card(self) -> str:
        """The first screen as HTML, for the output of a cell."""

    def page(self) -> str:
        """The whole page, for a file."""


@dataclass(repr=False)
class Report:
    """The whole of a run: `report.json` is this, and `text()` what a terminal shows.

    counts: property -> outcome -> how many. resolution: dtype -> parameter kind -> digits of
    agreement, the smallest relative error the run would have seen, and how many comparisons were
    that sharp. networks: how many were asked, of `planned`; `ended`: what ended the run before that
    ("time limit"), "" where nothing did. expectation: whether it is as a file of known failures
    says ("as_expected"), and what that lists; empty where there is none, or no verdict. of: what
    was drawn, "networks" or "trials". figures: of a program, what people compare it by beside the
    verdict (docs/programs.md); lines: these in words.
    """

    subject: str
    verdict: str
    environment: Mapping[str, str]
    seed: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    resolution: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    networks: int = 0
    first_failure: int | None = None
    seconds: float = 0.0
    reason: str = ""
    planned: int = 0
    ended: str = ""
    expectation: Mapping[str, Any] = field(default_factory=dict)
    of: str = "networks"
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shows: Shows | None = None

    @property
    def says(self) -> str:
        """The verdict in words; where fewer networks than planned conform, after how many."""
        words = self.verdict.replace("_", " ")
        if self.verdict != "conforms" or self.networks >= self.planned:
            return words
        why = f" ({self.ended})" if self.ended else ""
        return f"{words}, after {self.networks} of {self.planned} {self.of}{why}"

    @property
    def exit(self) -> int:
        """0 conforms, 1 does_not_conform, 2 not_judged, 3 incomplete.

        Where known failures are listed, 0 is as expected, and 1 is not.
        """
        if self.expectation:
            return 0 if self.expectation.get("as_expected") is True else 1
        return EXITS[self.verdict]

    def to_json(self) -> dict[str, Any]:
        data = {"schema": SCHEMA, **asdict(self), "findings": [f.to_json() for f in self.findings],
                "notes": [_note(note) for note in self.notes]}
        return data | {"environment": dict(self.environment)}

    def total(self, outcome: str) -> int:
        """How many results had this outcome."""
        return sum(by.get(outcome, 0) for by in self.counts.values())

    def text(self) -> str:
        """The verdict first, each finding, then what was checked and how sharply."""
        why = f" ({self.reason})" if self.reason else ""
        said = [self.headline + why, *self.missing, *self._findings(), *self._evidence()]
        return "\n".join(map(harmless.lines, said))

    def __repr__(self) -> str:
        return self.text()

    def shown_by(self, shows: Shows) -> None:
        """From now on the report has a card in notebooks, and a page."""
        self._shows = shows

    def _repr_html_(self) -> str | None:
        """What a notebook shows; None, for the text, where the run's record was not kept."""
        from ..reference.checks import BackproofError

        try:
            return None if self._shows is None else self._shows.card()
        except BackproofError:
            return None

    def html(self, where: str | os.PathLike[str]) -> Path:
        """Write the whole page, which needs nothing else, to a file; its path is returned.

        Raises BackproofError where the run's record was not kept, OSError for the file.
        """
        from ..reference.checks import BackproofError

        if self._shows is None:
            raise BackproofError("html: this report has no record; that of verify(...) has one, "
                                 "and so has a folder: python -m backproof report DIR")
        path = Path(where)
        path.write_text(self._shows.page(), encoding="utf-8")
        return path

    @property
    def line(self) -> str:
        """The result in one line: "mine: CONFORMS, 300 networks, 12,345 checks, ..."."""
        bad = self.total("failed") + self.total("errored")
        checks = self.total("passed") + bad
        failed = f" ({bad:,} failed)" if bad else ""
        version = self.environment.get("backproof", "")
        short = self.planned > self.networks
        of = f" of {self.planned:,}" if short else ""
        ended = f" ({self.ended})" if short and self.ended else ""
        word = self.verdict.replace("_", " ").upper()
        parts = [f"{self.subject}: {word}", f"{self.networks:,}{of} {self.of}{ended}",
                 f"{checks:,} checks{failed}",
                 f"backproof {version}".strip(), f"seed {self.seed}"]
        return harmless.line(", ".join(parts))

    @property
    def missing(self) -> list[str]:
        """A line for each oracle that was not there and can be had: how to get it."""
        absent = [name for name, by in self.counts.items() if by.get("not_available")]
        return [f"  {name} was not there: {row.install}" for name in absent
                if (row := ORACLES.get(name)) is not None and row.install]

    @property
    def headline(self) -> str:
        """The subject and the verdict in capitals, less its reason."""
        word = self.verdict.replace("_", " ")
        return harmless.line(f"{self.subject}: {word.upper()}{self.says.removeprefix(word)}")

    def _findings(self) -> list[str]:
        lines = []
        for i, finding in enumerate(self.findings, 1):
            lines += ["", f"  {i}. {finding.text}".replace("\n", "\n     ")]
            if finding.also:
                lines.append(f"     also broken: {_few(finding.also)}")
            lines.append(f"     case {finding.case}")
        return [*lines, ""] if lines else lines

    def _evidence(self) -> list[str]:
        passed, failed = self.total("passed"), self.total("failed")
        rest = ", ".join(f"{n} {o.replace('_', ' ')}" for o in OUTCOMES[2:] if (n := self.total(o)))
        rest = f", {rest}" if rest else ""
        lines = [f"  {self.networks} {self.of}, {passed} checks passed, {failed} failed{rest}; "
                 f"{self.seconds:.1f} s, seed {self.seed}"]
        for dtype, kinds in self.resolution.items():
            for kind, figures in kinds.items():
                lines.append(f"  {dtype} {kind}: agrees to {figures['digits']:.1f} digits; "
                             "would have seen a relative "
                             f"error of {figures['smallest_error']:.0e} (median); "
                             f"{int(figures['sharp'])} sharp comparisons")
        lines += [f"  {line}" for line in self.figures.get("lines", ())]
        return [*lines, *(f"  note: {note}".replace("\n", "\n    ") for note in self.notes)]
