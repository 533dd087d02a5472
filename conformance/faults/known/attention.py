"""Attention: through the softmax and what is hidden from it, the heads, and around it the residual.

The mistakes in the four products with a matrix are those of every affine site.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...reference import Rule, chain
from ...reference.kinds import Scope
from ...reference.layers.attention import (
    Saved,
    cap_back,
    heads_back,
    inputs_back,
    kept,
    scores_back,
    seen,
    sites,
    sizes,
    split,
    turned,
    weights,
)
from ..core import Fault, Faults
from ..ways import with_entry

Three = tuple[Any, Any, Any]
Back = tuple[Any, dict[str, Any]]
row = partial(Fault, "attention")


def with_back(backward: Callable[[Scope, Saved, Any], Back]) -> Any:
    """The engine whose attention goes back by this function."""
    return with_entry("layers", "attention", lambda rule: rule._replace(backward=backward))


def with_heads(heads: Callable[[Scope, Saved, Any], Three],
               outputs: Callable[[Scope, Any], Any] | None = None) -> Any:
    """The right way back, but for what becomes of dO: heads(p, s, dO) -> dQ, dK, dV.

    outputs(p, dO as it comes) -> dO by heads.
    """
    def backward(p: Scope, s: Saved, dy: Any) -> Back:
        dO, of_output = p.affine_backward(sites(p.spec)[-1], s.O, dy)
        dO = split(dO, p.options["heads"]) if outputs is None else outputs(p, dO)
        dx, gradients = inputs_back(p, s, *heads(p, s, dO))
        return dx, {**gradients, **of_output}

    return with_back(backward)


def after(change: Callable[[Scope, Saved, Three], Three]) -> Any:
    """Right dQ, dK and dV, changed: change(p, s, the three) -> the three."""
    return with_heads(lambda p, s, dO: change(p, s, heads_back(p, s, dO)))


def with_scores(scores: Callable[[Scope, Saved, Any], Any]) -> Any:
    """A wrong way back through the softmax: scores(p, s, dP) -> dS."""
    def heads(p: Scope, s: Saved, dO: Any) -> Three:
        dS = scores(p, s, dO @ s.V.swapaxes(2, 3)) / math.sqrt(s.Q.shape[-1])
        return dS @ s.K, dS.swapaxes(2, 3) @ s.Q, s.P.swapaxes(2, 3) @ dO

    return with_heads(heads)


def with_answer(change: Callable[[Scope, Saved, Any, Back], Back]) -> Any:
    """The right answer of the layer, changed: change(p, s, dy, (dx, gradients))."""
    def rule(right: Rule) -> Rule:
        return right._replace(backward=lambda p, s, dy: change(p, s, dy, right.backward(p, s, dy)))

    return with_entry("layers", "attention", rule)


# --- through the softmax --------------------------------------------------------------------------


def diagonal(p: Scope, s: Saved, dP: Any) -> Any:
    return cap_back(p, s, s.P * (1.0 - s.P) * dP)


def no_softmax(p: Scope, s: Saved, dP: Any) -> Any:
    return cap_back(p, s, kept(dP, seen(p, s.x)))


def no_cap(p: Scope, s: Saved, dP: Any) -> Any:
    return scores_back(without(p, softcap=None), s, dP)


def without(p: Scope, **options: Any) -> Scope:
    """The layer with other options."""
    return Scope(p.tables, p.values, p.name, p.spec.but(**options))


def by_other_weights(there: Callable[[Scope, Saved], Any]) -> Any:
    """P computed anew on the way back, with another idea of what is there to be seen."""
    def heads(p: Scope, s: Saved, dO: Any) -> Three:
        P = weights(p, s.capped, there(p, s))
        dP = dO @ s.V.swapaxes(2, 3)
        dS = P * (dP - (dP * P).sum(axis=-1, keepdims=True))
        dS = cap_back(p, s, dS) / math.sqrt(s.Q.shape[-1])
        return dS @ s.K, dS.swapaxes(2, 3) @ s.Q, P.swapaxes(2, 3) @ dO

    return with_heads(heads)


def one_more(p: Scope, s: Saved) -> Any:
    """Each step sees the one behind it too, where it may see none behind itself."""
    if not p.options["causal"]:
        return seen(p, s.x)
    T = s.x.shape[1]
    keys = seen(without(p, causal=False), s.x)
    later = np.tri(T, k=1)[None, None]
    return later if keys is None else np.where(later > 0.5, keys, np.zeros_like(keys))


# --- heads --------------------------------------------------------------------------------------


def of_group(change: Callable[[Any, int], Any]) -> Any:
    """dK and dV changed before those of a group are summed: change(d, query heads of a key)."""
    def three(p: Scope, s: Saved, right: Three) -> Three:
        heads, key_heads, _ = sizes(p.options, s.x.shape[-1])
        return right[0], change(right[1], heads // key_heads), change(right[2], heads // key_heads)

    return after(three)


def first_of_group(d: Any, group: int) -> Any:
    first = np.arange(d.shape[1]) % group == 0
    return np.where(first[None, :, None, None], d, np.zeros_like(d))


def not_merged(p: Scope, dO: Any) -> Any:
    """(B, T, h d) read as (B, h, T, d), without the axes' changing places."""
    B, T, _ = dO.shape
    return dO.reshape(B, p.options["heads"], T, -1)


