"""Attention: every time step asks all others, and takes of each as much as their keys answer.

x: (B, T, n). With h heads of width d, and one query, key and value for each head and time step:

    Q = x Wq + bq     K = x Wk + bk     V = x Wv + bv        (B, T, h d) as (B, h, T, d)
    S = Q Kᵀ / √d     P = softmax(S)    O = P V              (B, h, T, T), rows sum to 1
    y = O Wo + bo                                            O as (B, T, h d) again

    dV = Pᵀ dO        dP = dO Vᵀ        dS = P (dP - Σ dP P)      dQ = dS K / √d    dK = dSᵀ Q / √d

Vaswani and others (2017), section 3.2. The four products with a matrix are affine sites. Options:

- `key_heads`: so many heads for keys and values, which divides h; each is asked by h / key_heads
  query heads, one after the other, and its gradients are the sums of theirs. Ainslie and others
  (2023).
- `causal`: a step sees itself and those before it. `mask`: a constant (B, T) of zeros and ones says
  which steps are there to be seen. A step that sees none takes nothing: its row of P is zero, and
  nothing comes back through it.
- `softcap`: S becomes cap tanh(S / cap), before anything is hidden. Gemma Team (2024), section 2.
- `rotary`: queries and keys are turned by an angle that grows with the step: of step t, pair i of
  d / 2, by t 10000^(-2i/d). A pair is two neighbours, (2i, 2i + 1), in "pairs", as Su and others
  (2021), section 3.2.2, have it, and (i, i + d / 2) in "halves", as GPT-NeoX and Llama do. The way
  back turns by the same angle the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..checks import DescriptionError, size
from ..kinds import Option, Rule, Scope, Shape, Shapes, Site, Tables, flag
from ..network import LayerSpec

ROTARY = ("none", "pairs", "halves")
BASE = 10000.0
HIDDEN = 1000.0
PLACES = ("query", "key", "value", "output")


def number_or_none(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and value > 0)


def size_or_none(value: Any) -> bool:
    return value is None or size(value)


OPTIONS = {
    "heads": Option(size, "a positive integer", 1),
    "key_heads": Option(size_or_none, "a positive integer, or null for as many as heads", None),
    "width": Option(size_or_none, "a positive integer, or null for inputs / heads", None),
    "bias": flag(True),
    "causal": flag(False),
    "mask": flag(False),
    "rotary": Option(lambda v: v in ROTARY, f"one of {', '.join(ROTARY)}", "none"),
    "softcap": Option(number_or_none, "a positive number, or null", None),
}


# --- shapes -------------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """Query heads, key heads, and the width of each."""

    heads: int
    key_heads: int
    width: int


def sizes(options: Mapping[str, Any], n: int) -> Sizes:
    heads = options["heads"]
    return Sizes(heads, options["key_heads"] or heads, options["width"] or n // heads)


def refused(where: str, why: str) -> DescriptionError:
    return DescriptionError(f"layer {where} (attention): {why}")


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    """What there is for n inputs; refused where heads do not divide, or there is no time."""
    if len(shape) != 2:
        raise refused(where, f"it wants examples (time, n), not of shape {shape}")
    n, (heads, key_heads, width) = shape[1], sizes(spec.options, shape[1])
    if spec.options["width"] is None and n % heads:
        raise refused(where, f"{heads} heads do not divide {n} inputs; width is not given")
    if heads % key_heads:
        raise refused(where, f"{key_heads} key heads do not divide {heads} heads")
    if spec.options["rotary"] != "none" and width % 2:
        raise refused(where, f"rotary wants heads of even width, not {width}")
    queries, keys = heads * width, key_heads * width
    each = {"query": (n, queries), "key": (n, keys), "value": (n, keys), "output": (queries, n)}
    parameters: dict[str, Shape] = {f"{name}_weight": size for name, size in each.items()}
    if spec.options["bias"]:
        parameters |= {f"{name}_bias": size[1:] for name, size in each.items()}
    return Shapes(shape, parameters, masks={"mask": shape[:1]} if spec.options["mask"] else {})


def site(name: str, bias: bool) -> Site:
    reads, gives = ("state", "output") if name == "output" else ("input", "state")
    return Site(f"{name}_weight", f"{name}_bias" if bias else "", reads, gives)


SITES = {bias: tuple(site(name, bias) for name in PLACES) for bias in (True, False)}


def sites(spec: LayerSpec) -> tuple[Site, ...]:
    return SITES[spec.options["bias"]]


# --- heads --------------------------------------------------------------------------------------


def split(x: Any, heads: int) -> Any:
    """(B, T, h d) as (B, h, T, d)."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).swapaxes(1, 2)


