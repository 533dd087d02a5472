"""The reducer: what it reaches, that it stays inside the claims, that it always does the same, and that it ends."""

import time
from itertools import pairwise

import numpy as np
import pytest
from backproof.naming.reduce import KINDS, bits, reduce, size
from backproof.properties.claims import Claims, Head, activation
from backproof.properties.exact import certified, exact_case
from backproof.properties.membership import covers
from backproof.properties.strategies import Style, build, chain
from backproof.properties.tolerance import spread
from backproof.reference import ACTIVATIONS, LOSSES, Case, evaluate, infer, parse

SMOOTH = Claims(hidden=("sigmoid", "relu", "tanh", "identity"), depth=(1, 12))
CLASSES = (3, 6, 5)


def a_case(sizes=(5, 4, 6, 3), batch=5, hidden="tanh", head=None, targets="real", seed=1, dtype="float64"):
    """A chain of these sizes with values drawn from the seed."""
    head, functions = head or Head("identity", "squared_error"), [hidden] * (len(sizes) - 2)
    network = chain(list(sizes), [True] * (len(sizes) - 1), [activation(name) for name in functions], head)
    return build(network, batch, targets, Style(), seed, dtype)


def changed(fault):
    """Fails where the fault, a function of the case and its right gradients, changes a gradient."""
    def fails(case):
        right = evaluate(case).gradients
        wrong = {**right, **fault(case, right)}
        return any(np.abs(wrong[k] - right[k]).max() > 1e-6 * np.abs(right[k]).max() for k in right)
    return fails


def biases(gradients):
    return {k: g for k, g in gradients.items() if k.endswith("bias")}


@changed
def averaged_bias(case, g):
    return {k: v / case.batch for k, v in biases(g).items()}


@changed
def output_factor(case, g):
    return {k: v / case.network.sizes[-1] for k, v in g.items()}


@changed
def second_layer(case, g):
    return {"2.weight": 2 * g["2.weight"]} if "2.weight" in g else {}


@changed
def first_layer_of_two(case, g):
    return {"0.weight": 1.5 * g["0.weight"]} if len(biases(g)) > 1 else {}


@changed
def batch_as_wide_as_first_layer(case, g):
    return {"0.bias": g["0.bias"] * 2} if case.batch == case.network.sizes[1] else {}


@changed
def equal_biases(case, g):
    found = {k: case.parameters[k] for k in biases(g)}
    return {k: g[k] + 1 for k, v in found.items() if len(np.unique(v)) < len(v)}


@changed
def large_entry(case, g):
    return {"inputs": g["inputs"] * 2} if np.abs(case.parameters["0.weight"]).max() > 0.3 else {}


@changed
def slope_of_tanh(case, g):
    return {"0.weight": g["0.weight"] * 3} if "tanh" in case.network.hidden else {}


@changed
def everywhere(case, g):
    return {k: 2 * v for k, v in g.items()}


def reduced(case, fails, claims=SMOOTH, **options):
    """The reduced case, checked for everything that must hold of any."""
    accepted, asked = [], []

    def noted(candidate):
        asked.append(candidate)
        if not fails(candidate):
            return False
        accepted.append(size(candidate))
        return True

    result = reduce(case, noted, claims, **options)
    assert len(asked) < 1500
    assert all(later < earlier for earlier, later in pairwise(accepted)), "each accepted case is smaller"
    assert fails(result)
    assert size(result) == accepted[-1]
    assert covers(claims, result)
    assert parse.case(result.to_json()).id == result.id
    if "valid" not in options:
        assert spread(result).finite
        assert not spread(result).unclear
    return result


def shape(case):
    return case.batch, case.network.sizes


@pytest.mark.parametrize(("fails", "batch", "sizes"), [
    (everywhere, 1, [1, 1]),
    (averaged_bias, 2, [1, 1]),
    (output_factor, 1, [1, 2]),
    (second_layer, 1, [1, 1, 1]),
    (first_layer_of_two, 1, [1, 1, 1]),
    (large_entry, 1, [1, 1]),
])
@pytest.mark.parametrize("seed", range(4))
def test_smallest(fails, batch, sizes, seed):
    result = reduced(a_case(seed=seed), fails)
    assert shape(result) == (batch, sizes)
    entries = [v for a in (*result.parameters.values(), result.inputs, result.targets) for v in a.flat]
    assert {float(v) for v in entries} <= {0.0, 1.0, -1.0}


@pytest.mark.parametrize("depth", [6, 12])
def test_deep_and_wide(depth):
    assert shape(reduced(a_case((8,) * (depth + 1), 8), averaged_bias)) == (2, [1, 1])
    assert len(reduced(a_case((8,) * (depth + 1), 8), second_layer).network.sizes) == 3


