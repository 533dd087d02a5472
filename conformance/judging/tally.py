"""What a run has seen, as one value: outcomes, failures, sharpness, notes. Two tallies make one."""

from __future__ import annotations

import builtins
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from ..properties.agreement import Disagreement
from ..properties.catalogue import family
from ..record.notes import Note
from ..reference import Case

KEPT = 16
ROWS = 2000
Key = tuple[str, str]


@dataclass(frozen=True)
class Failure:
    """One failed check: what broke, on which case, and the message or the numbers.

    `kind`: the kinds of parameter that are wrong ("bias,weight"), or how it broke. `loses_digits`:
    the error is below the rigorous bound, but others do not make it.
    """

    property: str
    kind: str
    case: Case
    message: str = ""
    disagreements: tuple[Disagreement, ...] = ()
    asked: tuple[Case, ...] = ()
    loses_digits: bool = False

    @builtins.property  # `property` is a field here
    def key(self) -> Key:
        """(family, kind): failures of one key are usually one mistake."""
        of = family(self.property)
        return ("loss" if self.kind == "loss" and of == "value" else of), self.kind


@dataclass
class Row:
    """One network that was asked about: its case, the number of the question, what failed on it.

    `question` counts what the subject was asked since it was plugged in, this question included.
    `broken` are the keys of the failures on the case itself, not on changes of it. `unsure`: the
    gradient was suspected and could not be judged.
    """

    network: int
    question: int
    case: Case
    broken: set[Key] = field(default_factory=set)
    unsure: bool = False


@dataclass
class Tally:
    """What a run has seen: outcomes by property, failures by (family, kind), sharpness, notes.

    `sharpness`: by (dtype, kind of parameter), pairs of tolerance and error over the gradient's
    largest entry. `networks` counts those asked, `failing` those on which something failed; `first`
    is the number of the first of these, 0 for the smoke. `rows` are the networks one by one, at
    most ROWS. `invalid` networks were not asked.
    """

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[Key, list[Failure]] = field(default_factory=lambda: defaultdict(list))
    sharpness: dict[Key, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list))
    broken: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    notes: dict[Note, None] = field(default_factory=dict)
    divergences: list[str] = field(default_factory=list)
    slopes: dict[str, set[float]] = field(default_factory=dict)
    last: dict[Key, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    networks: int = 0
    invalid: int = 0
    failing: int = 0
    last_failing: int = -1
    first: int | None = None

    def begin(self, case: Case, question: int) -> None:
        """A row for a network that is asked about now."""
        self.rows.append(Row(self.networks, question, case))

    def row(self, case: Case) -> Row | None:
        """The row of the case, where it is the one asked about now."""
        return self.rows[-1] if self.rows and self.rows[-1].case is case else None

    def end(self, judged: bool) -> None:
        """The row stays where the network was judged or something failed on it.

        That of a large network goes, with its megabytes.
        """
        if not self.rows[-1].broken and (not judged or self.rows[-1].case.large):
            self.rows.pop()
        del self.rows[ROWS:]

    def remember(self, failure: Failure) -> None:
        """Keep a failure, one for each network and at most KEPT for each key."""
        row = self.row(failure.case)
        if row is not None:
            row.broken.add(failure.key)
        if self.last_failing != self.networks:
            self.last_failing = self.networks
            self.failing += 1
            self.first = self.networks if self.first is None else self.first
        key = failure.key
        self.broken[key].add(failure.property)
        new, self.last[key] = self.last.get(key) != self.networks, self.networks
        if new and len(self.failures[key]) < KEPT:
            self.failures[key].append(failure)

    def merged(self, other: Tally) -> Tally:
        """Both together, as if one run had seen first these networks and then the other's."""
        first = self.first
        if first is None and other.first is not None:
            first = self.networks + other.first
        last = {**self.last, **{key: n + self.networks for key, n in other.last.items()}}
        rows = [*self.rows, *(replace(row, network=row.network + self.networks)
                              for row in other.rows)][:ROWS]
        both = Tally(notes={**self.notes, **other.notes}, last=last, first=first, rows=rows,
                     divergences=[*self.divergences, *other.divergences],
                     networks=self.networks + other.networks, invalid=self.invalid + other.invalid,
                     failing=self.failing + other.failing)
        both.last_failing = (other.last_failing + self.networks if other.last_failing >= 0
                             else self.last_failing)
        for tally in (self, other):
            both._add(tally)
        return both

    def _add(self, other: Tally) -> None:
        """Counts, failures, sharpness and slopes of one of two tallies."""
        for name, outcomes in other.counts.items():
            self.counts[name].update(outcomes)
        for key, rows in other.sharpness.items():
            self.sharpness[key].extend(rows)
        for key, names in other.broken.items():
            self.broken[key] |= names
        for key, failures in other.failures.items():
            self.failures[key] = [*self.failures[key], *failures][:KEPT]
        for kind, slopes in other.slopes.items():
            self.slopes[kind] = self.slopes.get(kind, slopes) & slopes
