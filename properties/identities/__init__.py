"""The exact identities of backpropagation: a topic a file, found by itself."""

from ...reference.families import collected
from ..identity import Equation, Needs, Property, Question, Reply, rows

PROPERTIES: dict[str, Property] = collected(__name__, __path__, "PROPERTIES")

__all__ = ["PROPERTIES", "Equation", "Needs", "Property", "Question", "Reply", "rows"]
