"""Networks and cases as JSON: what survives the trip, what is refused by name, and room for what comes."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
from backproof.reference import (
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
    infer,
    parse,
)
from backproof.reference.arrays import array_from_json, array_to_json
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

SQUARED = {"kind": "squared_error", "reduction": "sum", "scale": 0.5}
CLASSES = {"kind": "softmax_cross_entropy", "reduction": "mean", "scale": 1.0}


def dense(units, **more):
    return {"kind": "dense", "units": units, **more}


def activation(function, **more):
    return {"kind": "activation", "function": function, **more}


def parallel(*branches, combine="add"):
    return {"kind": "parallel", "branches": list(branches), "combine": combine}


def network(*layers, inputs=(3,), kind="real", loss=SQUARED, **more):
    layers = list(layers) or [dense(4, bias=True), activation("tanh"), dense(2, bias=True)]
    return {"format": 1, "input_shape": list(inputs), "input_kind": kind, "layers": layers, "loss": loss, **more}


def trip(data):
    """Through JSON's text and back."""
    return json.loads(json.dumps(data))


# --- networks ---------------------------------------------------------------------------------------------------------

DESIGN = """{"format": 1, "input_shape": [3], "input_kind": "real",
 "layers": [{"kind": "dense", "units": 4, "bias": true},
            {"kind": "activation", "function": "sigmoid"},
            {"kind": "dense", "units": 2, "bias": true},
            {"kind": "activation", "function": "softmax"}],
 "loss": {"kind": "squared_error", "reduction": "mean_over_batch", "scale": 0.5}}"""


@pytest.mark.parametrize("data", [
    json.loads(DESIGN),
    network(),
    network(inputs=(5, 3)),
    network(activation("leaky_relu", slope=0.2)),
    network(parallel([], [dense(3, bias=False), parallel([dense(2, bias=True)], [dense(1, bias=True)],
                                                         combine="concatenate")])),
    network(dense(5, bias=True), dense(3, bias=True, share="0", transpose=True)),
])
def test_network_round_trip(data):
    parsed = parse.network(data)
    assert parsed.to_json() == data
    again = parse.network(trip(parsed.to_json()))
    assert again == parsed
    assert len({again, parsed}) == 1
    assert pickle.loads(pickle.dumps(parsed)) == parsed
    assert copy.deepcopy(parsed) == parsed
    assert [hash(a) == hash(b) and a == b for a, b in zip(again.layers, parsed.layers, strict=True)]


def test_defaults_are_filled_in():
    layers = [dense(2), activation("leaky_relu")]
    data = {"format": 1, "input_shape": [3], "layers": layers, "loss": {"kind": "squared_error"}}
    loss = {"kind": "squared_error", "reduction": "mean_over_batch", "scale": 1.0}
    filled = network(dense(2, bias=True), activation("leaky_relu", slope=0.01), loss=loss)
    assert parse.network(data).to_json() == filled


def test_a_network_is_frozen_and_equal_by_content():
    one = parse.network(network())
    with pytest.raises(AttributeError):
        one.input_shape = (4,)
    with pytest.raises(TypeError):
        one.layers[0].options["units"] = 5
    assert one != parse.network(network(loss=SQUARED | {"scale": 1.0}))
    assert one == Network((3,), one.layers, LossSpec("squared_error", "sum", 0.5))
    assert one.layers[1] == LayerSpec("activation", {"function": "tanh"})


def test_what_spares_the_layer_loop():
    layers = dense(4), activation("tanh"), dense(5, bias=False), dense(2), activation("softmax")
    net = parse.network(network(*layers))
    assert (net.sizes, net.hidden, net.head) == ([3, 4, 5, 2], ["tanh", "identity"], ("softmax", "squared_error"))
    parameters = {name: np.ones(shape) for name, shape in infer(net).parameters.items()}
    weights, biases = net.unpack(parameters)
    assert [w.shape for w in weights] == [(3, 4), (4, 5), (5, 2)]
    assert [None if b is None else b.shape for b in biases] == [(4,), None, (2,)]
    packed = net.pack(weights, biases)
    assert sorted(packed) == sorted(parameters)


