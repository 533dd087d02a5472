"""Recurrent layers: right by every other way to a gradient, for every option; what may not be is refused."""

import importlib.util
import sys
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from backproof import verify
from backproof.faults import FAULTS, shows
from backproof.faults.behaviour import asked
from backproof.faults.core import with_value
from backproof.faults.showing import concerns
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.naming.fitting import fitted
from backproof.naming.witnessed import Witnessed
from backproof.oracles import ORACLES, Unsupported, load
from backproof.plug.subject import Subject, subject_of
from backproof.plug.undisturbed import undisturbed
from backproof.properties.claims import EVERYTHING
from backproof.properties.identities.recurrent import unseen
from backproof.properties.membership import covers
from backproof.properties.strategies import Style, build, cases, networks
from backproof.properties.structures import structures_of
from backproof.properties.structures.recurrent import KINDS, MANY
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import TABLES, DescriptionError, evaluate, forward, parse
from backproof.reference.real_time import run as real_time
from vjp_cases import check

HERE = Path(__file__).parent
PATH = HERE / "second" / "recurrent.py"
spec = importlib.util.spec_from_file_location("second_recurrent", PATH)
sys.modules[spec.name] = second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)

STRUCTURES = (*KINDS, "stacked_recurrent", "bidirectional")
OPTIONS = {
    "rnn": [{"function": "relu"}, {"function": "sigmoid"}],
    "lstm": [{"peephole": True}, {"coupled": True}, {"initial_cell": True},
             {"peephole": True, "coupled": True, "initial_cell": True, "mask": True}],
    "gru": [{"reset": "after"}, {"reset": "after", "recurrent_bias": True}, {"reset": "after", "mask": True}],
}
SHARED = [{}, {"bias": False}, {"recurrent_bias": True}, {"returns": "last"}, {"reverse": True},
          {"reverse": True, "returns": "last"}, {"initial_state": True}, {"mask": True},
          {"mask": True, "reverse": True, "returns": "last", "initial_state": True}]
ROWS = [(kind, options) for kind in KINDS for options in (*SHARED, *OPTIONS[kind])
        if not (kind == "gru" and options == {"recurrent_bias": True})]
EVERY = pytest.mark.parametrize(("kind", "options"), ROWS, ids=lambda each: str(each).strip("{}"))


def network(kind, steps=4, n=2, units=3, loss="squared_error", **options):
    layer = {"kind": kind, "units": units, **options}
    return parse.network({"format": 1, "input_shape": [steps, n], "layers": [layer], "loss": {"kind": loss}})


def case_of(kind, batch=3, seed=0, dtype="float64", **options):
    return build(network(kind, **options), batch, "real", Style(), seed, dtype)


# --- the same by other ways ---------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_option_by_torch_and_jax(kind, options, dtype):
    case = case_of(kind, dtype=dtype, **options)
    check(case, evaluate(case))
    check(case, load("torch").answer(case, None))
    check(case, load("jax").answer(case, None))


@EVERY
def test_every_option_by_complex_step_and_balls(kind, options):
    case = case_of(kind, seed=1, batch=2, **options)
    check(case, load("complex_step").answer(case))
    check(case, load("arbiter").answer(case))


@EVERY
def test_float32_stays(kind, options):
    case = case_of(kind, dtype="float32", **options)
    answer = evaluate(case)
    assert {np.asarray(a).dtype for a in (answer.loss, *answer.gradients.values())} == {np.dtype("float32")}


def module(kind, case, **options):
    """torch.nn's layer with the case's numbers."""
    p = {name: torch.tensor(value) for name, value in case.parameters.items()}
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](
        case.inputs.shape[-1], 3, batch_first=True, dtype=torch.float64, **options)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(p["0.weight"].T)
        layer.weight_hh_l0.copy_(p["0.recurrent_weight"].T)
        layer.bias_ih_l0.copy_(p["0.bias"])
        layer.bias_hh_l0.copy_(p["0.recurrent_bias"])
    return layer


@pytest.mark.parametrize(("kind", "options", "torchs"), [
    ("rnn", {}, {}), ("rnn", {"function": "relu"}, {"nonlinearity": "relu"}), ("lstm", {}, {}),
    ("gru", {"reset": "after"}, {})])
