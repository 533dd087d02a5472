"""A row of a layer class: what its methods are invoked, what they take, where it keeps things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..reference import DescriptionError
from ..reference.checks import one_of
from .layouts import Layout
from .signatures import Call, call, invoked, look_up

Array = Any
OURS = Layout()
# What calls and arguments name beside the arrays and the options of a layer.
NO_ARRAYS = {"x", "p", "t", "training", "in", "out", "shape"}
REDUCED: Mapping[str, Callable[[Any], Any]] = {
    "": lambda loss: loss, "mean": np.mean, "sum": np.sum}


@dataclass(frozen=True)
class Layer:
    """A layer, activation or loss class, and where it keeps things.

    It is made as `cls(*arguments)`, or `make(*arguments)`: `arguments` are among "in", "out" (the
    sizes of the last axis; for an image "in" is its channels), "shape" (that of the input, without
    the batch), the options of the layer ("units", "window", "slope", ...) and its arrays ("weight",
    "bias": `Affine(W, b)`). The default is (in, out) for a layer with units, and none for others.
    `parameters` and `gradients` map the layer's arrays ("weight", "bias", "recurrent_weight",
    "scale", ...) to attributes; "params.W" is looked up in `params`, a key where that is a
    dictionary. What has no gradient (a mask, a running mean) is in `parameters` alone. `given` are
    arrays that forward takes after the input: a mask, an initial state.

    `forward` and `backward` name the methods, or say how they are called: "forward(x) ->
    self.output", "backward(dy) -> dx, weight, bias", "backward(dy, rate) -> dx"
    (`plug.signatures`). A gradient whose name is among what backward returns is there, and not in
    an attribute; without `gradients` those returned behind dx are named like their arrays. A class
    without them takes a rate, in backward or in `update`, "update(rate)", which is called after it:
    its gradients are then old minus new parameter, over the rate.

    An object is kept and asked again; `reset`, "zero_grad", is a method that is called first. A
    loss whose forward gives one number for each example is reduced by `reduce`, "mean" or "sum".
    own_loss False: what the loss class gives as its loss is only for people to look at (it adds
    1e-7 in its logarithm), and the declared loss is reported in its place. `loss`, "loss(t)", is
    the method of a model that gives its loss. averages True: the class divides the gradients of its
    parameters by the batch size, and what it hands down not.
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
    update: str = ""
    reset: str = ""
    reduce: str = ""
    own_loss: bool = True
    loss: str = ""
    averages: bool = False

    def __post_init__(self) -> None:
        if not callable(self.make or self.cls):
            raise DescriptionError(f"layers: {self.make or self.cls!r} is not a class; "
                                   "wanted Layer(Linear, ...)")
        one_of("layers: reduce", self.reduce, REDUCED)
        for of_loss in (False, True):
            self.calls(of_loss)
        if not self.gradients:
            named = {name: name for name in self.backwards.gives[1:] if name in self.known}
            object.__setattr__(self, "gradients", named)
        here, there = self.known, set(self.gradients)
        trained = {name for name in here if name.endswith(("weight", "bias"))}
        if not self.updates and not trained <= there <= here:
            raise DescriptionError(
                f"layers: {self.name} has parameters {_listed(self.parameters)} and gradients "
                f"{_listed(self.gradients)}; wanted the same names in both, or "
                'backward="backward(dy, rate) -> dx" for a class that updates and keeps none')

    @property
    def name(self) -> str:
        return str(getattr(self.cls or self.make, "__name__", self.cls or self.make))

    @property
    def source(self) -> Any:
        """Where its lines are: the class, or what makes it."""
        return getattr(self.make, "__wrapped__", self.cls or self.make)

    @property
    def known(self) -> set[str]:
        """The arrays of the layer that reach the class in one of the ways there are."""
        forwards, _ = self.calls(of_loss=False)
        named = {*self.parameters, *self.given, *(self.arguments or ()), *forwards.takes}
        return named - NO_ARRAYS

    @property
    def updates(self) -> bool:
        """Whether the class keeps no gradient, and changes its parameters by one."""
        rated = "rate" in (*self.backwards.takes, *self._update.takes)
        return rated and not self.gradients and bool(self.parameters)

    # --- its methods ---

    @cached_property
    def forwards(self) -> Call:
        return self.calls(of_loss=False)[0]

    @cached_property
    def backwards(self) -> Call:
        return self.calls(of_loss=False)[1]

    @cached_property
    def _update(self) -> Call:
        return call("update", self.update or "update()", (), ())

    @property
    def losses(self) -> Call:
        """How a model gives its loss."""
        return call("loss", self.loss, ("p", "t"), ("loss",))

    def calls(self, of_loss: bool) -> tuple[Call, Call]:
        """How its forward and backward are invoked, of a loss or of any other layer."""
        if of_loss:
            return (call("forward", self.forward, ("p", "t"), ("loss",)),
                    call("backward", self.backward, (), ("dp",)))
        return (call("forward", self.forward, ("x", *self.given), ("y",)),
                call("backward", self.backward, ("dy",), ("dx",)))

    def method(self, built: Any, name: str) -> Callable[..., Any]:
        method = getattr(built, name, None)
        if not callable(method):
            raise DescriptionError(f"layers: {self.name} has no method {name!r}: "
                                   "Layer(forward=, backward=) names it")
        return method  # type: ignore[no-any-return]

    def ended(self, built: Any, rate: float | None) -> None:
        """Its update, where it has one."""
        if self.update and self.updates:
            method = self.method(built, self._update.name)
            invoked(method, [rate for _ in self._update.takes], f"{self.name}.{self._update.name}",
                   'write Layer(update="update(rate)")')

    # --- its objects ---

    def build(self, values: Mapping[str, Any], default: tuple[str, ...] = ()) -> Any:
        """A new object; `values` are what `arguments` can name."""
        names = default if self.arguments is None else self.arguments
        given = [values[one_of(f"layers: {self.name}: argument", each, values)] for each in names]
        advice = (f"name what it takes, among {', '.join(values)}, in Layer(arguments=(...)), or "
                  f"write make=lambda {', '.join(map(_argument, names))}: {self.name}(...)")
        return invoked(self.make or self.cls, given, self.name, advice)

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
        put(built, path, theirs.copy() if self.updates else theirs)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"


def _argument(name: str) -> str:
    return f"n_{name}" if name in ("in", "out") else name


def put(built: Any, path: str, value: Any) -> None:
    """The inverse of `look_up`."""
    *inner, last = path.split(".")
    owner = look_up(built, ".".join(inner), "layers") if inner else built
    if isinstance(owner, list):
        owner[int(last)] = value
    elif isinstance(owner, dict):
        owner[last] = value
    else:
        setattr(owner, last, value)
