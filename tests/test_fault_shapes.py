"""Every fault on networks of every shape: it runs, leaves all else alone, and shows where it can.

    pytest tests/test_fault_shapes.py -k prints -rP    # on how many cases of each shape it shows
"""

from functools import cache

import numpy as np
import pytest
from backproof.faults import FAULTS
from backproof.faults.core import Fault
from backproof.faults.showing import differs, shows, structures_in
from backproof.properties.identities.state import other_numbers as other
from backproof.properties.tolerance import spread
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    TABLES,
    Answer,
    Case,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
    infer,
)
from backproof.reference.wiring import wired

# --- the shapes ---------------------------------------------------------------------------------


def dense(units, share=None, transpose=False):
    return LayerSpec("dense", {"units": units, "bias": True}, share, transpose)


def act(function):
    usual = {name: option.default for name, option in ACTIVATIONS[function].options.items()}
    slope = {"slope": 0.1} if function == "leaky_relu" else {}
    return LayerSpec("activation", {"function": function, **usual, **slope})


def parallel(combine, *branches):
    return LayerSpec("parallel", {"branches": branches, "combine": combine})


# The mistakes that are not about structures, which tests of their own are for.
GENERAL = [name for name, fault in FAULTS.items() if not structures_in(fault.family)]
# By name: f, an activation layer -> the layers. The inputs have three columns.
SHAPES = {
    "chain": lambda f: [dense(3), f, dense(3), f, dense(3)],
    "add": lambda f: [dense(3), f, parallel("add", (dense(3), f, dense(3)), ())],
    "concatenate": lambda f: [dense(3), f, parallel("concatenate", (dense(3), f), (dense(3),))],
    "multiply": lambda f: [dense(3), f, parallel("multiply", (dense(3), f), (dense(3),))],
    "nested": lambda f: [
        parallel("add", (dense(3), f, parallel("multiply", (dense(3), f), (dense(3),))), ()), f],
    "parallel first": lambda f: [parallel("concatenate", (dense(3), f), (dense(2),)), dense(3)],
    "shared": lambda f: [dense(3), f, dense(3, "0"), f, dense(3)],
    "transposed": lambda f: [dense(4), f, dense(3, "0", True), f, dense(3)],
    "sequence": lambda f: [dense(3), f, dense(3), f, dense(3)],
    "activation first": lambda f: [f, dense(3), f, dense(3), f, dense(3)],
    "two in a row": lambda f: [dense(3), f, act("tanh"), dense(3), act("tanh"), f, dense(3)],
}


def network(shape, function, head, loss, wide):
    """The shape and an output activation, if any; `wide`: with a layer of 8 units and 2 after it.

    Its loss is a sum.
    """
    after = [act("tanh"), dense(8), act("tanh"), dense(3), act("tanh"), dense(3)] if wide else []
    layers = [*SHAPES[shape](act(function)), *after, *([act(head)] if head else [])]
    size = (2, 3) if shape == "sequence" else (3,)
    return Network(size, tuple(layers), LossSpec(loss, "sum"))


# --- the cases of a shape -----------------------------------------------------------------------


def soft(outputs):
    return outputs / outputs.sum(axis=-1, keepdims=True)


def binary(outputs):
    return (outputs > 0.5).astype(outputs.dtype)


def signs(outputs):
    return np.where(outputs > 0.5, 1.0, -1.0)


def wide_apart(case):
    return case.but(targets=8 * case.targets - 4)


def dead(case):
    """Every unit of the first layer is off."""
    name = next(name for name in case.parameters if name.endswith(".bias"))
    return case.but(parameters={name: case.parameters[name] - 50})


def saturated(case):
    return case.but(inputs=12 * case.inputs)


def zero_column(case):
    return case.but(inputs=case.inputs * np.array([1.0, 1.0, 0.0]))


