"""The fault table: every known mistake, by name."""

from .bias import FAULTS as BIAS
from .core import Fault, table_of

FAULTS = table_of(BIAS)

__all__ = ["FAULTS", "Fault"]
