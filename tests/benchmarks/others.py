"""19 wrong backward passes of tanh(x Wᵀ + b) before backproof and before the gradient checkers people use.

    python tests/benchmarks/others.py

A cell is "batch 4 / batch 1": caught, or a dash where the checker passes it. Some are not wrong at batch 1: there the
sum over the batch is its one row. Every checker is asked as its documentation shows, in float64, with x of (N, 3), W of
(2, 3) and b of (2,). backproof is given the function as it is, for batch 4, for batch 1, and unrestricted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = Any
Backward = Callable[[Array, Array, Array, Array], tuple[Array, Array, Array]]
SHAPES = {4: (4, 3, 2), 1: (1, 3, 2)}


def right(x: Array, w: Array, y: Array, dy: Array) -> tuple[Array, Array, Array]:
    """(dx, dW, db) of y = tanh(x Wᵀ + b)."""
    return of(dy * (1 - y * y), x, w)


def of(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    return dz @ w, dz.T @ x, dz.sum(0)


# --- the mistakes ---------------------------------------------------------------------------------------------------


def bias(wrong: Callable[[Array, Array], Array]) -> Callable[[], Backward]:
    """A wrong db from (dz, dy)."""
    def backward(x: Array, w: Array, y: Array, dy: Array) -> tuple[Array, Array, Array]:
        dz = dy * (1 - y * y)
        return dz @ w, dz.T @ x, wrong(dz, dy)
    return lambda: backward


def delta(wrong: Callable[[Array, Array], Array]) -> Callable[[], Backward]:
    """A wrong dz from (dy, y)."""
    return lambda: lambda x, w, y, dy: of(wrong(dy, y), x, w)


def last(change: Callable[..., tuple[Array, Array, Array]]) -> Callable[[], Backward]:
    """The right gradients, changed: change(dx, dW, db, x, w)."""
    return lambda: lambda x, w, y, dy: change(*right(x, w, y, dy), x, w)


def swapped(a: Array) -> Array:
    """The transpose in the other shape's place: right for a square matrix only."""
    return np.ascontiguousarray(a.T).reshape(a.shape)


def one_entry(dx: Array, dw: Array, db: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    off = np.ones(dw.shape)
    off[0, 0] = 1.01
    return dx, dw * off, db


def accumulating() -> Backward:
    seen: list[Array] = []

    def backward(x: Array, w: Array, y: Array, dy: Array) -> tuple[Array, Array, Array]:
        dx, dw, db = right(x, w, y, dy)
        seen.append(db)
        return dx, dw, np.sum([each for each in seen if each.shape == db.shape], axis=0)
    return backward


def single(x: Array, w: Array, y: Array, dy: Array) -> tuple[Array, Array, Array]:
    dx, dw, db = right(*(np.asarray(a, np.float32) for a in (x, w, y, dy)))
    return np.asarray(dx, np.float64), np.asarray(dw, np.float64), np.asarray(db, np.float64)


def below(wrong: Callable[[Array, Array], Array]) -> Callable[[], Backward]:
    """A wrong dx from (dz, W)."""
    def backward(x: Array, w: Array, y: Array, dy: Array) -> tuple[Array, Array, Array]:
        dz = dy * (1 - y * y)
        return wrong(dz, w), dz.T @ x, dz.sum(0)
    return lambda: backward


MISTAKES: dict[str, Callable[[], Backward]] = {
    "db not summed over the batch": bias(lambda dz, dy: dz),
    "db of shape (1, units)": bias(lambda dz, dy: dz.sum(0, keepdims=True)),
    "db averaged over the batch": bias(lambda dz, dy: dz.mean(0)),
    "db of the first example": bias(lambda dz, dy: dz[0]),
    "db summed over the units": bias(lambda dz, dy: dz.sum(1)),
    "db zero": bias(lambda dz, dy: 0 * dz.sum(0)),
    "db negated": bias(lambda dz, dy: -dz.sum(0)),
    "db without the derivative": bias(lambda dz, dy: dy.sum(0)),
    "db accumulates over calls": accumulating,
    "all divided by the batch": last(lambda dx, dw, db, x, w: (dx / len(x), dw / len(x), db / len(x))),
    "derivative missing": delta(lambda dy, y: dy),
    "derivative not squared: 1 - y": delta(lambda dy, y: dy * (1 - y)),
    "derivative of the sigmoid: y (1 - y)": delta(lambda dy, y: dy * y * (1 - y)),
    "derivative of the output: 1 - tanh(y)^2": delta(lambda dy, y: dy * (1 - np.tanh(y) ** 2)),
    "dW transposed": last(lambda dx, dw, db, x, w: (dx, swapped(dw), db)),
    "dx through W transposed": below(lambda dz, w: dz @ np.resize(w.T, w.shape)),
    "dW doubled": last(lambda dx, dw, db, x, w: (dx, 2 * dw, db)),
    "one entry of dW off by 1 %": last(one_entry),
    "float32 inside float64": lambda: single,
}


def numbers(batch: int) -> tuple[Array, Array, Array]:
    n, i, o = SHAPES[batch]
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, i)), rng.standard_normal((o, i)), rng.standard_normal(o)


