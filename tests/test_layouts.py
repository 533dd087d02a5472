"""Layer classes of every kind, with their arrays as other people hold them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from backproof import Head, Layer, Layout, layers, verify
from backproof.plug.contract import BrokenContract
from backproof.plug.layouts import Say, reordered
from backproof.reference import DescriptionError
from torch import nn

SEEN = set()  # the classes that were asked
SUM = [Head("identity", "squared_error", reduction="sum")]


class Taped:
    """A class whose backward is PyTorch's: `arrays` names its attributes, `run` its formula."""

    arrays: tuple[str, ...] = ()

    def forward(self, x, *given):
        SEEN.add(type(self))
        self.taken = [torch.from_numpy(np.array(a)).requires_grad_()
                      for a in (x, *given, *(getattr(self, name) for name in self.arrays))]
        self.y = self.run(*self.taken)
        return self.y.detach().numpy()

    def backward(self, dy):
        found = torch.autograd.grad(self.y, self.taken, torch.from_numpy(np.array(dy)))
        dx, *rest = (each.numpy() for each in found)
        for name, gradient in zip((*self.given(), *self.arrays), rest, strict=True):
            setattr(self, f"d{name}", gradient)
        return dx

    def given(self):
        return [f"given{i}" for i in range(len(self.taken) - 1 - len(self.arrays))]


class Dense(Taped):
    arrays = ("W", "b")

    def __init__(self, n, m):
        self.W, self.b = np.zeros((n, m)), np.zeros(m)

    def run(self, x, W, b):
        return x @ W + b


class Tanh(Taped):
    def run(self, x):
        return torch.tanh(x)


class Conv(Taped):
    """Channels last, kernels (height, width, channels, filters), as in TensorFlow."""

    arrays = ("W", "b")

    def __init__(self, channels, filters, window, stride, padding):
        self.W, self.b = np.zeros((*window, channels, filters)), np.zeros(filters)
        self.how = {"stride": stride, "padding": padding}

    def run(self, x, W, b):
        y = F.conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1), b, **self.how)
        return y.permute(0, 2, 3, 1)


class Lstm(Taped):
    """Time first, matrices (4 units, n), gates in the order input, output, forget, cell."""

    arrays = ("W", "U", "b")

    def __init__(self, n, m):
        self.m = m
        self.W, self.U, self.b = np.zeros((4 * m, n)), np.zeros((4 * m, m)), np.zeros((4 * m, 1))

    def run(self, x, W, U, b):
        h = c = x.new_zeros(x.shape[1], self.m)
        out = []
        for step in x:
            i, o, f, g = (step @ W.T + h @ U.T + b[:, 0]).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out)


