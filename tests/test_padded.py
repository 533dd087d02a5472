"""The padded JAX program: chains of dense layers of any structures, against the truth and the plain program."""

from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import pytest
from backproof.judging.plan import drawn
from backproof.oracles import Unsupported, load
from backproof.oracles.jax_autograd.chains import chains
from backproof.oracles.jax_autograd.compiling import run
from backproof.oracles.jax_autograd.packing import SIZES, answer_of, chain_of, packed
from backproof.oracles.jax_autograd.plain import answers
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import Style, build, drafts
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import ACTIVATIONS, LOSSES, LossSpec, parse
from backproof.reference.network import STATED

NETWORKS = 200  # for each dtype
DTYPES = ("float64", "float32")
RANGES = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "kl_divergence": "softmax",
          "kl_divergence_of_logs": "log_softmax"}


def dense(units, bias=True, **more):
    return {"kind": "dense", "units": units, "bias": bias, **more}


def act(function, **more):
    return {"kind": "activation", "function": function, **more}


def case_of(layers, loss="squared_error", targets=None, batch=3, seed=0, shape=(3,), **more):
    network = parse.network({"format": 1, "input_shape": list(shape), "layers": list(layers),
                             "loss": {"kind": loss, **more}})
    return build(network, batch, targets or LOSSES[loss].targets[0], Style(), seed, "float64")


def without_layers(case):
    return case.but(network=replace(case.network, layers=()))


def furthest(answer, truth, s):
    """The largest distance of two answers in units of s, over the loss and every gradient."""
    assert answer.gradients.keys() == truth.gradients.keys()
    pairs = [(answer.loss, truth.loss, s.loss),
             *((answer.gradients[name], g, s.gradients[name]) for name, g in truth.gradients.items())]
    assert all(np.shape(a) == np.shape(b) for a, b, _ in pairs)
    return max(float((np.abs(np.asarray(a, float) - b) / s).max(initial=0.0)) for a, b, s in pairs)


def from_the_truth(cases, answers):
    """The largest distance of an answer from the truth of its case, where that is known."""
    known = [(answer, spread(case)) for case, answer in zip(cases, answers, strict=True)]
    valid = [furthest(answer, s.truth, s) for answer, s in known if s.finite and not s.unclear]
    assert len(valid) > 0.9 * len(cases)
    return max(valid)


# --- drawn networks ---------------------------------------------------------------------------------------------


