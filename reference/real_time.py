"""Real-time recurrent learning: the gradient of a recurrent layer, forward in time.

Backpropagation through time keeps every step and walks back. This walks forward beside the layer
and keeps nothing: with every number of the state it carries how that depends on each of the layer's
parameters θ, P of them in all, and brings it from step to step by the chain rule,

    dh_t / dθ = ∂h_t/∂θ + ∂h_t/∂h_{t-1} · dh_{t-1}/dθ,      dL/dθ = Σ_t dL/dh_t · dh_t/dθ,

the first term being the step's own use of θ. So a step costs m³ and more where the way back costs
m², and the sum over t may be taken while the sequence still runs. Williams & Zipser, A Learning
Algorithm for Continually Running Fully Recurrent Neural Networks (1989).

No line of it is that of `layers/recurrent.py`: it is another algorithm for the same numbers, with a
forward of its own, and may judge the other. The cells and the letters are those of that file. It is
written for float64 arrays of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .network import LayerSpec

Array = Any
Gradients = dict[str, Array]


class Known(NamedTuple):
    """An array with its sensitivities: value (batch, m), and by (batch, m, P) its d/dθ."""

    value: Array
    by: Array

    def plus(self, other: Known) -> Known:
        return Known(self.value + other.value, self.by + other.by)

    def times(self, other: Known) -> Known:
        """The product rule."""
        return Known(self.value * other.value, self.by * other.value[..., None]
                     + self.value[..., None] * other.by)

    def less_than_one(self) -> Known:
        """1 less this."""
        return Known(1.0 - self.value, -self.by)

    def through(self, name: str) -> Known:
        """f of this: the chain rule, entry by entry."""
        y = FUNCTIONS[name](self.value)
        return Known(y, SLOPES[name](y)[..., None] * self.by)

    def block(self, k: int, m: int) -> Known:
        """The k-th gate of so many units."""
        return Known(self.value[:, k * m:(k + 1) * m], self.by[:, k * m:(k + 1) * m])


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0.0),
    "sigmoid": lambda z: np.exp(-np.logaddexp(0.0, -z))}
SLOPES: dict[str, Callable[[Array], Array]] = {  # f' by y = f(z)
    "tanh": lambda y: (1.0 - y) * (1.0 + y), "relu": lambda y: 1.0 * (y > 0.0),
    "sigmoid": lambda y: y * (1.0 - y)}


class Theta:
    """The layer's parameters as one vector, and where in it each of them is."""

    def __init__(self, arrays: Mapping[str, Array], batch: int):
        self.arrays, self.batch, self.at, start = dict(arrays), batch, dict[str, slice](), 0
        for name, array in arrays.items():
            self.at[name] = slice(start, start + array.size)
            start += array.size
        self.size = start

    def constant(self, value: Array) -> Known:
        """An array that depends on none of them."""
        return Known(value, np.zeros((*value.shape, self.size)))

    def state(self, name: str, m: int) -> Known:
        """The state before the first step: zero, or what is given, each entry a parameter."""
        if name not in self.arrays:
            return self.constant(np.zeros((self.batch, m)))
        known = self.constant(self.arrays[name])
        own = np.eye(self.batch * m).reshape(self.batch, m, -1)
        known.by[:, :, self.at[name]] = own
        return known

    def row(self, name: str, k: int) -> Known:
        """Row k of a matrix (·, m), for every example."""
        m = self.arrays[name].shape[1]
        known = self.constant(np.broadcast_to(self.arrays[name][k], (self.batch, m)))
        start = self.at[name].start + k * m
        known.by[:, :, start:start + m] = np.eye(m)
        return known

    def product(self, x: Known, weight: str, bias: str, columns: slice = slice(None)) -> Known:
        """x W + b, some columns of it: of W itself x, of what x depends on W."""
        full = self.arrays[weight]
        j = np.arange(full.shape[1])[columns]
        by = np.einsum("bkp,kj->bjp", x.by, full[:, j])
        own = np.zeros((self.batch, len(j), *full.shape))
        own[:, np.arange(len(j)), :, j] = x.value
        by[:, :, self.at[weight]] += own.reshape(self.batch, len(j), -1)
        value = x.value @ full[:, j]
        if bias in self.arrays:
            value = value + self.arrays[bias][j]
            by[:, np.arange(len(j)), self.at[bias].start + j] += 1.0
        return Known(value, by)


