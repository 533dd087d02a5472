"""What is true, written plainly: network descriptions, layers, losses and their backpropagation."""

from .activations import ACTIVATIONS
from .backprop import Trace, evaluate, forward
from .case import Answer, Case, Engine
from .checks import DescriptionError
from .kinds import Activation, Affine, Loss, Option, Pass, Rule, Shapes, Site, Tables
from .layers import LAYERS
from .losses import LOSSES
from .network import LayerSpec, LossSpec, Network
from .shapes import infer
from .tables import TABLES

__all__ = [
    "ACTIVATIONS", "LAYERS", "LOSSES", "TABLES",
    "Activation", "Affine", "Answer", "Case", "DescriptionError", "Engine", "LayerSpec", "Loss",
    "LossSpec", "Network", "Option", "Pass", "Rule", "Shapes", "Site", "Tables", "Trace",
    "evaluate", "forward", "infer",
]
