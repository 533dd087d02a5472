"""What a layer kind is: its options, its shapes, its forward and its backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..description import DescriptionError, LayerSpec, refuse_unknown, size

if TYPE_CHECKING:
    from ..tables import Tables

Shape = tuple[int, ...]
REQUIRED = object()


class Option(NamedTuple):
    """One option of a layer kind: `check(value)`, what is wanted in words, and its default (none: it must be given)."""

    check: Callable[[Any], bool]
    wanted: str
    default: Any = REQUIRED


UNITS = Option(size, "a positive integer")


def flag(default: bool) -> Option:
    """An option that is true or false."""
    return Option(lambda value: isinstance(value, bool), "true or false", default)


class Shapes(NamedTuple):
    """The shapes of one layer: its output per example, and by local name its parameters and what else it reads.

    `constants` are exact and have no gradient, one for the network (running statistics); `masks` likewise, one for
    each example (masks, lengths). `states` are inputs with a gradient (an initial hidden state), one for each example;
    they travel with the parameters, as (batch, *shape).
    """

    output: Shape
    parameters: Mapping[str, Shape] = {}
    constants: Mapping[str, Shape] = {}
    masks: Mapping[str, Shape] = {}
    states: Mapping[str, Shape] = {}


class Scope:
    """What a rule sees of the network: its options, its parameters by local name, the tables.

    A shared parameter is looked up under its owner's name, a transposed one comes transposed.
    """

    __slots__ = ("name", "options", "spec", "tables", "values")

    def __init__(self, tables: Tables, values: Mapping[str, Any], name: str, spec: LayerSpec):
        self.tables, self.values, self.name, self.spec = tables, values, name, spec
        self.options = spec.options

    def owner(self, local: str) -> tuple[str, bool]:
        """The global name of a parameter, and whether this layer sees it transposed."""
        shared = f"{self.spec.share}.{local}"
        if self.spec.share is not None and shared in self.values:
            if not self.spec.transpose:
                return shared, False
            if self.values[shared].ndim == 2:
                return shared, True
        return f"{self.name}.{local}", False

    def __getitem__(self, local: str) -> Any:
        name, transposed = self.owner(local)
        return self.values[name].T if transposed else self.values[name]


def no_shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    """A layer without parameters that keeps its shape."""
    return Shapes(shape)


class Rule(NamedTuple):
    """One layer kind.

    forward(p, x) -> (y, saved) and backward(p, saved, dy) -> (dx, {local name: gradient}), with p a `Scope` and every
    array's first axis the batch. shapes(spec, shape, tables, where) -> Shapes, raising DescriptionError where the
    layer cannot follow an input of that shape. `takes` is what the first layer of a network is given: "real" numbers,
    or an "index" (an embedding).
    """

    forward: Callable[[Scope, Any], tuple[Any, Any]]
    backward: Callable[[Scope, Any, Any], tuple[Any, dict[str, Any]]]
    shapes: Callable[[LayerSpec, Shape, Tables, str], Shapes] = no_shapes
    options: Mapping[str, Option] = {}
    takes: str = "real"
    more_options: Callable[[str, Mapping[str, Any], Tables], Mapping[str, Option]] = lambda where, data, tables: {}
    finish: Callable[[str, dict[str, Any], Tables], dict[str, Any]] = lambda where, options, tables: options

    def parse(self, where: str, data: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
        """Check every option, fill in the defaults; DescriptionError by name for what is unknown, missing or wrong."""
        known = {**self.options, **self.more_options(where, data, tables)}
        refuse_unknown(where, data, tuple(known))
        options = {}
        for name, option in known.items():
            value = data.get(name, option.default)
            if value is REQUIRED:
                raise DescriptionError(f"{where}: {name} is missing, wanted {option.wanted}")
            if not option.check(value):
                raise DescriptionError(f"{where}: {name} is {value!r}, wanted {option.wanted}")
            options[name] = value
        return self.finish(where, options, tables)
