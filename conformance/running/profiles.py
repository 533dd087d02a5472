"""How much a run asks, by name. Hypothesis's own profiles are neither read nor changed."""

from __future__ import annotations

from typing import NamedTuple


class Profile(NamedTuple):
    """examples: random networks; seconds: the time limit, whichever is first.

    each: networks for every structure claimed, where that is more. entrywise: differences and the
    complex step of every entry, not along directions.
    """

    examples: int
    seconds: float
    says: str
    entrywise: bool = False
    each: int = 0


PROFILES = {
    "quick": Profile(60, 20.0, "few networks, while you write"),
    "default": Profile(300, 60.0, "what `verify` asks", each=14),
    "thorough": Profile(3000, 1200.0, "many networks, for a night or a release", True, 100),
}


def listed() -> str:
    """"quick: 60 networks, at most 20 s; ..."."""
    return "; ".join(f"{name}: {row.examples} networks, at most {row.seconds:g} s"
                     for name, row in PROFILES.items())