def test_equal_extents_fall_together():
    square = a_case((5, 4, 4, 3), batch=4)
    assert shape(reduced(square, batch_as_wide_as_first_layer)) == (1, [1, 1])
    claims = Claims(hidden=("tanh",), batch=(2, None))
    assert shape(reduced(square, batch_as_wide_as_first_layer, claims)) == (2, [1, 2])


def test_three_equal_extents():
    fails = changed(lambda case, g: everywhere_if(len({case.batch, *case.network.sizes}) == 1, g))
    assert shape(reduced(a_case((4, 4, 4), batch=4), fails, Claims(hidden=("tanh",), batch=(2, 8)))) == (2, [2, 2])


def everywhere_if(holds, gradients):
    return {k: 2 * v for k, v in gradients.items()} if holds else {}


def test_equal_biases():
    case = a_case()
    case = case.but(parameters={"2.bias": np.full(6, 0.37)})
    result = reduced(case, equal_biases)
    assert shape(result) == (1, [1, 2])
    assert result.parameters["0.bias"].tolist() == [0, 0]


def test_short_dyadics():
    fails = changed(lambda case, g: everywhere_if(0.3 < np.abs(case.parameters["0.weight"]).max() < 0.9, g))
    case = a_case((3, 2))
    result = reduced(case.but(parameters={"0.weight": np.full((3, 2), 0.4321)}), fails)
    assert result.parameters["0.weight"].tolist() == [[0.5]]


def test_an_entry_no_rounding_serves_keeps_its_digits():
    fails = changed(lambda case, g: everywhere_if((np.abs(case.inputs - 1 / 3) < 1e-12).any(), g))
    case = a_case((3, 2))
    result = reduced(case.but(inputs=np.where(np.arange(3) == 1, 1 / 3, case.inputs)), fails)
    assert result.inputs.tolist() == [[1 / 3]]
    assert {*result.parameters["0.weight"].flat, *result.parameters["0.bias"], *result.targets.flat} <= {0.0, 1.0, -1.0}


@pytest.mark.parametrize("same", [False, True])
def test_activations(same):
    claims = Claims(hidden=("sigmoid", "relu", "tanh", "identity"), depth=(4, 4), same_hidden=same)
    result = reduced(a_case((3, 2, 2, 2, 1)), everywhere, claims)
    assert result.network.hidden == ["identity"] * 3
    kept = reduced(a_case((3, 2, 2, 2, 1)), slope_of_tanh, claims).network.hidden
    assert kept == ["tanh"] * 3 if same else sorted(kept) == ["identity", "identity", "tanh"]


def test_activations_stay_among_the_claimed():
    result = reduced(a_case((3, 2, 1), hidden="tanh"), everywhere, Claims(hidden=("sigmoid", "tanh"), depth=(2, 3)))
    assert result.network.hidden == ["sigmoid"]
    sloped = Claims(hidden=({"function": "leaky_relu", "slope": 0.25},), depth=(2, 2))
    leaky = chain([3, 2, 1], [True, True], [activation(sloped.hidden[0])], sloped.heads[0])
    assert reduced(build(leaky, 3, "real", Style(), 1), everywhere, sloped).network.layers[1].options["slope"] == 0.25


def test_ranges():
    assert shape(reduced(a_case(batch=8), everywhere, Claims(hidden=("tanh",), batch=(4, 8)))) == (4, [1, 1])
    assert shape(reduced(a_case(batch=7), everywhere, Claims(hidden=("tanh",), batch=(6, 8)))) == (6, [1, 1])
    assert shape(reduced(a_case((5, 4, 3)), everywhere, Claims(hidden=("tanh",), depth=(2, 2)))) == (1, [1, 1, 1])
    several = Claims(hidden=("tanh",), heads=(Head("identity", "squared_error", outputs=(3, None)),))
    assert shape(reduced(a_case((5, 4, 7)), everywhere, several)) == (1, [1, 3])


def test_max_parameters():
    narrow = a_case((6, 1, 6))
    claims = Claims(hidden=("tanh",), max_parameters=25)
    seen = []

    def noting(case):
        seen.append(sum(v.size for v in case.parameters.values()))
        return everywhere(case)

    assert shape(reduced(narrow, noting, claims)) == (1, [1, 1])
    assert max(seen) <= 25


