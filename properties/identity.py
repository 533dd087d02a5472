"""What an exact identity of backpropagation needs, what it asks, and which numbers are equal.

An identity holds for every right program, whatever its formulas. It says as data what it needs (a
site that reads the inputs, two sites with a relu between them, a bias, a batch of two) and is asked
wherever a network has that. A transformed case uses exact transformations only (permutations,
powers of two, sums of short binary fractions), so that the identity holds to the last bit of the
mathematics and the tolerance is that of the answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..reference import TABLES, Case, infer
from ..reference.regularised import penalty_gradients
from ..reference.wiring import Place, wired
from .claims import Claims
from .measured import Measured

Equation = tuple[str, Any, Any]


@dataclass(frozen=True)
class Reply:
    """The subject's answer to one case, every number with its tolerance; gradients by name."""

    case: Case
    loss: Measured
    gradients: dict[str, Measured]

    def __getitem__(self, name: str) -> Measured:
        return self.gradients[name]


# --- what an identity needs -----------------------------------------------------------------------

Found = tuple[Place, ...]
ANYWHERE, FIRST, INPUTS, PAIR, LAST = "anywhere", "first", "inputs", "pair", "last"

# By name, the places of a network that an identity may be asked at: the sites it speaks of.
PLACES: dict[str, Callable[[Case], list[Found]]] = {
    # the network as a whole
    ANYWHERE: lambda case: [()],
    # one site that reads the inputs themselves
    FIRST: lambda case: [(place,) for place in wired(case.network).first],
    # all the readers of the inputs, where they are such sites
    INPUTS: lambda case: [tuple(wired(case.network).first)]
    if wired(case.network).only_sites_read_inputs and wired(case.network).first else [],
    # two sites with nothing but functions between them
    PAIR: lambda case: list(wired(case.network).pairs),
    # the site that gives the outputs
    LAST: lambda case: [(last,)] if (last := wired(case.network).last) is not None else [],
}


class Needs(NamedTuple):
    """What a network must have for an identity.

    `where`: a name of PLACES. `after`: functions that may stand behind the first site, None for any
    that works number by number. `biases`: whether every site must have a bias. `batch`: the least
    number of examples. `separate`: no layer mixes the examples of a batch, `separate_steps`: none
    mixes the time steps. `real`: real inputs.
    """

    where: str = ANYWHERE
    after: tuple[str, ...] | None = None
    biases: bool = False
    batch: int = 1
    separate: bool = False
    separate_steps: bool = False
    real: bool = False

    def places(self, case: Case) -> list[Found]:
        """The places where the identity may be asked."""
        rules = [TABLES.layers[spec.kind] for _, spec in case.network.walk()]
        unmet = (case.batch < self.batch or (self.real and not case.network.real)
                 or (self.separate and any(rule.mixes for rule in rules))
                 or (self.separate_steps and any(rule.mixes_steps for rule in rules)))
        return [] if unmet else list(filter(self.fits, PLACES[self.where](case)))

    def fits(self, found: Found) -> bool:
        """Whether the sites have what is wanted of them."""
        if self.biases and not all(place.bias for place in found):
            return False
        return self.where != PAIR or all(self.allows(name) for name in found[0].after)

    def allows(self, function: str) -> bool:
        if self.after is not None:
            return function in self.after
        return TABLES.activations[function].df is not None


# --- the identity ---------------------------------------------------------------------------------

Ask = Callable[[Case, Found, Claims, Any], "list[Case] | None"]
Judge = Callable[[Sequence[Reply], Found], Iterator[Equation]]


class Question(NamedTuple):
    """The cases to ask, and the equations (parameter, left, right) between their answers."""

    cases: list[Case]
    equations: Callable[[Sequence[Reply]], Iterator[Equation]]


class Property(NamedTuple):
    """One statement that holds for every right backprop.

    ask(case, places, claims, rng) gives the cases to ask, the given one first, or None where the
    statement does not apply; judge(replies, places) yields (parameter, left, right): equations
    between answers. `question` puts both together for a random place that meets the needs.
    """

    family: str
    says: str
    ask: Ask
    judge: Judge
    needs: Needs = Needs()
    source: str = "exact identity"

    def question(self, case: Case, claims: Claims, rng: Any) -> Question | None:
        """What to ask about this case; None where the statement does not apply to it."""
        places = self.needs.places(case)
        if not places:
            return None
        place = places[int(rng.integers(len(places)))]
        cases = self.ask(case, place, claims, rng)
        return None if cases is None else Question(cases, lambda r: self.judge(r, place))


def bare(reply: Reply) -> Reply:
    """The reply without what the loss has beside its own row, the penalty: identities are of data.

    What it adds to a gradient is known, up to a rounding that the tolerance holds: what is left of
    a gradient within it is 0.
    """
    penalties = penalty_gradients(reply.case.astype("float64"))
    if not penalties:
        return reply
    by = reply.case.network.loss.gradient_scale
    gradients = {name: _less(g, by * penalties[name]) if name in penalties else g
                 for name, g in reply.gradients.items()}
    return replace(reply, gradients=gradients)


def _less(gradient: Measured, penalty: Any) -> Measured:
    left = gradient.value - penalty
    return Measured(np.where(np.abs(left) <= gradient.tolerance, 0.0, left), gradient.tolerance)


# --- for many of them -----------------------------------------------------------------------------


def every(left: Reply, right: Reply, but: Sequence[str] = (),
          factor: float = 1.0) -> Iterator[Equation]:
    """left = factor * right for all gradients but the named ones."""
    for name in left.gradients:
        if name not in but and name in right.gradients:
            yield name, left[name], right[name] * factor


def the_same(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    """Nothing changes."""
    yield from every(r[0], r[1])


def per_example(case: Case) -> set[str]:
    """The names of the arrays, besides inputs and targets, that have one entry for each example."""
    shapes = infer(case.network)
    return {*shapes.states, *shapes.masks}


def rows(case: Case, index: Any) -> Case:
    """The examples of `index`."""
    mine = per_example(case)
    parameters = {name: value[index] for name, value in case.parameters.items() if name in mine}
    constants = {name: value[index] if name in mine else value
                 for name, value in case.constants.items()}
    return case.but(inputs=case.inputs[index], targets=case.targets[index], parameters=parameters,
                    constants=constants)


def by_example(reply: Reply) -> list[str]:
    """The gradients that have one entry for each example."""
    mine = per_example(reply.case) | {"inputs"}
    return [name for name in reply.gradients if name in mine]


def short(case: Case) -> Case:
    """The case with numbers on the grid of 2^-10: sums of a few of them are exact in float32."""
    def on_grid(a: Any) -> Any:
        if a.dtype.kind != "f":
            return a
        return (np.clip(np.round(a * 1024.0), -2.0**20, 2.0**20) / 1024.0).astype(a.dtype)

    return case.map(on_grid).but(targets=case.targets)


def small_enough(case: Case, claims: Claims) -> bool:
    """Whether the case has no more parameters than are claimed."""
    most = claims.max_parameters
    return most is None or sum(value.size for value in case.parameters.values()) <= most
