"""The generated cases: inside the claims, whatever hides a mistake is reached, all of them clear and finite."""

import random
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from backproof.judging.plan import drawn
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.exact import certified, exact_case, on_kink
from backproof.properties.slopes import conventions, kinds_of
from backproof.properties.strategies import (
    TARGETS,
    Style,
    build,
    cases,
    chain,
    exact_cases,
    networks,
)
from backproof.properties.tolerance import spread
from backproof.reference import Case, LayerSpec, LossSpec, Network, evaluate, forward, infer, parse
from backproof.reference.backprop import loss as loss_of
from backproof.reference.wiring import wired
from hypothesis import HealthCheck, Phase, given, settings
from wrong_engines import drawn_cases, inside

FEW = settings(max_examples=25, database=None, deadline=None, derandomize=True, phases=(Phase.generate,),
               suppress_health_check=tuple(HealthCheck))
CLASSIFIER = Head("softmax", "cross_entropy", reduction="mean_over_batch", targets="one_hot", outputs=(3, None))
LEAKY = {"function": "leaky_relu", "slope": 0.2}
CLAIMED = {
    "nothing": Claims(),
    "everything": EVERYTHING,
    "batch 4 to 8": Claims(hidden=("tanh",), batch=(4, 8)),
    "batch 7": Claims(hidden=("tanh",), batch=(7, 7)),
    "batch 100 and more": Claims(batch=(100, None)),
    "one hidden activation": Claims(hidden=("relu", "tanh", "sigmoid", LEAKY), same_hidden=True, depth=(2, 6)),
    "no bias": Claims(hidden=("relu", "gelu"), bias="never"),
    "any bias": Claims(hidden=("sigmoid",), bias="any"),
    "three classes or more": Claims(hidden=("relu",), heads=(CLASSIFIER,)),
    "two classes": Claims(heads=(Head("identity", "softmax_cross_entropy", targets="index", outputs=(2, 2)),)),
    "a library's twins": Claims(hidden=("tanh",),
                                heads=(CLASSIFIER, Head("sigmoid", "binary_cross_entropy", outputs=(1, 1)))),
    "20 parameters": Claims(hidden=("tanh",), max_parameters=20),
    "7 parameters, depth 2": Claims(hidden=("tanh",), max_parameters=7, depth=(2, 3)),
    "single precision": Claims(hidden=("tanh",), dtypes=("float32",)),
    "depth 2": Claims(hidden=("silu",), depth=(2, 2)),
    "depth 7": Claims(hidden=("silu",), depth=(7, 7)),
    "depth 11 and more": Claims(hidden=("relu",), depth=(11, None)),
    "binary": Claims(heads=(Head("sigmoid", "squared_error", targets="binary", scale=0.5, reduction="mean"),)),
    "a kink in the loss, no bias": Claims(hidden=("relu",), heads=(Head("relu", "absolute_error"),), bias="never"),
}


@pytest.mark.parametrize("claims", CLAIMED.values(), ids=CLAIMED)
def test_cases_stay_inside_the_claims(claims):
    @FEW
    @given(cases(claims))
    def check(case):
        assert inside(case, claims)
        assert {k: v.shape for k, v in case.parameters.items()} == infer(case.network).parameters
        assert parse.case(case.to_json()).id == case.id

    check()


@pytest.mark.parametrize("claims", CLAIMED.values(), ids=CLAIMED)
def test_exact_cases_stay_inside_the_claims(claims):
    for case in drawn_cases(exact_cases(claims), 1, 20):
        assert case is None or inside(case, claims)


def test_networks_are_drawn_without_values():
    @FEW
    @given(networks(CLAIMED["depth 2"]))
    def check(network):
        assert isinstance(network, Network)
        assert network.depth == 2

    check()


def test_a_given_network_and_dtype_are_kept():
    tanh = LayerSpec("activation", {"function": "tanh"})
    network = chain([2, 3, 1], [True, False], [tanh], Head("sigmoid", "binary_cross_entropy"))
    for case in drawn_cases(cases(network=network, dtype="float32"), 0, 30):
        assert case.network == network
        assert case.dtype == "float32"


