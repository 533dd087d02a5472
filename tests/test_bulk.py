"""A run in shards: whoever works through them, in whatever order and however often interrupted, it is one run."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from backproof import Head, implementation, verify
from backproof.judging.judge import Judge
from backproof.judging.plan import Plan
from backproof.judging.tally_json import of_json, to_json
from backproof.plug.subject import Subject, subject_of
from backproof.plug.subjects import load as ready_made
from backproof.plug.targets import load
from backproof.properties.claims import EVERYTHING
from backproof.record.reading import read
from backproof.record.writing import Recorder, RecordError
from backproof.reference import Answer, Case, evaluate
from backproof.running import bulk, shards, workers
from backproof.running.api import PlanError, Sharing, judge, plan_of
from backproof.running.shards import Shard, asked, task_of, work
from backproof.running.workers import WorkersError, cluster, here, processes

RIGHT = """\
import signal
from pathlib import Path

from backproof import Head, implementation
from backproof.reference import Case, evaluate

@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")], depth=(1, 3), dtypes=["float64"])
def backprop(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets))
    gradients = dict(answer.gradients)
    {line}
    return answer.loss, gradients
"""
WRONG = 'gradients["0.bias"] = gradients["0.bias"] / len(inputs) if "0.bias" in gradients else 0'
SMALL = 4  # draws and structures of a shard


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "DRAWS", SMALL)
    monkeypatch.setattr(shards, "STRUCTURES", SMALL)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes in_shards.py with a line of its own in it; gives the target."""
    monkeypatch.chdir(tmp_path)

    def write(line="pass"):
        Path("in_shards.py").write_text(RIGHT.replace("{line}", line))
        return "in_shards.py:backprop"

    return write


def run(target, folder=None, workers=None, resume=False, questions=160, seed=0):
    """The report of a run of 3 networks and some in bulk, by these workers."""
    from backproof.running.run import run

    plan = Plan(examples=3, seconds=600.0, seed=seed, oracles=("arbiter",), bulk=questions)
    subject = load(target)
    with Recorder(folder) as recorder:
        recorder.header(subject, plan)
        report = run(subject, plan, recorder, workers=workers, resume=resume)
        recorder.footer(report)
    return report


def same(one, other):
    """Whether two reports are of one run: all but the time it took."""
    return replace(one, seconds=0.0).to_json() == replace(other, seconds=0.0).to_json()


def small_tally(subject, seed=0, stop=3):
    task = task_of(subject, subject.claims, ["arbiter"])
    return asked(subject, task, Shard(seed, 0, stop, SMALL))


# --- shards as data -------------------------------------------------------------------------------


def averaged(case):
    answer = evaluate(case)
    return Answer(answer.loss, {name: g / case.batch if name.endswith("bias") else g
                                for name, g in answer.gradients.items()})


@pytest.mark.parametrize("engine", [evaluate, averaged])
def test_a_tally_is_the_same_after_a_trip_through_json(engine):
    claims = replace(EVERYTHING, layers=("dense",), hidden=("tanh",))
    made = json.loads(json.dumps(small_tally(Subject("mine", claims, engine))["tally"]))
    assert json.loads(json.dumps(to_json(of_json(made)))) == made
    assert bool(made["failures"]) == (engine is averaged)


def test_a_shard_is_the_same_whatever_was_asked_before():
    subject = ready_made("reference")
    alone = small_tally(subject)
    small_tally(subject, seed=5)
    assert small_tally(subject) == alone


def test_shards_cover_what_is_asked_once():
    made = shards.shards(7, 1000)
    assert [structure for shard in made for structure in range(shard.start, shard.stop)] == list(range(250))
    assert sum(shard.questions for shard in made) == 1000


# --- one run --------------------------------------------------------------------------------------


def test_a_right_program_conforms_and_every_draw_counts(mine, tmp_path):
    report = run(mine(), tmp_path / "out")
    assert report.verdict == "conforms", report.text()
    assert 3 + 150 <= report.networks <= 3 + 160
    assert report.planned == 163
    kept = read(tmp_path / "out")
    assert kept.report.counts == report.counts
    assert not (tmp_path / "out" / "shards").exists()


def test_a_wrong_program_is_found_named_and_told_where(mine, tmp_path):
    report = run(mine("pass\n    if len(inputs) == 4: " + WRONG), tmp_path / "out")
    assert report.verdict == "does_not_conform"
    assert report.findings[0].faults[0] == "bias-averaged-over-batch"
    [note] = [note for note in report.notes if note.startswith("bulk:")]
    assert "of seed 0" in note


