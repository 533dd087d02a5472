"""Convolutions: published numbers, PyTorch's modules, both witnesses, the complex step; what may not be."""

import importlib.util
import json
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
from backproof.oracles import load
from backproof.plug.subject import Subject
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import cases
from backproof.properties.structures import STRUCTURES, structures_of
from backproof.properties.tolerance import SLACK, bounds, spread
from backproof.reference import TABLES, Case, DescriptionError, evaluate, forward, infer, parse
from vjp_cases import case_of, network

_spec = importlib.util.spec_from_file_location("second_convolution", Path(__file__).parent / "second/convolution.py")
second = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(second)

KINDS = ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")
ONE = {"stride": [1], "padding": [0], "dilation": [1], "groups": 1, "bias": "channel"}
TWO = {**ONE, "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}


def options(**changes):
    return {**(ONE if len(changes["window"]) == 1 else TWO), **changes}


# By name, the input's shape and a layer: every option, alone and together.
LAYERS = {
    "conv1d": ((2, 7), {"kind": "conv1d", **options(filters=3, window=[3])}),
    "conv1d, all": ((4, 9), {"kind": "conv1d", **options(
        filters=2, window=[3], stride=[2], padding=[2], dilation=[2], groups=2, bias="untied")}),
    "conv2d": ((2, 5, 4), {"kind": "conv2d", **options(filters=3, window=[2, 3])}),
    "no bias": ((2, 5, 4), {"kind": "conv2d", **options(filters=3, window=[2, 3], bias="none")}),
    "untied": ((2, 5, 4), {"kind": "conv2d", **options(filters=3, window=[2, 3], bias="untied")}),
    "stride with a rest": ((2, 6, 7), {"kind": "conv2d", **options(filters=2, window=[2, 3], stride=[3, 2])}),
    "stride above the window": ((1, 7, 5), {"kind": "conv2d", **options(filters=2, window=[1, 2], stride=[3, 3])}),
    "padding": ((2, 4, 3), {"kind": "conv2d", **options(filters=2, window=[3, 2], padding=[1, 2])}),
    "dilation": ((1, 7, 6), {"kind": "conv2d", **options(filters=2, window=[3, 2], dilation=[2, 3])}),
    "groups": ((4, 4, 4), {"kind": "conv2d", **options(filters=6, window=[2, 2], groups=2)}),
    "depthwise": ((3, 4, 4), {"kind": "conv2d", **options(filters=6, window=[2, 2], groups=3)}),
    "all": ((4, 7, 6), {"kind": "conv2d", **options(
        filters=4, window=[3, 2], stride=[2, 1], padding=[2, 1], dilation=[2, 3], groups=2)}),
    "one place": ((2, 3, 3), {"kind": "conv2d", **options(filters=2, window=[3, 3])}),
    "window of one": ((3, 4, 5), {"kind": "conv2d", **options(filters=2, window=[1, 1])}),
    "transposed 1d": ((2, 4), {"kind": "conv_transpose1d", **options(filters=3, window=[3], stride=[2])}),
    "transposed": ((2, 3, 4), {"kind": "conv_transpose2d", **options(filters=3, window=[2, 3])}),
    "transposed, all": ((4, 3, 4), {"kind": "conv_transpose2d", **options(
        filters=2, window=[3, 2], stride=[2, 3], padding=[1, 2], dilation=[2, 1], groups=2)}),
    "transposed, untied": ((2, 3, 4), {"kind": "conv_transpose2d", **options(
        filters=2, window=[2, 2], padding=[1, 1], bias="untied")}),
}


# --- published numbers ----------------------------------------------------------------------------------------

# Dumoulin, Visin, A Guide to Convolution Arithmetic for Deep Learning (2016), figure 1.1.
IMAGE = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
KERNEL = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
OUTPUT = [[12, 12, 17], [10, 17, 19], [9, 6, 14]]


def test_the_figure_of_the_guide():
    described = network((1, 5, 5), {"kind": "conv2d", **options(filters=1, window=[3, 3], bias="none")})
    case = Case(described, {"0.weight": np.array([[KERNEL]], float)}, np.array([[IMAGE]], float), np.ones((1, 1, 3, 3)))
    assert forward(case).outputs.tolist() == [[OUTPUT]]


def test_the_gradients_of_the_figure():
    """Of the sum of the outputs: each weight sees the sum of a 3 by 3 part, each entry the weights that saw it."""
    described = network((1, 5, 5), {"kind": "conv2d", **options(filters=1, window=[3, 3])})
    case = Case(described, {"0.weight": np.array([[KERNEL]], float), "0.bias": np.zeros(1)},
                np.array([[IMAGE]], float), np.ones((1, 1, 3, 3)))
    found, image = evaluate(case).gradients, np.array(IMAGE)
    assert found["0.bias"].tolist() == [9.0]
    assert found["0.weight"][0, 0].tolist() == [
        [float(image[i:i + 3, j:j + 3].sum()) for j in range(3)] for i in range(3)]
    assert found["inputs"][0, 0].tolist() == [
        [0, 1, 3, 3, 2], [2, 5, 7, 5, 2], [2, 6, 10, 8, 4], [2, 5, 7, 5, 2], [0, 1, 3, 3, 2]]


def test_transposed_is_the_adjoint():
    """<conv x, y> = <x, conv_transpose y> with one weight and no bias."""
    rng = np.random.default_rng(0)
    both = {"stride": [2, 1], "padding": [1, 0], "dilation": [1, 2], "groups": 1, "bias": "none", "window": [3, 2]}
    down = network((3, 5, 6), {"kind": "conv2d", "filters": 2, **both})
    up = network((2, 3, 4), {"kind": "conv_transpose2d", "filters": 3, **both})
    x, y, weight = (rng.standard_normal(shape) for shape in ((1, 3, 5, 6), (1, 2, 3, 4), (2, 3, 3, 2)))
    there = forward(Case(down, {"0.weight": weight}, x, y)).outputs
    back = forward(Case(up, {"0.weight": weight}, y, x)).outputs
    assert there.shape == y.shape
    assert back.shape == x.shape
    assert np.vdot(there, y) == pytest.approx(np.vdot(x, back), rel=1e-12)


# --- PyTorch's modules, as a user writes them -----------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LAYERS if "untied" not in name and name != "conv1d, all"])
def test_torch_nn(name):
    torch = pytest.importorskip("torch")
    shape, layer = LAYERS[name]
    case = case_of(network(shape, layer))
    made = {"conv1d": torch.nn.Conv1d, "conv2d": torch.nn.Conv2d, "conv_transpose1d": torch.nn.ConvTranspose1d,
            "conv_transpose2d": torch.nn.ConvTranspose2d}[layer["kind"]](
        shape[0], layer["filters"], tuple(layer["window"]), tuple(layer["stride"]), tuple(layer["padding"]),
        dilation=tuple(layer["dilation"]), groups=layer["groups"], bias=layer["bias"] != "none", dtype=torch.float64)
    with torch.no_grad():
        for local, held in made.named_parameters():
            held.copy_(torch.tensor(case.parameters[f"0.{local}"]))
    x = torch.tensor(case.inputs, requires_grad=True)
    y = made(x)
    (y * torch.tensor(case.targets)).sum().backward()
    found = evaluate(case).gradients
    np.testing.assert_allclose(forward(case).outputs, y.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["inputs"], x.grad.numpy(), rtol=1e-12, atol=1e-12)
    for local, held in made.named_parameters():
        np.testing.assert_allclose(found[f"0.{local}"], held.grad.numpy(), rtol=1e-12, atol=1e-12)


# --- every option, every witness, every number type -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_witnesses(name, dtype):
    """The reference in its own dtype, PyTorch, JAX, the complex step and balls of high precision."""
    case = case_of(network(*LAYERS[name]), dtype=dtype)
    s, answers = spread(case), {"reference": evaluate(case)}
    assert all(g.dtype == dtype for g in answers["reference"].gradients.values())
    for oracle in ("torch", "jax"):
        pytest.importorskip(oracle)
        answers[oracle] = load(oracle).answer(case, None)
    answers |= {oracle: load(oracle).answer(case) for oracle in ("complex_step", "arbiter")}
    for oracle, answer in answers.items():
        for local, g in answer.gradients.items():
            assert np.shape(g) == s.truth.gradients[local].shape
            assert (np.abs(g - s.truth.gradients[local]) <= SLACK * s.gradients[local]).all(), (oracle, local)


@pytest.mark.parametrize("name", ["all", "transposed, all", "conv1d, all"])
def test_the_bound_holds(name):
    case = case_of(network(*LAYERS[name]), dtype="float32")
    answer, truth, bound = evaluate(case), spread(case).truth, bounds(case)
    for local, g in answer.gradients.items():
        assert (np.abs(g - truth.gradients[local]) <= bound.gradients[local]).all()


def test_a_description_survives_json():
    described = network(*LAYERS["all"])
    again = parse.network(json.loads(json.dumps(described.to_json())))
    assert again == described
    assert hash(again) == hash(described)


def test_defaults():
    spec = network((1, 3, 3), {"kind": "conv2d", "filters": 2, "window": [2, 2]}).layers[0]
    assert spec.options == {"filters": 2, "window": [2, 2], **TWO}


# --- what may not be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "changes", "says"), [
    ((4,), {}, "layer 0 (conv2d): wants an input of shape (channels, height, width), received (4,)"),
    ((4, 4), {}, "layer 0 (conv2d): wants an input of shape (channels, height, width), received (4, 4)"),
    ((2, 1, 4), {}, "layer 0 (conv2d): a window of [2, 2] does not fit into [1, 4] with padding [0, 0]"),
    ((3, 4, 4), {"groups": 2}, "layer 0 (conv2d): 3 channels do not go into 2 groups"),
    ((3, 4, 4), {"groups": 3}, "layer 0 (conv2d): 2 filters do not go into 3 groups"),
    ((2, 4, 4), {"window": [2]}, "window is [2], wanted a list of 2 positive integers"),
    ((2, 4, 4), {"window": [2, 0]}, "window is [2, 0], wanted a list of 2 positive integers"),
    ((2, 4, 4), {"window": 2}, "window is 2, wanted a list of 2 positive integers"),
    ((2, 4, 4), {"padding": [0, -1]}, "padding is [0, -1], wanted a list of 2 non-negative integers"),
    ((2, 4, 4), {"stride": [1, True]}, "stride is [1, True], wanted a list of 2 positive integers"),
    ((2, 4, 4), {"bias": True}, "bias is True, wanted one of channel, untied, none"),
    ((2, 4, 4), {"filters": 0}, "filters is 0, wanted a positive integer"),
    ((2, 4, 4), {"strides": [1, 1]}, "unknown key 'strides'"),
])
def test_bad_input(shape, changes, says):
    with pytest.raises(DescriptionError) as caught:
        infer(network(shape, {"kind": "conv2d", "filters": 2, "window": [2, 2], **changes}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_window():
    with pytest.raises(DescriptionError, match="window is missing, wanted a list of 1 positive integer"):
        network((2, 4), {"kind": "conv1d", "filters": 2})


def test_padding_that_leaves_nothing():
    with pytest.raises(DescriptionError, match="padding \\[2, 2\\] leaves nothing of"):
        infer(network((1, 2, 2), {"kind": "conv_transpose2d", "filters": 1, "window": [2, 2], "padding": [2, 2]}))


# --- networks that are drawn ----------------------------------------------------------------------------------


def claims_of(*kinds, **more):
    return replace(EVERYTHING, layers=kinds, explored=False, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_drawn(kind):
    found = list(islice(drawn(cases(claims_of(kind)), 0), 40))
    assert all(kind in structures_of(case.network) for case in found)
    assert sum(bool(spread(case).unclear) for case in found) <= 2
    specs = [spec for case in found for _, spec in case.network.walk() if spec.kind == kind]
    for option, value in (("stride", [1]), ("padding", [0]), ("dilation", [1]), ("groups", 1), ("bias", "channel")):
        usual = value * len(specs[0].options["window"]) if isinstance(value, list) else value
        assert any(spec.options[option] != usual for spec in specs), option


def test_claimed_options_are_kept_to():
    claims = replace(EVERYTHING, layers=({"kind": "conv2d", "window": [[3, 3]], "stride": [[1, 1]], "bias": "none"},))
    specs = [spec for case in islice(drawn(cases(claims), 0), 30) for _, spec in case.network.walk()
             if spec.kind == "conv2d"]
    assert specs
    assert all((spec.options["window"], spec.options["stride"], spec.options["bias"]) == ([3, 3], [1, 1], "none")
               for spec in specs)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_false_alarms(dtype):
    """PyTorch's own backpropagation in the case's dtype is right."""
    pytest.importorskip("torch")
    claims = claims_of(*KINDS, dtypes=(dtype,))
    subject = Subject("torch", claims, lambda case: load("torch").answer(case, None))
    judge = Judge(subject, claims, ["complex_step"], lambda **_: None, 0)
    with np.errstate(all="ignore"):
        for case in islice(drawn(cases(claims), 1), 20):
            judge.network(case)
    assert not judge.tally.failures
    assert judge.tally.counts["reference"]["passed"] >= 15


# --- mistakes, in programs of other styles --------------------------------------------------------------------

ROWS = [name for name, fault in FAULTS.items() if fault.family == "convolution"]
# A mistake of one style only: loops have no rows, and a full correlation writes nothing twice.
ONLY = {"convolution-rows-in-other-order": "views", "convolution-windows-overwritten": "loops"}


@pytest.mark.parametrize("style", ["loops", "views"])
def test_a_right_program_conforms(style):
    report = verify(second.planted(style, layers=("conv1d", "conv2d", "conv_transpose2d")), examples=15, oracles=("torch",))
    assert (report.verdict in ("conforms", "incomplete"), report.findings) == (True, [])


@pytest.mark.parametrize("name", ROWS)
def test_a_planted_mistake_of_a_convolution_is_named(name):
    style = ONLY.get(name, "views" if ROWS.index(name) % 2 else "loops")
    report = verify(second.planted(style, name, ("conv1d", "conv2d")), examples=30, oracles=("torch",))
    assert report.verdict == "does_not_conform"
    assert [finding.faults[0] for finding in report.findings] == [name]


@pytest.mark.parametrize("name", ROWS)
def test_a_mistake_leaves_other_kinds_alone(name):
    case = case_of(network((3,), {"kind": "dense", "units": 2}))
    assert not shows(FAULTS[name], case)
    assert FAULTS[name].engine(TABLES)(case).loss == evaluate(case).loss


def test_a_structure_for_each_kind():
    assert set(KINDS) <= STRUCTURES.keys() & TABLES.layers.keys()


# --- the examples ---------------------------------------------------------------------------------------------


def example(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lenet5_is_right():
    """One case of the whole network: the paper's 60,000 parameters, 900 more in C3, and 850 of the plain outputs."""
    lenet = example("lenet5")
    described = parse.network(lenet.LENET5)
    shapes, rng = infer(described), np.random.default_rng(0)
    values = {name: rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[1:])))
              for name, shape in shapes.parameters.items()}
    assert shapes.output == (10,)
    assert sum(value.size for value in values.values()) == 60_000 + (16 * 6 - 60) * 25 + 85 * 10
    case = Case(described, values, rng.standard_normal((2, 1, 32, 32)), rng.standard_normal((2, 10)))
    loss, gradients = lenet.backprop(described, case.parameters, case.inputs, case.targets)
    s = spread(case)
    assert loss == pytest.approx(s.truth.loss, rel=1e-12)
    assert gradients.keys() == s.truth.gradients.keys()
    assert all((np.abs(g - s.truth.gradients[name]) <= SLACK * s.gradients[name]).all()
               for name, g in gradients.items())


@pytest.mark.parametrize(("name", "verdict", "faults"), [
    ("convolution", "conforms", []), ("convolution_wrong", "does_not_conform", [["convolution-windows-overwritten"]])])
def test_the_example(name, verdict, faults):
    report = verify(example(name).backprop, examples=40, oracles=("torch",))
    assert report.verdict == verdict
    assert [list(finding.faults) for finding in report.findings] == faults
