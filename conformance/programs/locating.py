"""Which line of the plain form a wrong gradient comes from: the mutants that give its very numbers.

A mutant explains a gradient where it gives the subject's numbers, within the tolerance, on every
trial on which they are wrong. A name that fits a part of the evidence is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import factors, pairs
from .evidence import Case, Evidence, Key, fit, key_of
from .factors import Factor
from .mutants import KINDS, ORDER
from .pairs import REDUCTIONS
from .trial import Arrays, Line, Mutant, Trial

Mutants = Callable[[Trial], Iterator[Mutant]]
CLEAR = 30.0  # tolerances by which a gradient is off where mutants are looked for first
STRONG = 3.0  # tolerances that the worst entry must be off by, for a name
FIXED_BY_DETAIL = {"": "0", "-1": "-1", "2": "2", "0.5": "1/2"}  # where turns feed each other
FAILING, PASSING = 8, 6  # trials that are looked at, the smallest of each


@dataclass(frozen=True)
class Located:
    """A mistake, where it is, and on how much it was seen.

    lines: the first is where it is; at the others one would give the same numbers. keys: the
    gradients that it explains; alone: it would change others too, which are right. factor: where a
    path has one, and what it equals. trials: failing ones that it explains, all that were looked
    at of these gradients; silent: others, on which it should have shown and did not.
    """

    lines: tuple[Line, ...]
    kind: str
    edge: str
    detail: str
    keys: tuple[str, ...]
    trials: int
    alone: bool = False
    factor: float | None = None
    equals: str = ""
    silent: int = 0
    others: tuple[Mutant, ...] = ()

    @property
    def line(self) -> Line:
        return self.lines[0]

    @property
    def words(self) -> str:
        """The mistake in one sentence, without a full stop."""
        told = KINDS[self.kind].words.format(
            line=f"`{self.line.text}` (line {self.line.number})", edge=self.edge,
            detail=self.detail,
            factor=self._factor)
        whole = self.line.operation.partition(" in ")
        told += f" ({whole[0]} inside {whole[2]})" if whole[2] else ""
        told += f", in the gradient of {' and '.join(self.keys)} alone" if self.alone else ""
        only = f", on some trials only (not on {self.silent} others)"
        return told + (only if self.silent else "")

    @property
    def _factor(self) -> str:
        """Of a path: the number that was fitted to it, or that it was tried with."""
        if self.factor is not None:
            return factors.words(Factor(self.equals, (self.factor,)))
        return factors.TRIED.get(self.detail, "")


@dataclass
class Candidate:
    """A mutant that explains some wrong gradients, followed through the cases.

    explains: by key, the cases on which it does; nearly: but for digits; clear: keys that
    it explains where they are off by `STRONG`; refuted: keys that it does not explain on some
    case where they are wrong; silent: by key, the cases on which it should show and does not.
    paths: of a linear mutant, by case, what flows through the path, by key.
    """

    mutant: Mutant
    explains: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    silent: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    nearly: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    clear: set[str] = field(default_factory=set)
    refuted: set[str] = field(default_factory=set)
    paths: dict[int, Arrays] = field(default_factory=dict)
    factor: Factor | None = None

    def see(self, i: int, case: Case, mutant: Mutant) -> None:
        """Compare with a case."""
        made = {key: case.flat(key, mutant.gradients.get(key)) for key in mutant.gradients}
        numbers = {key: each for key, each in made.items() if each is not None}
        if self.mutant.linear:
            self.paths[i] = {key: case.true[key] - each for key, each in numbers.items()}
            return
        for key in case.true:
            self._compare(i, case, key, numbers.get(key, case.true[key]))

    def _compare(self, i: int, case: Case, key: str, numbers: Any) -> None:
        if key in case.wrong:
            if case.explained(key, numbers):
                self.explains[key].add(i)
                if case.off(key).max() >= STRONG:
                    self.clear.add(key)
            elif case.nearly(key, numbers):
                self.nearly[key].add(i)
            elif not (case.weak(key) and (case.follows(key, numbers)
                                          or not case.is_off(key, numbers))):
                self.refuted.add(key)
        elif key not in case.blurred and case.is_off(key, numbers) and not case.follows(
                key, numbers):
            self.silent[key].add(i)

    def settle(self, cases: Sequence[Case]) -> None:
        """The factor; and what a linear mutant explains with it."""
        if not self.mutant.linear:
            value = FIXED_BY_DETAIL.get(self.mutant.detail)
            if self.mutant.kind == "factor" and value is not None:
                self.factor = Factor(value, (factors.FIXED[value],) * len(cases))
            return
        wrong = sorted({key for case in cases for key in case.wrong})
        fitted = {key: self._fitted(cases, key) for key in wrong}
        together = [key for key in wrong if fitted[key] is not None]
        for keys in [together, *([key] for key in together if len(together) > 1)]:
            if self._settled(cases, keys):
                break
        self.refuted |= {key for key in wrong if key not in self.explains}

    def _fitted(self, cases: Sequence[Case], key: str) -> dict[int, float] | None:
        """By case on which the key is wrong, the factor; None where no factor gives its numbers."""
        found = {}
        for i, case in enumerate(cases):
            if key in case.wrong:
                path = self.paths.get(i, {}).get(key)
                c = None if path is None else fit(case, key, path)
                if c is None or path is None or not explains(
                        case, key, case.true[key] + (c - 1) * path):
                    return None
                found[i] = c
        return found

    def _settled(self, cases: Sequence[Case], keys: Sequence[str]) -> bool:
        fitted: dict[int, float] = {}
        for key in keys:
            for i, c in (self._fitted(cases, key) or {}).items():
                fitted.setdefault(i, c)
        if not fitted:
            return False
        known = [factors.quantities(case.evidence.trial, case.evidence.sizes) for case in cases]
        self.factor = factors.named(fitted, known, lambda i, c: self._holds(cases[i], i, keys, c))
        if self.factor is None:
            return False
        for i, case in enumerate(cases):
            for key, path in self.paths.get(i, {}).items():
                numbers = case.true[key] + (self.factor.values[i] - 1) * path
                if key in keys or key not in case.wrong:
                    self._compare(i, case, key, numbers)
        return True

    def _holds(self, case: Case, i: int, keys: Sequence[str], c: float) -> bool:
        """Whether a factor gives the numbers of the keys, where they are wrong."""
        paths = self.paths.get(i, {})
        return all(key in paths and explains(case, key, case.true[key] + (c - 1) * paths[key])
                   for key in keys if key in case.wrong)

    @property
    def keys(self) -> frozenset[str]:
        """The gradients that it explains wherever they are wrong, mostly to the last digit."""
        most = {key for key, cases in self.explains.items()
                if len(cases) >= len(self.nearly.get(key, ()))}
        return frozenset(most & self.clear) - self.refuted

    @property
    def elsewhere(self) -> frozenset[str]:
        """Gradients that it would change and that are never wrong."""
        return frozenset(key for key in self.silent
                         if key not in self.explains and not key.startswith("output "))

    @property
    def sometimes(self) -> int:
        """Cases on which it should show in a gradient that it explains elsewhere, and does not."""
        return len(set().union(*(self.silent[key] for key in self.keys if key in self.silent)))

    @property
    def limits(self) -> tuple[bool, bool]:
        """Whether it shows on some trials only, and whether in some gradients only."""
        return bool(self.sometimes), bool(self.elsewhere)

    @property
    def order(self) -> tuple[Any, ...]:
        """The simplest and most specific first."""
        mutant = self.mutant
        missing = self.factor is not None and self.factor.name == "0"
        rank = -1.0 if missing else ORDER[mutant.kind]
        if self.factor is not None and not missing:
            rank = ORDER["straight through"] + 0.5
        turn = ["every time" in mutant.edge, True, "time" in mutant.edge].index(True)
        operation = mutant.line.operation.partition(" in ")[0]
        return (*self.limits, rank, turn,
                self.factor is not None and operation not in REDUCTIONS)


def explains(case: Case, key: str, numbers: Any) -> bool:
    """Whether numbers are the subject's, up to digits that its own mistake may have cost."""
    weak = case.weak(key) and case.follows(key, numbers)
    return weak or case.explained(key, numbers) or case.nearly(key, numbers)