# --- what is reached ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    """The cases of a default run."""
    return drawn_cases(cases(EVERYTHING), 0, 300)


def sizes(case):
    return case.network.sizes


def biases(case):
    return [v for k, v in case.parameters.items() if k.endswith("bias")]


def depth(case):
    return case.network.depth


def saturated(case):
    """Some sigmoid or tanh within 1e-3 of the end of its range."""
    return any(np.abs(step.saved[0]).max() > 7 for step in forward(case).tape
               if step.scope.options.get("function") in ("sigmoid", "tanh"))


def targets_are(kind):
    def reached(case):
        t = case.targets
        whole = t.ndim == 2 and np.isin(t, (0, 1)).all()
        return {
            "index": t.ndim == 1,
            "one_hot": whole and t.shape[1] > 1 and (t.sum(axis=1) == 1).all(),
            "soft": t.ndim == 2 and not whole and t.shape[1] > 1 and np.allclose(t.sum(axis=1), 1) and (t >= 0).all(),
            "binary": whole and (t.sum(axis=1) != 1).any(),
            "real": t.ndim == 2 and (t < 0).any(),
            "sign": t.ndim == 2 and np.isin(t, (-1, 1)).all(),
        }[kind]
    return reached


def scales(case):
    largest = [np.abs(v).max() for k, v in case.parameters.items() if k.endswith("weight")]
    return max(largest) > 16 * min(largest)


REACHED = {  # at least so many of 300
    "batch 1": (lambda c: c.batch == 1, 15), "batch 2 and more": (lambda c: c.batch > 1, 100),
    "batch equal to a layer's units": (lambda c: c.batch > 1 and c.batch in sizes(c)[1:], 30),
    "batch equal to no layer's units": (lambda c: c.batch > 1 and c.batch not in sizes(c), 30),
    "batch equal to the inputs": (lambda c: c.batch == sizes(c)[0] > 1, 10),
    "square": (lambda c: any(n == m > 1 for n, m in zip(sizes(c), sizes(c)[1:], strict=False)), 40),
    "not square": (lambda c: any(n != m for n, m in zip(sizes(c), sizes(c)[1:], strict=False)), 100),
    "one unit": (lambda c: 1 in sizes(c)[1:-1], 15), "one output": (lambda c: sizes(c)[-1] == 1, 10),
    "one input": (lambda c: sizes(c)[0] == 1, 10), "several outputs": (lambda c: sizes(c)[-1] > 2, 50),
    "depth 1": (lambda c: depth(c) == 1, 10), "depth 12": (lambda c: depth(c) == 12, 5),
    "biases of zero": (lambda c: biases(c) and not any(b.any() for b in biases(c)), 10),
    "equal biases": (lambda c: any(len(b) > 1 and b.any() and (b == b[0]).all() for b in biases(c)), 10),
    "biases of their own": (lambda c: any(len(np.unique(b)) > 2 for b in biases(c)), 50),
    "no bias in one layer": (lambda c: 0 < len(biases(c)) < depth(c), 20),
    "no bias at all": (lambda c: not biases(c), 5),
    **{f"{kind} targets": (targets_are(kind), 10) for kind in TARGETS},
    "saturated": (saturated, 15),
    "repeated rows": (lambda c: c.batch > 1 and len(np.unique(c.inputs, axis=0)) < c.batch, 10),
    "a zero column": (lambda c: sizes(c)[0] > 1 and not c.inputs[:, -1].any() and c.inputs.any(), 10),
    "very different scales": (scales, 20),
    "float32": (lambda c: c.dtype == "float32", 80), "float64": (lambda c: c.dtype == "float64", 80),
}


@pytest.mark.parametrize("name", REACHED)
def test_what_hides_mistakes_is_reached(many, name):
    reached, least = REACHED[name]
    assert sum(bool(reached(case)) for case in many) >= least


def test_hardly_a_case_comes_twice(many):
    assert len({case.id for case in many}) > 0.8 * len(many)


