"""What a run draws and asks: no network twice, rare features in every run, nothing unasked counted as judged."""

import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from backproof import Claims, Head, implementation, verify
from backproof.judging.plan import Plan, different, drawn
from backproof.plug.subject import Subject
from backproof.plug.subjects import load
from backproof.properties.claims import activation
from backproof.properties.membership import covers
from backproof.properties.slopes import gradients
from backproof.properties.strategies import Style, build, cases, chain, networks
from backproof.properties.tolerance import spread
from backproof.record.writing import Recorder
from backproof.reference import Answer, evaluate
from backproof.running.run import drawn_cases, run
from drawn_features import FEATURES
from hypothesis import HealthCheck, Phase, given, settings

SUM = Head("identity", "squared_error", reduction="sum")
REFERENCE = load("reference").claims


@cache
def default(seed):
    """The networks of a default run."""
    return list(drawn_cases(REFERENCE, Plan(seed=seed)))


# --- different networks, drawn independently ------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_no_network_comes_twice(seed):
    assert len({case.network for case in default(seed)}) == 300


def test_few_networks_come_again_with_other_numbers():
    """Inputs and outputs of 1 and 2, with 3 parameters at most: there are two such networks."""
    start = time.perf_counter()
    found = list(drawn_cases(Claims(heads=(SUM,), max_parameters=3), Plan(examples=100)))
    assert time.perf_counter() - start < 20
    assert len(found) == 100
    assert len({case.network for case in found}) == 2
    assert len({case.id for case in found}) == 100


def test_what_is_left_out_is_bounded():
    draws = iter([0] * 1000)
    assert len(list(islice(different(draws, lambda each: each), 500))) == 500
    assert sum(1 for _ in draws) > 400
    assert list(different([0, 1, 0, 2, 1, 3], lambda each: each, seen=[3])) == [0, 1, 2]


def test_counts_vary_between_seeds_as_of_independent_draws():
    claims = Claims(hidden=("tanh", "relu", "gelu"), bias="any", heads=(SUM, Head("sigmoid", "squared_error")))
    features = {
        "depth 1": lambda n: n.depth == 1, "deep": lambda n: n.depth > 5, "one output": lambda n: n.sizes[-1] == 1,
        "one input": lambda n: n.sizes[0] == 1, "gelu first": lambda n: list(n.hidden[:1]) == ["gelu"],
        "no bias": lambda n: not any(spec.options.get("bias") for _, spec in n.walk()),
        "sigmoid": lambda n: n.head[0] == "sigmoid", "wide": lambda n: max(n.sizes) > 8,
        "equal ends": lambda n: n.sizes[0] == n.sizes[-1], "three inputs": lambda n: n.sizes[0] == 3,
    }
    seeds, count = 30, 40
    counts = np.array([[sum(map(has, found)) for has in features.values()] for found in (
        list(islice(drawn(networks(claims), seed), count)) for seed in range(seeds))])
    share = counts.mean(axis=0) / count
    ratio = counts.var(axis=0, ddof=1) / (count * share * (1 - share))
    assert ratio.mean() < 1.2, ratio


def test_the_same_networks_whatever_is_loaded(tmp_path):
    """Hypothesis mixes constants of the modules that are loaded into what it draws, in a search of its own."""
    (tmp_path / "constants.py").write_text("\n".join(f"X{i} = {i * 7919 + 101}" for i in range(400)))
    program = ("{}\nfrom itertools import islice\nfrom backproof.judging.plan import drawn\n"
               "from backproof.properties.strategies import cases\n"
               "print([case.id for case in islice(drawn(cases(), 3), 12)])")
    said = [subprocess.run([sys.executable, "-c", program.format(first)], cwd=tmp_path, check=True,
                           capture_output=True, text=True).stdout for first in ("", "import constants")]
    assert said[0] == said[1] != ""


def test_the_strategies_serve_the_tests_of_others():
    seen = []

    @settings(max_examples=20, database=None, deadline=None, phases=(Phase.generate,),
              suppress_health_check=tuple(HealthCheck))
    @given(cases(Claims(heads=(SUM,), hidden=("tanh",))))
    def check(case):
        seen.append(case)
        assert np.isfinite(evaluate(case).loss)

    check()
    assert len(seen) == 20