def located(evidence: Sequence[Evidence], mutants_of: Mutants) -> list[Located]:
    """The mistakes that explain the wrong gradients; [] where nothing does, or all is right.

    evidence: trials of one program, failing and passing. A gradient whose worst entry is not
    `STRONG` tolerances off on any trial is left without a name.
    """
    cases = chosen([Case(each) for each in evidence])
    strong = {key for case in cases for key in case.wrong if case.off(key).max() >= STRONG}
    if not strong:
        return []
    candidates = followed(cases, strong, mutants_of)
    cover = covered(strong, candidates)
    left = strong - {key for each, _ in cover for key in each.keys}
    found = [_told(cases, each, same) for each, same in cover]
    return found + (two_paths(cases, left, mutants_of) if left else [])


def chosen(cases: Sequence[Case]) -> list[Case]:
    """The smallest trials that failed, and of those that passed."""
    ordered = sorted(cases, key=lambda case: case.size)
    failing = [case for case in ordered if case.wrong]
    seen = {key for case in failing[:FAILING] for key in case.wrong}
    more = [case for case in failing[FAILING:] if not case.wrong <= seen]
    return [*failing[:FAILING], *more[:2], *[case for case in ordered if not case.wrong][:PASSING]]


def followed(cases: Sequence[Case], strong: set[str], mutants_of: Mutants) -> list[Candidate]:
    """The mutants that explain a gradient where it is clearly wrong, seen on all trials."""
    found: dict[Key, Candidate] = {}
    for i in sorted({clearest(cases, key) for key in strong}):
        for mutant in mutants_of(cases[i].evidence.trial):
            key = key_of(mutant)
            if key not in found and may_explain(cases[i], mutant):
                found[key] = Candidate(mutant)
    for i, case in enumerate(cases):
        if not found:
            break
        unseen = dict(found)
        for mutant in mutants_of(case.evidence.trial):
            candidate = unseen.pop(key_of(mutant), None)
            if candidate is not None:
                candidate.see(i, case, mutant)
            if not unseen:
                break
        for candidate in unseen.values():
            candidate.refuted |= {key for key in case.wrong if not case.weak(key)}
        found = {key: each for key, each in found.items() if _lives(each, strong)}
    for each in found.values():
        each.settle(cases)
    return [each for each in found.values() if each.keys & strong]


