"""The verdict on a suspicion: wrong only when the truth, 64 samples, the bound and an independent witness say so."""

from types import SimpleNamespace

import numpy as np
import pytest
from backproof import oracles
from backproof.judging import against
from backproof.judging.against import disagree, of_answer, several
from backproof.judging.judge import Judge
from backproof.plug.subject import Subject
from backproof.properties import agreement, exact
from backproof.properties.agreement import confirm, disagreements, measured, witnesses
from backproof.properties.claims import EVERYTHING, Claims
from backproof.properties.perturbed import UNIT
from backproof.properties.slopes import with_slopes
from backproof.properties.strategies import Style, build, cases, chain
from backproof.properties.tolerance import BOUNDS, SLACK, bounds, spread
from backproof.reference import Answer, LayerSpec, evaluate
from wrong_engines import CLAIMED, SQUARED, WRONG, drawn_cases

TANH = LayerSpec("activation", {"function": "tanh"})
TORCH = {"torch": oracles.load("torch")}


def mlp(depth, dtype="float64", seed=0, width=4, batch=3):
    network = chain([width] * (depth + 1), [True] * depth, [TANH] * (depth - 1), SQUARED)
    return build(network, batch, "real", Style(), seed, dtype)


def times(answer, factor, names=None, loss=1.0):
    """The answer with the gradients of `names` (all) multiplied."""
    chosen = names or answer.gradients
    return Answer(loss * answer.loss, {k: factor * g if k in chosen else g for k, g in answer.gradients.items()})


def fake(answer):
    """A witness that says whatever `answer(case)` does."""
    return SimpleNamespace(answer=lambda case, dtype="float64": answer(case))


def raising(case):
    raise oracles.Unsupported("a witness that declines")


LYING = fake(lambda case: times(evaluate(case.astype("float64")), 1.25))
DECLINING = fake(raising)


@pytest.mark.parametrize("at_hand", [{}, TORCH, {"torch": LYING}, {"torch": DECLINING}])
def test_a_right_answer_passes_whatever_the_witnesses(at_hand):
    for case in drawn_cases(cases(EVERYTHING), 21, 12):
        for answer in (evaluate(case), TORCH["torch"].answer(case, None)):
            assert confirm(case, answer, at_hand).outcome == "passed"


