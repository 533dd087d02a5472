"""Backpropagations with one line made wrong, a row each, and what the tests of the harness share.

A row of WRONG makes a fresh engine: the reference over tables with one entry replaced, or the reference wrapped. None
copies the backprop around its mistake.
"""

from functools import cache, lru_cache, partial
from itertools import islice

import numpy as np
from backproof.judging.plan import Plan, drawn
from backproof.naming.reduce import KEPT, within
from backproof.plug.subject import Subject
from backproof.properties.agreement import differing, measured
from backproof.properties.claims import EVERYTHING, Claims, Head, activation
from backproof.properties.identities import PROPERTIES
from backproof.properties.strategies import cases, rounded
from backproof.properties.tolerance import spread
from backproof.record.writing import Recorder
from backproof.reference import ACTIVATIONS, LAYERS, LOSSES, TABLES, Answer, evaluate
from backproof.reference.chain import step
from backproof.running.run import run

SQUARED = Head("identity", "squared_error", reduction="sum")
CLAIMED = Claims(hidden=("sigmoid", "tanh"), heads=(SQUARED,), depth=(1, 4))


def over(**tables):
    """The reference over other tables."""
    return partial(evaluate, tables=TABLES._replace(**tables))


def dense(change):
    """The dense layer's backward followed by `change(p, x, dy, dx, gradients) -> (dx, gradients)`."""
    def backward(p, x, dy):
        return change(p, x, dy, *LAYERS["dense"].backward(p, x, dy))
    return lambda: over(layers={**LAYERS, "dense": LAYERS["dense"]._replace(backward=backward)})


def weight(change):
    """Another weight gradient: change(x, dy, dW)."""
    return dense(lambda p, x, dy, dx, g: (dx, {**g, "weight": change(x, dy, g["weight"])}))


def bias(change):
    """Another bias gradient: change(dy, db)."""
    return dense(lambda p, x, dy, dx, g: (dx, {**g, "bias": change(dy, g["bias"])} if "bias" in g else g))


def passed_on(change):
    """Another gradient handed to the layer before: change(W, dy, dx)."""
    return dense(lambda p, x, dy, dx, g: (change(p["weight"], dy, dx), g))


def slope(names, df):
    """Activations with another derivative: df(right derivative) (x, y) -> array."""
    def row(right):
        wrong = df(right)
        return right._replace(df=wrong, backward=lambda x, y, dy, **options: dy * wrong(x, y, **options))
    return lambda: over(activations={**ACTIVATIONS, **{name: row(ACTIVATIONS[name]) for name in names}})


def loss_slope(change):
    """Every loss with another gradient of the outputs: change(p, t, dL)."""
    def row(right):
        return right._replace(dL=lambda p, t: change(p, t, right.dL(p, t)))
    return lambda: over(losses={name: row(right) for name, right in LOSSES.items()})


def wrapped(change):
    """The reference's answer changed afterwards: change(case, loss, gradients) -> (loss, gradients)."""
    return lambda: lambda case: Answer(*change(case, *vars(evaluate(case)).values()))


def gradients(change):
    """Every gradient changed by itself: change(case, name, gradient)."""
    return wrapped(lambda case, loss, g: (loss, {name: change(case, name, v) for name, v in g.items()}))


def accumulating():
    """Gradients are added to those of the last question of the same shapes."""
    totals = {}

    def engine(case):
        answer = evaluate(case)
        found = {n: g + totals[n] if n in totals and totals[n].shape == g.shape else g
                 for n, g in answer.gradients.items()}
        totals.update(found)
        return Answer(answer.loss, found)
    return engine


def caching():
    """The inputs of the last question, where their shape fits."""
    last = []

    def engine(case):
        old = last[-1] if last and last[-1].shape == case.inputs.shape else case.inputs
        last.append(case.inputs)
        return Answer(evaluate(case).loss, evaluate(case.but(inputs=old)).gradients)
    return engine


def upstream():
    """The bias gradient is taken before the activation's derivative: off by f'."""
    before = {}

    def sweep(tape, i, dy):
        above = before.pop("dy", dy)
        dx, g = step(tape, i, dy)
        if tape[i].scope.spec.kind == "activation":
            before["dy"] = dy
        elif "bias" in g and above.shape == dy.shape:
            g = {**g, "bias": above.sum(axis=0)}
        return dx, g
    return over(sweep=sweep)


