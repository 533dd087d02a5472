"""The functions, losses and layers of `tests/second/tables.py`'s groups: right, told apart from wrong, refused by name."""

import importlib.util
import json
import math
import sys
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from backproof import cli, oracles, verify
from backproof.faults import FAULTS
from backproof.faults.known import dropout, embedding, functions, gated, margins, tied, upstream
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.plug.subject import subject_of
from backproof.properties.claims import Claims, Head, activation
from backproof.properties.exact import compare, on_kink
from backproof.properties.strategies import Style, build, cases, chain, exact_cases
from backproof.properties.strategies.values import cotangents
from backproof.properties.structures import STRUCTURES, structures_of
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
    forward,
    parse,
)
from torch import nn

HERE = Path(__file__).resolve().parent
FILE = HERE / "second" / "tables.py"
module = importlib.util.spec_from_file_location("second_tables", FILE)
sys.modules["second_tables"] = second = importlib.util.module_from_spec(module)
module.loader.exec_module(second)

MODULES = (functions, margins, upstream, dropout, embedding, tied, gated)
NEW = {name: fault for each in MODULES for name, fault in each.FAULTS.items()}
KINDS = ("dropout", "embedding", "tied_embedding", "gated")


def f(name, x, **options):
    spec = activation({"function": name, **options})
    given = {key: value for key, value in spec.options.items() if key != "function"}
    return ACTIVATIONS[name].f(np.asarray(x, dtype=float), **given)


def df(name, x, **options):
    """The derivative, by the row's backward of ones."""
    spec = activation({"function": name, **options})
    given = {key: value for key, value in spec.options.items() if key != "function"}
    x = np.asarray(x, dtype=float)
    return ACTIVATIONS[name].backward(x, ACTIVATIONS[name].f(x, **given), np.ones_like(x), **given)


# --- known answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "x", "y", "options"), [
    ("elu", -1.0, math.exp(-1) - 1, {}), ("elu", 2.0, 2.0, {}), ("elu", -1.0, 0.5 * math.exp(-1) - 0.5, {"alpha": 0.5}),
    ("selu", -1e3, -1.7580993408473766, {}), ("selu", 1.0, 1.0507009873554805, {}),  # the paper's fixed point
    ("mish", 1.0, math.tanh(math.log(1 + math.e)), {}), ("mish", -20.0, -20 * math.exp(-20), {}),
    ("softsign", -2.0, -2 / 3, {}), ("hard_tanh", 1.5, 1.0, {}), ("hard_tanh", -0.5, -0.5, {}),
    ("hard_sigmoid", 1.0, 2 / 3, {}), ("hard_sigmoid", 1.0, 0.7, {"slope": 0.2}), ("hard_sigmoid", -3.5, 0.0, {}),
    ("relu6", 7.0, 6.0, {}), ("relu6", -1.0, 0.0, {}), ("abs", -3.0, 3.0, {}),
])
def test_values(name, x, y, options):
    assert f(name, x, **options) == pytest.approx(y, rel=1e-8 if name == "mish" else 1e-14)


X = np.concatenate([np.linspace(-9, 9, 37) + 0.01, [-1e-9, 1e-9, 40.0, -40.0]])