def test_every_activation_loss_and_head_is_reached(many):
    assert {name for case in many for name in case.network.hidden} == set(EVERYTHING.hidden)
    assert {case.network.loss.kind for case in many} == {h.loss for h in EVERYTHING.heads}
    assert {case.network.head[0] for case in many} == {h.activation for h in EVERYTHING.heads}
    pairs = {(h.activation, h.loss) for h in EVERYTHING.heads}
    drawn_pairs = {case.network.head for case in many}
    assert drawn_pairs <= pairs
    assert len(drawn_pairs) > 0.75 * len(pairs)


def test_all_are_finite_and_clear_of_kinks(many):
    for case in many:
        s = spread(case)
        assert s.finite
        assert not s.unclear
        answer = evaluate(case)
        assert all(np.isfinite(g).all() for g in (answer.loss, *answer.gradients.values()))


STUBBORN = {  # every unit sits exactly on its kink unless something is done about it
    "zero biases, small": Style(bias="zero", inputs="small", gain=0.5),
    "zero column": Style(bias="zero", inputs="zero column"),
    "saturating": Style(inputs="saturating", gain=4.0, scales="different"),
    "repeated": Style(bias="zero", inputs="repeated rows"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("style", STUBBORN.values(), ids=STUBBORN)
@pytest.mark.parametrize(("output", "loss"), [("relu", "absolute_error"), ("sigmoid", "absolute_error"),
                                              ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")])
def test_stubborn_cases_are_mended(output, loss, style, dtype):
    head = Head(output, loss)
    relu = LayerSpec("activation", {"function": "relu"})
    for seed in range(3):
        for hidden in (1, 5):
            network = chain([3, *[4] * hidden, 2], [False] * (hidden + 1), [relu] * hidden, head)
            s = spread(build(network, 3, head.target_kinds[0], style, seed, dtype))
            assert s.finite
            assert not s.unclear


# --- the same every time, nothing touched ---------------------------------------------------------------------


def test_the_same_seed_draws_the_same_cases():
    first = [case.id for case in drawn_cases(cases(), 5, 60)]
    assert [case.id for case in drawn_cases(cases(), 5, 60)] == first
    assert len(set(first)) > 50
    others = {case.id for start in (6, 7) for case in drawn_cases(cases(), start, 60)}
    assert len(others & set(first)) < 10  # the simplest case of all starts every chunk


def test_a_build_is_the_same_every_time():
    network = CLAIMED["depth 2"]
    one, = drawn_cases(networks(network), 1, 1)
    assert build(one, 3, "real", Style(), 9).id == build(one, 3, "real", Style(), 9).id
    assert build(one, 3, "real", Style(), 9).id != build(one, 3, "real", Style(), 10).id


def test_drawing_leaves_hypothesis_and_random_states_alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings.register_profile("mine", max_examples=7, database=None)
    before = settings.get_current_profile_name() if hasattr(settings, "get_current_profile_name") else None
    states = random.getstate(), np.random.get_state()[1].tobytes(), settings().max_examples
    source = drawn(cases(), 3)
    for _ in range(60):
        next(source)
        random.random()
        np.random.random()
    random.setstate(states[0])
    assert settings().max_examples == states[2]
    if before is not None:
        assert settings.get_current_profile_name() == before
    assert hypothesis.settings.get_profile("mine").max_examples == 7
    assert list(Path(tmp_path).rglob("*")) == []


def test_random_numbers_of_the_caller_go_on_as_they_would():
    random.seed(1)
    np.random.seed(1)
    wanted = [random.random() for _ in range(4)], np.random.random(4).tolist()
    random.seed(1)
    np.random.seed(1)
    found = [], []
    source = drawn(cases(), 3)
    for _ in range(4):
        next(source)
        found[0].append(random.random())
        found[1].append(float(np.random.random()))
    assert found == wanted


# --- exact integers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def integers():
    return [case for case in drawn_cases(exact_cases(EVERYTHING), 4, 200) if case is not None]


def reordered(case, rng):
    """The case with examples, inputs and hidden units in another order, and what puts an answer back."""
    chosen = wired(case.network).places
    orders = [rng.permutation(case.inputs.shape[1])]
    examples, parameters = rng.permutation(case.batch), {}
    for level in chosen:
        w = case.parameters[level.weight]
        orders.append(rng.permutation(w.shape[1]) if level is not chosen[-1] else np.arange(w.shape[1]))
        parameters[level.weight] = w[orders[-2]][:, orders[-1]]
        if level.bias:
            parameters[level.bias] = case.parameters[level.bias][orders[-1]]
    back = [np.argsort(order) for order in orders]

    def restored(gradients):
        found = {"inputs": gradients["inputs"][np.argsort(examples)][:, back[0]]}
        for i, level in enumerate(chosen):
            found[level.weight] = gradients[level.weight][back[i]][:, back[i + 1]]
            if level.bias:
                found[level.bias] = gradients[level.bias][back[i + 1]]
        return found

    inputs = case.inputs[examples][:, orders[0]]
    return case.but(parameters=parameters, inputs=inputs, targets=case.targets[examples]), restored


def test_exact_cases_are_exact_in_any_order(integers):
    """float32 with every sum in another order, and float64: the same bits."""
    rng = np.random.default_rng(0)
    assert len(integers) > 60
    for case in integers:
        wide = evaluate(case.astype("float64"))
        narrow = case.map(lambda a: a.astype("float32"), "float32")
        for _ in range(2):
            changed, restored = reordered(narrow, rng)
            answer = evaluate(changed)
            assert all(g.dtype == np.float32 for g in answer.gradients.values())
            for name, g in restored(answer.gradients).items():
                assert np.array_equal(g, wide.gradients[name])
            assert answer.loss == wide.loss


def test_exact_cases_reach_kinks_and_every_loss_of_exact_arithmetic(integers):
    assert all(certified(case) for case in integers)
    assert sum(on_kink(case) for case in integers) > 20
    assert sum(not on_kink(case) for case in integers) > 20
    assert {case.network.loss.kind for case in integers} == {
        "squared_error", "absolute_error", "inner_product", "huber", "hinge", "squared_hinge"}
    assert sum(case.batch > 1 for case in integers) > 20
    assert sum(depth(case) > 2 for case in integers) > 10
    chosen = [len(list(conventions(kinds_of(case.network)))) for case in integers]
    assert {1, 3} <= set(chosen)


def test_what_is_not_exact_is_not_certified():
    """One million times one million, sixteen times: float32 cannot hold the sums."""
    network = Network((4,), (LayerSpec("dense", {"units": 4, "bias": False}),), LossSpec("squared_error", "sum", 1.0))
    def case(top):
        rng = np.random.default_rng(0)
        arrays = [rng.integers(-top, top + 1, shape).astype("float32") for shape in ((4, 4), (4, 4), (4, 4))]
        return Case(network, {"0.weight": arrays[0]}, arrays[1], arrays[2], "float32")

    assert certified(case(3))
    assert not certified(case(1000))
    big = case(1000)
    narrow, wide = evaluate(big), evaluate(big.astype("float64"))
    assert any((narrow.gradients[k] != wide.gradients[k]).any() for k in wide.gradients)


@pytest.mark.parametrize(("reduction", "batch", "outputs", "wanted"), [
    ("sum", 3, 3, True), ("mean_over_batch", 4, 3, True), ("mean_over_batch", 3, 2, False), ("mean", 4, 2, True),
    ("mean", 4, 3, False)])
def test_only_counts_that_divide_exactly(reduction, batch, outputs, wanted):
    network = chain([2, outputs], [True], [], Head("identity", "squared_error", reduction))
    assert (exact_case(network, batch, "real", 0, "float32") is not None) == wanted


def test_the_loss_of_an_exact_case_is_exact(integers):
    for case in integers[:40]:
        wide = case.astype("float64")
        assert float(evaluate(case).loss) == loss_of(wide, forward(wide))