def test_torch_nn(kind, options, torchs):
    case = case_of(kind, recurrent_bias=True, **options)
    layer, x = module(kind, case, **torchs), torch.tensor(case.inputs, requires_grad=True)
    y, _ = layer(x)
    loss = ((y - torch.tensor(case.targets)) ** 2).sum() / len(x)
    loss.backward()
    gradients = {"0.weight": layer.weight_ih_l0.grad.T, "0.recurrent_weight": layer.weight_hh_l0.grad.T,
                 "0.bias": layer.bias_ih_l0.grad, "0.recurrent_bias": layer.bias_hh_l0.grad, "inputs": x.grad}
    np.testing.assert_allclose(forward(case).outputs, y.detach().numpy(), rtol=1e-12, atol=1e-14)
    for name, g in evaluate(case).gradients.items():
        np.testing.assert_allclose(g, gradients[name].numpy(), rtol=1e-10, atol=1e-13)


def test_two_steps_by_hand():
    """h1 = tanh(w x1), h2 = tanh(w x2 + u h1), L = h2: dL/du = (1 - h2²) h1, dL/dw = (1 - h2²) (x2 + u (1 - h1²) x1)."""
    case = case_of("rnn", batch=1, steps=2, n=1, units=1, bias=False, returns="last", loss="inner_product")
    w, u, (x1, x2) = 0.5, -0.8, (1.0, 2.0)
    case = replace(case, parameters={"0.weight": np.array([[w]]), "0.recurrent_weight": np.array([[u]])},
                   inputs=np.array([[[x1], [x2]]]), targets=np.ones((1, 1)))
    h1 = np.tanh(w * x1)
    h2 = np.tanh(w * x2 + u * h1)
    answer = evaluate(case)
    assert answer.loss == pytest.approx(h2)
    assert answer.gradients["0.recurrent_weight"].item() == pytest.approx((1 - h2**2) * h1)
    assert answer.gradients["0.weight"].item() == pytest.approx((1 - h2**2) * (x2 + u * (1 - h1**2) * x1))
    assert answer.gradients["inputs"][0, 0, 0] == pytest.approx((1 - h2**2) * u * (1 - h1**2) * w)


# --- masked steps -------------------------------------------------------------------------------------------------


def masked(kind, mask, **options):
    case = case_of(kind, batch=len(mask), steps=len(mask[0]), mask=True, initial_state=True, **options)
    return case.but(constants={"0.mask": np.array(mask, dtype=float)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_step_hands_the_state_on(kind):
    case = masked(kind, [[1, 0, 1, 0], [0, 0, 0, 0]])
    y = forward(case).outputs
    assert np.array_equal(y[0, 1], y[0, 0])
    assert np.array_equal(y[0, 3], y[0, 2])
    assert np.array_equal(y[1], np.broadcast_to(case.parameters["0.initial_state"][1], y[1].shape))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_what_stands_in_a_masked_step_is_never_seen(kind, reverse):
    case = masked(kind, [[1, 0, 1, 0], [0, 1, 1, 0]], reverse=reverse)
    other = case.but(inputs=np.where(case.constants["0.mask"][..., None] > 0, case.inputs, 1e3))
    right, again = evaluate(case), evaluate(other)
    assert right.loss == again.loss
    assert all(np.array_equal(g, again.gradients[name]) for name, g in right.gradients.items())
    assert not right.gradients["inputs"][case.constants["0.mask"] == 0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_as_it_is_without_its_masked_steps(kind):
    case = masked(kind, [[0, 1, 0, 1]], returns="last")
    short = case_of(kind, batch=1, steps=2, initial_state=True, returns="last")
    short = replace(short, parameters=case.parameters, inputs=case.inputs[:, [1, 3]], targets=case.targets)
    full, less = evaluate(case), evaluate(short)
    assert full.loss == less.loss
    for name in case.parameters:
        np.testing.assert_allclose(full.gradients[name], less.gradients[name], rtol=1e-14)


@pytest.mark.parametrize(("before", "seen"), [
    ((), True), (({"kind": "activation", "function": "tanh"},), True), (({"kind": "batch_norm"},), False)])
def test_a_masked_step_is_unseen_where_nothing_before_mixes_examples(before, seen):
    """A batch norm takes the mean and variance of all that is there, masked or not."""
    rnn = {"kind": "rnn", "units": 2, "mask": True, "returns": "last"}
    made = parse.network({"format": 1, "input_shape": [3, 2], "layers": [*before, rnn],
                          "loss": {"kind": "squared_error"}})
    case = build(made, 3, "real", Style(), 1)
    hidden = {f"{len(before)}.mask": np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 0]])}
    assert (unseen(case.but(constants={**case.constants, **hidden})) is not None) == seen


