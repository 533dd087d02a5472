"""Known failures: `backproof-expected.txt`, what it says, and whether a run fails as it says.

    # comment lines and blank lines are free
    reference:bias:bias-averaged-over-batch  known since 0.1  https://example.org/issues/12

The first word is a finding's id: the property, the kinds of parameter that are wrong (with commas),
and the known mistake, or "unknown". The last word is a link, http:// or https://. What stands
between is the reason, in as many words as it takes. `backproof expect DIR --fix` writes the ids; it
leaves reason and link to a person, and until then the file is refused.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..reference.checks import BackproofError
from . import files
from .report import EXECUTED, Finding, Report

FILE = "backproof-expected.txt"
LARGEST_FILE = 2**22  # bytes
BLANK = ["WRITE-THE-REASON", "WRITE-THE-LINK"]
JUDGED = ("conforms", "does_not_conform")
ID = re.compile(r"[\w,.-]+:[\w,.-]+:[\w,.-]+")
LINK = re.compile(r"https?://\S+")


class ExpectationError(BackproofError):
    """The file of known failures, or the run, cannot be taken as it is; one line."""


@dataclass(frozen=True)
class Expected:
    """A known failure, and the number of its line."""

    id: str
    reason: str
    link: str
    number: int

    @property
    def place(self) -> str:
        """The id without the mistake: what breaks, and how."""
        return place(self.id)

    @property
    def broken(self) -> str:
        """The property that is known to fail."""
        return self.id.partition(":")[0]


def place(name: str) -> str:
    """"reference:bias:sign" -> "reference:bias"."""
    return name.rpartition(":")[0]


def by_id(findings: Sequence[Finding]) -> dict[str, Finding]:
    """The findings by their ids; a second one of the same id has "-2" after it."""
    seen: Counter[str] = Counter()
    found: dict[str, Finding] = {}
    for finding in findings:
        seen[finding.id] += 1
        found[finding.id + (f"-{seen[finding.id]}" if seen[finding.id] > 1 else "")] = finding
    return found


# --- the file -------------------------------------------------------------------------------------


def load(where: str | os.PathLike[str]) -> list[Expected]:
    """The known failures of a file; ExpectationError for what is not one."""
    path = Path(where)
    return parsed(path.name, text_of(path))


def text_of(path: Path) -> str:
    """What the file says; ExpectationError where it cannot be read."""
    try:
        text = files.whole(path, LARGEST_FILE).removeprefix("\ufeff")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except files.UnreadableError as error:
        raise ExpectationError(str(error)) from error


def parsed(name: str, text: str, blank: bool = False) -> list[Expected]:
    """The known failures of a text.

    blank: a line whose reason and link `--fix` has left to a person is one too. Raises
    ExpectationError, with the line's number, for a line that is not one.
    """
    found = [expected(name, number, line, blank) for number, line in lines(text) if says(line)]
    first: dict[str, int] = {}
    for each in found:
        if first.setdefault(each.id, each.number) != each.number:
            raise ExpectationError(f"{name}:{each.number}: {each.id} is in line "
                                   f"{first[each.id]} already")
    return found


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Every line with its number."""
    return enumerate(text.removesuffix("\n").split("\n") if text else [], 1)


