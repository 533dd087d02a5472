"""What can be claimed: each claim with a program that needs it, which conforms with it and does not without."""

import json
import re
from dataclasses import fields, replace
from itertools import islice

import numpy as np
import pytest
from backproof import Head, Layer, cases, cli, implementation, layers, verify
from backproof.faults.ways import with_entry
from backproof.judging.inferring import inferred
from backproof.judging.plan import drawn
from backproof.naming.words import describe
from backproof.plug.implementing import CLAIMS, claims_of
from backproof.plug.subject import subject_of
from backproof.properties.claims import EVERYTHING, HEAD_SAYS, SAYS, Claims, activation
from backproof.properties.inside import output_activation
from backproof.properties.membership import covers
from backproof.properties.strategies import Style, build, chain, exact_cases, networks
from backproof.properties.strategies.mending import logits
from backproof.properties.structures import STRUCTURES, structures_of
from backproof.record.notes import NoteKind
from backproof.record.reading import read
from backproof.reference import TABLES, Case, DescriptionError, evaluate, parse
from backproof.renderings import render
from backproof.running.replay import replay
from small_records import record
from wrong_engines import drawn_cases

SQUARED = Head("identity", "squared_error", reduction="sum", scale=0.5)
FUNCTIONS = {
    "identity": (lambda z: z, lambda a: np.ones_like(a)),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a**2),
}


def network_of(network, parameters, inputs):
    """The forward of a hand-written perceptron: its weights, biases, functions and activations."""
    weights, biases = network.unpack(parameters)
    functions = [*network.hidden, network.head[0]]
    activations = [inputs]
    for w, c, name in zip(weights, biases, functions, strict=True):
        z = activations[-1] @ w + (0.0 if c is None else c)
        activations.append(FUNCTIONS[name][0](z))
    return weights, biases, functions, activations


def backward(network, parameters, inputs, dp):
    """The gradients from dL/dp, p being the outputs."""
    layers = zip(*network_of(network, parameters, inputs), network_of(network, parameters, inputs)[-1][1:], strict=False)
    of_weights, of_biases, delta = [], [], dp
    for w, c, name, x, a in reversed(list(layers)):
        delta = delta * FUNCTIONS[name][1](a)
        of_weights.append(x.T @ delta)
        of_biases.append(None if c is None else delta.sum(axis=0))
        delta = delta @ w.T
    return network.pack(of_weights[::-1], of_biases[::-1])


def half_squares(network, parameters, inputs, targets):
    """Half the sum of squares, and its gradients."""
    p = network_of(network, parameters, inputs)[-1][-1]
    return 0.5 * ((p - targets) ** 2).sum(), backward(network, parameters, inputs, p - targets)


def verdict(function, claims, examples=12):
    """The verdict on a function with these claims, attached by the decorator as a user does; at its first mistake."""
    def target(network, parameters, inputs, targets):
        return function(network, parameters, inputs, targets)

    mine = implementation(**claims)(target)
    return verify(mine, examples=examples, oracles="torch,differences", stop_after=1).verdict


# --- programs that need a claim -------------------------------------------------------------------


def one_bias_switch(network, parameters, inputs, targets):
    """A library whose `bias=` is for the whole network."""
    _, biases = network.unpack(parameters)
    assert len({bias is None for bias in biases}) == 1, "bias is True or False for all layers"
    return half_squares(network, parameters, inputs, targets)


def one_bias_a_layer(network, parameters, inputs, targets):
    """A library with one number added to all units of a layer."""
    assert all(parameters[name].shape == (1,) for name in parameters if name.endswith("bias"))
    loss, gradients = half_squares(network, parameters, inputs, targets)
    return loss, {name: np.atleast_1d(g.sum()) if name.endswith("bias") else g for name, g in gradients.items()}


def one_width(network, parameters, inputs, targets):
    """A library with a number of hidden layers and one number of units for all of them."""
    assert len(set(network.sizes[1:-1])) <= 1, "one width for all hidden layers"
    return half_squares(network, parameters, inputs, targets)


def one_function(network, parameters, inputs, targets):
    """A library with one activation for all layers, the output's too."""
    assert len({*network.hidden, network.head[0]}) == 1, "one activation for all layers"
    return half_squares(network, parameters, inputs, targets)