def test_without_any_step_the_gradient_is_that_of_the_initial_state():
    case = masked("lstm", [[0, 0, 0]], returns="last", loss="inner_product")
    gradients = evaluate(case).gradients
    assert np.array_equal(gradients["0.initial_state"], case.targets)
    assert not any(g.any() for name, g in gradients.items() if name != "0.initial_state")


# --- what may not be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "says"), [
    ({"kind": "rnn", "units": 2, "function": "gelu"}, "function is 'gelu', wanted one of tanh, relu, sigmoid"),
    ({"kind": "rnn", "units": 0}, "units is 0, wanted a positive integer"),
    ({"kind": "lstm"}, "units is missing"),
    ({"kind": "lstm", "units": 2, "returns": "both"}, "returns is 'both', wanted one of sequence, last"),
    ({"kind": "lstm", "units": 2, "reverse": 1}, "reverse is 1, wanted true or false"),
    ({"kind": "lstm", "units": 2, "reset": "after"}, "unknown key 'reset'"),
    ({"kind": "gru", "units": 2, "recurrent_bias": True}, "recurrent_bias is true, wanted false with reset"),
    ({"kind": "gru", "units": 2, "initial_cell": True}, "unknown key 'initial_cell'"),
])
def test_bad_options_are_refused_by_name(layer, says):
    with pytest.raises(DescriptionError, match=says) as refused:
        parse.network({"format": 1, "input_shape": [2, 2], "layers": [layer], "loss": {"kind": "squared_error"}})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [[3], [2, 3, 3]])
def test_inputs_that_are_no_sequence_are_refused(kind, shape):
    with pytest.raises(DescriptionError, match=rf"layer 0 \({kind}\): wants inputs \(time, features\)"):
        parse.network({"format": 1, "input_shape": shape, "layers": [{"kind": kind, "units": 2}],
                       "loss": {"kind": "squared_error"}})


def test_no_layer_behind_the_last_step_may_want_steps():
    with pytest.raises(DescriptionError, match="wants inputs"):
        parse.network({"format": 1, "input_shape": [3, 2], "loss": {"kind": "squared_error"},
                       "layers": [{"kind": "rnn", "units": 2, "returns": "last"}, {"kind": "gru", "units": 2}]})


# --- what is drawn ------------------------------------------------------------------------------------------------

ALL = replace(EVERYTHING, layers=("dense", *STRUCTURES))


@pytest.fixture(scope="module")
def some():
    return list(islice(drawn(networks(ALL), 0), 400))


def test_every_structure_is_drawn(some):
    found = [name for each in some for name in structures_of(each)]
    assert all(found.count(name) >= 0.04 * len(some) for name in STRUCTURES)
    assert "parallel" not in found


def test_every_option_is_drawn(some):
    specs = [spec for each in some for _, spec in each.walk() if spec.kind in KINDS]
    for kind in KINDS:
        mine = [spec.options for spec in specs if spec.kind == kind]
        for name in mine[0]:
            values = {options[name] for options in mine}
            assert name == "units" or len(values) == {"function": 3}.get(name, 2), (kind, name)


def test_now_and_then_there_are_many_steps(some):
    long = [each for each in some if len(each.input_shape) > 1 and each.input_shape[0] == MANY]
    assert 2 <= len(long) <= 0.1 * len(some)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_what_is_drawn_is_inside_the_claims(structure):
    claims = replace(EVERYTHING, layers=("dense", *STRUCTURES), hidden=("tanh",), depth=(2, 3))
    claims = replace(claims, layers=(structure, *KINDS[:1], {"kind": "lstm", "peephole": False, "returns": "last"}))
    for case in islice(drawn(cases(claims), 1), 15):
        assert covers(claims, case)
        assert not any(spec.options["peephole"] for _, spec in case.network.walk() if spec.kind == "lstm")


