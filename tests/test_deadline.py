"""Limits that nothing in Python outlasts, and one deadline for all of a run."""

import contextlib
import gc
import signal
import sys
import threading
import time

import numpy as np
import pytest
from backproof import Head, implementation, verify
from backproof.judging import asking
from backproof.judging.clock import Clock, TimeIsUp
from backproof.plug import limits, unwinding
from backproof.plug.limits import Interrupts, TookTooLong, limit, pressed
from backproof.reference import Case, evaluate

ONE = [Head("identity", "squared_error")]

# --- code that catches whatever it can ------------------------------------------------------------------------------


def catches_exceptions():
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.02)


def catches_all():
    while True:
        try:
            while True:
                sum(range(10))
        except BaseException:
            pass


def goes_on_at_last():
    while True:
        try:
            time.sleep(5)
        finally:
            continue  # noqa: B012


def returns_at_last():
    try:
        time.sleep(5)
    finally:
        return 1  # noqa: B012


def calls_one_that_returns():
    while True:
        try:
            returns_at_last()
        except BaseException:
            try:
                returns_at_last()
            except BaseException:
                continue


def suppresses():
    import contextlib

    while True:
        with contextlib.suppress(BaseException), threading.Lock():
            time.sleep(0.01)


def asks_a_generator():
    def numbers():
        while True:
            with contextlib.suppress(BaseException):
                yield 1

    for _ in iter(numbers().__next__, 2):
        with contextlib.suppress(BaseException):
            time.sleep(0.01)


class Heavy:
    light = False

    def __del__(self):
        if not self.light:
            catches_exceptions()


def makes_garbage():
    while True:
        one = Heavy()
        one.me = one
        del one
        gc.collect()


def sleeps_in_a_callback():
    gc.callbacks.append(lambda *_: catches_exceptions())
    while True:
        gc.collect()


STUBBORN = [catches_exceptions, catches_all, goes_on_at_last, calls_one_that_returns, suppresses, asks_a_generator,
            makes_garbage, sleeps_in_a_callback]


def in_a_state_of_its_own(stubborn):
    """A generator has its own exception state: a handler that is left half-way leaves none to the tests after it."""
    with pytest.raises(TookTooLong, match="too long"), limit(0.1, "too long"):
        stubborn()
    yield


