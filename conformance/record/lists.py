"""Known-failing and known-flaky lists: what may fail, by the features of the networks.

    dense/softmax/cross_entropy/**: the clip at 1e-7 is known, until release 2
    rnn/tanh/squared_error/sum/float32

A path is layer/activation/loss/reduction/dtype. A network has one for every choice among its
layers, its activations and so on, and is listed where one of them is. `*` stands for one part, `**`
for any number of them; a line with either says why, after a `#` or a `:`.

What is listed as failing must fail: where all that a line covers passes, the run is not as
expected, so that no line outlives its mistake. What is listed as flaky is asked and counted, and
decides nothing.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..properties.structures import STRUCTURES
from ..reference import ACTIVATIONS, LOSSES
from ..reference.arrays import DTYPES
from ..reference.network import STATED
from .expectations import JUDGED, ExpectationError, lines, says, text_of, worded
from .features import Features
from .report import Report

PARTS = ("layer", "activation", "loss", "reduction", "dtype")
WILD = ("*", "**")
BAD = ("failed", "errored")
FEW = 3
Names = tuple[tuple[str, ...], ...]


@dataclass
class Listed:
    """A line: the path, why, where it stands; and what the run has seen of what it covers.

    failed: the numbers of the networks that failed. passed: how many checks did not.
    """

    path: str
    reason: str
    file: str
    number: int
    flaky: bool
    failed: set[int] = field(default_factory=set)
    passed: int = 0

    @cached_property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.split("/"))

    @property
    def outcome(self) -> str:
        """What became of it: "failed", "passed" or "not_run"."""
        return "failed" if self.failed else "passed" if self.passed else "not_run"

    @property
    def surprise(self) -> str:
        """Why it is not as the line says; "" where it is."""
        if self.outcome == "not_run":
            return "no network of this run has it"
        return "" if self.flaky or self.failed else f"passes now ({self.passed} checks)"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.path, "reason": self.reason, "file": self.file, "line": self.number,
                "flaky": self.flaky, "outcome": self.outcome, "networks": len(self.failed)}


def matches(parts: Sequence[str], names: Names) -> bool:
    """Whether a pattern fits one of the paths that the names, part by part, make."""
    if not parts:
        return not names
    first, rest = parts[0], parts[1:]
    if first == "**":
        return matches(rest, names) or (bool(names) and matches(parts, names[1:]))
    return bool(names) and (first == "*" or first in names[0]) and matches(rest, names[1:])


def paths(found: Features) -> Names:
    """Part by part, what a network has; "cross_entropy (sum)" is two parts."""
    losses = [name.rstrip(")").partition(" (") for name in found.get("loss", ())]
    return (tuple(found.get("layer", ())), tuple(found.get("activation", ())),
            tuple(loss for loss, _, _ in losses), tuple(kind for _, _, kind in losses),
            tuple(found.get("dtype", ())))


# --- the files ------------------------------------------------------------------------------------


def known() -> Names:
    """Part by part, every name there is."""
    return (tuple(STRUCTURES), tuple(ACTIVATIONS), tuple(LOSSES), STATED, tuple(DTYPES))


def load(where: str | os.PathLike[str], flaky: bool = False) -> list[Listed]:
    """The lines of a file; ExpectationError for what is not one, with its number."""
    path = Path(where)
    text = text_of(path)
    return [listed(path.name, number, line, flaky) for number, line in lines(text) if says(line)]


def listed(file: str, number: int, line: str, flaky: bool = False) -> Listed:
    """The line as data; ExpectationError where it names nothing, or does not say why."""
    path, reason = re.split("[:#]", f"{line}:", maxsplit=1)
    found = Listed(path.strip(), reason.removesuffix(":").strip(), file, number, flaky)
    for wrong in _wrong(found):
        raise ExpectationError(f"{file}:{number}: {found.path!r} {wrong}")
    return found


def _wrong(line: Listed) -> Iterator[str]:
    """What is wrong with a line, the first of it first."""
    names = {name for part in known() for name in part}
    for part in line.parts:
        if part not in names and part not in WILD:
            near = difflib.get_close_matches(part, names, 1)
            yield f"has {part!r}, which is no feature" + (f"; {near[0]!r}?" if near else "")
    if not matches(line.parts, known()):
        yield f"is no path: wanted {'/'.join(PARTS)}, * for a part, ** for any number of them"
    if set(line.parts) & set(WILD) and not line.reason:
        yield "has a wildcard and no reason: wanted `path: reason`"


# --- a run before the lists -----------------------------------------------------------------------


class Lists:
    """The lines of both files, and what a run has seen of them.

    unlisted: the numbers of the networks that failed though no line covers them, with one path of
    each. failed: of those that a line covers.
    """

    def __init__(self, listed: Sequence[Listed]):
        self.listed = list(listed)
        self.unlisted: dict[int, str] = {}
        self.failed: set[int] = set()
        self._covering: dict[str, list[Listed]] = {}

    def saw(self, outcome: str, network: int = 0, features: Features | None = None, times: int = 1,
            **_: Any) -> None:
        """One result of the run, or as many of one structure."""
        if features is None or outcome not in (*BAD, "passed"):
            return
        lines = self.covering(features)
        for line in lines:
            if outcome == "passed":
                line.passed += times
            else:
                line.failed.add(network)
        if outcome in BAD and lines:
            self.failed.add(network)
        elif outcome in BAD:
            self.unlisted.setdefault(network, "/".join(names[0] for names in paths(features)))

    def covering(self, features: Features) -> list[Listed]:
        """The lines that cover a network with these features."""
        key = repr(features)
        if key not in self._covering:
            names = paths(features)
            self._covering[key] = [line for line in self.listed if matches(line.parts, names)]
        return self._covering[key]

    @property
    def surprises(self) -> list[str]:
        """What is not as the lists say, a line each."""
        said = [f"{line.file}:{line.number}: {line.path}: {line.surprise}"
                for line in self.listed if line.surprise]
        if self.unlisted:
            some = ", ".join(list(dict.fromkeys(self.unlisted.values()))[:FEW])
            said.append(f"{_networks(self.unlisted)} failed and are not listed, such as {some}")
        return said

    def compare(self, report: Report) -> None:
        """Tell the report whether it is as the lists say; not where it came to no verdict."""
        if report.verdict in JUDGED:
            report.expectation = {"as_expected": not self.surprises,
                                  "networks": len(self.failed), "unlisted": len(self.unlisted),
                                  "listed": [line.to_json() for line in self.listed]}

    def said(self, report: Report) -> list[str]:
        """The same in words, for the end of the run."""
        if report.verdict not in JUDGED:
            return [f"{report.subject}: {worded(report)}, not compared with the lists"]
        failed = f"{_networks(self.failed)} failed as expected"
        if self.surprises:
            return [f"{report.subject}: NOT AS EXPECTED, {failed}",
                    *(f"  {each}" for each in self.surprises)]
        return [f"{report.subject}: {worded(report)} as expected, {failed}",
                *(f"  {line.path}: {_counted(line)}" for line in self.listed)]


def _networks(numbers: Collection[int]) -> str:
    return "1 network" if len(numbers) == 1 else f"{len(numbers)} networks"


def _counted(line: Listed) -> str:
    """What became of a line, and why it is there."""
    kind = "flaky" if line.flaky else "known"
    return f"{_networks(line.failed)} failed, {kind}" + (f": {line.reason}" if line.reason else "")