@pytest.mark.parametrize(("name", "module", "options"), [
    ("elu", nn.ELU(), {}), ("elu", nn.ELU(0.3), {"alpha": 0.3}), ("selu", nn.SELU(), {}), ("mish", nn.Mish(), {}),
    ("softsign", nn.Softsign(), {}), ("hard_tanh", nn.Hardtanh(), {}), ("relu6", nn.ReLU6(), {}),
    ("log_softmax", nn.LogSoftmax(dim=-1), {}),
])
def test_functions_of_torch(name, module, options):
    x = torch.tensor(X, requires_grad=True)
    y = module(x)
    (dx,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(f(name, X, **options), y.detach(), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(df(name, X, **options), dx, rtol=1e-12, atol=1e-12)


def test_the_derivative_of_the_hard_sigmoid_is_more_exact_than_that_of_torch():
    """PyTorch rounds 1/6 to float32 on the way back, in float64 too: 1e-8 off."""
    x = torch.tensor(X, requires_grad=True)
    (dx,) = torch.autograd.grad(nn.Hardsigmoid()(x).sum(), x)
    mine = df("hard_sigmoid", X)
    assert set(mine) == {0.0, 1 / 6}
    np.testing.assert_allclose(mine, dx, rtol=4e-8)


@pytest.mark.parametrize(("name", "p", "t", "loss", "gradient", "options"), [
    ("huber", [3.0], [0.0], [2.5], [1.0], {"delta": 1.0}), ("huber", [-0.5], [0.0], [0.125], [-0.5], {"delta": 1.0}),
    ("huber", [-3.0], [0.0], [1.375], [-0.5], {"delta": 0.5}),
    ("hinge", [0.25], [1.0], [0.75], [-1.0], {}), ("hinge", [0.25], [-1.0], [1.25], [1.0], {}),
    ("hinge", [2.0], [1.0], [0.0], [0.0], {}), ("squared_hinge", [0.25], [-1.0], [1.5625], [2.5], {}),
    ("kl_divergence", [0.5, 0.5], [1.0, 0.0], math.log(2), [-2.0, 0.0], {}),
    ("kl_divergence", [0.5, 0.5], [0.5, 0.5], 0.0, [-1.0, -1.0], {}),
    ("kl_divergence_of_logs", [math.log(0.25), math.log(0.75)], [1.0, 0.0], [math.log(4), 0.0], [-1.0, 0.0], {}),
])
def test_losses(name, p, t, loss, gradient, options):
    p, t = np.array(p), np.array(t)
    np.testing.assert_allclose(LOSSES[name].L(p, t, **options), loss, rtol=1e-15)
    np.testing.assert_allclose(LOSSES[name].dL(p, t, **options), gradient, rtol=1e-15)


def case_of(network, seed=0, batch=4, targets="real", dtype="float64", **style):
    return build(network, batch, targets, Style(**style), seed, dtype)


def one_layer(head, **more):
    return chain([3, 4], [True], [], Head(*head, **more))


@pytest.mark.parametrize("targets", ["one_hot", "soft", "index"])
@pytest.mark.parametrize("e", [0.1, 0.7])
def test_smoothed_labels_are_those_of_torch(e, targets):
    case = case_of(one_layer(("identity", "softmax_cross_entropy"), reduction="mean", smoothing=e), targets=targets)
    z = torch.tensor(forward(case).outputs, requires_grad=True)
    loss = nn.CrossEntropyLoss(label_smoothing=e)(z, torch.tensor(case.targets))
    (dz,) = torch.autograd.grad(loss, z)
    answer = evaluate(case)
    assert answer.loss == pytest.approx(float(loss.detach()), rel=1e-14)
    np.testing.assert_allclose(answer.gradients["0.bias"], dz.sum(dim=0), rtol=1e-13, atol=1e-14)


def test_the_unreduced_loss_is_that_of_torch_under_its_cotangent():
    case = case_of(one_layer(("identity", "huber"), reduction="weighted"), seed=3)
    z = torch.tensor(forward(case).outputs, requires_grad=True)
    nn.HuberLoss(reduction="none")(z, torch.tensor(case.targets)).backward(torch.tensor(case.constants["loss.cotangent"]))
    np.testing.assert_allclose(evaluate(case).gradients["0.bias"], z.grad.sum(dim=0), rtol=1e-13)


def test_a_cotangent_of_one_entry_is_the_gradient_of_that_example():
    network = one_layer(("identity", "softmax_cross_entropy"), reduction="weighted")
    case = case_of(network, targets="one_hot")
    only = case.but(constants={"loss.cotangent": np.array([0.0, 0.0, 1.0, 0.0])})
    summed = one_layer(("identity", "softmax_cross_entropy"), reduction="sum")
    alone = Case(summed, case.parameters, case.inputs[2:3], case.targets[2:3])
    for name, gradient in evaluate(alone).gradients.items():
        of = evaluate(only).gradients[name]
        np.testing.assert_allclose(of[2:3] if name == "inputs" else of, gradient, rtol=1e-12)


def test_cotangents_are_of_all_kinds():
    drawn_ones = [cotangents(np.random.default_rng(seed), (4, 3)) for seed in range(60)]
    assert any((np.count_nonzero(c) == 1) for c in drawn_ones)
    assert any((c[0] == 0).all() and c.any() for c in drawn_ones)
    assert {math.floor(math.log10(np.abs(c).max() + 1e-9) / 3) for c in drawn_ones} >= {-2, 0, 1}


WORDS = Network((3,), (LayerSpec("embedding", {"units": 2, "padding_index": 1}),), LossSpec("inner_product", "sum"),
                {"index": 4})


def test_rows_that_are_looked_up_twice_add_up_and_the_padding_row_stays():
    i = np.array([[0, 2, 0], [1, 1, 2]])
    c = np.arange(12.0).reshape(2, 3, 2) + 1
    w = np.arange(8.0).reshape(4, 2)
    answer = evaluate(Case(WORDS, {"0.weight": w}, i, c))
    np.testing.assert_array_equal(answer.gradients["0.weight"], [c[0, 0] + c[0, 2], [0, 0], c[0, 1] + c[1, 2], [0, 0]])
    assert answer.loss == (w[i] * c).sum()
    assert set(answer.gradients) == {"0.weight"}


def test_an_embedding_is_that_of_torch():
    case = next(c for seed in range(9) if (c := case_of(WORDS, seed=seed)) and len(set(c.inputs.ravel())) < c.inputs.size)
    layer = nn.Embedding(4, 2, padding_idx=1, _weight=torch.tensor(case.parameters["0.weight"]))
    (layer(torch.tensor(case.inputs)) * torch.tensor(case.targets)).sum().backward()
    np.testing.assert_allclose(evaluate(case).gradients["0.weight"], layer.weight.grad, rtol=1e-13)


def test_dropout_drops_and_scales():
    network = Network((3,), (LayerSpec("dropout", {"rate": 0.2}),), LossSpec("inner_product", "sum"))
    mask, x, c = np.array([[1.0, 0.0, 1.0]]), np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 5.0, 6.0]])
    answer = evaluate(Case(network, {}, x, c, constants={"0.mask": mask}))
    assert answer.loss == pytest.approx((4 + 18) / 0.8)
    np.testing.assert_allclose(answer.gradients["inputs"], [[5.0, 0.0, 7.5]])


