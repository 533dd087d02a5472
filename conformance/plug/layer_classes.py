"""Layer classes as they are: objects with forward, backward, attributes, wired into one backprop.

    target = layers(
        dense=Layer(Linear, parameters={"weight": "W", "bias": "b"},
                    gradients={"weight": "dW", "bias": "db"}, layout=Layout(bias="row")),
        tanh=Layer(Tanh),
        heads=[Head("identity", "squared_error")],
    )

A loss class is named like its loss: `squared_error=Layer(MSE)`, with forward(p, t) -> loss and
backward() -> dL/dp. Without one the reference's own loss row feeds dL/dp into the layers: then the
loss is not the subject's own.

(This module is not called `layers`: it would hide the function in `from backproof import layers`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..properties.claims import Head
from ..reference import (
    ACTIVATIONS,
    LOSSES,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
)
from ..reference.checks import one_of
from ..reference.losses import factor
from ..reference.network import WEIGHTED
from ..reference.regularised import gradient, penalty, unreduced
from .contract import BrokenContract, Declined, check_shape
from .implementing import implementation

Array = Any
Arrays = dict[str, Array]
Shape = tuple[int, ...]


# --- layouts --------------------------------------------------------------------------------------


class Form(NamedTuple):
    """One way to hold an array: its shape from ours, and there and back."""

    shape: Callable[[Shape], Shape]
    theirs: Callable[[Array], Array]
    ours: Callable[[Array], Array]


_SAME = Form(lambda s: s, lambda a: a, lambda a: a)
_SWAPPED = Form(lambda s: s[::-1], lambda a: a.T, lambda a: a.T)

WEIGHTS = {"in_out": _SAME, "out_in": _SWAPPED}
BATCHES = {"rows": _SAME, "columns": _SWAPPED}
BIASES = {
    "vector": _SAME,
    "row": Form(lambda s: (1, *s), lambda a: a[np.newaxis, :], lambda a: a[0]),
    "column": Form(lambda s: (*s, 1), lambda a: a[:, np.newaxis], lambda a: a[:, 0]),
}


@dataclass(frozen=True)
class Layout:
    """How a class holds its arrays. Ours: weight (in, out), bias (units,), one example a row.

    bias: "vector" (units,), "row" (1, units), "column" (units, 1). batch: "rows" (batch, units),
    "columns" (units, batch). bias_sign -1: for classes that subtract their bias (a bias input of
    -1).
    """

    weight: str = "in_out"
    bias: str = "vector"
    batch: str = "rows"
    bias_sign: int = 1

    def __post_init__(self) -> None:
        for name, forms in (("weight", WEIGHTS), ("bias", BIASES), ("batch", BATCHES)):
            one_of(f"layout: {name}", getattr(self, name), forms)
        if self.bias_sign not in (1, -1):
            raise DescriptionError(f"layout: bias_sign is {self.bias_sign!r}; wanted 1 or -1")

    def form(self, local: str) -> Form:
        """The form of "weight", "bias", or "batch" (inputs, outputs and their gradients)."""
        return {"weight": WEIGHTS[self.weight], "bias": BIASES[self.bias],
                "batch": BATCHES[self.batch]}[local]

    def theirs(self, local: str, array: Array) -> Array:
        """Our array as the class holds it.

        It is a view, so that a change in place is seen, unless the sign turns.
        """
        array = self.form(local).theirs(array) if np.ndim(array) else array
        return -array if local == "bias" and self.bias_sign < 0 else array

    def ours(self, local: str, array: Any, wanted: Shape, say: Say) -> Array:
        """Their array as ours.

        Raises BrokenContract("shape") unless it has the layout's shape: nothing is reshaped.
        """
        array = say.array(array)
        check_shape(say.what, array.shape, self.form(local).shape(wanted), say.batch, say.name)
        array = self.form(local).ours(array)
        return -array if local == "bias" and self.bias_sign < 0 else array


@dataclass(frozen=True)
class Say:
    """Who returned an array, in words, for messages; `name` is the parameter it is about, or ""."""

    what: str
    batch: int
    name: str = ""

    def array(self, value: Any) -> Array:
        """The value as an array, an array as it is."""
        if value is None:
            raise BrokenContract("none", f"{self.what} is None; an array is wanted", self.name)
        try:
            return np.asarray(value)
        except ValueError as error:
            message = f"{self.what} is ragged, no array: {error}"
            raise BrokenContract("shape", message, self.name) from error


# --- one class ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """A layer, activation or loss class, and where it keeps things.

    It is made as `cls(*arguments)`, or `make(*arguments)`: for dense `arguments` are among "in",
    "out", "bias" (default: in, out), for activations options such as "slope" (default: none).
    `parameters` and `gradients` map "weight" and "bias" to attributes; "params.W" is looked up in
    `params`, a key where that is a dictionary. `forward` and `backward` name the methods.
    """

    cls: Any = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    gradients: Mapping[str, str] = field(default_factory=dict)
    forward: str = "forward"
    backward: str = "backward"
    layout: Layout = Layout()
    arguments: tuple[str, ...] | None = None
    make: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.make or self.cls):
            raise DescriptionError(f"layers: {self.make or self.cls!r} is not a class; "
                                   "wanted Layer(Linear, ...)")
        here, there = set(self.parameters), set(self.gradients)
        if here != there or not here <= {"weight", "bias"}:
            raise DescriptionError(f"layers: {self.name} has parameters "
                                   f"{_names(self.parameters)} and gradients "
                                   f"{_names(self.gradients)}; "
                                   "wanted the same of weight, bias in both")

    @property
    def name(self) -> str:
        return str(getattr(self.cls or self.make, "__name__", self.cls or self.make))

    def build(self, values: Mapping[str, Any], default: tuple[str, ...] = ()) -> Any:
        """A new object; `values` are what `arguments` can name."""
        arguments = [values[one_of(f"layers: {self.name}: argument", each, values)]
                     for each in (default if self.arguments is None else self.arguments)]
        return (self.make or self.cls)(*arguments)

    def method(self, built: Any, name: str) -> Callable[..., Any]:
        method = getattr(built, name, None)
        if not callable(method):
            raise DescriptionError(f"layers: {self.name} has no method {name!r}: "
                                   "Layer(forward=, backward=) names it")
        return method  # type: ignore[no-any-return]

    def set(self, built: Any, local: str, value: Array) -> None:
        """Set one parameter, in the layout's form.

        Raises DescriptionError for no such attribute, and for one of another shape.
        """
        path, theirs = self.parameters[local], self.layout.theirs(local, value)
        held = look_up(built, path, f"layers: {self.name}: parameter {local!r}")
        if np.ndim(held) and np.shape(held) != theirs.shape:
            raise DescriptionError(
                f"layers: {self.name} made {path} of shape {np.shape(held)}, but its layout says "
                f"{theirs.shape}: is Layout({local}={getattr(self.layout, local)!r}) right?")
        put(built, path, theirs)


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"


def look_up(built: Any, path: str, where: str) -> Any:
    """The attribute, or the key, at the end of a dotted path.

    Raises DescriptionError, which names what there is instead.
    """
    for part in path.split("."):
        there = built if isinstance(built, Mapping) else _attributes(built)
        if part not in there and not hasattr(built, part):
            raise DescriptionError(f"{where}: no attribute {part!r} in {path!r}; "
                                   f"there is: {_names(there)}")
        built = built[part] if isinstance(built, Mapping) else getattr(built, part)
    return built


def put(built: Any, path: str, value: Any) -> None:
    """The inverse of `look_up`."""
    *inner, last = path.split(".")
    owner = look_up(built, ".".join(inner), "layers") if inner else built
    if isinstance(owner, dict):
        owner[last] = value
    else:
        setattr(owner, last, value)


def _attributes(built: Any) -> dict[str, Any]:
    return {name: None for name in dir(built) if not name.startswith("_")}


# --- one layer of one network ---------------------------------------------------------------------


class Placed:
    """One object of a class at one place in a network; the arrays that go in and out are ours."""

    def __init__(self, index: int, spec: LayerSpec, row: Layer, parameters: Mapping[str, Array],
                 shape: Shape):
        self.index, self.row, self.shape = index, row, shape
        self.local = {key: parameters[f"{index}.{key}"] for key in ("weight", "bias")
                      if f"{index}.{key}" in parameters}
        values = {**spec.options, "in": shape[-1], "out": spec.options.get("units", shape[-1])}
        self.built = row.build(values, ("in", "out") if spec.kind == "dense" else ())
        self.output = (*shape[:-1], values["out"])
        for key, value in self.local.items():
            self._check_mapped(key)
            row.set(self.built, key, value)

    def _check_mapped(self, key: str) -> None:
        if key not in self.row.parameters:
            raise DescriptionError(f"layers: {self.row.name} has no {key!r} in its parameters: "
                                   "map it, or claim bias=\"never\"")

    def _say(self, what: str, name: str = "") -> Say:
        return Say(f"layer {self.index}: {self.row.name}.{what}", self.shape[0], name)

    def forward(self, x: Array) -> Array:
        y = self.row.method(self.built, self.row.forward)(self.row.layout.theirs("batch", x))
        said = self._say(f"{self.row.forward}'s output")
        return self.row.layout.ours("batch", y, self.output, said)

    def backward(self, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """dL/dx, None where the first layer gives none, and the gradients by global name."""
        dx = self.row.method(self.built, self.row.backward)(self.row.layout.theirs("batch", dy))
        if dx is not None or self.index:
            say = self._say(f"{self.row.backward}'s dx", "" if self.index else "inputs")
            dx = self.row.layout.ours("batch", dx, self.shape, say)
        return dx, {f"{self.index}.{key}": self._gradient(key) for key in self.local}

    def _gradient(self, key: str) -> Array:
        path, name = self.row.gradients[key], f"{self.index}.{key}"
        try:
            where = f"layer {self.index}: {self.row.name} after {self.row.backward}"
            value = look_up(self.built, path, where)
        except DescriptionError as error:
            raise BrokenContract("missing", str(error), name) from error
        return self.row.layout.ours(key, value, self.local[key].shape, self._say(path, name))


class Through:
    """The identity, where no class was given for it."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, dy: Array) -> tuple[Array, dict[str, Array]]:
        return dy, {}


