"""Mistakes that the table of known ones does not have, each made from a number: wrong lines, factors, conditions, mixtures.

A `Mistake` is data: one to three `Part`s, each a wrong form of one line of the program, in some layers, under some
condition. `known` says which names of the table are true of a part by the way it was made: a known mistake in one
place only, or one whose number is another. It is empty for most.

    mistake(0, 17)            # the 17th of generation 0
    all_of(300, 0)            # 300 of them, of all categories
    planting(m)               # hooks for foreign_programs.program
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from foreign_programs import Lines

Array = Any
Here = SimpleNamespace
Form = Callable[[Any, Here], Any]


class Wrong(NamedTuple):
    """A wrong form of a line: form(right, here); the names that are true of it; where it is wrong at all."""

    form: Form
    known: tuple[str, ...] = ()


class Part(NamedTuple):
    """One mistake: the line, which wrong form, in which layers, under which condition."""

    line: str
    form: str
    layers: str = "all"
    condition: str = "always"

    @property
    def known(self) -> tuple[str, ...]:
        return wrong_of(self).known

    def __str__(self) -> str:
        where = "" if self.layers == "all" else f" in layers: {self.layers}"
        when = "" if self.condition == "always" else f" where {self.condition}"
        return f"{self.line}: {self.form}{where}{when}"


class Mistake(NamedTuple):
    """One to three parts, and the category it is counted in."""

    category: str
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return f"[{self.category}] " + " + ".join(map(str, self.parts))

    @property
    def known(self) -> set[str]:
        return {name for part in self.parts for name in part.known}


# --- where: which layers, and under which condition -------------------------------------------------------------------

LAYERS: dict[str, Callable[[int, int], bool]] = {
    "all": lambda at, depth: True,
    "first": lambda at, depth: at == 0,
    "last": lambda at, depth: at >= depth - 1,
    "all but the last": lambda at, depth: at < depth - 1,
    "all but the first": lambda at, depth: at > 0,
    "odd": lambda at, depth: at % 2 == 1,
    "second": lambda at, depth: at == 1,
}


def shapes(here: Here) -> int:
    """A number that the shapes of the network have, the same in every process."""
    text = repr([(layer.W.shape, layer.function) for layer in here.net.layers] + [here.net.batch])
    return zlib.crc32(text.encode())


def widths(here: Here) -> list[int]:
    return [layer.units for layer in here.net.layers]


def functions(here: Here) -> list[str]:
    return [layer.function for layer in here.net.layers]


def equal_biases(here: Here) -> bool:
    return any(layer.b is not None and len(set(layer.b.tolist())) < layer.units for layer in here.net.layers)


CONDITIONS: dict[str, Callable[[Here], bool]] = {
    "always": lambda h: True,
    "batch > 4": lambda h: h.net.batch > 4,
    "batch >= 3": lambda h: h.net.batch >= 3,
    "batch = 2": lambda h: h.net.batch == 2,
    "batch is even": lambda h: h.net.batch % 2 == 0,
    "a layer has more than 6 units": lambda h: max(widths(h)) > 6,
    "a layer has one unit": lambda h: min(widths(h)) == 1,
    "inputs > 3": lambda h: h.net.x.shape[1] > 3,
    "outputs = 1": lambda h: widths(h)[-1] == 1,
    "outputs > 2": lambda h: widths(h)[-1] > 2,
    "depth >= 4": lambda h: h.net.depth >= 4,
    "depth = 2": lambda h: h.net.depth == 2,
    "depth > 1": lambda h: h.net.depth > 1,
    "a weight matrix is square": lambda h: any(w.W.shape[0] == w.W.shape[1] for w in h.net.layers),
    "all layers are equally wide": lambda h: len({*widths(h), h.net.x.shape[1]}) == 1,
    "a tanh is in the network": lambda h: "tanh" in functions(h),
    "a relu is in the network": lambda h: "relu" in functions(h),
    "no sigmoid is in the network": lambda h: "sigmoid" not in functions(h),
    "the loss is the squared error": lambda h: h.net.kind == "squared_error",
    "float32": lambda h: h.net.dtype == "float32",
    "two biases are equal": equal_biases,
    "the inputs sum to less than 0": lambda h: float(h.net.x.sum()) < 0,
    "the first weight is negative": lambda h: float(h.net.layers[0].W[0, 0]) < 0,
    "an input exceeds 10": lambda h: float(np.abs(h.net.x).max()) > 10,
    "a target is 0": lambda h: bool((h.net.t == 0).any()),
    "the hash of the shapes is a multiple of 3": lambda h: shapes(h) % 3 == 0,
    "the hash of the shapes is odd": lambda h: shapes(h) % 2 == 1,
    "it is the third call or a later one": lambda h: h.net.call >= 3,
    "it is an even call": lambda h: h.net.call % 2 == 0,
    "every fifth call": lambda h: h.net.call % 5 == 0,
    "from the hundredth call on": lambda h: h.net.call >= 100,
}
CALLS = tuple(name for name in CONDITIONS if "call" in name)

# --- numbers ----------------------------------------------------------------------------------------------------------

# The numbers that a line may be multiplied by; names of the table belong to line and number together, see NAMED.
FACTORS: dict[str, Callable[[Here], float]] = {
    "1.001": lambda h: 1.001, "0.97": lambda h: 0.97, "1 + 1e-5": lambda h: 1 + 1e-5, "1 - 1e-7": lambda h: 1 - 1e-7,
    "pi": lambda h: np.pi, "1.5": lambda h: 1.5, "3": lambda h: 3.0, "-2": lambda h: -2.0, "0.1": lambda h: 0.1,
    "sqrt(N)": lambda h: np.sqrt(h.net.batch), "1/sqrt(N)": lambda h: 1 / np.sqrt(h.net.batch),
    "N^2": lambda h: h.net.batch**2.0, "1/N^2": lambda h: h.net.batch**-2.0, "N + 1": lambda h: h.net.batch + 1.0,
    "(N + 1)/N": lambda h: 1 + 1 / h.net.batch, "depth^2": lambda h: h.net.depth**2.0,
    "1/(layer number + 1)": lambda h: 1 / (h.at + 1), "0.9^layer number": lambda h: 0.9**h.at,
    "1/inputs of the network": lambda h: 1 / h.net.x.shape[1], "outputs + 1": lambda h: widths(h)[-1] + 1.0,
    "log(N + 1)": lambda h: np.log(h.net.batch + 1.0), "all units": lambda h: float(sum(widths(h))),
    "N/(N + 2)": lambda h: h.net.batch / (h.net.batch + 2), "sqrt(outputs)": lambda h: np.sqrt(widths(h)[-1]),
}


def times(k: Callable[[Here], float]) -> Form:
    return lambda right, h: right * k(h)


def entry(k: Callable[[Here], float], at: str) -> Form:
    """One entry, the last row, or the middle column times k."""
    def form(right: Array, h: Here) -> Array:
        wrong = np.array(right)
        where = {"last entry": (-1,) * wrong.ndim, "last row": -1, "middle column": (..., wrong.shape[-1] // 2)}[at]
        wrong[where] *= k(h)
        return wrong

    return form


# --- reductions over the examples ----------------------------------------------------------------------------------------


def first_rows(k: int) -> Form:
    return lambda right, h: h.delta[:k].sum(axis=0)


def trimmed(right: Array, h: Here) -> Array:
    """The trimmed mean, times N: the largest and the smallest are left out."""
    n = len(h.delta)
    return right if n < 3 else (right - h.delta.max(axis=0) - h.delta.min(axis=0)) * n / (n - 2)


def norm(x: Array) -> Array:
    return np.sqrt((x * x).sum(axis=0))


REDUCTIONS: dict[str, Wrong] = {
    "the maximum": Wrong(lambda right, h: h.delta.max(axis=0)),
    "the minimum": Wrong(lambda right, h: h.delta.min(axis=0)),
    "the median": Wrong(lambda right, h: np.median(h.delta, axis=0)),
    "N times the median": Wrong(lambda right, h: len(h.delta) * np.median(h.delta, axis=0)),
    "the product": Wrong(lambda right, h: h.delta.prod(axis=0)),
    "the L2 norm": Wrong(lambda right, h: norm(h.delta)),
    "the L2 norm with the sum's sign": Wrong(lambda right, h: np.sign(right) * norm(h.delta)),
    "the sum of |delta|": Wrong(lambda right, h: np.abs(h.delta).sum(axis=0)),
    "the sum of delta^2": Wrong(lambda right, h: (h.delta**2).sum(axis=0)),
    "the first two rows": Wrong(first_rows(2)),
    "the first three rows": Wrong(first_rows(3)),
    "the last two rows": Wrong(lambda right, h: h.delta[-2:].sum(axis=0)),
    "every other row": Wrong(lambda right, h: h.delta[::2].sum(axis=0)),
    "all but the first row": Wrong(lambda right, h: h.delta[1:].sum(axis=0)),
    "the first half of the batch": Wrong(lambda right, h: h.delta[:(len(h.delta) + 1) // 2].sum(axis=0)),
    "the middle row": Wrong(lambda right, h: h.delta[len(h.delta) // 2]),
    "the trimmed mean": Wrong(trimmed),
    "half the range": Wrong(lambda right, h: (h.delta.max(axis=0) + h.delta.min(axis=0)) / 2),
    "the sum of the positive": Wrong(lambda right, h: np.maximum(h.delta, 0).sum(axis=0)),
    "N - 1 for N": Wrong(lambda right, h: right * (len(h.delta) - 1) / len(h.delta)),
    "the first row counted twice": Wrong(lambda right, h: right + h.delta[0]),
    "the alternating sum": Wrong(lambda right, h: (h.delta[::2].sum(axis=0) - h.delta[1::2].sum(axis=0))),
    "weighted by the row number": Wrong(
        lambda right, h: (h.delta * np.arange(1, len(h.delta) + 1, dtype=h.delta.dtype)[:, None]).sum(axis=0)),
    "exponentially fading": Wrong(
        lambda right, h: (h.delta * 0.9 ** np.arange(len(h.delta), dtype=h.delta.dtype)[:, None]).sum(axis=0)),
    "the mean over everything": Wrong(lambda right, h: np.full_like(right, h.delta.mean())),
    "the mean over the units": Wrong(lambda right, h: np.full_like(right, right.mean())),
    "the largest by absolute value": Wrong(
        lambda right, h: np.take_along_axis(h.delta, np.abs(h.delta).argmax(axis=0)[None], axis=0)[0]),
    "shifted by one unit": Wrong(lambda right, h: np.roll(right, 1)),
    "the units in reverse": Wrong(lambda right, h: right[::-1]),
    "sorted": Wrong(lambda right, h: np.sort(right)),
    "running sums over the units": Wrong(lambda right, h: np.cumsum(right)),
    "less its mean": Wrong(lambda right, h: right - right.mean()),
    "the sum of the signs": Wrong(lambda right, h: np.sign(h.delta).sum(axis=0)),
    "rounded to two decimals": Wrong(lambda right, h: np.round(right, 2)),
}

# --- wrong operands ----------------------------------------------------------------------------------------------------

OPERANDS: dict[str, dict[str, Wrong]] = {
    "dW": {
        "x averaged over the batch": Wrong(lambda right, h: np.outer(h.x.mean(axis=0), h.delta.sum(axis=0))),
        "delta averaged over the batch": Wrong(lambda right, h: np.outer(h.x.sum(axis=0), h.delta.mean(axis=0))),
        "|x|": Wrong(lambda right, h: np.abs(h.x).T @ h.delta),
        "sign(x)": Wrong(lambda right, h: np.sign(h.x).T @ h.delta),
        "x^2": Wrong(lambda right, h: (h.x**2).T @ h.delta),
        "x less its mean": Wrong(lambda right, h: (h.x - h.x.mean(axis=0)).T @ h.delta),
        "x clipped to [-1, 1]": Wrong(lambda right, h: np.clip(h.x, -1, 1).T @ h.delta),
        "x rounded to two decimals": Wrong(lambda right, h: np.round(h.x, 2).T @ h.delta),
        "x of the examples in reverse": Wrong(lambda right, h: h.x[::-1].T @ h.delta),
        "x of the example before": Wrong(lambda right, h: np.roll(h.x, 1, axis=0).T @ h.delta),
        "the inputs in reverse": Wrong(lambda right, h: h.x[:, ::-1].T @ h.delta),
        "made symmetric where square": Wrong(
            lambda right, h: (right + right.T) / 2 if right.shape[0] == right.shape[1] else right),
        "only where W > 0": Wrong(lambda right, h: right * (h.W > 0)),
        "times |W|": Wrong(lambda right, h: right * np.abs(h.W)),
        "divided by its norm": Wrong(lambda right, h: right / (1e-12 + np.sqrt((right * right).sum()))),
        "less the mean of each column": Wrong(lambda right, h: right - right.mean(axis=0)),
        "the upper triangle": Wrong(lambda right, h: np.triu(right)),
        "the first two examples": Wrong(lambda right, h: h.x[:2].T @ h.delta[:2]),
        "all but the first example": Wrong(lambda right, h: h.x[1:].T @ h.delta[1:]),
    },
    "dx": {
        "|W|": Wrong(lambda right, h: h.delta @ np.abs(h.W).T),
        "the signs of W": Wrong(lambda right, h: h.delta @ np.sign(h.W).T),
        "a fixed random matrix": Wrong(
            lambda right, h: h.delta @ np.random.default_rng(7).standard_normal(h.W.shape).T),
        "W divided by its norm": Wrong(lambda right, h: right / (1e-12 + np.sqrt((h.W * h.W).sum()))),
        "the inputs in reverse": Wrong(lambda right, h: right[:, ::-1]),
        "the examples in reverse": Wrong(lambda right, h: right[::-1]),
        "averaged over the batch": Wrong(lambda right, h: right.mean(axis=0) + 0 * right),
        "less its mean": Wrong(lambda right, h: right - right.mean()),
        "delta added": Wrong(lambda right, h: right + h.delta if right.shape == h.delta.shape else right),
        "the first unit left out": Wrong(lambda right, h: right - h.delta[:, :1] @ h.W[:, :1].T),
        "the mean of delta": Wrong(lambda right, h: h.delta.mean(axis=1, keepdims=True) + 0 * right),
        "W rounded to one decimal": Wrong(lambda right, h: h.delta @ np.round(h.W, 1).T),
        "W without its diagonal where square": Wrong(
            lambda right, h: right - h.delta * np.diag(h.W) if h.W.shape[0] == h.W.shape[1] else right),
        "the signs of right": Wrong(lambda right, h: np.sign(right)),
        "zero for every other unit": Wrong(lambda right, h: right * (np.arange(right.shape[1]) % 2 == 0)),
    },
}

# --- derivatives -------------------------------------------------------------------------------------------------------


def table(step: float) -> Form:
    """tanh' from a table with this step."""
    def form(right: Array, h: Here) -> Array:
        return h.da * (1 - np.tanh(np.round(h.z / step) * step) ** 2)

    return form