# --- against every witness -------------------------------------------------------------------------------------------


@cache
def drawn_cases(group, count=24):
    claims = Claims(bias="any", dtypes=("float64", "float32"), **second.CLAIMS[group])
    return list(islice(drawn(cases(claims), 1), count))


def near(case, answer):
    s = spread(case)
    assert all(np.all(np.abs(g - s.truth.gradients[name]) <= SLACK * s.gradients[name])
               for name, g in answer.gradients.items())
    assert abs(answer.loss - s.truth.loss) <= SLACK * s.loss


@pytest.mark.parametrize("oracle", ["torch", "complex_step", "arbiter", "jax"])
@pytest.mark.parametrize("group", second.CLAIMS)
def test_the_reference_agrees_with(group, oracle):
    own = (None,) if oracle in ("torch", "jax") else ()  # in the case's own dtype
    for case in drawn_cases(group)[:3 if oracle == "jax" else None]:
        near(case, oracles.load(oracle).answer(case, *own))


@pytest.mark.parametrize("group", second.CLAIMS)
def test_each_keeps_its_dtype_and_survives_json(group):
    for case in drawn_cases(group):
        answer = evaluate(case)
        assert {g.dtype for g in answer.gradients.values()} | {answer.loss.dtype} == {np.dtype(case.dtype)}
        again = parse.case(json.loads(json.dumps(case.to_json())))
        assert again.id == case.id
        assert all(np.array_equal(value, again.values[name]) for name, value in case.values.items())


@pytest.mark.parametrize("kind", KINDS)
def test_structures_are_drawn_for_who_claims_them(kind):
    seen = [structures_of(case.network) for case in drawn_cases(kind)]
    assert sum(kind in each for each in seen) > len(seen) / 6
    assert STRUCTURES[kind].says


