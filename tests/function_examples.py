"""How rules call the functions that they may use: examples of each, on small arrays."""

import operator

import numpy as np
from backproof.reference.numbers import (
    add_windows,
    erf,
    erfc,
    log1p,
    magnitude,
    put,
    scatter_add,
    windows,
)

MASK = np.array([[True, False, True], [False, True, True]])
INDEX = np.array([[0, 2], [1, 1]])
ROWS, COLUMNS = np.array([1, 0, 1, 1]), np.array([2, 2, 0, 2])


def drawn(shape, low=0.3, high=1.6, signs=True, rng=None):
    """Numbers of both signs, away from zero, that float32 holds exactly."""
    rng = rng or np.random.default_rng(4)
    sign = rng.choice([-1.0, 1.0], shape) if signs else 1.0
    return (rng.uniform(low, high, shape) * sign).astype(np.float32).astype(float)


SHAPES = {
    "x": (2, 3, 4),
    "y": (2, 3, 4),
    "p": (2, 3, 4),
    "b": (4,),
    "w": (4, 5),
    "v": (2, 4, 3),
    "i": (2, 2, 5, 6),
}


def operands(names, rng=None):
    """An array by name: p is positive, all others have both signs."""
    rng = rng or np.random.default_rng(3)
    return {name: drawn(SHAPES[name], signs=name != "p", rng=rng) for name in names}


