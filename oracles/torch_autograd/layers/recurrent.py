"""Recurrent layers in PyTorch: its own kernels where they know the options, a loop of cells else.

PyTorch keeps W and U transposed, (k m, n) and (k m, m), and adds a second bias always; its lstm has
the gates in the order i, f, g, o, its gru in the order r, z, n, with the reset after the product.
It knows no mask, peepholes or coupled gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..chain import Here, Layer

Tensor = Any
State = tuple[Tensor, ...]
COMMON = ("units", "bias", "recurrent_bias", "returns", "reverse", "initial_state", "mask")


def biases(here: Here, columns: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """b and d; zeros where there is none."""
    return tuple(here.parameter(name) if here.spec.options[name] else like.new_zeros(columns)
                 for name in ("bias", "recurrent_bias"))


def given(here: Here, name: str, x: Tensor) -> Tensor:
    """The state before the first step."""
    if here.spec.options[name]:
        return here.parameter(name)
    return x.new_zeros(x.shape[0], here.spec.options["units"])


def weights(here: Here, x: Tensor) -> list[Tensor]:
    """What PyTorch's kernels take: W and U transposed, and both biases."""
    w, u = here.parameter("weight"), here.parameter("recurrent_weight")
    return [w.T.contiguous(), u.T.contiguous(), *biases(here, w.shape[1], x)]


def by_kernel(here: Here, x: Tensor, kernel: Callable[..., Any], state: Any) -> Tensor:
    """PyTorch's own layer, one direction, batch first."""
    o = here.spec.options
    x = x.flip(1) if o["reverse"] else x
    y = kernel(x, state, weights(here, x), True, 1, 0.0, False, False, True)[0]
    if o["returns"] == "last":
        return y[:, -1]
    return y.flip(1) if o["reverse"] else y


def by_steps(here: Here, x: Tensor, cell: Callable[[Tensor, State], State],
             state: State) -> Tensor:
    """Step by step; where the mask is 0 the state stays as it is."""
    o, times = here.spec.options, list(range(x.shape[1]))
    outputs = {}
    for t in reversed(times) if o["reverse"] else times:
        new = cell(x[:, t], state)
        if o["mask"]:
            live = here.parameter("mask")[:, t, None].bool()
            new = tuple(torch.where(live, a, b) for a, b in zip(new, state, strict=True))
        state, outputs[t] = new, new[0]
    return state[0] if o["returns"] == "last" else torch.stack([outputs[t] for t in times], dim=1)


# --- rnn ------------------------------------------------------------------------------------------


FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


def rnn(here: Here, x: Tensor) -> Tensor:
    o, h = here.spec.options, given(here, "initial_state", x)
    if o["function"] in ("tanh", "relu") and not o["mask"]:
        kernel = torch.rnn_tanh if o["function"] == "tanh" else torch.rnn_relu
        return by_kernel(here, x, kernel, h[None])
    w, u, b, d = weights(here, x)

    def cell(x: Tensor, state: State) -> State:
        z = torch.nn.functional.linear(x, w, b) + torch.nn.functional.linear(state[0], u, d)
        return (FUNCTIONS[o["function"]](z),)

    return by_steps(here, x, cell, (h,))


# --- lstm -----------------------------------------------------------------------------------------


def lstm(here: Here, x: Tensor) -> Tensor:
    o = here.spec.options
    state = given(here, "initial_state", x), given(here, "initial_cell", x)
    if not (o["mask"] or o["peephole"] or o["coupled"]):
        return by_kernel(here, x, torch.lstm, tuple(each[None] for each in state))
    w, u, b, d = weights(here, x)
    peephole = here.parameter("peephole") if o["peephole"] else x.new_zeros(3, o["units"])

    def cell(x: Tensor, state: State) -> State:
        h, c = state
        z = torch.addmm(b + d, x, w.T) + torch.mm(h, u.T)
        *first, zf, zg, zo = z.chunk(3 if o["coupled"] else 4, dim=1)
        f = torch.sigmoid(zf + peephole[-2] * c)
        i = 1 - f if o["coupled"] else torch.sigmoid(first[0] + peephole[0] * c)
        c = f * c + i * torch.tanh(zg)
        return torch.sigmoid(zo + peephole[-1] * c) * torch.tanh(c), c

    return by_steps(here, x, cell, state)


# --- gru ------------------------------------------------------------------------------------------


def gru(here: Here, x: Tensor) -> Tensor:
    o, h = here.spec.options, given(here, "initial_state", x)
    if o["reset"] == "after" and not o["mask"]:
        return by_kernel(here, x, torch.gru, h[None])
    w, u, b, d = weights(here, x)
    m = o["units"]

    def cell(x: Tensor, state: State) -> State:
        a, (h,) = torch.nn.functional.linear(x, w, b), state
        gates = torch.sigmoid(a[:, :2 * m] + torch.nn.functional.linear(h, u[:2 * m], d[:2 * m]))
        r, z = gates.chunk(2, dim=1)
        if o["reset"] == "after":
            q = r * torch.nn.functional.linear(h, u[2 * m:], d[2 * m:])
        else:
            q = torch.nn.functional.linear(r * h, u[2 * m:])
        return (torch.lerp(torch.tanh(a[:, 2 * m:] + q), h, z),)

    return by_steps(here, x, cell, (h,))


LAYERS = {"rnn": Layer(rnn, (*COMMON, "function")),
          "lstm": Layer(lstm, (*COMMON, "peephole", "coupled", "initial_cell")),
          "gru": Layer(gru, (*COMMON, "reset"))}
