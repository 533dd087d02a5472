"""The ready-made subjects: each answers as the reference does, inside its claims; scikit-learn's regressor does not."""

import random
import subprocess
import sys

import numpy as np
import pytest
from backproof.plug.contract import Declined
from backproof.plug.subject import subject_of
from backproof.plug.subjects import SUBJECTS, Row, load
from backproof.properties.claims import activation
from backproof.reference import (
    Case,
    DescriptionError,
    LayerSpec,
    Network,
    evaluate,
    infer,
)

TARGETS = {
    "real": lambda rng, n, m: rng.normal(size=(n, m)),
    "one_hot": lambda rng, n, m: np.eye(m)[rng.integers(0, m, n)],
    "soft": lambda rng, n, m: rng.dirichlet(np.ones(m), n),
    "binary": lambda rng, n, m: rng.integers(0, 2, (n, m)),
    "index": lambda rng, n, m: rng.integers(0, m, n),
    "sign": lambda rng, n, m: rng.choice((-1.0, 1.0), (n, m)),
}


def a_network(claims, head, hidden, sizes):
    bias = {"bias": claims.bias != "never"}
    layers = [LayerSpec("dense", {"units": sizes[1], **bias})]
    for units in sizes[2:]:
        layers += [activation(hidden), LayerSpec("dense", {"units": units, **bias})]
    if head.activation != "identity":
        layers.append(activation(head.activation))
    return Network((sizes[0],), tuple(layers), claims.loss_of(head))


def a_case(net, kind, batch, dtype, seed):
    """Small numbers: saturation has its own tests."""
    rng = np.random.default_rng(seed)
    targets = TARGETS[kind](rng, batch, net.sizes[-1])
    parameters = {name: (0.5 * rng.normal(size=shape)).astype(dtype) for name, shape in infer(net).parameters.items()}
    inputs = rng.normal(size=(batch, net.sizes[0])).astype(dtype)
    constants = {name: rng.normal(size=(batch, *shape)).astype(dtype) for name, shape in infer(net).masks.items()}
    return Case(net, parameters, inputs, targets if kind == "index" else targets.astype(dtype), dtype, constants)


def cases(claims):
    """One or more for every hidden activation, head, kind of target and dtype; depth 1 to 3, batch 1 to 4."""
    for i, hidden in enumerate(claims.hidden):
        for j, head in enumerate(claims.heads):
            outputs = max(head.outputs[0], min(2 + (i + j) % 2, head.outputs[1] or 3))
            sizes = [2 + j % 2, *[3, 2][:(i + j) % 3], outputs]
            for k, kind in enumerate(head.target_kinds):
                net = a_network(claims, head, hidden, sizes)
                dtype = claims.dtypes[(i + k) % len(claims.dtypes)]
                yield a_case(net, kind, 1 + (i + j + k) % 4, dtype, seed=i + 100 * j)


def distance(got, wanted):
    return np.max(np.abs(got - wanted)) / max(np.max(np.abs(wanted)), 1e-3)


BOUND = {"float64": 1e-10, "float32": 1e-3}


# The first is not the gradient of its loss; the others are in test_library_subjects.py.
APART = ("scikit-learn-regressor", "equinox", "keras", "numpy-ml")


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in APART])
def test_subjects_answer_as_the_reference(name):
    pytest.importorskip((SUBJECTS[name].needs or ("numpy",))[0])
    subject, seen = load(name), set()
    for case in cases(subject.claims):
        got, wanted = subject.engine(case), evaluate(case.astype("float64"))
        assert distance(got.loss, wanted.loss) < BOUND[case.dtype], case.network.to_json()
        for key, gradient in got.gradients.items():
            assert gradient.dtype == case.dtype
            assert distance(gradient, wanted.gradients[key]) < BOUND[case.dtype], (key, case.network.to_json())
        seen |= {case.dtype, case.network.loss.reduction, *case.network.hidden}
    assert seen >= {*subject.claims.dtypes, *subject.claims.hidden}


def test_the_regressor_is_outputs_times_the_gradient_of_its_own_loss():
    pytest.importorskip("sklearn")
    subject = load("scikit-learn-regressor")
    for case in cases(subject.claims):
        got, wanted, outputs = subject.engine(case), evaluate(case.astype("float64")), case.network.sizes[-1]
        assert distance(got.loss, wanted.loss) < BOUND[case.dtype]
        for key in case.parameters:
            assert distance(got.gradients[key], outputs * wanted.gradients[key]) < BOUND[case.dtype]


def test_the_classifiers_loss_is_clipped_and_its_gradient_is_not():
    pytest.importorskip("sklearn")
    subject = load("scikit-learn-classifier")
    net = a_network(subject.claims, subject.claims.heads[1], "tanh", [1, 1])
    case = Case(net, {"0.weight": np.array([[80.0]]), "0.bias": np.zeros(1)}, np.array([[-1.0]]), np.array([[1.0]]))
    answer = subject.engine(case)
    assert answer.loss == pytest.approx(-np.log(np.finfo(float).eps))
    assert evaluate(case).loss == pytest.approx(80.0)
    assert answer.gradients["0.bias"] == pytest.approx(-1.0)


def test_scikit_learn_has_one_activation_a_network():
    pytest.importorskip("sklearn")
    subject = load("scikit-learn-classifier")
    net = a_network(subject.claims, subject.claims.heads[1], "tanh", [1, 2, 2, 1])
    mixed = Network(net.input_shape, (*net.layers[:3], activation("relu"), *net.layers[4:]), net.loss)
    with pytest.raises(Declined, match="one hidden activation"):
        subject.engine(a_case(mixed, "binary", 2, "float64", 0))


def test_micrograd_leaves_the_random_state_and_fits_the_stack():
    pytest.importorskip("micrograd")
    subject, state = load("micrograd"), random.getstate()
    for sizes in ([1, 30], [58, 1], [1] * 13, [7, 7]):
        case = a_case(a_network(subject.claims, subject.claims.heads[0], "relu", sizes), "real", 4, "float64", 1)
        assert sum(p.size for p in case.parameters.values()) <= subject.claims.max_parameters
        subject.engine(case)
    assert random.getstate() == state


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_known_about_a_subject(name):
    if SUBJECTS[name].missing:
        pytest.skip(f"needs {SUBJECTS[name].missing}")
    subject = load(name)
    assert (subject.name, subject_of(subject).claims.explored) == (name, False)
    assert subject.fresh is not None
    assert subject.source.rpartition(":")[0].endswith(".py")
    assert subject.claims.from_json(subject.claims.to_json()) == subject.claims


def test_what_witnesses_are_ruled_out():
    pytest.importorskip("torch")
    assert load("torch").made_of == {"torch"}
    assert load("reference").made_of == {"reference"}


def test_unknown_and_absent_subjects_are_named(monkeypatch):
    with pytest.raises(DescriptionError, match="unknown 'sklearn'; allowed: reference, scikit-learn-classifier"):
        load("sklearn")
    monkeypatch.setitem(SUBJECTS, "absent", Row("absent", ("no_such_package",), "subjects", ""))
    with pytest.raises(DescriptionError, match=r"needs no_such_package: pip install 'backproof\[subjects\]'"):
        load("absent")


def test_each_subject_imports_its_own_library_only():
    code = "import sys; from backproof.plug.subjects import load; load('reference'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    libraries = {package for row in SUBJECTS.values() for package in row.needs}
    assert not libraries & set(loaded)