def gelu_slope(c: float) -> Form:
    def form(right: Array, h: Here) -> Array:
        root = np.sqrt(2 / np.pi)
        t = np.tanh(root * (h.z + c * h.z**3))
        return h.da * (0.5 * (1 + t) + 0.5 * h.z * (1 - t**2) * root * (1 + 3 * c * h.z**2))

    return form


def of_function(names: Sequence[str], form: Form) -> Form:
    """The form where the layer has one of these functions, the right value elsewhere."""
    return lambda right, h: form(right, h) if h.function in names else right


def slope(f: Callable[[Array, Array], Array]) -> Form:
    """A wrong f'(z, a), multiplied by what comes down."""
    return lambda right, h: h.da * f(h.z, h.a)


SQUASHING = ("sigmoid", "tanh")
RECTIFIED = ("relu", "leaky_relu")
ITSELF = ("derivative-is-the-function",)
DERIVATIVES: dict[str, tuple[tuple[str, ...], Wrong]] = {
    "tanh' = a": (("tanh",), Wrong(slope(lambda z, a: a), ITSELF)),
    "tanh' = a^2": (("tanh",), Wrong(slope(lambda z, a: a * a))),
    "tanh' = 1 - |a|": (("tanh",), Wrong(slope(lambda z, a: 1 - np.abs(a)))),
    "tanh' = 1 + a^2": (("tanh",), Wrong(slope(lambda z, a: 1 + a * a))),
    "tanh' = 1 / (1 + z^2)": (("tanh",), Wrong(slope(lambda z, a: 1 / (1 + z * z)))),
    "tanh' = exp(-z^2)": (("tanh",), Wrong(slope(lambda z, a: np.exp(-z * z)))),
    "tanh' = cos z": (("tanh",), Wrong(slope(lambda z, a: np.cos(z)))),
    "tanh' from a table of step 0.01": (("tanh",), Wrong(table(0.01))),
    "tanh' from a table of step 0.1": (("tanh",), Wrong(table(0.1))),
    "tanh' at least 0.05": (("tanh",), Wrong(slope(lambda z, a: np.maximum(1 - a * a, 0.05)))),
    "tanh' + 0.01": (("tanh",), Wrong(slope(lambda z, a: 1 - a * a + 0.01))),
    "tanh' = 1 - a^3": (("tanh",), Wrong(slope(lambda z, a: 1 - a * a * a))),
    "tanh' = 1.7159 2/3 (1 - a^2)": (("tanh",), Wrong(slope(lambda z, a: 1.7159 * 2 / 3 * (1 - a * a)))),
    "tanh' = (1 - a^2)^2": (("tanh",), Wrong(slope(lambda z, a: (1 - a * a) ** 2))),
    "tanh' = 0 where |z| > 3": (("tanh",), Wrong(slope(lambda z, a: (1 - a * a) * (np.abs(z) <= 3)))),
    "sigmoid' = a": (("sigmoid",), Wrong(slope(lambda z, a: a), ITSELF)),
    "sigmoid' = a^2": (("sigmoid",), Wrong(slope(lambda z, a: a * a))),
    "sigmoid' = 1 - a": (("sigmoid",), Wrong(slope(lambda z, a: 1 - a))),
    "sigmoid' = 1 - a^2": (("sigmoid",), Wrong(slope(lambda z, a: 1 - a * a))),
    "sigmoid' = a (1 + a)": (("sigmoid",), Wrong(slope(lambda z, a: a * (1 + a)))),
    "sigmoid' = 1/4": (("sigmoid",), Wrong(slope(lambda z, a: 0.25 + 0 * a))),
    "sigmoid' + 0.1": (("sigmoid",), Wrong(slope(lambda z, a: a * (1 - a) + 0.1))),
    "sigmoid' + 0.0001": (("sigmoid",), Wrong(slope(lambda z, a: a * (1 - a) + 1e-4))),
    "sigmoid' with a clipped to [0.01, 0.99]": (
        ("sigmoid",), Wrong(slope(lambda z, a: np.clip(a, 0.01, 0.99) * (1 - np.clip(a, 0.01, 0.99))))),
    "sigmoid' of the hard sigmoid": (("sigmoid",), Wrong(slope(lambda z, a: 0.2 * (np.abs(z) < 2.5)))),
    "sigmoid' = z": (("sigmoid",), Wrong(slope(lambda z, a: z))),
    "sigmoid' = a - z^2": (("sigmoid",), Wrong(slope(lambda z, a: a - z * z))),
    "sigmoid' with a rounded to three decimals": (
        ("sigmoid",), Wrong(slope(lambda z, a: np.round(a, 3) * (1 - np.round(a, 3))))),
    "relu' = a": (("relu",), Wrong(slope(lambda z, a: a), ITSELF)),
    "relu' = 0.01 below": (("relu",), Wrong(slope(lambda z, a: np.where(z > 0, 1, 0.01)))),
    "relu' = sigmoid(10 z)": (("relu",), Wrong(slope(lambda z, a: 1 / (1 + np.exp(-10 * z))))),
    "relu' = 1 above -0.5": (("relu",), Wrong(slope(lambda z, a: z > -0.5))),
    "relu' = 1 above 1": (("relu",), Wrong(slope(lambda z, a: z > 1))),
    "relu' = relu6'": (("relu",), Wrong(slope(lambda z, a: (z > 0) & (z < 6)))),
    "relu' of what comes down": (("relu",), Wrong(lambda right, h: np.maximum(h.da, 0))),
    "relu' = 1 below": (("relu",), Wrong(slope(lambda z, a: z <= 0))),
    "leaky' with slope 0": (("leaky_relu",), Wrong(slope(lambda z, a: z > 0))),
    "leaky' with the slope negated": (("leaky_relu",), Wrong(
        lambda right, h: h.da * np.where(h.z > 0, 1, -h.slope).astype(h.da.dtype))),
    "leaky' with slope 0.3": (("leaky_relu",), Wrong(slope(lambda z, a: np.where(z > 0, 1, 0.3)))),
    "softplus' = a": (("softplus",), Wrong(slope(lambda z, a: a), ITSELF)),
    "softplus' = a / (1 + a)": (("softplus",), Wrong(slope(lambda z, a: a / (1 + a)))),
    "softplus' = relu'": (("softplus",), Wrong(slope(lambda z, a: z > 0))),
    "softplus' = tanh(a)": (("softplus",), Wrong(slope(lambda z, a: np.tanh(a)))),
    "gelu' with 0.0447": (("gelu_tanh",), Wrong(gelu_slope(0.0447))),
    "gelu' with 0.044": (("gelu_tanh",), Wrong(gelu_slope(0.044))),
    "gelu' = sigmoid(1.702 z)": (("gelu_tanh",), Wrong(slope(lambda z, a: 1 / (1 + np.exp(-1.702 * z))))),
    "silu' = a": (("silu",), Wrong(slope(lambda z, a: a), ITSELF)),
    "silu' with + for the second term's factor": (
        ("silu",), Wrong(slope(lambda z, a: 1 / (1 + np.exp(-z)) + a)),),
    "f' = a in every squashing unit": (SQUASHING, Wrong(slope(lambda z, a: a), ITSELF)),
    "f' = 1 - a in every squashing unit": (SQUASHING, Wrong(slope(lambda z, a: 1 - a), ("tanh-derivative-not-squared",))),
    "f' = 0.5 everywhere": (("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "silu", "gelu_tanh"),
                            Wrong(slope(lambda z, a: 0.5 + 0 * a))),
    "f' taken twice": (("sigmoid", "tanh"), Wrong(
        lambda right, h: np.where(h.da == 0, 0, right * right / np.where(h.da == 0, 1, h.da)))),
}

# --- additive terms, and the loss ---------------------------------------------------------------------------------------


def smoothed(right: Array, h: Here) -> Array:
    """The targets moved by a thousandth towards their mean."""
    eps = 1e-3
    return right + (share_of(right, h) * eps * (h.t - h.t.mean(axis=1, keepdims=True)))


def share_of(right: Array, h: Here) -> float:
    """What p - t is multiplied by in dL/dp, by least squares; 1 where it is not."""
    e = np.asarray(h.p - h.t, dtype=float)
    return float((np.asarray(right, dtype=float) * e).sum() / (e * e).sum()) if (e * e).sum() else 1.0


ADDED: dict[str, dict[str, Wrong]] = {
    "dW": {
        "plus 1e-4": Wrong(lambda right, h: right + 1e-4),
        "plus 0.001 sign(W)": Wrong(lambda right, h: right + 1e-3 * np.sign(h.W)),
        "plus 0.01 W^2": Wrong(lambda right, h: right + 0.01 * h.W**2),
        "plus 0.01 |W|": Wrong(lambda right, h: right + 0.01 * np.abs(h.W)),
        "minus 1e-6": Wrong(lambda right, h: right - 1e-6),
        "plus noise of 1e-9": Wrong(lambda right, h: right * (
            1 + 1e-9 * np.random.default_rng(right.size).standard_normal(right.shape))),
        "plus noise of 1e-4": Wrong(lambda right, h: right * (
            1 + 1e-4 * np.random.default_rng(right.size).standard_normal(right.shape))),
        "plus the mean": Wrong(lambda right, h: right + right.mean()),
    },
    "db": {
        "plus 1e-3": Wrong(lambda right, h: right + 1e-3),
        "plus 0.01 sign(b)": Wrong(lambda right, h: right if h.b is None else right + 0.01 * np.sign(h.b)),
        "plus b": Wrong(lambda right, h: right if h.b is None else right + h.b),
        "plus the sum of x": Wrong(lambda right, h: right + h.x.sum()),
    },
    "dx": {
        "plus 1e-3": Wrong(lambda right, h: right + 1e-3),
        "plus 0.1 x": Wrong(lambda right, h: right + 0.1 * h.x),
    },
    "df": {
        "plus 1e-4": Wrong(lambda right, h: right + 1e-4),
        "plus 0.01 a": Wrong(lambda right, h: right + 0.01 * h.a),
        "plus 0.001 da": Wrong(lambda right, h: right + 1e-3 * h.da),
    },
    "dp": {
        "label smoothing 1e-3": Wrong(smoothed),
        "plus 1e-3": Wrong(lambda right, h: right + 1e-3),
        "its signs": Wrong(lambda right, h: np.sign(right)),
        "its cube": Wrong(lambda right, h: right**3),
        "its absolute value": Wrong(lambda right, h: np.abs(right)),
        "clipped to [-0.1, 0.1]": Wrong(lambda right, h: np.clip(right, -0.1, 0.1)),
        "times p": Wrong(lambda right, h: right * h.p),
        "0 where it is below 0.01": Wrong(lambda right, h: right * (np.abs(right) >= 0.01)),
        "for the first output only": Wrong(lambda right, h: right * (np.arange(right.shape[1]) == 0)),
        "of the targets in reverse": Wrong(lambda right, h: right + share_of(right, h) * (h.t - h.t[::-1])),
        "divided by its norm": Wrong(lambda right, h: right / (1e-12 + np.sqrt((right * right).sum()))),
        "twice for positive errors": Wrong(lambda right, h: np.where(right > 0, 2 * right, right)),
        "averaged over the outputs": Wrong(lambda right, h: right.mean(axis=1, keepdims=True) + 0 * right),
        "less its mean over the outputs": Wrong(lambda right, h: right - right.mean(axis=1, keepdims=True)),
    },
    "loss": {
        "plus 1e-3": Wrong(lambda right, h: right + 1e-3),
        "plus 0.01 |W|": Wrong(lambda right, h: right + 0.01 * sum(np.abs(w.W).sum() for w in h.net.layers)),
        "the largest example": Wrong(lambda right, h: right * h.each.max() / (h.each.sum() + 1e-300)),
        "without the first example": Wrong(lambda right, h: right * h.each[1:].sum() / (h.each.sum() + 1e-300)),
        "its root": Wrong(lambda right, h: np.sqrt(np.abs(right))),
        "rounded to four decimals": Wrong(lambda right, h: np.round(right, 4)),
        "its absolute value plus 1e-7": Wrong(lambda right, h: np.abs(right) + 1e-7),
        "the median example": Wrong(lambda right, h: right * np.median(h.each) * len(h.each) / (h.each.sum() + 1e-300)),
    },
    "f": {
        "rounded to four decimals": Wrong(lambda right, h: np.round(right, 4)),
        "plus 1e-3": Wrong(lambda right, h: right + 1e-3),
        "times 1.0001": Wrong(lambda right, h: right * 1.0001),
        "of |z|": Wrong(lambda right, h: np.abs(right)),
        "clipped to [-0.9, 0.9]": Wrong(lambda right, h: np.clip(right, -0.9, 0.9)),
    },
    "end": {
        "divided by their common norm where it exceeds 1": Wrong(lambda right, h: by_norm(right, 1.0)),
        "their signs": Wrong(lambda right, h: {k: np.sign(g) for k, g in right.items()}),
        "rounded to three decimals": Wrong(lambda right, h: {k: np.round(g, 3) for k, g in right.items()}),
        "each divided by its norm": Wrong(
            lambda right, h: {k: g / (1e-8 + np.sqrt((g * g).sum())) for k, g in right.items()}),
        "those below 1e-3 are 0": Wrong(lambda right, h: {k: g * (np.abs(g) >= 1e-3) for k, g in right.items()}),
        "the last one 0": Wrong(lambda right, h: {k: 0 * g if k == list(right)[-1] else g for k, g in right.items()}),
    },
}


def by_norm(grads: Mapping[str, Array], most: float) -> dict[str, Array]:
    size = np.sqrt(sum(float((np.asarray(g, float) ** 2).sum()) for g in grads.values()))
    return {k: g * min(1.0, most / size) if size else g for k, g in grads.items()}


# --- known mistakes, in the words of these programs -------------------------------------------------------------------------


def named(name: str, form: Form) -> Wrong:
    return Wrong(form, (name,))


def square(w: Array) -> bool:
    return bool(w.shape[0] == w.shape[1])


KNOWN: dict[str, dict[str, Wrong]] = {
    "db": {
        "the mean over the batch": named("bias-averaged-over-batch", lambda right, h: h.delta.mean(axis=0)),
        "the first row": named("bias-of-first-example", lambda right, h: h.delta[0]),
        "the last row": named("bias-of-last-example", lambda right, h: h.delta[-1]),
        "negated": named("bias-negated", lambda right, h: -right),
        "zero": named("bias-never-updated", lambda right, h: 0 * right),
        "the sum over everything": named("bias-summed-over-units", lambda right, h: np.full_like(right, h.delta.sum())),
        "times the inputs": named("bias-counted-per-input", lambda right, h: right * h.x.shape[1]),
        "divided by the units": named("bias-divided-by-units", lambda right, h: right / len(right)),
        "plus 0.01 b": named("decay-on-biases-too", lambda right, h: right if h.b is None else right + 0.01 * h.b),
    },
    "dW": {
        "transposed": named("weight-gradient-transposed", lambda right, h: right.T if square(right) else right),
        "averaged over the batch": named("weights-averaged-biases-summed", lambda right, h: right / len(h.delta)),
        "plus 0.01 W": named("decay-in-gradient-only", lambda right, h: right + 0.01 * h.W),
        "of the layer's own output": named(
            "weight-gradient-of-own-output",
            lambda right, h: (h.x @ h.W + (0 if h.b is None else h.b)).T @ h.delta if square(h.W) else right),
    },
    "dx": {
        "not transposed": named("weight-not-transposed", lambda right, h: h.delta @ h.W if square(h.W) else right),
        "the sum of delta": named("hidden-error-without-weights",
                                  lambda right, h: h.delta.sum(axis=1, keepdims=True) + 0 * right),
        "the sums of dW": named("hidden-error-is-sum-of-weight-gradient",
                                lambda right, h: (h.x.T @ h.delta).sum(axis=1) + 0 * right),
        "zero": named("stops-after-one-layer", lambda right, h: 0 * right),
        "doubled": named("delta-doubled-per-layer", lambda right, h: 2 * right),
        "of the updated weights": named("weights-updated-before-delta",
                                        lambda right, h: h.delta @ (h.W - 0.5 * (h.x.T @ h.delta)).T),
    },
    "df": {
        "left out": named("derivative-missing", lambda right, h: h.da),
        "that of the sigmoid, for tanh": named(
            "derivative-of-sigmoid-for-tanh", of_function(("tanh",), slope(lambda z, a: a * (1 - a)))),
        "1 - a for tanh": named("tanh-derivative-not-squared", of_function(("tanh",), slope(lambda z, a: 1 - a))),
        "written for a, given z": named(
            "derivative-of-preactivation",
            lambda right, h: h.da * (h.z * (1 - h.z) if h.function == "sigmoid" else 1 - h.z**2)
            if h.function in SQUASHING else right),
        "1 - z for one factor of the sigmoid's": named(
            "sigmoid-derivative-half-of-preactivation", of_function(("sigmoid",), slope(lambda z, a: a * (1 - z)))),
        "1 for relu": named("relu-derivative-always-one", of_function(("relu",), lambda right, h: h.da)),
        "1 for all but the sigmoid": named(
            "derivative-one-for-all-but-sigmoid", lambda right, h: right if h.function == "sigmoid" else h.da),
    },
    "dp": {
        "half": named("gradient-half", lambda right, h: right / 2),
        "doubled": named("gradient-doubled", lambda right, h: 2 * right),
        "divided by N": named("gradient-divided-by-batch", lambda right, h: right / h.net.batch),
        "times N": named("gradient-times-batch", lambda right, h: right * h.net.batch),
        "times the outputs": named("gradient-times-outputs", lambda right, h: right * h.p.shape[1]),
        "divided by the outputs": named("gradient-divided-by-outputs", lambda right, h: right / h.p.shape[1]),
        "negated": named("gradient-negated", lambda right, h: -right),
    },
    "loss": {
        "halved": named("loss-halved", lambda right, h: right / 2),
        "without the last example": named(
            "loss-without-last-example",
            lambda right, h: right * h.each[:-1].sum() / (h.each.sum() + 1e-300)),
        "plus the penalty": named("penalty-in-loss-only",
                                  lambda right, h: right + 0.005 * sum((w.W**2).sum() for w in h.net.layers)),
    },
    "end": {
        "clipped to [-1, 1]": named("gradient-clipped", lambda right, h: {k: np.clip(g, -1, 1) for k, g in right.items()}),
        "the first layer's weights 0": named(
            "first-layer-gradient-skipped",
            lambda right, h: {k: 0 * g if k == f"{h.net.layers[0].name}.weight" else g for k, g in right.items()}),
    },
}

# --- one table of forms ------------------------------------------------------------------------------------------------

FORMS: dict[tuple[str, str], Wrong] = {
    **{("db", name): wrong for name, wrong in REDUCTIONS.items()},
    **{(line, name): wrong for line, forms in OPERANDS.items() for name, wrong in forms.items()},
    **{(line, name): wrong for line, forms in ADDED.items() for name, wrong in forms.items()},
    **{(line, name): wrong for line, forms in KNOWN.items() for name, wrong in forms.items()},
    **{("df", name): Wrong(of_function(whose, wrong.form), wrong.known)
       for name, (whose, wrong) in DERIVATIVES.items()},
}
PLACES = ("last entry", "last row", "middle column")
for _name, _k in FACTORS.items():
    for _line in ("db", "dW", "dx", "df", "dp", "loss", "f"):
        FORMS[_line, f"times {_name}"] = Wrong(times(_k))
    for _line in ("db", "dW"):
        for _at in PLACES:
            FORMS[_line, f"{_at} times {_name}"] = Wrong(entry(_k, _at))


def wrong_of(part: Part) -> Wrong:
    return FORMS[part.line, part.form]


# --- generating -------------------------------------------------------------------------------------------------------

SHARES = {"reduction": 12, "factor": 12, "derivative": 11, "operand": 8, "added": 7, "known, restricted": 10,
          "unknown, restricted": 8, "n-th call": 4, "mixture of known": 8, "mixture of unknown": 8, "three": 6,
          "known with unknown": 6}
EVERY = tuple(name for name, count in SHARES.items() for _ in range(count))


def mistake(generation: int, number: int) -> Mistake:
    """The number-th mistake of a generation: the same for the same numbers, in every process."""
    rng = np.random.default_rng([generation, number])
    # a walk through the categories that meets all of them early
    category = EVERY[number * 37 % len(EVERY)]
    return Mistake(category, tuple(MAKE[category](rng)))


def all_of(count: int, generation: int) -> list[Mistake]:
    """So many different mistakes."""
    found: dict[tuple[Part, ...], Mistake] = {}
    number = 0
    while len(found) < count:
        made = mistake(generation, number)
        found.setdefault(made.parts, made)
        number += 1
    return list(found.values())


def one_of(rng: Any, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


NOWHERE = (("dx", "first"), ("df", "last"))


def layers_of(rng: Any, line: str) -> str:
    """All layers, mostly."""
    some = line in ("db", "dW", "df", "dx") and rng.random() < 0.35
    return some_of(rng, line) if some else "all"


def some_of(rng: Any, line: str) -> str:
    """Some layers, in which the line matters: most hand nothing down from the first, or have no function in the last."""
    return str(one_of(rng, [name for name in list(LAYERS)[1:] if (line, name) not in NOWHERE]))


def reduction(rng: Any) -> list[Part]:
    return [Part("db", one_of(rng, list(REDUCTIONS)), layers_of(rng, "db"))]


def factored(rng: Any) -> list[Part]:
    line = str(one_of(rng, ("db", "dW", "dx", "df", "dp", "loss", "f", "db", "dW")))
    form = f"times {one_of(rng, list(FACTORS))}"
    if line in ("db", "dW") and rng.random() < 0.4:
        form = f"{one_of(rng, PLACES)} {form}"
    return [Part(line, form, layers_of(rng, line))]


def derived(rng: Any) -> list[Part]:
    return [Part("df", one_of(rng, list(DERIVATIVES)), layers_of(rng, "df") if rng.random() < 0.3 else "all")]


def operand(rng: Any) -> list[Part]:
    line = str(one_of(rng, list(OPERANDS)))
    return [Part(line, one_of(rng, list(OPERANDS[line])), layers_of(rng, line))]


def added(rng: Any) -> list[Part]:
    line = str(one_of(rng, list(ADDED)))
    return [Part(line, one_of(rng, list(ADDED[line])), layers_of(rng, line))]


def unknown(rng: Any) -> list[Part]:
    return list(one_of(rng, (reduction, factored, derived, operand, added))(rng))


def known(rng: Any) -> list[Part]:
    line = str(one_of(rng, list(KNOWN)))
    return [Part(line, one_of(rng, list(KNOWN[line])))]


def condition(rng: Any) -> str:
    return str(one_of(rng, [name for name in CONDITIONS if name != "always" and name not in CALLS]))


def restricted(make: Callable[[Any], list[Part]]) -> Callable[[Any], list[Part]]:
    """Under a condition, or in some layers, or both."""
    def parts(rng: Any) -> list[Part]:
        part = make(rng)[0]
        if part.line in ("db", "dW", "dx", "df") and rng.random() < 0.3:
            return [part._replace(layers=some_of(rng, part.line))]
        return [part._replace(condition=condition(rng))]

    return parts


def nth_call(rng: Any) -> list[Part]:
    part = (known if rng.random() < 0.5 else unknown)(rng)[0]
    return [part._replace(condition=str(one_of(rng, CALLS)))]


def mixed(*makes: Callable[[Any], list[Part]]) -> Callable[[Any], list[Part]]:
    """A part of each, no two in the same line."""
    def parts(rng: Any) -> list[Part]:
        chosen: dict[str, Part] = {}
        for make in makes:
            part = make(rng)[0]
            while part.line in chosen:
                part = make(rng)[0]
            chosen[part.line] = part
        return list(chosen.values())

    return parts


MAKE: dict[str, Callable[[Any], list[Part]]] = {
    "reduction": reduction, "factor": factored, "derivative": derived, "operand": operand, "added": added,
    "known, restricted": restricted(known), "unknown, restricted": restricted(unknown), "n-th call": nth_call,
    "mixture of known": mixed(known, known), "mixture of unknown": mixed(unknown, unknown),
    "three": mixed(known, unknown, unknown), "known with unknown": mixed(known, unknown),
}

# --- planting ---------------------------------------------------------------------------------------------------------


class Planted(Lines):
    """The hooks of a program with these parts in it."""

    def __init__(self, parts: Sequence[Part]):
        super().__init__()
        self.parts = tuple(parts)

    def wrong(self, name: str, right: Any, here: Here) -> Any:
        here.net = self.net
        layer = self.net.layers[min(here.at, self.net.depth - 1)]
        here.function, here.slope = layer.function, layer.slope
        for part in self.parts:
            if part.line == name and applies(part, here):
                right = like(wrong_of(part).form(right, here), right)
        return right


def applies(part: Part, here: Here) -> bool:
    return LAYERS[part.layers](here.at, here.net.depth) and CONDITIONS[part.condition](here)


def like(wrong: Any, right: Any) -> Any:
    """In the number type of the right value."""
    if isinstance(right, dict):
        return {name: like(g, right[name]) for name, g in wrong.items()}
    return np.asarray(wrong).astype(np.asarray(right).dtype)


def planting(made: Mistake | Sequence[Part]) -> Callable[[], Lines]:
    """What `program` takes: fresh hooks with the mistake."""
    parts = made.parts if isinstance(made, Mistake) else made
    return lambda: Planted(parts)