@pytest.mark.parametrize(("data", "message"), [
    # not a description at all
    ([], "network: received .* wanted a JSON object"),
    (None, "network: received None"),
    (network(colour="red"), "network: unknown key 'colour'; allowed: format"),
    (network(format=2), "format 2; this version reads format 1"),
    (network(format=True), "format True"),
    (network(format="1"), "format '1'"),
    (network(layers={}), "layers is {}, wanted a list"),
    (network("dense"), "layer 0: received 'dense'"),
    ({"format": 1}, "layers is None"),
    # kinds and options
    (network({"units": 3}), "layer 0: layer kind: unknown None"),
    (network({"kind": "convolution"}), "layer 0: layer kind: unknown 'convolution'; allowed: activation, attention"),
    (network({"kind": ["dense"]}), "layer kind: unknown"),
    (network({"kind": "dense"}), r"layer 0 \(dense\): units is missing, wanted a positive integer"),
    (network(dense(3, color=1)), r"layer 0 \(dense\): unknown key 'color'; allowed: units, bias"),
    *[(network(dense(units)), "units is") for units in (0, -1, 2.0, True, "3", None, [3])],
    *[(network(dense(3, bias=bias)), "bias is .*wanted true or false") for bias in (1, 0, None, "yes")],
    (network({"kind": "activation"}), "activation: unknown None"),
    (network(activation("swish2")), "activation: unknown 'swish2'; allowed: identity, sigmoid"),
    (network(activation("relu", slope=0.1)), r"layer 0 \(activation\): unknown key 'slope'"),
    *[(network(activation("leaky_relu", slope=s)), "slope is") for s in (1, -0.1, True, False, "0.1", None, math.nan)],
    # the loss
    (network(loss=None), "loss: received None"),
    (network(loss={"kind": "hinges"}), "loss kind: unknown 'hinges'; allowed: squared_error"),
    (network(loss={}), "loss kind: unknown None"),
    (network(loss=SQUARED | {"reduction": "average"}), "loss reduction: unknown 'average'; allowed: sum"),
    (network(loss=SQUARED | {"weight": 1}), "loss: unknown key 'weight'"),
    *[(network(loss=SQUARED | {"scale": s}), "loss scale: received")
      for s in (True, "1", None, math.inf, math.nan, 10**400)],
    *[(network(activation(f), loss=SQUARED | {"kind": loss}), f"loss {loss}: wants outputs in")
      for f, loss in [("tanh", "binary_cross_entropy"), ("relu", "cross_entropy"), ("gelu", "binary_cross_entropy")]],
    (network(dense(2), loss=SQUARED | {"kind": "cross_entropy"}), r"wants outputs in \(0.0, 1.0\)"),
    # shapes
    *[(network(inputs=shape), "input_shape is") for shape in ([], [0], [-3], [True], [3.0], ["3"])],
    (network(input_shape=3), "input_shape is 3"),
    *[(network(kind=kind), "input_kind is")
      for kind in ("integer", None, {"index": 0}, {"index": True}, {"index": 3, "a": 1}, {})],
    (network(parallel([dense(3)], [dense(4)])), r"layer 0 \(parallel\): cannot add branches of shapes"),
    (network(parallel([dense(3)], [dense(4)], combine="multiply")), "cannot multiply"),
    (network(dense(2), parallel([], [dense(3)])), r"layer 1 \(parallel\): cannot add"),
    (network(parallel()), "branches is"),
    (network(parallel(dense(3))), "branches is"),
    (network(parallel([dense(3), activation("no")])), r"layer 0 \(parallel\) 0.1 .*activation: unknown 'no'"),
    *[(network(parallel([], combine=c)), "combine is") for c in ("subtract", None, [], True)],
    # sharing
    *[(network(dense(3), dense(3, share=s)), "share is a layer name") for s in (0, True, ["0"])],
    (network(dense(3), dense(3, share="0", transpose=1)), "transpose is true or false"),
    (network(dense(3), dense(3, transpose=True)), "transpose without share"),
    (network(dense(3), dense(3, share="2"), dense(3)), "layer 1: shares layer '2', which has no parameter"),
    (network(dense(3), dense(3, share="1")), "layer 1: shares layer '1'"),
    (network(dense(3), activation("tanh"), dense(3, share="1")), "layer 2: shares layer '1'"),
    (network(dense(3), dense(3, share="0"), dense(3, share="1")), "layer 2: shares layer '1'"),
    (network(dense(3), activation("tanh", share="0")), "layer 1: shares layer '0'"),
    (network(dense(4), dense(3, share="0")), r"layer 1: shares 0.weight of shape \(3, 4\), but needs \(4, 3\)"),
    (network(dense(3), dense(4, share="0", transpose=True)), r"shares 0.weight of shape \(3, 3\), but needs \(3, 4\)"),
    (network(parallel([dense(3)]), parallel([dense(3)]) | {"share": "0"}), "share .*inside its branches"),
])
def test_refused_by_name(data, message):
    with pytest.raises(DescriptionError, match=message):
        parse.network(data)