# --- what is reached ------------------------------------------------------------------------------------------


RARE = ("more than 8 outputs", "both sizes of a weight above 8", "batch 34 to 64", "batch above 64", "depth above 12",
        "a bias above 4", "two equal biases of a layer, not all", "weights of exactly 0, not all", "inputs of 0 and 1",
        "one-hot inputs", "equal inputs in a row", "an example of zeros among others", "an input above 1e5",
        "squared error below 0.01", "all targets equal, of several", "a unit within 1e-3 below a kink",
        "a unit 1e-5 to 3e-4 from a kink", "a unit within 1e-6 of a kink")


@pytest.mark.parametrize("name", RARE)
def test_rare_features_are_in_every_run(name):
    """A few percent of networks: more than 1 of 100 here, where squared error is one loss of twelve."""
    assert sum(map(FEATURES[name], default(0) + default(1))) >= 8, name


def test_what_is_drawn_is_inside_the_claims_and_clear():
    for case in default(0):
        assert covers(REFERENCE, case)
        assert spread(case).finite


NARROW = {
    "one output": Claims(hidden=("tanh",), heads=(Head("identity", "squared_error", outputs=(1, 1)),)),
    "ten outputs": Claims(hidden=("relu",), heads=(Head("identity", "squared_error", outputs=(3, 10)),)),
    "batch of 40": Claims(hidden=("relu",), heads=(SUM,), batch=(40, 40)),
    "depth 3, 30 parameters": Claims(hidden=("relu",), heads=(SUM,), depth=(3, 3), max_parameters=30),
    "one hot": Claims(heads=(Head("softmax", "cross_entropy", targets="one_hot", outputs=(3, None)),)),
    "index": Claims(heads=(Head("identity", "softmax_cross_entropy", targets="index", outputs=(2, None)),)),
    "soft": Claims(heads=(Head("softmax", "cross_entropy", targets="soft", outputs=(2, 4)),)),
    "binary": Claims(heads=(Head("sigmoid", "binary_cross_entropy", targets="binary"),)),
    "shared": Claims(hidden=("relu",), heads=(SUM,), layers=("shared", "sequence", "transposed")),
}


@pytest.mark.parametrize("claims", NARROW.values(), ids=NARROW)
def test_what_is_drawn_is_inside_narrow_claims(claims):
    for case in islice(drawn(cases(claims), 2), 60):
        assert covers(claims, case)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("distance", [1e-4, 1e-8])
def test_a_unit_comes_near_a_kink_and_stays_clear_of_rounding(dtype, distance):
    relu = activation("relu")
    network = chain([3, 4, 3, 2], [True] * 3, [relu, relu], Head("identity", "squared_error"))
    near = []
    for seed in range(20):
        case = build(network, 3, "real", Style(kink=distance), seed, dtype)
        assert not spread(case).unclear
        near.append(FEATURES["a unit within 1e-3 below a kink"](case))
    assert sum(near) > 8


# --- mistakes that show on few networks -----------------------------------------------------------------------


def times(answer, wrong, factor):
    """The answer with every weight's gradient multiplied where it is wrong."""
    if not wrong:
        return answer
    return Answer(answer.loss, {k: g * factor if k.endswith("weight") else g for k, g in answer.gradients.items()})


RARELY = {
    "NaN for large inputs": (lambda c: np.abs(c.inputs).max() > 1e5, np.nan),
    "batch 34 to 64": (lambda c: 34 <= c.batch <= 64, 1.01),
    "more than 8 outputs": (lambda c: c.network.sizes[-1] > 8, 1.01),
    "both sizes above 8": (lambda c: any(min(v.shape) > 8 for v in c.parameters.values() if v.ndim == 2), 1.01),
    "depth above 12": (lambda c: c.network.depth > 12, 1.01),
    "equal biases": (lambda c: any(v.ndim == 1 and len(set(v.tolist())) == v.size - 1 > 1
                                   for v in c.parameters.values()), 1.01),
    "equal targets": (lambda c: c.targets.size > 1 and np.ptp(c.targets) == 0, 1.01),
    "an example of zeros": (lambda c: c.batch > 1 and not np.abs(c.inputs).max(axis=1).all(), 1.01),
    "a small loss": (lambda c: np.abs(evaluate(c).loss) < 1e-3, 1.01),
}


