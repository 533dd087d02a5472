"""JAX's reverse mode over a forward of its own: nothing of the reference but the description.

One program per structure (network, batch, dtype), compiled once for DRAWS sets of values side by side: compiling is
what costs. Conventions on kinks are JAX's: relu'(0) = 0, leaky_relu'(0) = 1, |0|' = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..reference.case import Answer, Case
from ..reference.description import LayerSpec, LossSpec, Network
from . import known_options, row

try:
    from jax import enable_x64
except ImportError:  # before jax 0.8
    from jax.experimental import enable_x64  # type: ignore[no-redef, attr-defined]

Array = Any
Values = Mapping[str, Array]
DRAWS = 16

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": lambda x: x,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": lambda x, slope: jax.nn.leaky_relu(x, slope),
    "softplus": jax.nn.softplus,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "silu": jax.nn.silu,
    "softmax": lambda x: jax.nn.softmax(x, axis=-1),
}

COMBINE: dict[str, Callable[[list[Array]], Array]] = {
    "add": lambda ys: reduce(jnp.add, ys),
    "concatenate": lambda ys: jnp.concatenate(ys, axis=-1),
    "multiply": lambda ys: reduce(jnp.multiply, ys),
}


def _one_hot(p: Array, t: Array) -> Array:
    """Targets as values (batch, ..., classes) of p's dtype."""
    return jax.nn.one_hot(t, p.shape[-1], dtype=p.dtype) if t.ndim < p.ndim else t


# A row is the unreduced array, L(p, t) with p: (batch, ..., units); the reductions are sums and means of it.
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "squared_error": lambda p, t: jnp.square(p - t),
    "absolute_error": lambda p, t: jnp.abs(p - t),
    "cross_entropy": lambda p, t: -jnp.sum(_one_hot(p, t) * jnp.log(p), axis=-1),
    "softmax_cross_entropy": lambda z, t: -jnp.sum(_one_hot(z, t) * jax.nn.log_softmax(z, axis=-1), axis=-1),
    "binary_cross_entropy": lambda p, t: -(t * jnp.log(p) + (1 - t) * jnp.log1p(-p)),
    "sigmoid_cross_entropy": lambda z, t: -(t * jax.nn.log_sigmoid(z) + (1 - t) * jax.nn.log_sigmoid(-z)),
    "inner_product": jnp.multiply,
}

REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "mean_over_batch": lambda unreduced: jnp.sum(unreduced) / unreduced.shape[0],
}


def _parameter(spec: LayerSpec, name: str, values: Values, local: str) -> Array:
    """A layer's parameter: its own, or the owner's (matrices transposed where the layer says so)."""
    shared = values.get(f"{spec.share}.{local}")
    if shared is None or (spec.transpose and shared.ndim != 2):
        return values[f"{name}.{local}"]
    return shared.T if spec.transpose else shared


def _dense(spec: LayerSpec, name: str, values: Values, x: Array) -> Array:
    weight = _parameter(spec, name, values, "weight")
    y = jnp.dot(x.astype(weight.dtype), weight)
    return y + _parameter(spec, name, values, "bias") if spec.options["bias"] else y


def _activation(spec: LayerSpec, name: str, values: Values, x: Array) -> Array:
    options = dict(spec.options)
    return row("jax", "activation", options.pop("function"), ACTIVATIONS)(x, **options)


def _parallel(spec: LayerSpec, name: str, values: Values, x: Array) -> Array:
    ys = [forward(branch, f"{name}.{b}.", values, x) for b, branch in enumerate(spec.options["branches"])]
    return row("jax", "combine", spec.options["combine"], COMBINE)(ys)


# A row is the layer, (spec, name, values, x) -> y, and the options it knows.
LAYERS: dict[str, tuple[Callable[..., Array], tuple[str, ...]]] = {
    "dense": (_dense, ("units", "bias")),
    "activation": (_activation, ("function", "slope")),
    "parallel": (_parallel, ("branches", "combine")),
}


