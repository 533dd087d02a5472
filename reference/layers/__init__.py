"""The layer kinds: a family a file, each with its rows of LAYERS; a new file is found by itself."""

from ..families import by_file, collected
from ..kinds import Rule

LAYERS: dict[str, Rule] = collected(__name__, __path__, "LAYERS")
# By family, which is a file, its kinds.
FAMILIES = by_file(__name__, __path__, "LAYERS")

__all__ = ["FAMILIES", "LAYERS"]
