"""PyTorch's recurrent cells and layers beside their equations."""

import torch
from eager import HALVES, program

SIZES = {"N": (1, 17), "I": (1, 33), "H": (1, 33), "T": (1, 6), "G": "4 * H", "R": "3 * H"}


def plain_lstm_cell(x, h, c, w_ih, w_hh, b_ih, b_hh):
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def plain_gru_cell(x, h, w_ih, w_hh, b_ih, b_hh):
    xr, xz, xn = (x @ w_ih.T + b_ih).chunk(3, -1)
    hr, hz, hn = (h @ w_hh.T + b_hh).chunk(3, -1)
    z = torch.sigmoid(xz + hz)
    new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
    return (1.0 - z) * new + z * h


STATE = ("N", "H")
LSTM = {"w_ih": ("G", "I"), "w_hh": ("G", "H"), "b_ih": ("G",), "b_hh": ("G",)}
GRU = {"w_ih": ("R", "I"), "w_hh": ("R", "H"), "b_ih": ("R",), "b_hh": ("R",)}


@program(plain=plain_lstm_cell, inputs={"x": ("N", "I"), "h": STATE, "c": STATE, **LSTM},
         dtypes=HALVES, sizes=SIZES)
def lstm_cell(x, h, c, *weights):
    return torch.lstm_cell(x, (h, c), *weights)


@program(plain=plain_gru_cell, inputs={"x": ("N", "I"), "h": STATE, **GRU}, dtypes=HALVES,
         sizes=SIZES)
def gru_cell(x, h, *weights):
    return torch.gru_cell(x, h, *weights)


def _both_ways(layer, x, *state_and_weights):
    """The outputs of a layer and of its mirror image side by side, and their last states."""
    half = len(state_and_weights) // 2
    there, *last = layer(x, *state_and_weights[:half])
    back, *first = layer(x.flip(0), *state_and_weights[half:])
    return torch.cat([there, back.flip(0)], -1), *(
        torch.stack(pair) for pair in zip(last, first, strict=True))


def _lstm_layer(x, h, c, *weights):
    outputs = []
    for step in x:
        h, c = plain_lstm_cell(step, h, c, *weights)
        outputs.append(h)
    return torch.stack(outputs), h, c


def plain_lstm(x, h, c, *weights):
    return _both_ways(_lstm_layer, x, h[0], c[0], *weights[:4], h[1], c[1], *weights[4:])


STATES = (2, "N", "H")


@program(plain=plain_lstm, dtypes=HALVES, sizes=SIZES,
         inputs={"x": ("T", "N", "I"), "h": STATES, "c": STATES, **LSTM,
                 **{f"{name}_reverse": shape for name, shape in LSTM.items()}})
def bidirectional_lstm(x, h, c, *weights):
    return torch.lstm(x, (h, c), weights, True, 1, 0.0, False, True, False)


def _gru_layer(x, h, *weights):
    outputs = []
    for step in x:
        h = plain_gru_cell(step, h, *weights)
        outputs.append(h)
    return torch.stack(outputs), h


def plain_gru(x, h, *weights):
    first, one = _gru_layer(x, h[0], *weights[:4])
    second, two = _gru_layer(first, h[1], *weights[4:])
    return second, torch.stack([one, two])


@program(plain=plain_gru, dtypes=HALVES, sizes=SIZES,
         inputs={"x": ("T", "N", "I"), "h": STATES, **GRU, "w_ih_2": ("R", "H"),
                 **{f"{name}_2": shape for name, shape in GRU.items() if name != "w_ih"}})
def two_gru_layers(x, h, *weights):
    return torch.gru(x, h, weights, True, 2, 0.0, False, False, False)