@pytest.mark.parametrize("name", RARELY)
def test_a_mistake_on_few_networks_is_caught(name):
    wrong, factor = RARELY[name]
    claims = Claims(hidden=("sigmoid", "tanh", "relu"), heads=(SUM,), dtypes=("float64", "float32"))
    subject = Subject(name, claims, lambda case: times(evaluate(case), wrong(case), factor))
    with np.errstate(all="ignore"):
        report = run(subject, Plan(oracles=("torch",), stop_after=1), Recorder())
    assert report.verdict == "does_not_conform", report


# --- the smoke ------------------------------------------------------------------------------------------------


class OnCall:
    """Right, but for the answer to one question, the first being 1."""

    def __init__(self, number):
        self.number, self.calls = number, 0

    def __call__(self, case):
        self.calls += 1
        return times(evaluate(case), self.calls == self.number, 2.0)


@pytest.mark.parametrize("number", [1, 3, 4, 7])
def test_a_lie_on_one_call_alone_is_caught(number):
    claims = Claims(hidden=("tanh",), heads=(Head("identity", "squared_error"),))
    report = run(Subject("lies once", claims, OnCall(number)), Plan(examples=20, oracles=()), Recorder())
    assert report.verdict == "does_not_conform", report
    assert report.findings[0].property in ("repeated_question", "another_case_between")
    assert not report.findings[0].faults


def plain(backprop, **claims):
    return implementation(heads=[SUM], hidden=["tanh"], depth=1, **claims)(backprop)


def linear(network, parameters, inputs, targets):
    d = inputs @ parameters["0.weight"] + parameters.get("0.bias", 0.0) - targets
    found = {"0.weight": 2 * inputs.T @ d, "0.bias": 2 * d.sum(axis=0)}
    return (d ** 2).sum(), {name: found[name] for name in parameters}


def raising_at_batch_1(network, parameters, inputs, targets):
    if len(inputs) == 1:
        raise ValueError("batch norm wants two")
    return linear(network, parameters, inputs, targets)


def none_for_the_bias(network, parameters, inputs, targets):
    loss, found = linear(network, parameters, inputs, targets)
    return loss, {name: None if name.endswith("bias") else g for name, g in found.items()}


def declining_batch_1(network, parameters, inputs, targets):
    if len(inputs) == 1:
        raise NotImplementedError("one example")
    return linear(network, parameters, inputs, targets)


REFUSING = {
    "raises at batch 1": (raising_at_batch_1, "answers", "batch norm wants two"),
    "declines batch 1": (declining_batch_1, "answers", "one example"),
    "None for the bias": (none_for_the_bias, "contract", "0.bias is None"),
}


@pytest.mark.parametrize("name", REFUSING)
def test_what_answers_some_smallest_case_is_judged(name):
    backprop, broken, words = REFUSING[name]
    for bias in ("always", "any"):
        report = verify(plain(backprop, bias=bias), examples=20, oracles=())
        assert (report.verdict, report.exit) == ("does_not_conform", 1), report
        assert [finding.property for finding in report.findings] == [broken]
        assert words in report.findings[0].text


def test_what_answers_nothing_is_not_judged():
    report = verify(plain(lambda *_: {}["x"]), examples=20, oracles=())
    assert (report.verdict, report.networks) == ("not_judged", 0)


def test_a_right_subject_passes_the_smoke_and_it_counts():
    report = verify(plain(linear), examples=1, oracles=())
    assert not report.total("failed")
    assert report.counts["reference"]["passed"] > 4


# --- the state ------------------------------------------------------------------------------------------------