def turned_too(times: int) -> Any:
    """dQ and dK turned so many times more, the way of Q and K."""
    def three(p: Scope, s: Saved, right: Three) -> Three:
        dQ, dK, dV = right
        for _ in range(times):
            dQ, dK = (turned(d, p.options["rotary"]) for d in (dQ, dK))
        return dQ, dK, dV

    return after(three)


def from_scores(p: Scope, s: Saved, dO: Any) -> Three:
    dQ, dK, _ = heads_back(p, s, dO)
    return dQ, dK, kept(s.capped, seen(p, s.x)).swapaxes(2, 3) @ dO


# --- inputs and biases --------------------------------------------------------------------------


def queries_alone(p: Scope, s: Saved, dy: Any, right: Back) -> Back:
    """What reaches x through keys and values is left out."""
    output = sites(p.spec)[-1]
    dO, _ = p.affine_backward(output, s.O, dy)
    dQ, dK, dV = heads_back(p, s, split(dO, p.options["heads"]))
    dx, _ = inputs_back(p, s, dQ, 0.0 * dK, 0.0 * dV)
    return dx, right[1]


def no_bias(name: str) -> Any:
    def change(p: Scope, s: Saved, dy: Any, right: Back) -> Back:
        gradients = {k: 0.0 * g if k == name else g for k, g in right[1].items()}
        return right[0], gradients

    return with_answer(change)


DS = "dS = P * (dP - (dP * P).sum(-1, keepdims=True))"
LLM_C = "code after llm.c's attention_backward"
FAULTS: Faults = {
    "attention-softmax-diagonal-only": row(
        "only the diagonal of the softmax's Jacobian is there on the way back through attention",
        "dS = P * (1 - P) * dP", DS, "libnd4j#440, where it is the softmax of a layer",
        with_scores(diagonal)),
    "attention-softmax-left-out": row(
        "the errors of the attention's weights are taken for those of its scores, as if there were "
        "no softmax between them",
        "dS = dP", DS, LLM_C, with_scores(no_softmax)),
    "attention-scale-forgotten": row(
        "the scores of attention are divided by the root of the width in the forward pass only",
        "dQ = dS @ K; dK = dS.T @ Q", "dQ = dS @ K / sqrt(d); dK = dS.T @ Q / sqrt(d)", LLM_C,
        after(lambda p, s, right: (right[0] * math.sqrt(s.Q.shape[-1]),
                                   right[1] * math.sqrt(s.Q.shape[-1]), right[2]))),
    "attention-scale-twice": row(
        "the errors of the scores of attention are divided by the root of the width twice",
        "dS = dS / sqrt(d); dQ = dS @ K / sqrt(d)", "dS = dS / sqrt(d); dQ = dS @ K", LLM_C,
        after(lambda p, s, right: (right[0] / math.sqrt(s.Q.shape[-1]),
                                   right[1] / math.sqrt(s.Q.shape[-1]), right[2]))),
    "attention-mask-forgotten-backward": row(
        "attention computes its weights anew on the way back, with the padding that was hidden",
        "P = softmax(S)", "P = softmax(where(mask, S, -inf))",
        "flash-attention#818, whose mask goes past the end",
        by_other_weights(lambda p, s: seen(without(p, mask=False), s.x))),
    "attention-causal-forgotten-backward": row(
        "attention computes its weights anew on the way back, with all later steps",
        "P = softmax(S)", "P = softmax(where(tril, S, -inf))",
        "triton#5660, #4174, whose tutorial mixes both modes up",
        by_other_weights(lambda p, s: seen(without(p, causal=False), s.x))),
    "attention-causal-off-by-one": row(
        "attention computes its weights anew on the way back, with one later step",
        "P = softmax(where(tril(1), S, -inf))", "P = softmax(where(tril(0), S, -inf))",
        "flash-attention#818, whose mask goes past the end", by_other_weights(one_more)),
    "attention-keys-of-first-head-only": row(
        "keys and values that several query heads share have the gradient of the first of them",
        "dK = dK[:, ::group]; dV = dV[:, ::group]",
        "dK = dK.reshape(B, heads, group, T, d).sum(2); dV likewise", "Levanter#449",
        of_group(first_of_group)),
    "attention-keys-averaged-over-heads": row(
        "keys and values that several query heads share have the mean of their gradients, which is "
        "to be the sum",
        "dK = dK.reshape(B, heads, group, T, d).mean(2); dV likewise",
        "dK = dK.reshape(B, heads, group, T, d).sum(2); dV likewise", "Levanter#449",
        of_group(lambda d, group: d / group)),
    "attention-heads-not-merged": row(
        "the errors of the heads are cut out of the wrong places: heads and steps do not change "
        "their axes on the way back",
        "dO = dO.reshape(B, heads, T, d)", "dO = dO.reshape(B, T, heads, d).transpose(0, 2, 1, 3)",
        LLM_C, with_heads(heads_back, not_merged)),
    "attention-queries-and-keys-exchanged": row(
        "queries are given the errors of the keys, and keys those of the queries",
        "dQ = dS.T @ Q; dK = dS @ K", "dQ = dS @ K; dK = dS.T @ Q", LLM_C,
        after(lambda p, s, right: (right[1], right[0], right[2]))),
    "attention-scores-not-transposed": row(
        "keys are given the errors of the scores without transposing them, so that a step learns "
        "from whom it asks, not from who asks it",
        "dK = dS @ Q", "dK = dS.T @ Q", LLM_C,
        with_heads(lambda p, s, dO: (
            heads_back(p, s, dO)[0],
            scores_back(p, s, dO @ s.V.swapaxes(2, 3)) / math.sqrt(s.Q.shape[-1]) @ s.Q,
            heads_back(p, s, dO)[2]))),
    "attention-values-by-scores": row(
        "values are given errors by the scores before the softmax, not by the weights behind it",
        "dV = S.T @ dO", "dV = P.T @ dO", "flash-attention#2552, where dV alone is wrong",
        with_heads(from_scores)),
    "attention-values-not-transposed": row(
        "values are given errors by the weights without transposing them",
        "dV = P @ dO", "dV = P.T @ dO", "flash-attention#2552, where dV alone is wrong",
        with_heads(lambda p, s, dO: (*heads_back(p, s, dO)[:2], s.P @ dO))),
    "attention-softcap-derivative-forgotten": row(
        "the scores of attention are capped by a tanh, and go back as if they were not",
        "dS = dcapped", "dS = dcapped * (1 - (capped / cap)**2)", "flash-attention#2402",
        with_scores(no_cap)),
    "attention-rotary-not-turned-back": row(
        "the errors of queries and keys are not turned back by the angles of their steps",
        "dq = dQ; dk = dK", "dq = rotate(dQ, -angle); dk = rotate(dK, -angle)",
        "unsloth#5001, whose rotation works in place", turned_too(1)),
    "attention-rotary-turned-on": row(
        "the errors of queries and keys are turned on by the angles of their steps, not back",
        "dq = rotate(dQ, angle); dk = rotate(dK, angle)",
        "dq = rotate(dQ, -angle); dk = rotate(dK, -angle)",
        "unsloth#5001, whose rotation works in place", turned_too(2)),
    "attention-inputs-by-queries-alone": row(
        "what attention hands down goes through the queries alone, not through keys and values",
        "dx = dQ @ Wq.T", "dx = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T",
        "gradients assigned where they add up, as in kann 3c158af", with_answer(queries_alone)),
    "attention-query-bias-missing": row(
        "the bias of the queries never changes, because its gradient is zero",
        "dbq = 0", "dbq = dQ.sum((0, 1))", "pytorch#188302, JAX#27184, where a bias has none",
        no_bias("query_bias")),
    "attention-value-bias-missing": row(
        "the bias of the values never changes, because its gradient is zero",
        "dbv = 0", "dbv = dV.sum((0, 1))", "pytorch#188302, JAX#27184, where a bias has none",
        no_bias("value_bias")),
}


