"""The layer kinds in JAX: a family a file, found by itself."""

from ....reference.families import collected
from ..chain import Layer

LAYERS: dict[str, Layer] = collected(__name__, __path__, "LAYERS")