def merged(x: Any) -> Any:
    """(B, h, T, d) as (B, T, h d)."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3])


def repeated(x: Any, heads: int) -> Any:
    """Each key head as often as query heads ask it: (B, k, T, d) as (B, h, T, d)."""
    B, k, T, d = x.shape
    return np.broadcast_to(np.expand_dims(x, 2), (B, k, heads // k, T, d)).reshape(B, heads, T, d)


def gathered(x: Any, key_heads: int) -> Any:
    """The sum over the query heads of each key head: (B, h, T, d) as (B, k, T, d)."""
    B, h, T, d = x.shape
    return x.reshape(B, key_heads, h // key_heads, T, d).sum(axis=2)


# --- rotary -------------------------------------------------------------------------------------


def angles(x: Any) -> Any:
    """(T, d / 2), of x's number type."""
    ones, d = np.ones_like(x[0, 0, :, 0]), x.shape[-1]
    t = np.cumsum(ones, axis=0) - ones
    return np.stack([t * BASE ** (-2.0 * i / d) for i in range(d // 2)], axis=-1)


def turned(x: Any, rotary: str, back: bool = False) -> Any:
    """Every pair (a, b) of a step turned by its angle; x: (B, h, T, d)."""
    if rotary == "none":
        return x
    cos, sin, half = np.cos(angles(x)), np.sin(angles(x)), x.shape[-1] // 2
    pairs = rotary == "pairs"
    a, b = (x[..., 0::2], x[..., 1::2]) if pairs else (x[..., :half], x[..., half:])
    sin = -sin if back else sin
    two = [a * cos - b * sin, a * sin + b * cos]
    return np.stack(two, axis=-1).reshape(x.shape) if pairs else np.concatenate(two, axis=-1)


# --- scores -------------------------------------------------------------------------------------


def seen(p: Scope, x: Any) -> Any | None:
    """1 where a step sees another, else 0: broadcasts to (B, 1, T, T); None where all see all."""
    T, found = x.shape[1], None
    if p.options["causal"]:
        found = np.tri(T)[None, None]
    if p.options["mask"]:
        keys = p["mask"].reshape(-1, 1, 1, T)
        found = keys if found is None else np.where(found > 0.5, keys, np.zeros_like(keys))
    return found


def visible(S: Any, there: Any | None) -> Any:
    """S with what is hidden so far below that exp gives 0; a row that sees nothing is all 0."""
    if there is None:
        return S
    some = there.max(axis=-1, keepdims=True)
    below = S.min(axis=-1, keepdims=True) - HIDDEN
    return np.where(there > 0.5, S, np.where(some > 0.5, below, np.zeros_like(S)))


def kept(P: Any, there: Any | None) -> Any:
    """P, or its gradient, with 0 where nothing is seen."""
    return P if there is None else np.where(there > 0.5, P, np.zeros_like(P))


class Saved(NamedTuple):
    """What the backward needs, in the letters of the module's text; K and V for every query head.

    S: the scores before they are capped, capped: after it, hidden ones as they are.
    """

    x: Any
    Q: Any
    K: Any
    V: Any
    S: Any
    capped: Any
    P: Any
    O: Any  # noqa: E741


HeadsBack = Callable[[Scope, Saved, Any], tuple[Any, Any, Any]]


def weights(p: Scope, capped: Any, there: Any | None) -> Any:
    """P, of the scores."""
    return kept(p.tables.activations["softmax"].f(visible(capped, there)), there)


def forward(p: Scope, x: Any) -> tuple[Any, Saved]:
    query, key, value, output = sites(p.spec)
    heads, key_heads, _ = sizes(p.options, x.shape[-1])
    Q = turned(split(p.affine(query, x), heads), p.options["rotary"])
    K = turned(split(p.affine(key, x), key_heads), p.options["rotary"])
    K, V = repeated(K, heads), repeated(split(p.affine(value, x), key_heads), heads)
    S = (Q @ K.swapaxes(2, 3)) / math.sqrt(Q.shape[-1])
    capped = with_cap(p, S)
    P = weights(p, capped, seen(p, x))
    O = merged(P @ V)  # noqa: E741
    return p.affine(output, O), Saved(x, Q, K, V, S, capped, P, O)


def with_cap(p: Scope, S: Any) -> Any:
    cap = p.options["softcap"]
    return S if cap is None else cap * p.tables.activations["tanh"].f(S / cap)


def scores_back(p: Scope, s: Saved, dP: Any) -> Any:
    """dS, from dP."""
    there, softmax = seen(p, s.x), p.tables.activations["softmax"]
    dS = softmax.backward(visible(s.capped, there), s.P, kept(dP, there))
    return cap_back(p, s, kept(dS, there))


def cap_back(p: Scope, s: Saved, dS: Any) -> Any:
    """From the gradient of the capped scores to that of the scores."""
    cap = p.options["softcap"]
    if cap is None:
        return dS
    return p.tables.activations["tanh"].backward(s.S / cap, s.capped / cap, dS)


def heads_back(p: Scope, s: Saved, dO: Any) -> tuple[Any, Any, Any]:
    """dQ, dK and dV, turned as Q and K are, the latter two once for every query head."""
    dS = scores_back(p, s, dO @ s.V.swapaxes(2, 3)) / math.sqrt(s.Q.shape[-1])
    return dS @ s.K, dS.swapaxes(2, 3) @ s.Q, s.P.swapaxes(2, 3) @ dO


def heads_back_by_outputs(p: Scope, s: Saved, dO: Any) -> tuple[Any, Any, Any]:
    """The same with P computed anew, and Σ dO O for Σ dP P, which it equals. Dao and others (2022).

    The two are rounded apart, and where a step sees one other alone their difference is all error.
    """
    there = seen(p, s.x)
    P = weights(p, with_cap(p, s.S), there)
    total = (dO * split(s.O, p.options["heads"])).sum(axis=-1, keepdims=True)
    dS = kept(P * (dO @ s.V.swapaxes(2, 3) - total), there)
    dS = cap_back(p, s, dS) / math.sqrt(s.Q.shape[-1])
    return dS @ s.K, dS.swapaxes(2, 3) @ s.Q, P.swapaxes(2, 3) @ dO


def inputs_back(p: Scope, s: Saved, dQ: Any, dK: Any,
                dV: Any) -> tuple[Any, dict[str, Any]]:
    """dx, and the gradients of the three sites that read x."""
    key_heads, rotary = sizes(p.options, s.x.shape[-1]).key_heads, p.options["rotary"]
    dK, dV = gathered(dK, key_heads), gathered(dV, key_heads)
    three = turned(dQ, rotary, back=True), turned(dK, rotary, back=True), dV
    found = [p.affine_backward(site, s.x, merged(d))
             for site, d in zip(sites(p.spec), three, strict=False)]
    dx = found[0][0] + found[1][0] + found[2][0]
    return dx, {name: gradient for _, own in found for name, gradient in own.items()}


def backward(p: Scope, s: Saved, dy: Any, through: HeadsBack) -> tuple[Any, dict[str, Any]]:
    dO, of_output = p.affine_backward(sites(p.spec)[-1], s.O, dy)
    dx, gradients = inputs_back(p, s, *through(p, s, split(dO, p.options["heads"])))
    return dx, {**gradients, **of_output}


def attention(through: HeadsBack, **more: Any) -> Rule:
    return Rule(forward, partial(backward, through=through), shapes, OPTIONS, sites=sites,
                mixes_steps=True, axes=2, arguments=lambda p, s: (s.capped,), **more)


LAYERS = {"attention": attention(heads_back, variants=(attention(heads_back_by_outputs),))}
