"""Known mistakes against programs that make them in another style, and mistakes in one place only."""

import functools
import importlib.util
import sys
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.core import Feature
from backproof.faults.restricted import LAYERS, chosen, restricted
from backproof.faults.showing import shows
from backproof.judging.plan import drawn
from backproof.naming.fitting import fitted
from backproof.naming.restricting import shared, variants_of
from backproof.naming.witnessed import Witnessed
from backproof.plug.subject import subject_of
from backproof.properties.claims import Claims, Head, activation
from backproof.properties.strategies import Style, build, cases, chain
from backproof.reference import TABLES, evaluate

FILE = Path(__file__).with_name("second_implementation.py")
spec = importlib.util.spec_from_file_location(FILE.stem, FILE)
sys.modules[FILE.stem] = second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)

# --- every row of these is what a program in another style does --------------------------------------------------

NEW = ("bias-max-over-batch", "bias-times-factor", "derivative-is-the-function", "leaky-slope-in-derivative",
       "derivative-constant", "gradient-times-batch-and-outputs", "gradient-divided-by-batch-and-outputs",
       "gradient-of-half-the-sum", "log-with-epsilon-in-loss", "log-clipped-in-loss", "log-clipped", "log-of-softmax",
       "log-of-sigmoid", "label-smoothing", "squared-error-for-absolute", "absolute-error-for-squared",
       "squared-error-for-cross-entropy", "binary-for-categorical", "categorical-for-binary",
       "loss-reported-is-squared-error", "loss-reported-is-absolute-error", "gradient-times-factor",
       "gradient-clipped-by-norm", "gradient-clipped-by-global-norm", "sigmoid-sign-lost", "sigmoid-overflow",
       "tanh-overflow", "softplus-overflow", "sigmoid-from-table", "activation-of-straight-lines",
       "leaky-slope-of-another", "derivative-of-clipped-output", "output-derivative-twice",
       "outputs-and-targets-exchanged", "delta-clipped-by-norm")


@cache
def asked():
    return list(islice(drawn(cases(Claims(**second.CLAIMS)), 5), 250))


@pytest.mark.parametrize("name", NEW)
def test_the_row_is_what_a_program_with_the_mistake_does(name):
    """Wherever the program is wrong and the row shows; and the row shows nowhere else."""
    fault, ask = FAULTS[name], subject_of(second.planted(name)).engine
    with np.errstate(all="ignore"):
        seen = [Witnessed(ask, case) for case in islice((c for c in asked() if c.dtype == "float64"), 120)]
        wrong = [case for case in seen if not case.right][:12]
        fault = fitted(fault, wrong[:5])
        shown = [case for case in wrong if case.shows(fault)]
        assert shown or name in RARE
        assert [case.agrees(fault) for case in shown] == [True] * len(shown)
        assert not any(case.shows(fault) for case in seen if case.right)


# They overflow, or underflow, on one network in a hundred: test_fault_rows.py counts them.
RARE = ("log-of-softmax", "sigmoid-overflow", "tanh-overflow", "softplus-overflow", "log-clipped")


def one_layer(head, z, target):
    """One unit or more that gives these logits for the input 1."""
    network = chain([1, len(z)], [False], [activation(head.activation)][:0], head)
    case = build(network, 1, "real", Style(), 3)
    return case.but(inputs=np.ones((1, 1)), parameters={"0.weight": np.array([z], float)},
                    targets=np.array([target], float))