@lru_cache
def networks(dtype):
    return [draft.case for draft in islice(drawn(drafts(EVERYTHING, dtype=dtype), 3), NETWORKS)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_drawn_networks(dtype, size):
    cases = [case for case in networks(dtype) if chain_of(case).size == size]
    answers = load("jax").padded(cases, None)
    assert from_the_truth(cases, answers) < SLACK
    assert {str(g.dtype) for answer in answers for g in answer.gradients.values()} == {dtype}
    for case, answer in list(zip(cases, answers, strict=True))[::len(cases) // 4]:
        assert furthest(answer, load("jax").answer(case, None), spread(case)) < SLACK


def test_every_chain_that_is_drawn_fits():
    assert {chain_of(case).size for case in networks("float64")} == set(SIZES)


# --- everything that is a number --------------------------------------------------------------------------------


CASES = {
    **{f: case_of([dense(5), act(f), dense(2)]) for f in ACTIVATIONS},
    **{f"{loss}, {targets}, {reduction}": case_of(
        [dense(4), act(RANGES.get(loss, "identity"))], loss, targets, reduction=reduction, scale=0.7)
       for loss, row in LOSSES.items() for targets in row.targets for reduction in STATED},
    "leaky": case_of([dense(4), act("leaky_relu", slope=0.3), act("elu", alpha=0.7)]),
    "hard sigmoid": case_of([dense(4), act("hard_sigmoid", slope=0.2)]),
    "no layers": without_layers(case_of([act("identity")], "inner_product")),
    "no bias": case_of([dense(4, False), act("tanh"), dense(1, False)]),
    "activation first": case_of([act("tanh"), dense(4), act("softplus"), act("sigmoid"), dense(2)]),
    "softmax inside": case_of([dense(4), act("softmax"), dense(3), act("log_softmax"), dense(2)]),
    "sequence": case_of([dense(4), act("tanh"), dense(3)], "softmax_cross_entropy", "index", 2, shape=(3, 2)),
    "sequence, weighted": case_of([dense(2)], "huber", batch=2, shape=(3, 2), delta=0.5, reduction="weighted"),
    "one example, one unit": case_of([dense(1)], batch=1, shape=(1,)),
    "clipped": case_of([dense(3), act("softmax")], "cross_entropy", clip=0.2),
    "smoothed": case_of([dense(3)], "softmax_cross_entropy", "index", smoothing=0.1),
    "penalty": case_of([dense(3), act("tanh"), dense(2)], l2=0.1),
    "penalty on all, averaged": case_of([dense(3), act("tanh"), dense(2)], l2=0.1, l2_on="all",
                                        l2_reduction="mean_over_batch"),
    "twice the gradient": case_of([dense(3)], gradient_scale=2.0),
    "full": case_of([dense(8), act("softplus")] * 6, batch=8, shape=(8,)),
    "large, small": case_of([dense(8), act("gelu_tanh"), dense(3)]).map(lambda a: 1e9 * a),
}


@lru_cache
def answered():
    return dict(zip(CASES, load("jax").padded(list(CASES.values())), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_every_number(name):
    assert chain_of(CASES[name]).size == SIZES[0]
    assert from_the_truth([CASES[name]], [answered()[name]]) < SLACK


def spoilt(case, change):
    """The answer of the padded program to one case, with its arrays changed before it runs."""
    chain = chain_of(case)
    arrays = packed([chain], chain.size, "float64")
    change(*arrays)
    losses, trained = run(chains, *arrays, often=True)
    return answer_of(chain, losses[0], trained._replace(x=trained.x[0], W=trained.W[0], b=trained.b[0]))


SPOILT = {
    "nothing": ("softmax inside", lambda trained, levels, loss: None, False),
    "dead units in a softmax": ("softmax inside", lambda trained, levels, loss: levels.live.fill(True), True),
    "dead rows that count": ("sigmoid", lambda trained, levels, loss: loss.weights[:, :, 0].fill(1), True),
    "a level that is not there": ("sigmoid", lambda trained, levels, loss: levels.there[:, 1:].fill(False), True),
    "another activation": ("sigmoid", lambda trained, levels, loss: levels.function.__iadd__(1), True),
    "no penalty": ("penalty", lambda trained, levels, loss: loss.l2.fill(0), True),
}


@pytest.mark.parametrize("name", SPOILT)
def test_padding_that_leaks_is_noticed(name):
    which, change, wrong = SPOILT[name]
    assert (from_the_truth([CASES[which]], [spoilt(CASES[which], change)]) > SLACK) == wrong


# --- what is not padded, and what is of several structures ------------------------------------------------------


UNSUPPORTED = {
    "shared": case_of([dense(3), dense(3, share="0")]),
    "one bias for a layer": case_of([dense(3, "layer")]),
    "branches": case_of([{"kind": "parallel", "combine": "add", "branches": [[dense(3)], []]}]),
    "dropout": case_of([dense(3), {"kind": "dropout", "rate": 0.5}]),
    "a norm": case_of([dense(3), {"kind": "rms_norm"}]),
    "a parameter of nobody": case_of([dense(3)]).but(parameters={"9.weight": np.ones((2, 2))}),
    "another loss": case_of([dense(3)]).but(network=replace(case_of([dense(3)]).network, loss=LossSpec("poisson"))),
    "too wide": case_of([dense(34)]),
    "too deep": case_of([dense(2)] * 25),
    "too many examples": case_of([dense(2)], batch=129),
    "indices": replace(case_of([dense(2)]), network=replace(case_of([dense(2)]).network, input_kind={"index": 5})),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_padded_is_refused(name):
    with pytest.raises(Unsupported, match=r"^jax: "):
        load("jax").padded([CASES["sigmoid"], UNSUPPORTED[name]])


def test_many_takes_what_there_is_in_its_order():
    some = [UNSUPPORTED["shared"], CASES["tanh"], UNSUPPORTED["too wide"], CASES["huber, real, sum"],
            UNSUPPORTED["shared"], CASES["sigmoid"]]
    assert from_the_truth(some, load("jax").many(some)) < SLACK
    assert load("jax").many([]) == load("jax").padded([]) == []


def test_many_keeps_dtypes_apart():
    some = [CASES["tanh"], CASES["tanh"].astype("float32"), UNSUPPORTED["shared"].astype("float32")]
    found = load("jax").many(some, None)
    assert [str(answer.gradients["inputs"].dtype) for answer in found] == ["float64", "float32", "float32"]
    assert from_the_truth(some, found) < SLACK


def test_many_refuses_what_is_unknown():
    with pytest.raises(Unsupported, match="loss 'poisson' is unknown"):
        load("jax").many([CASES["tanh"], UNSUPPORTED["another loss"]])


def test_answers_are_the_plain_ones_of_one_structure():
    case = CASES["sigmoid"]
    [padded], [plain] = load("jax").padded([case]), answers([case])
    assert furthest(padded, plain, spread(case)) < SLACK