def clearest(cases: Sequence[Case], key: str) -> int:
    """The first trial on which a gradient is clearly wrong, else that on which it is most wrong."""
    off = [float(case.off(key).max()) if key in case.wrong else 0.0 for case in cases]
    return next((i for i, each in enumerate(off) if each >= CLEAR), off.index(max(off)))


def _lives(candidate: Candidate, strong: set[str]) -> bool:
    return candidate.mutant.linear or not strong <= candidate.refuted


def may_explain(case: Case, mutant: Mutant) -> bool:
    """Whether it explains any wrong gradient of the case; cheap where it does not reach one."""
    for key in case.wrong.intersection(mutant.gradients):
        numbers = case.flat(key, mutant.gradients.get(key))
        if numbers is None:
            continue
        if mutant.linear:
            path = case.true[key] - numbers
            c = fit(case, key, path)
            numbers = case.true[key] if c is None else case.true[key] + (c - 1) * path
        if case.explained(key, numbers):
            return True
    return False


def covered(strong: set[str], candidates: Sequence[Candidate]
            ) -> list[tuple[Candidate, list[Candidate]]]:
    """As few mistakes as explain the gradients, each with the others that explain the same.

    One that would change other gradients too counts only where it explains all that are left.
    """
    found, left = [], set(strong)
    while left:
        fitting = [each for each in candidates
                   if each.keys & left and (left <= each.keys or not each.elsewhere)]
        if not fitting:
            break
        best = min(fitting, key=lambda each: (-len(each.keys & left), each.order))
        same = [each for each in fitting if each is not best
                and each.keys & left == best.keys & left and each.limits == best.limits]
        found.append((best, sorted(same, key=lambda each: each.order)))
        left -= best.keys
    return found


def _told(cases: Sequence[Case], best: Candidate, same: Sequence[Candidate]) -> Located:
    mutant = best.mutant
    lines = dict.fromkeys([mutant.line, *(each.mutant.line for each in same)])
    by_place = {(line.file, line.number): line for line in reversed(lines)}
    trials = set().union(*(best.explains[key] for key in best.keys))
    factor = best.factor
    shown = min(trials)
    return Located(
        tuple(reversed(by_place.values())), mutant.kind, mutant.edge, mutant.detail,
        tuple(sorted(best.keys)), len(trials), bool(best.elsewhere),
        None if factor is None else factor.values[shown], "" if factor is None else factor.name,
        best.sometimes, tuple(each.mutant for each in same))


def two_paths(cases: Sequence[Case], keys: set[str], mutants_of: Mutants) -> list[Located]:
    """Two paths with a factor each that explain together what no single mutant does."""
    pair = pairs.found(cases, keys, mutants_of)
    return [] if pair is None else [
        Located(tuple(each.lines), "factor", each.mutant.edge, "", tuple(sorted(keys)),
                pair.trials, factor=each.factor.values[0], equals=each.factor.name,
                others=tuple(each.others)) for each in pair.paths]
