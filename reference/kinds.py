"""The types of what the tables hold: layer kinds, activations, losses, affine sites.

No entry of a table is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .checks import DescriptionError, Json, refuse_unknown, size
from .network import LayerSpec

Array = Any
Shape = tuple[int, ...]
INFINITY = float("inf")
REQUIRED = object()


# --- options ---------------------------------------------------------------------------------


class Option(NamedTuple):
    """One option of a kind: `check(value)`, what is wanted in words, and its default, if any."""

    check: Callable[[Any], bool]
    wanted: str
    default: Any = REQUIRED


UNITS = Option(size, "a positive integer")


def flag(default: bool) -> Option:
    """An option that is true or false."""
    return Option(lambda value: isinstance(value, bool), "true or false", default)


# --- activations and losses --------------------------------------------------------------------


class Activation(NamedTuple):
    """f(x, **options) and its backward(x, y, dy, **options) = dyᵀ df/dx; x and y have one shape.

    `df(x, y, **options)` is the elementwise derivative, None where f mixes the units of an example
    (softmax). `kinks` are the points where f has no derivative, or a function of its options that
    gives them; `range` is the closed interval of its values, `variants` other right forms that a
    tolerance must cover.
    """

    f: Callable[..., Array]
    df: Callable[..., Array] | None
    backward: Callable[..., Array]
    kinks: tuple[float, ...] | Callable[..., tuple[float, ...]] = ()
    range: tuple[float, float] = (-INFINITY, INFINITY)
    options: Mapping[str, Option] = {}
    variants: tuple[Activation, ...] = ()

    def points(self, options: Mapping[str, Any] | None = None) -> tuple[float, ...]:
        """The points where f has no derivative, with these options or the default ones."""
        if not callable(self.kinks):
            return self.kinks
        usual = {name: option.default for name, option in self.options.items()}
        return self.kinks(**(usual if options is None else options))


class Loss(NamedTuple):
    """L(p, t): the unreduced array, one number "per" element or example; dL(p, t): its gradient.

    p: outputs (batch, ..., units); t: targets, values of that shape or class indices (batch, ...).
    Both take the numbers of `options` too, which are fields of a `LossSpec`: L(p, t, delta=1.0).
    `domain` is the closed interval the outputs must lie in, `targets` the kinds of target it is
    defined for, `kinks` the values of p - t where it has no derivative, `variants` other forms that
    a tolerance must cover.
    """

    L: Callable[..., Array]
    dL: Callable[..., Array]
    per: str
    targets: tuple[str, ...]
    domain: tuple[float, float] = (-INFINITY, INFINITY)
    kinks: tuple[float, ...] = ()
    variants: tuple[Loss, ...] = ()
    options: tuple[str, ...] = ()


# --- affine sites --------------------------------------------------------------------------------


class Site(NamedTuple):
    """One place in a layer where y = x W + b: the names of its parameters, and how it is wired.

    `reads` is "input" where x is the layer's own input, else "state". `gives` is "output" where y
    is the layer's own output, else "state". `units` is the option that says how many columns W has.
    `per_unit`: b has an entry for each of these; else it is one number, added to all. `plain`: the
    parameter is W itself, up to its shape; else W is computed from it.
    """

    weight: str
    bias: str = ""
    reads: str = "input"
    gives: str = "output"
    units: str = "units"
    per_unit: bool = True
    plain: bool = True


class Pass(NamedTuple):
    """One affine site on the way back, every example and time step one row.

    x: (rows, n); W: (n, m); b: (m,), None without a bias; delta = dL/dy: (rows, m). `layer` is the
    layer's name ("0"), `weight` and `bias` the names of W and b in it ("weight", "bias").
    """

    layer: str
    weight: str
    bias: str
    x: Array
    W: Array
    b: Array | None
    delta: Array


class Affine(NamedTuple):
    """y = x W + b and its three gradients: how every affine site of every layer is computed.

    y(x, W, b) is the forward on rows; dW, db and dx take a `Pass`.
    """

    y: Callable[[Array, Array, Array | None], Array]
    dW: Callable[[Pass], Array]
    db: Callable[[Pass], Array]
    dx: Callable[[Pass], Array]


# --- layers --------------------------------------------------------------------------------------


class Indices(tuple[int, ...]):
    """The shape of an example of indices, integers from 0 to under `below`."""

    below: int

    def __new__(cls, shape: Shape, below: int) -> Indices:
        made = super().__new__(cls, shape)
        made.below = below
        return made


class Shapes(NamedTuple):
    """The shapes of one layer: its output per example, and by local name what else it reads.

    `constants` are exact and have no gradient, one for the network (running statistics); `masks`
    likewise, one for each example (masks, lengths). `states` are inputs with a gradient (an initial
    hidden state), one for each example; they travel with the parameters, as (batch, *shape).
    """

    output: Shape
    parameters: Mapping[str, Shape] = {}
    constants: Mapping[str, Shape] = {}
    masks: Mapping[str, Shape] = {}
    states: Mapping[str, Shape] = {}


def rows(x: Array) -> Array:
    """(batch, ..., n) as (rows, n)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


