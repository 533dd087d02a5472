"""Many draws of one structure in one pass: the truths, the tolerances and the verdicts are those of each alone."""

import numpy as np
import pytest
from backproof.judging.abreast import judge_draws
from backproof.judging.judge import Judge, valid
from backproof.plug.subject import Subject, subject_of
from backproof.plug.subjects import load as ready_made
from backproof.properties.agreement import disagreements, measured
from backproof.properties.claims import EVERYTHING
from backproof.properties.draws import LOSS, Draws
from backproof.properties.strategies import Style, build
from backproof.properties.strategies.counted import Counted, draft_at
from backproof.properties.strategies.revalued import draws
from backproof.properties.structures import STRUCTURES, structures_of
from backproof.properties.tolerance import spread
from backproof.reference import Answer, evaluate, parse

from .second_implementation import planted

CLAIMS = ready_made("reference").claims
NUMBERS = range(24)
FEW = 6


# --- a counter as the source of choices ----------------------------------------------------------


def test_the_choices_are_the_same_on_every_machine():
    assert [Counted(0, 0)(range(1000)) for _ in range(3)] == [Counted(0, 0)(range(1000))] * 3
    choose = Counted(7, 12345)
    assert [choose(range(1000)) for _ in range(5)] == CHOICES


CHOICES = [469, 877, 260, 581, 274]


def test_a_number_of_a_seed_is_one_draft_and_another_is_another():
    drafts = [draft_at(CLAIMS, 3, number) for number in range(40)]
    assert drafts == [draft_at(CLAIMS, 3, number) for number in range(40)]
    assert len({draft.network for draft in drafts}) >= 36
    assert drafts != [draft_at(CLAIMS, 4, number) for number in range(40)]


def test_every_structure_is_drawn():
    seen = {name for number in range(400) for name in structures_of(draft_at(CLAIMS, 0, number).network)}
    assert seen == set(STRUCTURES)


# --- the draws -----------------------------------------------------------------------------------


def test_draws_are_of_one_structure_with_other_numbers():
    draft = next(d for n in NUMBERS if (d := draft_at(CLAIMS, 0, n)).network.real and d.network.layers)
    first, *others = draws(draft, FEW)
    assert first is draft.case
    assert len(others) == FEW - 1
    for case in others:
        assert (case.network, case.batch, case.dtype) == (first.network, first.batch, first.dtype)
        for name, value in case.parameters.items():
            assert value.dtype == first.parameters[name].dtype
            assert np.array_equal(value == 0, first.parameters[name] == 0)
    assert len({case.id for case in others}) == FEW - 1
    assert [case.id for case in draws(draft, FEW)] == [first.id, *(case.id for case in others)]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_truths_side_by_side_are_the_reference_s(number):
    """Every draw that is as it must be, within what two right programs may lie apart."""
    cases = draws(draft_at(CLAIMS, 1, number), FEW)
    together = Draws(cases)
    for k in np.flatnonzero(together.ready):
        truth = Answer(together.truth[LOSS][k], {n: g[k] for n, g in together.truth.items() if n != LOSS})
        s = spread(cases[k])
        if not s.unclear:
            assert not disagreements(measured(cases[k], truth, s), s.truth)


def test_few_samples_are_near_eight():
    ratios = []
    for number in range(12):
        cases = draws(draft_at(CLAIMS, 2, number), FEW)
        together = Draws(cases)
        chosen = np.flatnonzero(together.ready)
        two = together.spreads(chosen)
        for i, k in enumerate(chosen):
            s = spread(cases[k])
            ratios += [float(np.median(two[name][i] / s.gradients[name])) for name in s.gradients
                       if s.gradients[name].size]
    assert 0.3 < np.median(ratios) < 1.1
    assert np.quantile(ratios, 0.95) < 3


@pytest.mark.parametrize("number", range(8))
def test_an_answer_that_is_off_in_one_entry_is_not_settled(number):
    cases = draws(draft_at(CLAIMS, 5, number), FEW)
    together = Draws(cases)
    chosen = np.flatnonzero(together.ready)
    eight = [spread(cases[k]) for k in chosen]
    for name in together.truth:
        if name == LOSS or not together.truth[name][0].size:
            continue
        answers = {each: g[chosen].copy() for each, g in together.truth.items()}
        assert together.near(answers, chosen).all()
        for i, s in enumerate(eight):
            answers[name][i].flat[-1] += 64 * s.gradients[name].flat[-1]
        assert not together.near(answers, chosen).any()
        assert not together.agreeing(answers, chosen)[[not s.unclear for s in eight]].any()
        answers[name][0].flat[-1] = np.nan
        assert not together.agreeing(answers, chosen)[0]


