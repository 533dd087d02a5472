"""Pooling and sub-sampling: published numbers, PyTorch, JAX, the complex step; ties; what may not be."""

import importlib.util
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.showing import shows
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.naming.findings import findings
from backproof.oracles import load
from backproof.plug.subject import subject_of
from backproof.properties import exact
from backproof.properties.claims import EVERYTHING
from backproof.properties.conventions import CONVENTIONS
from backproof.properties.strategies import cases, exact_cases
from backproof.properties.structures import structures_of
from backproof.properties.tolerance import SLACK, bounds, spread
from backproof.reference import TABLES, Case, DescriptionError, evaluate, forward, infer
from vjp_cases import case_of, network

_spec = importlib.util.spec_from_file_location("second_pooling", Path(__file__).parent / "second/convolution.py")
second = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(second)

KINDS = ("pool1d", "pool2d", "global_pool", "subsample2d")
USUAL = {"kind": "pool2d", "window": [2, 2], "stride": [2, 2], "padding": [0, 0]}


def pool(function, **changes):
    return {**USUAL, "function": function, **changes}


LAYERS = {
    "max": ((2, 4, 6), pool("max")), "mean": ((2, 4, 6), pool("mean")),
    "max, overlap": ((2, 5, 6), pool("max", window=[3, 2], stride=[1, 1])),
    "mean, overlap": ((2, 5, 6), pool("mean", window=[3, 2], stride=[1, 1])),
    "max, gaps and a rest": ((1, 8, 7), pool("max", stride=[3, 4])),
    "max, padding": ((2, 4, 5), pool("max", window=[3, 2], padding=[1, 1])),
    "mean, padding": ((2, 4, 5), pool("mean", window=[3, 2], padding=[1, 1])),
    "mean, padding not counted": ((2, 4, 5), pool("mean", window=[3, 2], padding=[1, 1], count_padding=False)),
    "max, ceil": ((1, 5, 6), pool("max", window=[2, 3], stride=[2, 2], ceil=True)),
    "mean, ceil": ((1, 5, 6), pool("mean", window=[2, 3], stride=[2, 2], ceil=True)),
    "mean, ceil and padding": ((1, 5, 4), pool("mean", window=[3, 3], padding=[1, 1], ceil=True)),
    "mean, ceil, not counted": ((1, 5, 4), pool("mean", window=[3, 3], padding=[1, 1], ceil=True,
                                                count_padding=False)),
    "ceil, a window behind the end": ((1, 3, 3), pool("mean", window=[2, 2], stride=[4, 4], padding=[1, 1], ceil=True)),
    "max of one": ((2, 3, 3), pool("max", window=[1, 1], stride=[1, 1])),
    "sequence, max": ((2, 7), {"kind": "pool1d", "function": "max", "window": [3], "stride": [2], "padding": [1]}),
    "sequence, mean": ((2, 7), {"kind": "pool1d", "function": "mean", "window": [2], "stride": [2], "ceil": True}),
    "global max": ((3, 4, 2), {"kind": "global_pool", "function": "max"}),
    "global mean": ((3, 4, 2), {"kind": "global_pool", "function": "mean"}),
    "global mean, sequence": ((3, 5), {"kind": "global_pool", "function": "mean"}),
    "subsample": ((2, 4, 6), {"kind": "subsample2d", "window": [2, 2]}),
    "subsample, a rest": ((2, 5, 7), {"kind": "subsample2d", "window": [2, 3]}),
}

# Dumoulin, Visin, A Guide to Convolution Arithmetic for Deep Learning (2016), figures 1.5 and 1.6.
IMAGE = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
FIGURES = {"mean": [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]], "max": [[3, 3, 3], [3, 3, 3], [3, 2, 3]]}


@pytest.mark.parametrize("function", FIGURES)
def test_the_figures_of_the_guide(function):
    described = network((1, 5, 5), pool(function, window=[3, 3], stride=[1, 1]))
    case = Case(described, {}, np.array([[IMAGE]], float), np.ones((1, 1, 3, 3)))
    np.testing.assert_allclose(np.round(forward(case).outputs[0, 0], 1), FIGURES[function], atol=0.051)


def test_padding_is_never_the_largest():
    described = network((1, 2, 2), pool("max", window=[2, 2], stride=[2, 2], padding=[1, 1]))
    case = Case(described, {}, -np.arange(1.0, 5.0).reshape(1, 1, 2, 2), np.ones((1, 1, 2, 2)))
    assert forward(case).outputs.tolist() == [[[[-1.0, -2.0], [-3.0, -4.0]]]]
    assert evaluate(case).gradients["inputs"].tolist() == np.ones((1, 1, 2, 2)).tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_witnesses(name, dtype):
    case = case_of(network(*LAYERS[name]), dtype=dtype)
    s, answers = spread(case), {"reference": evaluate(case)}
    assert not s.unclear
    assert all(g.dtype == dtype for g in answers["reference"].gradients.values())
    for oracle in ("torch", "jax"):
        pytest.importorskip(oracle)
        answers[oracle] = load(oracle).answer(case, None)
    answers |= {oracle: load(oracle).answer(case) for oracle in ("complex_step", "arbiter")}
    for oracle, answer in answers.items():
        for local, g in answer.gradients.items():
            assert np.shape(g) == s.truth.gradients[local].shape
            assert (np.abs(g - s.truth.gradients[local]) <= SLACK * s.gradients[local]).all(), (oracle, local)


