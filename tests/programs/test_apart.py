"""A program in a process of its own: the same answers as here, and whatever it does there is told and over."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.plug.contract import BrokenContract, Declined
from backproof.plug.limits import TookTooLong
from backproof.plug.protocol import session as sessions
from backproof.plug.protocol.apart import closing
from backproof.plug.protocol.frames import Frame, encoded, read_frame
from backproof.plug.protocol.session import Died
from backproof.plug.refused import TargetError
from backproof.plug.targets import load
from backproof.programs.apart import apart
from backproof.programs.engine import engine_of
from backproof.programs.messages import asked, replied, reply_of, trial_of
from backproof.programs.program import Program
from backproof.programs.trial import Reply, Trial, Value
from backproof.reference import DescriptionError

SUBJECTS = Path(__file__).with_name("apart_subjects.py")


def trial(dtype="float32", **more):
    rng = np.random.default_rng(0)

    def value(layout="contiguous"):
        return Value(rng.integers(-4, 5, (3, 4)).astype(float) / 4, dtype, layout)

    given = {"inputs": {"x": value("transposed")}, "options": {}, "cotangents": (value(),), "wanted": ("x",)}
    return Trial(**given | more, dtype=dtype)


def doing(what, **more):
    return trial(options={"do": what}, **more)


@pytest.fixture(scope="module")
def remote():
    """One process for all of them, so that torch is imported once."""
    with closing(apart(f"{SUBJECTS}:does")) as program:
        yield program


def same(one, other):
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def alike(one, other):
    """Whether two replies say the same."""
    pairs = [*zip(one.outputs, other.outputs, strict=True)]
    pairs += [(one.gradients[name], other.gradients[name]) for name in one.gradients | other.gradients]
    return all(same(*pair) for pair in pairs) and (one.dtypes, one.touched, one.differing) == (
        other.dtypes, other.touched, other.differing)


def there_and_back(message):
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb") as out:
        out.write(encoded(message, True))
        out.flush()
        return read_frame(stream, lambda: 2**20)


def test_a_trial_and_a_reply_come_over_as_they_are():
    numbers = [np.array([[1.5, np.nan], [np.inf, -0.0]]), np.arange(3), np.array([True, False]), np.zeros((0, 3)),
               np.float64(2)]
    values = [Value(each, "bfloat16", "offset") for each in map(np.asarray, numbers)]
    given = Trial({"x": values[0], "i": values[1], "b": None}, {"eps": 1e-5, "shape": (2, [3, None]), "name": "tanh"},
                  (values[3], None, values[4]), ("x",), "bfloat16", 7, {"values": "large"}, 3, True, True)
    got = trial_of(*there_and_back(asked(given)))
    assert got.options == given.options
    assert (got.wanted, got.dtype, got.repeats, got.twice, got.poison) == (("x",), "bfloat16", 3, True, True)
    assert [*got.inputs] == ["x", "i", "b"]
    pairs = zip([*got.inputs.values(), *got.cotangents], [*given.inputs.values(), *given.cotangents], strict=True)
    for one, other in pairs:
        assert one is other is None or (same(one.numbers, other.numbers)
                                        and (one.dtype, one.layout) == (other.dtype, other.layout))
    assert (got.number, got.features) == (0, {})  # nobody is told what a trial is for

    gradients = {"x": np.asarray(numbers[0]), "b": None}
    reply = Reply([*map(np.asarray, numbers), None], gradients, {"output 0": "float16"}, ("x",), {"x": np.inf},
                  gradients)
    back = reply_of(there_and_back(replied(reply)))
    assert alike(back, reply)
    assert same(back.second["x"], reply.second["x"])
    reply.second = "RuntimeError: twice"
    assert reply_of(there_and_back(replied(reply))).second == "RuntimeError: twice"


def test_an_option_that_is_no_data_is_told_in_one_line():
    says = r"options: 'act': received function; allowed in a process of its own: numbers"
    with pytest.raises(DescriptionError, match=says):
        asked(trial(options={"act": same}))


GOOD = {"outputs": [], "gradients": {}, "dtypes": {}, "touched": [], "differing": {}, "second": None}


@pytest.mark.parametrize("message", [
    {"outputs": 3}, {"outputs": [3]}, {"outputs": ["x"]}, {"outputs": [{"mask": 7}]}, {"gradients": []},
    {"outputs": [{"dtype": "float64", "shape": [2], "at": 0}]}, {"touched": 4}, {"differing": {"x": "far"}},
    {"second": {"x": 1}}])
def test_what_is_no_reply_is_told_so(message):
    assert reply_of(Frame(GOOD)).outputs == []
    for wrong in (GOOD | message, {key: GOOD[key] for key in GOOD.keys() - message.keys()}):
        with pytest.raises(BrokenContract, match=r"^reply: "):
            reply_of(Frame(wrong))


def test_numbers_in_another_order_in_memory_come_over_as_they_are():
    given = Trial({"x": Value(np.arange(6.0).reshape(2, 3).T, "float32")}, {}, (), (), "float32")
    assert same(trial_of(*there_and_back(asked(given))).inputs["x"].numbers, given.inputs["x"].numbers)


def test_it_answers_as_it_does_here(remote):
    assert isinstance(remote, Program)
    assert remote.plain is not None
    here = engine_of("torch")
    function = load(f"{SUBJECTS}:does").engine
    for more in ({}, {"dtype": "bfloat16"}, {"twice": True, "repeats": 2, "poison": True}, {"wanted": ()}):
        asked_for = doing("", **more)
        assert alike(remote.answer(asked_for), here.answer(function, asked_for))


def test_what_it_raises_is_raised_here_and_what_it_says_is_no_answer(remote):
    with pytest.raises(Exception, match=r"of mine.* \(apart_subjects.py:\d+\)$") as error:
        remote.answer(doing("raises"))
    assert type(error.value).__name__ == "KeyError"
    with pytest.raises(Declined, match="three rows"):
        remote.answer(doing("declines"))
    with pytest.raises(Exception, match=r"sys.exit\(0\) inside the subject"):
        remote.answer(doing("exits"))
    for what in ("says", "floods", "copies"):
        assert len(remote.answer(doing(what)).outputs) == 1, what


def test_the_compiler_whose_import_takes_seconds_is_not_imported_for_it(remote):
    assert len(remote.answer(doing("compiles", poison=True)).outputs) == 1
    assert len(remote.answer(doing("compiles")).outputs) == 1


def test_a_write_outside_an_input_is_told(remote):
    assert remote.answer(doing("overruns")).touched == ("x (past its end)",)
    assert remote.answer(doing("underruns")).touched == ("x (before its start)",)


@pytest.mark.parametrize(("what", "says"), [("faults", r"ended by SIGSEGV \(apart_subjects.py:\d+\)"),
                                            ("leaves", "ended with exit status 0"), ("aborts", "ended by SIGABRT"),
                                            ("huge", "its reply was given up: a block of")])
def test_a_death_is_told_and_the_next_question_is_answered(remote, what, says):
    with pytest.raises(Died, match=says):
        remote.answer(doing(what))
    assert len(remote.answer(doing("")).outputs) == 1


def test_a_hang_is_ended_and_told_with_its_line(remote, monkeypatch):
    remote.answer(doing(""))
    monkeypatch.setattr(sessions, "SECONDS", 1.5)
    start = time.monotonic()
    with pytest.raises(TookTooLong, match=r"no answer within 1.5 s \(apart_subjects.py:\d+\)"):
        remote.answer(doing("hangs"))
    assert time.monotonic() - start < 8


@pytest.mark.parametrize(("text", "says"), [
    ("import os\nos._exit(0)\n", r"mine.py:2: the import ends the process with os._exit\(0\)"),
    ("import sys\nsys.exit(3)\n", r"mine.py:2: the import ends the program with sys.exit\(3\)"),
    ("right = 1\n", "mine.py:right is not callable"),
])
def test_a_file_that_cannot_be_imported_is_one_line(tmp_path, text, says):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(TargetError, match=says) as error:
        apart(f"{tmp_path}/mine.py:right")
    assert "\n" not in str(error.value)


def test_a_file_is_imported_here_only_after_it_was_there(tmp_path):
    """The plain form is needed in this process; an import that fails, hangs or crashes does so in the other one."""
    (tmp_path / "crashes_apart.py").write_text("import ctypes\nctypes.string_at(8)\n")
    with pytest.raises(TargetError, match="SIGSEGV"):
        apart(f"{tmp_path}/crashes_apart.py:right")


@pytest.mark.parametrize("name", ["dies"])
def test_a_death_in_a_run_is_a_finding_with_its_trial(name):
    report = verify(f"{SUBJECTS}:{name}", apart=True, examples=6, seed=1, quiet=True)
    assert report.verdict == "does_not_conform"
    assert "the process ended with exit status 0" in report.findings[0].text
    assert "x (3, 4)" in report.findings[0].text