def repeated(case):
    return case.but(inputs=case.inputs[np.arange(case.batch) // 2])


def equal_biases(case):
    return case.but(parameters={name: 0 * value + 0.5 for name, value in case.parameters.items()
                                if name.endswith(".bias")})


def large_outputs(case):
    last = list(case.parameters)[-1]
    return case.but(parameters={last: case.parameters[last] + np.array([1000.0, 0.0, -1000.0])})


def apart(case):
    last = list(case.parameters)[-1]
    return case.but(parameters={last: case.parameters[last] + np.array([20.0, 0.0, -20.0])})


def beyond_exponentials(case):
    return case.but(inputs=3000 * case.inputs)


def as_it_is(case):
    return case


# function, output activation, loss, what makes targets of numbers from 0 to 1, batch, what is
# special, whether the network is wide
VARIANTS = [
    ("tanh", "", "squared_error", as_it_is, 7, as_it_is, True),
    ("tanh", "", "squared_error", as_it_is, 4, as_it_is, False),
    ("sigmoid", "softmax", "cross_entropy", soft, 8, as_it_is, False),
    ("relu", "sigmoid", "binary_cross_entropy", binary, 5, as_it_is, False),
    ("leaky_relu", "", "softmax_cross_entropy", soft, 1, as_it_is, False),
    ("gelu", "", "sigmoid_cross_entropy", binary, 3, as_it_is, False),
    ("gelu_tanh", "", "absolute_error", as_it_is, 2, as_it_is, False),
    ("silu", "", "inner_product", as_it_is, 6, as_it_is, False),
    ("softplus", "softmax", "squared_error", as_it_is, 4, zero_column, False),
    ("softmax", "", "squared_error", as_it_is, 4, repeated, False),
    ("relu", "", "squared_error", as_it_is, 4, dead, False),
    ("sigmoid", "tanh", "squared_error", as_it_is, 3, saturated, False),
    ("identity", "", "softmax_cross_entropy", soft, 4, large_outputs, False),
    ("identity", "", "squared_error", as_it_is, 4, equal_biases, False),
    ("identity", "", "sigmoid_cross_entropy", binary, 4, large_outputs, False),
    ("identity", "softmax", "cross_entropy", soft, 4, apart, False),
    ("sigmoid", "", "squared_error", as_it_is, 4, beyond_exponentials, False),
    ("tanh", "", "squared_error", as_it_is, 4, beyond_exponentials, False),
    ("elu", "", "huber", as_it_is, 6, wide_apart, False),
    ("selu", "", "hinge", signs, 5, as_it_is, False),
    ("mish", "", "squared_hinge", signs, 4, as_it_is, False),
    ("softsign", "log_softmax", "kl_divergence_of_logs", soft, 4, as_it_is, False),
    ("hard_tanh", "softmax", "kl_divergence", soft, 4, as_it_is, False),
    ("hard_tanh", "", "squared_error", as_it_is, 4, saturated, False),
    ("hard_sigmoid", "", "squared_error", as_it_is, 4, saturated, False),
    ("relu6", "", "squared_error", as_it_is, 4, saturated, False),
    ("abs", "", "squared_error", as_it_is, 4, as_it_is, False),
    ("log_softmax", "", "squared_error", as_it_is, 4, as_it_is, False),
]


def built(shape, function, head, loss, targets, batch, special, wide):
    """A case of the shape with random numbers."""
    net, rng = network(shape, function, head, loss, wide), np.random.default_rng(3)
    arrays = {name: 0.7 * rng.standard_normal(size)
              for name, size in infer(net).parameters.items()}
    outputs = (batch, *infer(net).output)
    inputs = rng.standard_normal((batch, *net.input_shape))
    return special(Case(net, arrays, inputs, targets(rng.uniform(0.1, 0.9, outputs))))


@cache
def cases(shape):
    """The cases of a shape, each with its spread."""
    made = [built(shape, *variant) for variant in VARIANTS]
    return [(case, spread(case)) for case in made]


ON_SHAPES = pytest.mark.parametrize("shape", SHAPES)


@ON_SHAPES
def test_every_case_is_valid_and_every_function_and_loss_is_there(shape):
    assert all(s.finite and not s.unclear for _, s in cases(shape))
    assert {function for function, *_ in VARIANTS} == set(ACTIVATIONS)
    assert {loss for _, _, loss, *_ in VARIANTS} == set(LOSSES)


# --- what no fault may do -----------------------------------------------------------------------


def contents(case):
    arrays = {**case.values, "inputs": case.inputs, "targets": case.targets}
    return {name: array.tobytes() for name, array in arrays.items()}


@ON_SHAPES
@pytest.mark.parametrize("name", GENERAL)
def test_it_answers_and_leaves_all_else_alone(shape, name):
    """Only a fault that is about changed arguments changes any; none raises."""
    case, s = cases(shape)[0]
    tables, truth = TABLES._replace(layers=dict(TABLES.layers)), s.truth
    engine, given = FAULTS[name].engine(tables), case.copy()
    for question in (given, other(case), case.copy()):
        answer = engine(question)
        assert answer.gradients.keys() == truth.gradients.keys()
        assert np.shape(answer.loss) == ()
    if not name.endswith("in-place"):
        assert contents(given) == contents(case)
    assert dict(tables.layers) == dict(TABLES.layers)
    assert tables._replace(layers=TABLES.layers) == TABLES
    after = evaluate(case)
    assert after.loss == truth.loss
    assert all(np.array_equal(after.gradients[k], g) for k, g in truth.gradients.items())


@ON_SHAPES
def test_the_right_engine_shows_nowhere(shape):
    for family in ("bias", "state"):
        right = Fault(family, "nothing", "right", "right", "", lambda tables: evaluate)
        assert not any(shows(right, case, s) for case, s in cases(shape))


# --- where it shows -----------------------------------------------------------------------------

# By fault: the shapes on which it shows nowhere, because there the mathematics is right.
NOWHERE = {
    # squeeze takes away the batch axis, and then the sum goes over the time steps, as it should
    "wrong-at-batch-one": {"sequence"},
    # no weight multiplies the inputs themselves
    "truncated-inputs": {"activation first"},
    # the losses of these cases are summed as they are, smooth no label and have a delta of 1
    **{name: set(SHAPES) for name in FAULTS
       if name.startswith(("upstream-", "smoothing-", "huber-delta-"))},
    # no unit beyond 6
    "relu6-not-cut-on-the-way-back": {"shared", "activation first"},
}


@cache
def shown_on(name, shape):
    """On how many cases of the shape the fault shows."""
    return sum(shows(FAULTS[name], case, s) for case, s in cases(shape))


@pytest.mark.parametrize("name", GENERAL)
def test_prints_on_which_shapes_it_shows(name):
    seen = {shape: shown_on(name, shape) for shape in SHAPES}
    print(f"{name:42s}", " ".join(f"{count:3d}" for count in seen.values()))
    nowhere = {shape for shape, count in seen.items() if not count}
    assert nowhere == NOWHERE.get(name, set())


# By shape: how the names of the parameters begin that make it this shape.
SPECIAL = {"chain": "2.", "add": "2.", "concatenate": "2.", "multiply": "2.",
           "nested": "0.0.2.", "parallel first": "0.", "shared": "0.", "transposed": "0.",
           "sequence": "2.", "activation first": "1.", "two in a row": "3."}


def wrong_inside(name, case, s, prefix):
    """Whether the gradients of the parameters with this prefix are wrong."""
    answer = FAULTS[name].engine(TABLES)(case.copy())
    inside = {k: g for k, g in answer.gradients.items() if k.startswith(prefix)}
    assert inside
    return differs(Answer(s.truth.loss, inside), s)


# The faults below that show in those layers nowhere on a shape, and why.
DOWN = ("weights-updated-before-delta", "weight-not-transposed", "hidden-error-without-weights",
        "hidden-error-is-sum-of-weight-gradient", "stops-after-one-layer",
        "delta-doubled-per-layer")
ELSEWHERE = {
    # none of these layers stands below another with weights: the error goes wrong below them
    **{name: {"concatenate", "multiply", "nested"} for name in DOWN},
    "weight-not-transposed": {"concatenate", "multiply", "nested", "parallel first"},  # 5 x 3
    # its weight matrix is 4 x 3, and the layer after it has 3 units
    "weight-gradient-transposed": {"transposed"},
    "weight-gradient-of-own-output": {"transposed"},
    "bias-of-next-layer": {"transposed"},
    # they read the network's inputs, or what has another size
    "network-input-in-later-layer": {"parallel first", "transposed"},
    "forward-input-in-later-layer": {"parallel first"},
    "weight-gradient-of-preactivation": {"parallel first"},
}
OF_ONE_LAYER = ("bias-skipped-in-first-layer", "bias-skipped-in-last-layer",
                "first-layer-gradient-skipped", "inputs-gradient-wrong-sign")


@pytest.mark.parametrize("name", [
    name for name, fault in FAULTS.items()
    if fault.family in ("bias", "propagation") and name not in OF_ONE_LAYER])
def test_it_shows_in_the_layers_that_make_the_shape(name):
    seen = {shape: any(wrong_inside(name, case, s, SPECIAL[shape]) for case, s in cases(shape)[1:])
            for shape in SHAPES}
    assert {shape for shape, wrong in seen.items() if not wrong} == ELSEWHERE.get(name, set())


@ON_SHAPES
def test_what_is_skipped_in_one_layer_is_wrong_in_that_layer_alone(shape):
    case, s = cases(shape)[0]
    first, *_, last = wired(case.network).places
    for name, wrong in (("bias-skipped-in-first-layer", first.bias),
                        ("bias-skipped-in-last-layer", last.bias),
                        ("first-layer-gradient-skipped", first.weight),
                        ("one-entry-off", first.weight), ("inputs-gradient-wrong-sign", "inputs")):
        answer = FAULTS[name].engine(TABLES)(case.copy())
        found = [k for k, g in s.truth.gradients.items()
                 if not np.array_equal(answer.gradients[k], g)]
        assert found == [wrong]
