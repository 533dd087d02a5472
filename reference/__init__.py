"""What is true, written plainly: network descriptions, layers, losses and their backpropagation, in NumPy alone."""

from .activations import ACTIVATIONS, Activation
from .backprop import Trace, evaluate, forward, kinked
from .case import Answer, Case, Engine
from .description import DescriptionError, LayerSpec, LossSpec, Network
from .layers import LAYERS, Option, Rule, Shapes
from .losses import LOSSES, Loss
from .shapes import infer
from .tables import TABLES, Tables

__all__ = [
    "ACTIVATIONS", "LAYERS", "LOSSES", "TABLES",
    "Activation", "Answer", "Case", "DescriptionError", "Engine", "LayerSpec", "Loss", "LossSpec", "Network",
    "Option", "Rule", "Shapes", "Tables", "Trace",
    "evaluate", "forward", "infer", "kinked",
]
