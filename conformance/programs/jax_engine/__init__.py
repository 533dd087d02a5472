"""Programs of JAX: asked with jax.vjp; their plain forms traced, and computed by NumPy in float64.
"""

from .engine import ENGINE

__all__ = ["ENGINE"]
