"""The layer kinds: one family a file, this dictionary the only registry."""

from .activation import ACTIVATION
from .dense import DENSE
from .parallel import PARALLEL
from .rule import Option, Rule, Scope, Shapes

LAYERS: dict[str, Rule] = {"dense": DENSE, "activation": ACTIVATION, "parallel": PARALLEL}

__all__ = ["LAYERS", "Option", "Rule", "Scope", "Shapes"]
