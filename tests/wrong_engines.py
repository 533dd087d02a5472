"""Wrong code for the tests of the harness, and what these tests share.

Most of it is the fault table itself: NAMED says which fault a test means. OTHERS are mistakes that the
table does not have on purpose: what a run says of code that nobody has seen before.
"""

from functools import cache, lru_cache, partial
from itertools import islice

import numpy as np
from backproof.faults import FAULTS
from backproof.faults.core import at_sites, at_the_end, loss, with_entry
from backproof.judging.plan import Plan, drawn
from backproof.plug.subject import Subject
from backproof.properties.agreement import differing, measured
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.properties.identities import PROPERTIES
from backproof.properties.membership import covers
from backproof.properties.strategies import cases, in_dtype
from backproof.properties.tolerance import spread
from backproof.record.writing import Recorder
from backproof.reference import LOSSES, TABLES, Answer, evaluate
from backproof.running.run import run

SQUARED = Head("identity", "squared_error", reduction="sum")
CLAIMED = Claims(hidden=("sigmoid", "tanh"), heads=(SQUARED,), depth=(1, 4))
NAMED = {
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
    "accumulating": "gradients-accumulate",
}


def weight(change):
    """Another weight gradient: change(x, delta, dW)."""
    return at_sites(dW=lambda s, right, way: change(s.x, s.delta, right))


def bias(change):
    """Another bias gradient: change(delta, db)."""
    return at_sites(db=lambda s, db, way: change(s.delta, db))


def passed_on(change):
    """Another gradient handed to the layer before: change(W, delta, dx)."""
    return at_sites(dx=lambda s, dx, way: change(s.W, s.delta, dx))


def slope(names, df):
    """Activations with another derivative: df(right row) -> (x, y) -> array."""
    def row(right):
        wrong = df(right)
        return right._replace(df=wrong, backward=lambda x, y, dy, **options: dy * wrong(x, y, **options))

    def make(tables):
        changed = {name: row(tables.activations[name]) for name in names}
        return partial(evaluate, tables=tables._replace(activations={**tables.activations, **changed}))
    return make


def loss_slope(change):
    """Every loss with another gradient of the outputs: change(p, t, dL)."""
    def row(right):
        return right._replace(dL=lambda p, t: change(p, t, right.dL(p, t)))
    return loss(dict.fromkeys(LOSSES, row))


def gradients(change):
    """Every gradient changed by itself: change(case, name, gradient)."""
    return at_the_end(lambda case, g: {name: change(case, name, v) for name, v in g.items()})


def caching(tables):
    """The inputs of the last question, where their shape fits."""
    last = []

    def engine(case):
        old = last[-1] if last and last[-1].shape == case.inputs.shape else case.inputs
        last.append(case.inputs)
        return Answer(evaluate(case).loss, evaluate(case.but(inputs=old)).gradients)
    return engine


def ramp(n):
    """Different for every position: whoever multiplies by it depends on an order."""
    return 1.0 + 0.1 * np.arange(n)


def dropped(tables):
    """The case without its last example, at the weight it has in the whole."""
    def engine(case):
        part = case.but(inputs=case.inputs[:-1], targets=case.targets[:-1]) if case.batch > 1 else case
        share = 1.0 if case.network.loss.reduction == "sum" else part.batch / case.batch
        g = evaluate(part).gradients
        inputs = np.concatenate([g["inputs"], 0 * case.inputs[part.batch:]])
        return Answer(evaluate(case).loss, {n: v * share for n, v in g.items()} | {"inputs": inputs * share})
    return engine


def growing_examples(s, dW, way):  # noqa: N803
    return s.x.T @ (s.delta * ramp(len(s.delta))[:, None])


def of_owner_alone(s, gradient, way):
    """The gradient of a shared parameter is that of its owner's use: overwritten, not added."""
    place = way.places[way.position(s)]
    return gradient if place.weight.startswith(f"{s.layer}.") else 0.0 * gradient


SMOOTH = ("sigmoid", "tanh", "softplus", "gelu", "gelu_tanh", "silu")
OTHERS = {
    "bias doubled": bias(lambda dy, db: 2 * db),
    "bias of another unit": bias(lambda dy, db: np.roll(db, 1)),
    "weight doubled": weight(lambda x, dy, dw: 2 * dw),
    "weight of another unit": weight(lambda x, dy, dw: np.roll(dw, 1, axis=1)),
    "weight of absolute inputs": weight(lambda x, dy, dw: np.abs(x).T @ dy),
    "weight of shifted inputs": weight(lambda x, dy, dw: (x + x.dtype.type(0.1)).T @ dy),
    "weight growing with the unit": weight(lambda x, dy, dw: dw * ramp(dw.shape[1])),
    "weight growing with the input": weight(lambda x, dy, dw: dw * ramp(dw.shape[0])[:, None]),
    "examples growing": at_sites(dW=growing_examples),
    "one use of a shared weight": at_sites(dW=of_owner_alone),
    "absolute W": passed_on(lambda w, dy, dx: dy @ np.abs(w).T),
    "passed on averaged": passed_on(lambda w, dy, dx: dx / len(dy)),
    "first layer doubled": at_the_end(lambda case, g: {"0.weight": 2 * g["0.weight"]}),
    "sigmoid derivative missing": slope(["sigmoid"], lambda row: lambda x, y: 1.0 + 0 * x),
    "derivative off by an odd part": slope(
        SMOOTH, lambda row: lambda x, y: row.df(x, y) * (1 + 0.01 * np.sign(x))),
    "identity derivative 1/2": with_entry("activations", "identity", lambda row: row._replace(
        df=lambda x, y: 0.5 + 0 * x, backward=lambda x, y, dy: 0.5 * dy)),
    "loss gradient plus a constant": loss_slope(lambda p, t, d: d + d.dtype.type(0.01)),
    "loss gradient clipped": loss_slope(lambda p, t, d: np.clip(d, -0.1, 0.1)),
    "loss gradient of the output alone": loss_slope(lambda p, t, d: d + d.dtype.type(0.1) * p),
    "first output only": loss_slope(lambda p, t, d: d * (np.arange(p.shape[-1]) == 0)),
    "gradient clipped by norm": gradients(lambda case, name, g: g / max(1.0, float(np.linalg.norm(g)))),
    "last example dropped": dropped,
    "caching the last batch": caching,
}
MAKES = {**{name: FAULTS[fault].engine for name, fault in NAMED.items()}, **OTHERS}
WRONG = {name: partial(make, TABLES) for name, make in MAKES.items()}


ALL = Claims(**{**vars(EVERYTHING), "layers": "all"})


@lru_cache(maxsize=1)
def pool(count=1000):
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


@cache
def questions(name, count=25):
    """What the property asks about the first cases of the pool that it applies to: cases, equations."""
    rng, found = np.random.default_rng(0), []
    for case in pool():
        asked = PROPERTIES[name].question(case, ALL, rng)
        if asked is not None and (checked := valid(asked.cases)):
            found.append((checked, asked.equations))
            if len(found) == count:
                break
    return found


def broken(name, make, count=40):
    """On how many of the property's questions a fresh engine breaks it."""
    engine = make()
    equations = [judge(replies(engine, asked)) for asked, judge in questions(name)[:count]]
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
