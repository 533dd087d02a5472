"""Recurrent layers from the cells of torch.nn, step by step, as a user writes a loop of them.

nn.RNNCell knows tanh and relu, nn.LSTMCell no peepholes and no coupled gates, nn.GRUCell only the
reset gate after the product: for the others the cell is a module of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from .....reference import LayerSpec
from ..builder import Builder, Called

State = tuple[Tensor, ...]
NAMES = {"weight": "weight_ih", "recurrent_weight": "weight_hh", "bias": "bias_ih",
         "recurrent_bias": "bias_hh"}


class Steps(nn.Module):
    """A cell at every step, in either direction; a masked step leaves the state as it is."""

    def __init__(self, cell: Callable[[Tensor, State], State], spec: LayerSpec,
                 states: Sequence[Tensor | None], mask: Tensor | None):
        super().__init__()
        self.cell, self.spec, self.states, self.mask = cell, spec, states, mask

    def forward(self, x: Tensor) -> Tensor:
        zero, outputs = x.new_zeros(len(x), self.spec.options["units"]), {}
        state = tuple(zero if given is None else given for given in self.states)
        steps = range(x.shape[1])
        for t in reversed(steps) if self.spec.options["reverse"] else steps:
            new = self.cell(x[:, t], state)
            if self.mask is not None:
                live = self.mask[:, t:t + 1] > 0
                new = tuple(torch.where(live, a, b) for a, b in zip(new, state, strict=True))
            state, outputs[t] = new, new[0]
        if self.spec.options["returns"] == "last":
            return state[0]
        return torch.stack([outputs[t] for t in steps], dim=1)


class Own(nn.Module):
    """What the cells of one's own have: x W + b and h U + d."""

    def __init__(self, spec: LayerSpec, p: dict[str, Tensor]):
        super().__init__()
        self.spec, self.p = spec, p

    def of_inputs(self, x: Tensor) -> Tensor:
        return F.linear(x, self.p["weight"].T, self.p.get("bias"))

    def of_state(self, h: Tensor, part: slice = slice(None)) -> Tensor:
        d = self.p.get("recurrent_bias")
        return F.linear(h, self.p["recurrent_weight"][:, part].T, None if d is None else d[part])


class SigmoidCell(Own):
    def forward(self, x: Tensor, state: State) -> State:
        return (torch.sigmoid(self.of_inputs(x) + self.of_state(state[0])),)


class PeepholeCell(Own):
    """An LSTM cell with peepholes, coupled gates, or both."""

    def forward(self, x: Tensor, state: State) -> State:
        (h, c), coupled = state, self.spec.options["coupled"]
        z = (self.of_inputs(x) + self.of_state(h)).chunk(3 if coupled else 4, dim=1)
        P = self.p["peephole"] if "peephole" in self.p else x.new_zeros(3, 1)  # noqa: N806
        f = torch.sigmoid(z[-3] + P[-2] * c)
        i = 1 - f if coupled else torch.sigmoid(z[0] + P[0] * c)
        c = f * c + i * torch.tanh(z[-2])
        return torch.sigmoid(z[-1] + P[-1] * c) * torch.tanh(c), c


class ResetBeforeCell(Own):
    def forward(self, x: Tensor, state: State) -> State:
        (h,), m = state, self.spec.options["units"]
        a = self.of_inputs(x)
        r, z = torch.sigmoid(a[:, :2 * m] + self.of_state(h, slice(0, 2 * m))).chunk(2, dim=1)
        n = torch.tanh(a[:, 2 * m:] + self.of_state(r * h, slice(2 * m, 3 * m)))
        return ((1 - z) * n + z * h,)


def library(cell: type[nn.Module], p: dict[str, Tensor],
            **options: Any) -> Callable[[Tensor, State], State]:
    """A cell of torch.nn; a bias that the layer has not is 0."""
    (n, columns), m = p["weight"].shape, p["recurrent_weight"].shape[0]
    tensors = {NAMES[name]: value.T if value.ndim == 2 else value for name, value in p.items()}
    biased = "bias" in p or "recurrent_bias" in p
    for name in ("bias_ih", "bias_hh") if biased else ():
        tensors.setdefault(name, p["weight"].new_zeros(columns))
    module = Called(cell(n, m, bias=biased, device="meta", **options), tensors)

    def step(x: Tensor, state: State) -> State:
        new = module(x, state if len(state) > 1 else state[0])
        return new if isinstance(new, tuple) else (new,)

    return step


def cell_of(spec: LayerSpec, p: dict[str, Tensor]) -> Callable[[Tensor, State], State]:
    o = spec.options
    if spec.kind == "rnn":
        return SigmoidCell(spec, p) if o["function"] == "sigmoid" else library(
            nn.RNNCell, p, nonlinearity=o["function"])
    if spec.kind == "lstm":
        return PeepholeCell(spec, p) if o["peephole"] or o["coupled"] else library(nn.LSTMCell, p)
    return ResetBeforeCell(spec, p) if o["reset"] == "before" else library(nn.GRUCell, p)


def recurrent(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    found = {local: builder.tensor(spec, name, local) for local in (*NAMES, "peephole")}
    p = {local: tensor for local, tensor in found.items() if tensor is not None}
    states = ("initial_state", "initial_cell") if spec.kind == "lstm" else ("initial_state",)
    given = [builder.tensor(spec, name, local) if spec.options[local] else None for local in states]
    mask = builder.tensor(spec, name, "mask") if spec.options["mask"] else None
    return Steps(cell_of(spec, p), spec, given, mask)


LAYERS = dict.fromkeys(("rnn", "lstm", "gru"), recurrent)
