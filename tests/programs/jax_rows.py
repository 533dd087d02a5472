"""Functions of JAX and optax beside plain forms as people write them: a row for each.

A plain form never is the same call. `sums` says what a row's long sums are kept in when it is asked in a narrow dtype: JAX
adds up the gradient of a broadcast operand in the dtype itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from backproof.programs.program import Program, program

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Right:
    """A function, its plain form, and what it takes. sums: in a narrow dtype they are float32's, or the dtype's."""

    name: str
    function: Callable[..., Any]
    plain: Callable[..., Any]
    inputs: Inputs = field(default_factory=lambda: {"x": ("N", "D")})
    sizes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    sums: str = "float32"
    dtypes: tuple[str, ...] = ("float32", "bfloat16", "float16")

    def program(self, dtype: str) -> Program:
        """The program in one dtype: rounded after every operation there."""
        sums = dtype if self.sums == "dtype" or dtype == "float64" else "float32"
        return program(self.function, plain=self.plain, inputs=self.inputs, dtypes=[dtype], arithmetic=dtype,
                       accumulate=sums, sizes=self.sizes, options=self.options, framework="jax")


def softmax(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - jnp.log(jnp.exp(shifted).sum(-1, keepdims=True))


def logsumexp(x):
    m = x.max(-1, keepdims=True)
    return m[..., 0] + jnp.log(jnp.exp(x - m).sum(-1))


def gelu(x):
    return 0.5 * x * (1.0 + jax.lax.erf(x / jnp.sqrt(2.0)))


def gelu_tanh(x):
    return 0.5 * x * (1.0 + jnp.tanh(jnp.sqrt(2.0 / jnp.pi) * (x + 0.044715 * x * x * x)))


def sigmoid(x):
    return 1.0 / (1.0 + jnp.exp(-x))


def softplus(x):
    return jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def standardize(x):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5)


def standardize_in_one_pass(x):
    """As jax.nn has it."""
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt((x * x).mean(-1, keepdims=True) - mean * mean + 1e-5)


def glu(x):
    half = x.shape[-1] // 2
    return x[..., :half] * sigmoid(x[..., half:])


def celu(x):
    return jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0.0)))


def squareplus(x):
    return (x + jnp.sqrt(x * x + 4.0)) / 2.0


def relu6(x):
    return jnp.where(x > 0, jnp.where(x < 6, x, 6.0), 0.0)


def hard_tanh(x):
    return jnp.where(x > 1, 1.0, jnp.where(x < -1, -1.0, x))


def hard_sigmoid(x):
    return relu6(x + 3.0) / 6.0


def hard_silu(x):
    return x * hard_sigmoid(x)


def attention(q, k, v):
    """(batch, time, heads, width) each, as jax.nn.dot_product_attention has them."""
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(1.0 * q.shape[-1])
    return jnp.einsum("bhts,bshd->bthd", softmax(scores), v)


def causal_attention(q, k, v):
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(1.0 * q.shape[-1])
    seen = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    return jnp.einsum("bhts,bshd->bthd", softmax(jnp.where(seen, scores, -1e4)), v)


def cross_entropy(logits, labels):
    return (labels * -log_softmax(logits)).sum(-1)


def integer_cross_entropy(logits, labels):
    return -jnp.take_along_axis(log_softmax(logits), labels[:, None], -1)[:, 0]


def binary_cross_entropy(logits, labels):
    return labels * softplus(-logits) + (1.0 - labels) * softplus(logits)


def huber_by_parts(x, y):
    """As optax has it."""
    apart = jnp.abs(x - y)
    quadratic = jnp.minimum(apart, 1.0)
    return 0.5 * quadratic**2 + (apart - quadratic)


def huber(x, y):
    apart = jnp.abs(x - y)
    return jnp.where(apart <= 1.0, 0.5 * apart**2, apart - 0.5)


def log_cosh(x, y):
    apart = x - y
    return jnp.abs(apart) + jnp.log1p(jnp.exp(-2.0 * jnp.abs(apart))) - jnp.log(2.0)


def focal(logits, labels):
    p = sigmoid(logits)
    agreed = p * labels + (1.0 - p) * (1.0 - labels)
    return binary_cross_entropy(logits, labels) * (1.0 - agreed) ** 2


def cosine(x, y):
    return (x * y).sum(-1) / (jnp.sqrt((x * x).sum(-1)) * jnp.sqrt((y * y).sum(-1)))


def optax_loss(name: str, **given: Any) -> Callable[..., Any]:
    """A loss of optax by name, loaded when it is called."""
    def loss(*arrays: Any) -> Any:
        import optax

        return getattr(optax.losses, name)(*arrays, **given)
    loss.__qualname__ = name
    return loss


HEADS = dict.fromkeys(("q", "k", "v"), ("B", "T", "H", "E"))
SMALL = {"B": (1, 3), "T": [1, 2, 7, 16, 17], "H": (1, 3), "E": [1, 4, 8, 9]}
WIDE = ("float32", "bfloat16")  # XLA has no product of float16 summed in float32 on the CPU
EVEN = {"x": ("N", "2 * D")}
PAIR = {"x": ("N", "D"), "y": ("N", "D")}
LABELS = {"logits": ("N", "C"), "labels": {"shape": ("N", "C"), "values": "unit"}}
INDICES = {"logits": ("N", "C"), "labels": {"shape": ("N",), "index": "C"}}

OF_JAX = (
    Right("softmax", jax.nn.softmax, softmax),
    Right("log_softmax", jax.nn.log_softmax, log_softmax),
    Right("logsumexp", lambda x: jax.nn.logsumexp(x, axis=-1), logsumexp),
    Right("gelu", lambda x: jax.nn.gelu(x, approximate=False), gelu),
    Right("gelu, tanh", jax.nn.gelu, gelu_tanh),
    Right("sigmoid", jax.nn.sigmoid, sigmoid),
    Right("silu", jax.nn.silu, lambda x: x * sigmoid(x)),
    Right("softplus", jax.nn.softplus, softplus),
    Right("log_sigmoid", jax.nn.log_sigmoid, lambda x: -softplus(-x)),
    Right("standardize", jax.nn.standardize, standardize_in_one_pass, dtypes=WIDE),  # in float16 it may give NaN
    Right("glu", jax.nn.glu, glu, EVEN),
    Right("celu", jax.nn.celu, celu),
    Right("squareplus", jax.nn.squareplus, squareplus),
    Right("mish", jax.nn.mish, lambda x: x * jnp.tanh(softplus(x))),
    Right("relu6", jax.nn.relu6, relu6),
    Right("hard_tanh", jax.nn.hard_tanh, hard_tanh),
    Right("hard_sigmoid", jax.nn.hard_sigmoid, hard_sigmoid),
    Right("hard_silu", jax.nn.hard_silu, hard_silu),
    Right("dot_product_attention", jax.nn.dot_product_attention, attention, HEADS, SMALL,
          dtypes=WIDE),
    Right("causal attention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True), causal_attention,
          HEADS, SMALL, dtypes=WIDE),
)
OF_OPTAX = (
    Right("softmax_cross_entropy", optax_loss("softmax_cross_entropy"), cross_entropy, LABELS),
    Right("softmax_cross_entropy_with_integer_labels", optax_loss("softmax_cross_entropy_with_integer_labels"),
          integer_cross_entropy, INDICES),
    Right("sigmoid_binary_cross_entropy", optax_loss("sigmoid_binary_cross_entropy"), binary_cross_entropy, LABELS),
    Right("huber_loss", optax_loss("huber_loss"), huber_by_parts, PAIR),
    Right("log_cosh", optax_loss("log_cosh"), log_cosh, PAIR),
    Right("sigmoid_focal_loss", optax_loss("sigmoid_focal_loss"), focal, LABELS),
    Right("cosine_similarity", optax_loss("cosine_similarity"), cosine, PAIR),
    Right("squared_error", optax_loss("squared_error"), lambda x, y: (x - y) ** 2, PAIR),
)
RIGHT = {row.name: row for row in (*OF_JAX, *OF_OPTAX)}
# What loses digits beside the plain form, and why.
LOSING = {row.name: (row, why) for row, why in (
    (Right("standardize, mean 30", jax.nn.standardize, standardize),
     "its variance is E[x^2] - E[x]^2, which cancels where the mean is large"),
    (Right("huber_loss, small residuals", optax_loss("huber_loss"), huber, PAIR),
     "its gradient is 1 + (|x - y| - 1), which cancels where x is near y"),
)}