@pytest.mark.parametrize(("name", "head", "z", "target", "loss"), [
    ("log-of-softmax", Head("identity", "softmax_cross_entropy", reduction="sum"), [0.0, 769.0], [1.0, 0.0], np.inf),
    ("log-of-sigmoid", Head("identity", "sigmoid_cross_entropy", reduction="sum"), [40.0], [0.0], np.inf),
    ("softplus-overflow", Head("identity", "sigmoid_cross_entropy", reduction="sum"), [800.0], [0.0], np.inf),
    ("log-clipped-in-loss", Head("identity", "softmax_cross_entropy", reduction="sum"), [0.0, 769.0], [1.0, 0.0],
     -np.log(1e-7)),
])
def test_what_is_infinite_or_stays_below_a_bound_where_the_truth_does_not(name, head, z, target, loss):
    case = one_layer(head, z, target)
    assert evaluate(case).loss == pytest.approx(abs(z[-1]))
    answer = FAULTS[name].engine(TABLES)(case)
    assert answer.loss == pytest.approx(loss)
    for key, g in evaluate(case).gradients.items():
        np.testing.assert_array_equal(answer.gradients[key], g)


@pytest.mark.parametrize(("name", "function", "z"), [
    ("sigmoid-overflow", "sigmoid", 800.0), ("tanh-overflow", "tanh", -800.0), ("softplus-overflow", "softplus", 800.0)])
def test_a_range_and_not_a_formula(name, function, z):
    """Right as long as no exponential overflows, and NaN or infinite beyond."""
    f = FAULTS[name].engine(TABLES)
    network = chain([1, 1, 1], [False, False], [activation(function)], Head("identity", "inner_product"))
    case = build(network, 1, "real", Style(), 3)

    def at(value):
        return f(case.but(inputs=np.ones((1, 1)), parameters={"0.weight": np.array([[value]])})).loss

    assert not np.isfinite(at(z))
    for value in (-30.0, -1.0, 0.5, 30.0):
        here = case.but(inputs=np.ones((1, 1)), parameters={"0.weight": np.array([[value]])})
        assert f(here).loss == pytest.approx(evaluate(here).loss, rel=1e-9)


# --- in one place only -------------------------------------------------------------------------------------------

SQUARED = Head("identity", "squared_error", reduction="sum")


def deep(functions, head=SQUARED, sizes=None):
    sizes = sizes or [3] * (len(functions) + 2)
    network = chain(sizes, [True] * (len(sizes) - 1), [activation(f) for f in functions], head)
    return build(network, 3, "real", Style(), 11)


def answers(fault, case):
    return fault.engine(TABLES)(case.copy())


def same(one, other):
    return one.loss == other.loss and all(np.array_equal(one.gradients[k], g) for k, g in other.gradients.items())


def test_in_one_activation():
    fault = FAULTS["derivative-missing"]
    only = restricted(fault, Feature("activation", "tanh"))
    assert only.place == {"activation": "tanh"}
    for functions in (["tanh"], ["tanh", "tanh"]):
        assert same(answers(only, deep(functions)), answers(fault, deep(functions)))
    assert same(answers(only, deep(["sigmoid"])), evaluate(deep(["sigmoid"])))
    mixed = deep(["tanh", "sigmoid"])
    assert shows(only, mixed)
    assert not same(answers(only, mixed), answers(fault, mixed))


def test_in_the_layers_below_one_activation():
    only = restricted(FAULTS["bias-averaged-over-batch"], Feature("activation", "relu"))
    case = deep(["tanh", "relu"])
    right, wrong, whole = evaluate(case), answers(only, case), answers(FAULTS["bias-averaged-over-batch"], case)
    for name in right.gradients:
        expected = whole if name == "2.bias" else right
        np.testing.assert_array_equal(wrong.gradients[name], expected.gradients[name])
    assert not np.array_equal(wrong.gradients["2.bias"], right.gradients["2.bias"])


def test_in_one_loss_and_in_one_dtype():
    fault = FAULTS["gradient-half"]
    only = restricted(fault, Feature("loss", "squared_error"))
    other = deep(["tanh"], Head("identity", "inner_product"))
    assert same(answers(only, deep(["tanh"])), answers(fault, deep(["tanh"])))
    assert same(answers(only, other), evaluate(other))
    narrow = restricted(fault, Feature("dtype", "float32"))
    assert same(answers(narrow, deep(["tanh"])), evaluate(deep(["tanh"])))
    assert shows(narrow, deep(["tanh"]).astype("float32"))


