"""What a run does: how many networks, for how long, against which oracles, drawn from where."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

if TYPE_CHECKING:
    from ..properties.claims import Claims
    from ..reference import Case

BYTES = 4096   # more than any draw reads
PATIENCE = 20
LARGE_COMPARISONS = 33  # wanted of every dtype, where all networks claimed are large
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How much a run asks.

    examples: networks. each: so many for every structure claimed, where that is more. seconds: the
    time limit. oracles: names, None for all. require: those that must be there. stop_after: end
    once so many networks have failed, None for never. entrywise: differences and the complex step
    of every entry, not along directions. first: cases to ask before any is drawn. fewer: few of
    them where all networks claimed are large. bulk: so many questions more, many draws of a
    structure together, judged by their values alone.
    """

    examples: int = 300
    seconds: float = 60.0
    seed: int = 0
    oracles: tuple[str, ...] | None = None
    require: tuple[str, ...] = ()
    stop_after: int | None = None
    entrywise: bool = False
    first: tuple[Case, ...] = ()
    each: int = 0
    bulk: int = 0
    fewer: bool = False

    def wide_enough(self, claims: Claims) -> Plan:
        """The plan with as many networks as the structures claimed want, or as large ones do."""
        most = max(self.examples, self.each * len(claims.structures))
        if self.fewer and all_large(claims):
            most = min(most, few_large(claims))
        return replace(self, examples=most, each=0)

    def to_json(self) -> dict[str, Any]:
        """The plan as data; of the first cases, where there are any, the ids."""
        data = asdict(replace(self, first=()))
        del data["first"], data["each"], data["bulk"], data["fewer"]
        more = {"bulk": self.bulk} if self.bulk else {}
        return data | more | ({"first": [case.id for case in self.first]} if self.first else {})


def all_large(claims: Claims) -> bool:
    """Whether whole networks are claimed, and every one of them is large."""
    from ..reference import infer
    from ..reference.case import LARGE

    sizes = [sum(math.prod(shape) for shape in infer(network).parameters.values())
             for network in claims.networks]
    return bool(sizes) and min(sizes) >= LARGE


def few_large(claims: Claims) -> int:
    """So many large networks that every dtype has enough comparisons of weights."""
    weights = min(len(network.sizes) - 1 for network in claims.networks)
    return len(claims.dtypes) * math.ceil(LARGE_COMPARISONS / max(1, weights))


def drawn(strategy: SearchStrategy[Any], start: int) -> Iterator[Any]:
    """Endless draws from a strategy, each independent of the others; the same for the same start.

    The strategy reads random bytes, as under a fuzzer: Hypothesis's own search changes what it drew
    before, so that one network comes in many guises and rare features come in clusters. No profile
    and no database is touched.
    """
    found: list[Any] = []

    @settings(database=None, deadline=None, phases=(Phase.generate,),
              suppress_health_check=tuple(HealthCheck))
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    draw, random = cast(Any, collect).hypothesis.fuzz_one_input, Random(start)
    while True:
        draw(random.randbytes(BYTES))
        yield from found
        found.clear()


def different(draws: Iterable[T], key: Callable[[T], Any], seen: Iterable[Any] = ()) -> Iterator[T]:
    """The draws without those whose key came before, or is among `seen`.

    Where the keys run out, draws come again rather than never: every new key allows one draw to be
    left out, and PATIENCE are allowed from the start. Of the keys only the hashes are kept, which
    take a hundredth of the memory of ten thousand networks.
    """
    known, left = set(map(hash, seen)), PATIENCE
    for draw in draws:
        if (which := hash(key(draw))) in known and left:
            left -= 1
            continue
        left += which not in known
        known.add(which)
        yield draw