@pytest.mark.skipif(not limits.SIGNALS, reason="SIGALRM")
@pytest.mark.parametrize("stubborn", STUBBORN, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_outlasts_a_limit(stubborn, monkeypatch):
    callbacks, before = list(gc.callbacks), (sys.gettrace(), sys.unraisablehook, gc.isenabled())
    monkeypatch.setattr(Heavy, "light", False)
    start = time.monotonic()
    try:
        next(in_a_state_of_its_own(stubborn))
    finally:
        gc.callbacks[:] = callbacks
        Heavy.light = True
        gc.collect()
    assert time.monotonic() - start < 60  # they never end by themselves
    assert sys.exc_info() == (None, None, None)
    assert (sys.gettrace(), sys.unraisablehook, gc.isenabled()) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_nothing_is_interrupted_afterwards():
    for seconds in np.linspace(1e-4, 3e-3, 60):
        try:
            with limit(float(seconds)):
                returns_soon()
        except TookTooLong:
            pass
        sum(range(2000))


def returns_soon():
    end = time.monotonic() + 2e-3
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            sum(range(100))


def test_an_answer_that_comes_too_late_is_none():
    with pytest.raises(TookTooLong), limit(0.05), contextlib.suppress(BaseException):
        time.sleep(5)


def test_other_threads_have_limits_too():
    def asked(found):
        try:
            with limit(0.1, "too long"):
                catches_exceptions()
        except TookTooLong as error:
            found.append(str(error))
        returns_soon()
        found.append("went on")

    found = []
    threads = [threading.Thread(target=asked, args=[found]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["too long"] * 3 + ["went on"] * 3


def test_how_many_handlers_are_around_an_instruction():
    def nested():
        a = 1
        try:
            b = 2
            try:
                c = 3
            except ValueError:
                d = 4
        except KeyError:
            e = 5
        return a, b, c, d, e

    import dis

    at = {i.argval: unwinding.around(nested.__code__, i.offset) for i in dis.get_instructions(nested)
          if i.opname == "STORE_FAST" and i.argval in "abcde"}
    assert at["a"] == 0
    assert at["a"] < at["e"] < at["b"]
    assert at["d"] < at["c"]


def test_a_keyboard_interrupt_is_told_from_one_that_is_raised():
    assert pressed()  # nobody knows
    with Interrupts() as interrupts:
        assert not pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert pressed()
        assert interrupts.seen


# --- a clock --------------------------------------------------------------------------------------------------------


def test_a_clock_ends():
    clock = Clock(60.0)
    assert clock.allowed(10.0) == 10.0
    clock.end = time.monotonic() + 0.5
    assert 0 < clock.allowed(10.0) <= 0.5
    clock.end = time.monotonic()
    with pytest.raises(TimeIsUp):
        clock.allowed(10.0)


def test_a_third_of_it_may_be_lost():
    clock = Clock(60.0)
    clock.lost = 19.0
    clock.check()
    clock.lost += 1.0
    with pytest.raises(TimeIsUp):
        clock.check()
    clock.again(time.monotonic() + 30.0)
    clock.check()
    assert (clock.lost, round(clock.most)) == (0.0, 10)


def test_a_part_of_it():
    clock = Clock(60.0)
    with clock.part():
        assert 19 < clock.left <= 20
    assert clock.left > 59
    endless = Clock()
    with endless.part():
        endless.check()


# --- a run ----------------------------------------------------------------------------------------------------------


def right(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, dict(answer.gradients)


def averaged(*arguments):
    loss, gradients = right(*arguments)
    return loss, {name: g / len(arguments[2]) if "bias" in name else g for name, g in gradients.items()}


def after(count, subject=right):
    calls = []

    def hangs(*arguments):
        calls.append(1)
        if len(calls) > count:
            catches_exceptions()
        return subject(*arguments)
    return hangs


def slow(seconds, subject=right):
    def waits(*arguments):
        time.sleep(seconds)
        return subject(*arguments)
    return waits


def timed(subject, seconds, claimed=True):
    if claimed:
        subject = implementation(hidden=["tanh"], heads=ONE)(subject)
    start = time.monotonic()
    report = verify(subject, seconds=seconds, oracles=("differences",))
    return report, time.monotonic() - start


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What a run imports takes its own time."""
    verify(implementation(hidden=["tanh"], heads=ONE)(averaged), examples=1, oracles=("differences",))


SUBJECTS = {
    "right and slow": (lambda: slow(0.05), 0.0, {"incomplete", "conforms"}, ""),
    "wrong and slow": (lambda: slow(0.05, averaged), 0.0, {"does_not_conform"}, "gradient"),
    "wrong": (lambda: averaged, 0.0, {"does_not_conform"}, "gradient"),
    "hanging from the 30th question on": (lambda: after(30), 0.5, {"does_not_conform"}, "no answer within 0.5 s"),
    "wrong, and hanging": (lambda: after(30, averaged), 0.5, {"does_not_conform"}, "gradient"),
    "hanging always": (lambda: after(0), 0.5, {"not_judged"}, "no answer within 0.5 s"),
    "slower than the run": (lambda: slow(5.0), 0.0, {"not_judged"}, "the 2 s of the run were over"),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_run_keeps_to_its_seconds(name, monkeypatch):
    make, question, verdicts, says = SUBJECTS[name]
    if question:
        monkeypatch.setattr(asking, "QUESTION_SECONDS", question)
    report, seconds = timed(make(), 2.0)
    assert seconds < 4.0
    assert report.verdict in verdicts
    assert says in " ".join([report.reason, *(f.headline for f in report.findings)])


def test_hangs_are_asked_for_few_times(monkeypatch):
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.2)
    hung = []

    def hangs(network, parameters, inputs, targets):
        if len(inputs) == 2:
            hung.append(1)
            time.sleep(5)
        return right(network, parameters, inputs, targets)

    report, _ = timed(hangs, 3.0)
    assert "no answer within 0.2 s" in report.findings[0].headline
    assert len(hung) <= 8
    assert any("lost to questions" in note for note in report.notes)


def test_where_the_time_was_up_no_name_is_given(monkeypatch):
    report, _ = timed(slow(0.05, averaged), 2.0)
    assert not report.findings[0].faults
    assert any("the time was up" in note for note in report.notes)
    assert report.findings[0].parameter.endswith("bias")


def test_what_it_does_is_not_found_out_for_ever():
    report, seconds = timed(slow(0.05), 2.0, claimed=False)
    assert seconds < 4.0
    assert (report.verdict, "too slow to find out" in report.reason) == ("not_judged", True)