PLANTED = ["bias averaged", "weight doubled", "derivative missing", "gradient with the wrong sign"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_answer_fails_with_a_witness(name, dtype):
    case = mlp(2, dtype)
    found = confirm(case, WRONG[name]()(case), TORCH)
    assert (found.outcome, found.why) == ("failed", "witnessed by torch")
    assert found.disagreements
    assert all(d.error > d.tolerance for d in found.disagreements)


WITNESSES = [  # at hand, the subject's loss times, outcome, why
    (TORCH, 1.0, "failed", "witnessed by torch"), (TORCH, 3.0, "failed", "witnessed by torch"),
    ({}, 1.0, "failed", "witnessed by differences of the subject's own forward"),
    ({}, 3.0, "inconclusive", "no independent witness: torch and jax not available or what the subject is made of"),
    ({"torch": LYING}, 3.0, "inconclusive", "no independent witness: jax not available or what the subject is made of"),
    ({"torch": LYING, "jax": LYING}, 3.0, "inconclusive", "no independent witness: witnesses disagree"),
    ({"torch": DECLINING}, 3.0, "inconclusive",
     "no independent witness: jax not available or what the subject is made of"),
    ({"torch": LYING, "jax": TORCH["torch"]}, 3.0, "failed", "witnessed by jax"),
]


@pytest.mark.parametrize(("at_hand", "loss", "outcome", "why"), WITNESSES)
def test_who_witnesses(at_hand, loss, outcome, why):
    case = mlp(2)
    found = confirm(case, times(evaluate(case), 2.0, loss=loss), at_hand)
    assert (found.outcome, found.why) == (outcome, why)


def test_differences_witness_only_what_they_can_tell_apart():
    """An error of 1e-11 is above every bound, but no difference is that sharp: torch sees it, they say nothing."""
    case = mlp(2)
    wrong = times(evaluate(case), 1 + 1e-11)
    assert confirm(case, wrong, TORCH).outcome == "failed"
    assert confirm(case, wrong, {}).outcome == "inconclusive"
    assert confirm(case, times(evaluate(case), 1 + 1e-6), {}).outcome == "failed"


def test_without_the_arbiter_nothing_is_said(monkeypatch):
    def missing(name):
        if name == "arbiter":
            raise oracles.NotAvailable(name, "no flint")
        return TORCH["torch"]

    monkeypatch.setattr(agreement.oracles, "load", missing)
    assert confirm(mlp(2), times(evaluate(mlp(2)), 2.0), TORCH).outcome == "inconclusive"


def in_half_precision(case):
    """The first weight's gradient went through a bfloat16 buffer: 8 bits are left of float32's 24."""
    right = evaluate(case)
    buffered = (right.gradients["0.weight"].view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return Answer(right.loss, {**right.gradients, "0.weight": buffered})


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_lost_digits_are_seen_below_the_bound(seed):
    """Deep in float32 the bound allows a per cent and more; PyTorch in float32 still has six digits."""
    case = mlp(12, "float32", seed)
    answer = in_half_precision(case)
    allowed, s = bounds(case), spread(case, 64, 1)
    wrong = disagreements(measured(case, answer, s), s.truth)
    assert wrong
    assert all(d.error < BOUNDS * allowed.gradients[d.parameter][d.where] for d in wrong)
    assert confirm(case, answer, TORCH)[:2] == ("failed", "loses digits that torch keeps in float32")
    for at_hand in ({}, {"torch": LYING}, {"torch": fake(in_half_precision)}, {"torch": DECLINING}):
        assert confirm(case, answer, at_hand).outcome == "inconclusive"


def test_the_witness_of_digits_is_asked_in_the_subjects_dtype():
    asked = []

    def answer(case, dtype="float64"):
        asked.append(dtype)
        return TORCH["torch"].answer(case, dtype)

    case = mlp(12, "float32", 1)
    confirm(case, in_half_precision(case), {"torch": SimpleNamespace(answer=answer)})
    assert asked == [None]


def test_between_the_tolerances_64_samples_decide():
    """8 samples see a little less than 64: what lies between is no mistake."""
    case = mlp(3)
    few, many = spread(case), spread(case, 64, 1)
    name = max(few.gradients, key=lambda k: (many.gradients[k] / few.gradients[k]).max())
    where = np.unravel_index(np.argmax(many.gradients[name] / few.gradients[name]), few.gradients[name].shape)
    answer = Answer(few.truth.loss, {k: g.copy() for k, g in few.truth.gradients.items()})
    answer.gradients[name][where] += SLACK * (few.gradients[name][where] + many.gradients[name][where]) / 2
    assert disagreements(measured(case, answer, few), few.truth)
    assert confirm(case, answer, TORCH).outcome == "passed"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_fails(value, dtype):
    for depth in (1, 12):
        case = mlp(depth, dtype)
        gradients = {k: g.copy() for k, g in evaluate(case).gradients.items()}
        gradients["0.bias"][1] = value
        found = confirm(case, Answer(evaluate(case).loss, gradients), TORCH)
        assert found.outcome == "failed"
        assert [(d.parameter, d.where) for d in found.disagreements] == [("0.bias", (1,))]


MADE_OF = [(("torch", "jax"), ("torch",), ["jax"]), (("torch",), (), ["torch"]), (("torch",), ("torch",), []),
           ((), (), []),
           (("differences", "complex_step", "arbiter"), (), [])]


@pytest.mark.parametrize(("names", "made_of", "wanted"), MADE_OF)
def test_no_witness_for_its_own_family(names, made_of, wanted):
    assert list(witnesses(names, made_of)) == wanted


def test_an_absent_witness_is_no_witness(monkeypatch):
    def missing(name):
        raise oracles.NotAvailable(name, "not installed")

    monkeypatch.setattr(agreement.oracles, "load", missing)
    assert witnesses(("torch", "jax"), ()) == {}


# --- in the judge ---------------------------------------------------------------------------------------------


def judge_of(engine=evaluate, claims=CLAIMED, names=(), made_of=()):
    return Judge(Subject("mine", claims, engine, frozenset(made_of)), claims, names, lambda **_: None, 0)


@pytest.mark.parametrize("engine", ["right", "bias averaged"])
def test_an_oracle_that_is_apart_from_the_truth_is_not_the_subjects_fault(engine):
    judge = judge_of(evaluate if engine == "right" else WRONG[engine]())
    case = mlp(2)
    judge.tally.networks = 1
    reply = judge.ask(case)
    before = {k: len(v) for k, v in judge.tally.failures.items()}
    judge.against("torch", of_answer(LYING.answer(case), reply, spread(case)), reply)
    assert judge.tally.counts["torch"] == {"inconclusive": 1}
    assert {k: len(v) for k, v in judge.tally.failures.items()} == before
    found, = judge.tally.divergences
    assert found == f"oracle divergence: torch and the reference differ on case {case.id}"


def test_an_oracle_blames_only_where_the_reference_does():
    judge = judge_of(WRONG["bias averaged"]())
    case = mlp(2)
    judge.confirming._witnesses = TORCH
    reply = judge.ask(case)
    judge.against("torch", of_answer(TORCH["torch"].answer(case), reply, spread(case)), reply)
    assert judge.tally.counts["torch"] == {"failed": 1}
    assert not judge.tally.divergences


def test_a_coarse_oracle_is_given_its_own_error():
    judge = judge_of()
    case = mlp(2)
    off = times(evaluate(case), 1 + 1e-7)
    error = {k: 1e-6 * np.abs(g) for k, g in off.gradients.items()}
    reply = judge.ask(case)
    judge.against("differences", of_answer(off, reply, spread(case), error), reply)
    assert judge.tally.counts["differences"] == {"passed": 1}


def in_one_call(factor, plain=evaluate):
    """An oracle whose gradients are so many times the true ones where it is asked several cases at once."""
    asked = []

    def answers(cases):
        return [times(evaluate(case), factor) for case in cases]

    def answer(case):
        asked.append(case)
        return plain(case)

    return SimpleNamespace(answer=answer, answers=answers, many=answers, asked=asked)


def sides_by(monkeypatch, oracle, judge, by="answers"):
    replies = [judge.ask(mlp(2, seed=seed)) for seed in range(3)]
    monkeypatch.setattr(against.oracles, "load", lambda name: oracle)
    return replies, several("jax", replies, [spread(reply.case) for reply in replies], by)


@pytest.mark.parametrize("by", ["answers", "many"])
def test_what_several_cases_at_once_find_is_judged_by_the_plain_program(monkeypatch, by):
    """Right subject, right oracle, but the program that takes several cases is wrong: nothing is said of either."""
    oracle, judge = in_one_call(1.25), judge_of()
    replies, sides = sides_by(monkeypatch, oracle, judge, by)
    assert [id(case) for case in oracle.asked] == [id(reply.case) for reply in replies]
    assert not any(disagree(each, reply) for each, reply in zip(sides, replies, strict=True))
    for each, reply in zip(sides, replies, strict=True):
        judge.against("jax", each, reply)
    assert judge.tally.counts["jax"] == {"passed": 3}


def test_where_nothing_is_found_the_plain_program_is_not_asked(monkeypatch):
    oracle = in_one_call(1.0)
    sides_by(monkeypatch, oracle, judge_of())
    assert oracle.asked == []


@pytest.mark.parametrize("wrong", ["bias averaged", "the loss"])
def test_a_wrong_subject_is_found_by_the_plain_program(monkeypatch, wrong):
    engine = (lambda case: times(evaluate(case), 1.0, loss=2.0)) if wrong == "the loss" else WRONG[wrong]()
    oracle, judge = in_one_call(1.0), judge_of(engine)
    judge.confirming._witnesses = TORCH
    replies, sides = sides_by(monkeypatch, oracle, judge)
    assert [id(case) for case in oracle.asked] == [id(reply.case) for reply in replies]
    judge.against("jax", sides[0], replies[0])
    assert judge.tally.counts["jax"] == {"failed": 1}


def test_a_suspicion_without_a_witness_is_no_failure():
    """The loss is wrong too, so not even the forward is known to be the same."""
    judge = judge_of(lambda case: times(evaluate(case), 2.0, loss=2.0))
    judge.confirming._witnesses = {}
    judge.ask(mlp(2))
    assert judge.tally.counts["reference"] == {"inconclusive": 1}
    assert [key for key in judge.tally.failures if key[0] == "value"] == []
    assert any("no independent witness" in note for note in judge.tally.notes)


# --- exact integers -------------------------------------------------------------------------------------------

INTEGER = Claims(hidden=("relu",), heads=(SQUARED,), depth=(1, 3), dtypes=("float64", "float32"))


def exact_ones():
    from backproof.properties.strategies import exact_cases
    return [case for case in drawn_cases(exact_cases(INTEGER), 2, 60) if case is not None]


def outcomes(engine):
    slopes = {}
    return {exact.compare(case, engine(case), slopes).outcome for case in exact_ones()}, slopes


def test_exact_integers_leave_nothing_to_tolerate():
    assert outcomes(evaluate) == ({"passed"}, {"relu": {0.0}})
    assert outcomes(lambda case: TORCH["torch"].answer(case, None)) == ({"passed"}, {"relu": {0.0}})


@pytest.mark.parametrize("slope", [0.0, 1.0, 0.5])
def test_the_slope_at_a_kink_is_found(slope):
    tables = with_slopes({"relu": slope})
    assert outcomes(lambda case: evaluate(case, tables)) == ({"passed"}, {"relu": {slope}})


@pytest.mark.parametrize("name", ["bias averaged", "weight transposed where square", "absolute W", "gradient doubled",
                                  "relu derivative always 1", "bias summed over everything"])
def test_a_wrong_integer_gradient_fails(name):
    assert "failed" in outcomes(WRONG[name]())[0]


def test_inexact_arithmetic_is_a_note():
    def inexact(case):
        u = np.array(4 * UNIT[case.dtype], case.dtype)
        return times(evaluate(case), 1 + u)

    slopes, notes = {}, set()
    for case in exact_ones():
        found = exact.compare(case, inexact(case), slopes)
        assert found.outcome == "passed"
        notes.add(found.why)
    assert any("inexact arithmetic" in note for note in notes)


def test_a_slope_that_changes_is_inconclusive():
    found, slopes = set(), {}
    for i, case in enumerate(exact_ones()):
        tables = with_slopes({"relu": float(i % 2)})
        found.add(exact.compare(case, evaluate(case, tables), slopes).outcome)
    assert found == {"passed", "inconclusive"}
