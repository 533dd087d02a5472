"""Equinox, Keras and numpy-ml as ready-made subjects: a drawn network of every kind that each claims."""

import collections
import os
import random
from dataclasses import replace

import numpy as np
import pytest
from backproof.plug.subjects import SUBJECTS, load
from backproof.properties.claims import Claims
from backproof.properties.strategies import Style, build
from backproof.properties.strategies.chains import head_of
from backproof.properties.strategies.grown import network_inside
from backproof.reference import TABLES, evaluate, parse

NAMES = ("equinox", "keras", "numpy-ml")
BOUND = {"float64": 1e-9, "float32": 2e-3}


def subject_named(name):
    if SUBJECTS[name].missing:
        pytest.skip(f"needs {SUBJECTS[name].missing}")
    return load(name)


def drawn(claims: Claims, each, seed):
    """A case of a network that has this kind, of one layer with units or two."""
    rng = random.Random(seed)
    inside = replace(claims, layers=(each,), depth=(1, 2))

    def choose(options):
        return rng.choice(list(options))

    head = head_of(choose, inside)
    network = network_inside(choose, inside, head)
    return build(network, choose((1, 2, 3)), choose(head.target_kinds), Style(), seed, choose(claims.dtypes))


def worst(subject, case):
    got, wanted = subject.engine(case), evaluate(case.astype("float64"))
    pairs = [(got.loss, wanted.loss), *((got.gradients[name], d) for name, d in wanted.gradients.items())]
    return max(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-3) for a, b in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_claimed_is_answered_as_the_reference(name):
    subject = subject_named(name)
    kinds = [(each, what) for each, what in zip(subject.claims.layers, subject.claims.structures, strict=True)
             if what in TABLES.layers]
    assert len(kinds) >= 10
    for seed, (each, what) in enumerate(kinds):
        case = drawn(subject.claims, each, seed)
        with np.errstate(all="ignore"):
            assert worst(subject, case) < BOUND[case.dtype], (what, case.network.key)


def test_keras_leaves_the_environment_as_it_was():
    before = dict(os.environ)
    subject_named("keras")
    assert dict(os.environ) == before


def test_numpy_ml_leaves_the_random_state_and_collections_as_they_were():
    subject = subject_named("numpy-ml")
    before = np.random.get_state()[1].copy()
    subject.engine(drawn(subject.claims, "dense", 0))
    assert np.array_equal(np.random.get_state()[1], before)
    assert not hasattr(collections, "Hashable")


def of_one_layer(layer, shape, seed=0):
    network = parse.network({"format": 1, "input_shape": list(shape), "layers": [
        layer, {"kind": "flatten"}, {"kind": "dense", "units": 2}],
        "loss": {"kind": "squared_error", "reduction": "sum", "scale": 0.5}})
    return build(network, 2, "real", Style(), seed)


def test_what_numpy_ml_gets_wrong_and_so_does_not_claim():
    subject = subject_named("numpy-ml")
    from numpy_ml.neural_nets import layers

    for whole in (layers.RNN, layers.LSTM):
        with pytest.raises(AttributeError, match="gradients"):
            whole(2)
    one, two = (of_one_layer({"kind": "attention", "heads": heads}, (3, 4)) for heads in (1, 2))
    assert worst(subject, one) < 1e-9
    with pytest.raises(ValueError, match="mismatch"):
        subject.engine(two)
    pool = {"kind": "pool2d", "function": "max", "window": [2, 2], "stride": [2, 2]}
    assert worst(subject, of_one_layer(pool, (2, 4, 4))) < 1e-9
    with pytest.raises(ValueError, match="zero-size array"):
        subject.engine(of_one_layer({**pool, "padding": [1, 1]}, (2, 4, 4)))
