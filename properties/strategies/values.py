"""The numbers of a case, drawn from a seed in a style: parameters, inputs, targets, constants.

The networks are drawn apart from their numbers, so that a structure can be asked with several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference import Case, Network, Shapes, infer
from ...reference.network import COTANGENT
from ...reference.wiring import wired
from ..structures import STRUCTURES, structures_of
from .mending import in_dtype, mended
from .near import near_a_kink, near_the_outputs


@dataclass(frozen=True)
class Style:
    """How the values of a case are drawn from its seed.

    gain: the size of weights. scales: whether that of all is alike. bias, weights, inputs, targets:
    a row of the table of that name. kink: how far one unit is from a kink, 0 for anywhere.
    """

    gain: float = 1.0
    bias: str = "random"
    inputs: str = "normal"
    scales: str = "alike"
    weights: str = "full"
    targets: str = "free"
    kink: float = 0.0


MILLION = 2.0**20


def without_last(x: Any, axis: int) -> Any:
    """The array with zeros in the last place of an axis that has more than one."""
    shape = [1] * x.ndim
    shape[axis] = -1
    n = x.shape[axis]
    return x * (np.arange(n) != n - 1).reshape(shape) if n > 1 else x


INPUTS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda x: x,
    "repeated rows": lambda x: x[np.arange(len(x)) // 2],
    "repeated columns": lambda x: x[..., np.arange(x.shape[-1]) // 2],
    "zero row": lambda x: without_last(x, 0),
    "zero column": lambda x: without_last(x, -1),
    "zeros and ones": lambda x: (x > 0).astype(float),
    "one hot": lambda x: (x == x.max(axis=-1, keepdims=True)).astype(float),
    "saturating": lambda x: 12.0 * x,
    "small": lambda x: x / 64.0,
    "huge": lambda x: 1024.0 * x,
    "millions": lambda x: MILLION * x,
    "millions, small weights": lambda x: MILLION * x,
}

BIASES: dict[str, Callable[[Any], Any]] = {
    "random": lambda b: b,
    "equal": lambda b: np.full_like(b, b.flat[0]),
    "zero": np.zeros_like,
    "large": lambda b: 8.0 * b,
    "two equal": lambda b: np.where(np.arange(b.size) == b.size - 1, b[0], b),
}

WEIGHTS: dict[str, Callable[[Any, Any], Any]] = {
    "full": lambda rng, w: w,
    "zeros": lambda rng, w: w * (rng.uniform(size=w.shape) < 0.7),
}


def one_hot(rng: Any, *shape: int) -> Any:
    """Rows with a single 1 each."""
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def distributions(rng: Any, *shape: int) -> Any:
    """Rows that sum to 1; for a single unit any probability."""
    if shape[-1] == 1:
        return rng.uniform(0.0, 1.0, shape)
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


# rng, (batch, ..., units) -> targets of that shape, or class indices (batch, ...)
TARGETS: dict[str, Callable[..., Any]] = {
    "real": lambda rng, *shape: rng.standard_normal(shape),
    "one_hot": one_hot,
    "soft": distributions,
    "binary": lambda rng, *shape: rng.integers(0, 2, shape).astype(float),
    "index": lambda rng, *shape: rng.integers(0, shape[-1], shape[:-1]),
    "sign": lambda rng, *shape: rng.choice((-1.0, 1.0), shape),
}


def all_equal(targets: Any, kind: str) -> Any:
    """Targets of this kind that are the same for every example, and for every unit if they can."""
    if kind == "one_hot":
        return np.broadcast_to(targets.reshape(-1, targets.shape[-1])[0], targets.shape).copy()
    value = targets.reshape(-1, targets.shape[-1])[0].mean() if kind == "soft" else targets.flat[0]
    return np.full_like(targets, value)


def build(network: Network, batch: int, targets: str, style: Style, seed: int | Sequence[int],
          dtype: str = "float64", largest: float | None = None) -> Case:
    """The case of these choices, the same one every time: finite in its dtype, clear of kinks.

    largest: of the logits, where they may not be of any size.
    """
    rng, shapes = np.random.default_rng(seed), infer(network)
    parameters = {**_parameters(network, shapes, style, rng), **_states(shapes, batch, rng)}
    inputs = _inputs(network, batch, style, rng)
    wanted = TARGETS[targets](rng, batch, *shapes.output)
    wanted = all_equal(wanted, targets) if style.targets == "equal" else wanted
    case = Case(network, parameters, inputs, wanted, "float64", _constants(shapes, batch, rng))
    case = _of_structures(case, rng)
    case = mended(in_dtype(case, dtype), rng, largest)
    near = _nearer(case, targets, style, rng)
    return case if near is case else mended(in_dtype(near, dtype), rng, largest)


def _of_structures(case: Case, rng: Any) -> Case:
    """The case with the numbers that each of its network's structures asks for."""
    for name in structures_of(case.network):
        change = STRUCTURES[name].values
        case = case if change is None else change(case, rng)
    return case