@pytest.mark.parametrize("head", [Head("softmax", "cross_entropy"), Head("identity", "softmax_cross_entropy")])
@pytest.mark.parametrize("kind", ["one_hot", "soft", "index"])
@pytest.mark.parametrize("low", [1, 3])
def test_classes(head, kind, low):
    head = Head(head.activation, head.loss, targets=kind, outputs=(low, None))
    claims = Claims(hidden=("tanh",), heads=(head,), batch=(2, None))
    start = a_case((4, *CLASSES), batch=5, head=head, targets=kind)
    result = reduced(start, everywhere, claims)
    assert shape(result) == (2, [1, max(low, 2)])
    if kind == "index":
        assert result.targets.dtype == np.int64
        assert result.targets.max() < max(low, 2)
    else:
        assert result.targets.sum(axis=1).tolist() == [1.0, 1.0]
        assert (result.targets >= 0).all()
    assert kind != "one_hot" or set(result.targets.flat) == {0.0, 1.0}


def test_a_soft_row_that_must_stay_soft_becomes_short():
    head = Head("softmax", "cross_entropy", targets="soft")
    fails = changed(lambda case, g: {"0.bias": g["0.bias"] + ((case.targets > 0.1) & (case.targets < 0.9)).any()})
    start = a_case((4, 3, 3), head=head, targets="soft")
    result = reduced(start, fails, Claims(hidden=("tanh",), heads=(head,)))
    assert result.targets.tolist() == [[0.5, 0.5]]


def test_a_single_forced_class_is_left_as_it_is():
    head = Head("softmax", "squared_error", targets="one_hot", outputs=(1, 1))
    start = a_case((4, 3, 1), head=head, targets="one_hot")
    fails = changed(lambda case, g: {"inputs": g["inputs"] + 1})
    assert shape(reduced(start, fails, Claims(hidden=("tanh",), heads=(head,)))) == (1, [1, 1])


def test_binary_targets():
    head = Head("sigmoid", "binary_cross_entropy", targets="binary")
    claims = Claims(hidden=("tanh",), heads=(head,))
    result = reduced(a_case((4, 3, 3), head=head, targets="binary"), everywhere, claims)
    assert set(result.targets.flat) <= {0.0, 1.0}


@pytest.mark.parametrize(("hidden", "loss"), [
    *((name, "squared_error") for name, row in ACTIVATIONS.items() if row.df is not None),
    *((hidden, name) for hidden in ("tanh", "relu") for name, row in LOSSES.items()
      if "cross" not in name and row.domain == (-np.inf, np.inf))])
def test_every_activation_and_loss(hidden, loss):
    claims = Claims(hidden=(hidden,), heads=(Head("identity", loss),), depth=(2, None))
    start = a_case((4, 3, 3, 2), hidden=hidden, head=claims.heads[0], targets=LOSSES[loss].targets[0])
    result = reduced(start, everywhere, claims)
    assert shape(result) == (1, [1, 1, 1])


def test_without_biases_in_float32():
    claims = Claims(hidden=("tanh",), bias="never", dtypes=("float32",), depth=(2, None))
    net = chain([4, 3, 3, 2], [False] * 3, [activation("tanh")] * 2, claims.heads[0])
    result = reduced(build(net, 3, "real", Style(), 5, "float32"), everywhere, claims)
    assert shape(result) == (1, [1, 1, 1])
    assert {v.dtype for v in (*result.parameters.values(), result.inputs, result.targets)} == {np.dtype("float32")}
    assert list(result.parameters) == ["0.weight", "2.weight"]


def test_exact_cases_stay_exact():
    claims = Claims(hidden=("relu", "identity"), depth=(2, 4))
    net = chain([4, 3, 3, 2], [True] * 3, [activation("relu")] * 2, claims.heads[0])
    case = exact_case(net, 4, "real", 3, "float64")

    def on_a_kink(candidate):
        first = candidate.inputs @ candidate.parameters["0.weight"] + candidate.parameters["0.bias"]
        return "relu" in candidate.network.hidden and bool((first == 0).any())

    case = case.but(parameters={"0.weight": 0 * case.parameters["0.weight"], "0.bias": 0 * case.parameters["0.bias"]})
    result = reduced(case, on_a_kink, claims, valid=certified)
    assert shape(result) == (1, [1, 1, 1])
    assert spread(result).unclear


@pytest.mark.parametrize("fails", [averaged_bias, second_layer, large_entry])
def test_the_same_twice(fails):
    first, second = (reduce(a_case(seed=9), fails, SMOOTH) for _ in range(2))
    assert first.id == second.id
    assert first.network == second.network


def test_a_case_that_does_not_fail_is_returned_unchanged():
    case = a_case()
    assert reduce(case, lambda c: False, SMOOTH) is case


