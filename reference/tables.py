"""The tables of this package, as the one value that the reference takes as an argument."""

from .activations import ACTIVATIONS
from .chain import step
from .kinds import Tables
from .layers import LAYERS
from .losses import LOSSES
from .sites import AFFINE

TABLES = Tables(LAYERS, ACTIVATIONS, LOSSES, AFFINE, step)
