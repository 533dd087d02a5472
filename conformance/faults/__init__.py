"""The fault table: every known mistake, by name; a family a file, found by itself.

    FAULTS = {"my-mistake": Fault("bias", "what one sees", "the wrong line", "the right line",
                                  "where it was seen", engine)}

in a module of yours, and `python -m backproof matrix --faults my_faults.py`.
"""

from ..reference.families import collected
from .core import Fault, Faults, table_of

# The order decides between mistakes that a subject is equally consistent with.
FIRST = ("bias", "activations", "losses", "propagation", "state", "precision", "rare")
FAULTS: Faults = collected(__name__, __path__, "FAULTS", FIRST)

__all__ = ["FAULTS", "Fault", "Faults", "table_of"]