# --- losses ---------------------------------------------------------------------------------------


def reference_loss(spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
    """The loss and dL/dp of the reference's row, for layer classes that come without a loss."""
    row = LOSSES[spec.kind]
    scale = spec.scale * factor(spec.reduction, row.per, p.shape)
    loss, dp = unreduced(spec, row, p, t).sum() * scale, gradient(spec, row, p, t)
    return loss, dp * (scale * spec.gradient_scale)


def class_loss(layer: Layer, p: Array, t: Array) -> tuple[Any, Array]:
    """The loss and dL/dp of a loss class: forward(p, t), then backward()."""
    built, theirs = layer.build({}), layer.layout.theirs
    loss = layer.method(built, layer.forward)(theirs("batch", p), theirs("batch", t))
    dp = layer.method(built, layer.backward)()
    said = Say(f"{layer.name}.{layer.backward}'s dp", p.shape[0])
    return loss, layer.layout.ours("batch", dp, p.shape, said)


# --- all of them ----------------------------------------------------------------------------------


class Stack:
    """The backprop of layer classes, over objects made for each call.

    It takes (network, parameters, inputs, targets) and returns (loss, gradients).
    """

    def __init__(self, rows: Mapping[str, Layer]):
        self.rows = rows
        names = ", ".join(row.name for row in rows.values())
        self.__name__ = self.__qualname__ = f"layers({names})"
        self.__backproof_door__ = "layer classes"
        self.__backproof_source__ = rows["dense"].cls or rows["dense"].make  # where source_of looks

    def __call__(self, network: Network, parameters: Arrays, inputs: Array,
                 targets: Array) -> tuple[Any, Arrays]:
        placed, x = [], inputs
        for index, spec in enumerate(network.layers):
            placed.append(self._place(index, spec, parameters, x.shape))
            x = placed[-1].forward(x)
        loss, dy = self._loss(network.loss, x, targets)
        if network.loss.l2:  # the gradients have it from the classes, the loss from nowhere else
            loss = loss + penalty(Case(network, parameters, inputs, targets))
        gradients: Arrays = {}
        for each in reversed(placed):
            dy, more = each.backward(dy)
            gradients |= more
        return loss, gradients if dy is None else {**gradients, "inputs": dy}

    def _place(self, index: int, spec: LayerSpec, parameters: Mapping[str, Array],
               shape: Shape) -> Placed | Through:
        name = spec.function or spec.kind
        if name == "identity" and name not in self.rows:
            return Through()
        if name not in self.rows or spec.share is not None:
            raise Declined(f"no class for a layer of kind {name!r}" if spec.share is None
                           else "no shared parameters")
        return Placed(index, spec, self.rows[name], parameters, shape)

    def _loss(self, spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
        if spec.kind in self.rows:
            return class_loss(self.rows[spec.kind], p, t)
        return reference_loss(spec, p, t)


def layers(*, dense: Layer | None = None, hidden: Sequence[str | Mapping[str, Any]] | None = None,
           heads: Sequence[Head] | None = None, **more: Any) -> Stack:
    """A target for `verify`: dense=Layer(...), activations and losses by their names, and claims.

    `more` are layers under the names of the tables (tanh=Layer(Tanh), squared_error=Layer(MSE)) and
    claims under those of `implementation` (bias, batch, depth, ...).

    Claims left out: `hidden` is every activation given but softmax, `heads` the identity with every
    loss given (squared error where none is). Raises DescriptionError for unknown names, and for a
    claim that no class given can meet.
    """
    named = {"dense": dense, "hidden": hidden, "heads": heads}
    given = {name: value for name, value in named.items() if value is not None} | more
    rows = {name: given.pop(name) for name in list(given)
            if name == "dense" or name in ACTIVATIONS or name in LOSSES}
    for name, row in rows.items():
        if not isinstance(row, Layer):
            raise DescriptionError(f"layers: {name} is {row!r}; wanted Layer(class, ...)")
    if "dense" not in rows or "weight" not in rows["dense"].parameters:
        raise DescriptionError("layers: wanted dense=Layer(Linear, parameters={\"weight\": \"W\"}, "
                               "gradients={...})")
    hidden_rows = [name for name in rows
                   if name in ACTIVATIONS and ACTIVATIONS[name].df is not None]
    claims = {"hidden": hidden_rows, "heads": _heads(rows), **given}
    stack = implementation(**claims)(Stack(rows))
    _check_claims(rows, stack)
    return stack


def _heads(rows: Mapping[str, Layer]) -> list[Head]:
    plain = [name for name in rows if name in LOSSES and LOSSES[name].domain[0] < 0]
    return [Head("identity", name) for name in plain or ["squared_error"]]


def _check_claims(rows: Mapping[str, Layer], stack: Any) -> None:
    claims = stack.__backproof__
    if any(head.reduction == WEIGHTED for head in claims.heads):
        raise DescriptionError("layers: reduction \"weighted\" is for functions; the losses of "
                               "layer classes are reduced")
    hidden = [each if isinstance(each, str) else each["function"] for each in claims.hidden]
    for name in (*hidden, *(head.activation for head in claims.heads)):
        if name != "identity" and name not in rows:
            raise DescriptionError(f"layers: {name!r} is claimed, "
                                   f"but no {name}=Layer(...) is given")