def decayed(network, parameters, inputs, targets):
    """Ridge: 0.01 / 2 times the squared weights."""
    loss, gradients = half_squares(network, parameters, inputs, targets)
    for name, value in parameters.items():
        if name.endswith("weight"):
            loss = loss + 0.005 * np.sum(value**2)
            gradients[name] = gradients[name] + 0.01 * value
    return loss, gradients


def decayed_mean(network, parameters, inputs, targets):
    """The mean over the examples of loss and penalty, biases too: lambda / (2 m)."""
    m = len(inputs)
    loss, gradients = half_squares(network, parameters, inputs, targets)
    loss = (loss + 0.3 / 2 * sum((value**2).sum() for value in parameters.values())) / m
    return loss, {name: (g + 0.3 * parameters[name]) / m for name, g in gradients.items()}


def clipping(network, parameters, inputs, targets):
    """Cross-entropy of clipped probabilities, as autograd differentiates it."""
    eps = 1e-7
    p = network_of(network, parameters, inputs)[-1][-1]
    q = np.clip(p, eps, 1 - eps)
    dp = np.where((p > eps) & (p < 1 - eps), (1 - targets) / (1 - q) - targets / q, 0.0) / len(p)
    loss = -(targets * np.log(q) + (1 - targets) * np.log(1 - q)).sum() / len(p)
    return loss, backward(network, parameters, inputs, dp)


def without_the_half(network, parameters, inputs, targets):
    """The loss has a 1/2, the gradient not."""
    loss, gradients = half_squares(network, parameters, inputs, targets)
    return loss, {name: 2 * g for name, g in gradients.items()}


def plain_softmax(network, parameters, inputs, targets):
    """-log of exp(z) / sum(exp(z)): infinite, or not a number, where the logits are large."""
    with np.errstate(all="ignore"):
        z = network_of(network, parameters, inputs)[-1][-1]
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        picked = np.exp(-z.max(axis=1)) * 0 + p[np.arange(len(p)), targets]
        dz = p.copy()
        dz[np.arange(len(p)), targets] -= 1
        return -np.log(picked).sum(), backward(network, parameters, inputs, dz)


TANH = {"hidden": ["tanh"], "heads": [SQUARED], "depth": (1, 4)}
CROSS = {"hidden": ["tanh"], "depth": (1, 3)}
NEED = {  # program, claims without it, the claim
    "bias": (one_bias_switch, {**TANH, "bias": "any"}, {"bias": "all_or_none"}),
    "bias of a layer": (one_bias_a_layer, TANH, {"bias": "layer"}),
    "same_widths": (one_width, TANH, {"same_widths": True}),
    "same_output": (
        one_function, {"hidden": ["tanh", "sigmoid"], "depth": (1, 4),
                       "heads": [Head(name, "squared_error", "sum", 0.5) for name in ("tanh", "sigmoid")]},
        {"same_output": True}),
    "l2": (decayed, TANH, {"l2": 0.01}),
    "l2_on and l2_reduction": (
        decayed_mean, {**TANH, "heads": [Head("identity", "squared_error", "mean_over_batch", 0.5)], "l2": 0.3},
        {"l2_on": "all", "l2_reduction": "mean_over_batch"}),
    "clip": (clipping, {**CROSS, "heads": [Head("sigmoid", "binary_cross_entropy", targets="binary")]},
             {"heads": [Head("sigmoid", "binary_cross_entropy", targets="binary", clip=1e-7)]}),
    "gradient_scale": (without_the_half, TANH,
                       {"heads": [Head("identity", "squared_error", "sum", 0.5, gradient_scale=2)]}),
    "logits": (plain_softmax, {**CROSS, "heads": [Head("identity", "softmax_cross_entropy", targets="index")]},
               {"heads": [Head("identity", "softmax_cross_entropy", targets="index", logits=20)]}),
}


@pytest.mark.parametrize("name", NEED)
def test_a_program_conforms_with_the_claim_it_needs_and_not_without(name):
    program, without, claim = NEED[name]
    assert verdict(program, without | claim) == "conforms"
    assert verdict(program, without, 100) == "does_not_conform"


