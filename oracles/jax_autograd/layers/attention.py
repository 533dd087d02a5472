"""Attention in JAX, in einsums, with the query heads of a key head on an axis of their own."""

from typing import Any

import jax.numpy as jnp

from ..chain import Here, Layer

Array = Any


def projected(here: Here, name: str, x: Array) -> Array:
    y = jnp.einsum("btn,nm->btm", x, here.parameter(f"{name}_weight"))
    return y + here.parameter(f"{name}_bias") if here.spec.options["bias"] else y


def rotated(x: Array, rotary: str) -> Array:
    """x cos + (x with the partners swapped, one of them negated) sin; x: (batch, time, ..., d)."""
    if rotary == "none":
        return x
    d, lead = x.shape[-1], (1, x.shape[1], *(1,) * (x.ndim - 3))
    angle = jnp.arange(x.shape[1])[:, None] / 10000.0 ** (jnp.arange(0, d, 2) / d)
    if rotary == "halves":
        angle = jnp.concatenate([angle, angle], axis=-1)
        partner = jnp.concatenate([-x[..., d // 2:], x[..., :d // 2]], axis=-1)
    else:
        angle = jnp.repeat(angle, 2, axis=-1)
        partner = jnp.stack([-x[..., 1::2], x[..., 0::2]], axis=-1).reshape(x.shape)
    angle = angle.reshape(*lead, d).astype(x.dtype)
    return x * jnp.cos(angle) + partner * jnp.sin(angle)


def attention(here: Here, x: Array) -> Array:
    options, (batch, steps, _) = here.spec.options, x.shape
    heads = options["heads"]
    groups = options["key_heads"] or heads
    query = projected(here, "query", x).reshape(batch, steps, groups, heads // groups, -1)
    key = projected(here, "key", x).reshape(batch, steps, groups, -1)
    value = projected(here, "value", x).reshape(batch, steps, groups, -1)
    query, key = rotated(query, options["rotary"]), rotated(key, options["rotary"])
    scores = jnp.einsum("bqghd,bkgd->bghqk", query, key) / jnp.sqrt(
        jnp.asarray(query.shape[-1], x.dtype))
    if options["softcap"] is not None:
        scores = options["softcap"] * jnp.tanh(scores / options["softcap"])
    allowed = jnp.ones((batch, 1, 1, steps, steps), bool)
    if options["causal"]:
        allowed = allowed & (jnp.arange(steps)[:, None] >= jnp.arange(steps))
    if options["mask"]:
        allowed = allowed & (here.values[f"{here.name}.mask"] > 0)[:, None, None, None, :]
    largest = jnp.max(jnp.where(allowed, scores, -jnp.inf), axis=-1, keepdims=True)
    shift = jnp.where(jnp.isfinite(largest), largest, 0.0)
    answers = jnp.where(allowed, jnp.exp(jnp.where(allowed, scores - shift, 0.0)), 0.0)
    total = answers.sum(axis=-1, keepdims=True)
    shares = answers / jnp.where(total > 0, total, 1.0)  # of nothing, nothing
    taken = jnp.einsum("bghqk,bkgd->bqghd", shares, value).reshape(batch, steps, -1)
    return projected(here, "output", taken)


LAYERS = {
    "attention": Layer(attention, ("heads", "key_heads", "width", "bias", "causal", "mask",
                                   "rotary", "softcap")),
}
