"""The layer kinds in torch.nn, as a user writes them: a family a file, found by itself."""

from .....reference.families import collected
from ..builder import Make

LAYERS: dict[str, Make] = collected(__name__, __path__, "LAYERS")
