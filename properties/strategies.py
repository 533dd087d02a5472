"""Hypothesis strategies for networks and cases, built inside the claims and biased to where mistakes show and hide.

    from hypothesis import given
    from backproof import cases

    @given(cases())
    def test_mine(case): ...

Hypothesis draws the structure (so a failure shrinks to a smaller network); the values come from a drawn seed, in a
drawn style. What a case must not be (on a kink, overflowing in its dtype) is mended, never filtered away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..reference import LOSSES, Case, LayerSpec, LossSpec, Network, evaluate, forward, infer
from .claims import EVERYTHING, Claims, Head, Range, activation
from .exact import exact_case
from .tolerance import spread

DEEPEST = 12
WIDEST = 8
DEPTHS = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, *range(5, DEEPEST + 1))
BATCHES = (1, 1, 2, 2, 3, 3, 4, 4, 5, 8, 8, 17, 33)
WIDE = (9, 16, 17, 33)
SIZES = ("free", "free", "square", "square", "one unit", "alternating", "alternating", "wide")


def _within(values: tuple[int, ...], limits: Range) -> list[int]:
    """The values inside the limits; the least allowed where none is."""
    low, high = limits
    inside = [v for v in values if v >= low and (high is None or v <= high)]
    return inside or [low]


def count(sizes: list[int], biases: list[bool]) -> int:
    """The parameters of a chain of dense layers."""
    return sum(m * (n + b) for n, m, b in zip(sizes, sizes[1:], biases, strict=False))


def _narrowed(sizes: list[int], biases: list[bool], outputs: Range, limit: int | None) -> list[int]:
    """The sizes, the largest made smaller until the network has at most `limit` parameters."""
    sizes = list(sizes)
    while limit is not None and count(sizes, biases) > limit:
        least = [1] * (len(sizes) - 1) + [outputs[0]]
        spare = [(size - low, i) for i, (size, low) in enumerate(zip(sizes, least, strict=True))]
        if max(spare)[0] == 0:
            break
        sizes[max(spare)[1]] -= 1
    return sizes


@st.composite
def _heads(draw: Any, claims: Claims) -> Head:
    """A loss first, then a head that has it: each loss gets its share."""
    loss = draw(st.sampled_from(list(dict.fromkeys(head.loss for head in claims.heads))))
    return draw(st.sampled_from([head for head in claims.heads if head.loss == loss]))  # type: ignore[no-any-return]


@st.composite
def _sizes(draw: Any, layers: int, outputs: Range) -> list[int]:
    """Units per level, the inputs first."""
    width = st.integers(1, WIDEST)
    pattern = draw(st.sampled_from(SIZES))
    if pattern == "free":
        sizes = [draw(width) for _ in range(layers + 1)]
    else:
        n, m = draw(width), draw(width)
        sizes = [{"square": n, "one unit": 1 if i else n, "alternating": (n, m)[i % 2], "wide": n}[pattern]
                 for i in range(layers + 1)]
    if pattern == "wide":
        sizes[draw(st.integers(0, max(0, layers - 1)))] = draw(st.sampled_from(WIDE))
    low, high = outputs
    if pattern != "square" or sizes[-1] < low or (high is not None and sizes[-1] > high):
        sizes[-1] = draw(st.integers(low, max(low, min(WIDEST, high or WIDEST))))
    return sizes


def chain(sizes: list[int], biases: list[bool], hidden: list[LayerSpec], head: Head) -> Network:
    """A chain of dense layers as a Network; an identity output activation is left out."""
    layers: list[LayerSpec] = []
    for units, bias, after in zip(sizes[1:], biases, [*hidden, activation(head.activation)], strict=True):
        layers += [LayerSpec("dense", {"units": units, "bias": bias}), after]
    if layers[-1].options["function"] == "identity":
        layers.pop()
    reduction = "mean_over_batch" if head.reduction == "reported" else head.reduction
    return Network((sizes[0],), tuple(layers), LossSpec(head.loss, reduction, head.scale))


def several(head: Head) -> Head:
    """The head with two outputs or more where one would be constant: the softmax of a single unit is 1."""
    low, high = head.outputs
    constant = "softmax" in (head.activation, head.loss.removesuffix("_cross_entropy")) and low == 1 and high != 1
    return replace(head, outputs=(2, high)) if constant else head


@st.composite
def networks(draw: Any, claims: Claims = EVERYTHING, *, head: Head | None = None) -> Network:
    """Networks inside `claims`, with one head or any of them; depth 1 to 12, widths 1 to 8."""
    head = several(head or draw(_heads(claims)))
    depth = draw(st.sampled_from(_within(DEPTHS, claims.depth if claims.hidden else (1, 1))))
    functions = st.sampled_from(claims.hidden) if claims.hidden else st.nothing()
    if claims.same_hidden and depth > 1:
        hidden = [activation(draw(functions))] * (depth - 1)
    else:
        hidden = [activation(draw(functions)) for _ in range(depth - 1)]
    if claims.bias == "any":
        biases = [draw(st.sampled_from((True, True, False))) for _ in range(depth)]
    else:
        biases = [claims.bias == "always"] * depth
    sizes = _narrowed(draw(_sizes(depth, head.outputs)), biases, head.outputs, claims.max_parameters)
    if claims.max_parameters is not None:
        while count(sizes, biases) > claims.max_parameters and depth > max(1, claims.depth[0]):
            depth, sizes, biases, hidden = depth - 1, [*sizes[:-2], sizes[-1]], biases[1:], hidden[1:]
    return chain(sizes, biases, hidden, head)


@dataclass(frozen=True)
class Style:
    """How the values of a case are drawn from its seed."""

    gain: float = 1.0
    bias: str = "random"
    inputs: str = "normal"
    scales: str = "alike"


STYLES = st.builds(
    Style,
    gain=st.sampled_from((1.0, 1.0, 0.5, 2.0, 4.0)),
    bias=st.sampled_from(("random", "random", "equal", "zero")),
    inputs=st.sampled_from(("normal", "normal", "repeated rows", "zero column", "saturating", "small", "huge")),
    scales=st.sampled_from(("alike", "alike", "different", "large outputs")),
)
# Small numbers only: into larger ones Hypothesis mixes constants that it finds in whatever modules are loaded, and the
# same seed would draw other networks beside another program.
SEEDS = st.lists(st.integers(0, 99), min_size=5, max_size=5)

INPUTS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda x: x,
    "repeated rows": lambda x: x[np.arange(len(x)) // 2],
    "zero column": lambda x: x * (np.arange(x.shape[-1]) != x.shape[-1] - 1) if x.shape[-1] > 1 else x,
    "saturating": lambda x: 12.0 * x,
    "small": lambda x: x / 64.0,
    "huge": lambda x: 1024.0 * x,
}

BIASES: dict[str, Callable[[Any], Any]] = {
    "random": lambda b: b,
    "equal": lambda b: np.full_like(b, b.flat[0]),
    "zero": np.zeros_like,
}

TARGETS: dict[str, Callable[[Any, int, int], Any]] = {
    "real": lambda rng, n, k: rng.standard_normal((n, k)),
    "one_hot": lambda rng, n, k: np.eye(k)[rng.integers(0, k, n)],
    "soft": lambda rng, n, k: rng.dirichlet(np.ones(k), n) if k > 1 else rng.uniform(0.0, 1.0, (n, 1)),
    "binary": lambda rng, n, k: rng.integers(0, 2, (n, k)).astype(float),
    "index": lambda rng, n, k: rng.integers(0, k, n),
}


def rounded(case: Case, dtype: str) -> Case:
    """The case in `dtype`, its numbers exact in float32 for float32."""
    return case.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, dtype)


def _values(network: Network, style: Style, rng: Any) -> dict[str, Any]:
    parameters = {}
    for name, shape in infer(network).parameters.items():
        if len(shape) == 1:
            parameters[name] = BIASES[style.bias](rng.standard_normal(shape))
        else:
            parameters[name] = rng.standard_normal(shape) * (style.gain / math.sqrt(shape[0]))
            if style.scales == "different":
                parameters[name] *= 2.0 ** rng.integers(-3, 4)
    if style.scales == "large outputs":
        parameters[f"{_last_dense(network)}.weight"] *= 2.0**11
    return parameters


def build(network: Network, batch: int, targets: str, style: Style, seed: int | Sequence[int],
          dtype: str = "float64") -> Case:
    """The case of these choices: the same one every time, finite in its dtype and clear of every kink."""
    rng = np.random.default_rng(seed)
    outputs = infer(network).output[-1]
    parameters = _values(network, style, rng)
    inputs = INPUTS[style.inputs](rng.standard_normal((batch, *network.input_shape)))
    case = Case(network, parameters, inputs, TARGETS[targets](rng, batch, outputs), "float64")
    return mended(rounded(case, dtype), rng)


LOGITS = {"float64": 20.0, "float32": 10.0}


def _last_dense(network: Network) -> str:
    return str(max(i for i, layer in enumerate(network.layers) if layer.kind == "dense"))


def _saturates(network: Network) -> bool:
    """Whether outputs rounded to the end of their range would put the loss on a kink or a pole."""
    loss = LOSSES[network.loss.kind]
    return (loss.domain[1] == 1.0 or bool(loss.kinks)) and network.layers[-1].kind == "activation"


def _tamed(case: Case) -> Case:
    """The case with finite answers, and its last arguments small where a saturated output would be a pole or a kink."""
    last = _last_dense(case.network)
    for _ in range(60):
        with np.errstate(all="ignore"):
            answer, trace = evaluate(case), forward(case)
            finite = np.isfinite(answer.loss) and all(np.isfinite(g).all() for g in answer.gradients.values())
            if finite and not (_saturates(case.network) and np.abs(trace.tape[-1].saved[0]).max() > LOGITS[case.dtype]):
                return case
        shrunk = [n for n in case.parameters if not finite or n.split(".")[0] == last]
        case = case.but(parameters={n: case.parameters[n] / 2 for n in shrunk})
    return case


def mended(case: Case, rng: Any) -> Case:
    """The case made valid: finite, and no unit within rounding of a kink.

    The bias of such a unit is nudged (its weights, where it has none); where nothing helps (a bias-free relu network
    whose units are all dead sits on its kink exactly), weights and inputs become positive.
    """
    case = _tamed(case)
    for attempt in range(12):
        unclear = spread(case).unclear
        if not unclear:
            return case
        case = _tamed(rounded(_positive(case, rng) if attempt >= 6 else _nudged(case, unclear, rng), case.dtype))
    return case


def _nudged(case: Case, unclear: Any, rng: Any) -> Case:
    changes = {}
    for layer, mask in unclear.items():
        dense = _last_dense(case.network) if layer == "loss" else str(int(layer) - 1)
        units = mask.reshape(-1, mask.shape[-1]).any(axis=0)
        name = f"{dense}.bias" if f"{dense}.bias" in case.parameters else f"{dense}.weight"
        if name in case.parameters:
            value = case.parameters[name]
            largest = float(np.abs(value).max())
            size = max(largest, 1.0) if name.endswith("bias") else largest + 2.0**-10
            changes[name] = value + units * rng.uniform(0.125, 0.5, value.shape) * size
    return case.but(parameters=changes)


def _positive(case: Case, rng: Any) -> Case:
    """Positive weights, biases and inputs; for a kink of the loss, small last weights too."""
    parameters = {n: np.abs(v) + rng.uniform(0.01, 0.1, v.shape) for n, v in case.parameters.items()}
    last = f"{_last_dense(case.network)}.weight"
    parameters[last] = parameters[last] * rng.uniform(0.1, 0.9, parameters[last].shape)
    return case.but(parameters=parameters, inputs=np.abs(case.inputs) + rng.uniform(0.01, 0.1, case.inputs.shape))


@st.composite
def cases(draw: Any, claims: Claims = EVERYTHING, *, network: Network | None = None, dtype: str | None = None) -> Case:
    """Cases inside `claims`: a network, a batch, targets the head takes, values in a style; all finite, all smooth."""
    head = draw(_heads(claims))
    chosen = network or draw(networks(claims, head=head))
    kinds = head.target_kinds if network is None else LOSSES[network.loss.kind].targets
    sizes = (*BATCHES, *chosen.sizes)
    batch = draw(st.sampled_from(_within(sizes, claims.batch)))
    targets = draw(st.sampled_from(kinds))
    style, seed = draw(STYLES), draw(SEEDS)
    return build(chosen, batch, targets, style, seed, dtype or draw(st.sampled_from(claims.dtypes)))


def exactable(claims: Claims) -> Claims | None:
    """The part of the claims whose arithmetic can be exact: None where there is none."""
    heads = tuple(h for h in claims.heads if h.activation in EXACT_HIDDEN and h.loss in EXACT_LOSSES
                  and math.frexp(h.scale)[0] == 0.5)
    hidden = tuple(h for h in claims.hidden if h in EXACT_HIDDEN)
    if not heads or (claims.depth[0] > 1 and not hidden):
        return None
    high = 4 if claims.depth[1] is None else min(4, claims.depth[1])
    return replace(claims, heads=heads, hidden=hidden, depth=(claims.depth[0], max(high, claims.depth[0])))


EXACT_HIDDEN = ("identity", "relu")
EXACT_LOSSES = ("squared_error", "absolute_error", "inner_product")


@st.composite
def exact_cases(draw: Any, claims: Claims = EVERYTHING) -> Case | None:
    """Integer networks whose float32 arithmetic is exact in any order, kinks included; None where none is claimed."""
    inside = exactable(claims)
    if inside is None:
        return None
    head = draw(_heads(inside))
    network = draw(networks(inside, head=head))
    kinds = [k for k in head.target_kinds if k != "soft"]
    batch = draw(st.sampled_from(_within((1, 2, 4, 8), claims.batch)))
    seed, dtype = draw(SEEDS), draw(st.sampled_from(claims.dtypes))
    return exact_case(network, batch, draw(st.sampled_from(kinds)), seed, dtype) if kinds else None


__all__ = ["Style", "build", "cases", "chain", "exact_cases", "mended", "networks"]
