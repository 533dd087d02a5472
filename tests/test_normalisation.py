"""Normalisation: right by every other way to a gradient, for every option; what may not be is refused."""

import importlib.util
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.known.normalisation import FAULTS as NORM_FAULTS
from backproof.faults.showing import shows
from backproof.judging.plan import drawn
from backproof.oracles import load
from backproof.properties.claims import Claims
from backproof.properties.strategies import Style, build, cases
from backproof.properties.structures import STRUCTURES, structures_of
from backproof.properties.tolerance import SLACK, bounds, spread
from backproof.reference import TABLES, DescriptionError, evaluate, forward, parse
from vjp_cases import check

FILE = Path(__file__).with_name("second") / "normalisation.py"
spec = importlib.util.spec_from_file_location("second_normalisation", FILE)
sys.modules[spec.name] = second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)

KINDS = ("layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm")
SHAPES = ((4,), (3, 4), (4, 3, 2))
ROWS = [(shape, {"kind": kind, **options}) for shape in SHAPES for kind, options in (
    *(("layer_norm", {"axes": k}) for k in range(1, len(shape) + 1)),
    *(("rms_norm", {"axes": k}) for k in range(1, len(shape) + 1)),
    *(("group_norm", {"groups": k}) for k in (1, 2, 4)),
    ("instance_norm", {}), ("batch_norm", {}), ("batch_norm", {"training": False}))]
ROWS += [((3,), {"kind": "weight_norm", "units": 2}), ((2, 3), {"kind": "weight_norm", "units": 2, "bias": False})]
EVERY = pytest.mark.parametrize(("shape", "layer"), ROWS, ids=str)
EPSILONS = pytest.mark.parametrize("epsilon", [{"epsilon": 1e-5}, {"epsilon": 0.1, "epsilon_on": "deviation"}], ids=str)


def network(shape, *layers, loss="squared_error"):
    return parse.network({"format": 1, "input_shape": list(shape), "layers": list(layers), "loss": {"kind": loss}})


def case_of(shape, layer, batch=3, mean=0.0, dtype="float64", **options):
    if layer["kind"] == "weight_norm":
        options = {}
    case = build(network(shape, {**layer, **options}), batch, "real", Style(), 5, dtype)
    return case.but(inputs=(case.inputs + mean).astype(dtype))


# --- the same by other ways ---------------------------------------------------------------------------------------


@EVERY
@EPSILONS
@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_every_option_by_torch_and_jax(shape, layer, epsilon, mean):
    case = case_of(shape, layer, mean=mean, **epsilon)
    for oracle in ("torch", "jax"):
        check(case, load(oracle).answer(case))


@EVERY
@EPSILONS
def test_every_option_by_complex_step_and_balls(shape, layer, epsilon):
    case = case_of(shape, layer, batch=2, **epsilon)
    check(case, load("complex_step").answer(case))
    check(case, load("arbiter").answer(case))


@EVERY
@EPSILONS
def test_float32_stays(shape, layer, epsilon):
    case = case_of(shape, layer, dtype="float32", mean=30.0, **epsilon)
    answer = evaluate(case)
    check(case, answer)
    assert {np.asarray(a).dtype for a in (answer.loss, *answer.gradients.values())} == {np.dtype("float32")}


@EVERY
def test_bounds_are_finite(shape, layer):
    assert all(np.isfinite(g).all() for g in bounds(case_of(shape, layer)).gradients.values())


def in_torch(case, module, names):
    """Loss and gradients of a module of torch.nn in float32, with the case's numbers."""
    x = torch.tensor(case.inputs, requires_grad=True)
    with torch.no_grad():
        for theirs, ours in names.items():
            getattr(module, theirs).copy_(torch.tensor(case.values[ours]))
    ((module(x) - torch.tensor(case.targets)) ** 2).sum().div(len(x)).backward()
    return {"inputs": x.grad, **{ours: getattr(module, theirs).grad for theirs, ours in names.items()
                                 if getattr(module, theirs).grad is not None}}


AFFINE = {"weight": "0.scale", "bias": "0.bias"}