def kept_by(key):
    """Right the first time; then the answer kept under what the key says of a question."""
    kept = {}

    def engine(case):
        return kept.setdefault(key(case), evaluate(case))
    return engine


KEYS = {
    "shapes": lambda c: (c.network, c.inputs.shape, c.dtype),
    "targets": lambda c: (c.network, c.targets.tobytes(), c.dtype),
}


@pytest.mark.parametrize("name", KEYS)
def test_an_answer_that_is_kept_is_state(name):
    claims = Claims(hidden=("tanh",), heads=(SUM,))
    engine = kept_by(KEYS[name])
    report = run(Subject(name, claims, engine), Plan(examples=6, oracles=()), Recorder())
    assert report.verdict == "does_not_conform"
    assert report.findings[0].property == "another_case_between", report


# --- slopes at kinks ------------------------------------------------------------------------------------------

RELU = Claims(hidden=("relu",), heads=(SUM, Head("identity", "absolute_error", reduction="sum")), depth=(1, 4),
              dtypes=("float64", "float32"))


def sloped(relu=lambda layer: 0.0, loss=0.0):
    """The reference with other slopes at kinks: of relu by its layer, and of the absolute error."""
    def engine(case):
        places = {name: relu(name) for name, spec in case.network.walk() if spec.function == "relu"}
        places |= {"loss": loss} if case.network.loss.kind == "absolute_error" else {}
        found = {k: g.astype(case.dtype) for k, g in gradients(case, places).items()}
        return Answer(evaluate(case).loss, found)
    return engine


def judged(engine, seed=0):
    return run(Subject("sloped", RELU, engine), Plan(examples=100, oracles=(), seed=seed), Recorder())


WRONG_SLOPES = {
    "2": (sloped(lambda layer: 2.0), "relu'(0) is 2 in layer 1: outside [0, 1]"),
    "below 0": (sloped(lambda layer: -1.0), "relu'(0) is -1 in layer 1: outside [0, 1]"),
    "1 in one layer": (sloped(lambda layer: float(layer == "1")), "relu'(0) is 1 in layer 1 and 0 in layer 3"),
    "0 in one layer": (sloped(lambda layer: float(layer != "1")), "relu'(0) is 0 in layer 1 and 1 in layer 3"),
    "of the loss": (sloped(loss=-3.0), "the slope of absolute_error at its kink is -3: outside [-1, 1]"),
}


@pytest.mark.parametrize("name", WRONG_SLOPES)
def test_a_slope_that_no_right_program_has_fails(name):
    engine, words = WRONG_SLOPES[name]
    report = judged(engine)
    assert report.verdict == "does_not_conform", report
    assert [finding.property for finding in report.findings] == ["slope_at_kinks"]
    assert words in report.findings[0].text
    assert not any("convention: slope of relu" in note for note in report.notes) or "loss" in name


@pytest.mark.parametrize("slope", [0.0, 1.0, 0.5, 0.25, 1 / 3])
def test_a_slope_between_the_sides_is_a_convention(slope):
    report = judged(sloped(lambda layer: slope, loss=slope))
    assert report.verdict == "conforms", report
    assert f"convention: slope of relu at its kink is {slope:g}" in report.notes


# --- what is not valid is not counted -------------------------------------------------------------------------


def test_a_network_that_is_not_valid_is_not_counted_as_judged(monkeypatch):
    from backproof.running import run as loop

    ordinary = loop.drawn_cases

    def with_one_too_large(claims, plan):
        for i, case in enumerate(ordinary(claims, plan)):
            ones = {name: np.ones_like(value) for name, value in case.parameters.items()}
            large = case.but(inputs=np.full_like(case.inputs, 1e200), parameters=ones)
            yield large if i == 3 else case

    monkeypatch.setattr(loop, "drawn_cases", with_one_too_large)
    claims = replace(RELU, heads=(SUM,), dtypes=("float64",))
    report = run(Subject("reference", claims, evaluate), Plan(examples=10, oracles=()), Recorder())
    assert report.networks == 9
    assert any(note.startswith("not asked: 1 of the networks drawn") for note in report.notes)
