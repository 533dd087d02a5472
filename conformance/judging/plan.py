"""What a run does: how many networks, for how long, against which oracles, drawn from where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

if TYPE_CHECKING:
    from ..reference import Case

CHUNK = 25


@dataclass(frozen=True)
class Plan:
    """How much a run asks.

    examples: networks. seconds: the time limit. oracles: names, None for all. require: those that
    must be there. stop_after: end once so many networks have failed, None for never. entrywise:
    differences and the complex step of every entry, not along directions. first: cases to ask
    before any is drawn.
    """

    examples: int = 300
    seconds: float = 60.0
    seed: int = 0
    oracles: tuple[str, ...] | None = None
    require: tuple[str, ...] = ()
    stop_after: int | None = None
    entrywise: bool = False
    first: tuple[Case, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The plan as data; of the first cases, where there are any, the ids."""
        data = asdict(replace(self, first=()))
        del data["first"]
        return data | ({"first": [case.id for case in self.first]} if self.first else {})


def drawn(strategy: SearchStrategy[Any], start: int) -> Iterator[Any]:
    """Endless draws from a strategy, the same for the same start.

    No profile and no database is touched.
    """
    chunk = start * 1_000_003
    while True:
        yield from _chunk(strategy, chunk)
        chunk += 1


def _chunk(strategy: SearchStrategy[Any], number: int) -> list[Any]:
    found: list[Any] = []

    @seed(number)
    @settings(max_examples=CHUNK, database=None, deadline=None, phases=(Phase.generate,),
              suppress_health_check=tuple(HealthCheck), derandomize=False)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found