@pytest.mark.parametrize("mean", [0.0, 30.0])
@pytest.mark.parametrize(("shape", "layer", "module", "names"), [
    ((4,), {"kind": "layer_norm"}, torch.nn.LayerNorm(4), AFFINE),
    ((3, 4), {"kind": "layer_norm", "axes": 2}, torch.nn.LayerNorm((3, 4)), AFFINE),
    ((5,), {"kind": "rms_norm"}, torch.nn.RMSNorm(5, eps=1e-5), {"weight": "0.scale"}),
    ((4,), {"kind": "batch_norm"}, torch.nn.BatchNorm1d(4), AFFINE),
    ((4, 3, 2), {"kind": "batch_norm"}, torch.nn.BatchNorm2d(4), AFFINE),
    ((4, 3, 2), {"kind": "batch_norm", "training": False}, torch.nn.BatchNorm2d(4).eval(),
     {**AFFINE, "running_mean": "0.mean", "running_var": "0.variance"}),
    ((4, 3, 2), {"kind": "group_norm", "groups": 2}, torch.nn.GroupNorm(2, 4), AFFINE),
    ((4, 3, 2), {"kind": "instance_norm"}, torch.nn.InstanceNorm2d(4, affine=True), AFFINE),
], ids=str)
def test_torch_nn_in_float32_conforms(shape, layer, module, names, mean):
    """Far from 0, too: the tolerance holds what programs in one pass, and in any order, lose."""
    for batch in (2, 5, 17):
        case = case_of(shape, layer, batch, mean, "float32")
        s, gradients = spread(case), in_torch(case, module, names)
        module.zero_grad()
        for name, g in s.truth.gradients.items():
            assert np.all(np.abs(gradients[name].numpy() - g) <= SLACK * s.gradients[name]), name


