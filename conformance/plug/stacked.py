"""The objects of layer classes at their places in a network, asked one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np

from ..reference import (
    LOSSES,
    TABLES,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
)
from ..reference.kinds import Scope
from ..reference.losses import factor
from ..reference.regularised import gradient, penalty, unreduced
from ..reference.shapes import given
from .alone import alone
from .contract import AdapterError, BrokenContract, Declined, adapting
from .implementing import claims_of
from .layer_rows import REDUCED, Layer
from .layouts import Say
from .signatures import SELF, Call, attributes, invoked, look_up, results, taken

Array = Any
Arrays = dict[str, Array]
Shape = tuple[int, ...]
MODEL = "model"
KEPT = 4  # networks whose objects are kept
LARGE = 100_000  # parameters beyond which none are

# --- one layer of one network ---------------------------------------------------------------------


class Asked:
    """An object whose methods are called as its row says; what they gave is kept by its name."""

    def __init__(self, row: Layer, who: str, batch: int, of_loss: bool = False):
        self.row, self.who, self.batch = row, who, batch
        self.forwards, self.backwards = row.calls(of_loss)
        self.values: dict[str, Any] = {"training": True}

    def ask(self, built: Any, way: Call, **more: Any) -> Any:
        """The first result of a call, which may take what is known so far, and `more`."""
        self.values |= more
        method, name = self.row.method(built, way.name), self.row.name
        arguments = taken(way, built, name, self.values)
        advice = f"write, for example, Layer({self._field(way)}={_taking(way, method)!r})"
        returned = invoked(method, arguments, f"{name}.{way.name}", advice)
        if way is self.forwards and way.returned[:1] == way.gives[:1] and returned is None:
            self._nothing(built, way, None)
        found = results(way, built, name, returned)
        self.values |= found
        return found[way.gives[0]]

    def _field(self, way: Call) -> str:
        return "forward" if way is self.forwards else "backward"

    def given_back(self, built: Any, way: Call, value: Any, shape: Shape) -> Any:
        """The value; BrokenContract, with the line to write, where it is a tuple or nothing."""
        if isinstance(value, tuple):
            names = (*way.gives, *self.row.parameters)[:len(value)]
            raise AdapterError(f"{self.who}.{way.name} returned a tuple of {len(value)}; name its "
                               f"parts, for example Layer({self._field(way)}="
                               f"{way.giving(*names)!r})")
        if value is None and self._left(built, shape):
            self._nothing(built, way, shape)
        return value

    def _nothing(self, built: Any, way: Call, shape: Shape | None) -> None:
        left = self._left(built, shape)
        example = way.giving(f"{SELF}{(*left, 'output')[0]}")
        raise AdapterError(f"{self.who}.{way.name} returned None; does it leave its result in an "
                           f"attribute{_among(left)}? Write Layer({self._field(way)}={example!r})")

    def _left(self, built: Any, shape: Shape | None) -> list[str]:
        """The attributes that may hold a result: arrays of this shape that were not given."""
        known = [value for value in self.values.values() if isinstance(value, np.ndarray)]
        held = {name: getattr(built, name, None) for name in attributes(built)}
        mapped = {*self.row.parameters.values(), *self.row.gradients.values()}
        return [name for name, value in held.items()
                if isinstance(value, np.ndarray) and name not in mapped
                and (shape is None or value.shape == shape)
                and not any(value.shape == each.shape and (value == each).all()
                            for each in known)]


def _taking(way: Call, method: Any) -> str:
    """The call with as many names as the method has parameters without a default."""
    names = [each.name for each in signature(method).parameters.values()
             if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    shown = [*way.takes, *names[len(way.takes):]][:len(names)]
    return f"{way.name}({', '.join(shown)}) -> {', '.join(way.gives)}"


def _among(names: list[str]) -> str:
    return f" (there are {', '.join(f'self.{name}' for name in names)})" if names else ""


class Placed(Asked):
    """One object of a class at one place in a network; the arrays that go in and out are ours."""

    def __init__(self, index: int, spec: LayerSpec, example: Shape, row: Layer,
                 values: Mapping[str, Array], batch: int):
        super().__init__(row, f"layer {index}: {row.name}", batch)
        self.index, self.kind, self.shape = index, spec.kind, (batch, *example)
        found = TABLES.layers[spec.kind].shapes(spec, example, TABLES, str(index))
        self.local = {key: values[f"{index}.{key}"]
                      for key in (*found.parameters, *found.states, *found.masks, *found.constants)}
        self.trained = (*found.parameters, *found.states)
        self.output = (batch, *found.output)
        lacking = {key for key in row.given if key not in self.local}
        takes = tuple(name for name in self.forwards.takes if name not in lacking)
        self.forwards = replace(self.forwards, takes=takes)
        self.values |= {key: row.layout.theirs(key, value, spec.kind)
                        for key, value in self.local.items()}
        last = 0 if TABLES.layers[spec.kind].channels_first else -1
        below = getattr(example, "below", None)  # of indices
        self.named = {**spec.options, "in": example[last] if below is None else below,
                      "out": self.output[-1], "shape": tuple(example), **self.values}
        self.default = () if spec.units is None else ("in", "out")

    @property
    def remade(self) -> bool:
        """Whether its arrays are arguments of its constructor: then no object is kept."""
        return any(name in self.local for name in self.row.arguments or ())

    def take(self, built: Any, rate: float | None) -> None:
        """Use this object, a new one for None, with the parameters of this question."""
        self.built = self.row.build(self.named, self.default) if built is None else built
        self.values["rate"] = self.rate = rate
        for key, value in self.local.items():
            self._check_mapped(key)
            if key in self.row.parameters:
                self.row.set(self.built, key, value, self.kind)
        if self.row.reset:
            self.row.method(self.built, self.row.reset)()

    def _check_mapped(self, key: str) -> None:
        row = self.row
        if key in row.known and (key in row.gradients or row.updates or key not in self.trained):
            return
        claim = ', or claim bias="never"' if key == "bias" else ""
        lacking = "gradients" if key in row.known else "parameters"
        raise DescriptionError(f"layers: {row.name} has no {key!r} in its {lacking}: "
                               f"map it{claim}")

    def _say(self, what: str, name: str = "") -> Say:
        return Say(f"{self.who}.{what}", self.batch, name)

    def _theirs(self, shape: Shape) -> Shape:
        return self.row.layout.form("batch").shape(shape)

    def forward(self, x: Array) -> Array:
        layout, way = self.row.layout, self.forwards
        y = self.ask(self.built, way, x=layout.theirs("batch", x))
        y = self.values["y"] = self.given_back(self.built, way, y, self._theirs(self.output))
        return layout.ours("batch", y, self.output, self._say(f"{way.name}'s output"))

    def backward(self, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """dL/dx, None where the first layer gives none, and the gradients by global name."""
        layout, way = self.row.layout, self.backwards
        dx = self.ask(self.built, way, dy=layout.theirs("batch", dy))
        self.row.ended(self.built, self.rate)
        dx = self.given_back(self.built, way, dx, self._theirs(self.shape))
        if dx is not None or self.index:
            say = self._say(f"{way.name}'s dx", "" if self.index else "inputs")
            dx = layout.ours("batch", dx, self.shape, say)
        return dx, self.gradients()

    def gradients(self) -> dict[str, Array]:
        """Those of its parameters, by global name; in the place of one, how it is none."""
        return {f"{self.index}.{key}": self._found(key) for key in self.trained}

    def _found(self, key: str) -> Array:
        try:
            return self._difference(key) if self.row.updates else self._gradient(key)
        except BrokenContract as error:
            return error

    def _gradient(self, key: str) -> Array:
        """What backward returned under its name, or left in an attribute."""
        path = self.row.gradients[key]
        returned = path.partition(".")[0] in self.backwards.returned
        return self._held(key, path, self.values if returned else self.built)

    def _difference(self, key: str) -> Array:
        """Old minus new parameter, over the rate."""
        return (self.local[key] - self._held(key, self.row.parameters[key], self.built)) / self.rate

    def _held(self, key: str, path: str, owner: Any) -> Array:
        name = f"{self.index}.{key}"
        try:
            value = look_up(owner, path, f"{self.who} after {self.backwards.name}")
        except DescriptionError as error:
            raise BrokenContract("missing", str(error), name) from error
        return self.row.layout.ours(key, value, self.local[key].shape, self._say(path, name),
                                    self.kind)


class Through:
    """A layer without numbers of its own for which no class was given: the reference's row.

    The identity, and what puts arrays into another shape.
    """

    def __init__(self, index: int, spec: LayerSpec):
        self.scope, self.built, self.remade = Scope(TABLES, {}, str(index), spec), None, False

    def take(self, built: Any, rate: float | None) -> None:
        """Nothing: it has no object."""

    def forward(self, x: Array) -> Array:
        y, self.saved = self.scope.rule.forward(self.scope, x)
        return y

    def backward(self, dy: Array) -> tuple[Array, dict[str, Array]]:
        return self.scope.rule.backward(self.scope, self.saved, dy)

    def gradients(self) -> dict[str, Array]:
        return {}


# --- the way through them -------------------------------------------------------------------------


class Chain:
    """Forward through the layers, and backward through them in reverse."""

    def __init__(self, placed: Sequence[Placed | Through]):
        self.placed = placed

    def forward(self, x: Array) -> Array:
        for each in self.placed:
            x = each.forward(x)
        return x

    def backward(self, dy: Array, p: Array, t: Array) -> tuple[Array | None, Arrays]:
        """dL/dinputs, where there is one, and the gradients of all parameters."""
        found: Arrays = {}
        for each in reversed(self.placed):
            dy, more = each.backward(dy)
            found |= more
        return dy, found


class Model(Asked):
    """The subject's own way: an object of a class such as Sequential, made of the layers' objects.

    Its row's arguments are among "layers", the list of them, which is the default.
    """

    def __init__(self, row: Layer, placed: Sequence[Placed | Through], shapes: tuple[Shape, Shape]):
        super().__init__(row, row.name, shapes[0][0])
        self.placed = [each for each in placed if each.built is not None]
        self.inputs, self.outputs = shapes
        self.built = row.build({"layers": [each.built for each in self.placed]}, ("layers",))
        self.values["rate"] = next((each.rate for each in placed if isinstance(each, Placed)), None)

    def forward(self, x: Array) -> Array:
        layout, way = self.row.layout, self.forwards
        y = self.ask(self.built, way, x=layout.theirs("batch", x))
        self.values["p"] = y
        y = self.given_back(self.built, way, y, layout.form("batch").shape(self.outputs))
        return layout.ours("batch", y, self.outputs, Say(f"{self.who}.{way.name}", self.batch))

    def loss(self, t: Array) -> Any:
        """The loss of a model that gives one itself."""
        return self.ask(self.built, self.row.losses, t=self.row.layout.theirs("batch", t))

    def backward(self, dy: Array, p: Array, t: Array) -> tuple[Array | None, Arrays]:
        layout = self.row.layout
        theirs = {name: layout.theirs("batch", each)
                  for name, each in {"dy": dy, "p": p, "t": t}.items()}
        dx = self.ask(self.built, self.backwards, **theirs)
        if dx is not None:
            say = Say(f"{self.who}.{self.backwards.name}'s dx", self.batch, "inputs")
            dx = layout.ours("batch", dx, self.inputs, say)
        return dx, {name: each for one in self.placed for name, each in one.gradients().items()}


# --- losses ---------------------------------------------------------------------------------------


def reference_loss(spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
    """The loss and dL/dp of the reference's row, for layer classes that come without a loss."""
    row = LOSSES[spec.kind]
    scale = spec.scale * factor(spec.reduction, row.per, p.shape)
    loss, dp = unreduced(spec, row, p, t).sum() * scale, gradient(spec, row, p, t)
    return loss, dp * (scale * spec.gradient_scale)