# --- around it ----------------------------------------------------------------------------------


def with_residual(change: Callable[[Scope, Any, Any, Any], Any]) -> Any:
    """A wrong way past the norm: change(p, saved, dy, right dx) -> dx of each half of a block."""
    def rule(right: Rule) -> Rule:
        def backward(p: Scope, saved: Any, dy: Any) -> Back:
            dx, gradients = right.backward(p, saved, dy)
            half = len(p.spec.branches) == 2 and not p.spec.branches[0] and [
                spec.kind for spec in p.spec.branches[1][:1]] == ["layer_norm"]
            return (change(p, saved, dy, dx) if half else dx), gradients

        return right._replace(backward=backward)

    return with_entry("layers", "parallel", rule)


def into_the_norm(p: Scope, saved: Any, dy: Any, dx: Any) -> Any:
    """What the residual hands down, added in front of the norm's way back."""
    _, (_, tape) = saved
    inner, _ = chain.backward(p.tables, tape[1:], dy)
    norm = tape[0].scope
    found, _ = norm.rule.backward(norm, tape[0].saved, inner + dy)
    return found


block = partial(Fault, "transformer_block")
FAULTS |= {
    "transformer-residual-dropped": block(
        "a transformer block hands down what comes through its layers alone, and not what goes "
        "past them", "dx = norm_backward(dh)", "dx = norm_backward(dh) + dy", "quack#52",
        with_residual(lambda p, saved, dy, dx: dx - dy)),
    "transformer-residual-through-norm": block(
        "what goes past the layers of a transformer block is sent back through the norm as well",
        "dx = norm_backward(dh + dy)", "dx = norm_backward(dh) + dy", "quack#53",
        with_residual(into_the_norm)),
    "transformer-residual-twice": block(
        "what goes past the layers of a transformer block is added on the way back twice",
        "dx = norm_backward(dh) + 2 * dy", "dx = norm_backward(dh) + dy",
        "gradients that accumulate in a buffer and are added once more",
        with_residual(lambda p, saved, dy, dx: dx + dy)),
}