# --- cases ------------------------------------------------------------------------------------------------------------

FLOATS = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
FLOATS32 = st.floats(width=32) | st.sampled_from([math.nan, 2.0**-149, 0.1, 3.4028234663852886e38]).map(np.float32)


def bits(array):
    """The bytes, with every NaN the same NaN."""
    return np.where(np.isnan(array), np.array(math.nan, array.dtype), array).tobytes()


@given(st.one_of(*(npst.arrays(dtype, npst.array_shapes(min_dims=0, min_side=0, max_dims=3), elements=elements)
                   for dtype, elements in [("float64", FLOATS), ("float32", FLOATS32)])))
def test_arrays_survive_bit_for_bit(array):
    again = array_from_json("a", trip(array_to_json(array)))
    assert (again.dtype, again.shape, bits(again)) == (array.dtype, array.shape, bits(array))


@given(npst.arrays("int64", npst.array_shapes(min_dims=0, min_side=0)))
def test_integers_survive(array):
    again = array_from_json("a", trip(array_to_json(array)))
    assert (again.dtype, again.shape, again.tolist()) == (array.dtype, array.shape, array.tolist())


def test_array_json_is_plain():
    """Shortest numbers, non-finite ones as strings, no token that JSON lacks."""
    data = array_to_json(np.array([[0.1, -0.0], [math.nan, -math.inf]], np.float32))
    text = '{"dtype": "float32", "shape": [2, 2], "data": [0.1, -0.0, "nan", "-inf"]}'
    assert json.dumps(data, allow_nan=False) == text


def test_null_reads_as_nan():
    array = array_from_json("a", {"dtype": "float32", "shape": [2, 2], "data": [0.1, None, None, 1]})
    assert np.isnan(array).tolist() == [[False, True], [True, False]]


def case_json(dtype="float64", **more):
    data = Case(parse.network(network()), {
        "0.weight": np.full((3, 4), 0.1), "0.bias": np.array([math.nan, math.inf, -0.0, 1e-310]),
        "2.weight": np.ones((4, 2)), "2.bias": np.zeros(2),
    }, np.full((5, 3), 1 / 3), np.zeros((5, 2)))
    with np.errstate(under="ignore"):
        return data.astype(dtype).to_json() | more


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_case_round_trip(dtype):
    data = case_json(dtype)
    case = parse.case(trip(data))
    assert case.to_json() == data
    assert case.id == parse.case(trip(data)).id != parse.case(case_json(dtype, targets=data["inputs"] | {
        "shape": [5, 2], "data": [1] * 10})).id
    assert {a.dtype for a in (*case.parameters.values(), case.inputs, case.targets)} == {np.dtype(dtype)}
    assert np.signbit(case.parameters["0.bias"]).tolist() == [False, False, True, False]
    assert case.copy().parameters["0.weight"].flags.writeable


def test_index_targets_and_float32():
    targets = {"dtype": "int64", "shape": [5], "data": [0, 1, 1, 0, 1]}
    data = case_json("float32", network=network(loss=CLASSES), targets=targets)
    case = parse.case(trip(data))
    assert case.targets.dtype == case.astype("float64").targets.dtype == np.int64
    assert case.astype("float64").astype("float32").id == case.id