def first_layer_only(change):
    return wrapped(lambda case, loss, g: (loss, {**g, "0.weight": change(g["0.weight"])}))


def ramp(n):
    """Different for every position: whoever multiplies by it depends on an order."""
    return 1.0 + 0.1 * np.arange(n)


def dropped(case):
    """The case without its last example, at the weight it has in the whole."""
    part = case.but(inputs=case.inputs[:-1], targets=case.targets[:-1]) if case.batch > 1 else case
    share = 1.0 if case.network.loss.reduction == "sum" else part.batch / case.batch
    g = evaluate(part).gradients
    inputs = np.concatenate([g["inputs"], 0 * case.inputs[part.batch:]])
    return Answer(evaluate(case).loss, {n: v * share for n, v in g.items()} | {"inputs": inputs * share})


def diagonal(x, y, dy):
    """softmax' as if the units did not mix."""
    return dy * y * (1 - y)


SMOOTH = ("sigmoid", "tanh", "softplus", "gelu", "gelu_tanh", "silu")
WRONG = {
    "bias averaged": bias(lambda dy, db: db / len(dy)),
    "bias of the first example": bias(lambda dy, db: dy[0].copy()),
    "bias summed over everything": bias(lambda dy, db: np.full_like(db, dy.sum())),
    "bias zero": bias(lambda dy, db: 0 * db),
    "bias doubled": bias(lambda dy, db: 2 * db),
    "bias before the activation": upstream,
    "bias of another unit": bias(lambda dy, db: np.roll(db, 1)),
    "weight averaged": weight(lambda x, dy, dw: dw / len(dy)),
    "weight doubled": weight(lambda x, dy, dw: 2 * dw),
    "weight transposed where square": weight(lambda x, dy, dw: dw.T if dw.shape[0] == dw.shape[1] else dw),
    "weight of another unit": weight(lambda x, dy, dw: np.roll(dw, 1, axis=1)),
    "weight of absolute inputs": weight(lambda x, dy, dw: np.abs(x).T @ dy),
    "weight of shifted inputs": weight(lambda x, dy, dw: (x + x.dtype.type(0.1)).T @ dy),
    "weight growing with the unit": weight(lambda x, dy, dw: dw * ramp(dw.shape[1])),
    "weight growing with the input": weight(lambda x, dy, dw: dw * ramp(dw.shape[0])[:, None]),
    "examples growing": dense(
        lambda p, x, dy, dx, g: (dx, LAYERS["dense"].backward(p, x, dy * ramp(len(dy))[:, None])[1])),
    "W for its transpose where square": passed_on(lambda w, dy, dx: dy @ w if w.shape[0] == w.shape[1] else dx),
    "absolute W": passed_on(lambda w, dy, dx: dy @ np.abs(w).T),
    "passed on without W": passed_on(lambda w, dy, dx: np.tile(dy.sum(axis=1, keepdims=True), dx.shape[1])),
    "passed on twice": passed_on(lambda w, dy, dx: 2 * dx),
    "passed on averaged": passed_on(lambda w, dy, dx: dx / len(dy)),
    "not passed on": passed_on(lambda w, dy, dx: 0 * dx),
    "first layer doubled": first_layer_only(lambda g: 2 * g),
    "derivative missing": slope(SMOOTH, lambda row: lambda x, y: 1.0 + 0 * x),
    "sigmoid derivative missing": slope(["sigmoid"], lambda row: lambda x, y: 1.0 + 0 * x),
    "derivative at the value": slope(SMOOTH, lambda row: lambda x, y: row.df(y, row.f(y))),
    "derivative off by an odd part": slope(SMOOTH, lambda row: lambda x, y: row.df(x, y) * (1 + 0.01 * np.sign(x))),
    "relu derivative always 1": slope(["relu"], lambda row: lambda x, y: 1.0 + 0 * x),
    "leaky slope twice": slope(
        ["leaky_relu"], lambda row: lambda x, y, slope: row.df(x, y, slope) * np.where(x > 0, 1.0, slope)),
    "identity derivative 1/2": slope(["identity"], lambda row: lambda x, y: 0.5 + 0 * x),
    "softmax diagonal": lambda: over(
        activations={**ACTIVATIONS, "softmax": ACTIVATIONS["softmax"]._replace(backward=diagonal)}),
    "loss gradient plus a constant": loss_slope(lambda p, t, d: d + d.dtype.type(0.01)),
    "loss gradient clipped": loss_slope(lambda p, t, d: np.clip(d, -0.1, 0.1)),
    "loss gradient of the output alone": loss_slope(lambda p, t, d: d + d.dtype.type(0.1) * p),
    "first output only": loss_slope(lambda p, t, d: d * (np.arange(p.shape[-1]) == 0)),
    "gradient doubled": gradients(lambda case, name, g: 2 * g),
    "gradient with the wrong sign": gradients(lambda case, name, g: -g),
    "gradient zero": gradients(lambda case, name, g: 0 * g),
    "gradient times outputs": gradients(lambda case, name, g: case.network.sizes[-1] * g),
    "gradient with decay": wrapped(lambda case, loss, g: (
        loss, {n: v + 0.01 * case.parameters[n] if n in case.parameters else v for n, v in g.items()})),
    "gradient clipped by norm": gradients(lambda case, name, g: g / max(1.0, float(np.linalg.norm(g)))),
    "rounded to 16 bits": gradients(lambda case, name, g: g.astype(np.float16).astype(g.dtype)),
    "last example dropped": lambda: dropped,
    "accumulating": accumulating,
    "caching the last batch": caching,
}


