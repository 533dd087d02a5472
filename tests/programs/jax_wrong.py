"""Wrong custom_vjp rules, written as people write fused kernels, beside plain forms that are right.

A finding must point to a line of the plain form that is marked `# here`; where several are marked, a mistake at one gives
the numbers of a mistake at the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from backproof.programs.program import Program, program

EPSILON = 1e-5


@dataclass(frozen=True)
class Wrong:
    """A rule: forward(inputs) -> (output, saved), backward(saved, cotangent) -> gradients. `like` is what it imitates.

    is_named: whether a line is told of it; no wrong line may be.
    """

    name: str
    plain: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: dict[str, Any]
    like: str = ""
    dtype: str = "float32"
    sizes: dict[str, Any] = field(default_factory=dict)
    is_named: bool = True

    def program(self) -> Program:
        rule = jax.custom_vjp(lambda *inputs: self.forward(*inputs)[0])
        rule.defvjp(self.forward, self.backward)
        return program(rule, plain=self.plain, inputs=self.inputs, dtypes=[self.dtype],
                       sizes={"N": [6], "D": [8], "C": [5], "T": [4], "E": [4]} | self.sizes, framework="jax")

    def lines(self) -> set[int]:
        """The numbers of the marked lines of the plain form."""
        text, first = inspect.getsourcelines(self.plain)
        return {first + i for i, line in enumerate(text) if line.rstrip().endswith("# here")}


# --- layer norm -------------------------------------------------------------------------------------------------------


def norm_plain_mean(x, weight, bias):
    mean = x.mean(-1, keepdims=True)  # here
    centred = x - mean  # here
    rstd = 1.0 / jnp.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
    return centred * rstd * weight + bias


def norm_plain_variance(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)  # here
    rstd = 1.0 / jnp.sqrt(variance + EPSILON)  # here
    return centred * rstd * weight + bias  # here


def norm_plain_affine(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    rstd = 1.0 / jnp.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
    scaled = centred * rstd * weight  # here
    return scaled + bias  # here


def norm_forward(x, weight, bias):
    mean = x.mean(-1, keepdims=True)
    rstd = jax.lax.rsqrt(jnp.square(x - mean).mean(-1, keepdims=True) + EPSILON)
    normed = (x - mean) * rstd
    return normed * weight + bias, (normed, rstd, weight)


def norm_backward(saved, dy, mean=1.0, variance=1.0):
    normed, rstd, weight = saved
    g = dy * weight
    dx = rstd * (g - mean * g.mean(-1, keepdims=True) - variance * normed * (g * normed).mean(-1, keepdims=True))
    return dx, (dy * normed).sum(0), dy.sum(0)


def norm_averaged(saved, dy):
    dx, dw, db = norm_backward(saved, dy)
    return dx, dw / dy.shape[0], db


def norm_swapped(saved, dy):
    dx, dw, db = norm_backward(saved, dy)
    return dx, db, dw


def norm_last_block(saved, dy):
    """Rows in blocks of 4; the last block is not full, and left out."""
    normed = saved[0]
    whole = dy.shape[0] // 4 * 4
    dx, _, _ = norm_backward(saved, dy)
    return dx, (dy * normed)[:whole].sum(0), dy[:whole].sum(0)


NORM = {"x": ("N", "D"), "weight": ("D",), "bias": ("D",)}


# --- elementwise and softmax ------------------------------------------------------------------------------------------


def gelu_plain(x):
    inner = 0.7978845608028654 * (x + 0.044715 * x**3)
    gate = 0.5 * (1.0 + jnp.tanh(inner))  # here
    return x * gate  # here


def gelu_forward(x):
    t = jnp.tanh(0.7978845608028654 * (x + 0.044715 * x**3))
    return 0.5 * x * (1.0 + t), t


def gelu_backward(t, dy):
    return (dy * 0.5 * (1.0 + t),)


def softmax_plain(x):
    e = jnp.exp(x - jax.lax.stop_gradient(x.max(-1, keepdims=True)))
    total = e.sum(-1, keepdims=True)  # here
    return e / total  # here


def softmax_forward(x):
    p = jax.nn.softmax(x)
    return p, p


def softmax_backward(p, dy):
    return (p * dy,)


def capped_plain(x):
    scaled = x / 3.0
    bounded = jnp.tanh(scaled)  # here
    return 3.0 * bounded


def capped_forward(x):
    return 3.0 * jnp.tanh(x / 3.0), None


def capped_backward(_, dy):
    return (dy,)


def gated_plain(x, gate):
    opened = jax.nn.sigmoid(gate)  # here
    return x * opened


def gated_forward(x, gate):
    s = jax.nn.sigmoid(gate)
    return x * s, (x, s)


def gated_backward(saved, dy):
    x, s = saved
    return dy * s, dy * x * s


# --- losses and embeddings --------------------------------------------------------------------------------------------


def loss_plain(logits, labels):
    shifted = logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    logp = shifted - jnp.log(jnp.exp(shifted).sum(-1, keepdims=True))
    picked = jnp.take_along_axis(logp, labels[:, None], -1)  # here
    return -picked[:, 0]  # here


def loss_forward(logits, labels):
    logp = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(logp, labels[:, None], -1)[:, 0], (jnp.exp(logp), labels)


def loss_first(saved, dy):
    p, labels = saved
    return (p - jax.nn.one_hot(labels, p.shape[-1], dtype=p.dtype)) * dy[0], None


def loss_ignored(saved, dy):
    p, labels = saved
    return p - jax.nn.one_hot(labels, p.shape[-1], dtype=p.dtype), None


def narrow_plain(logits, labels):
    shifted = logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    exponentials = jnp.exp(shifted)
    p = exponentials / exponentials.sum(-1, keepdims=True)  # here
    return p - labels


def narrow_forward(logits, labels):
    p = jax.nn.softmax(logits.astype(jnp.float32))
    return (p - labels.astype(jnp.float32)).astype(logits.dtype), p.astype(logits.dtype)


def narrow_rounded(p, dy):
    """float32 inside, but 1 - p is taken of a p that was rounded to bfloat16."""
    wide, dy = p.astype(jnp.float32), dy.astype(jnp.float32)
    return (wide * (dy - (wide * dy).sum(-1, keepdims=True))).astype(p.dtype), (-dy).astype(p.dtype)


def embedding_plain(table, index):
    return table[index]  # here


def embedding_forward(table, index):
    return jnp.take(table, index, 0), (table, index)


def embedding_overwritten(saved, dy):
    table, index = saved
    return jnp.zeros_like(table).at[index].set(dy), None


# --- products ---------------------------------------------------------------------------------------------------------


def linear_plain(x, weight, bias):
    product = x @ weight  # here
    return product + bias  # here


def linear_forward(x, weight, bias):
    return x @ weight + bias, (x, weight)


def linear_mean(saved, dy):
    x, weight = saved
    return dy @ weight.T, x.T @ dy, dy.mean(0)


def linear_transposed(saved, dy):
    x, weight = saved
    return dy @ weight.T, dy.T @ x, dy.sum(0)


def scores_plain(q, k):
    products = q @ k.T  # here
    return products / jnp.sqrt(1.0 * q.shape[-1])  # here


def scores_forward(q, k):
    scale = q.shape[-1] ** -0.5
    return (q @ k.T) * scale, (q, k, scale)


def scores_backward(saved, dy):
    q, k, scale = saved
    return dy @ k, dy.T @ q * scale


def grouped_plain(q, k):
    """Two queries to a key."""
    repeated = jnp.repeat(k, 2, axis=0)  # here
    return q * repeated  # here


def grouped_forward(q, k):
    return q * jnp.repeat(k, 2, axis=0), (q, k)


def grouped_backward(saved, dy):
    q, k = saved
    return dy * jnp.repeat(k, 2, axis=0), (dy * q)[::2]


# --- in time, and beside ----------------------------------------------------------------------------------------------


def recurrence_plain(x, a):
    def step(h, row):
        h = jnp.tanh(a * h + row)  # here
        return h, h
    return jax.lax.scan(step, jnp.zeros_like(x[0]), x)[1]


def recurrence_forward(x, a):
    hs = recurrence_plain(x, a)
    return hs, (hs, a)


def recurrence_truncated(saved, dy):
    """What h owes to the h before it is left out of dx and of da."""
    hs, _ = saved
    dz = dy * (1.0 - hs * hs)
    before = jnp.concatenate([jnp.zeros_like(hs[:1]), hs[:-1]])
    return dz, (dz * before).sum(0)


def residual_plain(x, r):
    total = x + r  # here
    return total * jax.nn.sigmoid(total)


def residual_forward(x, r):
    z = x + r
    s = jax.nn.sigmoid(z)
    return z * s, (z, s)


def residual_none(saved, dy):
    z, s = saved
    return dy * (s + z * s * (1.0 - s)), jnp.zeros_like(z)


def masked_plain(x, mask):
    kept = jnp.where(mask, x, 0.0)  # here
    return kept * 2.0  # here


def masked_forward(x, mask):
    return jnp.where(mask, x, 0.0) * 2.0, None


def masked_backward(_, dy):
    return dy * 2.0, None


WRONG = {row.name: row for row in (
    Wrong("the mean's path", norm_plain_mean, norm_forward, lambda s, dy: norm_backward(s, dy, mean=0.0), NORM),
    Wrong("the variance's path", norm_plain_variance, norm_forward, lambda s, dy: norm_backward(s, dy, variance=0.0),
          NORM),
    Wrong("a gain averaged over the rows", norm_plain_affine, norm_forward, norm_averaged, NORM),
    Wrong("gain and bias swapped", norm_plain_affine, norm_forward, norm_swapped, NORM),
    Wrong("the last block of rows", norm_plain_affine, norm_forward, norm_last_block, NORM, "attorch#18"),
    Wrong("the gate's own derivative", gelu_plain, gelu_forward, gelu_backward, {"x": ("N", "D")}),
    Wrong("the normaliser's path", softmax_plain, softmax_forward, softmax_backward, {"x": ("N", "D")}, "FLA#875"),
    Wrong("the cap's derivative", capped_plain, capped_forward, capped_backward, {"x": ("N", "D")},
          "flash-attention#2402"),
    Wrong("y for y (1 - y)", gated_plain, gated_forward, gated_backward, {"x": ("N", "D"), "gate": ("N", "D")}),
    Wrong("the first row's cotangent for all", loss_plain, loss_forward, loss_first,
          {"logits": ("N", "C"), "labels": {"shape": ("N",), "index": "C"}}, "Liger#1298"),
    Wrong("the cotangent ignored", loss_plain, loss_forward, loss_ignored,
          {"logits": ("N", "C"), "labels": {"shape": ("N",), "index": "C"}}, "TransformerEngine#2139"),
    Wrong("a probability rounded too early", narrow_plain, narrow_forward, narrow_rounded,
          {"logits": {"shape": ("N", "C"), "values": "one large"}, "labels": {"shape": ("N", "C"), "values": "unit"}},
          "Liger#1329", dtype="bfloat16", is_named=False),
    Wrong("a repeated index overwrites", embedding_plain, embedding_forward, embedding_overwritten,
          {"table": ("C", "D"), "index": {"shape": ("N",), "index": "C"}}, "tt-metal#6232", sizes={"N": [12]}),
    Wrong("a bias averaged", linear_plain, linear_forward, linear_mean,
          {"x": ("N", "D"), "weight": ("D", "C"), "bias": ("C",)}),
    Wrong("a square weight transposed", linear_plain, linear_forward, linear_transposed,
          {"x": ("N", "D"), "weight": ("D", "D"), "bias": ("D",)}),
    Wrong("the scale left out of dq", scores_plain, scores_forward, scores_backward, {"q": ("N", "D"), "k": ("C", "D")}),
    Wrong("the group's first alone", grouped_plain, grouped_forward, grouped_backward,
          {"q": ("2 * N", "D"), "k": ("N", "D")}, "Levanter#449"),
    Wrong("nothing through time", recurrence_plain, recurrence_forward, recurrence_truncated,
          {"x": ("T", "D"), "a": {"shape": ("D",), "values": "unit"}}),
    Wrong("the residual's gradient 0", residual_plain, residual_forward, residual_none,
          {"x": ("N", "D"), "r": ("N", "D")}, "quack#52"),
    Wrong("the mask left out", masked_plain, masked_forward, masked_backward,
          {"x": ("N", "D"), "mask": {"shape": ("N", "D"), "dtype": "bool"}}),
)}