def says(line: str) -> bool:
    """Whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def expected(name: str, number: int, line: str, blank: bool = False) -> Expected:
    """The known failure of a line; ExpectationError for a line that lacks something."""
    first, *rest = line.split()
    at = f"{name}:{number}:"
    if not ID.fullmatch(first):
        raise ExpectationError(f"{at} id is {first[:80]!r}, wanted property:kinds:mistake")
    if rest == BLANK:
        if blank:
            return Expected(first, "", "", number)
        raise ExpectationError(f"{at} {first} has no reason and no link yet: write them")
    if not rest or not LINK.fullmatch(rest[-1]):
        raise ExpectationError(f"{at} {first} has no link: wanted `id  reason  https://...`")
    if not rest[1:] or set(BLANK) & set(rest):
        raise ExpectationError(f"{at} {first} has no reason: wanted `id  reason  https://...`")
    return Expected(first, " ".join(rest[:-1]), rest[-1], number)


# --- a run before the file ------------------------------------------------------------------------


class Expecting(Protocol):
    """What a run is expected to fail: it hears every result, and is asked at the end."""

    def saw(self, outcome: str, **about: Any) -> None:
        """One result of the run, as it is recorded."""

    def compare(self, report: Report) -> None:
        """Tell the report whether it is as expected; not where it came to no verdict."""

    def said(self, report: Report) -> list[str]:
        """The same in words."""


class Ids:
    """The findings of `backproof-expected.txt`, by their ids."""

    def __init__(self, known: Sequence[Expected], file: str):
        self.known, self.file = known, file

    def saw(self, outcome: str, **about: Any) -> None:
        """Nothing: findings are there at the end."""

    def compare(self, report: Report) -> None:
        """Tell the report whether its findings are those of the file."""
        if report.verdict in JUDGED:
            found = by_id(report.findings)
            report.expectation = {
                "as_expected": not surprises(self.known, report),
                "listed": [{"name": each.id, "reason": each.reason, "line": each.number,
                            "outcome": ("failed" if each.id in found else
                                        "passed" if ran(each, report.counts) else "not_run")}
                           for each in self.known]}

    def said(self, report: Report) -> list[str]:
        """The same in words."""
        return as_expected(self.known, report, self.file)[0]


def surprises(known: Sequence[Expected], report: Report) -> list[str]:
    """What is not as the file says, a line each.

    That is an unlisted finding, a listed one that is gone, or one that fails differently now.
    """
    found = by_id(report.findings)
    listed = {each.id for each in known}
    left = {name: finding for name, finding in found.items() if name not in listed}
    said = [_gone(each, left, report) for each in known if each.id not in found]
    said += [f"{name}: is not listed: {finding.headline}" for name, finding in left.items()]
    bad = report.total("failed") + report.total("errored")
    return said + ([f"{bad} checks failed, and no finding says why"] if bad and not found else [])


def _gone(each: Expected, left: dict[str, Finding], report: Report) -> str:
    """Why a listed id was not found; a finding that fails differently is taken out of `left`."""
    other = next((name for name in left if place(name) == each.place), "")
    if other:
        return f"{each.id}: fails differently: {other}: {left.pop(other).headline}"
    why = "passes now" if ran(each, report.counts) else "was not run"
    return f"{each.id}: {why} (line {each.number})"


def ran(each: Expected, counts: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether anything was checked of the id's property."""
    return any(counts.get(each.broken, {}).get(outcome) for outcome in EXECUTED)


def as_expected(known: Sequence[Expected], report: Report, file: str) -> tuple[list[str], int]:
    """What is to be said of the run before the file, and the exit code.

    It is 0 where the run's findings are those of the file.
    """
    if report.verdict not in JUDGED:
        return [f"{report.subject}: {worded(report)}, not compared with {file}"], report.exit
    if said := surprises(known, report):
        return [f"{report.subject}: NOT AS EXPECTED in {file}", *(f"  {line}" for line in said)], 1
    if not known:
        return [f"{report.subject}: CONFORMS, and {file} expects nothing else"], 0
    listed = (f"  {each.id}: {each.reason} {each.link}" for each in known)
    return [f"{report.subject}: DOES NOT CONFORM as expected in {file}", *listed], 0


def worded(report: Report) -> str:
    return report.verdict.upper().replace("_", " ")


def fixed(name: str, text: str, report: Report) -> tuple[str, list[str]]:
    """The text with the ids that fail, as it was otherwise; and what was changed, a line each.

    An id that was not run stays. Raises ExpectationError for a line that is no known failure,
    filled in or not.
    """
    found, known = by_id(report.findings), parsed(name, text, blank=True)
    gone = {each.number: each for each in known if each.id not in found}
    dropped = {number for number, each in gone.items() if ran(each, report.counts)}
    new = [each for each in found if each not in {each.id for each in known}]
    kept = [line for number, line in lines(text) if number not in dropped]
    said = [f"{each.id}: "
            f"{'dropped: it is not found' if number in dropped else 'kept: it was not run'}"
            for number, each in gone.items()]
    return ("\n".join([*kept, *("  ".join([each, *BLANK]) for each in new)]),
            [*said, *(f"{each}: added: write its reason and its link" for each in new)])
