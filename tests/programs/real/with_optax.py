"""optax: projections and losses with rules of their own."""

import jax
import jax.numpy as jnp
from backproof import program
from package_shelf import use

use("optax")
import optax  # noqa: E402
from jax_operations import plain_logsumexp  # noqa: E402

SIZES = {"N": (1, 17), "D": (1, 33)}


def operation(function, plain, **inputs):
    return program(function, plain=plain, inputs=inputs, dtypes=["float32"], sizes=SIZES,
                   framework="jax")


def plain_simplex(x):
    """Which entries stay is a matter of their order alone."""
    held = jax.lax.stop_gradient(x)
    ordered = jnp.sort(held)[::-1]
    count = jnp.arange(1, x.shape[0] + 1)
    kept = (count * ordered > jnp.cumsum(ordered) - 1.0).sum()
    inside = held >= ordered[kept - 1]
    tau = (jnp.where(inside, x, 0.0).sum() - 1.0) / kept
    return jnp.where(inside, x - tau, 0.0)


def plain_weighted(logits, labels):
    logp = logits - plain_logsumexp(logits)[..., None]
    return -(labels * logp).sum(-1)


projection_simplex = operation(optax.projections.projection_simplex, plain_simplex, x=("D",))
safe_softmax_cross_entropy = operation(
    optax.losses.safe_softmax_cross_entropy, plain_weighted, logits=("N", "D"),
    labels={"shape": ("N", "D"), "values": "probability"})
scale_gradient = operation(lambda x: optax.scale_gradient(x, 0.5),
                           lambda x: 0.5 * x + jax.lax.stop_gradient(0.5 * x), x=("N", "D"))
