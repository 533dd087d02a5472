"""A known mistake in one place only: tried where no whole row is the subject's.

What is right in another activation, in another loss or in another layer speaks against the whole
row. So a row is tried where all failing networks agree: restricted to an activation or the loss
that they share, or to some of the layers. Such a name says less than a whole row, and there are
many of them, so it is held to more: every failing network must bear it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from ..faults.core import Fault, Faults, Feature
from ..faults.restricted import LAYERS, restricted
from ..reference import Case
from .fitting import fitted, refined
from .witnessed import Witnessed

PARAMETERS = Feature("gradients", "parameters")


def shared(cases: Sequence[Case]) -> list[Feature]:
    """The features that all of the cases have, and the layers that every network has."""
    functions = [[spec.function for _, spec in case.network.walk() if spec.function is not None]
                 for case in cases]
    losses = {case.network.loss.kind for case in cases}
    common = [name for name in dict.fromkeys(functions[0]) if all(name in f for f in functions)]
    return [*(Feature("activation", name) for name in common),
            *(Feature("loss", name) for name in losses if len(losses) == 1),
            *(Feature("layer", name) for name in LAYERS), PARAMETERS]


@lru_cache(maxsize=4096)
def _restricted(fault: Fault, feature: Feature) -> Fault | None:
    """The same object each time, so that what it does on a case is asked once."""
    return restricted(fault, feature)


def variants_of(fault: Fault, features: Iterable[Feature]) -> list[Fault]:
    """The mistake restricted to each of the features, where it can be."""
    each = (_restricted(fault, feature) for feature in features)
    return [one for one in each if one is not None]


def narrowed(near: Sequence[Witnessed], failing: Sequence[Witnessed], right: Sequence[Witnessed],
             faults: Mapping[str, Fault]) -> Faults:
    """The mistakes in one place only that all these networks bear out.

    `near`: the reduced network and its variations; `failing`: the others where the subject is
    wrong; `right`: where it is not. One of the failing ones must show the mistake too.
    """
    features = shared([seen.case for seen in (near[0], *failing)])
    found: Faults = {}
    for name, fault in faults.items():
        for one in candidates(near, failing, fault, features):
            if name not in found and borne_out(one, near, failing, right):
                found[name] = one
    return found


def candidates(near: Sequence[Witnessed], failing: Sequence[Witnessed], fault: Fault,
               features: Sequence[Feature]) -> Iterator[Fault]:
    """The restricted mistakes that change what the subject has wrong, their numbers put in."""
    for one in variants_of(fault, features):
        if near[0].shows(one) and near[0].changed(one) == set(near[0].wrong):
            told = fitted(one, near)
            if all(seen.agrees(told) for seen in near):
                yield refined(told, near, failing)


def borne_out(fault: Fault, near: Sequence[Witnessed], failing: Sequence[Witnessed],
              right: Sequence[Witnessed]) -> bool:
    """Whether the mistake is the subject's everywhere, and shows on a second network."""
    return (all(seen.agrees(fault) for seen in near)
            and any(seen.shows(fault) for seen in failing)
            and all(seen.agrees(fault) for seen in failing if seen.telling)
            and not any(seen.shows(fault) for seen in right))