def test_no_time():
    case = a_case()
    assert reduce(case, everywhere, SMOOTH, seconds=0.0) is case


def test_time_runs_out():
    def slow(case):
        time.sleep(0.02)
        return averaged_bias(case)

    case, start = a_case((8,) * 13, 8), time.monotonic()
    result = reduce(case, slow, SMOOTH, seconds=0.3)
    assert time.monotonic() - start < 2.0
    assert averaged_bias(result)
    assert size(result) < size(case)


def test_exceptions_count_as_no():
    def fragile(case):
        if case.batch < 3:
            raise SystemExit("too small")
        if case.network.sizes[0] < 2:
            raise ZeroDivisionError
        return everywhere(case)

    assert shape(reduce(a_case(), fragile, SMOOTH)) == (3, [2, 1])

    def interrupted(case):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reduce(a_case(), interrupted, SMOOTH)


def test_a_subject_that_scribbles_changes_nothing():
    def scribbling(case):
        found = everywhere(case)
        case.inputs[:] = np.nan
        case.parameters["0.weight"][:] = 7
        return found

    case = a_case()
    before = case.to_json()
    assert reduce(case, scribbling, SMOOTH).id == reduce(case, everywhere, SMOOTH).id
    assert case.to_json() == before


def test_bits():
    assert [bits(v) for v in (0, 1, -1, 2, 0.5, 1.5)] == [1, 2, 2, 3, 3, 4]
    assert bits(1 / 3) > 50
    assert bits(float("nan")) > bits(1e308)


def test_candidates_are_the_same_in_the_same_order():
    from backproof.naming.reduce import Best

    def order():
        return [c.id for kind in KINDS for c in kind(Best(a_case((3, 2, 2))), SMOOTH)]

    assert order() == order()


def test_other_networks_become_smaller_too():
    net = parse.network({
        "format": 1, "input_shape": [2], "layers": [
            {"kind": "parallel", "branches": [[{"kind": "dense", "units": 2, "bias": True}], []], "combine": "add"}],
        "loss": {"kind": "squared_error"}})
    rng = np.random.default_rng(1)
    parameters = {name: rng.standard_normal(size) for name, size in infer(net).parameters.items()}
    case = Case(net, parameters, rng.standard_normal((3, 2)), rng.standard_normal((3, 2)))
    both = Claims(layers=["dense", "parallel"])
    assert shape(reduced(case, everywhere, both)) == (1, [1, 1])

    @changed
    def where_there_are_branches(asked, g):
        inside = any(spec.branches for _, spec in asked.network.walk())
        return {name: 2 * value for name, value in g.items()} if inside else {}

    result = reduced(case, where_there_are_branches, both)
    assert result.batch == 1
    assert [len(spec.branches) for spec in result.network.layers] == [1]
    assert max(bits(v) for v in result.inputs.flat) <= 2


def sequence_case():
    """Three time steps, a layer that is used twice."""
    layers = [{"kind": "dense", "units": 3}, {"kind": "activation", "function": "tanh"},
              {"kind": "dense", "units": 3, "share": "0"}, {"kind": "activation", "function": "tanh"},
              {"kind": "dense", "units": 2}]
    net = parse.network({"format": 1, "input_shape": [3, 3], "layers": layers, "loss": {"kind": "squared_error"}})
    return build(net, 4, "real", Style(), 3)


def test_sequences_and_shared_parameters_are_given_up_where_they_do_not_matter():
    claims = Claims(hidden=("tanh",), layers="all")
    assert shape(reduced(sequence_case(), averaged_bias, claims)) == (2, [1, 1])

    @changed
    def of_several_steps(case, g):
        return everywhere_if(case.inputs.ndim == 3 and case.inputs.shape[1] > 1, g)

    assert reduced(sequence_case(), of_several_steps, claims).inputs.shape == (1, 2, 1)

    @changed
    def where_shared(case, g):
        return everywhere_if(any(spec.share for _, spec in case.network.walk()), g)

    result = reduced(sequence_case(), where_shared, claims)
    assert [spec.share for _, spec in result.network.walk() if spec.share] == ["0"]
    assert result.inputs.shape == (1, 1)


def test_large_and_forced():
    """Nothing of 12 layers and 32 examples may go: the numbers still become short, within the questions allowed."""
    claims = Claims(hidden=("tanh",), depth=(12, 12), batch=(32, 32))
    result = reduced(a_case((8,) * 13, batch=32), averaged_bias, claims, seconds=60.0)
    assert shape(result) == (32, [1] * 13)
