"""The same seed asks the same questions, whichever witnesses there are."""

import gc
import weakref

import numpy as np
import pytest
from backproof import Head, implementation
from backproof.judging.plan import Plan, different
from backproof.plug.subject import subject_of
from backproof.record.writing import Recorder
from backproof.reference import Case, evaluate
from backproof.running.run import run


def asked(oracles, seed=3, examples=3):
    """The ids of all cases that a right function is asked, in their order."""
    ids = []

    @implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])
    def listens(network, parameters, inputs, targets):
        case = Case(network, {k: v.copy() for k, v in parameters.items()}, inputs, targets, str(inputs.dtype))
        ids.append(case.id)
        answer = evaluate(case)
        return answer.loss, answer.gradients

    with Recorder(None) as recorder:
        report = run(subject_of(listens), Plan(examples=examples, oracles=oracles, seed=seed), recorder)
    assert report.networks == examples
    return ids


@pytest.fixture(scope="module")
def by_differences():
    return asked(("differences",))


def test_without_jax(by_differences):
    assert asked(("torch", "differences", "jax")) == by_differences


def test_without_differences(by_differences):
    assert asked(()) == by_differences


def test_another_seed_asks_others(by_differences):
    assert set(asked((), seed=4)) - set(by_differences)


def test_what_one_judge_draws_disturbs_no_other():
    from backproof.judging.judge import Judge
    from backproof.properties.claims import Claims

    judge = Judge(subject_of(lambda *a: None, "f"), Claims(), (), lambda **_: None, 0)
    mine = judge.drawing("scaling").random(3)
    judge.drawing("differences").random(5)
    assert np.array_equal(judge.drawing("scaling").random(3), mine)
    judge.tally.networks += 1
    assert not np.array_equal(judge.drawing("scaling").random(3), mine)


def test_what_was_drawn_before_is_not_kept():
    class Drawn:
        """Something that can be looked for."""

        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return self.number

    seen = []

    def draws():
        for number in range(20):
            one = Drawn(number)
            seen.append(weakref.ref(one))
            yield one
            del one

    fresh = different(draws(), lambda one: one)
    for _ in range(8):
        next(fresh)
    gc.collect()
    assert sum(each() is not None for each in seen) <= 1
