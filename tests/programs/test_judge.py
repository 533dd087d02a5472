"""The judge for benchmarks: every cheat is caught, an honest kernel is not, and nobody reads the answers."""

import json
import os
import py_compile
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from backproof import cli
from backproof.plug.limits import TookTooLong
from backproof.plug.protocol import session as sessions
from backproof.plug.protocol.session import Died
from backproof.programs.attempts import identities
from backproof.programs.benchmark import judged
from backproof.programs.cells import Cell, cells, keys_right, share
from backproof.programs.closed import GET, _prctl, closed
from backproof.programs.judged import Failure, Judged
from backproof.programs.suspecting import LOST, GivenUp, Suspecting, decoy
from backproof.programs.trial import Reply, Trial, Value

CHEATS = Path(__file__).parent / "cheats"
TASK = f"{CHEATS}/task.py:task"
RIGHT = {"honest", "rewritten"}  # the plain form by hand, and autograd: a program like another


def score(name, task=TASK, seed=1, **more):
    return judged(f"{CHEATS}/{name}", task, seed=seed, **more)


@pytest.mark.parametrize(("task", "examples"), [("some", 20), ("task", 160)])
def test_cheats_are_caught_and_honest_kernels_are_not(task, examples):
    found = score("many.py:kernel", f"{CHEATS}/many_task.py:{task}", examples=examples)
    assert found.verdict == "does_not_conform"
    assert 0 < found.score < 1
    right = defaultdict(dict)
    for cell in found.cells:
        if cell.feature == "option which":
            right[cell.value][cell.key] = cell.is_right
    assert len(right) == (6 if task == "some" else 19)
    assert {which for which, keys in right.items() if all(keys.values())} == RIGHT & right.keys()
    assert right["fast path"] == {"output 0": True, "x": False, "weight": False}


def test_the_verdict_is_the_judges_whatever_a_kernel_prints_and_changes(capfd):
    status = cli.main(["judge", f"{CHEATS}/loud.py:kernel", "--plain", f"{CHEATS}/task.py:easy", "--json",
                       "--examples", "3"])
    out, err = capfd.readouterr()
    said = json.loads(out)  # nothing else is on it
    assert (status, said["verdict"]) == (1, "does_not_conform")
    assert said["score"] < 1
    assert (said["forward"], said["timing"]) == (0.0, "how long it takes is not judged")
    assert {"torch", "backproof"} <= said["versions"].keys()
    assert {"dtype", "feature", "value", "key", "right", "of"} == said["cells"][0].keys()
    assert isinstance(said["seed"], int)
    assert '"conforms"' in err


@pytest.mark.parametrize(("name", "more", "tried"), [
    ("prying.py:kernel", {}, "opened the task's file"),
    ("prying.py:calls", {"forbid": ["torch.nn.functional.rms_norm"]}, "called torch.nn.functional.rms_norm"),
    ("prying.py:normed", {"forbid": ["torch.ops.aten.native_layer_norm"]}, "called torch.ops.aten.native_layer_norm"),
])
def test_what_a_kernel_may_not_do_is_refused_and_its_answers_do_not_count(name, more, tried):
    found = score(name, examples=2, **more)
    assert (found.verdict, found.score, found.tried) == ("does_not_conform", 0.0, [tried])


@pytest.mark.parametrize("name", ["leaving.py:at_once", "leaving.py:kernel", "leaving.py:sleeping"])
def test_a_kernel_that_ends_or_hangs_has_not_passed_and_is_given_up(name, monkeypatch):
    monkeypatch.setattr(sessions, "SECONDS", 3.0)
    found = score(name, examples=12)
    assert found.verdict == "does_not_conform"
    assert (found.score, found.given_up) == (0.0, True) if "at_once" not in name else (0.0, False)


def test_a_kernel_that_cannot_be_imported_is_not_judged(tmp_path, capsys):
    (tmp_path / "kernel.py").write_text("import os\nos._exit(0)\n")
    assert cli.main(["judge", f"{tmp_path}/kernel.py:kernel", "--plain", TASK, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["score"]) == ("not_judged", 0.0)
    assert "the import ends the process with os._exit(0)" in said["reason"]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--plain", f"{CHEATS}/task.py:plain"], "wanted a task: task = program"),
    (["--plain", f"{CHEATS}/task.py:tusk"], "no 'tusk' in task.py"),
    (["--plain", TASK, "--examples", "0"], "--examples: received 0; wanted 1 or more"),
    (["--plain", TASK, "--device", "cudo"], "device: 'cudo' is not there for torch"),
    (["--plain", TASK, "--seed", "-1"], "--seed: received -1; wanted 0 or more"),
])
def test_a_task_or_an_option_that_cannot_be_is_one_line(arguments, says, capsys):
    assert cli.main(["judge", f"{CHEATS}/honest.py:kernel", *arguments]) == 2
    assert says in capsys.readouterr().err


# --- what it is made of ---------------------------------------------------------------------------


def trial(number=0, rows=3, **features):
    value = Value(np.arange(4.0 * rows).reshape(rows, 4), "float32")
    index = Value(np.arange(rows), "int64")
    return Trial({"x": value, "i": index, "b": None}, {"eps": 1e-5}, (value, None), ("x",), "float32", number,
                 features, 2, True)


def test_a_decoy_is_the_same_call_with_the_numbers_in_another_order():
    given = trial()
    made = decoy(np.random.default_rng(0), given)
    assert sorted(made.inputs["x"].numbers.flat) == sorted(given.inputs["x"].numbers.flat)
    assert not np.array_equal(made.inputs["x"].numbers, given.inputs["x"].numbers)
    assert not np.array_equal(made.cotangents[0].numbers, given.cotangents[0].numbers)
    assert made.inputs["i"] is given.inputs["i"]
    assert (made.inputs["b"], made.cotangents[1], made.repeats) == (None, None, 1)
    assert (made.options, made.wanted) == (given.options, given.wanted)