@pytest.mark.parametrize("name", ["l2", "l2_on and l2_reduction", "clip", "gradient_scale"])
def test_a_program_without_it_does_not_conform_to_the_claim(name):
    _, without, claim = NEED[name]
    assert verdict(half_squares if name != "clip" else unclipped, without | claim, 100) == "does_not_conform"


def unclipped(network, parameters, inputs, targets):
    """Cross-entropy of the probabilities as they are."""
    p = network_of(network, parameters, inputs)[-1][-1]
    loss = -(targets * np.log(p) + (1 - targets) * np.log1p(-p)).sum() / len(p)
    return loss, backward(network, parameters, inputs, ((1 - targets) / (1 - p) - targets / p) / len(p))


# --- what is drawn ----------------------------------------------------------------------------------

DRAWN = {name: Claims(**{**without, **claim}) for name, (_, without, claim) in NEED.items()} | {
    "all_or_none, few parameters": Claims(hidden=("tanh",), bias="all_or_none", max_parameters=3),
    "same widths, few parameters": Claims(hidden=("tanh",), depth=(4, 4), same_widths=True, max_parameters=15),
    "same widths, structures": Claims(hidden=("tanh",), depth=(2, 5), same_widths=True, bias="all_or_none",
                                      layers=("dense", "sequence", "shared", "activation_first")),
    "same output, structures": Claims(hidden=("tanh", "identity"), same_output=True, layers="all", heads=(
        Head("tanh", "squared_error"), Head("identity", "absolute_error"))),
    "bias of a layer, structures": Claims(hidden=("tanh", "relu"), bias="layer", layers="all", max_parameters=40),
    "clipped softmax": Claims(heads=(Head("softmax", "cross_entropy", clip=1e-3),), dtypes=("float32", "float64")),
    "small logits": Claims(hidden=("relu",), heads=(Head("softmax", "squared_error", logits=1.0),)),
    "all at once": Claims(hidden=("sigmoid",), heads=(
        Head("sigmoid", "binary_cross_entropy", clip=0.01, logits=8.0, gradient_scale=-0.5),), bias="all_or_none",
        same_output=True, same_widths=True, l2=0.5, l2_on="all", l2_reduction="mean_over_batch", depth=(2, 4)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_cases_are_drawn_inside(name):
    claims = DRAWN[name]
    for case in drawn_cases(cases(claims), 0, 100):
        assert covers(claims, case)
        assert parse.case(case.to_json()).id == case.id
    assert all(case is None or covers(claims, case) for case in drawn_cases(exact_cases(claims), 1, 20))


@pytest.mark.parametrize(("claim", "seen"), [
    ("bias", lambda case: any(name.endswith("bias") for name in case.parameters)),
    ("same_widths", lambda case: len(set(case.network.sizes[1:-1])) == 1),
    ("same_output", lambda case: output_activation(case.network).function == "sigmoid"),
    ("clip", lambda case: clip_is_active(case)),
    ("logits", lambda case: logits(case) > 8),
])
def test_both_sides_of_a_claim_are_drawn(claim, seen):
    drawn = drawn_cases(cases(DRAWN[claim]), 0, 150)
    assert 3 < sum(map(seen, drawn)) < 147


def clip_is_active(case):
    free = case.but(network=parse.network(case.network.to_json() | {
        "loss": {"kind": case.network.loss.kind, "reduction": "mean_over_batch"}}))
    return not np.array_equal(evaluate(case).gradients["0.weight"], evaluate(free).gradients["0.weight"])


# --- the claims as data -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWN)
def test_claims_survive_json(name):
    assert Claims.from_json(DRAWN[name].to_json()) == DRAWN[name]


def test_the_decorator_takes_every_claim():
    given = {name: DRAWN["all at once"].to_json()[name] for name in CLAIMS if name != "heads"}
    mine = implementation(**given, heads=DRAWN["all at once"].heads)(lambda *_: None)
    assert claims_of(mine) == DRAWN["all at once"]


def test_made_of_is_claimed_and_is_no_witness():
    mine = implementation(made_of=["torch"])(lambda *_: None)
    assert subject_of(mine).made_of == {"torch"}
    assert subject_of(mine, made_of=["jax"]).made_of == {"torch", "jax"}
    with pytest.raises(DescriptionError, match="made_of"):
        implementation(made_of=["tensorflow"])


def test_a_case_without_what_is_new_is_the_case_it_was():
    (case,) = drawn_cases(cases(EVERYTHING), 0, 1)
    assert list(case.network.to_json()["loss"]) == ["kind", "reduction", "scale"]


# --- the other doors and pages --------------------------------------------------------------------


class Decaying:
    """A layer class whose backward has the gradient of 0.02 / 2 times the squared weights in it."""

    def __init__(self, n, m):
        self.W, self.b = np.zeros((n, m)), np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy + 0.02 * self.W, dy.sum(axis=0)
        return dy @ self.W.T


def decaying(**claims):
    return layers(dense=Layer(Decaying, {"weight": "W", "bias": "b"}, {"weight": "dW", "bias": "db"}), **claims)


def test_layer_classes_may_decay_their_weights():
    assert verify(decaying(l2=0.02), examples=16, oracles="torch").verdict == "conforms"
    assert verify(decaying(), examples=16, oracles="torch", stop_after=1).verdict == "does_not_conform"


def test_a_clip_reaches_the_loss_that_feeds_layer_classes():
    class Sigmoid:
        def forward(self, z):
            self.a = 1 / (1 + np.exp(-z))
            return self.a

        def backward(self, dy):
            return dy * self.a * (1 - self.a)

    head = Head("sigmoid", "binary_cross_entropy", targets="binary", clip=1e-3, gradient_scale=2.0)
    made = decaying(l2=0.01, sigmoid=Layer(Sigmoid), heads=[head], depth=(1, 1))
    assert verify(made, examples=16, oracles="torch").verdict == "conforms"


def test_a_case_is_asked_again_of_its_own_claims_only():
    (case,) = drawn_cases(cases(DRAWN["l2"]), 0, 1)
    claims = NEED["l2"][1]
    mine = implementation(**claims, l2=0.01)(lambda *given: decayed(*given))
    assert replay(case, subject_of(mine)).status == "FIXED"
    other = replay(case, subject_of(implementation(**claims)(lambda *given: half_squares(*given))))
    assert other.status == "ERROR"
    assert "does not claim identity + squared_error + l2 0.01" in other.text


def test_what_a_loss_has_is_told():
    (case,) = drawn_cases(cases(DRAWN["l2_on and l2_reduction"]), 0, 1)
    assert "l2 0.3, l2_on all, l2_reduction mean_over_batch" in describe(case)


def test_claims_are_listed(capsys):
    assert cli.main(["list", "claims"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{said}" for name in CLAIMS)


# --- what cannot be claimed -------------------------------------------------------------------------


@pytest.mark.parametrize(("claims", "said"), [
    ("heads=[Head('identity', 'squared_error', outputs=(3, None))], max_parameters=5",
     "max_parameters is 5, but the smallest network with the head identity + squared_error has 6"),
    ("hidden=['tanh'], depth=(3, 4), max_parameters=5", "has 6: depth 3, outputs 1"),
    ("heads=[Head('softmax', 'cross_entropy')], bias='never', max_parameters=1", "has 2: depth 1, outputs 2"),
    ("depth=(2, 3)", "depth above 1 needs at least one hidden activation"),
    ("hidden=['tanh'], same_output=True", "same_output with the head identity"),
    ("hidden=['tanh'], same_widths=True, layers=['dense', 'parallel']", "same_widths contradicts layers parallel"),
    ("hidden=['tanh'], layers=['shared'], depth=(1, 2)", "layers shared need a depth of 3 at least"),
    ("l2_on='all'", "l2_on and l2_reduction need l2"),
    ("l2=0.1, l2_on='all', bias='never'", 'l2_on="all" is of biases too'),
    ("l2=-1.0", "l2 is -1.0"),
    ("made_of=['numpy']", "made_of: unknown 'numpy'"),
    ("bias='unit'", "bias: unknown 'unit'"),
    ("heads=[Head('sigmoid', 'binary_cross_entropy', clip=1e-7, log_floor=1e-7)]", "contradict each other"),
    ("heads=[Head('sigmoid', 'binary_cross_entropy', clip=0.5)]", "clip: received 0.5"),
    ("heads=[Head('identity', 'squared_error', clip=1e-7)]", "squared_error is no loss of probabilities"),
    ("heads=[Head('identity', 'squared_error', log_floor=1e-7)]", "squared_error is no loss of probabilities"),
    ("heads=[Head('identity', 'squared_error', gradient_scale=0)]", "wanted a number other than 0"),
    ("heads=[Head('identity', 'squared_error', logits=0.5)]", "logits is 0.5, wanted a number, 1 or more"),
    ("heads=[Head('identity', 'mse')]", "'mse' is called 'squared_error' here; write 'squared_error'"),
    ("heads=[Head('linear', 'squared_error')]", "'linear' is called 'identity' here; write 'identity'"),
    ("heads=[Head('sigmoid', 'BCE')]", "write 'binary_cross_entropy'"),
    ("heads=[Head('softmax', 'nll')]", "write 'cross_entropy'"),
    ("hidden=['logistic']", "'logistic' is called 'sigmoid' here"),
])
def test_what_cannot_be_is_one_line_by_name(claims, said, tmp_path, capsys):
    file = tmp_path / "claiming.py"
    file.write_text("from backproof import Head, implementation\n\n"
                    f"@implementation({claims})\ndef backprop(*_):\n    pass\n")
    assert cli.main(["verify", f"{file}:backprop"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert said in shown.err


def test_the_decorator_without_brackets_says_what_to_write(tmp_path, capsys):
    file = tmp_path / "bare.py"
    file.write_text("from backproof import implementation\n\n@implementation\ndef backprop(*_):\n    pass\n")
    assert cli.main(["verify", f"{file}:backprop"]) == 2
    assert 'write @implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])' in capsys.readouterr().err


def test_every_claim_is_described():
    assert set(SAYS) == set(CLAIMS)
    assert {"activation", "loss", *HEAD_SAYS} == {f.name for f in fields(Head)}


# --- the verdict in words ---------------------------------------------------------------------------


def reports(tmp_path, **more):
    """The same verdict in every rendering."""
    run = read(record(tmp_path, **more))
    return {name: render(name, run) for name in ("text", "markdown", "html", "junit", "badge", "annotations")}


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit", "badge", "annotations"])
def test_a_run_cut_short_conforms_after_so_many_networks(form, tmp_path):
    short = reports(tmp_path / "short", planned=1500, ended="time limit")[form]
    assert ", after 300 of 1500 networks (time limit)" in re.sub(r"&[^;]*;", "", short)
    assert "after 300" not in reports(tmp_path / "whole", planned=300)[form]


def test_a_time_limit_is_in_the_headline():
    mine = implementation(**TANH)(lambda *given: half_squares(*given))
    report = verify(mine, examples=10**6, seconds=4, oracles="differences")
    if report.verdict == "conforms":
        assert f"CONFORMS, after {report.networks} of 1000000 networks (time limit)" in report.text().splitlines()[0]
    assert (report.planned, report.ended) == (10**6, "time limit")
    assert report.networks < 10**6


def test_a_softmax_of_one_output_has_a_constant_loss():
    one = Head("softmax", "cross_entropy", targets="one_hot", outputs=(1, 1))
    mine = implementation(heads=[SQUARED, one], depth=(1, 1))(lambda *given: right(*given))
    notes = verify(mine, examples=2, oracles="differences").notes
    assert [note for note in notes if note.kind is NoteKind.CONSTANT] == [
        "the loss of softmax + cross_entropy with one output is constant, since the softmax of one number is 1: "
        "all its gradients are 0, and say little"]


def right(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, answer.gradients


# --- what is inferred where nothing is claimed ------------------------------------------------------


def only_sigmoid(network, parameters, inputs, targets):
    """Always a sigmoid, always half the sum of squares: it does not read the description."""
    return half_squares(under(network, "sigmoid", "sigmoid"), parameters, inputs, targets)


def under(network, hidden, last):
    """The network with these activations, whatever it says."""
    sizes = network.sizes
    functions = [activation(hidden)] * (len(sizes) - 2)
    return chain(sizes, [True] * (len(sizes) - 1), functions, Head(last, "squared_error"))


def averaging(network, parameters, inputs, targets):
    """The same with the first bias averaged over the batch."""
    loss, gradients = only_sigmoid(network, parameters, inputs, targets)
    return loss, gradients | {"0.bias": gradients["0.bias"] / len(inputs)}


def by_name(network, parameters, inputs, targets):
    """It reads the description, knows three activations and one loss, and raises on any other."""
    assert network.head[1] == "squared_error", "squared error only"
    return half_squares(network, parameters, inputs, targets)


def two_layers(network, parameters, inputs, targets):
    """Exactly one hidden layer of tanh, before a softmax with its cross-entropy."""
    W, b, V, c = (parameters[name] for name in ("0.weight", "0.bias", "2.weight", "2.bias"))
    h = np.tanh(inputs @ W + b)
    p = np.exp(h @ V + c) / np.exp(h @ V + c).sum(axis=1, keepdims=True)
    dz = (p - targets) / len(p)
    dh = (dz @ V.T) * (1 - h**2)
    return -(targets * np.log(p)).sum() / len(p), network.pack([inputs.T @ dh, h.T @ dz], [dh.sum(0), dz.sum(0)])


def wrong_forward(network, parameters, inputs, targets):
    """It reads the description, and its tanh is another function."""
    case = Case(network, parameters, inputs, targets, str(inputs.dtype))
    halved = with_entry("activations", "tanh", lambda row: row._replace(f=lambda x: np.tanh(x / 2)))
    answer = halved(TABLES)(case)
    return answer.loss, answer.gradients


INFERRED = {
    only_sigmoid: '@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", '
                  'reduction="sum", scale=0.5)], bias="any", dtypes=["float64", "float32"])',
    by_name: '@implementation(hidden=["identity", "sigmoid", "tanh"], heads=[Head("identity", "squared_error", '
             'reduction="sum", scale=0.5), Head("sigmoid", "squared_error", reduction="sum", scale=0.5), '
             'Head("tanh", "squared_error", reduction="sum", scale=0.5)], bias="any", '
             'dtypes=["float64", "float32"])',
    two_layers: '@implementation(hidden=["tanh"], heads=[Head("softmax", "cross_entropy", '
                'reduction="mean_over_batch", targets="one_hot")], depth=(2, 2), dtypes=["float64", "float32"])',
}


@pytest.mark.parametrize("program", INFERRED, ids=lambda program: program.__name__)
def test_the_decorator_is_inferred(program):
    found = inferred(subject_of(program))
    assert [note.kind for note in found.notes] == [NoteKind.INFERRED]
    claimed = eval(INFERRED[program].removeprefix("@"), {"implementation": implementation, "Head": Head})
    assert replace(claims_of(claimed(lambda *_: None)), explored=True) == found.claims


def test_what_is_inferred_is_what_it_is_held_to():
    report = verify(only_sigmoid, examples=16, oracles="torch")
    assert (report.verdict, report.reason) == ("conforms", "to claims that were inferred: see the note")
    wrong = verify(averaging, examples=16, oracles="torch", stop_after=5)
    assert [finding.wrong for finding in wrong.findings] == [("0.bias",)]


def test_what_was_refused_is_never_green():
    report = verify(by_name, examples=16, oracles="torch")
    assert (report.verdict, report.total("failed"), report.total("errored")) == ("incomplete", 0, 0)
    assert report.reason.startswith("explored: what it declines was not judged")


def test_a_wrong_forward_is_not_left_out():
    assert inferred(subject_of(wrong_forward)) == (EVERYTHING, [], 0)


def test_nothing_is_inferred_where_no_loss_agrees():
    assert inferred(subject_of(lambda *given: (1.0, half_squares(*given)[1]))).claims == EVERYTHING


def test_a_claim_is_not_inferred():
    subject = subject_of(implementation(**TANH)(only_sigmoid_too))
    assert inferred(subject) == (subject.claims, [], 0)


def only_sigmoid_too(*given):
    return only_sigmoid(*given)


def test_a_fixed_depth_is_told_the_claim_to_write():
    head = Head("softmax", "cross_entropy", targets="one_hot", logits=20)
    report = verify(implementation(hidden=["tanh"], heads=[head])(two_layers_too), examples=2)
    assert report.verdict == "not_judged"
    assert report.reason.endswith("it was asked a network of depth 1, and answers one of depth 2: "
                                  "claim depth=(2, 2) if it has no other")
    fixed = implementation(hidden=["tanh"], heads=[head], depth=(2, 2))(lambda *given: two_layers(*given))
    assert verify(fixed, examples=16, oracles="torch").verdict == "conforms"


def two_layers_too(*given):
    return two_layers(*given)


# --- networks and options of kinds ----------------------------------------------------------------


FIXED = {"format": 1, "input_shape": [3], "layers": [
    {"kind": "dense", "units": 4, "bias": True}, {"kind": "activation", "function": "tanh"},
    {"kind": "dense", "units": 2, "bias": False}],
    "loss": {"kind": "squared_error", "reduction": "sum", "scale": 0.5}}
OTHER = {**FIXED, "input_shape": [2], "layers": FIXED["layers"][:1],
         "loss": {"kind": "softmax_cross_entropy", "reduction": "mean"}}


def test_networks_that_are_claimed_are_all_that_is_asked():
    claims = Claims(networks=(FIXED, OTHER))
    drawn_networks = list(islice(drawn(networks(claims), 0), 60))
    assert set(drawn_networks) == set(claims.networks)
    assert claims.heads == (Head("identity", "squared_error", "sum", 0.5),
                            Head("identity", "softmax_cross_entropy", "mean"))


def test_a_reduced_case_stays_one_of_the_networks():
    claims = Claims(networks=(FIXED,))
    case = next(drawn(cases(claims), 0))
    smaller = replace(case.network, input_shape=(2,))
    assert covers(claims, case)
    assert not covers(claims, build(smaller, 1, "real", Style(), 0))


def test_claimed_networks_survive_json():
    claims = Claims(networks=(FIXED, OTHER))
    assert Claims.from_json(json.loads(json.dumps(claims.to_json()))) == claims


@pytest.mark.parametrize(("given", "says"), [
    ("LeNet-5", "networks is 'LeNet-5', wanted a list of descriptions"),
    (({**FIXED, "layers": [{"kind": "magic"}]},), "magic"),
    (({**FIXED, "input_shape": "wide"},), "input_shape"),
])
def test_networks_that_are_none(given, says):
    with pytest.raises(DescriptionError, match=says):
        Claims(networks=given)


@pytest.mark.parametrize(("layers", "says"), [
    ([{"kind": "lstm", "peepholes": True}], "peepholes"),
    ([{"kind": "lstm", "peephole": "yes"}], "lstm: peephole is 'yes', wanted true or false"),
    ([{"peephole": True}], "layers: kind"), ([{"kind": "conv2d", "window": [[3, 0]]}], "window is"),
])
def test_options_that_are_none(layers, says):
    with pytest.raises(DescriptionError, match=says):
        Claims(layers=layers)


LSTM = {"kind": "lstm", "peephole": False, "returns": ["last"], "initial_state": False}


def test_only_the_options_claimed_are_drawn():
    claims = Claims(hidden=("tanh",), layers=("dense", LSTM))
    found = [spec.options for network in islice(drawn(networks(claims), 0), 100)
             for _, spec in network.walk() if spec.kind == "lstm"]
    assert len(found) > 10
    assert {options["peephole"] for options in found} == {False}
    assert {options["returns"] for options in found} == {"last"}
    assert {options["reverse"] for options in found} == {True, False}


def test_other_options_are_outside_the_claims():
    claims = Claims(hidden=("tanh",), layers=("dense", LSTM))
    asked = (case for case in drawn(cases(claims), 0) if any(s.kind == "lstm" for _, s in case.network.walk()))
    case = next(asked)
    assert covers(claims, case)
    assert not covers(replace(claims, layers=("dense", {**LSTM, "returns": "sequence"})), case)


@pytest.mark.parametrize("kind", [name for name in STRUCTURES if name in TABLES.layers and name != "dense"])
def test_a_kind_that_is_not_claimed_is_never_asked_for(kind):
    others = [name for name in STRUCTURES if name not in (kind, "all")]
    claims = replace(EVERYTHING, layers=tuple(others))
    for network in islice(drawn(networks(claims), 1), 20):
        assert kind not in structures_of(network)