ARRAY = {"dtype": "float64", "shape": [2], "data": [1, 2.5]}


@pytest.mark.parametrize(("data", "message"), [
    (None, "w: received None"),
    (ARRAY | {"order": "C"}, "w: unknown key 'order'"),
    (ARRAY | {"dtype": "float16"}, "w: dtype: unknown 'float16'; allowed: float64, float32, int64"),
    *[(ARRAY | {"shape": s}, "w: shape is") for s in (2, None, [-2], [2.0], [True, 2], "2")],
    (ARRAY | {"shape": [3]}, "w: data must be a list of 3 numbers"),
    (ARRAY | {"shape": []}, "w: data must be a list of 1 numbers"),
    (ARRAY | {"shape": [10**12, 10**12]}, "w: data must be a list of"),
    (ARRAY | {"data": {}}, "w: data must be a list of 2"),
    *[(ARRAY | {"data": [1, v]}, "w: entry .* is not a float64")
      for v in (True, "1", "Infinity", [1], {}, 10**400, -(10**400))],
    *[(ARRAY | {"dtype": "float32", "data": [1, v]}, "w: entry .* is not a float32") for v in (1e300, -1e39, 10**40)],
    *[(ARRAY | {"dtype": "int64", "data": [1, v]}, "w: entry .* is not a int64")
      for v in (True, 1.0, None, "nan", 2**63)],
])
def test_arrays_refused_by_name(data, message):
    with pytest.raises(DescriptionError, match=message):
        array_from_json("w", data)


def array(*shape, value=0, dtype="float64"):
    return array_to_json(np.full(shape, value, dtype))


def with_parameters(**changed):
    parameters = case_json()["parameters"] | {k.replace("_", "."): v for k, v in changed.items()}
    return case_json(parameters={k: v for k, v in parameters.items() if v is not None})


@pytest.mark.parametrize(("data", "message"), [
    ([], "case: received"),
    (case_json(seed=1), "case: unknown key 'seed'"),
    (case_json(format=3), "case: format 3"),
    (case_json(format=True), "case: format True"),
    (case_json() | {"dtype": "float16"}, "case: dtype: unknown 'float16'"),
    (case_json(network=None), "network: received None"),
    (case_json(parameters=None), "parameters: received None"),
    (case_json(inputs=None), "inputs: received None"),
    (case_json(constants=[]), "constants: received"),
    (with_parameters(**{"0_weight": array(4, 3)}), r"case: parameters of shapes .*but the network wants"),
    (with_parameters(**{"0_bias": array(1, 4)}), "case: parameters of shapes"),
    (with_parameters(**{"0_bias": None}), "case: parameters of shapes"),
    (with_parameters(**{"1_bias": array(4)}), "case: parameters of shapes"),
    (with_parameters(**{"0_bias": array(4, dtype="float32")}), "case: 0.bias has dtype float32, wanted float64"),
    (case_json(inputs=array(5, 4)), r"case: inputs of shape \(5, 4\), wanted"),
    (case_json(inputs=array(0, 3)), "case: inputs of shape"),
    (case_json(inputs=array()), "case: inputs of shape"),
    (case_json(inputs=array(5, 3, dtype="int64")), "case: inputs has dtype int64, wanted float64"),
    (case_json(targets=array(4, 2)), "case: targets of shape"),
    (case_json(targets=array(5, 3)), "case: targets of shape"),
    (case_json(targets=array(5)), "case: targets of shape"),
    (case_json(targets=array(5, 2, dtype="float32")), "case: targets has dtype float32"),
    (case_json(targets=array(5, dtype="int64")), "case: targets"),
    (case_json(network=network(loss=CLASSES), targets=array(5, value=2, dtype="int64")), "case: targets .*below 2"),
    (case_json(network=network(loss=CLASSES), targets=array(5, value=-1, dtype="int64")), "case: targets .*below 2"),
])
def test_cases_refused_by_name(data, message):
    with pytest.raises(DescriptionError, match=message):
        parse.case(trip(data))
