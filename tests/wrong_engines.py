"""Backpropagations with one line made wrong, a row each, and what the tests of the harness share.

A row of WRONG makes a fresh engine. Most are faults of the table, under the names that the tests
use; the rest are wrong in ways that nobody's program was seen to be, each for what it breaks.
"""

from dataclasses import replace
from functools import cache, lru_cache, partial, reduce
from itertools import islice

import numpy as np
from backproof.faults import FAULTS
from backproof.faults.known.activations import handed_down
from backproof.faults.known.normalisation import ALL as NORMS
from backproof.faults.known.normalisation import CENTRED
from backproof.faults.showing import structures_in
from backproof.faults.ways import (
    Wrong,
    answered,
    at_sites,
    at_some,
    derivative,
    first_layer,
    gradients,
    loss,
    passing,
)
from backproof.judging.plan import Plan, drawn
from backproof.plug.subject import Subject
from backproof.properties.agreement import differing, measured
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.identities import PROPERTIES, rows
from backproof.properties.membership import covers
from backproof.properties.strategies import cases, in_dtype
from backproof.properties.structures import PLAIN, STRUCTURES
from backproof.properties.tolerance import spread
from backproof.record.writing import Recorder
from backproof.reference import ACTIVATIONS, LOSSES, TABLES, Answer, evaluate
from backproof.running.run import run

SQUARED = Head("identity", "squared_error", reduction="sum")
CLAIMED = Claims(hidden=("sigmoid", "tanh"), heads=(SQUARED,), depth=(1, 4))


# --- what the table of faults has -----------------------------------------------------------------

def sharing(places):
    """The sites that use a weight of another layer."""
    return [place for place in places if not place.weight.startswith(f"{place.layer}.")]


def second_biases(places):
    """The sites of recurrent layers that have a bias of their own."""
    return [place for place in places if place.site.bias == "recurrent_bias"]


KNOWN = {
    "bias averaged": "bias-averaged-over-batch",
    "bias of the first example": "bias-of-first-example",
    "bias summed over everything": "bias-summed-over-units",
    "bias zero": "bias-never-updated",
    "bias before the activation": "bias-without-derivative",
    "weight averaged": "weights-averaged-biases-summed",
    "weight transposed where square": "weight-gradient-transposed",
    "W for its transpose where square": "weight-not-transposed",
    "passed on without W": "hidden-error-without-weights",
    "passed on twice": "delta-doubled-per-layer",
    "not passed on": "stops-after-one-layer",
    "derivative missing": "derivative-missing",
    "derivative at the value": "derivative-at-output",
    "relu derivative always 1": "relu-derivative-always-one",
    "leaky slope twice": "leaky-slope-twice",
    "softmax diagonal": "softmax-diagonal-only",
    "gradient doubled": "gradient-doubled",
    "gradient with the wrong sign": "gradient-negated",
    "gradient zero": "gradient-never-computed",
    "gradient times outputs": "gradient-times-outputs",
    "gradient with decay": "decay-on-biases-too",
    "rounded to 16 bits": "float16-inside",
    "U for its transpose": "recurrent-weight-not-transposed",
    "masks forgotten": "mask-forgotten-backward",
    "time not turned back": "reversed-inputs-gradient-not-turned-back",
    "accumulating": "gradients-accumulate",
    "caching the last batch": "stale-cache",
    "flattened by columns": "reshaping-columns-first",
    "padding cut off behind": "convolution-padding-cropped-on-one-side",
    "upstream ignored": "upstream-ignored",
    "dropout mask missing": "dropout-mask-left-out-on-the-way-back",
    "rows counted from 1": "embedding-counted-from-one",
    "every row": "embedding-all-rows",
    "rows overwritten": "embedding-row-overwritten",
    "second branch left out": "gate-first-branch-only",
    "queries and keys exchanged": "attention-queries-and-keys-exchanged",
    "values by scores": "attention-values-by-scores",
    "heads not merged": "attention-heads-not-merged",
}


# --- what it does not have ------------------------------------------------------------------------


def ramp(n):
    """Different for every position: whoever multiplies by it depends on an order."""
    return 1.0 + 0.1 * np.arange(n)


def growing(case, s):
    """The pass with a delta that grows from example to example."""
    return s._replace(delta=s.delta * ramp(len(s.delta))[:, None])


def odd_part(name):
    """The derivative of a function with another error on each side of 0."""
    right = ACTIVATIONS[name].df
    return lambda x, y, dy: dy * right(x, y) * (1 + 0.01 * np.sign(x))


def loss_slope(change):
    """Every loss with another gradient of the outputs: change(p, t, dL)."""
    def row(right):
        return right._replace(dL=lambda p, t, **options: change(p, t, right.dL(p, t, **options)))
    return loss(dict.fromkeys(LOSSES, row))


def dropped(case, right):
    """The gradients without the last example, at the weight that it has in the whole."""
    if case.batch == 1:
        return right
    part = rows(case, slice(None, -1))
    whole = case.network.loss.reduction in ("sum", "weighted")
    share = 1.0 if whole else part.batch / case.batch
    g = {name: share * value for name, value in evaluate(part).gradients.items()}
    return Answer(right.loss, {name: value if value.shape == right.gradients[name].shape else np.concatenate(
        [value, 0 * right.gradients[name][-1:]]) for name, value in g.items()})


def of_norms(kinds, name):
    """The mistake of this name in every kind of normalisation."""
    return reduce(Wrong.also, (FAULTS[f"{kind.replace('_', '-')}-{name}"].engine for kind in kinds))


