"""What a subject does to the process around it is put back, and is told as what it is."""

import gc
import io
import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from backproof import Head, implementation, verify
from backproof.judging import asking
from backproof.judging.asking import EndedProgram, last_line, question
from backproof.judging.session import session
from backproof.plug import settings
from backproof.reference import Case, evaluate

ONE = [Head("identity", "squared_error")]


def right(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, answer.gradients


def claimed(function):
    return implementation(hidden=["tanh"], heads=ONE)(function)


def verified(function, examples=4, **options):
    return verify(claimed(function), examples=examples, oracles=("differences",), **options)


def findings(report):
    return "\n".join(finding.headline for finding in report.findings) + report.reason


# --- what is put back -----------------------------------------------------------------------------------------------


def torch_double():
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(1 + torch.get_num_threads())
    torch.use_deterministic_algorithms(True)


def jax_wide():
    import jax

    jax.config.update("jax_enable_x64", not jax.config.jax_enable_x64)
    jax.config.update("jax_disable_jit", True)


CHANGES = {
    "the working folder": lambda: os.chdir("/"),
    "streams": lambda: setattr(sys, "stdout", io.StringIO()),
    "hooks": lambda: setattr(sys, "excepthook", print),
    "the hook of threads": lambda: setattr(threading, "excepthook", print),
    "signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the recursion limit": lambda: sys.setrecursionlimit(900),
    "the garbage collector": lambda: (gc.disable(), gc.set_threshold(3)),
    "its callbacks": lambda: gc.callbacks.append(lambda *_: None),
    "PyTorch's settings": torch_double,
    "JAX's settings": jax_wide,
}


@pytest.fixture
def rows():
    import jax  # noqa: F401
    import torch  # noqa: F401

    known = settings.Settings()
    known.give()
    return {row.what: row for row in known.rows}


def test_every_row_has_a_change(rows):
    assert set(CHANGES) == set(rows)


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_changed_is_put_back(what, rows):
    row, before = rows[what], rows[what].get()
    seen = []

    def changes(case):
        CHANGES[what]()
        seen.append(row.get())

    question(changes, None)
    assert not row.same(seen[0], before)
    assert row.same(row.get(), before)


@pytest.mark.parametrize("what", [name for name in CHANGES if name not in ("PyTorch's settings", "JAX's settings")])
def test_what_it_changed_is_there_again_in_its_next_question(what, rows):
    row, before = rows[what], rows[what].get()
    with session():
        question(lambda case: CHANGES[what](), None)
        assert row.same(row.get(), before)
        assert question(lambda case: not row.same(row.get(), before), None)
        question(lambda case: row.put(before), None)
        assert question(lambda case: row.same(row.get(), before), None)
    assert row.same(row.get(), before)


def test_what_cannot_be_put_back_is_left(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)

    def moves(case):
        os.chdir(tmp_path)
        gone.rmdir()

    question(moves, None)
    assert os.getcwd() == str(tmp_path)


def test_numpy_and_warnings_are_as_they_were():
    before, filters = (np.geterr(), np.geterrcall()), list(warnings.filters)

    def changes(case):
        np.seterr(all="call")
        np.seterrcall(print)
        warnings.simplefilter("error")
        warnings.showwarning = print

    question(changes, None)
    assert ((np.geterr(), np.geterrcall()), warnings.filters, warnings.showwarning is print) == (before, filters, False)


def test_a_run_leaves_random_numbers_and_the_environment_alone():
    def careless(*arguments):
        random.seed(1)
        np.random.seed(1)
        os.environ["SOME_VARIABLE"] = "1"
        return right(*arguments)

    before = random.getstate(), np.random.get_state()[1].tolist(), dict(os.environ)
    assert verified(careless).verdict == "conforms"
    assert (random.getstate(), np.random.get_state()[1].tolist(), dict(os.environ)) == before


def raising_floats(*arguments):
    with np.errstate(all="ignore"):
        answer = right(*arguments)
    np.seterr(all="raise")
    return answer


def everything(*arguments):
    for change in CHANGES.values():
        change()
    return raising_floats(*arguments)


@pytest.mark.parametrize("subject", [raising_floats, everything])
def test_a_right_subject_that_switches_things_on_conforms(subject):
    report = verified(subject, examples=8)
    assert report.verdict == "conforms", report.text()
    assert os.getcwd() != "/"


def test_what_is_raised_in_our_own_lines_is_not_the_subjects(monkeypatch):
    from backproof.properties import own_loss

    def broken(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(own_loss, "directional", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        verified(right)


# --- what it raises -------------------------------------------------------------------------------------------------


class Odd(BaseException):
    pass


class SilentError(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


class EndlessError(Exception):
    def __str__(self):
        while True:
            time.sleep(0.01)


class MaskedError(Exception):
    @property
    def __class__(self):
        raise SystemExit(0)


class Nameless(type):
    @property
    def __name__(cls):
        raise SystemExit(0)


class Array:
    def __array__(self, *_, **__):
        raise SystemExit(0)


class Loss:
    def __float__(self):
        raise SystemExit(0)

    __bool__ = __len__ = __eq__ = __float__
    __hash__ = None


def raises(error):
    def subject(network, parameters, inputs, targets):
        raise error
    return subject


def gives(loss=None, gradient=None):
    def subject(*arguments):
        true, gradients = right(*arguments)
        name = "0.weight"
        return loss or true, {**gradients, name: gradients[name] if gradient is None else gradient}
    return subject


RAISED = {
    "sys.exit": (raises(SystemExit(0)), "sys.exit(0) inside the subject"),
    "an exit with an object": (raises(SystemExit(Loss())), "sys.exit("),
    "no Exception": (raises(Odd("so odd")), "Odd: so odd"),
    "GeneratorExit": (raises(GeneratorExit()), "GeneratorExit: no message"),
    "KeyboardInterrupt": (raises(KeyboardInterrupt()), "KeyboardInterrupt: no message"),
    "an exit in __str__": (raises(SilentError()), "SilentError: its message cannot be read"),
    "a hang in __str__": (raises(EndlessError()), "EndlessError: its message cannot be read"),
    "an exit in __class__": (raises(MaskedError("m")), "MaskedError: m"),
    "an exit in its metaclass": (raises(Nameless("Named", (Exception,), {})("n")), "Named: n"),
    "megabytes": (raises(ValueError("x" * 5_000_000)), "ValueError: xxxx"),
    "os._exit": (lambda *_: os._exit(0), "os._exit(0) inside the subject would have ended the process"),
    "os.abort": (lambda *_: os.abort(), "os.abort() inside the subject"),
    "os.execv": (lambda *_: os.execv("/bin/true", ["true"]), "os.execv('/bin/true', list)"),
    "os.execlp": (lambda *_: os.execlp("true", "true"), "os.exec"),
    "os.kill": (lambda *_: os.kill(os.getpid(), signal.SIGKILL), "os.kill("),
    "os.kill of the group": (lambda *_: os.kill(0, signal.SIGTERM), "os.kill(0"),
    "an exit in __array__": (gives(gradient=Array()), "sys.exit(0) inside the subject"),
}


@pytest.mark.parametrize("name", RAISED)
def test_what_a_subject_raises_or_ends_is_told(name, monkeypatch):
    monkeypatch.setattr("backproof.plug.saying.SECONDS", 0.1)
    subject, says = RAISED[name]

    def at_times(network, parameters, inputs, targets):
        if len(inputs) == 2 and len(network.layers) == 1:
            return subject(network, parameters, inputs, targets)
        return right(network, parameters, inputs, targets)

    report = verified(at_times, examples=1)
    assert report.exit == 1, report.text()
    assert says in findings(report)
    assert len(findings(report)) < 3000


@pytest.mark.parametrize("name", ["sys.exit", "KeyboardInterrupt", "os._exit", "an exit in __str__"])
def test_one_that_always_does_is_not_judged(name):
    report = verified(RAISED[name][0])
    assert (report.verdict, report.exit) == ("not_judged", 2)


def test_an_end_that_is_swallowed_is_told():
    def swallows(case):
        try:
            os._exit(0)
        except BaseException:
            return 1

    with pytest.raises(EndedProgram, match="_exit"):
        question(swallows, None)
    assert question(lambda case: 1, None) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_end_in_a_thread_is_told_with_the_next_question(capsys):
    def starts(case):
        thread = threading.Thread(target=lambda: (time.sleep(0.05), os._exit(0)))
        thread.start()
        return thread

    with session():
        question(starts, None).join()
        with pytest.raises(EndedProgram, match="_exit"):
            question(lambda case: 1, None)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_process_that_it_forks_may_end():
    def forks(case):
        child = os.fork()
        if child == 0:
            os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert question(forks, None) == 7


def test_other_processes_and_signals_are_its_own_affair():
    rang = []

    def signals(case):
        os.kill(os.getpid(), 0)
        signal.signal(signal.SIGUSR1, lambda *_: rang.append(1))
        os.kill(os.getpid(), signal.SIGUSR1)
        return 1

    before = os.kill, os._exit
    assert question(signals, None) == 1
    assert rang == [1]
    assert (os.kill, os._exit) == before


def test_the_last_line_of_an_error_whose_message_raises():
    assert last_line(SilentError()) == "SilentError: its message cannot be read"


def test_an_interrupt_of_the_user_is_the_users():
    with pytest.raises(KeyboardInterrupt):
        question(lambda case: signal.raise_signal(signal.SIGINT), None)


def test_a_question_costs_little():
    """Some 15 microseconds more than the limit and the filters cost; a few times that on a busy machine."""
    with session():
        question(lambda case: None, None)
        best = min(_seconds() for _ in range(20))
    assert best < 300e-6


def _seconds():
    start = time.perf_counter()
    for _ in range(50):
        question(lambda case: None, None)
    return (time.perf_counter() - start) / 50


def test_the_limit_is_the_question_s(monkeypatch):
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.05)
    with pytest.raises(Exception, match=r"no answer within 0\.05 s"):
        question(lambda case: time.sleep(5), None)
