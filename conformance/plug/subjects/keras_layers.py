"""Keras 3 with PyTorch as its backend: layers, called with tensors for their variables.

`Layer.stateless_call` takes views of the network's parameters for the variables, and
loss.backward() goes through it. Keras has channels last, and its GRU the gates z, r, h; both are
translated. The gates of its LSTM are i, f, c, o, as here.

Not claimed: padding ("same" is another one than that described), masks (before the first step that
is seen Keras gives zeros, not the initial state), dilation with a stride, groups of a transposed
convolution. Nor is float64: `keras.ops.matmul` of two float64 matrices is float32, whatever the
dtype of the layer and `floatx` are (Keras 3.15). The losses are PyTorch's: those of Keras clip
probabilities at 1e-7, and divide them by their sum.

Keras reads its backend from the environment when it is imported; the environment is put back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...properties.structures import STRUCTURES
from ...reference import TABLES, DescriptionError, LayerSpec, Network
from ..contract import Declined
from ..implementing import implementation
from ..subject import Subject, subject_of
from .heads import every_head, hidden
from .torch_modules import answer
from .torch_modules.builder import Array, Builder, Make
from .torch_modules.layers import LAYERS as TORCH


def imported() -> Any:
    """Keras, with PyTorch as its backend."""
    if "keras" not in sys.modules:
        before = dict(os.environ)
        os.environ["KERAS_BACKEND"] = "torch"
        try:
            import keras
        finally:
            os.environ.clear()
            os.environ.update(before)
    import keras

    if keras.backend.backend() != "torch":
        raise DescriptionError(f"subject keras: Keras was imported with {keras.backend.backend()} "
                               "as its backend, wanted torch")
    return keras


keras: Any = imported()
kl = keras.layers


class Stateless(nn.Module):
    """A layer of Keras with these tensors in the place of its variables.

    first: the images have their channels in front. more: further arguments of the call.
    """

    def __init__(self, layer: Any, trained: Sequence[Tensor | None], *, first: bool = False,
                 fixed: Sequence[Tensor] | None = None, more: Mapping[str, Any] | None = None):
        super().__init__()
        self.layer, self.first, self.more = [layer], first, dict(more or {})
        self.trained, self.fixed = [each for each in trained if each is not None], fixed

    def forward(self, x: Tensor) -> Any:
        layer = self.layer[0]
        x = x.movedim(1, -1) if self.first else x
        if not layer.built:
            layer.build(tuple(x.shape))
        fixed = layer.non_trainable_variables if self.fixed is None else self.fixed
        y = layer.stateless_call(self.trained, list(fixed), x, **self.more)[0]
        return y.movedim(-1, 1) if self.first and y.ndim > 2 else y


def named(tensor: Tensor) -> dict[str, Any]:
    """What every layer is told: no name is made up for it, and its dtype."""
    return {"name": "layer", "dtype": str(tensor.dtype).removeprefix("torch.")}


def own(builder: Builder, spec: LayerSpec, name: str, *locals_: str) -> list[Any]:
    return [builder.tensor(spec, name, each) for each in locals_]


# --- functions ------------------------------------------------------------------------------------

act = keras.activations
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": act.linear, "sigmoid": act.sigmoid, "tanh": act.tanh, "relu": act.relu,
    "leaky_relu": lambda x, slope: act.leaky_relu(x, negative_slope=slope),
    "gelu": lambda x: act.gelu(x, approximate=False),
    "gelu_tanh": lambda x: act.gelu(x, approximate=True),
    "silu": act.silu, "softmax": act.softmax, "log_softmax": act.log_softmax,
    "elu": lambda x, alpha: act.elu(x, alpha=alpha), "selu": act.selu, "mish": act.mish,
    "softsign": act.softsign, "hard_tanh": act.hard_tanh, "relu6": act.relu6,
    "abs": keras.ops.abs,
}


class Function(nn.Module):
    """An activation."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]):
        super().__init__()
        self.function, self.options = function, dict(options)

    def forward(self, x: Tensor) -> Any:
        return self.function(x, **self.options)