def forward(x: Array, w: Array, b: Array) -> Array:
    return np.tanh(x @ w.T + b)


# --- the checkers: each says whether it caught it ------------------------------------------------------------------


def gradcheck(backward: Backward, batch: int, fast: bool = False) -> bool:
    import torch

    class Layer(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any, b: Any) -> Any:
            y = torch.tanh(x @ w.T + b)
            ctx.save_for_backward(x, w, y)
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            arrays = [each.detach().numpy() for each in (*ctx.saved_tensors, dy)]
            return tuple(torch.from_numpy(np.array(g, np.float64)) for g in backward(*arrays))

    inputs = [torch.tensor(a, requires_grad=True) for a in numbers(batch)]
    return raises(lambda: torch.autograd.gradcheck(Layer.apply, inputs, fast_mode=fast))


def check_grads(backward: Backward, batch: int) -> bool:
    import jax
    from jax.test_util import check_grads as check

    layer = jax.custom_vjp(lambda x, w, b: jax.numpy.tanh(x @ w.T + b))

    def back(saved: Any, dy: Any) -> Any:
        gradients = backward(*(np.asarray(a) for a in (*saved, dy)))
        return tuple(jax.numpy.asarray(g) for g in gradients)

    def ahead(x: Any, w: Any, b: Any) -> Any:
        y = jax.numpy.tanh(x @ w.T + b)
        return y, (x, w, y)

    layer.defvjp(ahead, back)
    with jax.enable_x64(True):
        inputs = [jax.numpy.asarray(a) for a in numbers(batch)]
        return raises(lambda: check(layer, inputs, order=1, modes=["rev"]))


def hips(backward: Backward, batch: int, every: bool = False) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads as check

    layer = primitive(forward)
    defvjp(layer, *(lambda y, x, w, b, k=k: lambda dy: backward(x, w, y, dy)[k] for k in range(3)))
    order = {"modes": ["rev"], "order": 1} | ({"argnum": (0, 1, 2)} if every else {})
    return raises(lambda: check(layer, **order)(*numbers(batch)))


def flat(backward: Backward, batch: int) -> tuple[Callable[[Array], Any], Callable[[Array], Array], Array]:
    """sum(y G) and its gradient as functions of one vector, and where."""
    arrays = numbers(batch)
    ends = np.cumsum([a.size for a in arrays])[:-1]
    upstream = np.random.default_rng(1).standard_normal((batch, 2))

    def split(v: Array) -> list[Array]:
        return [part.reshape(a.shape) for part, a in zip(np.split(v, ends), arrays, strict=True)]

    def gradient(v: Array) -> Array:
        x, w, b = split(v)
        return np.concatenate([np.ravel(g) for g in backward(x, w, forward(x, w, b), upstream)])

    return lambda v: float((forward(*split(v)) * upstream).sum()), gradient, np.concatenate([a.ravel() for a in arrays])