def test_a_shared_layer_has_a_state_and_a_mask_of_its_own():
    data = network("rnn", n=3, initial_state=True, mask=True).to_json()
    data["layers"] *= 2
    data["layers"][1] = {**data["layers"][1], "share": "0"}
    case = build(parse.network(data), 3, "real", Style(), 0)
    check(case, evaluate(case))
    for oracle in ("torch", "jax", "complex_step"):
        check(case, load(oracle).answer(case))
    assert {"0.initial_state", "1.initial_state"} <= evaluate(case).gradients.keys()


# --- real-time recurrent learning ---------------------------------------------------------------------------------


@EVERY
def test_real_time_recurrent_learning_agrees(kind, options):
    case = case_of(kind, seed=2, **options)
    truth, answer = spread(case), load("real_time").answer(case)
    assert set(answer.gradients) == set(case.parameters)
    assert abs(answer.loss - truth.truth.loss) <= SLACK * truth.loss
    for name, g in answer.gradients.items():
        assert np.all(np.abs(g - truth.truth.gradients[name]) <= SLACK * truth.gradients[name]), name


def test_real_time_recurrent_learning_agrees_on_networks_that_are_drawn():
    asked_of = 0
    for case in islice(drawn(cases(ALL, dtype="float64"), 5), 40):
        try:
            answer = load("real_time").answer(case)
        except Unsupported:
            assert not any(layer.kind in KINDS for _, layer in case.network.walk())
            continue
        asked_of, s = asked_of + 1, spread(case)
        for name, g in answer.gradients.items():
            assert np.all(np.abs(g - s.truth.gradients[name]) <= SLACK * s.gradients[name]), name
    assert asked_of >= 8


def test_real_time_recurrent_learning_by_hand():
    """h1 = w x1, h2 = w x2 + u h1 for x > 0: dh2/du = h1, dh2/dw = x2 + u x1."""
    layer = network("rnn", steps=2, n=1, units=1, bias=False, returns="last", function="relu").layers[0]
    arrays = {"weight": np.array([[2.0]]), "recurrent_weight": np.array([[3.0]])}
    y, gradients = real_time(layer, arrays, np.array([[[5.0], [7.0]]]), None, np.ones((1, 1)))
    assert (y, gradients["weight"], gradients["recurrent_weight"]) == (2 * 7 + 3 * 10, 7 + 3 * 5, 10)


def test_it_is_asked_of_recurrent_layers_alone():
    judge = Judge(subject_of(second.planted()), EVERYTHING, ["real_time"], lambda **_: None, 0)
    dense = parse.network({"format": 1, "input_shape": [2], "layers": [{"kind": "dense", "units": 1}],
                           "loss": {"kind": "squared_error"}})
    assert judge.due(ORACLES["real_time"], case_of("gru"))
    assert not judge.due(ORACLES["real_time"], build(dense, 2, "real", Style(), 0))


def test_it_declines_what_is_not_recurrent_or_has_a_penalty():
    case = case_of("rnn")
    penalised = replace(case.network, loss=replace(case.network.loss, l2=0.1))
    with pytest.raises(Unsupported, match="penalty"):
        load("real_time").answer(replace(case, network=penalised))


# --- known mistakes -----------------------------------------------------------------------------------------------

ROWS_OF_FAULTS = [name for name, fault in FAULTS.items() if fault.family in (*KINDS, "bidirectional")]
JUDGES = ("reference", "torch", "real_time")
# Right in every layer that goes over time, or nowhere that real-time learning looks: dx alone is wrong.
BELOW = ("reversed-inputs-gradient-not-turned-back",)


@cache
def cases_about(family):
    claims = replace(EVERYTHING, layers=(family,), dtypes=("float64",), explored=False)
    return claims, list(islice(drawn(cases(claims), 0), 30))


@pytest.mark.parametrize("name", ROWS_OF_FAULTS)
def test_judges_that_share_no_code_kill_it(name):
    claims, found = cases_about(FAULTS[name].family)
    showing = [case for case in found if shows(FAULTS[name], case)][:3]
    assert showing
    judge = Judge(Subject(name, claims, asked(FAULTS[name])), claims, JUDGES[1:], lambda **_: None, 0)
    judge.per_network = 0
    with undisturbed(), np.errstate(all="ignore"):
        for case in showing:
            judge.network(case)
    killed = [each for each in JUDGES if judge.tally.counts[each].get("failed")]
    assert killed == [each for each in JUDGES if each != "real_time" or name not in BELOW]