# --- the verdicts --------------------------------------------------------------------------------


def judged(subject, numbers, seed=0, count=FEW):
    judge = Judge(subject, subject.claims, [], lambda **_: None, seed)
    for number in numbers:
        judge_draws(judge, draws(draft_at(subject.claims, seed, number), count))
    return judge.tally


def test_a_right_subject_passes_every_draw():
    tally = judged(ready_made("reference"), NUMBERS)
    assert tally.counts["reference"] == {"passed": tally.networks}
    assert tally.networks + tally.invalid == FEW * len(NUMBERS)
    assert tally.invalid <= 3


def test_another_program_that_is_right_passes_every_draw():
    pytest.importorskip("torch")
    tally = judged(ready_made("torch"), NUMBERS)
    assert tally.counts["reference"] == {"passed": tally.networks}
    assert not tally.failing


def test_at_a_kink_an_oracle_with_a_slope_of_its_own_is_no_divergence():
    """|x| has the slope 1 at 0 in JAX, and 0 in the reference."""
    pytest.importorskip("jax")
    network = parse.network({"format": 1, "input_shape": [1], "loss": {"kind": "squared_error"}, "layers": [
        {"kind": "dense", "units": 1, "bias": False}, {"kind": "activation", "function": "abs"}]})
    case = build(network, 1, "real", Style(), 0)
    on_a_kink = case.but(inputs=np.zeros((1, 1)))
    subject = ready_made("reference")
    judge = Judge(subject, subject.claims, ["jax"], lambda **_: None, 0)
    judge_draws(judge, [case, on_a_kink, case.but(inputs=case.inputs / 2)])
    assert judge.tally.counts["jax"] == {"passed": 1}
    assert not judge.tally.divergences


def test_what_fails_together_is_what_fails_alone():
    """A wrong entry in every fifth answer: those draws fail, and no other, but for those on a kink."""
    changed = {}

    def engine(case):
        answer = evaluate(case)
        worst = max(answer.gradients, key=lambda name: float(np.abs(answer.gradients[name]).max(initial=0)))
        gradient = answer.gradients[worst].copy()
        if int(case.id, 16) % 5 or not gradient.any():
            return answer
        changed[case.id] = case
        gradient.flat[np.abs(gradient).argmax()] *= 1.5
        return Answer(answer.loss, {**answer.gradients, worst: gradient})

    tally = judged(Subject("every fifth", EVERYTHING, engine), range(10))
    wrong = sum(valid(spread(case)) for case in changed.values())
    said = tally.counts["reference"]
    assert said["failed"] == tally.failing >= 5
    assert said["failed"] + said["inconclusive"] == wrong  # nobody confirms some of them here
    assert said["passed"] == tally.networks - wrong


@pytest.mark.parametrize("fault", ["bias-averaged-over-batch", "derivative-missing"])
def test_a_planted_mistake_is_found(fault):
    subject = subject_of(planted(fault))
    tally = judged(subject, range(10))
    assert tally.counts["reference"]["failed"] > 0


def test_a_subject_that_raises_is_counted_once_a_draw():
    def engine(case):
        if case.batch > 1:
            raise ValueError("no batches")
        return evaluate(case)

    tally = judged(Subject("no batches", CLAIMS, engine), range(20))
    assert tally.counts["answers"]["errored"] > 0
    assert sum(tally.counts["answers"].values()) == tally.networks


def test_inputs_left_out_now_and_then_are_no_mistake():
    asked = []

    def engine(case):
        answer = evaluate(case)
        asked.append(case)
        if len(asked) % 3:
            return answer
        return Answer(answer.loss, {k: g for k, g in answer.gradients.items() if k != "inputs"})

    tally = judged(Subject("lazy", EVERYTHING, engine), range(6))
    assert tally.counts["reference"] == {"passed": tally.networks}