def forward(layers: Iterable[LayerSpec], prefix: str, values: Values, x: Array) -> Array:
    """The output of the layers; `values` are parameters and constants by global name."""
    for i, spec in enumerate(layers):
        layer, options = row("jax", "layer kind", spec.kind, LAYERS)
        known_options("jax", spec.kind, spec.options, options)
        x = layer(spec, f"{prefix}{i}", values, x)
    return x


def loss_of(spec: LossSpec, p: Array, t: Array) -> Array:
    """The reduced, scaled loss of outputs p: (batch, ..., units); t: values of that shape, or class indices."""
    t = t if t.ndim < p.ndim else t.astype(p.dtype)
    return spec.scale * row("jax", "reduction", spec.reduction, REDUCTIONS)(row("jax", "loss", spec.kind, LOSSES)(p, t))


# Compiling is the cost, running is not: these make XLA compile a small network in 40 ms instead of 120.
COMPILER = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


@contextmanager
def _local() -> Iterator[None]:
    """64 bits and the CPU, for this block and thread only."""
    with enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


@lru_cache(maxsize=1)
def compiler_options() -> dict[str, Any]:
    """COMPILER where this XLA knows all of it, otherwise nothing."""
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=COMPILER)()
    except Exception:
        return {}
    return COMPILER


@lru_cache(maxsize=256)
def program(network: Network) -> Callable[..., tuple[Array, dict[str, Array]]]:
    """(differentiated, constants, targets), every array stacked over draws -> losses and gradients, stacked too."""

    def loss(differentiated: Values, fixed: Values, targets: Array) -> Array:
        values = {**differentiated, **fixed}
        return loss_of(network.loss, forward(network.layers, "", values, values["inputs"]), targets)

    return jax.jit(jax.vmap(jax.value_and_grad(loss)), compiler_options=compiler_options())


def answer(case: Case, dtype: str | None = "float64") -> Answer:
    """Loss and gradients as NumPy arrays of `dtype` ("float32", "float64"; None: the case's), computed in it."""
    return answers([case], dtype)[0]


def answers(cases: Sequence[Case], dtype: str | None = "float64") -> list[Answer]:
    """The answers to cases of one structure (network, batch, kind of targets): one program, DRAWS cases a call."""
    dtype, result = dtype or (cases[0].dtype if cases else None), []
    if any(case.network != cases[0].network for case in cases):
        raise ValueError("jax: answers() wants cases of one network")
    with _local():
        for start in range(0, len(cases), DRAWS):
            result += _run(cases[start:start + DRAWS], dtype)
    return result


def _run(cases: Sequence[Case], dtype: str | None) -> list[Answer]:
    """Up to DRAWS cases; the free places repeat the last one, so that one compilation serves any number of them."""
    losses, gradients = jax.device_get(program(cases[0].network)(*_stacked(cases, dtype)))
    return [Answer(losses[i], {name: np.array(g[i]) for name, g in gradients.items()}) for i in range(len(cases))]


def _stacked(cases: Sequence[Case], dtype: str | None) -> tuple[Values, Values, Array]:
    """What is differentiated, what is not, and the targets: (DRAWS, ...) each, reals in `dtype`, indices unchanged."""

    def stack(*arrays: Any) -> np.ndarray:
        stacked = np.stack([*arrays, *arrays[-1:] * (DRAWS - len(arrays))])
        return stacked.astype(dtype) if stacked.dtype.kind == "f" else stacked

    def named(values: Sequence[Values]) -> dict[str, np.ndarray]:
        return {name: stack(*(each[name] for each in values)) for name in values[0]}

    inputs = {"inputs": stack(*(case.inputs for case in cases))}
    real = cases[0].network.input_kind == "real"
    parameters, constants = named([case.parameters for case in cases]), named([case.constants for case in cases])
    targets = stack(*(case.targets for case in cases))
    return ({**parameters, **inputs}, constants, targets) if real else (parameters, {**constants, **inputs}, targets)
