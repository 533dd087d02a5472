"""The second part of a large run: many draws of many structures, in shards, without Hypothesis.

The first part has asked what there is to ask of a network: identities, exact integers, every
oracle. Here each draw is one question, judged by the reference and the oracles that answer many at
once. What fails goes to the same findings as all else.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..judging.judge import Judge
from ..judging.tally import Failure, Tally
from ..judging.tally_json import of_json
from ..properties.strategies.counted import draft_at
from ..record.notes import Note, NoteKind
from ..record.writing import Recorder, RecordError, to_text, version, write_whole
from . import shards
from .shards import Json, Shard, numbered, task_of
from .workers import Workers, WorkersError

FOLDER = "shards"
Listen = Callable[[int], None]


class Shelf:
    """The shards that are done, kept in a record's directory until the run is; or nowhere.

    plan: what the shards are of. Raises RecordError where those kept are of something else.
    """

    def __init__(self, directory: Path | None, plan: Json, resume: bool):
        self.folder = None if directory is None else directory / FOLDER
        self.plan = json.loads(to_text(plan))
        if self.folder is not None:
            if resume and self.folder.is_dir():
                self._check(self.folder)
            else:
                self.clear()
                self._write("plan.json", plan)

    def _check(self, folder: Path) -> None:
        kept = _read(folder / "plan.json")
        for name, value in self.plan.items():
            if kept.get(name) != value:
                told = (f": {kept.get(name)!r} there, {value!r} asked for"
                        if isinstance(value, str | int) else "")
                raise RecordError(f"resume: {folder} is of another {name}{told}; leave out "
                                  "--resume to start again")

    def kept(self, shard: Shard) -> Json | None:
        """The result of a shard that was done before."""
        path = None if self.folder is None else self.folder / _file(shard)
        return _read(path) if path is not None and path.exists() else None

    def keep(self, shard: Shard, result: Json) -> None:
        """Write it down; RecordError where the disk does not let it."""
        self._write(_file(shard), result)

    def _write(self, name: str, data: Json) -> None:
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_whole(self.folder / name, to_text(data))
            except OSError as error:
                why = error.strerror or type(error).__name__
                raise RecordError(f"report: {self.folder} cannot be written: {why}") from error

    def clear(self) -> None:
        """Nothing is kept any more."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _file(shard: Shard) -> str:
    return f"{shard.start}-{shard.stop}.json"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"resume: {path} cannot be read: {error}") from error


class Bulk:
    """The shards of one run on their way into one tally, in their order whoever is first."""

    def __init__(self, judge: Judge, recorder: Recorder, shelf: Shelf, todo: Sequence[Shard]):
        self.judge, self.recorder, self.shelf = judge, recorder, shelf
        self.todo = list(todo)
        self.waiting: dict[Shard, Json | None] = {}
        self.done = 0

    def run(self, workers: Workers, listen: Listen, deadline: float) -> None:
        """Ask what is not kept, until all is done or the time is up."""
        task = task_of(self.judge.subject, self.judge.claims, list(self.judge.names))
        missing = []
        for shard in list(self.todo):
            if (kept := self.shelf.kept(shard)) is None:
                missing.append(shard)
            else:
                self.take(shard, kept)
        for shard, result in workers(task, missing):
            if result is not None:
                self.keep(shard, result)
            self.take(shard, result)
            listen(self.done)
            if time.monotonic() > deadline:
                self.cut_short()
                self.judge.ended = "time limit" if self.todo else ""
                return

    def keep(self, shard: Shard, result: Json) -> None:
        """Write it down; where the disk does not let it, the run goes on without its record."""
        try:
            self.shelf.keep(shard, result)
        except RecordError as error:
            self.recorder.lose(error)

    def take(self, shard: Shard, result: Json | None) -> None:
        """A result: it waits until all before it are there."""
        self.waiting[shard] = result
        self.done += shard.questions
        while self.todo and self.todo[0] in self.waiting:
            first = self.todo.pop(0)
            self.add(first, self.waiting.pop(first))

    def cut_short(self) -> None:
        """What waits for others that will not come is added now."""
        for shard in sorted(self.waiting):
            self.add(shard, self.waiting.pop(shard))

    def add(self, shard: Shard, result: Json | None) -> None:
        """The shard's tally and lines, behind those that are there."""
        judge = self.judge
        if result is None:
            judge.tally = judge.tally.merged(self._lost(shard))
            return
        _check_version(result)
        for line in numbered(result["lines"], judge.tally.networks):
            self.recorder.line_of(**line)
        tally = of_json(result["tally"])
        if tally.failing and not any(note.kind is NoteKind.SHARD for note in judge.tally.notes):
            tally.notes[_where(shard)] = None
        judge.tally = judge.tally.merged(tally)

    def _lost(self, shard: Shard) -> Tally:
        """A shard that has ended every process that was at it: the subject's doing."""
        lost, case = Tally(), draft_at(self.judge.claims, shard.seed, shard.start).case
        why = f"its process ended while it was asked: {_named(shard)}"
        lost.counts["answers"]["errored"] += 1
        lost.remember(Failure("answers", "EndedProgram", case, why))
        self.recorder.result(property="answers", outcome="errored", case=case,
                             network=self.judge.tally.networks)
        return lost


def _named(shard: Shard) -> str:
    return f"structures {shard.start} to {shard.stop - 1} of seed {shard.seed}"


def _where(shard: Shard) -> Note:
    return Note(f"bulk: {_named(shard)} are the first that failed", NoteKind.SHARD)


def _check_version(result: Json) -> None:
    if result["version"] != version():
        raise WorkersError(f"a worker has backproof {result['version']}, this is {version()}: "
                           "install the same everywhere")


def plan_of(judge: Judge, seed: int, questions: int) -> Json:
    """What the shards of a run are of, to tell whether kept ones are of the same."""
    return {"version": version(), "seed": seed, "subject": judge.subject.name,
            "examples": questions, "draws": shards.DRAWS, "oracles": sorted(judge.names),
            "claims": judge.claims}


def shelf_of(judge: Judge, recorder: Recorder, questions: int, seed: int, resume: bool) -> Shelf:
    """Where the shards of this run are kept; RecordError for those of another that are there."""
    return Shelf(recorder.directory, plan_of(judge, seed, questions), resume)


def ask(judge: Judge, recorder: Recorder, shelf: Shelf, questions: int, seed: int,
        workers: Workers, listen: Listen) -> None:
    """So many questions more, into the judge's tally; the time limit is the judge's.

    After Ctrl-C what is done is added and the shards stay kept. Raises RecordError, WorkersError.
    """
    bulk = Bulk(judge, recorder, shelf, shards.shards(seed, questions))
    try:
        bulk.run(workers, listen, judge.deadline)
    except BaseException:
        bulk.cut_short()
        raise
    if not bulk.todo:
        shelf.clear()