class Scope:
    """What a rule sees of the network: its options, its parameters by local name, the tables.

    A shared parameter is looked up under its owner's name, a transposed one comes transposed.
    """

    __slots__ = ("name", "options", "spec", "tables", "values")

    def __init__(self, tables: Tables, values: Mapping[str, Any], name: str, spec: LayerSpec):
        self.tables, self.values, self.name, self.spec = tables, values, name, spec
        self.options = spec.options

    @property
    def rule(self) -> Rule:
        """The layer's own rule."""
        return self.tables.layers[self.spec.kind]

    def owner(self, local: str) -> tuple[str, bool]:
        """The global name of a parameter, and whether this layer sees it transposed.

        What a layer has of its own, it does not share: a mask, a state.
        """
        own, shared = f"{self.name}.{local}", f"{self.spec.share}.{local}"
        if self.spec.share is None or own in self.values or shared not in self.values:
            return own, False
        return shared, self.spec.transpose

    def __getitem__(self, local: str) -> Any:
        name, transposed = self.owner(local)
        return self.values[name].T if transposed else self.values[name]

    def affine(self, site: Site, x: Array, W: Array | None = None) -> Array:
        """y = x W + b at one site; x: (batch, ..., n).

        W: the matrix (n, m), where the layer keeps its parameter in another shape.
        """
        b = self[site.bias] if site.bias else None
        y = self.tables.affine.y(rows(x), self[site.weight] if W is None else W, b)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], y.shape[-1])

    def affine_backward(self, site: Site, x: Array, dy: Array,
                        W: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """dx of x's shape, and the gradients of W and b by local name, from dy = dL/dy.

        The gradient of W has the shape (n, m) of the matrix that `affine` was given.
        """
        b, W = self[site.bias] if site.bias else None, self[site.weight] if W is None else W
        here = Pass(self.name, site.weight, site.bias, rows(x), W, b, rows(dy))
        gradients = {site.weight: self.tables.affine.dW(here)}
        if b is not None:
            gradients[site.bias] = self.tables.affine.db(here)
        dx = self.tables.affine.dx(here)
        return (dx if x.ndim == 2 else dx.reshape(*x.shape)), gradients


class Step(NamedTuple):
    """One layer's entry on the tape of a forward pass."""

    scope: Scope
    saved: Any


class Kink(NamedTuple):
    """Where a layer has no derivative: the points, and the argument that may meet them."""

    layer: str
    points: tuple[float, ...]
    argument: Array


def no_shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    """A layer without parameters that keeps its shape."""
    return Shapes(shape)


Parse = Callable[[str, Json], LayerSpec]


class Rule(NamedTuple):
    """One layer kind.

    forward(p, x) -> (y, saved) and backward(p, saved, dy) -> (dx, {local name: gradient}), with p a
    `Scope` and every array's first axis the batch. shapes(spec, shape, tables, where) -> Shapes,
    raising DescriptionError where the layer cannot follow an input of that shape.

    `takes`: what the first layer of a network is given, "real" numbers or an "index" (an
    embedding). `sites(spec)`: the places where it is affine. `kinks(p, saved)`: where it has no
    derivative. `arguments(p, saved)`: what its functions that are not affine are taken of: how far
    a step moves them says how far it may go. `inside(saved)`: the tapes of the layers inside it.
    `mixes`: whether an example's output depends on other examples of the batch; `mixes_steps`:
    whether that of a time step depends on other steps. `finish(where, options, parse)`: the
    options, once checked, made ready; parse(where, data) reads a layer inside. `axes`: how many
    axes of an example it is about: 1 for a layer of features, 2 for one of sequences, 3 for one of
    images. `channels_first`: the first axis of an example is that of the channels. `moves`: it only
    puts numbers in other places. `variants`: other right forms of the layer that a tolerance must
    cover. `untrained`: by local name, the row of a parameter whose gradient is 0 though the output
    depends on it.
    """

    forward: Callable[[Scope, Any], tuple[Any, Any]]
    backward: Callable[[Scope, Any, Any], tuple[Any, dict[str, Any]]]
    shapes: Callable[[LayerSpec, Shape, Tables, str], Shapes] = no_shapes
    options: Mapping[str, Option] = {}
    takes: str = "real"
    sites: Callable[[LayerSpec], tuple[Site, ...]] = lambda spec: ()
    kinks: Callable[[Scope, Any], Iterable[Kink]] = lambda p, saved: ()
    arguments: Callable[[Scope, Any], Iterable[Array]] = lambda p, saved: ()
    inside: Callable[[Any], Iterable[list[Step]]] = lambda saved: ()
    mixes: bool = False
    mixes_steps: bool = False
    more_options: Callable[[str, Mapping[str, Any], Tables], Mapping[str, Option]] = (
        lambda where, data, tables: {})
    finish: Callable[[str, dict[str, Any], Parse], dict[str, Any]] = (
        lambda where, options, parse: options)
    axes: int = 1
    channels_first: bool = False
    moves: bool = False
    variants: tuple[Rule, ...] = ()
    untrained: Callable[[LayerSpec], Mapping[str, int]] = lambda spec: {}

    def parse(self, where: str, data: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
        """Check every option and fill in the defaults.

        Raises DescriptionError by name for what is unknown, missing or wrong.
        """
        known = {**self.options, **self.more_options(where, data, tables)}
        refuse_unknown(where, data, tuple(known))
        return {name: _checked(where, name, option, data.get(name, option.default))
                for name, option in known.items()}


def _checked(where: str, name: str, option: Option, value: Json) -> Json:
    if value is REQUIRED:
        raise DescriptionError(f"{where}: {name} is missing, wanted {option.wanted}")
    if not option.check(value):
        raise DescriptionError(f"{where}: {name} is {value!r}, wanted {option.wanted}")
    return value


# --- all of them ----------------------------------------------------------------------------------


class Tables(NamedTuple):
    """All the mathematics as one explicit value: replace an entry and have another backpropagation.

    The layer kinds, activations and losses by name, how an affine site goes and comes back, and the
    chain rule's step between layers: sweep(tape, i, dy) -> (dx, gradients of layer i).
    """

    layers: Mapping[str, Rule]
    activations: Mapping[str, Activation]
    losses: Mapping[str, Loss]
    affine: Affine
    sweep: Callable[[list[Step], int, Any], tuple[Any, dict[str, Any]]]


def steps(tape: Iterable[Step]) -> Iterator[Step]:
    """Every step of a forward pass, those of layers inside others before the layer around them."""
    for step in tape:
        for inner in step.scope.rule.inside(step.saved):
            yield from steps(inner)
        yield step
