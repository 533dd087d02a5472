"""Recurrent layers in JAX: one `lax.scan` over the steps, its body a cell written for one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..chain import Here, Layer

Array = Any
State = tuple[Array, ...]
COMMON = ("units", "bias", "recurrent_bias", "returns", "reverse", "initial_state", "mask")


def optional(here: Here, name: str) -> Array:
    """A parameter, or 0 for one that the layer has not."""
    return here.parameter(name) if here.spec.options[name] else 0.0


def start(here: Here, x: Array, *names: str) -> State:
    nothing = jnp.zeros((x.shape[0], here.spec.options["units"]), x.dtype)
    return tuple(optional(here, name) + nothing for name in names)


def scanned(here: Here, x: Array, cell: Callable[[Array, State], State], first: State) -> Array:
    """The cell at every step: `lax.scan` runs over the leading axis, in either direction."""
    o = here.spec.options
    mask = here.parameter("mask") if o["mask"] else jnp.ones(x.shape[:2], x.dtype)

    def body(state: State, step: tuple[Array, Array]) -> tuple[State, Array]:
        x, live = step
        new = cell(x, state)
        if o["mask"]:
            new = jax.tree.map(lambda a, b: jnp.where(live[:, None] == 1, a, b), new, state)
        return new, new[0]

    steps = jnp.swapaxes(x, 0, 1), mask.T
    state, outputs = jax.lax.scan(body, first, steps, reverse=o["reverse"])
    return state[0] if o["returns"] == "last" else jnp.swapaxes(outputs, 0, 1)


def rnn(here: Here, x: Array) -> Array:
    functions: dict[str, Callable[[Array], Array]] = {
        "tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}
    f = functions[here.spec.options["function"]]
    w, u = here.parameter("weight"), here.parameter("recurrent_weight")
    bias = optional(here, "bias") + optional(here, "recurrent_bias")
    return scanned(here, x, lambda x, s: (f(x @ w + s[0] @ u + bias),),
                   start(here, x, "initial_state"))


def lstm(here: Here, x: Array) -> Array:
    """The gates as an axis of their own: W as (n, k, m)."""
    o, m = here.spec.options, here.spec.options["units"]
    w = here.parameter("weight").reshape(x.shape[-1], -1, m)
    u = here.parameter("recurrent_weight").reshape(m, -1, m)
    bias = jnp.reshape(optional(here, "bias") + optional(here, "recurrent_bias")
                       + jnp.zeros(w[0].size, w.dtype), w.shape[1:])
    peep = optional(here, "peephole") + jnp.zeros((len(w[0]) - 1, m), w.dtype)

    def cell(x: Array, state: State) -> State:
        h, c = state
        z = jnp.einsum("bn,nkm->kbm", x, w) + jnp.einsum("bn,nkm->kbm", h, u) + bias[:, None]
        forget = jax.nn.sigmoid(z[-3] + peep[-2] * c)
        take = 1.0 - forget if o["coupled"] else jax.nn.sigmoid(z[0] + peep[0] * c)
        c = forget * c + take * jnp.tanh(z[-2])
        return jax.nn.sigmoid(z[-1] + peep[-1] * c) * jnp.tanh(c), c

    return scanned(here, x, cell, start(here, x, "initial_state", "initial_cell"))


def gru(here: Here, x: Array) -> Array:
    o = here.spec.options
    wr, wz, wn = jnp.split(here.parameter("weight"), 3, axis=1)
    ur, uz, un = jnp.split(here.parameter("recurrent_weight"), 3, axis=1)
    nothing = jnp.zeros(3 * o["units"], wr.dtype)
    br, bz, bn = jnp.split(optional(here, "bias") + nothing, 3)
    dr, dz, dn = jnp.split(optional(here, "recurrent_bias") + nothing, 3)

    def cell(x: Array, state: State) -> State:
        h, = state
        reset = jax.nn.sigmoid(x @ wr + h @ ur + br + dr)
        update = jax.nn.sigmoid(x @ wz + h @ uz + bz + dz)
        past = (reset * h) @ un if o["reset"] == "before" else reset * (h @ un + dn)
        return (update * h + (1.0 - update) * jnp.tanh(x @ wn + bn + past),)

    return scanned(here, x, cell, start(here, x, "initial_state"))


LAYERS = {"rnn": Layer(rnn, (*COMMON, "function")),
          "lstm": Layer(lstm, (*COMMON, "peephole", "coupled", "initial_cell")),
          "gru": Layer(gru, (*COMMON, "reset"))}
