"""The conventions at kinks: those of a family in a file of its own, found by itself."""

from ...reference.families import collected
from ..convention import Convention

CONVENTIONS: dict[str, Convention] = collected(__name__, __path__, "CONVENTIONS")

__all__ = ["CONVENTIONS"]
