"""The engine of a training step: it is asked for gradients, and trains once from rest.

The gradient is what the parameters have moved by, over the rate and what else the rule multiplies
by (`properties.updating`). A training step reports no loss: the reference's own stands in its place
and is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..properties.claims import STEP, Claims
from ..properties.updating import Trail, batches, reading
from ..reference import Answer, Case, Network, evaluate
from ..reference.training import check_rule
from .contract import check_data_untouched, read_parameters

Array = Any
Arrays = dict[str, Array]
Go = Callable[[Arrays, Array, Array], Any]
# Powers of two, so that nothing is lost in the division. The first is for the gradient: large, so
# that little is lost in the subtraction. The last is for several steps, which a large one scatters.
RATES = (0.5, 0.0625)


def claimed(claims: Claims, rule: Mapping[str, Any], rates: Sequence[float]) -> Claims:
    """The claims of steps with this update rule beside the rate; DescriptionError for no rule.

    A decay of the rule that is in the gradient is a penalty in the loss.
    """
    whole = {**rule, "rate": rates[0]}
    check_rule(whole)
    found = reading(whole)
    penalty: dict[str, Any] = {"l2": found.decay, "l2_on": found.of} if found.decay else {}
    return replace(claims, answers=STEP, rule=whole, rate=found.rate, **penalty)


class Program(Protocol):
    """What trains: `start` gives a function that makes one step after another.

    go = start(network, parameters, inputs, targets, rate) begins at rest with these parameters;
    go(parameters, inputs, targets) makes a step from where the program is, which is at those
    parameters, and returns what the program says they are then. Inputs and targets are given to
    `start` too, for classes that take their data there.
    """

    def start(self, network: Network, parameters: Arrays, inputs: Array, targets: Array,
              rate: float) -> Go:
        """A program with these parameters, before its first step."""


class Stepped:
    """An engine: the gradients that the first training step of a program was made with.

    `rates`: those that the program is asked with, the first for gradients, the last for several
    steps; one alone where the program has a rate of its own. `notes`: what was odd about its
    parameters but no failure. Calling it raises BrokenContract, and whatever the program raises.
    """

    def __init__(self, program: Program, claims: Claims, rates: Sequence[float]):
        self.program, self.claims, self.rates = program, claims, tuple(rates)
        self.reading = reading({**claims.rule, "rate": self.rates[0]})
        self.notes = set[str]()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process wraps the program anew."""
        return Stepped, (self.program, self.claims, self.rates)

    def __call__(self, case: Case) -> Answer:
        given = case.copy()
        go = self._start(given, self.rates[0])
        new = self._step(case, given, go)
        return Answer(evaluate(case).loss, self.reading.gradients(case.parameters, new))

    def at(self, rate: float) -> Stepped:
        """The same program asked with another rate."""
        return Stepped(self.program, replace(self.claims, rule={**self.claims.rule, "rate": rate}),
                       (rate,))

    def trail(self, case: Case) -> Trail:
        """Several steps of one program, from the parameters of the case.

        A decay of the rule is in the update there, and so not in the loss as well.
        """
        if self.reading.decay:
            plain = replace(case.network.loss, l2=0.0, l2_on="weights")
            case = replace(case, network=replace(case.network, loss=plain))
        data = batches(case)
        steps = [case.but(inputs=inputs, targets=targets) for inputs, targets in data]
        go = self._start(steps[0].copy(), self.rates[-1])
        cases, parameters = list[Case](), case.parameters
        for step in steps:
            cases.append(replace(step, parameters=parameters))
            new = self._step(cases[-1], cases[-1].copy(), go)
            parameters = {name: p.astype(case.dtype) for name, p in new.items()}
        return Trail(cases, parameters)

    def _start(self, given: Case, rate: float) -> Go:
        return self.program.start(given.network, dict(given.values), given.inputs, given.targets,
                                  rate)

    def _step(self, case: Case, given: Case, go: Go) -> Arrays:
        reply = go(dict(given.values), given.inputs, given.targets)
        check_data_untouched(case, given)
        new, notes = read_parameters(case, reply)
        self.notes |= notes
        return new


class OfFunction:
    """A program from step(network, parameters, inputs, targets, rate) -> new parameters.

    `takes_rate`: whether the function takes a rate. Where it returns None it has changed the
    parameters that it was given.
    """

    def __init__(self, step: Callable[..., Any], takes_rate: bool = True):
        self.step, self.takes_rate = step, takes_rate

    def start(self, network: Network, parameters: Arrays, inputs: Array, targets: Array,
              rate: float) -> Go:
        """A function remembers nothing: it is given the parameters anew for each step."""
        more = (rate,) if self.takes_rate else ()

        def go(mine: Arrays, inputs: Array, targets: Array) -> Any:
            reply = self.step(network, mine, inputs, targets, *more)
            return mine if reply is None else reply

        return go