def test_the_order_in_which_shards_are_done_does_not_matter(mine, tmp_path):
    subject = load(mine(WRONG))

    def backwards(task, todo):
        done = list(here(subject)(task, todo))
        yield from reversed(done)

    assert same(run(mine(WRONG)), run(mine(WRONG), workers=backwards))


def test_two_processes_are_one(mine):
    target = mine(WRONG)
    assert same(run(target), run(target, workers=processes(2)))


# --- interrupted ----------------------------------------------------------------------------------


def interrupted(subject, after):
    def work(task, todo):
        for i, done in enumerate(here(subject)(task, todo)):
            if i == after:
                raise KeyboardInterrupt
            yield done

    return work


def counting(subject, seen):
    def work(task, todo):
        seen.extend(todo)
        yield from here(subject)(task, todo)

    return work


def test_an_interrupted_run_goes_on_where_it_was(mine, tmp_path):
    target, folder = mine(WRONG), tmp_path / "out"
    subject, seen = load(target), []
    whole = run(target)
    first = run(target, folder, interrupted(subject, 4))
    assert (first.verdict, first.reason) == ("incomplete", "interrupted")
    assert len(list((folder / "shards").glob("*-*.json"))) == 4
    second = run(target, folder, counting(subject, seen), resume=True)
    assert len(seen) == 10 - 4
    assert same(second, whole)
    assert not (folder / "shards").exists()


def test_without_resume_it_starts_again(mine, tmp_path):
    target, folder = mine(), tmp_path / "out"
    seen = []
    run(target, folder, interrupted(load(target), 4))
    run(target, folder, counting(load(target), seen))
    assert len(seen) == 10


@pytest.mark.parametrize(("changes", "words"), [
    ({"seed": 1}, "is of another seed: 0 there, 1 asked for"),
    ({"questions": 320}, "is of another examples: 160 there, 320 asked for")])
def test_another_run_is_not_resumed(mine, tmp_path, changes, words):
    target, folder = mine(), tmp_path / "out"
    run(target, folder, interrupted(load(target), 2))
    with pytest.raises(RecordError, match=words):
        run(target, folder, resume=True, **changes)
    assert len(list((folder / "shards").glob("*-*.json"))) == 2


def test_another_version_is_not_resumed(mine, tmp_path, monkeypatch):
    target, folder = mine(), tmp_path / "out"
    run(target, folder, interrupted(load(target), 2))
    monkeypatch.setattr(bulk, "version", lambda: "9.9")
    with pytest.raises(RecordError, match=r"of another version: '.*' there, '9.9' asked for"):
        run(target, folder, resume=True)


def test_a_damaged_shard_is_said_in_one_line(mine, tmp_path):
    target, folder = mine(), tmp_path / "out"
    run(target, folder, interrupted(load(target), 2))
    next((folder / "shards").glob("*-*.json")).write_text('{"lines": [')
    with pytest.raises(RecordError, match=r"resume: .* cannot be read"):
        run(target, folder, resume=True)


# --- workers that die -----------------------------------------------------------------------------


DIES_ONCE = """flag = Path("died")
    if len(inputs) == 5 and not flag.exists():
        flag.write_text("")
        signal.raise_signal(signal.SIGKILL)"""
DIES_ALWAYS = "if len(inputs) == 5: signal.raise_signal(signal.SIGKILL)"


def test_a_process_that_dies_loses_nothing_and_counts_nothing_twice(mine, tmp_path):
    whole = bulk_only(mine(), None)
    seen = bulk_only(mine(DIES_ONCE), processes(2))
    assert Path("died").exists()
    assert seen.counts == whole.counts


def test_a_program_that_always_ends_its_process_is_told(mine):
    tally = bulk_only(mine(DIES_ALWAYS), processes(2))
    assert tally.counts["answers"]["errored"] >= 1
    failure = tally.failures["answers", "EndedProgram"][0]
    assert "its process ended while it was asked: structures" in failure.message


SCRIPT = """\
import backproof
from backproof.reference import Case, evaluate
from backproof.running import api

api.EXAMPLES = 2

def backprop(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets))
    return answer.loss, dict(answer.gradients)

try:
    print(backproof.verify(backprop, examples=9, jobs=2, oracles="arbiter").verdict)
except backproof.BackproofError as error:
    print(error)
"""


