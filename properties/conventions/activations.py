"""The slope of an activation at its kink, or at each of two: a program may close one end only."""

from ..convention import at_point

CONVENTIONS = {
    "relu": at_point("relu", 0.0, 0.0, 1.0, 0.5),
    "relu6 at 0": at_point("relu6", 0.0, 0.0, 1.0, 0.5),
    "relu6 at 6": at_point("relu6", 6.0, 0.0, 1.0, 0.5),
    "hard_tanh at -1": at_point("hard_tanh", -1.0, 0.0, 1.0, 0.5),
    "hard_tanh at 1": at_point("hard_tanh", 1.0, 0.0, 1.0, 0.5),
    "abs": at_point("abs", 0.0, 0.0, 1.0, -1.0),
}