SMOOTH = ("sigmoid", "tanh", "softplus", "gelu", "gelu_tanh", "silu")
OF_OUR_OWN = {
    "bias doubled": at_sites(db=lambda s, db: 2 * db),
    "bias of another unit": at_sites(db=lambda s, db: np.roll(db, 1)),
    "weight doubled": at_sites(dW=lambda s, dw: 2 * dw),
    "weight of another unit": at_sites(dW=lambda s, dw: np.roll(dw, 1, axis=1)),
    "weight of absolute inputs": at_sites(dW=lambda s, dw: np.abs(s.x).T @ s.delta),
    "weight of shifted inputs": at_sites(
        dW=lambda s, dw: (s.x + s.x.dtype.type(0.1)).T @ s.delta),
    "weight growing with the unit": at_sites(dW=lambda s, dw: dw * ramp(dw.shape[1])),
    "weight growing with the input": at_sites(dW=lambda s, dw: dw * ramp(dw.shape[0])[:, None]),
    "examples growing": passing(growing, "dW", "db"),
    "absolute W": at_sites(dx=lambda s, dx: s.delta @ np.abs(s.W).T),
    "passed on averaged": at_sites(dx=lambda s, dx: dx / len(s.delta)),
    "first layer doubled": at_some(first_layer, dW=lambda s, dw: 2 * dw),
    "sigmoid derivative missing": derivative({"sigmoid": handed_down}),
    "derivative off by an odd part": derivative({name: odd_part(name) for name in SMOOTH}),
    "identity derivative 1/2": derivative({"identity": lambda x, y, dy: dy / 2}),
    "loss gradient plus a constant": loss_slope(lambda p, t, d: d + d.dtype.type(0.01)),
    "loss gradient clipped": loss_slope(lambda p, t, d: np.clip(d, -0.1, 0.1)),
    "loss gradient of the output alone": loss_slope(lambda p, t, d: d + d.dtype.type(0.1) * p),
    "first output only": loss_slope(lambda p, t, d: d * (np.arange(p.shape[-1]) == 0)),
    "gradient clipped by norm": gradients(
        lambda name, g: g / max(1.0, float(np.linalg.norm(g)))),
    "last example dropped": answered(dropped),
    "second bias doubled": at_some(second_biases, db=lambda s, db: 2 * db),
    "one use of a shared weight": at_some(sharing, dW=lambda s, dw: 0.0 * dw),
    "norms without the path through the mean": of_norms(CENTRED, "mean-path-missing"),
    "norms without the path through the variance": of_norms(NORMS, "variance-path-missing"),
    "norms that forget their scale": of_norms(NORMS, "scale-forgotten"),
}
MAKE = {**{name: FAULTS[fault].engine for name, fault in KNOWN.items()}, **OF_OUR_OWN}
WRONG = {name: partial(make, TABLES) for name, make in MAKE.items()}


# --- what the tests of the harness share ----------------------------------------------------------


ALL = Claims(**{**vars(EVERYTHING), "layers": "all", "heads": (*EVERYTHING.heads, *(
    replace(head, reduction="weighted") for head in EVERYTHING.heads if head.activation in ("identity", "softmax")))})


@lru_cache(maxsize=1)
def pool(count=500):
    """Cases of everything, the same every time: plain chains, then all structures."""
    plain = islice(drawn(cases(EVERYTHING), 7), count // 2)
    return [*plain, *islice(drawn(cases(ALL), 7), count // 2)]


def valid(asked):
    """The cases as a run asks them, each with its spread; None where one of them is not valid."""
    found = [(case, spread(case)) for case in (in_dtype(case, case.dtype) for case in asked)]
    return None if any(s.unclear or not s.finite for _, s in found) else found


def replies(engine, asked):
    """The engine's replies to `valid` cases, with their tolerances."""
    with np.errstate(all="ignore"):
        return [measured(case, engine(case), s) for case, s in asked]


def of_family(family):
    """More cases of the structures that a family of properties is about, if it is about some."""
    structures = [name for name in structures_in(family) if name != PLAIN]
    if structures:
        claims = replace(EVERYTHING, layers=(PLAIN, *structures))
        yield from islice(drawn(cases(claims), 7), 150)


@cache
def of_structures(count=16):
    """Cases of each structure that there is."""
    return [case for name in STRUCTURES
            for case in islice(drawn(cases(replace(EVERYTHING, layers=(name,))), 7), count)]


def asked_of(family):
    """Cases for the identities of a family, those of the pool first."""
    yield from pool()
    yield from of_family(family)
    yield from of_structures()


@cache
def questions(name, count=14):
    """What the property asks about the first cases of the pool that it applies to: cases, equations.

    Where the pool has too few, cases of the structures that the property is about come after it.
    """
    rng, found = np.random.default_rng(0), []
    for case in asked_of(PROPERTIES[name].family):
        asked = PROPERTIES[name].question(case, ALL, rng)
        if asked is not None and (checked := valid(asked.cases)):
            found.append((checked, asked.equations))
            if len(found) == count:
                break
    return found


def broken(name, make, count=40):
    """On how many of the property's questions a fresh engine breaks it."""
    engine = make()
    equations = [judge(replies(engine, asked)) for asked, judge in questions(name, max(25, count))[:count]]
    return sum(any(differing(*equation) is not None for equation in each) for each in equations)


def inside(case, claims):
    """Whether a run may send the case under these claims."""
    return covers(claims, case)


def verified(engine, claims=CLAIMED, made_of=(), **plan):
    """A small run over an engine: no oracle but the named ones."""
    chosen = {"examples": 8, "oracles": ("torch",), **plan}
    with np.errstate(all="ignore"):
        return run(Subject("mine", claims, engine, frozenset(made_of)), Plan(**chosen), Recorder())


def drawn_cases(strategy, seed, count):
    """The first draws of a strategy, the same for the same seed."""
    return list(islice(drawn(strategy, seed), count))
