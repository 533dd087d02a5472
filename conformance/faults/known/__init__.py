"""The known mistakes: a family a file, found by itself."""

from ...reference.families import collected
from ..core import Faults

# The order decides between mistakes that a subject is equally consistent with.
FIRST = ("bias", "activations", "functions", "losses", "logarithms", "margins", "upstream",
         "propagation", "forward", "state", "precision", "rare")
FAULTS: Faults = collected(__name__, __path__, "FAULTS", FIRST)