@pytest.mark.parametrize(("failures", "right"), [
    ([], (3, 3)), ([("linear", "")], (2, 3)),
    ([("plain", "x")], (2, 3)),  # where numbers are wrong it is not made, and not earned
])
def test_a_check_that_is_made_where_all_else_is_right_has_a_cell_of_its_own(failures, right):
    found = cells(Program, [answered(0), answered(1, *failures), answered(2)])
    assert [(cell.right, cell.of) for cell in found if cell.key == "linear"] == [right]


def test_what_crashes_or_hangs_too_often_is_not_asked_any_more():
    asked = []

    def answer(trial, device):
        asked.append(trial.number)
        raise (Died if trial.number % 2 else TookTooLong)(*(["gone"] if trial.number % 2 else ["long", 1.0]))

    suspecting = Suspecting(answer, 0)
    for number in range(LOST + 2):
        with pytest.raises((Died, TookTooLong) if number < LOST else GivenUp):
            suspecting(trial(number))
    assert asked == [*range(LOST)]
    assert suspecting.given_up


class Program:
    """What is asked of a program here."""

    class asked:  # noqa: N801
        deterministic = True


def answered(number, *failures, second=None, **features):
    truth = {"output 0": np.ones(2), "x": np.ones((3, 4))}
    reply = Reply([np.ones(2)], {"x": np.ones((3, 4))}, second=second)
    given = trial(number, **features)
    return Judged(given, reply, truth, {key: np.full(g.shape, 0.1) for key, g in truth.items()},
                  failures=[Failure(check, given, key) for check, key in failures])


def test_a_cell_is_right_where_its_key_is_right_in_every_trial_with_the_feature():
    trials = [answered(0, values="usual"), answered(1, ("plain", "x"), values="large"), answered(2, values="large")]
    found = [cell for cell in cells(Program, trials) if cell.feature != "check"]
    assert found == [Cell("float32", "values", *rest) for rest in (
        ("usual", "output 0", 1, 1), ("usual", "x", 1, 1), ("large", "output 0", 2, 2), ("large", "x", 1, 2))]
    assert share(found) == 0.75
    assert share([]) == 0.0


@pytest.mark.parametrize(("failure", "right"), [
    (("plain", "x"), {"output 0"}), (("contract", "output 0"), {"x"}), (("repeated", "x"), {"output 0"}),
    (("untouched", "x"), set()), (("answers", ""), set()), (("contract", ""), set()),
    (("untouched", "x (past its end)"), set()),
])
def test_what_is_wrong_beside_the_numbers_makes_all_of_a_trial_wrong(failure, right):
    assert set(keys_right(Program, answered(0, failure))) == right


def test_a_kernel_that_is_right_on_more_never_scores_less():
    """Whatever is wrong: dropping any one failure of any trial never lowers the share."""
    rng = np.random.default_rng(0)
    checks = [("plain", "x"), ("plain", "output 0"), ("contract", "x"), ("untouched", "x"), ("answers", ""),
              ("linear", ""), ("subsets", "x")]
    for _ in range(60):
        failures = [[checks[i] for i in rng.choice(7, rng.integers(0, 3), replace=False)] for _ in range(6)]
        seconds = [{"x": np.full((3, 4), 1.0 + (rng.random() < 0.3))} for _ in range(6)]
        values = [{"values": str(rng.choice(["a", "b"])), "layout": str(rng.choice(["c", "d"]))} for _ in range(6)]

        def scored(failures, seconds=seconds, values=values):
            return share(cells(Program, [answered(n, *these, second=seconds[n], **values[n])
                                         for n, these in enumerate(failures)]))

        whole = scored(failures)
        for n, these in enumerate(failures):
            for each in these:
                fewer = [*failures[:n], [other for other in these if other != each], *failures[n + 1:]]
                assert scored(fewer) >= whole
        clean = all(not these for these in failures) and all((second["x"] == 1).all() for second in seconds)
        assert (whole == 1.0) == clean


PRIES = """
import os, sys
from backproof.programs.attempts import Attempts, ForbiddenError
attempts = Attempts()
attempts.forbid("json.decoder.JSONDecoder.decode")
attempts.hide({files})
import json
for way in (lambda: open({task!r}), lambda: os.open({task!r}.encode(), os.O_RDONLY), lambda: __import__("task"),
            lambda: open({link!r}), lambda: json.loads("1")):
    try:
        print(way())
    except ForbiddenError as error:
        print("refused")
open({other!r}).close()
print(attempts.said)
"""


def test_the_tasks_file_is_hidden_by_whatever_name_and_functions_by_theirs(tmp_path):
    (tmp_path / "task.py").write_text("plain = 1\n")
    py_compile.compile(f"{tmp_path}/task.py")  # what Python keeps of it
    (tmp_path / "other.py").write_text("")
    os.symlink(tmp_path / "task.py", tmp_path / "link")
    files = [*map(list, identities(str(tmp_path / "task.py")))]
    assert len(files) == 2
    text = PRIES.format(files=files, task=f"{tmp_path}/task.py", link=f"{tmp_path}/link", other=f"{tmp_path}/other.py")
    out = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    said = ["opened the task's file", "called json.decoder.JSONDecoder.decode"]
    assert out.splitlines() == ["refused"] * 5 + [str(said)]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_other_processes_may_not_read_the_judges_memory_meanwhile():
    before = _prctl(GET, 0)
    with closed():
        assert _prctl(GET, 0) == 0
    assert _prctl(GET, 0) == before
