"""Findings out of what failed: one for each mistake, at the smallest trial that shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..record.report import Finding
from . import words
from .case import ProgramCase
from .evidence import Evidence
from .judge import Judge
from .judged import Failure, Judged
from .locating import Located, located
from .narrowing import narrowed
from .precise import loosest_met
from .when import condition

Keep = Callable[[Any], str]
RANK = ("answers", "contract", "plain", "untouched", "repeated", "twice")
FAILING, RIGHT = 8, 6  # trials of evidence


@dataclass(frozen=True)
class Group:
    """Failures that are one mistake, as far as it can be told before it is looked into."""

    check: str
    kind: str
    keys: tuple[str, ...]
    failures: tuple[Failure, ...]

    @property
    def smallest(self) -> Failure:
        """The failure on the fewest numbers."""
        return min(self.failures, key=lambda f: ProgramCase(f.trial).size)


def findings(judge: Judge, judged: Sequence[Judged], keep: Keep) -> list[Finding]:
    """The mistakes that these trials show, the gravest check first."""
    groups = sorted(_groups(judged), key=lambda group: _rank(group.check))
    found = []
    for group in groups:
        found += [*_plain(judge, group, judged, keep)] if group.check == "plain" else [
            _finding(group, judged, keep, **_missing(judge, group, judged))]
    return _merged(found)


def _rank(check: str) -> int:
    return RANK.index(check) if check in RANK else len(RANK)


def _groups(judged: Sequence[Judged]) -> Iterator[Group]:
    """Failures by check and kind; those of numbers by whether outputs or gradients are wrong."""
    by: dict[tuple[str, str, str], list[Failure]] = defaultdict(list)
    for each in judged:
        for failure in each.failures:
            by[failure.check, failure.kind, _part(failure)].append(failure)
    for (check, kind, _), failures in by.items():
        keys = tuple(dict.fromkeys(f.key for f in failures if f.key))
        yield Group(check, kind, keys, tuple(failures))


def _part(failure: Failure) -> str:
    """What is told apart: numbers of outputs and of gradients; else every key."""
    if failure.check == "plain":
        return "output" if failure.key.startswith("output ") else "gradients"
    return failure.key


def _trials(group: Group, judged: Sequence[Judged]) -> tuple[list[Any], list[Any]]:
    """The trials on which it fails, and those on which it was looked at and does not."""
    numbers = {f.trial.number for f in group.failures}
    right = [each.trial for each in judged
             if each.reply is not None and each.trial.number not in numbers
             and (set(group.keys) & {*each.truth, *each.trial.wanted} or not group.keys)]
    failing = {f.trial.number: f.trial for f in group.failures}
    return list(failing.values()), right


def _finding(group: Group, judged: Sequence[Judged], keep: Keep, **more: Any) -> Finding:
    """A finding of the group; more: what is known of it beside."""
    smallest = group.smallest
    failing, right = _trials(group, judged)
    worst = smallest.worst
    first = [*more.pop("first", ())]
    said = [] if more.get("faults") or words.says(smallest) in first else [words.says(smallest)]
    lines = [*first, *said, *words.at(smallest)]
    numbers = ((worst.got, worst.wanted, worst.error, worst.tolerance) if worst
               else (0.0, 0.0, 0.0, 0.0))
    return Finding(group.check, smallest.key, worst.where if worst else (), *numbers,
                   keep(ProgramCase(smallest.trial)), "\n".join(lines),
                   outcome="errored" if group.check == "answers" else "failed",
                   kinds=",".join(sorted(group.keys)) or group.kind, wrong=group.keys,
                   right=_right(judged, group), networks=(len(failing), len(failing) + len(right)),
                   when=condition(failing, right), of="trials", **more)


def _right(judged: Sequence[Judged], group: Group) -> tuple[str, ...]:
    """Outputs and gradients that were compared and are right everywhere."""
    wrong = {key for each in judged for key in each.wrong} | {*group.keys}
    return tuple(sorted({key for each in judged for key in each.truth} - wrong))


def _plain(judge: Judge, group: Group, judged: Sequence[Judged], keep: Keep) -> Iterator[Finding]:
    """Numbers that are wrong: where in the plain form, or in which arithmetic they would be right.
    """
    if group.keys[0].startswith("output "):
        yield _finding(group, judged, keep, **_imprecise(judge, group, judged))
        return
    places = located([_seen(each) for each in _evidence(group, judged)], judge.mutants)
    explained = {key for place in places for key in place.keys}
    for place in places:
        part = _of(group, place.keys)
        yield _finding(part, judged, keep, **_told(place))
    rest = _of(group, tuple(key for key in group.keys if key not in explained))
    if rest.failures:
        coarse, lines = _imprecise(judge, rest, judged), _narrowed(judge, rest, judged)
        first = [*coarse.pop("first", ()), *lines.pop("first", ())]
        yield _finding(rest, judged, keep, first=first, **coarse, **lines)


def _narrowed(judge: Judge, group: Group, judged: Sequence[Judged]) -> dict[str, Any]:
    """The only lines through which the wrong gradients flow and no right ones, where these are few.
    """
    evidence = _evidence(group, judged)
    lines = narrowed(evidence, group.keys, judge.mutants)
    if not lines:
        return {}
    told = " or ".join(f"`{line.text}` ({words.where(line)})" for line in lines)
    data = [{"file": Path(line.file).name, "line": line.number, "text": line.text,
             "operation": "", "kind": "narrowed", "edge": "", "trials": len(evidence)}
            for line in lines]
    return {"first": [f"somewhere in the backward of {told}: the wrong gradients flow through it, "
                      "and no right one does"],
            "located": tuple(data)}


def _missing(judge: Judge, group: Group, judged: Sequence[Judged]) -> dict[str, Any]:
    """Where a gradient that is None is lost: as one that is 0 all over."""
    if (group.check, group.kind) != ("contract", "missing"):
        return {}
    places = located([_seen(each) for each in _evidence(group, judged)], judge.mutants)
    mine = [place for place in places if set(group.keys) <= set(place.keys)]
    told = _told(mine[0]) if mine else _narrowed(judge, group, judged)
    return told and told | {"first": [words.says(group.smallest), *told["first"]]}


def _of(group: Group, keys: tuple[str, ...]) -> Group:
    """The failures of these keys alone."""
    failures = tuple(f for f in group.failures if f.key in keys)
    return Group(group.check, group.kind, keys, failures)


def _evidence(group: Group, judged: Sequence[Judged]) -> list[Judged]:
    """Some failing trials and some right ones: the smallest, and others up to large ones.

    Small ones alone do not tell a path that is missing from one that misses its last block.
    """
    numbers = {f.trial.number for f in group.failures}
    told = sorted((each for each in judged if each.reply is not None and each.truth),
                  key=lambda each: ProgramCase(each.trial).size)
    failing = [each for each in told if each.trial.number in numbers]
    right = [each for each in told if each.trial.number not in numbers and not each.failures]
    return [*_spread(failing, FAILING), *_spread(right, RIGHT)]


def _spread(trials: Sequence[Judged], most: int) -> list[Judged]:
    """Half of them the smallest, half at even distances up to the largest."""
    few, rest = list(trials[:most // 2]), trials[most // 2:]
    more = most - len(few)
    return few + [rest[i * len(rest) // more] for i in range(min(more, len(rest)))]


def _seen(judged: Judged) -> Evidence:
    """A judged trial as the evidence that mutants are held against."""
    assert judged.reply is not None
    sizes = {name.removeprefix("size "): int(value)
             for name, value in judged.trial.features.items() if name.startswith("size ")}
    return Evidence(judged.trial, judged.truth, judged.reply.arrays, judged.tolerance, sizes)


def _told(place: Located) -> dict[str, Any]:
    others = [f"the same gradients come from `{line.text}` (line {line.number})"
              for line in place.lines[1:4]]
    data = [{"file": Path(line.file).name, "line": line.number, "text": line.text,
             "operation": line.operation, "kind": place.kind, "edge": place.edge,
             "trials": place.trials} for line in place.lines]
    return {"first": [place.words, *others], "faults": (place.kind.replace(" ", "-"),),
            "ratio": place.factor, "equals": place.equals, "located": tuple(data)}


def _imprecise(judge: Judge, group: Group, judged: Sequence[Judged]) -> dict[str, Any]:
    """Whether the numbers would be right in a coarser arithmetic than is claimed."""
    met = loosest_met(judge, _evidence(group, judged), group.keys)
    if not met:
        return {}
    claimed = judge.claim(group.smallest.trial)
    first = (f"its precision is not that of arithmetic={claimed.arithmetic!r}: it would meet "
             f"arithmetic={met!r}")
    return {"first": [first], "faults": ("precision",), "loses_digits": True,
            "equals": met}


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """No finding twice: of one id the first, which is of the gravest check."""
    seen: dict[str, Finding] = {}
    for each in found:
        seen.setdefault(f"{each.id}:{each.explanation.partition(chr(10))[0]}", each)
    return list(seen.values())


