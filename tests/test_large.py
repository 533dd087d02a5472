"""Large networks: judged along directions, in little memory. The threshold is lowered, so that small ones are large."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from backproof import implementation, verify
from backproof.judging.judge import Judge
from backproof.judging.plan import Plan, all_large, drawn
from backproof.oracles import load
from backproof.oracles.along_one import DIRECTIONS, Along
from backproof.oracles.halving import halved
from backproof.plug.subject import Subject, subject_of
from backproof.plug.subjects import load as subject
from backproof.properties import tolerance
from backproof.properties.agreement import measured
from backproof.properties.claims import EVERYTHING
from backproof.properties.directed import directed, halving
from backproof.properties.strategies import Style, build, cases
from backproof.properties.structures import STRUCTURES
from backproof.properties.tolerance import SLACK, Streamed
from backproof.reference import Answer, Case, evaluate, parse

WIDTH, FEW = 12, 11  # of three weights each, for 33 comparisons


@pytest.fixture(autouse=True)
def lowered(monkeypatch):
    monkeypatch.setattr("backproof.reference.case.LARGE", 100)


def network(function="tanh", width=WIDTH):
    hidden = [{"kind": "dense", "units": width}, {"kind": "activation", "function": function}] * 2
    return parse.network({"format": 1, "input_shape": [width], "layers": [*hidden, {"kind": "dense", "units": width}],
                          "loss": {"kind": "squared_error"}})


def case_of(function="tanh", dtype="float64", batch=5, seed=0):
    return build(network(function), batch, "real", Style(), seed, dtype)


def judged(engine, case, made_of=frozenset()):
    """The tally of one network asked of an engine."""
    judge = Judge(Subject("one", EVERYTHING, engine, made_of), EVERYTHING, ["torch", "differences"], lambda **_: None, 0)
    judge.network(case)
    return judge


def changed(name, change):
    """The reference with one gradient changed."""
    def engine(case):
        answer = evaluate(case)
        return Answer(answer.loss, {**answer.gradients, name: change(answer.gradients[name])})
    return engine


def one_entry(g):
    g = g.copy()
    g[3, 7] += 1e-3
    return g


def a_pair(g):
    g = g.copy()
    g[3, 7] += 1e-2
    g[5, 2] -= 1e-2
    return g


WRONG = {
    "one entry": ("2.weight", one_entry), "a pair that cancels": ("2.weight", a_pair),
    "scaled": ("2.weight", lambda g: 1.01 * g), "transposed": ("2.weight", lambda g: g.T.copy()),
    "bias averaged": ("2.bias", lambda g: g / 5), "a bias dropped": ("2.bias", np.zeros_like),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_wrong_answers_fail(mistake, dtype):
    judge = judged(changed(*WRONG[mistake]), case_of(dtype=dtype))
    assert judge.tally.counts["reference"]["failed"] == 1
    assert judge.tally.counts["torch"]["failed"] == 1
    # along a direction the roundings of all entries add up, and float32's are as large as the one mistake
    assert judge.tally.counts["differences"]["failed"] == 1 or (dtype == "float32" and mistake == "one entry")


def test_without_torch_differences_along_directions_are_the_witness():
    judge = judged(changed(*WRONG["one entry"]), case_of(), frozenset({"torch", "jax"}))
    assert judge.tally.counts["reference"]["failed"] == 1


@pytest.mark.parametrize("function", ["tanh", "relu", "sigmoid", "abs"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["reference", "torch"])
def test_right_answers_pass(function, dtype, name):
    judge = Judge(subject(name), EVERYTHING, ["torch", "differences"], lambda **_: None, 0)
    for seed in range(4):
        judge.network(case_of(function, dtype, seed=seed))
    outcomes = {outcome for by in judge.tally.counts.values() for outcome, n in by.items() if n}
    assert outcomes <= {"passed", "not_claimed"}
    assert judge.tally.counts["differences"]["passed"] == 4


def test_right_answers_pass_whatever_the_network(monkeypatch):
    monkeypatch.setattr("backproof.reference.case.LARGE", 1)
    claims = replace(EVERYTHING, layers=tuple(STRUCTURES))
    judge = Judge(subject("reference"), claims, ["differences"], lambda **_: None, 0)
    for case in islice(drawn(cases(claims), 5), 60):
        judge.network(case)
    assert not judge.tally.failures
    counts = judge.tally.counts["differences"]
    assert counts["passed"] > 40
    assert not counts["failed"]


def test_a_wrong_loss_breaks_the_line_integral():
    def engine(case):
        answer = evaluate(case)
        return Answer(1.5 * answer.loss, answer.gradients)
    counts = judged(engine, case_of()).tally.counts
    assert counts["line_integral"]["failed"] == 1
    assert counts["loss_value"]["failed"] == 1


def test_what_accumulates_breaks_the_repeated_question():
    calls = []

    def engine(case):
        calls.append(1)
        answer = evaluate(case)
        return Answer(answer.loss, {name: len(calls) * g for name, g in answer.gradients.items()})
    assert judged(engine, case_of()).tally.counts["repeated_question"]["failed"] == 1


@pytest.mark.parametrize("function", ["tanh", "relu"])
def test_derivatives_along_directions_are_the_gradients(function):
    case, rng = case_of(function), np.random.default_rng(1)
    along = Along(case, 2.0**-50 * abs(float(evaluate(case).loss)))
    for name, g in load("torch").answer(case).gradients.items():
        for make in DIRECTIONS.values():
            direction = make(g, rng)
            value, error = along.derivative(name, direction)
            assert error < 1e-2
            assert abs(value - (g * direction).sum()) <= error + 1e-12


@pytest.mark.parametrize(("mistake", "entries"), [("one entry", {(3, 7)}), ("a pair that cancels", {(3, 7), (5, 2)})])
def test_halving_finds_the_entry(mistake, entries):
    case = case_of()
    name, change = WRONG[mistake]
    answer, truth = changed(name, change)(case), evaluate(case)
    for seed in range(8):
        reply = measured(case, answer, tolerance.spread(case))
        found = [each for each in directed(reply, truth, np.random.default_rng(seed), halving) if each.outcome == "failed"]
        assert [each.parameter for each in found] == [name]
        assert found[0].block.entries == 1
        assert found[0].found.where in entries
        assert "halving leads to entry" in found[0].says


def test_two_errors_that_only_together_show_stay_a_block():
    direction = np.array([1.0, 1.0, 0.0, 0.0])
    assert halved(direction, lambda d: 2.0 if d[0] and d[1] else 0.5).entries == 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_streamed_spread_is_like_the_stacked_one(dtype):
    ratios = []
    for seed in range(20):
        case = case_of(dtype=dtype, seed=seed)
        stacked, streamed = tolerance._stacked(case, 8, 0), Streamed(case, 8, 0)
        ratios += [np.median(streamed.gradients[name] / s) for name, s in stacked.gradients.items()]
    assert 0.7 < np.median(ratios) < 1.4
    assert min(ratios) > 0.3
    assert max(ratios) < 3


def test_enough_samples_are_taken_and_no_more():
    case = case_of()
    exact, s = evaluate(case), Streamed(case, 8, 0)
    s.enough_for(exact)
    assert s.taken == 0
    off = Answer(exact.loss, {name: g + 1.0 for name, g in exact.gradients.items()})
    s.enough_for(off)
    assert s.taken == 8
    near = Answer(exact.loss, {name: g + SLACK * 0.9 * s.gradients[name] for name, g in exact.gradients.items()})
    again = Streamed(case, 8, 0)
    given = again.enough_for(near)
    assert all((np.abs(g - exact.gradients[name]) <= SLACK * given.gradients[name]).all() for name, g in near.gradients.items())


def make(wrong):
    @implementation(networks=[network()])
    def backprop(described, parameters, inputs, targets):
        answer = evaluate(Case(described, parameters, inputs, targets))
        return answer.loss, wrong(dict(answer.gradients))
    return backprop


def test_a_large_network_is_verified_from_end_to_end(tmp_path):
    right = verify(make(lambda g: g), report=tmp_path)
    assert right.verdict == "conforms"
    assert right.networks == FEW
    wrong = verify(make(lambda g: {**g, "2.weight": one_entry(g["2.weight"])}), report=tmp_path, examples=2)
    assert wrong.verdict == "does_not_conform"
    assert len(wrong.findings) == 1
    text = wrong.text()
    assert "2.weight: 1 of 144 entries are wrong, at [3, 7]" in text
    assert "halving leads to entry [3, 7]" in text
    lines = (tmp_path / "report.jsonl").read_text().splitlines()
    assert max(map(len, lines)) < 10_000
    assert (tmp_path / "cases" / f"{wrong.findings[0].case}.json").exists()


def test_a_known_mistake_is_named_on_a_large_network():
    mean = make(lambda g: {name: v / max(1, BATCH[0]) if name.endswith("bias") else v for name, v in g.items()})
    found = verify(by_batch(mean), examples=2).findings
    assert "bias-averaged-over-batch" in found[0].faults


BATCH = [1]


def by_batch(inner):
    @implementation(networks=[network()], batch=(2, None))
    def backprop(described, parameters, inputs, targets):
        BATCH[0] = len(inputs)
        return inner(described, parameters, inputs, targets)
    return backprop


def test_a_plan_asks_few_large_networks_unless_told_how_many():
    claims = subject_of(make(lambda g: g)).claims
    assert all_large(claims)
    assert not all_large(EVERYTHING)
    assert Plan(fewer=True).wide_enough(claims).examples == FEW
    assert Plan(examples=40).wide_enough(claims).examples == 40
    assert Plan(fewer=True).wide_enough(EVERYTHING).examples == 300


def test_the_id_of_a_large_case_is_of_its_content():
    case = case_of()
    assert case.id == case.copy().id
    assert len(case.id) == 12
    other = {name: value.copy() for name, value in case.parameters.items()}
    other["0.weight"][0, 0] += 1
    assert case.but(parameters=other).id != case.id
    assert parse.case(case.to_json()).id == case.id
