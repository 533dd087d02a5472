"""Which gradients are asked for changes none of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..judged import Failure
from .asked import Asked, Refused
from .comparing import apart, by_key, full, lasting, raised, total

ALL_UP_TO = 3  # inputs of which every subset is asked for
FEW = 4        # subsets where there are more


def subsets(asked: Asked) -> Iterator[Failure]:
    """The gradients of some inputs are those that they have among all.

    Every set of up to three inputs is asked for, of more inputs each alone or all but one, a few.
    """
    if len(asked.able) < 2:
        return
    whole = asked.at(asked.once(wanted=asked.able))
    for some in _chosen(whole):
        try:
            reply = whole.again(wanted=some)
        except Refused as refused:
            yield raised("subsets", asked.trial, refused, asked=", ".join(some))
            continue
        due = by_key(whole.reply.arrays, (*some, *(k for k in whole.reply.arrays
                                                  if k not in asked.able)))
        yield from apart("subsets", whole.trial, full(reply, whole.reply), due,
                         lambda: total(whole.allowed, whole.allowed), asked=", ".join(some))


def _chosen(asked: Asked) -> list[tuple[str, ...]]:
    names = asked.able
    if len(names) <= ALL_UP_TO:
        return [some for count in range(1, len(names))
                for some in itertools.combinations(names, count)]
    one = [(name,) for name in names]
    fewer = [tuple(each for each in names if each != name) for name in names]
    chosen = asked.rng.permutation(len(one) * 2)[:FEW]
    return [(one + fewer)[int(i)] for i in chosen]


check = lasting(subsets)