@pytest.mark.parametrize("name", ROWS_OF_FAULTS)
def test_it_is_right_where_nothing_is_recurrent(name):
    dense = parse.network({"format": 1, "input_shape": [3], "layers": [{"kind": "dense", "units": 2}],
                           "loss": {"kind": "squared_error"}})
    case = build(dense, 2, "real", Style(), 0)
    assert not concerns(FAULTS[name], dense)
    assert evaluate(case).gradients.keys() == FAULTS[name].engine(TABLES)(case).gradients.keys()
    assert not shows(FAULTS[name], case)


def test_a_mistake_of_any_recurrent_layer_concerns_all_kinds():
    assert all(concerns(FAULTS["truncated-bptt"], network(kind)) for kind in KINDS)
    assert not concerns(FAULTS["gru-update-gate-sign"], network("lstm"))


# --- a second implementation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "bidirectional"])
def test_the_second_implementation_conforms(kind):
    report = verify(second.planted(None, kind), seed=0, examples=20, oracles=("torch", "real_time"))
    assert (report.verdict in ("conforms", "incomplete"), report.findings) == (True, [])
    assert report.counts["real_time"].keys() == {"passed"}


def test_every_known_mistake_is_planted():
    assert {fault for fault, _ in second.PLANTED} == set(ROWS_OF_FAULTS)


@pytest.mark.parametrize(("fault", "kind"), second.PLANTED)
def test_a_planted_recurrent_mistake_is_caught(fault, kind):
    subject = subject_of(second.planted(fault, kind))
    judge = Judge(subject, subject.claims, ["torch"], lambda **_: None, 0)
    judge.per_network = 0
    with undisturbed(), np.errstate(all="ignore"):
        for case in islice(drawn(cases(subject.claims), 0), 120):
            judge.ask(case)
            if judge.tally.failures:
                break
    assert judge.tally.failures


@pytest.mark.parametrize(("fault", "kind"), second.PLANTED)
def test_a_planted_recurrent_mistake_is_named(fault, kind):
    report = verify(second.planted(fault, kind), seed=0, examples=60, oracles=("torch",), stop_after=5)
    assert [finding.faults[0] for finding in report.findings] == [fault]


# --- many steps -----------------------------------------------------------------------------------------------------


def many_steps(kind, returns):
    data = network(kind, steps=MANY, n=2, units=2, returns=returns).to_json()
    return parse.network({**data, "layers": [*data["layers"], {"kind": "activation", "function": "tanh"}]})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("kind", "returns"), [("rnn", "last"), ("lstm", "sequence"), ("gru", "last")])
def test_a_gradient_of_20_steps_of_50_is_seen(kind, returns, dtype):
    """Where the bound on rounding says nothing any more, the samples still see it."""
    fault, shown = with_value(FAULTS["truncated-bptt"], 20.0), 0
    for seed in range(6):
        shown += shows(fault, build(many_steps(kind, returns), 2, "real", Style(), seed, dtype))
    assert shown >= 4


@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("returns", ["last", "sequence"])
def test_how_many_steps_are_kept_is_found(steps, returns):
    fault = FAULTS["truncated-bptt"]
    subject = asked(with_value(fault, float(steps)))
    seen = [Witnessed(subject, case_of("rnn", steps=9, returns=returns, seed=seed)) for seed in range(2)]
    assert fitted(fault, seen).value == steps


# --- from scratch -----------------------------------------------------------------------------------------------------


def verified(name, **plan):
    return verify(f"{HERE / 'examples' / name}:backprop", oracles=("torch", "real_time"), **plan)


@pytest.mark.parametrize("name", ["lstm.py", "bidirectional_lstm.py"])
def test_an_example_conforms(name):
    report = verified(name, examples=12)
    assert (report.verdict in ("conforms", "incomplete"), report.findings) == (True, [])


def test_an_example_with_one_word_less_is_named():
    [finding] = verified("lstm_wrong.py", examples=30, stop_after=4).findings
    assert finding.faults[0] == "lstm-cell-error-overwritten"
    right, wrong = ((HERE / "examples" / name).read_text("utf-8").splitlines() for name in ("lstm.py", "lstm_wrong.py"))
    pairs = zip(right[4:], (line.removesuffix("  # noqa: F841") for line in wrong[4:]), strict=True)
    [changed] = [pair for pair in pairs if pair[0] != pair[1]]
    assert changed[0].replace("dc_next + ", "") == changed[1]