def test_indices_are_drawn_with_repeats_and_with_one_word():
    inputs = [case.inputs for case in drawn_cases("embedding", 60) if not case.network.real]
    assert any(i.ndim == 1 for i in inputs)
    assert any(i.ndim == 2 for i in inputs)
    assert all(i.dtype == "int64" for i in inputs)
    assert any(len(set(i.ravel())) < i.size for i in inputs)


# --- kinks are conventions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("oracle", "count", "wanted"), [
    ("torch", 60, {"abs": {0.0}, "relu6 at 0": {0.0}, "relu6 at 6": {0.0}, "hard_tanh at -1": {0.0}, "hard_tanh at 1": {0.0}}),
])
def test_integer_networks_tell_the_slope_at_every_kink(oracle, count, wanted):
    claims = Claims(hidden=("relu6", "hard_tanh", "abs"), heads=(
        Head("identity", "hinge", reduction="sum"), Head("identity", "huber", reduction="weighted")),
        depth=(1, 3), dtypes=("float32",), bias="any")
    slopes, kinks = {}, 0
    for case in filter(None, islice(drawn(exact_cases(claims), 0), count)):
        kinks += on_kink(case)
        assert compare(case, oracles.load(oracle).answer(case, None), slopes).outcome == "passed"
    assert kinks > 10
    assert slopes.items() >= wanted.items()


# --- what cannot be --------------------------------------------------------------------------------------------------


def described(*layers, loss=None, **more):
    return {"format": 1, "input_shape": [3], "layers": list(layers),
            "loss": loss or {"kind": "squared_error"}, **more}


DENSE = {"kind": "dense", "units": 2}
EMBEDDING = {"kind": "embedding", "units": 2}


@pytest.mark.parametrize(("data", "said"), [
    (described({"kind": "activation", "function": "elu", "alpha": 0}), "alpha is 0, wanted a number above 0"),
    (described({"kind": "activation", "function": "hard_sigmoid", "slope": -1}), "slope is -1"),
    (described({"kind": "activation", "function": "selu", "alpha": 1}), "unknown key 'alpha'"),
    (described(DENSE, loss={"kind": "huber", "delta": 0}), "loss delta: received 0"),
    (described(DENSE, loss={"kind": "hinge", "delta": 2}), "loss delta: hinge has no delta"),
    (described(DENSE, loss={"kind": "softmax_cross_entropy", "smoothing": 1}), "loss smoothing: received 1"),
    (described(DENSE, loss={"kind": "hinge", "smoothing": 0.1}), "loss smoothing: hinge is no loss of classes"),
    (described(DENSE, loss={"kind": "hinge", "reduction": "none"}), "loss reduction: unknown 'none'"),
    (described(DENSE, loss={"kind": "kl_divergence"}), "wants outputs in"),
    (described({"kind": "dropout", "rate": 1}), "rate is 1, wanted a number from 0 to below 1"),
    (described(EMBEDDING), "its inputs are real, but its first layer"),
    (described(EMBEDDING, EMBEDDING, input_kind={"index": 3}), "layer 1 .embedding.: takes indices"),
    (described({**EMBEDDING, "padding_index": 3}, input_kind={"index": 3}), "padding_index is 3, but indices are below 3"),
    (described({**EMBEDDING, "padding_index": -1}, input_kind={"index": 3}), "padding_index is -1"),
    (described(DENSE, input_kind={"index": 3}), "takes real"),
    (described(DENSE, input_shape=[]), "input_shape is"),
    (described(EMBEDDING, {"kind": "dense", "units": 4, "share": "0", "transpose": True}, input_kind={"index": 3}),
     "shares 0.weight"),
])
def test_networks_refused_by_name(data, said):
    with pytest.raises(DescriptionError, match=said) as refused:
        parse.network(data)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("head", "said"), [
    ({"delta": 2.0}, "head: delta: squared_error has no delta"), ({"smoothing": 0.1}, "no loss of classes"),
    ({"targets": "sign"}, "takes targets"), ({"reduction": "none"}, "head: reduction"),
])
def test_heads_refused_by_name(head, said):
    with pytest.raises(DescriptionError, match=said):
        Head("identity", "squared_error", **head)


def spoilt(change):
    data = case_of(WORDS).to_json()
    change(data)
    return data