def test_processes_that_cannot_start_are_no_finding(tmp_path):
    """A script without a guard: each process would run it again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.splitlines()[-1].startswith("jobs: a process ended before it was asked anything")


def test_a_function_is_sent_to_other_processes():
    subject = subject_of(averaging)
    here_, there = (bulk_only(subject, who) for who in (None, processes(2)))
    assert there.counts == here_.counts
    assert there.counts["reference"]["failed"] + there.counts["reference"]["inconclusive"] > 0


@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")], depth=(1, 3))
def averaging(network, parameters, inputs, targets):
    answer = averaged(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, dict(answer.gradients)


def test_a_function_that_cannot_be_sent_is_told():
    subject = Subject("mine", ready_made("reference").claims, lambda case: evaluate(case))
    made = Judge(subject, subject.claims, ["arbiter"], lambda **_: None, 0)
    with pytest.raises(WorkersError, match="jobs: the function cannot be sent to other processes; give it as text"):
        bulk.ask(made, Recorder(), bulk.shelf_of(made, Recorder(), 128, 0, False), 128, 0, processes(2), lambda done: None)


def bulk_only(target, who):
    """The tally of some shards, without anything before them."""
    subject = load(target) if isinstance(target, str) else target
    made = Judge(subject, subject.claims, ["arbiter"], lambda **_: None, 0)
    bulk.ask(made, Recorder(), bulk.shelf_of(made, Recorder(), 128, 0, False), 128, 0, who or here(subject), lambda done: None)
    return made.tally


# --- a cluster ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made


def test_a_cluster_whose_worker_is_killed_is_one_process(mine, dask):
    target = mine("import time; time.sleep(0.01)")
    killed = []

    def killing(task, todo):
        for done in cluster(dask.scheduler_address)(task, todo):
            if not killed:
                killed.append(next(iter(dask.workers.values())).process.pid)
                os.kill(killed[0], 9)
            yield done

    assert same(run(target), run(target, workers=killing))
    assert killed


def test_a_scheduler_that_does_not_answer(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(WorkersError, match=r"scheduler: tcp://127.0.0.1:1 does not answer within 0.5 s"):
        verify("reference", examples=400, scheduler="tcp://127.0.0.1:1")
    assert time.monotonic() - start < 30


def test_a_worker_of_another_version_is_told(mine):
    subject = load(mine())

    def old(task, todo):
        for shard, result in here(subject)(task, todo):
            yield shard, {**result, "version": "0.0.1"}

    with pytest.raises(WorkersError, match=r"a worker has backproof 0.0.1, this is .*: install the same"):
        bulk_only(mine(), old)


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "words"), [
    ({"jobs": 0}, "jobs: wanted a whole number, 1 or more; received 0"),
    ({"jobs": 2}, "jobs and scheduler share what is beyond 300 examples; received 300"),
    ({"jobs": 2, "examples": 200}, "received 200"),
    ({"jobs": 2, "scheduler": "tcp://x", "examples": 400}, "leave out one"),
    ({"resume": True, "examples": 20000}, "resume: wants a report's directory"),
    ({"resume": True, "report": "x"}, "resume: wants a report's directory")])
def test_what_cannot_be_is_one_line(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlanError, match=words) as told:
        verify("reference", **options)
    assert "\n" not in str(told.value)


def test_many_examples_are_asked_in_bulk():
    assert (plan_of(9_999).examples, plan_of(9_999).bulk) == (9_999, 0)
    plan = plan_of(100_000)
    assert (plan.examples, plan.bulk, plan.seconds) == (300, 99_700, 86_400.0)
    assert plan_of(100_000, 30).seconds == 30.0
    assert plan_of(1_000, shared=True).bulk == 700


def test_a_time_limit_ends_a_run_in_bulk(mine):
    subject = load(mine())
    plan = Plan(examples=1, seconds=0.5, oracles=("arbiter",), bulk=100_000)
    report = judge(subject, plan, None, True, Sharing())
    assert report.ended == "time limit"
    assert any(note.startswith("time limit:") for note in report.notes)


def test_a_task_is_the_target_or_the_subject():
    subject = load("reference")
    task = task_of(subject, subject.claims, ["arbiter"])
    assert (task.target, task.subject) == ("reference", None)
    made = Subject("mine", subject.claims, evaluate)
    assert task_of(made, made.claims, []).subject == made
    assert work(task, Shard(0, 0, 1, 2))["tally"]["networks"] == 2