def test_one_row_by_hand():
    """x = (1, 2, 3) has mean 2 and variance 2/3; with dy = (1, 0, 0) and ε = 1/3, 1 / √(v + ε) is 1."""
    case = build(network((3,), {"kind": "layer_norm", "epsilon": 1 / 3}, loss="inner_product"), 1, "real", Style(), 0)
    case = case.but(parameters={"0.scale": np.ones(3), "0.bias": np.zeros(3)}, inputs=np.array([[1.0, 2.0, 3.0]]),
                    targets=np.array([[1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(forward(case).outputs, [[-1, 0, 1]], atol=1e-15)
    g = evaluate(case).gradients
    np.testing.assert_allclose(g["inputs"], [[1 - 1 / 3 - 1 / 3, -1 / 3, -1 / 3 + 1 / 3]], atol=1e-15)
    np.testing.assert_allclose(g["0.scale"], [-1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(g["0.bias"], [1, 0, 0], atol=1e-15)


# --- numbers that do not vary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "kind", "batch"), [((1,), "layer_norm", 3), ((3,), "batch_norm", 1),
                                                      ((2, 1, 1), "instance_norm", 2), ((2,), "group_norm", 2)])
@EPSILONS
def test_a_set_of_one_number_gives_the_bias_and_hands_nothing_down(shape, kind, batch, epsilon):
    layer = {"kind": kind, **({"groups": 2} if kind == "group_norm" else {})}
    case = case_of(shape, layer, batch, **epsilon)
    bias = case.parameters["0.bias"].reshape(-1, *(1,) * (len(shape) - 1))
    np.testing.assert_array_equal(forward(case).outputs, np.broadcast_to(bias, case.inputs.shape))
    assert not evaluate(case).gradients["inputs"].any()
    assert not spread(case).unclear


def test_where_nothing_varies_the_gradient_is_divided_by_the_root_of_epsilon():
    case = case_of((4,), {"kind": "layer_norm", "epsilon": 1e-4}).but(inputs=np.full((3, 4), 0.5))
    g = 2 / 3 * (case.parameters["0.bias"] - case.targets) * case.parameters["0.scale"]
    np.testing.assert_allclose(evaluate(case).gradients["inputs"], 100 * (g - g.mean(axis=1, keepdims=True)))
    for oracle in ("torch", "jax", "complex_step"):
        check(case, load(oracle).answer(case))


def test_where_nothing_varies_a_deviation_has_no_derivative():
    layer = {"kind": "layer_norm", "epsilon_on": "deviation"}
    case = case_of((4,), layer).but(inputs=np.full((3, 4), 0.5))
    assert spread(case).unclear["0"].all()
    assert not spread(case_of((4,), layer)).unclear


# --- what may not be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "layer", "says"), [
    ((4,), {"kind": "layer_norm", "axes": 2}, r"layer 0 \(layer_norm\): it normalises the last 2 axes, but .* has 1"),
    ((4,), {"kind": "layer_norm", "axes": 0}, "axes is 0, wanted a positive integer"),
    ((4,), {"kind": "layer_norm", "groups": 2}, "unknown key 'groups'"),
    ((4,), {"kind": "rms_norm", "epsilon": 0}, "epsilon is 0, wanted a number between 0 and 1"),
    ((4,), {"kind": "rms_norm", "epsilon_on": "std"}, "epsilon_on is 'std', wanted variance or deviation"),
    ((4,), {"kind": "batch_norm", "training": 1}, "training is 1, wanted true or false"),
    ((4,), {"kind": "group_norm", "groups": 3}, "4 features do not fall into 3 groups of one size"),
    ((6, 2, 2), {"kind": "group_norm", "groups": 4}, "6 features do not fall into 4 groups of one size"),
    ((4,), {"kind": "weight_norm"}, "units is missing"),
])
def test_bad_options_are_refused_by_name(shape, layer, says):
    with pytest.raises(DescriptionError, match=says) as refused:
        build(network(shape, layer), 2, "real", Style(), 0)
    assert "\n" not in str(refused.value)


# --- a second implementation --------------------------------------------------------------------------------------

KNOWN = tuple(STRUCTURES)
ENDLESS = 1e9  # what is divided by a variance of 0, each program holds at a bound of its own


@pytest.mark.parametrize("kind", second.KINDS)
def test_a_second_implementation_conforms(kind):
    report = verify(second.planted(None, kind, KNOWN), examples=30, oracles=("torch",))
    assert report.verdict == "conforms", report
    assert not report.total("inconclusive")


def test_every_mistake_is_planted():
    assert {name for name, fault in FAULTS.items() if fault.family in second.KINDS} == set(second.PLANTED)
    assert set(NORM_FAULTS) == set(second.PLANTED)


@pytest.mark.parametrize("name", second.PLANTED)
def test_a_planted_mistake_gives_the_numbers_of_the_table(name):
    """The engine of the table and the program of another style agree, where the mistake shows."""
    kind, net, seen = second.PLANTED[name][0], second.planted(name, known=KNOWN), 0
    engine = FAULTS[name].engine(TABLES)
    claims = Claims(**{**second.claims_of(kind, KNOWN), "dtypes": ("float64",)})
    for case in islice(drawn(cases(claims), 0), 120):
        if kind in structures_of(case.network) and shows(FAULTS[name], case):
            _, got = net(case.network, case.copy().values, case.inputs.copy(), case.targets.copy())
            wrong, right = engine(case).gradients, spread(case)
            largest, usual = (max(np.abs(g).max() for g in found.values()) for found in (wrong, right.truth.gradients))
            if largest > ENDLESS:
                continue
            larger = max(1.0, largest / usual)  # what is rounded is as much larger: a bias before a norm gets 0, but for that
            for parameter, g in wrong.items():
                room = SLACK * larger * right.gradients[parameter].max() + 1e-6 * np.abs(g).max()
                assert np.all(np.abs(got[parameter] - g) <= room), parameter
            seen += 1
            if seen == 4:
                break
    assert seen == 4


@pytest.mark.parametrize("name", ["layer-norm-mean-path-missing", "batch-norm-trained-backward-after-training",
                                  "group-norm-sums-over-width-only", "rms-norm-variance-path-missing",
                                  "weight-norm-direction-not-projected"])
def test_a_planted_mistake_is_named(name):
    report = verify(second.planted(name, known=KNOWN), examples=30, oracles=("torch",))
    assert report.verdict == "does_not_conform"
    assert [finding.faults[0] for finding in report.findings] == [name], report
