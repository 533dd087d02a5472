"""Equinox: a network of equinox.nn modules, `jax.grad` through it, and one program for a network.

A module has its own layouts: it gets views of the network's parameters, so that each gradient
comes back in the description's. A module takes one example, and `jax.vmap` makes it a batch; a cell
takes one step, and `jax.lax.scan` a sequence, as Equinox's manual has it. What no module of
equinox.nn is for is JAX itself: activations, losses, reshaping.

Not claimed: dropout and batch norm, which have a state or draw; pooling with `ceil`, which adds
windows that lie in the padding only; means that leave the padding out; a dilation in a convolution,
where XLA ends the process for some batches (jax 0.10).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...oracles.jax_autograd.chain import Here, Layer, forward
from ...oracles.jax_autograd.compiling import compiler_options, locally
from ...oracles.jax_autograd.layers import LAYERS as JAX
from ...oracles.jax_autograd.layers.activation import ACTIVATIONS
from ...oracles.jax_autograd.losses import loss_of
from ...properties.structures import STRUCTURES
from ...reference import TABLES, Network, infer
from ..contract import Declined
from ..implementing import implementation
from ..subject import Subject, subject_of
from .heads import every_head, hidden

Array = Any
nn = eqx.nn


def built(make: Callable[[], Any], **arrays: Array) -> Any:
    """A module with these arrays; it never draws any of its own."""
    module = eqx.filter_eval_shape(make)
    for name, array in arrays.items():
        module = eqx.tree_at(attrgetter(name), module, array)
    return module


def key() -> Array:
    return jax.random.PRNGKey(0)


def linear(weight: Array, bias: Array | None = None) -> Any:
    """nn.Linear, whose weight is (units, in)."""
    arrays = {"weight": weight.T} | ({} if bias is None else {"bias": bias})
    inputs, units = weight.shape
    return built(lambda: nn.Linear(inputs, units, bias is not None, key=key()), **arrays)


def over_features(module: Any, x: Array) -> Array:
    """A module of one vector, at every place of a batch."""
    for _ in x.shape[:-1]:
        module = jax.vmap(module)
    return module(x)


def dense(here: Here, x: Array) -> Array:
    bias = here.parameter("bias") if here.spec.options["bias"] else None
    weight = here.parameter("weight")
    return over_features(linear(weight, bias), x.astype(weight.dtype))


def embedding(here: Here, x: Array) -> Array:
    module = nn.Embedding(weight=here.parameter("weight"))
    for _ in x.shape:
        module = jax.vmap(module)
    return module(x)


# --- convolution and pooling ----------------------------------------------------------------------


def with_bias(here: Here, axes: int) -> dict[str, Array]:
    """The bias with an axis of one entry for every axis of an image."""
    if here.spec.options["bias"] == "none":
        return {}
    return {"bias": here.parameter("bias").reshape(-1, *[1] * axes)}


def conv(axes: int) -> Callable[[Here, Array], Array]:
    def layer(here: Here, x: Array) -> Array:
        o, weight = here.spec.options, here.parameter("weight")
        module = built(lambda: nn.Conv(
            axes, x.shape[1], o["filters"], tuple(o["window"]), tuple(o["stride"]),
            tuple(o["padding"]), groups=o["groups"], use_bias=o["bias"] == "channel", key=key(),
        ), weight=weight, **with_bias(here, axes))
        return jax.vmap(module)(x)

    return layer


def conv_transpose(axes: int) -> Callable[[Here, Array], Array]:
    """Equinox has the filters turned round, and as (filters, channels / groups, ...)."""
    def layer(here: Here, x: Array) -> Array:
        o, weight = here.spec.options, here.parameter("weight")
        window, groups = tuple(o["window"]), o["groups"]
        parts = jnp.flip(weight, tuple(range(2, weight.ndim))).reshape(
            groups, -1, *weight.shape[1:])
        filters = jnp.swapaxes(parts, 1, 2).reshape(o["filters"], -1, *window)
        module = built(lambda: nn.ConvTranspose(
            axes, x.shape[1], o["filters"], window, tuple(o["stride"]), tuple(o["padding"]),
            groups=groups, use_bias=o["bias"] == "channel", key=key(),
        ), weight=filters, **with_bias(here, axes))
        return jax.vmap(module)(x)

    return layer


POOL = {("max", 1): nn.MaxPool1d, ("max", 2): nn.MaxPool2d,
        ("mean", 1): nn.AvgPool1d, ("mean", 2): nn.AvgPool2d}


def pool(axes: int) -> Callable[[Here, Array], Array]:
    def layer(here: Here, x: Array) -> Array:
        o = here.spec.options
        made: Any = POOL[o["function"], axes]
        return jax.vmap(made(*(tuple(o[name]) for name in ("window", "stride", "padding"))))(x)

    return layer


# --- normalisation --------------------------------------------------------------------------------


def standard(here: Here) -> float:
    """Epsilon, which Equinox adds to the variance."""
    if here.spec.options["epsilon_on"] != "variance":
        raise Declined("Equinox adds epsilon to the variance")
    return float(here.spec.options["epsilon"])


def over_last(here: Here, x: Array) -> Array:
    """nn.LayerNorm or nn.RMSNorm of the last axes."""
    scale, epsilon = here.parameter("scale"), standard(here)
    if here.spec.kind == "layer_norm":
        module = built(lambda: nn.LayerNorm(scale.shape, epsilon), weight=scale,
                       bias=here.parameter("bias"))
    else:
        module = built(lambda: nn.RMSNorm(scale.shape, epsilon, use_bias=False), weight=scale)
    for _ in range(x.ndim - scale.ndim):
        module = jax.vmap(module)
    return module(x)


def group_norm(here: Here, x: Array) -> Array:
    """nn.GroupNorm of (channels, ...); an instance norm has a group for every channel."""
    scale, epsilon = here.parameter("scale"), standard(here)
    groups = here.spec.options.get("groups", len(scale))
    module = built(lambda: nn.GroupNorm(groups, len(scale), epsilon), weight=scale,
                   bias=here.parameter("bias"))
    axis = 1 if x.ndim == 4 else x.ndim - 1
    return jnp.moveaxis(jax.vmap(module)(jnp.moveaxis(x, axis, 1)), 1, axis)


# --- sequences ------------------------------------------------------------------------------------


def initial(here: Here, name: str, x: Array) -> Array:
    """The state before the first step: given, or nothing."""
    if here.spec.options[name]:
        return here.parameter(name)
    return jnp.zeros((len(x), here.spec.options["units"]), x.dtype)


def scanned(here: Here, cell: Any, x: Array, first: Any) -> Array:
    """The cell over the steps of every sequence of the batch."""
    o = here.spec.options

    def one(x: Array, first: Any) -> Array:
        def step(state: Any, x: Array) -> tuple[Any, Array]:
            state = cell(x, state)
            return state, state[0] if isinstance(state, tuple) else state

        state, steps = jax.lax.scan(step, first, x, reverse=o["reverse"])
        last = state[0] if isinstance(state, tuple) else state
        return last if o["returns"] == "last" else steps

    return jax.vmap(one)(x, first)


def weights(here: Here) -> dict[str, Array]:
    return {"weight_ih": here.parameter("weight").T,
            "weight_hh": here.parameter("recurrent_weight").T}


def lstm(here: Here, x: Array) -> Array:
    o, arrays = here.spec.options, weights(here)
    if o["bias"]:
        arrays["bias"] = here.parameter("bias")
    cell = built(lambda: nn.LSTMCell(x.shape[-1], o["units"], o["bias"], key=key()), **arrays)
    return scanned(here, cell, x, tuple(
        initial(here, name, x) for name in ("initial_state", "initial_cell")))


def gru(here: Here, x: Array) -> Array:
    """nn.GRUCell has one bias for all three gates, and a second for what is reset."""
    o, arrays, m = here.spec.options, weights(here), here.spec.options["units"]
    biases = [here.parameter(name) for name in ("bias", "recurrent_bias") if o[name]]
    if biases:
        of_x = biases[0] if o["bias"] else jnp.zeros_like(biases[0])
        of_h = biases[-1] if o["recurrent_bias"] else jnp.zeros_like(of_x)
        arrays |= {"bias": of_x.at[:2 * m].add(of_h[:2 * m]), "bias_n": of_h[2 * m:]}
    cell = built(lambda: nn.GRUCell(x.shape[-1], m, bool(biases), key=key()), **arrays)
    return scanned(here, cell, x, initial(here, "initial_state", x))


def attention(here: Here, x: Array) -> Array:
    o, heads = here.spec.options, here.spec.options["heads"]

    def part(name: str) -> Any:
        return linear(here.parameter(f"{name}_weight"),
                      here.parameter(f"{name}_bias") if o["bias"] else None)

    names = ("query", "key", "value", "output")
    projections = {f"{name}_proj": part(name) for name in names}
    n, d = x.shape[-1], here.parameter("query_weight").shape[1] // heads
    biases = {f"use_{name}_bias": o["bias"] for name in names}
    module = built(lambda: nn.MultiheadAttention(heads, n, qk_size=d, vo_size=d, **biases,
                                                 key=key()), **projections)
    mask = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool)) if o["causal"] else None
    turn = jax.vmap(nn.RotaryPositionalEmbedding(d, dtype=x.dtype), in_axes=1, out_axes=1) if (
        o["rotary"] == "halves") else lambda heads: heads

    def one(x: Array) -> Array:
        return module(x, x, x, mask, process_heads=lambda q, k, v: (turn(q), turn(k), v))

    return jax.vmap(one)(x)


NORM = ("epsilon", "epsilon_on")
WINDOWS = ("window", "stride", "padding")
STATES = ("units", "bias", "recurrent_bias", "returns", "reverse", "initial_state", "mask")
LAYERS: dict[str, Layer] = {
    **{kind: JAX[kind] for kind in ("activation", "flatten", "reshape", "parallel")},
    "dense": Layer(dense, ("units", "bias")),
    "embedding": Layer(embedding, ("units", "padding_index")),
    **{f"conv{n}d": Layer(conv(n), ("filters", *WINDOWS, "dilation", "groups", "bias"))
       for n in (1, 2)},
    **{f"conv_transpose{n}d": Layer(
        conv_transpose(n), ("filters", *WINDOWS, "dilation", "groups", "bias")) for n in (1, 2)},
    **{f"pool{n}d": Layer(pool(n), ("function", *WINDOWS, "count_padding", "ceil"))
       for n in (1, 2)},
    "layer_norm": Layer(over_last, (*NORM, "axes")),
    "rms_norm": Layer(over_last, (*NORM, "axes")),
    "group_norm": Layer(group_norm, (*NORM, "groups")),
    "instance_norm": Layer(group_norm, NORM),
    "lstm": Layer(lstm, (*STATES, "peephole", "coupled", "initial_cell")),
    "gru": Layer(gru, (*STATES, "reset")),
    "attention": Layer(attention, ("heads", "key_heads", "width", "bias", "causal", "mask",
                                   "rotary", "softcap")),
}
ON = {"epsilon_on": "variance"}
CONV = {"bias": ["channel", "none"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "embedding": {"padding_index": [None]},
    **{f"{kind}{n}d": {**CONV, "dilation": [1] * n} for kind in ("conv", "conv_transpose")
       for n in (1, 2)},
    **{f"pool{n}d": {"count_padding": True, "ceil": False} for n in (1, 2)},
    "layer_norm": ON, "rms_norm": ON, "group_norm": ON, "instance_norm": ON,
    "lstm": {"peephole": False, "coupled": False, "recurrent_bias": False, "mask": False},
    "gru": {"reset": "after", "mask": False},
    "attention": {"key_heads": [None], "mask": False, "softcap": [None],
                  "rotary": ["none", "halves"]},
}
CLAIMED = [{"kind": name, **OPTIONS[name]} if name in OPTIONS else name for name in STRUCTURES
           if name not in TABLES.layers or name in LAYERS]


@lru_cache(maxsize=256)
def program(network: Network) -> Callable[..., tuple[Array, dict[str, Array]]]:
    """The compiled program of a network: (trained, others, targets) -> loss and gradients."""
    def loss(trained: dict[str, Array], others: dict[str, Array], targets: Array) -> Array:
        values = {**others, **trained}
        y = forward(LAYERS, network.layers, "", values, values["inputs"])
        return loss_of(network.loss, y, targets, values)

    return jax.jit(jax.value_and_grad(loss), compiler_options=compiler_options())


@implementation(hidden=hidden(ACTIVATIONS), heads=every_head(ACTIVATIONS), bias="any",
                dtypes=("float64", "float32"), layers=CLAIMED)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    shapes = infer(network)
    learned = {*shapes.parameters, *shapes.states}
    trained = {name: value for name, value in parameters.items() if name in learned}
    others = {name: value for name, value in parameters.items() if name not in learned}
    (trained if network.real else others)["inputs"] = inputs
    with locally():
        loss, gradients = jax.device_get(program(network)(trained, others, targets))
    return loss, {name: np.array(gradient) for name, gradient in gradients.items()}


def subject() -> Subject:
    return subject_of(backprop, "equinox", made_of=["jax"], stateless=True)
