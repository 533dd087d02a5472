"""A network as data: frozen, and the same after a trip through JSON.

    {"format": 1, "input_shape": [3], "input_kind": "real",
     "layers": [{"kind": "dense", "units": 4, "bias": true},
                {"kind": "activation", "function": "sigmoid"}],
     "loss": {"kind": "squared_error", "reduction": "mean_over_batch", "scale": 0.5}}

Parameters are named by layer index: "0.weight", "0.bias"; inside a `parallel` layer "2.0.1.weight" is layer 2,
branch 0, position 1. A layer with `"share": "0"` uses the parameters of layer 0 (with `"transpose": true` its
matrices transposed); their gradients are summed under the owner's name.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tables import Tables

FORMAT = 1
LARGEST = sys.float_info.max
REDUCTIONS = ("sum", "mean_over_batch", "mean")
MANY = 40
LONGEST = 1000
DEEP = 100
MOST = 2**31 - 1
MOST_AXES = 32
Json = Any


def visible(text: str, most: int = LONGEST) -> str:
    """The text on one line that any terminal shows: what cannot be printed is escaped, what is too long is cut."""
    text = text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text[:most + 1])
    return text if len(text) <= most else f"{text[:most - 3]}..."


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


class DescriptionError(ValueError):
    """A network, case or table entry that cannot be: one line says what was received and what is allowed."""

    def __init__(self, message: str):
        super().__init__(visible(message))


def refuse_unknown(what: str, data: Mapping[str, Json], allowed: Mapping[str, object] | tuple[str, ...]) -> None:
    """Raise DescriptionError for the first key of `data` that `allowed` does not list."""
    for key in data:
        if key not in allowed:
            raise DescriptionError(f"{what}: unknown key {key!r}; allowed: {', '.join(map(str, allowed))}")


def one_of(what: str, value: Json, allowed: Mapping[str, object] | tuple[str, ...]) -> Json:
    """`value` where it is one of `allowed`; DescriptionError by name where it is not."""
    if not isinstance(value, str) or value not in allowed:
        raise DescriptionError(f"{what}: unknown {value!r}; {_instead(value, list(map(str, allowed)))}")
    return value


def _instead(value: Json, allowed: list[str]) -> str:
    """The nearest names; all of them where they are few."""
    near = difflib.get_close_matches(str(value), allowed, n=3, cutoff=0.5)
    meant = [f"did you mean {' or '.join(near)}?"] if near else []
    if len(allowed) > MANY:
        return "".join(meant) or f"there are {len(allowed)} names, none like it"
    return "; ".join([f"allowed: {', '.join(allowed)}", *meant])


def refuse_deep(what: str, value: Json) -> None:
    """Raise DescriptionError where lists and objects are nested so deeply that no walk over them is safe."""
    if deeper(value, DEEP):
        raise DescriptionError(f"{what}: nested deeper than {DEEP} levels")


def mapping(what: str, value: Json) -> Mapping[str, Json]:
    """`value` where it is a JSON object."""
    if not isinstance(value, Mapping):
        raise DescriptionError(f"{what}: received {value!r}, wanted a JSON object")
    return value


def number(what: str, value: Json) -> float:
    """`value` where it is a finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise DescriptionError(f"{what}: received {value!r}, wanted a finite number")
    return float(value)


def deeper(data: Json, most: int) -> bool:
    """Whether lists and objects are nested deeper than `most`."""
    level = [data] if isinstance(data, Mapping | list | tuple) else []
    for _ in range(most + 1):
        level = [each for one in level for each in (one.values() if isinstance(one, Mapping) else one)
                 if isinstance(each, Mapping | list | tuple)]
        if not level:
            return False
    return True


def size(value: Json) -> bool:
    """Whether it may be the size of something: a positive integer that an array can have."""
    return type(value) is int and 0 < value <= MOST


