"""The door for what trains: a step function, or a class that trains in place.

    @training_step(hidden=["tanh"], heads=[Head("identity", "squared_error")])
    def step(network, parameters, inputs, targets, rate):
        ...
        return network.pack(W, b)            # the new parameters

    student = training_step(Network, weights=["W1", "W2"], biases=["b1", "b2"], train="train",
                            hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])

A class is made anew for every question, its weights and biases are set, and it trains once; the
gradient is what they have moved by, over the rate. What its constructor and its method take is
known by the names of their parameters (`calling`), or said by functions of one line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..properties.claims import Claims
from ..reference import DescriptionError, Network
from ..reference.checks import number
from ..reference.training import Rule
from .calling import CONSTRUCTOR, INPUTS, METHOD, PAIRS, TARGETS, asked_of, called, of_sizes
from .contract import AdapterError, adapting
from .holding import Holding, Paths
from .implementing import claims_of, implementation
from .layer_classes import look_up, put
from .layouts import Layout
from .stepping import RATES, Arrays, Go, OfFunction, Program, Stepped, claimed

Array = Any
WHERE = "training_step"
SIGNATURE = "step(network, parameters, inputs, targets, rate) -> new parameters"
Train = str | Sequence[str] | Callable[..., Any]


def training_step(
    target: Any = None, /, *,
    weights: Paths | None = None, biases: Paths | None = None, train: Train | None = None,
    make: Callable[..., Any] | None = None, layout: Layout | None = None, bias_in_weight: str = "",
    load: Callable[..., Any] | None = None, read: Callable[..., Any] | None = None,
    rate: float | str | None = None, rule: Rule | None = None, **claims: Any,
) -> Any:
    """A target for `verify`, of a function or a class that trains; alone, a decorator.

    A function is step(network, parameters, inputs, targets, rate) -> the new parameters, or None
    where it has changed those it was given; one that takes no rate claims it, rate=0.1.

    Of a class, `weights` and `biases` are the names of its attributes: one a layer, or that of a
    list; `bias_in_weight` says that the biases are the "first_row" or "last_row" of the weights;
    `layout` how arrays lie in it (`Layout`). `train` names the method that trains, or those that do
    in their order, or is train(net, inputs, targets, rate). `make` is make(network, rate), for a
    constructor whose parameters have names that say nothing. `load` and `read` are for arrays that
    are in no attribute: load(net, W, b) sets them and read(net) returns (W, b), lists of matrices
    (in, units) and of vectors (units,). `rate`: the number that it trains with, where it has its
    own, or the name of the attribute to set; left out, the constructor or the method takes it.

    `rule`: what the update has beside the rate, by the rows of `reference.training`:
    {"momentum": 0.9, "decay": 1e-4}. `claims` are those of `implementation`; where every weight has
    a name, depth is how many there are, and where no biases are named, none are claimed. Raises
    DescriptionError for what cannot be.
    """
    if target is None:
        return lambda function: training_step(function, rate=rate, rule=rule, **claims)
    if not callable(target):
        raise DescriptionError(f"{WHERE}: {target!r} is neither a function nor a class; "
                               f"wanted {SIGNATURE}, or a class that trains")
    named = {"weights": weights, "biases": biases, "train": train, "make": make, "layout": layout,
             "bias_in_weight": bias_in_weight, "load": load, "read": read, "rate": rate,
             "rule": rule}
    options = {name: value for name, value in named.items() if value not in (None, "")}
    if isinstance(weights, tuple | list):
        claims.setdefault("depth", (len(weights), len(weights)))
    if weights is not None and biases is None and not bias_in_weight:
        claims.setdefault("bias", "never")
    return Step(target, options, _claimed(claims))


def _claimed(claims: dict[str, Any]) -> Claims:
    """The claims by name, checked."""
    def nothing() -> None:
        """Only carries the claims."""

    return claims_of(implementation(**claims)(nothing))


class Step:
    """What `training_step` returns: a target that knows its claims and its engine.

    `options` are what the door was told beside the claims.
    """

    __backproof__: Claims
    __backproof_door__ = "training step"

    def __init__(self, target: Any, options: Mapping[str, Any], claims: Claims):
        rate, rule = options.get("rate"), options.get("rule", {})
        self.options, self.rates = dict(options), (_rate(rate),) if _is_number(rate) else RATES
        self.program = _program(target, self.options)
        self.__backproof__ = claimed(claims, rule, self.rates)
        self.__backproof_source__ = self.__wrapped_target__ = target
        self.__name__ = self.__qualname__ = getattr(target, "__name__", type(target).__name__)

    def __backproof_engine__(self) -> Stepped:
        """The engine that a subject of this target has."""
        return Stepped(self.program, self.__backproof__, self.rates)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The function or class as it is."""
        return self.__wrapped_target__(*arguments, **named)


def _program(target: Any, options: Mapping[str, Any]) -> Program:
    """What trains, of a class where anything is said of one."""
    rate = options.get("rate")
    if inspect.isclass(target) or "make" in options or "weights" in options:
        return OfClass(target, _holding(target, options), options)
    return OfFunction(target, _takes_rate(target, rate))