# --- the cells, one step each ---------------------------------------------------------------------


def both(theta: Theta, x: Known, h: Known) -> Known:
    """x W + b + h U + d."""
    return theta.product(x, "weight", "bias").plus(
        theta.product(h, "recurrent_weight", "recurrent_bias"))


def rnn(theta: Theta, spec: LayerSpec, x: Known, state: list[Known]) -> list[Known]:
    return [both(theta, x, state[0]).through(spec.options["function"])]


def lstm(theta: Theta, spec: LayerSpec, x: Known, state: list[Known]) -> list[Known]:
    (h, c), m, peephole = state, spec.options["units"], spec.options["peephole"]
    z = both(theta, x, h)
    names = "fgo" if spec.options["coupled"] else "ifgo"
    gate = {name: z.block(k, m) for k, name in enumerate(names)}
    rows = {name: k for k, name in enumerate(names.replace("g", ""))} if peephole else {}

    def opened(name: str, cell: Known) -> Known:
        looks = [theta.row("peephole", rows[name]).times(cell)] if name in rows else []
        return (gate[name].plus(looks[0]) if looks else gate[name]).through("sigmoid")

    f = opened("f", c)
    i = opened("i", c) if "i" in gate else f.less_than_one()
    c = f.times(c).plus(i.times(gate["g"].through("tanh")))
    return [opened("o", c).times(c.through("tanh")), c]


def gru(theta: Theta, spec: LayerSpec, x: Known, state: list[Known]) -> list[Known]:
    (h,), m, (weight, bias) = state, spec.options["units"], ("recurrent_weight", "recurrent_bias")
    a = theta.product(x, "weight", "bias")
    u = theta.product(h, weight, bias, slice(0, 2 * m))
    r, z = (a.block(k, m).plus(u.block(k, m)).through("sigmoid") for k in (0, 1))
    past = slice(2 * m, 3 * m)
    if spec.options["reset"] == "before":
        q = theta.product(r.times(h), weight, bias, past)
    else:
        q = r.times(theta.product(h, weight, bias, past))
    n = a.block(2, m).plus(q).through("tanh")
    return [z.less_than_one().times(n).plus(z.times(h))]


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}
STATES = {"rnn": ("initial_state",), "lstm": ("initial_state", "initial_cell"),
          "gru": ("initial_state",)}


def run(spec: LayerSpec, arrays: Mapping[str, Array], x: Array, mask: Array | None,
        dy: Array | None = None) -> tuple[Array, Gradients]:
    """The layer's output, and the gradients of its arrays by local name.

    x: (batch, time, n); mask: (batch, time) or None; dy = dL/dy, of the output's shape. Without dy
    the gradients are zero.
    """
    theta, outputs = Theta(arrays, len(x)), {}
    total, sequence = np.zeros(theta.size), spec.options["returns"] == "sequence"
    state = [theta.state(name, spec.options["units"]) for name in STATES[spec.kind]]
    times = range(x.shape[1])[::-1] if spec.options["reverse"] else range(x.shape[1])
    for t in times:
        new = CELLS[spec.kind](theta, spec, theta.constant(x[:, t]), state)
        state = new if mask is None else kept(mask[:, t] > 0, new, state)
        outputs[t] = state[0].value
        if dy is not None and (sequence or t == times[-1]):
            total += np.einsum("bj,bjp->p", dy[:, t] if sequence else dy, state[0].by)
    y = np.stack([outputs[t] for t in sorted(outputs)], axis=1) if sequence else state[0].value
    return y, {name: total[theta.at[name]].reshape(array.shape) for name, array in arrays.items()}


def kept(live: Array, new: list[Known], old: list[Known]) -> list[Known]:
    """The new state of the examples that have the step, of others the old one."""
    return [Known(np.where(live[:, None], a.value, b.value),
                  np.where(live[:, None, None], a.by, b.by)) for a, b in zip(new, old, strict=True)]