def this_format(what: str, data: Mapping[str, Json]) -> None:
    """Refuse any format but this version's."""
    if type(data.get("format")) is not int or data["format"] != FORMAT:
        raise DescriptionError(f"{what}: format {data.get('format')!r}; this version reads format {FORMAT}")


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its kind and options, `branches` parsed where it has any."""

    kind: str
    options: Mapping[str, Json] = field(default_factory=dict)
    share: str | None = None
    transpose: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    def to_json(self) -> dict[str, Json]:
        data: dict[str, Json] = {"kind": self.kind, **self.options}
        if "branches" in data:
            data["branches"] = [[layer.to_json() for layer in branch] for branch in data["branches"]]
        if self.share is not None:
            data["share"] = self.share
        if self.transpose:
            data["transpose"] = True
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return LayerSpec, (self.kind, dict(self.options), self.share, self.transpose)

    @staticmethod
    def from_json(where: str, data: Json, tables: Tables) -> LayerSpec:
        """Parse one layer, with every option checked against its rule; `where` names it in messages."""
        data = dict(mapping(where, data))
        kind = one_of(f"{where}: layer kind", data.pop("kind", None), tables.layers)
        where = f"{where} ({kind})"
        share, transpose = data.pop("share", None), data.pop("transpose", False)
        if not isinstance(share, str | None) or not isinstance(transpose, bool):
            raise DescriptionError(f"{where}: share is a layer name such as \"0\", transpose is true or false")
        if transpose and share is None:
            raise DescriptionError(f"{where}: transpose without share")
        options = tables.layers[kind].parse(where, data, tables)
        if share is not None and "branches" in options:
            raise DescriptionError(f"{where}: share belongs to the layers inside its branches")
        return LayerSpec(kind, options, share, transpose)


@dataclass(frozen=True)
class LossSpec:
    """loss = scale * reduction(unreduced loss array)."""

    kind: str
    reduction: str = "mean_over_batch"
    scale: float = 1.0

    def to_json(self) -> dict[str, Json]:
        return {"kind": self.kind, "reduction": self.reduction, "scale": self.scale}

    @staticmethod
    def from_json(data: Json, tables: Tables) -> LossSpec:
        data = mapping("loss", data)
        refuse_unknown("loss", data, ("kind", "reduction", "scale"))
        kind = one_of("loss kind", data.get("kind"), tables.losses)
        reduction = one_of("loss reduction", data.get("reduction", "mean_over_batch"), REDUCTIONS)
        return LossSpec(kind, reduction, number("loss scale", data.get("scale", 1.0)))


@dataclass(frozen=True)
class Network:
    """inputs -> layers -> loss. `input_kind` is "real", or {"index": V} for integers below V (no input gradient)."""

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

    def to_json(self) -> dict[str, Json]:
        return {
            "format": FORMAT,
            "input_shape": list(self.input_shape),
            "input_kind": self.input_kind,
            "layers": [layer.to_json() for layer in self.layers],
            "loss": self.loss.to_json(),
        }

    @staticmethod
    def from_json(data: Json, tables: Tables | None = None) -> Network:
        """Parse and check a description; DescriptionError names what it does not know and what cannot be.

        `tables` (default: the tables of this package) says which kinds exist.
        """
        from .shapes import infer
        from .tables import TABLES

        tables = tables or TABLES
        refuse_deep("network", data)
        data = mapping("network", data)
        refuse_unknown("network", data, ("format", "input_shape", "input_kind", "layers", "loss"))
        this_format("network", data)
        if not isinstance(data.get("layers"), list):
            raise DescriptionError(f"network: layers is {data.get('layers')!r}, wanted a list of layers")
        layers = tuple(LayerSpec.from_json(f"layer {i}", each, tables) for i, each in enumerate(data["layers"]))
        shape, kind = _input_shape(data.get("input_shape")), _input_kind(data.get("input_kind", "real"))
        network = Network(shape, layers, LossSpec.from_json(data.get("loss"), tables), kind)
        infer(network, tables)
        return network

    # --- what spares an MLP the layer loop -------------------------------------------------------------------

    def _dense(self) -> Iterator[tuple[str, LayerSpec]]:
        return ((str(i), layer) for i, layer in enumerate(self.layers) if layer.kind == "dense")

    @property
    def sizes(self) -> list[int]:
        """Units per level of a chain of dense layers, the inputs first: [3, 4, 2]."""
        return [self.input_shape[-1], *(layer.options["units"] for _, layer in self._dense())]

    @property
    def _functions(self) -> list[str]:
        """The activation after each dense layer, "identity" where there is none."""
        functions: list[str] = []
        for layer in self.layers:
            if layer.kind == "dense":
                functions.append("identity")
            elif layer.kind != "activation":
                raise DescriptionError(f"network: {layer.kind} layers: "
                                       "only a chain of dense layers has sizes and activations")
            elif functions:
                functions[-1] = layer.options["function"]
        return functions

    @property
    def hidden(self) -> list[str]:
        """The activation after each dense layer but the last: ["tanh"]."""
        return self._functions[:-1]

    @property
    def head(self) -> tuple[str, str]:
        """The output activation and the loss: ("identity", "squared_error")."""
        return (self._functions or ["identity"])[-1], self.loss.kind

    def unpack(self, parameters: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """The weights (in, units) and the biases (units,) of the dense layers, in order; None for a missing bias."""
        names = [name for name, _ in self._dense()]
        return [parameters[f"{n}.weight"] for n in names], [parameters.get(f"{n}.bias") for n in names]

    def pack(self, weights: list[Any], biases: list[Any] | None = None) -> dict[str, Any]:
        """The answer's dictionary from one gradient per dense layer, in order: the inverse of `unpack`."""
        names = [name for name, _ in self._dense()]
        packed = {f"{n}.weight": dw for n, dw in zip(names, weights, strict=True)}
        packed |= {f"{n}.bias": db for n, db in zip(names, biases or [None] * len(names), strict=True)}
        return {name: value for name, value in packed.items() if value is not None}


def _input_shape(data: Json) -> tuple[int, ...]:
    if not isinstance(data, list | tuple) or not all(map(size, data)) or not 0 < len(data) <= MOST_AXES:
        raise DescriptionError(f"network: input_shape is {data!r}, wanted a list of positive integers such as [3]")
    return tuple(data)


def _input_kind(data: Json) -> Any:
    indexed = isinstance(data, Mapping) and list(data) == ["index"] and size(data["index"])
    if data != "real" and not indexed:
        raise DescriptionError(f"network: input_kind is {data!r}, wanted \"real\" or {{\"index\": V}}")
    return data
