"""A large run in shards: each is named by a seed and a range of structures, and is data when done.

Whoever works through a shard, in whatever order, comes to the same: a structure and its numbers
follow from the seed and its number, and nothing is carried from one shard to another. So shards may
be shared among processes and machines, asked again where one is lost, and kept while a run is
interrupted; put together by their numbers they are one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple
from uuid import uuid4

from ..judging.abreast import judge_draws
from ..judging.asking import Numbered
from ..judging.judge import Judge
from ..judging.tally_json import to_json
from ..plug.subject import Subject
from ..plug.targets import load
from ..plug.undisturbed import undisturbed
from ..properties.claims import Claims
from ..properties.strategies.counted import draft_at
from ..properties.strategies.revalued import draws
from ..record.features import Features, features
from ..record.writing import version
from ..reference import Case, Network

DRAWS = 128        # of one structure
STRUCTURES = 4     # of one shard
COMPILED = 16      # one structure in so many is compiled by an oracle that compiles each

ALONE = Lock()
Json = Any


class Shard(NamedTuple):
    """Structures `start` to `stop`, the last not included, and how many draws of each."""

    seed: int
    start: int
    stop: int
    draws: int

    @property
    def questions(self) -> int:
        return (self.stop - self.start) * self.draws


def shards(seed: int, questions: int) -> list[Shard]:
    """So many shards that they ask at least so many questions."""
    structures = -(-questions // DRAWS)
    return [Shard(seed, start, min(start + STRUCTURES, structures), DRAWS)
            for start in range(0, structures, STRUCTURES)]


@dataclass(frozen=True)
class Task:
    """What is asked of whom, as it travels: the target's text, or the subject where it has none.

    claims: with every reduction stated. names: the oracles at hand. run: names the run, so that a
    worker that lives longer than it loads the target again for the next one.
    """

    target: str
    subject: Subject | None
    claims: Claims
    names: tuple[str, ...]
    run: str = field(default_factory=lambda: uuid4().hex)

    @property
    def loaded(self) -> Subject:
        """The subject, loaded once for a run in a process; TargetError where there is none."""
        subject = loaded(self.target, self.run) if self.subject is None else self.subject
        return replace(subject, claims=self.claims)


@lru_cache(maxsize=4)
def loaded(target: str, run: str) -> Subject:
    """The subject of a target, the same one for all of a run."""
    return load(target)


def task_of(subject: Subject, claims: Claims, names: list[str]) -> Task:
    """The task of a subject that was loaded here."""
    if subject.target:
        return Task(subject.target, None, claims, tuple(names))
    engine = subject.engine.engine if isinstance(subject.engine, Numbered) else subject.engine
    return Task("", replace(subject, engine=engine), claims, tuple(names))


def work(task: Task, shard: Shard) -> Json:
    """The shard's tally, the lines of its record and the version that made them, as data.

    One shard at a time in a process, whose threads share what the tolerance remembers.
    """
    with ALONE:
        return asked(task.loaded, task, shard)


def asked(subject: Subject, task: Task, shard: Shard) -> Json:
    """The same for a subject that is loaded already."""
    lines: list[Json] = []
    subject = replace(subject, engine=Numbered(subject.engine))
    judge = Judge(subject, task.claims, task.names, _into(lines), shard.seed)
    with undisturbed():
        for number in range(shard.start, shard.stop):
            judge_structure(judge, task, shard, number)
    return {"version": version(), "lines": lines, "tally": to_json(judge.tally)}


def judge_structure(judge: Judge, task: Task, shard: Shard, number: int) -> None:
    """All draws of one structure; one alone of a large network."""
    judge.part = number
    draft = draft_at(task.claims, shard.seed, number)
    cases = draws(draft, 1 if draft.case.large else shard.draws)
    judge_draws(judge, cases, compiled=number % COMPILED == 0)


def _into(lines: list[Json]) -> Any:
    """What a judge records, as the lines of a record."""
    known: dict[int, tuple[Network, Features]] = {}  # the draws of a structure share its network

    def record(case: Case, **fields: Any) -> None:
        if id(case.network) not in known:
            known[id(case.network)] = case.network, features(case)
        lines.append({**fields, "batch": case.batch, "features": known[id(case.network)][1]})

    return record


def numbered(lines: list[Json], before: int) -> Iterator[Json]:
    """The lines of a shard that comes after so many networks."""
    return ({**line, "network": line["network"] + before} for line in lines)