def scipy(backward: Backward, batch: int) -> bool:
    from scipy.optimize import check_grad

    def check() -> None:
        f, g, at = flat(backward, batch)
        assert check_grad(f, g, at) < 1e-5

    return raises(check)


def loop(backward: Backward, batch: int) -> bool:
    """The loop of the course notes: central differences, h = 1e-5, relative error below 1e-6, array by array."""
    arrays = [a.copy() for a in numbers(batch)]
    upstream = np.random.default_rng(1).standard_normal((batch, 2))

    def check() -> None:
        for array, analytic in zip(arrays, backward(*arrays[:2], forward(*arrays), upstream), strict=True):
            numeric = np.zeros_like(array)
            for at in np.ndindex(array.shape):
                kept, ends = array[at], []
                for step in (1e-5, -1e-5):
                    array[at] = kept + step
                    ends.append((forward(*arrays) * upstream).sum())
                array[at] = kept
                numeric[at] = (ends[0] - ends[1]) / 2e-5
            assert np.max(np.abs(numeric - analytic) / np.maximum(1e-8, np.abs(numeric) + np.abs(analytic))) < 1e-6

    return raises(check)


def raises(check: Callable[[], Any]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check()
    except Exception:
        return True
    return False


def judged(backward: Backward, batch: int | None) -> Any:
    """backproof's report of the layer, with sum(y T) as its loss: T is dy."""
    from backproof import Head, implementation, verify

    @implementation(heads=[Head("tanh", "inner_product", reduction="sum")], depth=(1, 1), bias="always",
                    batch=(batch or 1, batch))
    def layer(network: Any, parameters: Any, inputs: Any, targets: Any) -> Any:
        w, b = parameters["0.weight"].T, parameters["0.bias"]
        y = forward(inputs, w, b)
        dx, dw, db = backward(inputs, w, y, targets)
        return (y * targets).sum(), {"0.weight": dw.T, "0.bias": db, "inputs": dx}

    return verify(layer, examples=60, oracles=("torch",))


CHECKERS: dict[str, Callable[[Backward, int], bool]] = {
    "gradcheck": gradcheck,
    "gradcheck, fast": lambda backward, batch: gradcheck(backward, batch, fast=True),
    "check_grads (JAX)": check_grads,
    "HIPS, by default": hips,
    "HIPS, every argument": lambda backward, batch: hips(backward, batch, every=True),
    "scipy": scipy,
    "course-notes loop": loop,
    "backproof": lambda backward, batch: bool(judged(backward, batch).exit == 1),
}


def cell(four: bool, one: bool) -> str:
    return f"{'caught' if four else '-'} / {'caught' if one else '-'}"


def rows() -> Iterator[list[str]]:
    """The right backward pass first, which none may catch, then a row for each mistake, then the sums."""
    sums = {name: [0, 0] for name in CHECKERS}
    anywhere = named = 0
    for mistake, make in {"none: the right backward pass": lambda: right, **MISTAKES}.items():
        found = {name: (check(make(), 4), check(make(), 1)) for name, check in CHECKERS.items()}
        report = judged(make(), None)
        anywhere += report.exit == 1
        name = report.findings[0].faults[0] if report.findings and report.findings[0].faults else ""
        named += bool(name)
        if mistake in MISTAKES:
            for checker, pair in found.items():
                sums[checker] = [a + b for a, b in zip(sums[checker], pair, strict=True)]
        said = name or (report.findings[0].headline if report.findings else report.verdict)
        yield [mistake, *(cell(*found[each]) for each in CHECKERS), said]
    total = [f"{a} / {b}" for a, b in sums.values()]
    yield [f"caught, of {len(MISTAKES)}", *total, f"{anywhere} caught, {named} named"]


def main() -> None:
    print(f"| mistake | {' | '.join(CHECKERS)} | backproof, any batch, says |")
    print(f"|{' --- |' * (len(CHECKERS) + 2)}")
    for row in rows():
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