EXAMPLES = {
    np.negative: [lambda x: -x, lambda x: np.negative(x)],
    operator.getitem: [
        lambda x: x[1],
        lambda x: x[-1, 1:, ::2],
        lambda x: x[..., ::-1],
        lambda x: x[:, None, :, 0],
        lambda x: x[None, ..., 1],
        lambda x: x[ROWS],
        lambda x: x[:, INDEX],
        lambda x: x[ROWS, COLUMNS],
        lambda x: x[ROWS, :, COLUMNS],
        lambda x: x[..., INDEX, [1, 3]],
        lambda x: x[1, :, COLUMNS],
        lambda x: x[MASK],
        lambda x: x[:, [True, False, True]],
        lambda x: x[0, ..., COLUMNS],
    ],
    np.transpose: [
        lambda x: x.T,
        lambda x: x.transpose(1, 0, 2),
        lambda x: np.transpose(x, (2, 0, -2)),
        lambda w: np.transpose(w),
    ],
    np.swapaxes: [lambda x: x.swapaxes(0, -1), lambda x: np.swapaxes(x, 1, 2)],
    np.moveaxis: [lambda x: np.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, -1, 1)],
    np.reshape: [
        lambda x: x.reshape(6, 4),
        lambda x: x.reshape(-1, x.shape[-1]),
        lambda x: x.reshape((2, -1)),
        lambda w: w.reshape(-1, 5),
        lambda x: np.reshape(x, (4, 3, 2)),
        lambda x: np.reshape(x, -1),
        lambda x: x.T.reshape(-1),
    ],
    np.expand_dims: [
        lambda x: np.expand_dims(x, 0),
        lambda x: np.expand_dims(x, -1),
        lambda x: np.expand_dims(x, (1, -1)),
        lambda x: np.expand_dims(x, -4),
    ],
    np.squeeze: [
        lambda x: x[:, :1].squeeze(1),
        lambda x: np.squeeze(x[:1, :, :1]),
        lambda x: np.squeeze(x[:1, :, :1], axis=(0, -1)),
    ],
    np.flip: [lambda x: np.flip(x, 1), lambda x: np.flip(x, (0, -1)), lambda x: np.flip(x)],
    np.broadcast_to: [
        lambda b: np.broadcast_to(b, (2, 3, 4)),
        lambda x: np.broadcast_to(x[:, :1], (2, 3, 4)),
    ],
    np.concatenate: [
        lambda x, y: np.concatenate([x, y]),
        lambda x, y: np.concatenate([x, y, x], axis=-1),
        lambda x, y: np.concatenate((x, y[:, :1]), axis=1),
    ],
    np.stack: [
        lambda x, y: np.stack([x, y]),
        lambda x, y: np.stack([y, x, y], axis=1),
        lambda x, y: np.stack([x, y], axis=-1),
    ],
    np.pad: [
        lambda x: np.pad(x, 1),
        lambda x: np.pad(x, ((0, 0), (2, 0), (1, 3))),
        lambda x: np.pad(x, ((0, 1), (0, 0), (1, 1)), constant_values=0.1),
    ],
    np.take: [
        lambda w: np.take(w, INDEX, axis=0),
        lambda x: np.take(x, [2, 0, 2], axis=-2),
        lambda x: np.take(x, 1, axis=1),
    ],
    np.take_along_axis: [
        lambda x: np.take_along_axis(x, np.broadcast_to(ROWS[:3], (2, 3, 3)), -1),
        lambda x: np.take_along_axis(x, np.broadcast_to(INDEX[:, :, None], (2, 2, 4)), 1),
        lambda x, y: np.take_along_axis(x, np.argmax(y, axis=1, keepdims=True), 1),
    ],
    np.zeros_like: [lambda x: np.zeros_like(x)],
    np.ones_like: [lambda x: np.ones_like(x), lambda x: np.ones_like(x[0])],
    put: [
        lambda x, b: put(x, (slice(None), 1), b),
        lambda x: put(x, (..., 0), 0.25),
        lambda x, y: put(x, (ROWS[:2], slice(None), COLUMNS[1:3]), y[:, :, 0]),
        lambda x: put(np.zeros((2, 5, 4)), (slice(None), [0, 3, 4]), x),
        lambda x: put(x, 1, 0.1),
    ],
    np.where: [
        lambda x, y: np.where(x > y, x, y),
        lambda x, b: np.where(x > 0, b, -x),
        lambda x: np.where(MASK[..., None], x, 0.0),
        lambda x: np.where(x < 0, 1.0, 0.5),
        lambda x, y: np.where(MASK[..., None], x, -y),
        lambda x, b: np.where(b > 0, x, b),
        lambda x: np.where(MASK[..., None], x, -np.inf).max(axis=(1, 2)),
    ],
    np.maximum: [
        lambda x, y: np.maximum(x, y),
        lambda x: np.maximum(x, 0.0),
        lambda x, b: np.maximum(b, x),
    ],
    np.minimum: [
        lambda x, y: np.minimum(x, y),
        lambda x: np.minimum(0.1, x),
        lambda x, b: np.minimum(b, x),
    ],
    np.max: [
        lambda x: x.max(),
        lambda x: x.max(axis=-1, keepdims=True),
        lambda x: np.max(x, axis=(0, 2)),
        lambda x: x.max(axis=1),
    ],
    np.min: [
        lambda x: x.min(),
        lambda x: x.min(axis=-1, keepdims=True),
        lambda x: np.min(x, axis=(0, 2)),
    ],
    np.greater: [lambda x, y: np.where(x > y, 1.0, 2.0), lambda x: np.where(x < 0.5, x, -x)],
    np.less: [lambda x, b: np.where(x < b, 1.0, 2.0), lambda x: np.where(x > 0.5, x, -x)],
    np.greater_equal: [lambda x, y: np.where(x >= y, 1.0, x), lambda x: np.where(x <= 0.5, x, -x)],
    np.less_equal: [lambda x, y: np.where(x <= y, 1.0, x), lambda x: np.where(x >= 0.5, x, -x)],
    np.equal: [
        lambda x, y: np.where(np.arange(4) == x.argmax(axis=-1)[..., None], y, 0.0),
        lambda x: np.where(x.argmax(axis=1, keepdims=True) == np.arange(3)[:, None], x, 0.0),
    ],
    np.argmax: [
        lambda x: x.argmax(axis=-1),
        lambda x: np.argmax(x, axis=1, keepdims=True),
        lambda x: np.argmax(x, axis=0),
    ],
    np.add: [
        lambda x, y: x + y,
        lambda x: x + 1.5,
        lambda x: 0.1 + x,
        lambda x, b: b + x,
        lambda x, v: x + v.swapaxes(1, 2),
        lambda x: x + 1,
    ],
    np.subtract: [lambda x, y: x - y, lambda x: x - 1.5, lambda x: 0.1 - x, lambda x, b: b - x],
    np.multiply: [lambda x, y: x * y, lambda x: x * 0.1, lambda x: 3 * x, lambda x, b: b * x],
    np.true_divide: [
        lambda x, y: x / y,
        lambda x: x / 3.0,
        lambda x: 1.0 / x,
        lambda x, b: b / x,
        lambda x: x / 7,
    ],
    np.sqrt: [lambda p: np.sqrt(p)],
    np.square: [lambda x: np.square(x)],
    np.power: [
        lambda x: x**2,
        lambda x: x**3,
        lambda x: np.power(x, 5),
        lambda x: x**-1,
        lambda x: x**-2,
        lambda x: x**1,
        lambda x: x**0,
    ],
    np.exp: [lambda x: np.exp(x)],
    np.log: [lambda p: np.log(p)],
    log1p: [lambda p: log1p(p)],
    np.tanh: [lambda x: np.tanh(x)],
    erf: [lambda x: erf(x)],
    erfc: [lambda x: erfc(x)],
    np.sin: [lambda x: np.sin(x)],
    np.cos: [lambda x: np.cos(x)],
    np.sum: [
        lambda x: x.sum(),
        lambda x: x.sum(axis=0),
        lambda x: x.sum(axis=(0, -1), keepdims=True),
        lambda x: np.sum(x, axis=1),
    ],
    np.mean: [
        lambda x: x.mean(),
        lambda x: np.mean(x, axis=(0, 2)),
        lambda x: x.mean(axis=-1, keepdims=True),
    ],
    np.cumsum: [
        lambda x: np.cumsum(x, axis=1),
        lambda x: x.cumsum(axis=-1),
        lambda x: np.cumsum(x, axis=0),
    ],
    scatter_add: [
        lambda x: scatter_add((2, 4, 4), (slice(None), [3, 1, 3]), x),
        lambda x: scatter_add((3, 4), ([[0, 2, 2], [2, 0, 0]],), x),
        lambda x: scatter_add((3, 5, 4), (ROWS[:2, None], INDEX), x[:, :2]),
        lambda x: scatter_add((4, 3, 6), (ROWS, slice(None), COLUMNS), x.reshape(4, 3, 2)[..., 0]),
        lambda b: scatter_add((6,), [5, 5, 5, 5], b),
        lambda x: scatter_add((3, 3, 4), (slice(2),), x),
    ],
    np.matmul: [
        lambda x, w: x @ w,
        lambda w, x: w.T @ x.reshape(-1, 4).T,
        lambda x, v: x @ v,
        lambda x, v: np.matmul(v[:, None], x[:, None]),
        lambda x, w: x[0] @ w,
        lambda w, v: w.T @ v,
        lambda x, v: x[:1] @ v,
    ],
    np.einsum: [
        lambda x, w: np.einsum("bti,io->bto", x, w),
        lambda x, y: np.einsum("bti,bsi->bts", x, y),
        lambda x, v: np.einsum("bti,bit->b", x, v),
        lambda x, y: np.einsum("bti,bti->bti", x, y),
        lambda x, w: np.einsum("...i,io->...o", x, w),
        lambda x, b: np.einsum("bti,i->t", x, b),
    ],
    magnitude: [lambda x: magnitude(x)],
    windows: [
        lambda x: windows(x, (2,), (1,), (1,)),
        lambda i: windows(i, (2, 3), (1, 2), (2, 1)),
        lambda i: windows(i, (5, 6), (1, 1), (1, 1)),
        lambda i: windows(i, (1, 1), (3, 4), (1, 1)),
    ],
    add_windows: [
        lambda i: add_windows(windows(i, (2, 3), (1, 1), (2, 1)), (5, 6), (1, 1), (2, 1)),
        lambda i: add_windows(i[..., :3], (7,), (1,), (1,)),
    ],
}
CALLS = {
    f"{getattr(f, '__name__', f)} {k}": (f, call)
    for f, calls in EXAMPLES.items()
    for k, call in enumerate(calls)
}