class Swapped(Lstm):
    """The gradients of two gates have changed places."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.dW = np.concatenate([np.split(self.dW, 4)[i] for i in (2, 1, 0, 3)])
        return dx


class Norm(Taped):
    arrays = ("gain", "bias")

    def __init__(self, shape):
        self.gain, self.bias = np.ones((1, shape[-1])), np.zeros((1, shape[-1]))

    def run(self, x, gain, bias):
        return F.layer_norm(x, x.shape[-1:], gain[0], bias[0])


class Started(Taped):
    """A recurrent layer that is given its first state."""

    arrays = ("W", "U", "b")

    def __init__(self, n, m):
        self.W, self.U, self.b = np.zeros((n, m)), np.zeros((m, m)), np.zeros(m)

    def run(self, x, h, W, U, b):
        out = []
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ W + h @ U + b)
            out.append(h)
        return torch.stack(out, dim=1)


MAPPED = {"parameters": {"weight": "W", "bias": "b"}, "gradients": {"weight": "dW", "bias": "db"}}
RECURRENT = {"parameters": {"weight": "W", "recurrent_weight": "U", "bias": "b"},
             "gradients": {"weight": "dW", "recurrent_weight": "dU", "bias": "db"}}
DENSE = {"dense": Layer(Dense, **MAPPED), "tanh": Layer(Tanh), "heads": SUM}
LSTM = Layout(weight="out_in", bias="column", batch="time_first", gates="iofg")
TARGETS = {
    "conv2d": layers(**DENSE, conv2d=Layer(
        Conv, **MAPPED, arguments=("in", "filters", "window", "stride", "padding"),
        layout=Layout(batch="channels_last", kernel="window_first"))),
    "lstm": layers(**DENSE, lstm=Layer(Lstm, **RECURRENT, layout=LSTM)),
    "rnn": layers(
        **DENSE, rnn=Layer(Started, RECURRENT["parameters"],
                           RECURRENT["gradients"] | {"initial_state": "dgiven0"},
                           given=("initial_state",)),
        layers=["dense", {"kind": "rnn", "function": "tanh", "recurrent_bias": False,
                          "returns": "sequence", "reverse": False, "initial_state": True,
                          "mask": False}]),
    "layer_norm": layers(**DENSE, layer_norm=Layer(
        Norm, {"scale": "gain", "bias": "bias"}, {"scale": "dgain", "bias": "dbias"},
        arguments=("shape",), layout=Layout(bias="row"))),
}


CLASSES = {"conv2d": Conv, "lstm": Lstm, "rnn": Started, "layer_norm": Norm}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_right_class_of_another_layout_conforms(kind):
    report = verify(TARGETS[kind], examples=20, oracles=["torch"])
    assert (report.verdict, report.findings) == ("conforms", [])
    assert CLASSES[kind] in SEEN


def test_a_wrong_class_is_named():
    target = layers(**DENSE, lstm=Layer(Swapped, **RECURRENT, layout=LSTM))
    report = verify(target, examples=20, oracles=["torch"])
    assert report.verdict == "does_not_conform"
    assert {finding.parameter.rpartition(".")[2] for finding in report.findings} == {"weight"}


@pytest.mark.parametrize(("gates", "theirs"), [("ifgo", [0, 1, 2, 3]), ("iofg", [0, 3, 1, 2])])
def test_gates_are_moved(gates, theirs):
    ours, layout = np.repeat(np.arange(4.0), 2)[None], Layout(gates=gates)
    held = layout.theirs("weight", ours, "lstm")
    assert held[0, ::2].tolist() == theirs
    assert (layout.ours("weight", held, ours.shape, Say("dW", 1), "lstm") == ours).all()


def test_coupled_gates_are_three():
    layout = Layout(gates="ofg")
    held = layout.theirs("bias", np.arange(3.0), "lstm")
    assert held.tolist() == [2.0, 0.0, 1.0]
    assert reordered(held, "ofg", "fgo").tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("batch", ["time_first", "channels_last"])
def test_matrices_are_left_alone(batch):
    x = np.ones((3, 2))
    assert Layout(batch=batch).theirs("batch", x).shape == (3, 2)


def test_a_kernel_of_the_wrong_shape_breaks_the_contract():
    with pytest.raises(BrokenContract, match=r"\(3, 2, 5, 4\) is wanted"):
        Layout(kernel="window_first").ours("weight", np.ones((4, 5, 3, 2)), (4, 5, 3, 2),
                                           Say("dW", 1))


@pytest.mark.parametrize("gates", ["ifg", "iffo", "abc"])
def test_gates_that_are_none(gates):
    with pytest.raises(DescriptionError, match="gates is"):
        Layout(gates=gates)


@pytest.mark.parametrize(("parameters", "gradients"), [
    ({"weight": "W", "bias": "b"}, {"weight": "dW"}), ({"weight": "W"}, {"weight": "dW", "bias": "db"}),
    ({"weight": "W", "wieght": "W"}, {"weight": "dW"}),
])
def test_a_parameter_without_its_gradient_is_refused_at_once(parameters, gradients):
    with pytest.raises(DescriptionError, match=r"wanted the same names in both|dense has no parameter"):
        layers(dense=Layer(Dense, parameters, gradients), heads=SUM)


def test_nn_lstm_has_our_order():
    """PyTorch's own layer holds i, f, g, o, as the description does."""
    assert "W_ii|W_if|W_ig|W_io" in nn.LSTM.__doc__
