"""The slope of an activation at its kink."""

from ..convention import at_point

CONVENTIONS = {
    "relu": at_point("relu", 0.0, 0.0, 1.0, 0.5),
}
