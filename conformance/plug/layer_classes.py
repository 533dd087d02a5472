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
from typing import Any

import numpy as np

from ..properties.claims import Head
from ..properties.structures import PLAIN, STRUCTURES
from ..reference import (
    ACTIVATIONS,
    LOSSES,
    TABLES,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
)
from ..reference.checks import one_of
from ..reference.kinds import REQUIRED, Scope
from ..reference.losses import factor
from ..reference.network import WEIGHTED
from ..reference.regularised import gradient, penalty, unreduced
from ..reference.shapes import given
from .contract import BrokenContract, Declined
from .implementing import implementation
from .layouts import Layout, Say

Array = Any
Arrays = dict[str, Array]
Shape = tuple[int, ...]


# --- one class ------------------------------------------------------------------------------------


OURS = Layout()


@dataclass(frozen=True)
class Layer:
    """A layer, activation or loss class, and where it keeps things.

    It is made as `cls(*arguments)`, or `make(*arguments)`: `arguments` are among "in", "out" (the
    sizes of the last axis; for an image "in" is its channels), "shape" (that of the input, without
    the batch) and the options of the layer ("units", "window", "slope", ...). The default is (in,
    out) for a layer with units, and none for others. `parameters` and `gradients` map the layer's
    arrays ("weight", "bias", "recurrent_weight", "scale", ...) to attributes; "params.W" is looked
    up in `params`, a key where that is a dictionary. What has no gradient (a mask, a running mean)
    is in `parameters` alone. `given` are arrays that forward takes after the input: a mask, an
    initial state. `forward` and `backward` name the methods.
    """

    cls: Any = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    gradients: Mapping[str, str] = field(default_factory=dict)
    forward: str = "forward"
    backward: str = "backward"
    layout: Layout = OURS
    arguments: tuple[str, ...] | None = None
    make: Callable[..., Any] | None = None
    given: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.make or self.cls):
            raise DescriptionError(f"layers: {self.make or self.cls!r} is not a class; "
                                   "wanted Layer(Linear, ...)")
        here, there = {*self.parameters, *self.given}, set(self.gradients)
        trained = {name for name in here if name.endswith(("weight", "bias"))}
        if not trained <= there <= here:
            raise DescriptionError(f"layers: {self.name} has parameters "
                                   f"{_names(self.parameters)} and gradients "
                                   f"{_names(self.gradients)}; wanted the same names in both")

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

    def set(self, built: Any, local: str, value: Array, kind: str) -> None:
        """Set one parameter of a layer of this kind, in the layout's form.

        Raises DescriptionError for no such attribute, and for one of another shape.
        """
        path, theirs = self.parameters[local], self.layout.theirs(local, value, kind)
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

    def __init__(self, index: int, spec: LayerSpec, example: Shape, row: Layer,
                 values: Mapping[str, Array], shape: Shape):
        self.index, self.kind, self.row, self.shape = index, spec.kind, row, shape
        found = TABLES.layers[spec.kind].shapes(spec, example, TABLES, str(index))
        self.local = {key: values[f"{index}.{key}"]
                      for key in (*found.parameters, *found.states, *found.masks, *found.constants)}
        self.trained = (*found.parameters, *found.states)
        self.output = (shape[0], *found.output)
        channels = example[0] if TABLES.layers[spec.kind].channels_first else example[-1]
        channels = getattr(example, "below", channels)
        named = {**spec.options, "in": channels, "out": self.output[-1], "shape": tuple(example)}
        self.built = row.build(named, () if spec.units is None else ("in", "out"))
        for key, value in self.local.items():
            self._check_mapped(key)
            if key not in row.given:
                row.set(self.built, key, value, spec.kind)

    def _check_mapped(self, key: str) -> None:
        row = self.row
        if key in (*row.parameters, *row.given) and (key in row.gradients
                                                     or key not in self.trained):
            return
        claim = ', or claim bias="never"' if key == "bias" else ""
        lacking = "gradients" if key in (*row.parameters, *row.given) else "parameters"
        raise DescriptionError(f"layers: {row.name} has no {key!r} in its {lacking}: "
                               f"map it{claim}")

    def _say(self, what: str, name: str = "") -> Say:
        return Say(f"layer {self.index}: {self.row.name}.{what}", self.shape[0], name)

    def forward(self, x: Array) -> Array:
        layout = self.row.layout
        more = [layout.theirs(key, self.local[key]) for key in self.row.given if key in self.local]
        method = self.row.method(self.built, self.row.forward)
        y = method(layout.theirs("batch", x), *more)
        return layout.ours("batch", y, self.output, self._say(f"{self.row.forward}'s output"))

    def backward(self, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """dL/dx, None where the first layer gives none, and the gradients by global name."""
        dx = self.row.method(self.built, self.row.backward)(self.row.layout.theirs("batch", dy))
        if dx is not None or self.index:
            say = self._say(f"{self.row.backward}'s dx", "" if self.index else "inputs")
            dx = self.row.layout.ours("batch", dx, self.shape, say)
        return dx, {f"{self.index}.{key}": self._gradient(key) for key in self.trained}

    def _gradient(self, key: str) -> Array:
        path, name = self.row.gradients[key], f"{self.index}.{key}"
        try:
            where = f"layer {self.index}: {self.row.name} after {self.row.backward}"
            value = look_up(self.built, path, where)
        except DescriptionError as error:
            raise BrokenContract("missing", str(error), name) from error
        return self.row.layout.ours(key, value, self.local[key].shape, self._say(path, name),
                                    self.kind)


class Through:
    """A layer without numbers of its own for which no class was given: the reference's row.

    The identity, and what puts arrays into another shape.
    """

    def __init__(self, index: int, spec: LayerSpec):
        self.scope = Scope(TABLES, {}, str(index), spec)

    def forward(self, x: Array) -> Array:
        y, self.saved = self.scope.rule.forward(self.scope, x)
        return y

    def backward(self, dy: Array) -> tuple[Array, dict[str, Array]]:
        return self.scope.rule.backward(self.scope, self.saved, dy)


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
        for index, (spec, example) in enumerate(zip(network.layers, given(network), strict=False)):
            placed.append(self._place(index, spec, example, parameters, x.shape))
            x = placed[-1].forward(x)
        loss, dy = self._loss(network.loss, x, targets)
        if network.loss.l2:  # the gradients have it from the classes, the loss from nowhere else
            loss = loss + penalty(Case(network, parameters, inputs, targets))
        gradients: Arrays = {}
        for each in reversed(placed):
            dy, more = each.backward(dy)
            gradients |= more
        return loss, gradients if dy is None else {**gradients, "inputs": dy}

    def _place(self, index: int, spec: LayerSpec, example: Shape, parameters: Mapping[str, Array],
               shape: Shape) -> Placed | Through:
        name = spec.function or spec.kind
        if (name == "identity" or TABLES.layers[spec.kind].moves) and name not in self.rows:
            return Through(index, spec)
        if name not in self.rows or spec.share is not None:
            raise Declined(f"no class for a layer of kind {name!r}" if spec.share is None
                           else "no shared parameters")
        return Placed(index, spec, example, self.rows[name], parameters, shape)

    def _loss(self, spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
        if spec.kind in self.rows:
            return class_loss(self.rows[spec.kind], p, t)
        return reference_loss(spec, p, t)


def layers(*, dense: Layer | None = None, hidden: Sequence[str | Mapping[str, Any]] | None = None,
           heads: Sequence[Head] | None = None, **more: Any) -> Stack:
    """A target for `verify`: dense=Layer(...), activations and losses by their names, and claims.

    `more` are layers under the names of the tables (tanh=Layer(Tanh), lstm=Layer(LSTM),
    squared_error=Layer(MSE)) and claims under those of `implementation` (bias, batch, depth, ...).
    A layer kind is claimed with its options as they are left out; layers=["dense", {"kind": "lstm",
    "returns": ["last", "sequence"]}] claims more of them.

    Claims left out: `hidden` is every activation given but softmax, `heads` the identity with every
    loss given (squared error where none is). Raises DescriptionError for unknown names, and for a
    claim that no class given can meet.
    """
    named = {"dense": dense, "hidden": hidden, "heads": heads}
    given = {name: value for name, value in named.items() if value is not None} | more
    rows = {name: given.pop(name) for name in list(given)
            if name in TABLES.layers or name in ACTIVATIONS or name in LOSSES}
    for name, row in rows.items():
        if not isinstance(row, Layer):
            raise DescriptionError(f"layers: {name} is {row!r}; wanted Layer(class, ...)")
    if "dense" not in rows or "weight" not in rows["dense"].parameters:
        raise DescriptionError("layers: wanted dense=Layer(Linear, parameters={\"weight\": \"W\"}, "
                               "gradients={...})")
    if unknown := set(rows["dense"].parameters) - {"weight", "bias"}:
        raise DescriptionError(f"layers: dense has no parameter {_names(dict.fromkeys(unknown))}; "
                               "wanted weight, and bias")
    kinds = [name for name in rows if name in STRUCTURES and name != PLAIN]
    if kinds:
        given["layers"] = _layers(kinds, given.get("layers", [PLAIN]))
    hidden_rows = [name for name in rows
                   if name in ACTIVATIONS and ACTIVATIONS[name].df is not None]
    claims = {"hidden": hidden_rows, "heads": _heads(rows), **given}
    stack = implementation(**claims)(Stack(rows))
    _check_claims(rows, stack)
    return stack


def _layers(kinds: Sequence[str], claimed: Sequence[Any]) -> list[Any]:
    """The claim of layers: what is claimed, and the kinds given, each with its plainest options.

    Layers that only put arrays into another shape are needed by others, and are claimed with them.
    """
    named = {each if isinstance(each, str) else each["kind"] for each in claimed}
    plainest = [{"kind": kind} | {name: option.default
                                  for name, option in TABLES.layers[kind].options.items()
                                  if option.default is not REQUIRED}
                for kind in kinds if kind not in named]
    moving = [name for name, rule in TABLES.layers.items() if rule.moves and name in STRUCTURES
              and name not in {*named, *kinds}]
    return [*claimed, *plainest, *moving]


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