def activation(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    options = dict(spec.options)
    return Function(ACTIVATIONS[options.pop("function")], options)


# --- affine layers --------------------------------------------------------------------------------


def dense(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    weight, bias = own(builder, spec, name, "weight", "bias")
    layer = kl.Dense(weight.shape[1], use_bias=bias is not None, kernel_initializer="zeros",
                     **named(weight))
    return Stateless(layer, [weight, bias])


def embedding(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    weight, = own(builder, spec, name, "weight")
    layer = kl.Embedding(*weight.shape, embeddings_initializer="zeros", **named(weight))
    return Stateless(layer, [weight])


CONVOLUTIONS = {"conv1d": kl.Conv1D, "conv2d": kl.Conv2D,
                "conv_transpose1d": kl.Conv1DTranspose, "conv_transpose2d": kl.Conv2DTranspose}


class Cut(nn.Module):
    """A transposed convolution, less the zeros that Keras adds where a window misses the end."""

    def __init__(self, module: nn.Module, window: Sequence[int], stride: Sequence[int]):
        super().__init__()
        self.module, self.window, self.stride = module, window, stride

    def forward(self, x: Tensor) -> Any:
        ends = ((n - 1) * s + k for n, s, k in zip(
            x.shape[2:], self.stride, self.window, strict=True))
        return self.module(x)[(..., *(slice(end) for end in ends))]


def conv(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    """The kernel is (*window, channels / groups, filters), transposed (*window, filters, in)."""
    weight, bias = own(builder, spec, name, "weight", "bias")
    o = spec.options
    more = {} if spec.kind.startswith("conv_transpose") else {"groups": o["groups"]}
    layer = CONVOLUTIONS[spec.kind](
        o["filters"], tuple(o["window"]), tuple(o["stride"]), use_bias=bias is not None,
        kernel_initializer="zeros", **more, **named(weight))
    module = Stateless(layer, [weight.permute(*range(2, weight.ndim), 1, 0), bias], first=True)
    return module if more else Cut(module, o["window"], o["stride"])


POOL = {("pool1d", "max"): kl.MaxPooling1D, ("pool2d", "max"): kl.MaxPooling2D,
        ("pool1d", "mean"): kl.AveragePooling1D, ("pool2d", "mean"): kl.AveragePooling2D}
GLOBAL = {("max", 3): kl.GlobalMaxPooling1D, ("max", 4): kl.GlobalMaxPooling2D,
          ("mean", 3): kl.GlobalAveragePooling1D, ("mean", 4): kl.GlobalAveragePooling2D}


class Pool(nn.Module):
    """A layer without variables, made for the shape and dtype of what it gets."""

    def __init__(self, make: Callable[[Tensor], Any]):
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Any:
        return Stateless(self.make(x), [], first=True)(x)


def pool(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    o, made = spec.options, POOL[spec.kind, spec.options["function"]]

    def sizes(name: str) -> Any:
        return tuple(o[name]) if spec.kind == "pool2d" else o[name][0]

    return Pool(lambda x: made(sizes("window"), sizes("stride"), **named(x)))


def global_pool(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    return Pool(lambda x: GLOBAL[spec.options["function"], x.ndim](**named(x)))


# --- normalisation --------------------------------------------------------------------------------


def standard(spec: LayerSpec) -> float:
    if spec.options["epsilon_on"] != "variance":
        raise Declined("Keras adds epsilon to the variance")
    return float(spec.options["epsilon"])


def layer_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    scale, bias = own(builder, spec, name, "scale", "bias")
    made = kl.LayerNormalization if spec.kind == "layer_norm" else kl.RMSNormalization
    axes = list(range(-scale.ndim, 0))
    axis = axes if len(axes) > 1 else -1
    return Stateless(made(axis=axis, epsilon=standard(spec), **named(scale)), [scale, bias])


class OfImages(nn.Module):
    """A normalisation over the last axis, which is the second of an image."""

    def __init__(self, module: Stateless):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        self.module.first = x.ndim == 4
        return self.module(x)


def group_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    scale, bias = own(builder, spec, name, "scale", "bias")
    layer = kl.GroupNormalization(spec.options.get("groups", -1), epsilon=standard(spec),
                                  **named(scale))
    return OfImages(Stateless(layer, [scale, bias]))


def batch_norm(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    scale, bias, *fixed = own(builder, spec, name, "scale", "bias", "mean", "variance")
    training = spec.options["training"]
    layer = kl.BatchNormalization(epsilon=standard(spec), **named(scale))
    return OfImages(Stateless(layer, [scale, bias], fixed=None if training else fixed,
                              more={"training": training}))


# --- sequences ------------------------------------------------------------------------------------

CELLS = {"rnn": kl.SimpleRNN, "lstm": kl.LSTM, "gru": kl.GRU}
STATES = ("initial_state", "initial_cell")


class Recurrent(nn.Module):
    """A recurrent layer: Keras gives the steps it went through backwards in that order."""

    def __init__(self, spec: LayerSpec, module: Stateless, states: Sequence[Tensor | None]):
        super().__init__()
        self.spec, self.module, self.states = spec, module, states

    def forward(self, x: Tensor) -> Any:
        nothing = x.new_zeros(len(x), self.spec.options["units"])
        states = [nothing if each is None else each for each in self.states]
        self.module.more["initial_state"] = states
        y = self.module(x)
        return y.flip(1) if self.spec.options["reverse"] and y.ndim == 3 else y


def reordered(tensor: Tensor) -> Tensor:
    """From r, z, n to z, r, h."""
    r, z, n = tensor.chunk(3, dim=-1)
    return torch.cat([z, r, n], dim=-1)


def recurrent(builder: Builder, spec: LayerSpec, name: str) -> nn.Module:
    o = spec.options
    weight, inner, bias, second, *states = own(
        builder, spec, name, "weight", "recurrent_weight", "bias", "recurrent_bias", *STATES)
    more: dict[str, Any] = {"activation": o["function"]} if spec.kind == "rnn" else {}
    if spec.kind == "gru":
        more = {"reset_after": o["reset"] == "after"}
        weight, inner = reordered(weight), reordered(inner)
        found = [None if each is None else reordered(each) for each in (bias, second)]
        given = next((each for each in found if each is not None), None)
        bias = found[0] if given is None or not more["reset_after"] else torch.stack(
            [torch.zeros_like(given) if each is None else each for each in found])
    layer = CELLS[spec.kind](
        o["units"], use_bias=bias is not None, return_sequences=o["returns"] == "sequence",
        go_backwards=o["reverse"], kernel_initializer="zeros", recurrent_initializer="zeros",
        seed=0, **more, **named(weight))
    return Recurrent(spec, Stateless(layer, [weight, inner, bias]),
                     states if spec.kind == "lstm" else states[:1])


ON = {"epsilon_on": "variance"}
CONV = {"bias": ["channel", "none"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "embedding": {"padding_index": [None]},
    **{f"conv{n}d": {**CONV, "padding": [0] * n, "dilation": [1] * n} for n in (1, 2)},
    **{f"conv_transpose{n}d": {**CONV, "padding": [0] * n, "dilation": [1] * n, "groups": 1}
       for n in (1, 2)},
    **{f"pool{n}d": {"padding": [0] * n, "ceil": False} for n in (1, 2)},
    **dict.fromkeys(("layer_norm", "rms_norm", "group_norm", "instance_norm", "batch_norm"), ON),
    "rnn": {"recurrent_bias": False, "mask": False},
    "lstm": {"peephole": False, "coupled": False, "recurrent_bias": False, "mask": False},
    "gru": {"mask": False},
}
LAYERS: dict[str, Make] = {
    **{kind: TORCH[kind] for kind in ("flatten", "reshape", "parallel")},
    "activation": activation, "dense": dense, "embedding": embedding,
    **dict.fromkeys(CONVOLUTIONS, conv),
    "pool1d": pool, "pool2d": pool, "global_pool": global_pool,
    "layer_norm": layer_norm, "rms_norm": layer_norm, "group_norm": group_norm,
    "instance_norm": group_norm, "batch_norm": batch_norm, **dict.fromkeys(CELLS, recurrent),
}
CLAIMED = [{"kind": name, **OPTIONS[name]} if name in OPTIONS else name for name in STRUCTURES
           if (name not in TABLES.layers or name in LAYERS) and name != "transformer_block"]


@implementation(hidden=hidden(ACTIVATIONS), heads=every_head(ACTIVATIONS), bias="any",
                dtypes=("float32",), layers=CLAIMED)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    return answer(LAYERS, network, parameters, inputs, targets)


def subject() -> Subject:
    return subject_of(backprop, "keras", made_of=["torch"], stateless=True)
