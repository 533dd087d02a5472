"""PyTorch's reverse mode over a forward of its own: nothing of the reference but the description.

`answer` takes one case, `answers` several of one structure in one pass, `many` whatever there is.
Conventions on kinks are PyTorch's: relu'(0) = 0, leaky_relu'(0) = slope, |0|' = 0.
"""

from .plain import answer
from .together import answers, many

__all__ = ["answer", "answers", "many"]
