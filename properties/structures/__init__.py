"""The structures that networks are drawn with: a family a file, found by itself."""

from collections.abc import Iterable
from functools import lru_cache

from ...reference import Network
from ...reference.families import collected
from ..structure import Structure

STRUCTURES: dict[str, Structure] = collected(__name__, __path__, "STRUCTURES")
PLAIN, chain = next((name, row.plain) for name, row in STRUCTURES.items() if row.plain)


def structures_of(network: Network) -> list[str]:
    """The structures a network has, by name; a plain chain has the plain one only."""
    return list(_found(network))


@lru_cache(maxsize=512)
def _found(network: Network) -> tuple[str, ...]:
    owners = [row.owns for row in STRUCTURES.values()]
    loose = any(spec.branches and not any(owns(spec) for owns in owners)
                for _, spec in network.walk())
    return tuple(name for name, row in STRUCTURES.items()
                 if row.has(network) and (loose or not row.branches))


def structured(network: Network, claimed: Iterable[str]) -> bool:
    """Whether the network is one of these structures, and has no other."""
    more, claimed = set(structures_of(network)) - {PLAIN}, set(claimed)
    return more <= allowed(claimed) and (bool(more & claimed) or PLAIN in claimed)


def allowed(claimed: Iterable[str]) -> set[str]:
    """The structures claimed, and what they may be made of where nothing is said of that."""
    claimed = set(claimed)
    made_of = (STRUCTURES[name].made_of for name in claimed)
    return claimed.union(*(kinds for kinds in made_of if not claimed & set(kinds)))