@pytest.mark.parametrize(("change", "said"), [
    (lambda d: d["inputs"]["data"].__setitem__(0, 4), "inputs must be integers from 0 to below 4"),
    (lambda d: d["inputs"]["data"].__setitem__(0, -1), "inputs must be integers from 0 to below 4"),
    (lambda d: d["inputs"].update(dtype="float64"), "inputs has dtype float64, wanted int64"),
])
def test_cases_refused_by_name_with_exit_2(change, said, tmp_path, capsys):
    (tmp_path / "case.json").write_text(json.dumps(spoilt(change)), encoding="utf-8")
    assert cli.main(["replay", str(tmp_path / "case.json"), "reference"]) == 2
    printed = capsys.readouterr()
    (line,) = [each for each in (printed.out + printed.err).splitlines() if each.strip()]
    assert said in line


@pytest.mark.parametrize("gone", ["0.mask", "loss.cotangent"])
def test_a_constant_that_is_missing_is_named(gone):
    network = Network((3,), (LayerSpec("dropout", {"rate": 0.5}),), LossSpec("inner_product", "weighted"))
    data = case_of(network).to_json()
    del data["constants"][gone]
    with pytest.raises(DescriptionError, match=gone):
        parse.case(data)


# --- mistakes, in somebody else's program ----------------------------------------------------------------------------


def test_every_new_mistake_is_planted():
    assert second.PLANTED.keys() >= NEW.keys() - {"divergence-of-the-other-side", "dropout-divided-by-rate"}
    assert FAULTS.keys() >= NEW.keys()


@pytest.mark.parametrize("group", second.CLAIMS)
def test_a_right_program_conforms(group):
    report = verify(second.planted(None, group), seed=1, examples=40, oracles=("torch",))
    assert report.verdict == "conforms", report
    assert not report.total("inconclusive")


@pytest.mark.parametrize("name", second.PLANTED)
def test_a_mistake_is_caught(name):
    mine = subject_of(second.planted(name), name)
    judge = Judge(mine, mine.claims, ["torch"], lambda **_: None, 0)
    with np.errstate(all="ignore"):
        for case in islice(drawn(cases(mine.claims), 0), 200):
            judge.network(case)
            if judge.tally.failing:
                return
    pytest.fail("not seen on 200 networks")


@pytest.mark.parametrize("name", [
    "relu6-not-cut-on-the-way-back", "log-softmax-error-not-summed", "upstream-first-entry-for-all",
    "huber-threshold-on-signed-difference", "smoothing-left-out-of-gradient", "dropout-not-scaled-on-the-way-back",
    "embedding-row-overwritten", "tied-gradient-of-output-only", "gate-not-multiplied-by-the-other"])
def test_a_mistake_is_named(name):
    report = verify(second.planted(name), seed=0, examples=40, oracles=("torch",))
    assert report.findings[0].faults[:1] == (name,), report


# --- a program with word vectors -------------------------------------------------------------------------------------


def test_word_vectors_conform():
    target = f"{HERE / 'examples' / 'embedding_words.py'}:backprop"
    assert cli.main(["verify", target, "--examples", "30", "--oracles", "torch"]) == 0


def test_one_wrong_word_is_named_replayed_and_drawn(tmp_path, capsys):
    target = f"{HERE / 'examples' / 'embedding_words_wrong.py'}:backprop"
    assert cli.main(["verify", target, "--examples", "30", "--oracles", "torch", "--report", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "embedding-row-overwritten" in said
    assert "right: np.add.at(dW, i, dy)" in said
    (case, *_) = sorted((tmp_path / "cases").glob("*.json"))
    assert cli.main(["replay", str(case), target]) == 1
    assert cli.main(["replay", str(case), target.replace("_wrong", "")]) == 0
    capsys.readouterr()
    assert cli.main(["replay", str(case), target, "--as-test"]) == 0
    text = capsys.readouterr().out
    assert "'kind': 'embedding'" in text
    assert cli.main(["report", str(tmp_path), "--format", "html", "--out", str(tmp_path / "page.html")]) == 0
    assert "index below" in (tmp_path / "page.html").read_text(encoding="utf-8")