@pytest.mark.parametrize("name", ["max, padding", "mean, ceil and padding", "global max", "subsample, a rest"])
def test_the_bound_holds(name):
    case = case_of(network(*LAYERS[name]), dtype="float32")
    answer, truth, bound = evaluate(case), spread(case).truth, bounds(case)
    for local, g in answer.gradients.items():
        assert np.isfinite(bound.gradients[local]).all()
        assert (np.abs(g - truth.gradients[local]) <= bound.gradients[local]).all()


# --- ties ---------------------------------------------------------------------------------------------------------


def tied(kind="pool2d"):
    """Windows with two and three largest entries, one with one."""
    layer = pool("max") if kind == "pool2d" else {"kind": kind, "function": "max"}
    x = np.array([[[[5, 5, 1, 7], [0, 0, 7, 7], [1, 2, 3, 4], [4, 3, 4, 4]]]], float)
    described = network((1, 4, 4), layer)
    return Case(described, {}, x, np.ones((1, *infer(described).output)))


@pytest.mark.parametrize("kind", ["pool2d", "global_pool"])
def test_a_tie_is_a_kink(kind):
    assert list(spread(tied(kind)).unclear) == ["0"]


@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_the_libraries_take_the_first(oracle):
    pytest.importorskip(oracle)
    found = load(oracle).answer(tied()).gradients["inputs"]
    assert np.array_equal(found, evaluate(tied()).gradients["inputs"])
    assert found[0, 0, 0].tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(("choice", "first_row"), [(0.0, [1, 0, 0, 1]), (1.0, [0, 1, 0, 0]), (2.0, [0.5, 0.5, 0, 1 / 3])])
def test_a_convention_is_found_out(choice, first_row):
    tables, slopes = CONVENTIONS["pool2d"].made(TABLES, choice), {}
    answer = evaluate(tied(), tables)
    np.testing.assert_allclose(answer.gradients["inputs"][0, 0, 0], first_row)
    assert exact.compare(tied(), answer, slopes).outcome == "passed"
    assert slopes == {"pool2d": {choice}}


MAX = ({"kind": "pool2d", "function": "max"},)


def test_ties_counted_twice_fail():
    found = exact.compare(tied(), evaluate(tied(), CONVENTIONS["pool2d"].made(TABLES, 3.0)), {})
    assert (found.outcome, found.kinds) == ("failed", ["pool2d"])
    assert [each.parameter for each in found.found] == ["inputs"]


def asked_exactly(program):
    """A judge that has asked the program about networks of exact integers."""
    subject = subject_of(program)
    judge = Judge(subject, subject.claims, [], lambda **_: None, 0)
    with np.errstate(all="ignore"):
        for case in islice(drawn(exact_cases(subject.claims), 1), 40):
            judge.exact(case)
    return judge


def test_a_program_that_counts_ties_twice():
    judge = asked_exactly(second.planted("loops", "pooling-ties-counted-twice", MAX))
    assert list(judge.tally.failures) == [("kink", "pool2d")]
    [finding] = findings(judge, lambda case: case.id)
    assert finding.property == "slope_at_kinks"
    assert "a tie in pool2d is counted for each of the largest entries" in finding.text


def test_a_program_that_takes_the_first():
    judge = asked_exactly(second.planted("loops", layers=MAX))
    assert not judge.tally.failures
    assert judge.tally.slopes["pool2d"] == {0.0}


# --- what may not be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "layer", "says"), [
    ((4, 4), pool("max"), "layer 0 (pool2d): wants an input of shape (channels, height, width), received (4, 4)"),
    ((1, 1, 4), pool("max"), "layer 0 (pool2d): a window of [2, 2] does not fit into [1, 4] with padding [0, 0]"),
    ((1, 4, 4), pool("max", padding=[1, 2]), "padding [1, 2] is more than half of the window [2, 2]"),
    ((1, 4, 4), pool("sum"), "function is 'sum', wanted one of max, mean"),
    ((1, 4, 4), {"kind": "pool2d", "window": [2, 2]}, "function is missing, wanted one of max, mean"),
    ((1, 4, 4), pool("max", ceil=1), "ceil is 1, wanted true or false"),
    ((4,), {"kind": "global_pool", "function": "max"}, "layer 0 (global_pool): wants an input of shape (channels, length)"),
    ((1, 4, 1), {"kind": "subsample2d", "window": [2, 2]}, "a window of [2, 2] does not fit into [4, 1]"),
])
def test_bad_input(shape, layer, says):
    with pytest.raises(DescriptionError) as caught:
        infer(network(shape, layer))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


# --- networks that are drawn, and mistakes -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_drawn(kind):
    found = list(islice(drawn(cases(replace(EVERYTHING, layers=(kind,))), 0), 40))
    assert all(kind in structures_of(case.network) for case in found)
    assert sum(bool(spread(case).unclear) for case in found) <= 2


ROWS = [name for name, fault in FAULTS.items() if fault.family in ("pooling", "global_pool", "subsample2d")]


@pytest.mark.parametrize("name", ROWS)
def test_a_planted_mistake_of_pooling_is_named(name):
    kind = "subsample2d" if name.startswith("sub") else "global_pool" if "global" in name else "pool2d"
    report = verify(second.planted("loops", name, (kind, "conv2d")), examples=60, oracles=("torch",))
    assert report.verdict == "does_not_conform"
    assert [finding.faults[0] for finding in report.findings] == [name]


@pytest.mark.parametrize("name", ROWS)
def test_a_mistake_leaves_other_kinds_alone(name):
    assert not shows(FAULTS[name], case_of(network((3,), {"kind": "dense", "units": 2})))
