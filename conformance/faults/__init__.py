"""The fault table: every known mistake, by name; and how to bring your own.

    FAULTS = {"my-mistake": Fault("bias", "what one sees", "the wrong line", "the right line",
                                  "where it was seen", make)}

in a module of yours, and `python -m backproof matrix --faults my_faults.py`.
"""

from .core import Fault, Faults, Number, numbered, table_of
from .known import FAULTS
from .loading import load
from .showing import shows

# Those that give the same answer to the same question.
STATELESS: Faults = {name: fault for name, fault in FAULTS.items() if fault.family != "state"}

__all__ = ["FAULTS", "STATELESS", "Fault", "Faults", "Number", "load", "numbered", "shows",
           "table_of"]