@lru_cache(maxsize=1)
def pool(count=400):
    """Cases of everything, the same every time."""
    return list(islice(drawn(cases(EVERYTHING), 7), count))


def valid(asked):
    """The cases as a run asks them, each with its spread; None where one of them is not valid."""
    found = [(case, spread(case)) for case in (rounded(case, case.dtype) for case in asked)]
    return None if any(s.unclear or not s.finite for _, s in found) else found


def replies(engine, asked):
    """The engine's replies to `valid` cases, with their tolerances."""
    with np.errstate(all="ignore"):
        return [measured(case, engine(case), s) for case, s in asked]


@cache
def questions(name, count=25):
    """What the property asks about the first cases of the pool that it applies to."""
    rng, found = np.random.default_rng(0), []
    for case in pool():
        asked = PROPERTIES[name].ask(case, EVERYTHING, rng)
        if asked is not None and (checked := valid(asked)):
            found.append(checked)
            if len(found) == count:
                break
    return found


def broken(name, make, count=40):
    """On how many of the property's questions a fresh engine breaks it."""
    engine = make()
    equations = [PROPERTIES[name].judge(replies(engine, asked)) for asked in questions(name)[:count]]
    return sum(any(differing(*equation) is not None for equation in each) for each in equations)


def inside(case, claims):
    """What of the claims the case is outside of: an empty list for every case that a run may send."""
    network, k = case.network, case.network.sizes[-1]
    depth = sum(layer.kind == "dense" for layer in network.layers)
    biases = {layer.options["bias"] for layer in network.layers if layer.kind == "dense"}
    specs = [layer for layer in network.layers if layer.kind == "activation"]
    hidden = specs[:depth - 1]
    heads = [head for head in claims.heads if (head.activation, head.loss) == network.head]
    checks = {
        "hidden": all(spec in map(activation, claims.hidden) for spec in hidden),
        "same_hidden": not claims.same_hidden or len({str(spec) for spec in hidden}) < 2,
        "bias": biases <= {"always": {True}, "never": {False}, "any": {True, False}}[claims.bias],
        "batch": within(case.batch, claims.batch), "depth": within(depth, claims.depth),
        "dtype": case.dtype in claims.dtypes and case.inputs.dtype == case.dtype,
        "parameters": within(sum(v.size for v in case.parameters.values()), (0, claims.max_parameters)),
        "head": any(within(k, head.outputs) and head.reduction in ("reported", network.loss.reduction)
                    and head.scale == network.loss.scale
                    and any(KEPT[kind](case.targets, k) for kind in head.target_kinds) for head in heads),
    }
    return [name for name, holds in checks.items() if not holds]


def verified(engine, claims=CLAIMED, made_of=(), **plan):
    """A small run over an engine: no oracle but the named ones."""
    chosen = {"examples": 8, "oracles": ("torch",), **plan}
    with np.errstate(all="ignore"):
        return run(Subject("mine", claims, engine, frozenset(made_of)), Plan(**chosen), Recorder())


def drawn_cases(strategy, seed, count):
    """The first draws of a strategy, the same for the same seed."""
    return list(islice(drawn(strategy, seed), count))