def _rate(given: Any) -> float:
    rate = number(f"{WHERE}: rate", given)
    if rate <= 0:
        raise DescriptionError(f"{WHERE}: rate is {given!r}, wanted a number above 0")
    return rate


def _is_number(rate: Any) -> bool:
    return rate is not None and not isinstance(rate, str)


def _takes_rate(function: Callable[..., Any], rate: Any) -> bool:
    """Whether a function takes the rate; DescriptionError where it does not and has none."""
    parameters = asked_of(function)
    found = f"({', '.join(p.name for p in parameters)})"
    if parameters and not 4 <= len(parameters) <= 5:
        raise DescriptionError(f"{WHERE}: {function.__qualname__}{found}; wanted {SIGNATURE}")
    if len(parameters) == 4 and not _is_number(rate):
        raise DescriptionError(f"{WHERE}: {function.__qualname__}{found} takes no rate; write "
                               f"{WHERE}(rate=0.1, ...) with the rate that it has, or {SIGNATURE}")
    return len(parameters) != 4


# --- classes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ByHand:
    """Arrays that are in no attribute: load(net, W, b) sets them, read(net) returns (W, b)."""

    load: Callable[..., Any]
    read: Callable[..., Any]

    def put(self, built: Any, weights: Sequence[Array], biases: Sequence[Any]) -> None:
        self.load(built, list(weights), list(biases))

    def take(self, built: Any, weights: Sequence[Array], biases: Sequence[Any]) -> Any:
        return self.read(built)


def _holding(target: Any, options: Mapping[str, Any]) -> Holding | ByHand:
    if "load" in options and "read" in options:
        return ByHand(options["load"], options["read"])
    if "weights" not in options:
        name = getattr(target, "__name__", str(target))
        raise DescriptionError(f"{WHERE}: where does {name} keep its weights? write "
                               f"{WHERE}({name}, weights=[\"W1\", \"W2\"], biases=[\"b1\", \"b2\"],"
                               " train=\"train\", ...), or load= and read=")
    return Holding(options["weights"], options.get("biases"), options.get("layout", Layout()),
                   options.get("bias_in_weight", ""))


@dataclass(frozen=True)
class OfClass:
    """A program from a class: made for a network, its arrays set, trained by its own method.

    `options`: what was told of it, by the names of `training_step`.
    """

    cls: Any
    holding: Holding | ByHand
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(getattr(self.cls, "__name__", self.cls))

    def start(self, network: Network, parameters: Arrays, inputs: Array, targets: Array,
              rate: float) -> Go:
        """A new object with these parameters; what it is at is read off it after each step."""
        weights, biases = network.unpack(parameters)
        net = self._made(network, self._values(network, inputs, targets, rate), rate)
        with adapting():
            self.holding.put(net, weights, biases)
            if isinstance(attribute := self.options.get("rate"), str):
                look_up(net, attribute, f"{WHERE}: rate")
                put(net, attribute, rate)

        def go(before: Arrays, inputs: Array, targets: Array) -> Any:
            self._trained(net, self._values(network, inputs, targets, rate), rate)
            with adapting():
                found = self.holding.take(net, weights, biases)
            return network.pack(*found)

        return go

    def _values(self, network: Network, inputs: Array, targets: Array, rate: float
                ) -> dict[str, Any]:
        """What can be given to a constructor or a method, by meaning."""
        theirs = getattr(self.holding, "layout", Layout()).theirs
        x, t = theirs("batch", inputs), theirs("batch", targets)
        pairs = list(zip(*(a.T[..., None] if x is not inputs else a for a in (x, t)), strict=True))
        sizes = [int(size) for size in network.sizes]
        return {**of_sizes(sizes, rate, len(inputs)), INPUTS: x, TARGETS: t, PAIRS: pairs}

    def _made(self, network: Network, values: dict[str, Any], rate: float) -> Any:
        if "make" in self.options:
            return self.options["make"](network, rate)
        return called(self.cls, CONSTRUCTOR, values, f"{WHERE}: {self.name}",
                      "make=lambda network, rate: ... says how it is made; network.sizes are the "
                      "sizes of the layers, the inputs first")

    def _trained(self, net: Any, values: dict[str, Any], rate: float) -> None:
        train: Train = self.options.get("train", "")
        if callable(train):
            train(net, values[INPUTS], values[TARGETS], rate)
            return
        for name in [train] if isinstance(train, str) else train:
            called(self.method(net, name), METHOD, values, f"{WHERE}: {self.name}.{name}",
                   "train=lambda net, inputs, targets, rate: ... says how it is called")

    def method(self, net: Any, name: str) -> Callable[..., Any]:
        found = getattr(net, name, None) if name else None
        if not callable(found):
            there = [each for each in dir(net) if not each.startswith("_")
                     and callable(getattr(net, each, None))]
            raise AdapterError(f"{WHERE}: {self.name} has no method {name!r}; it has "
                               f"{', '.join(there) or 'none'}: train= names the one that trains")
        return found  # type: ignore[no-any-return]
