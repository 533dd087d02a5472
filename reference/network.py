"""A network as data: frozen, and the same after a trip through JSON (`parse.network` reads it).

    {"format": 1, "input_shape": [3], "input_kind": "real",
     "layers": [{"kind": "dense", "units": 4, "bias": true},
                {"kind": "activation", "function": "sigmoid"}],
     "loss": {"kind": "squared_error", "reduction": "mean_over_batch", "scale": 0.5}}

A loss may also have "l2" with "l2_on" and "l2_reduction", "clip", "smoothing", "delta" and
"gradient_scale": see `LossSpec`. Left out, there is none of them.

Parameters are named by layer index: "0.weight", "0.bias"; inside a `parallel` layer "2.0.1.weight"
is layer 2, branch 0, position 1. A layer with `"share": "0"` uses the parameters of layer 0 (with
`"transpose": true` its matrices transposed); their gradients are summed under the owner's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .checks import FORMAT, DescriptionError, Json

REDUCTIONS = ("sum", "mean_over_batch", "mean")
# The unreduced loss times given numbers, summed: what a gradient of an unreduced loss is tested by.
WEIGHTED = "weighted"
COTANGENT = "loss.cotangent"  # the constant that holds these numbers
STATED = (*REDUCTIONS, WEIGHTED)  # what a description may say
# What an L2 penalty is taken of: by name, the endings of the names of those parameters.
PENALISED = {"weights": ("weight",), "all": ("weight", "bias")}
PENALTIES = ("sum", "mean_over_batch")


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its kind and options; an option `branches` holds the layers inside it, parsed."""

    kind: str
    options: Mapping[str, Json] = field(default_factory=dict)
    share: str | None = None
    transpose: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    @property
    def branches(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The layers inside, branch by branch; none for most kinds."""
        return tuple(self.options.get("branches", ()))

    @property
    def units(self) -> int | None:
        """How many units the layer gives, where that is one of its options."""
        return self.options.get("units")

    @property
    def function(self) -> str | None:
        """The function of a layer that is nothing but a function of its input."""
        return self.options.get("function") if self.kind == "activation" else None

    def but(self, **options: Json) -> LayerSpec:
        """The layer with some options replaced."""
        return LayerSpec(self.kind, {**self.options, **options}, self.share, self.transpose)

    def to_json(self) -> dict[str, Json]:
        data: dict[str, Json] = {"kind": self.kind, **self.options}
        if self.branches:
            data["branches"] = [[layer.to_json() for layer in branch] for branch in self.branches]
        if self.share is not None:
            data["share"] = self.share
        if self.transpose:
            data["transpose"] = True
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return LayerSpec, (self.kind, dict(self.options), self.share, self.transpose)


@dataclass(frozen=True)
class LossSpec:
    """loss = scale * reduction(unreduced loss array) + l2 / 2 * (sum of squares).

    reduction: one of REDUCTIONS, or "weighted": the unreduced array is multiplied by the numbers of
    the constant "loss.cotangent", of its shape, and summed.
    clip: the loss is taken of probabilities that are clipped to [clip, 1 - clip], and its gradient
    is 0 where that changes them. l2: the factor of the penalty, whose gradient is l2 * W; l2_on:
    "weights", or "all" for biases too; l2_reduction: "sum", or "mean_over_batch" where the penalty
    is divided by the number of examples. gradient_scale: what is called the gradient is so many
    times that of the loss (2 where a loss is reported with a factor 1/2 that its gradient lacks).
    delta: where the Huber loss turns from a square into a line. smoothing: so much of the targets
    is given to all K classes alike, t (1 - smoothing) + smoothing / K.
    """

    kind: str
    reduction: str = "mean_over_batch"
    scale: float = 1.0
    clip: float = 0.0
    l2: float = 0.0
    l2_on: str = "weights"
    l2_reduction: str = "sum"
    gradient_scale: float = 1.0
    delta: float = 1.0
    smoothing: float = 0.0

    def penalises(self, name: str) -> bool:
        """Whether the parameter of this global name is in the L2 penalty."""
        return name.endswith(PENALISED[self.l2_on])

    @property
    def more(self) -> dict[str, Json]:
        """What is not as it is by default, beside kind, reduction and scale."""
        return {f.name: getattr(self, f.name) for f in fields(self)[3:]
                if getattr(self, f.name) != f.default}

    @property
    def beside(self) -> list[str]:
        """The same in words: "l2 0.01", "clip 1e-07"."""
        return [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in self.more.items()]

    def to_json(self) -> dict[str, Json]:
        """Kind, reduction and scale, and what is not as it is by default."""
        return {"kind": self.kind, "reduction": self.reduction, "scale": self.scale, **self.more}


@dataclass(frozen=True)
class Network:
    """inputs -> layers -> loss.

    `input_kind` is "real", or {"index": V} for integers below V, which have no gradient. An input
    shape of () is one index for each example.
    """

    input_shape: tuple[int, ...]
    layers: tuple[LayerSpec, ...]
    loss: LossSpec
    input_kind: Any = "real"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.key == other.key

    @cached_property
    def key(self) -> str:
        """The canonical JSON text: equal networks have equal keys."""
        return json.dumps(self.to_json(), sort_keys=True)

    @property
    def real(self) -> bool:
        """Whether the inputs are real numbers, and so have a gradient."""
        return bool(self.input_kind == "real")

    def layer(self, name: str) -> LayerSpec:
        """The layer of this name: "2.0.1" is layer 2, branch 0, position 1."""
        first, *path = map(int, name.split("."))
        spec = self.layers[first]
        for branch, position in zip(path[::2], path[1::2], strict=True):
            spec = spec.branches[branch][position]
        return spec

    def having(self, name: str, spec: LayerSpec) -> Network:
        """The network with another layer in the place of this name."""
        return replace(self, layers=_having(self.layers, "", name, spec))

    @property
    def depth(self) -> int:
        """How many layers with units the longest way through the network has."""
        return _depth(self.layers)

    def walk(self) -> Iterator[tuple[str, LayerSpec]]:
        """Every layer with its name, those inside branches too, in the order of the forward."""
        return walk(self.layers)

    def to_json(self) -> dict[str, Json]:
        return {
            "format": FORMAT,
            "input_shape": list(self.input_shape),
            "input_kind": self.input_kind,
            "layers": [layer.to_json() for layer in self.layers],
            "loss": self.loss.to_json(),
        }

    # --- shortcuts for a plain chain: layers with units, and functions between them -----------

    def _with_units(self) -> list[tuple[str, LayerSpec]]:
        """The layers of the chain that have units and parameters of their own."""
        return [(str(i), spec) for i, spec in enumerate(self.layers)
                if spec.units is not None and spec.share is None]

    @property
    def sizes(self) -> list[int]:
        """Units per level of a chain, the inputs first: [3, 4, 2]."""
        first = self.input_shape[-1] if self.real else self.input_kind["index"]
        return [first, *(spec.options["units"] for _, spec in self._with_units())]

    @property
    def _functions(self) -> list[str]:
        """The activation after each layer with units, "identity" where there is none."""
        functions: list[str] = []
        for spec in self.layers:
            if spec.units is not None:
                functions.append("identity")
            elif spec.function is None or not functions or functions[-1] != "identity":
                raise DescriptionError(f"network: {spec.kind} layers in places of their own: only "
                                       "a chain of layers with units has sizes and activations")
            else:
                functions[-1] = spec.function
        return functions

    @property
    def hidden(self) -> list[str]:
        """The activation after each layer of a chain but the last: ["tanh"]."""
        return self._functions[:-1]

    @property
    def head(self) -> tuple[str, str]:
        """The output activation and the loss: ("identity", "squared_error")."""
        last = self.layers[-1].function if self.layers else None
        return last or "identity", self.loss.kind

    def unpack(self, parameters: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """The weights (in, units) and biases (units,) of a chain, in order; None for no bias."""
        names = [name for name, _ in self._with_units()]
        return ([parameters[f"{name}.weight"] for name in names],
                [parameters.get(f"{name}.bias") for name in names])

    def pack(self, weights: list[Any], biases: list[Any] | None = None) -> dict[str, Any]:
        """The answer's dictionary from one gradient per layer of a chain: `unpack` turned round."""
        names = [name for name, _ in self._with_units()]
        packed = {f"{n}.weight": dw for n, dw in zip(names, weights, strict=True)}
        packed |= {f"{n}.bias": db
                   for n, db in zip(names, biases or [None] * len(names), strict=True)}
        return {name: value for name, value in packed.items() if value is not None}


def _having(layers: tuple[LayerSpec, ...], prefix: str, name: str,
            new: LayerSpec) -> tuple[LayerSpec, ...]:
    found = []
    for i, spec in enumerate(layers):
        here = f"{prefix}.{i}" if prefix else str(i)
        if here == name:
            spec = new
        elif spec.branches:
            inside = enumerate(spec.branches)
            spec = spec.but(branches=tuple(_having(branch, f"{here}.{b}", name, new)
                                           for b, branch in inside))
        found.append(spec)
    return tuple(found)


def _depth(layers: Iterable[LayerSpec]) -> int:
    return sum(max(map(_depth, spec.branches), default=int(spec.units is not None))
               for spec in layers)


def walk(layers: Iterable[LayerSpec], prefix: str = "") -> Iterator[tuple[str, LayerSpec]]:
    """Every layer with its name, those inside branches too, in the order of the forward pass."""
    for i, spec in enumerate(layers):
        name = f"{prefix}.{i}" if prefix else str(i)
        yield name, spec
        for b, branch in enumerate(spec.branches):
            yield from walk(branch, f"{name}.{b}")
