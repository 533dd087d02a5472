"""What a subject says it can do. Cases are generated inside its claims, never filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..reference import ACTIVATIONS, LOSSES, TABLES, DescriptionError, LayerSpec, parse
from ..reference.arrays import DTYPES
from ..reference.checks import mapping, number, one_of, refuse_unknown
from ..reference.network import REDUCTIONS
from .structures import PLAIN, STRUCTURES

BIAS = ("always", "never", "any")
TARGETS = ("any", "real", "one_hot", "soft", "binary", "index")
Range = tuple[int, int | None]


def _range(what: str, value: Any) -> Range:
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    ok = (isinstance(value, tuple | list) and len(value) == 2
          and type(value[0]) is int and value[0] >= 1)
    if not ok or not (value[1] is None or (type(value[1]) is int and value[1] >= value[0])):
        raise DescriptionError(f"{what}: {value!r} is not a range such as (1, None) or (2, 8)")
    return (value[0], value[1])


@dataclass(frozen=True)
class Head:
    """An output activation and a loss, coupled as a real library couples them.

    reduction: "reported" fits sum, mean_over_batch or mean (and a scale of 1, 1/2 or 2) once, from
    the loss the subject reports; or name one, with its `scale`. targets: "real", "one_hot", "soft",
    "binary", "index", or "any" that the loss takes. outputs: how many output units, (least, most or
    None). log_floor: the loss clips its probabilities there ("eps" or a number) while the gradient
    does not; where the clip is active the loss is not checkable.
    """

    activation: str
    loss: str
    reduction: str = "reported"
    scale: float = 1.0
    targets: str = "any"
    outputs: Range = (1, None)
    log_floor: str | float | None = None

    def __post_init__(self) -> None:
        one_of("head: activation", self.activation, ACTIVATIONS)
        row = LOSSES[one_of("head: loss", self.loss, LOSSES)]
        one_of("head: reduction", self.reduction, ("reported", *REDUCTIONS))
        one_of("head: targets", self.targets, TARGETS)
        if self.targets not in ("any", *row.targets):
            raise DescriptionError(f"head: {self.loss} takes targets {', '.join(row.targets)}; "
                                   f"received {self.targets!r}")
        low, high = ACTIVATIONS[self.activation].range
        if low < row.domain[0] or high > row.domain[1]:
            raise DescriptionError(f"head: {self.loss} wants outputs in {row.domain}, "
                                   f"but {self.activation} gives values in {(low, high)}")
        if self.log_floor is not None and self.log_floor != "eps":
            number("head: log_floor (\"eps\" or a number)", self.log_floor)
        object.__setattr__(self, "scale", number("head: scale", self.scale))
        object.__setattr__(self, "outputs", _range("head: outputs", self.outputs))

    @property
    def target_kinds(self) -> tuple[str, ...]:
        """The kinds of target to generate."""
        return LOSSES[self.loss].targets if self.targets == "any" else (self.targets,)

    @staticmethod
    def from_json(data: Any) -> Head:
        data = mapping("head", data)
        refuse_unknown("head", data, tuple(f.name for f in fields(Head)))
        for key in ("activation", "loss"):
            if key not in data:
                raise DescriptionError(f"head: {key} is missing")
        return Head(**data)


def activation(value: str | Mapping[str, Any]) -> LayerSpec:
    """"tanh", or {"function": "leaky_relu", "slope": 0.1}, as the layer it describes."""
    data = {"function": value} if isinstance(value, str) else dict(mapping("hidden", value))
    return parse.layer(TABLES, "hidden", {"kind": "activation", **data})


@dataclass(frozen=True)
class Claims:
    """Which networks and cases a subject says that it can answer.

    hidden: the activations between layers. heads: the output activations with their losses. bias,
    batch, depth (layers with units) and dtypes: which of each. layers: what networks may be made of
    and look like, by the names of `properties.structures` ("dense" for plain chains, "parallel",
    "shared", "sequence", ...), or "all". same_hidden: one activation for all hidden layers.
    max_parameters: the largest network to send. explored: nothing was claimed, so the subject may
    decline. Raises DescriptionError for what cannot be.
    rate: the gradients are differences of parameters, (old - new) over this rate.
    """

    hidden: tuple[str | Mapping[str, Any], ...] = ()
    heads: tuple[Head, ...] = (Head("identity", "squared_error"),)
    same_hidden: bool = False
    bias: str = "always"
    batch: Range = (1, None)
    depth: Range = (1, None)
    dtypes: tuple[str, ...] = ("float64",)
    max_parameters: int | None = None
    layers: tuple[str, ...] = (PLAIN,)
    explored: bool = field(default=False)
    rate: float | None = None

    def __post_init__(self) -> None:
        layers: Any = self.layers  # what a caller gives may be the word
        if layers == "all":
            object.__setattr__(self, "layers", tuple(STRUCTURES))
        for name in ("hidden", "heads", "dtypes", "layers"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list):
                raise DescriptionError(f"claims: {name} is {value!r}, wanted a list")
            object.__setattr__(self, name, tuple(value))
        for each in self.hidden:
            activation(each)
        if not self.heads or not all(isinstance(head, Head) for head in self.heads):
            raise DescriptionError("claims: heads wants at least one Head(activation, loss)")
        for dtype in self.dtypes:
            one_of("claims: dtype", dtype, DTYPES)
        for name in self.layers:
            one_of("claims: layers", name, STRUCTURES)
        if not self.layers:
            raise DescriptionError(f"claims: layers is empty; allowed: {', '.join(STRUCTURES)}")
        if not self.dtypes:
            raise DescriptionError(f"claims: dtypes is empty; allowed: {', '.join(DTYPES)}")
        one_of("claims: bias", self.bias, BIAS)
        for name in ("batch", "depth"):
            object.__setattr__(self, name, _range(f"claims: {name}", getattr(self, name)))
        if self.depth[0] > 1 and not self.hidden:
            raise DescriptionError("claims: depth above 1 needs at least one hidden activation")
        most = self.max_parameters
        if most is not None and not (type(most) is int and most >= 1):
            raise DescriptionError(f"claims: max_parameters is {most!r}, wanted a positive integer")
        if self.rate is not None and number("claims: rate", self.rate) <= 0:
            raise DescriptionError(f"claims: rate is {self.rate!r}, wanted a number above 0")

    def to_json(self) -> dict[str, Any]:
        """Claims as data; `from_json` takes it back."""
        data = asdict(self)
        return {**data, "hidden": [dict(h) if isinstance(h, Mapping) else h for h in self.hidden]}

    @staticmethod
    def from_json(data: Any) -> Claims:
        data = dict(mapping("claims", data))
        refuse_unknown("claims", data, tuple(f.name for f in fields(Claims)))
        if "heads" in data:
            data["heads"] = tuple(Head.from_json(head) for head in data["heads"])
        return Claims(**data)


EVERYTHING = Claims(
    hidden=tuple(name for name in ACTIVATIONS if name != "softmax"),
    heads=tuple(
        Head(name, loss)
        for loss, row in LOSSES.items()
        for name, act in ACTIVATIONS.items()
        if act.range[0] >= row.domain[0] and act.range[1] <= row.domain[1]
    ),
    bias="any",
    dtypes=DTYPES,
    explored=True,
)
