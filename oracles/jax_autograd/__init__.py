"""JAX's reverse mode over a forward of its own: nothing of the reference but the description.

`answer` is the plain program, which judges what the others find; `answers` takes several cases of
one structure, `padded` chains of dense layers of any structures, `many` whatever there is.
Conventions on kinks are JAX's: relu'(0) = 0, leaky_relu'(0) = 1, |0|' = 1.
"""

from .mixed import many, padded
from .plain import answer, answers

__all__ = ["answer", "answers", "many", "padded"]