@pytest.mark.parametrize(("place", "names"), [
    ("first", {"0", "1"}), ("last", {"4"}), ("hidden", {"0", "1", "2", "3"}), ("later", {"2", "3", "4"})])
def test_in_some_layers(place, names):
    case, fault = deep(["tanh", "tanh"]), FAULTS["decay-in-gradient-only"]
    assert chosen(case.network, Feature("layer", place)) == names
    only = restricted(fault, Feature("layer", place))
    right, wrong = evaluate(case), answers(only, case)
    changed = {name for name, g in right.gradients.items() if not np.array_equal(g, wrong.gradients[name])}
    assert changed == {f"{name}.weight" for name in names if f"{name}.weight" in right.gradients}


def test_what_is_made_of_gradients_at_the_end_of_the_parameters_alone():
    case, fault = deep(["tanh"]), FAULTS["gradient-doubled"]
    clipped = restricted(FAULTS["gradient-clipped"], Feature("gradients", "parameters"))
    large = case.but(targets=case.targets + 50)
    assert same(answers(FAULTS["gradient-clipped"], large), answers(FAULTS["gradient-clipped"], large))
    wrong, right = answers(clipped, large), evaluate(large)
    np.testing.assert_array_equal(wrong.gradients["inputs"], right.gradients["inputs"])
    assert np.abs(wrong.gradients["2.bias"]).max() == 1.0
    assert shows(fault, case)


def test_what_cannot_be_restricted():
    assert restricted(FAULTS["float32-inside"], Feature("loss", "squared_error")) is None
    assert restricted(FAULTS["gradients-accumulate"], Feature("loss", "squared_error")) is None
    once = restricted(FAULTS["gradient-half"], Feature("loss", "squared_error"))
    assert restricted(once, Feature("layer", "first")) is None


def test_the_number_is_one_in_that_place_too():
    only = restricted(FAULTS["decay-in-gradient-only"], Feature("layer", "first"))
    case = deep(["tanh"])
    step = only.number.engine(0.25)(TABLES)(case).gradients["0.weight"] - evaluate(case).gradients["0.weight"]
    np.testing.assert_allclose(step, 0.25 * case.parameters["0.weight"], rtol=1e-9, atol=1e-12)


def test_the_features_that_failing_networks_share():
    found = shared([deep(["tanh", "relu"]), deep(["relu"])])
    assert [f.value for f in found if f.of == "activation"] == ["relu"]
    assert [f.value for f in found if f.of == "loss"] == ["squared_error"]
    assert {f.value for f in found if f.of == "layer"} == set(LAYERS)
    assert all(a is b for a, b in zip(variants_of(FAULTS["gradient-half"], found),
                                      variants_of(FAULTS["gradient-half"], found), strict=True))


def planted(method, function):
    """The second implementation with one method replaced."""
    net = second.planted()
    setattr(net, method, functools.partial(function, net, getattr(net, method)))
    return net


def first_layer_decays(net, right, layer):
    right(layer)
    if layer is net.layers[0]:
        layer.dW += 0.03 * layer.W


PLACES = {
    "one activation of many": (planted("slope", lambda net, right, layer, z, y: (
        np.ones_like(z) if layer.function == "tanh" else right(layer, z, y))),
        "derivative-missing", {"activation": "tanh"}),
    "one loss of many": (planted("example_error", lambda net, right, p, t: (
        right(p, t) / 2 if net.kind == "cross_entropy" else right(p, t))), "gradient-half", {"loss": "cross_entropy"}),
    "one layer": (planted("weight_gradient", first_layer_decays), "decay-in-gradient-only", {"layer": "first"}),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_mistake_in_one_place_is_named_with_the_place(name):
    net, fault, place = PLACES[name]
    report = verify(net, examples=300, oracles=("torch",), stop_after=8)
    finding = report.findings[0]
    assert finding.faults[:1] == (fault,)
    assert finding.only == place
    assert next(iter(place.values())) in finding.headline
