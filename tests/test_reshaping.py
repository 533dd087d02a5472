"""Flatten, reshape, pad and upsample: by hand, by both witnesses and the complex step; what may not be."""

import importlib.util
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.showing import shows
from backproof.judging.plan import drawn
from backproof.oracles import load
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import cases
from backproof.properties.structures import structures_of
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import DescriptionError, evaluate, forward, infer
from vjp_cases import case_of, network

_spec = importlib.util.spec_from_file_location("second_reshaping", Path(__file__).parent / "second/convolution.py")
second = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(second)

KINDS = ("flatten", "reshape", "pad", "upsample", "last_axis")
CONV = {"kind": "conv2d", "filters": 2, "window": [2, 2]}


LAYERS = {
    "flatten": ((2, 3, 4), {"kind": "flatten"}),
    "flatten a sequence": ((2, 3), {"kind": "flatten"}),
    "reshape": ((2, 3, 4), {"kind": "reshape", "shape": [3, 8]}),
    "reshape a row": ((6,), {"kind": "reshape", "shape": [1, 2, 3]}),
    "pad": ((2, 3, 2), {"kind": "pad", "amounts": [[1, 0], [0, 2]]}),
    "pad channels": ((2, 3, 2), {"kind": "pad", "amounts": [[0, 1], [1, 1], [2, 0]]}),
    "pad a row": ((4,), {"kind": "pad", "amounts": [[1, 2]]}),
    "upsample": ((2, 2, 3), {"kind": "upsample", "factor": 2}),
    "upsample a sequence": ((2, 3), {"kind": "upsample", "factor": 3}),
    "upsample by 1": ((2, 2, 3), {"kind": "upsample", "factor": 1}),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_witnesses(name, dtype):
    case = case_of(network(*LAYERS[name]), dtype=dtype)
    s, answers = spread(case), {"reference": evaluate(case)}
    assert answers["reference"].gradients["inputs"].dtype == dtype
    for oracle in ("torch", "jax"):
        pytest.importorskip(oracle)
        answers[oracle] = load(oracle).answer(case, None)
    answers |= {oracle: load(oracle).answer(case) for oracle in ("complex_step", "arbiter")}
    for oracle, answer in answers.items():
        for local, g in answer.gradients.items():
            assert (np.abs(g - s.truth.gradients[local]) <= SLACK * s.gradients[local]).all(), (oracle, local)


def test_upsampling_by_hand():
    case = case_of(network((1, 1, 2), {"kind": "upsample", "factor": 2}), 1)
    case = case.but(inputs=np.array([[[[1.0, 2.0]]]]), targets=np.arange(8.0).reshape(1, 1, 2, 4))
    assert forward(case).outputs.tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]
    assert evaluate(case).gradients["inputs"].tolist() == [[[[0 + 1 + 4 + 5, 2 + 3 + 6 + 7]]]]


def test_a_flatten_is_row_by_row():
    case = case_of(network((2, 2, 2), {"kind": "flatten"}), 1).but(inputs=np.arange(8.0).reshape(1, 2, 2, 2))
    assert forward(case).outputs.tolist() == [list(range(8))]


@pytest.mark.parametrize(("shape", "layer", "says"), [
    ((2, 3), {"kind": "reshape", "shape": [4]}, "layer 0 (reshape): cannot give (2, 3) the shape (4,)"),
    ((2, 3), {"kind": "reshape", "shape": []}, "shape is [], wanted a list of positive integers"),
    ((2, 3), {"kind": "reshape", "shape": 6}, "shape is 6, wanted a list of positive integers"),
    ((3,), {"kind": "pad", "amounts": [[1, 1], [1, 1]]}, "layer 0 (pad): pads 2 axes of an input of shape (3,)"),
    ((3,), {"kind": "pad", "amounts": [[1, -1]]}, "amounts is [[1, -1]], wanted a list with [before, after]"),
    ((3,), {"kind": "pad", "amounts": [1, 1]}, "amounts is [1, 1], wanted a list with [before, after]"),
    ((3,), {"kind": "upsample", "factor": 2}, "layer 0 (upsample): wants channels and one axis or more, received (3,)"),
    ((1, 3), {"kind": "upsample", "factor": 0}, "factor is 0, wanted a positive integer"),
    ((1, 3), {"kind": "flatten", "order": "F"}, "unknown key 'order'"),
])
def test_bad_input(shape, layer, says):
    with pytest.raises(DescriptionError) as caught:
        infer(network(shape, layer))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_drawn(kind):
    found = list(islice(drawn(cases(replace(EVERYTHING, layers=(kind,))), 0), 30))
    assert all(kind in structures_of(case.network) for case in found)


def test_a_flatten_belongs_to_the_kinds_in_front_of_it():
    """Who claims convolutions has a flatten with them, and no dense layer along the last axis."""
    dense = {"kind": "dense", "units": 2}
    assert structures_of(network((1, 3, 3), CONV, {"kind": "flatten"}, dense)) == ["conv2d", "dense"]
    assert structures_of(network((1, 3, 3), {"kind": "flatten"}, dense)) == ["dense", "flatten"]
    assert set(structures_of(network((1, 3, 3), CONV, dense))) == {"conv2d", "dense", "last_axis"}
    assert set(structures_of(network((1, 3, 3), CONV))) == {"conv2d", "last_axis"}


ROWS = [name for name, fault in FAULTS.items() if fault.family in ("reshaping", "pad", "upsample")]


@pytest.mark.parametrize("name", ROWS)
def test_a_planted_mistake_of_moved_numbers_is_named(name):
    kind = {"upsampling": "upsample", "padding": "pad"}.get(name.partition("-")[0], "reshape")
    report = verify(second.planted("loops", name, (kind, "conv2d")), examples=30, oracles=("torch",))
    assert report.verdict == "does_not_conform"
    assert report.findings[0].faults[0] == name


@pytest.mark.parametrize("name", ROWS)
def test_a_mistake_leaves_other_kinds_alone(name):
    assert not shows(FAULTS[name], case_of(network((3,), {"kind": "dense", "units": 2})))