def _nearer(case: Case, targets: str, style: Style, rng: Any) -> Case:
    """The case with a unit near a kink, and targets near the outputs, where the style says so."""
    near = near_a_kink(case, style.kink, rng) if style.kink else case
    return near_the_outputs(near, targets, rng) if style.targets == "near" else near


def _parameters(network: Network, shapes: Shapes, style: Style, rng: Any) -> dict[str, Any]:
    """Vectors in the style of biases; others with a variance of one over what they sum over."""
    parameters = {}
    for name, shape in shapes.parameters.items():
        if len(shape) == 1:
            parameters[name] = BIASES[style.bias](rng.standard_normal(shape))
        else:
            full = rng.standard_normal(shape) * (style.gain / math.sqrt(shape[0]))
            parameters[name] = WEIGHTS[style.weights](rng, full)
            if style.scales == "different":
                parameters[name] *= 2.0 ** rng.integers(-3, 4)
    last = wired(network).last
    if style.scales == "large outputs" and last is not None:
        parameters[last.weight] *= 2.0**11
    if style.inputs == "millions, small weights":
        for name in {place.weight for place in wired(network).first}:
            parameters[name] /= MILLION
    return parameters


def _states(shapes: Shapes, batch: int, rng: Any) -> dict[str, Any]:
    return {name: rng.standard_normal((batch, *shape)) for name, shape in shapes.states.items()}


def _inputs(network: Network, batch: int, style: Style, rng: Any) -> Any:
    shape = (batch, *network.input_shape)
    if not network.real:
        return rng.integers(0, network.input_kind["index"], shape)
    return INPUTS[style.inputs](rng.standard_normal(shape))


def cotangents(rng: Any, shape: tuple[int, ...]) -> Any:
    """What an unreduced loss is multiplied by: of all sizes, one entry alone, rows of zeros."""
    c = rng.standard_normal(shape)
    kind = rng.choice(("normal", "normal", "one", "zero rows", "small", "large"))
    if kind == "one":
        return np.where(np.arange(c.size).reshape(shape) == rng.integers(c.size), 1.0, 0.0)
    if kind == "zero rows":
        return c * (np.arange(shape[0]) % 2).reshape(-1, *[1] * (c.ndim - 1))
    return c * {"small": 1e-4, "large": 1e4}.get(str(kind), 1.0)


def _constants(shapes: Shapes, batch: int, rng: Any) -> dict[str, Any]:
    """Masks of zeros and ones, and positive numbers for what is one for the network."""
    masks = {name: rng.integers(0, 2, (batch, *shape)).astype(float)
             for name, shape in shapes.masks.items()}
    if COTANGENT in masks:
        masks[COTANGENT] = cotangents(rng, (batch, *shapes.masks[COTANGENT]))
    return masks | {name: rng.uniform(0.5, 2.0, shape) for name, shape in shapes.constants.items()}