class LossObject(Asked):
    """An object of a loss class: forward(p, t) -> loss, then backward() -> dL/dp."""

    def __init__(self, row: Layer, built: Any, batch: int):
        super().__init__(row, row.name, batch, of_loss=True)
        self.built = row.build({}) if built is None else built
        if row.reset:
            row.method(self.built, row.reset)()

    def __call__(self, spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
        theirs = self.row.layout.theirs
        loss = self.ask(self.built, self.forwards, p=theirs("batch", p), t=theirs("batch", t))
        loss = REDUCED[self.row.reduce](loss)
        return loss if self.row.own_loss else reference_loss(spec, p, t)[0], self._slope(p)

    def _slope(self, p: Array) -> Array:
        """dL/dp, from backward, or from forward where that gives it beside the loss."""
        layout, way = self.row.layout, self.backwards
        if "dp" in self.forwards.gives:
            way, dp = self.forwards, self.values["dp"]
        else:
            dp = self.ask(self.built, way)
        dp = self.given_back(self.built, way, dp, layout.form("batch").shape(p.shape))
        return layout.ours("batch", dp, p.shape, Say(f"{self.who}.{way.name}'s dp", self.batch))


# --- all of them ----------------------------------------------------------------------------------


def _refuse(gradients: Arrays, parameters: Arrays) -> None:
    """Raise the first breach, in the order of the parameters, as of any other subject."""
    for name in parameters:
        if isinstance(gradients.get(name), BrokenContract):
            raise gradients[name]


class Stack:
    """The backprop of layer classes.

    It takes (network, parameters, inputs, targets) and returns (loss, gradients). The
    objects of a network are kept, and asked again where it comes again: what accumulates in them is
    seen.
    """

    def __init__(self, rows: Mapping[str, Layer]):
        self.rows, self._kept = rows, dict[Any, list[Any]]()
        self.averages = any(row.averages for row in rows.values())
        names = ", ".join(row.name for row in rows.values())
        self.__name__ = self.__qualname__ = f"layers({names})"
        self.__backproof_door__ = "layer classes"
        self.__backproof_source__ = rows["dense"].source  # where source_of looks

    def __getstate__(self) -> dict[str, Any]:
        """Another process makes objects of its own."""
        return {**self.__dict__, "_kept": {}}

    def __call__(self, network: Network, parameters: Arrays, inputs: Array,
                 targets: Array) -> tuple[Any, Arrays]:
        with adapting():
            return self._answer(network, parameters, inputs, targets)

    def _answer(self, network: Network, parameters: Arrays, inputs: Array,
                targets: Array) -> tuple[Any, Arrays]:
        shapes, batch = given(network), inputs.shape[0]
        placed = [self._place(index, spec, example, parameters, batch)
                  for index, (spec, example)
                  in enumerate(zip(network.layers, shapes, strict=False))]
        rate = claims_of(self).rate
        for each, built in zip(placed, self._objects(network, len(placed)), strict=True):
            each.take(built, rate)
        self._keep(network, placed, parameters)
        way = self._way(placed, (inputs.shape, (batch, *shapes[-1])))
        p = way.forward(inputs)
        loss, dy = self._loss(network.loss, p, targets)
        if isinstance(way, Model) and way.row.loss:
            loss = way.loss(targets)
        if network.loss.l2:  # the gradients have it from the classes, the loss from nowhere else
            loss = loss + penalty(Case(network, parameters, inputs, targets))
        dx, gradients = way.backward(dy, p, targets)
        if dx is not None:  # as the gradients of parameters are, in classes that divide them
            gradients["inputs"] = dx / batch if self.averages else dx
        _refuse(gradients, parameters)
        return loss, gradients

    def __backproof_alone__(self, case: Case) -> Iterator[tuple[str, Case]]:
        """The cases that ask each of the case's classes by itself, with the class's name."""
        return ((self.rows[name].name, small) for name, small in alone(case) if name in self.rows)

    def _way(self, placed: Sequence[Placed | Through],
             shapes: tuple[Shape, Shape]) -> Chain | Model:
        if MODEL not in self.rows:
            return Chain(placed)
        return Model(self.rows[MODEL], placed, shapes)

    # --- objects ---

    def _objects(self, network: Network, many: int) -> list[Any]:
        return self._kept.get((network.layers, network.input_shape), [None] * many)

    def _keep(self, network: Network, placed: Sequence[Placed | Through],
              parameters: Arrays) -> None:
        """Those that are kept, of the last few networks; of large ones none."""
        if sum(value.size for value in parameters.values()) > LARGE:
            return
        key = (network.layers, network.input_shape)
        self._kept.pop(key, None)
        self._kept[key] = [None if each.remade else each.built for each in placed]
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def _place(self, index: int, spec: LayerSpec, example: Shape, parameters: Mapping[str, Array],
               batch: int) -> Placed | Through:
        name = spec.function or spec.kind
        if (name == "identity" or TABLES.layers[spec.kind].moves) and name not in self.rows:
            return Through(index, spec)
        if name not in self.rows or spec.share is not None:
            raise Declined(f"no class for a layer of kind {name!r}" if spec.share is None
                           else "no shared parameters")
        return Placed(index, spec, example, self.rows[name], parameters, batch)

    def _loss(self, spec: LossSpec, p: Array, t: Array) -> tuple[Any, Array]:
        if spec.kind not in self.rows:
            loss, dp = reference_loss(spec, p, t)
            return loss, dp * p.shape[0] if self.averages else dp
        asked = LossObject(self.rows[spec.kind], None, p.shape[0])
        return asked(spec, p, t)
