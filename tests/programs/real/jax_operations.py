"""JAX's own rules (custom_jvp) beside definitions that it differentiates by itself."""

import jax
import jax.numpy as jnp
import jax.scipy.special as special
from backproof import program

HALVES = ("float32", "bfloat16")
SIZES = {"N": (1, 17), "D": (1, 129)}
ROWS, PAIR = {"x": ("N", "D")}, {"x": ("N", "D"), "y": ("N", "D")}
POSITIVE = {"shape": ("N", "D"), "values": "positive"}


def operation(function, plain, dtypes=HALVES, **inputs):
    """In bfloat16 every operation is rounded, as XLA's of the CPU are."""
    return {dtype: program(function, plain=plain, inputs=inputs or ROWS, dtypes=[dtype],
                           arithmetic=dtype, sizes=SIZES, framework="jax") for dtype in dtypes}


def plain_softmax(x):
    e = jnp.exp(x - jax.lax.stop_gradient(x.max(-1, keepdims=True)))
    return e / e.sum(-1, keepdims=True)


def plain_logsumexp(x):
    most = jax.lax.stop_gradient(x.max(-1))
    return jnp.log(jnp.exp(x - most[..., None]).sum(-1)) + most


def plain_logaddexp(x, y):
    most = jax.lax.stop_gradient(jnp.maximum(x, y))
    return most + jnp.log(jnp.exp(x - most) + jnp.exp(y - most))


softmax = operation(jax.nn.softmax, plain_softmax)
logsumexp = operation(lambda x: jax.nn.logsumexp(x, -1), plain_logsumexp)
relu = operation(jax.nn.relu, lambda x: jnp.where(x > 0, x, 0.0))
relu6 = operation(jax.nn.relu6, lambda x: jnp.where((x > 0) & (x < 6), x, jnp.where(
    x >= 6, 6.0, 0.0)))
silu = operation(jax.nn.silu, lambda x: x * jax.nn.sigmoid(x))
gelu = operation(lambda x: jax.nn.gelu(x, approximate=False),
                 lambda x: 0.5 * x * (1.0 + jax.lax.erf(x / 2.0 ** 0.5)))
logaddexp = operation(jnp.logaddexp, plain_logaddexp, **PAIR)
sinc = operation(jnp.sinc, lambda x: jnp.sin(jnp.pi * x) / (jnp.pi * x), ("float32",), x=POSITIVE)
xlogy = operation(special.xlogy, lambda x, y: x * jnp.log(y), ("float32",), x=("N", "D"),
                  y=POSITIVE)
xlog1py = operation(special.xlog1py, lambda x, y: x * jnp.log1p(y), ("float32",), x=("N", "D"),
                    y=POSITIVE)
entr = operation(special.entr, lambda x: -x * jnp.log(x), ("float32",), x=POSITIVE)
rel_entr = operation(special.rel_entr, lambda x, y: x * jnp.log(x / y), ("float32",), x=POSITIVE,
                     y=POSITIVE)
