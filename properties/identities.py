"""Exact identities of backpropagation: for every right program, whatever its formulas.

Each asks the subject some cases and says which combinations of its answers must be equal. A transformed case uses
exact transformations only (permutations, powers of two, sums of short binary fractions), so that the identity holds
to the last bit of the mathematics and the tolerance is that of the answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..reference import Case, LayerSpec, Network
from .claims import Claims
from .measured import Measured

Equation = tuple[str, Any, Any]


@dataclass(frozen=True)
class Reply:
    """The subject's answer to one case, every number with its tolerance; gradients by name."""

    case: Case
    loss: Measured
    gradients: dict[str, Measured]

    def __getitem__(self, name: str) -> Measured:
        return self.gradients[name]


Ask = Callable[[Case, Claims, Any], "list[Case] | None"]
Judge = Callable[[Sequence[Reply]], Iterator[Equation]]


class Property(NamedTuple):
    """One statement that holds for every right backprop.

    ask(case, claims, rng) gives the cases to ask, the given one first, or None where the statement does not apply;
    judge(replies) yields (parameter, left, right): equations between answers.
    """

    family: str
    says: str
    ask: Ask
    judge: Judge
    source: str = "exact identity"


# --- the parts of a chain -------------------------------------------------------------------------------------


class Level(NamedTuple):
    """One dense layer of a chain: its name, whether it has a bias, the activation after it."""

    name: str
    bias: bool
    after: str

    @property
    def weight(self) -> str:
        return f"{self.name}.weight"

    @property
    def b(self) -> str:
        return f"{self.name}.bias"


def levels(network: Network) -> list[Level]:
    """The dense layers in order."""
    found: list[Level] = []
    for i, layer in enumerate(network.layers):
        if layer.kind == "dense":
            found.append(Level(str(i), layer.options["bias"], "identity"))
        else:
            found[-1] = found[-1]._replace(after=layer.options["function"])
    return found


def resized(network: Network, name: str, units: int) -> Network:
    """The network with another number of units in one dense layer."""
    layers = list(network.layers)
    spec = layers[int(name)]
    layers[int(name)] = LayerSpec(spec.kind, {**spec.options, "units": units})
    return Network(network.input_shape, tuple(layers), network.loss, network.input_kind)


def pairs(case: Case, rng: Any, after: tuple[str, ...] | None = None) -> tuple[Level, Level] | None:
    """A random hidden level (with one of these activations) and the next one; None where there is none."""
    chain = levels(case.network)
    found = [(a, b) for a, b in pairwise(chain)
             if (after is None or a.after in after) and a.after != "softmax"]
    return found[rng.integers(len(found))] if found else None


def short(case: Case) -> Case:
    """The case with numbers on the grid of 2^-10, so that sums of a few of them are exact in float32."""
    return case.map(lambda a: (np.clip(np.round(a * 1024.0), -2.0**20, 2.0**20) / 1024.0).astype(a.dtype)
                    if a.dtype.kind == "f" else a).but(targets=case.targets)


def every(left: Reply, right: Reply, but: Sequence[str] = (), factor: float = 1.0) -> Iterator[Equation]:
    """left = factor * right for all gradients but the named ones."""
    for name in left.gradients:
        if name not in but and name in right.gradients:
            yield name, left[name], right[name] * factor


def batch_total(reply: Reply) -> float:
    """What turns the reply's reduced numbers into sums over the batch."""
    return 1.0 if reply.case.network.loss.reduction == "sum" else float(reply.case.batch)


def of_parameters(name: str) -> bool:
    return name != "inputs"


# --- the batch ------------------------------------------------------------------------------------------------


def rows(case: Case, index: Any) -> Case:
    """The examples of `index`."""
    return case.but(inputs=case.inputs[index], targets=case.targets[index])


def ask_halves(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    cut = case.batch // 2
    return [case, rows(case, slice(None, cut)), rows(case, slice(cut, None))] if cut >= claims.batch[0] else None


def judge_halves(r: Sequence[Reply]) -> Iterator[Equation]:
    whole, *parts = r
    for name in filter(of_parameters, whole.gradients):
        total = parts[0][name] * batch_total(parts[0]) + parts[1][name] * batch_total(parts[1])
        yield name, whole[name] * batch_total(whole), total


def ask_permuted(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [case, rows(case, np.arange(case.batch)[::-1])] if case.batch > 1 else None


def judge_permuted(r: Sequence[Reply]) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][::-1]


def ask_doubled(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    most = claims.batch[1]
    index = np.concatenate([np.arange(case.batch)] * 2)
    return [case, rows(case, index)] if most is None or 2 * case.batch <= most else None


def judge_doubled(r: Sequence[Reply]) -> Iterator[Equation]:
    yield from every(r[1], r[0], but=("inputs",), factor=2.0 if r[0].case.network.loss.reduction == "sum" else 1.0)


def ask_single(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    first = levels(case.network)[0]
    return [rows(case, slice(0, 1))] if claims.batch[0] == 1 and first.bias else None


def judge_single(r: Sequence[Reply]) -> Iterator[Equation]:
    first = levels(r[0].case.network)[0]
    yield first.weight, r[0][first.weight], r[0][first.b] * r[0].case.inputs[0].astype(float)[:, None]


# --- the inputs -----------------------------------------------------------------------------------------------


def with_column(case: Case, j: int, column: Any) -> Case:
    """The case with one input column replaced."""
    inputs = np.array(case.inputs)
    inputs[:, j] = column
    return case.but(inputs=inputs)


def ask_constant_input(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [with_column(case, 0, 1.0)] if levels(case.network)[0].bias else None


def judge_constant_input(r: Sequence[Reply]) -> Iterator[Equation]:
    first = levels(r[0].case.network)[0]
    yield first.b, r[0][first.b], r[0][first.weight][0]


def ask_zero_input(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [with_column(case, 0, 0.0)] if levels(case.network)[0].bias else None


def judge_zero_input(r: Sequence[Reply]) -> Iterator[Equation]:
    first = levels(r[0].case.network)[0]
    yield first.weight, r[0][first.weight].value[0], 0.0


def ask_proportional(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [with_column(case, 0, 2 * case.inputs[:, 1])] if case.inputs.shape[1] > 1 else None


def judge_proportional(r: Sequence[Reply]) -> Iterator[Equation]:
    first = levels(r[0].case.network)[0]
    yield first.weight, r[0][first.weight][0], r[0][first.weight][1] * 2.0


def ask_features(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    n = case.inputs.shape[1]
    if n < 2:
        return None
    weight = levels(case.network)[0].weight
    flipped = case.but(inputs=case.inputs[:, ::-1].copy(), parameters={weight: case.parameters[weight][::-1].copy()})
    return [case, flipped]


def judge_features(r: Sequence[Reply]) -> Iterator[Equation]:
    weight = levels(r[0].case.network)[0].weight
    yield from every(r[0], r[1], but=(weight, "inputs"))
    yield weight, r[0][weight], r[1][weight][::-1]
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"], r[1]["inputs"][:, ::-1]


def ask_standardised(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    """z = x W + b = ((x - 1)/2) (2W) + (b + Σ_j W_j)."""
    first = levels(case.network)[0]
    if not first.bias:
        return None
    case = short(case)
    w, b = case.parameters[first.weight], case.parameters[first.b]
    return [case, case.but(inputs=(case.inputs - 1) / 2, parameters={first.weight: 2 * w, first.b: b + w.sum(axis=0)})]


def judge_standardised(r: Sequence[Reply]) -> Iterator[Equation]:
    first = levels(r[0].case.network)[0]
    yield from every(r[0], r[1], but=(first.weight, "inputs"))
    nothing = 0.0 * r[0].case.parameters[first.weight]
    yield first.weight, r[1][first.weight] * 2.0, r[0][first.weight] - r[0][first.b] + nothing
    if "inputs" in r[0].gradients:
        yield "inputs", r[0]["inputs"] * 2.0, r[1]["inputs"]


def ask_energy(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [case]


def judge_energy(r: Sequence[Reply]) -> Iterator[Equation]:
    weight = levels(r[0].case.network)[0].weight
    if "inputs" in r[0].gradients:
        left = (r[0][weight] * r[0].case.parameters[weight].astype(float)).sum(axis=1)
        yield weight, left, (r[0]["inputs"] * r[0].case.inputs.astype(float)).sum(axis=0)


# --- the hidden units -----------------------------------------------------------------------------------------


def with_units(case: Case, a: Level, b: Level, change: Callable[[Any], Any], out: Callable[[Any], Any]) -> Case:
    """A hidden level changed: `change` on the last axis of its weight and bias, `out` on the next weight's rows."""
    p = case.parameters
    changes = {a.weight: change(p[a.weight]), b.weight: out(p[b.weight])}
    if a.bias:
        changes[a.b] = change(p[a.b])
    case = case.but(parameters={k: np.ascontiguousarray(v) for k, v in changes.items()})
    units = case.parameters[a.weight].shape[1]
    return Case(resized(case.network, a.name, units), case.parameters, case.inputs, case.targets, case.dtype,
                case.constants)


def _incoming(a: Level) -> list[str]:
    return [a.weight, a.b] if a.bias else [a.weight]


class Unit(NamedTuple):
    """An identity of one hidden level: which activations it holds for, how the case changes, and what the changed
    answers (incoming, of the last axis; outgoing, of the rows) become."""

    after: tuple[str, ...] | None
    change: Callable[[Any], Any]
    out: Callable[[Any], Any]
    incoming: Callable[[Measured], Measured]
    outgoing: Callable[[Measured], Measured]
    least: int = 1


def unit_property(says: str, unit: Unit, source: str) -> Property:
    """A property that changes one hidden level and knows how every gradient follows."""

    def ask(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
        found = pairs(case, rng, unit.after)
        if not found or case.parameters[found[0].weight].shape[1] < unit.least:
            return None
        changed = with_units(case, *found, unit.change, unit.out)
        total = sum(v.size for v in changed.parameters.values())
        return [case, changed] if claims.max_parameters is None or total <= claims.max_parameters else None

    def judge(r: Sequence[Reply]) -> Iterator[Equation]:
        a, b = _changed_level(r[0].case, r[1].case)
        yield from every(r[0], r[1], but=(*_incoming(a), b.weight))
        for name in _incoming(a):
            yield name, r[0][name], unit.incoming(r[1][name])
        yield b.weight, r[0][b.weight], unit.outgoing(r[1][b.weight])

    return Property("units", says, ask, judge, source)


def _changed_level(before: Case, after: Case) -> tuple[Level, Level]:
    """The changed level and the next: the last weight that differs is the next level's."""
    chain = levels(before.network)
    for a, b in reversed(list(pairwise(chain))):
        if not np.array_equal(before.parameters[b.weight], after.parameters[b.weight]):
            return a, b
    return chain[0], chain[1]


def first_two(m: Measured) -> Measured:
    """A split unit's two copies share its incoming gradient: their sum."""
    return _joined(m, m[..., 0:1] + m[..., -1:])


def _joined(m: Measured, first: Measured) -> Measured:
    middle = m[..., 1:-1]
    return Measured(np.concatenate([first.value, middle.value], -1),
                    np.concatenate([first.tolerance, middle.tolerance], -1))


def _split(a: Any) -> Any:
    return np.concatenate([a, a[..., :1]], axis=-1)


def _split_out(w: Any) -> Any:
    return np.concatenate([w[:1] / 2, w[1:], w[:1] / 2], axis=0)


def _with_dead(a: Any) -> Any:
    return np.concatenate([a, np.full_like(a[..., :1], 0.5)], axis=-1)


def _with_dead_out(w: Any) -> Any:
    return np.concatenate([w, np.zeros_like(w[:1])], axis=0)


def negated(a: Any) -> Any:
    """The first unit's sign turned."""
    return a * np.where(np.arange(a.shape[-1]) == 0, -1.0, 1.0).astype(a.dtype)


def negated_rows(a: Any) -> Any:
    return a * np.where(np.arange(a.shape[0]) == 0, -1.0, 1.0).astype(a.dtype)[:, None]


def _sign_last(m: Measured) -> Measured:
    return m * np.where(np.arange(m.value.shape[-1]) == 0, -1.0, 1.0)


def _sign_rows(m: Measured) -> Measured:
    return m * np.where(np.arange(m.value.shape[0]) == 0, -1.0, 1.0)[:, None]


HOMOGENEOUS = ("relu", "leaky_relu", "identity")


def ask_dead(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    found = pairs(case, rng)
    return [with_units(case, *found, _with_dead, _with_dead_out)] if found and claims.max_parameters is None else None


def judge_dead(r: Sequence[Reply]) -> Iterator[Equation]:
    chain = levels(r[0].case.network)
    for a, b in pairwise(chain):
        if not r[0].case.parameters[b.weight][-1].any():
            for name in _incoming(a):
                yield name, r[0][name].value[..., -1], 0.0


def ask_balance(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if pairs(case, rng, HOMOGENEOUS) else None


def judge_balance(r: Sequence[Reply]) -> Iterator[Equation]:
    chain, p = levels(r[0].case.network), r[0].case.astype("float64").parameters
    for a, b in pairwise(chain):
        if a.after in HOMOGENEOUS:
            entering = (r[0][a.weight] * p[a.weight]).sum(axis=0)
            if a.bias:
                entering = entering + r[0][a.b] * p[a.b]
            yield a.weight, entering, (r[0][b.weight] * p[b.weight]).sum(axis=1)


def ask_matrix_balance(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if pairs(case, rng, ("identity",)) else None


def judge_matrix_balance(r: Sequence[Reply]) -> Iterator[Equation]:
    """Wᵀ dW + bᵀ db = dW₂ W₂ᵀ around an identity activation."""
    chain, p = levels(r[0].case.network), r[0].case.astype("float64").parameters
    for a, b in pairwise(chain):
        if a.after == "identity":
            left = p[a.weight].T @ r[0][a.weight]
            if a.bias:
                left = left + p[a.b][:, None] @ r[0][a.b][None, :]
            yield a.weight, left, r[0][b.weight] @ p[b.weight].T


def ask_sigmoid_flip(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    """σ(-z) = 1 - σ(z): the first unit's sign turned, its outgoing weights negated and added to the next bias."""
    found = pairs(case, rng, ("sigmoid",))
    if not found or not found[1].bias:
        return None
    a, b = found
    case = short(case)
    bias = case.parameters[b.b] + case.parameters[b.weight][0]
    return [case, with_units(case, a, b, negated, negated_rows).but(parameters={b.b: bias})]


def judge_sigmoid_flip(r: Sequence[Reply]) -> Iterator[Equation]:
    a, b = _changed_level(r[0].case, r[1].case)
    yield from every(r[0], r[1], but=(*_incoming(a), b.weight))
    for name in _incoming(a):
        yield name, r[0][name], _sign_last(r[1][name])
    yield b.weight, r[0][b.weight][0] + r[1][b.weight][0], r[0][b.b]
    yield b.weight, r[0][b.weight][1:], r[1][b.weight][1:]


# --- the outputs and the loss ---------------------------------------------------------------------------------


def softmax_head(case: Case) -> bool:
    return "softmax" in (case.network.head[0], case.network.loss.kind.removesuffix("_cross_entropy"))


def ask_softmax_sum(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    applies = softmax_head(case) and levels(case.network)[-1].after in ("softmax", "identity") and _plain_last(case)
    return [case] if applies else None


def _plain_last(case: Case) -> bool:
    """The last dense layer gives the logits: nothing but a softmax follows, outside or inside the loss."""
    after, inside = levels(case.network)[-1].after, case.network.loss.kind == "softmax_cross_entropy"
    return (after == "softmax") != (inside and after == "identity")


def judge_softmax_sum(r: Sequence[Reply]) -> Iterator[Equation]:
    last = levels(r[0].case.network)[-1]
    for name in _incoming(last):
        yield name, r[0][name].sum(axis=-1), 0.0


def ask_logit_shift(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    last = levels(case.network)[-1]
    if not (softmax_head(case) and _plain_last(case) and last.bias):
        return None
    case = short(case)
    return [case, case.but(parameters={last.b: case.parameters[last.b] + 1024})]


def judge_same(r: Sequence[Reply]) -> Iterator[Equation]:
    yield from every(r[0], r[1])


def ask_translation(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    last = levels(case.network)[-1]
    kinds = [k for h in claims.heads if (h.activation, h.loss) == case.network.head for k in h.target_kinds]
    if case.network.loss.kind not in ("squared_error", "absolute_error") or "real" not in kinds:
        return None
    if last.after != "identity" or not last.bias:
        return None
    case = short(case)
    case = case.but(targets=np.round(case.targets * 1024) / 1024)
    case = case.but(targets=case.targets.astype(case.dtype))
    return [case, case.but(targets=case.targets + 2, parameters={last.b: case.parameters[last.b] + 2})]


def ask_outputs(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    if case.targets.ndim != 2 or case.targets.shape[1] < 2:
        return None
    changes = {name: case.parameters[name][..., ::-1].copy() for name in _incoming(levels(case.network)[-1])}
    return [case, case.but(targets=case.targets[:, ::-1].copy(), parameters=changes)]


def judge_outputs(r: Sequence[Reply]) -> Iterator[Equation]:
    last = _incoming(levels(r[0].case.network)[-1])
    yield from every(r[0], r[1], but=last)
    for name in last:
        yield name, r[0][name], r[1][name][..., ::-1]


AFFINE_IN_TARGET = ("squared_error", "cross_entropy", "softmax_cross_entropy", "binary_cross_entropy",
                    "sigmoid_cross_entropy", "inner_product")


def ask_target_mixture(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    """Targets t, t' (the examples' own, rotated) and their mean: every gradient is affine in the target."""
    kinds = {k for h in claims.heads if (h.activation, h.loss) == case.network.head for k in h.target_kinds}
    if case.network.loss.kind not in AFFINE_IN_TARGET or not kinds & {"real", "soft"}:
        return None
    if case.targets.ndim != 2 or case.batch < 2:
        return None
    targets = _on_grid(case.targets)
    other = np.roll(targets, 1, axis=0)
    return [case.but(targets=t) for t in (targets, other, (targets + other) / 2)]


def _on_grid(targets: Any) -> Any:
    """Targets as multiples of 2^-10, distributions still distributions: right code may take their sum to be one."""
    if targets.shape[1] < 2 or (targets < 0).any() or (np.abs(targets.sum(axis=1) - 1) > 1e-5).any():
        return (np.round(targets * 1024) / 1024).astype(targets.dtype)
    short = np.floor(targets * 1024) / 1024
    short[:, -1] = 1 - short[:, :-1].sum(axis=1)
    return short.astype(targets.dtype)


def judge_target_mixture(r: Sequence[Reply]) -> Iterator[Equation]:
    for name in r[0].gradients:
        yield name, r[2][name] * 2.0, r[0][name] + r[1][name]


def ask_cotangent(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    if case.network.loss.kind != "inner_product":
        return None
    return [case, case.but(targets=2 * case.targets), case.but(targets=0 * case.targets)]


def judge_cotangent(r: Sequence[Reply]) -> Iterator[Equation]:
    yield from every(r[1], r[0], factor=2.0)
    for name, gradient in r[2].gradients.items():
        yield name, gradient.value, 0.0


# --- state ----------------------------------------------------------------------------------------------------


def ask_twice(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    return [case, case]


def ask_between(case: Case, claims: Claims, rng: Any) -> list[Case] | None:
    other = case.but(inputs=-case.inputs / 2, parameters={k: v / 2 for k, v in case.parameters.items()})
    # Other numbers in arrays of other shapes, then of the same: a cache may be kept by shape.
    return [case, rows(other, slice(0, max(claims.batch[0], case.batch - 1))), other, case]


def judge_last(r: Sequence[Reply]) -> Iterator[Equation]:
    """The same answer again; NaN again is the same answer, whatever else is wrong with it."""
    for name, again, first in every(r[-1], r[0]):
        same = np.isnan(again.value) & np.isnan(first.value)
        left, right = (Measured(np.where(same, 0.0, m.value), m.tolerance) for m in (again, first))
        yield name, left, right


PROPERTIES: dict[str, Property] = {
    "repeated_question": Property("state", "the same question, asked twice, has the same answer",
                                  ask_twice, judge_last),
    "another_case_between": Property("state", "an answer does not depend on the question before",
                                     ask_between, judge_last),
    "batch_additivity": Property("batch", "a batch's gradient is the sum of its parts' gradients",
                                 ask_halves, judge_halves),
    "batch_permutation": Property("batch", "the order of the examples does not matter", ask_permuted, judge_permuted),
    "batch_duplication": Property("batch", "every example twice: twice the sum, the same mean",
                                  ask_doubled, judge_doubled),
    "single_example": Property("batch", "for one example dW = xᵀ db in the first layer", ask_single, judge_single),
    "bias_is_weight_of_one": Property("inputs", "the bias is the weight of a constant input 1: db = dW of that input",
                                      ask_constant_input, judge_constant_input),
    "zero_input": Property("inputs", "an input that is always 0 has a weight gradient of exactly 0",
                           ask_zero_input, judge_zero_input),
    "proportional_inputs": Property("inputs", "an input twice another has twice its weight gradient",
                                    ask_proportional, judge_proportional),
    "input_permutation": Property("inputs", "inputs and their weights may change places", ask_features, judge_features),
    "input_standardisation": Property("inputs", "scaling and shifting the inputs folds into weights and bias",
                                      ask_standardised, judge_standardised),
    "input_energy": Property("inputs", "Σ W dW = Σ x dx, input by input", ask_energy, judge_energy, "Euler's identity"),
    "unit_permutation": unit_property(
        "hidden units may change places",
        Unit(None, lambda a: a[..., ::-1], lambda w: w[::-1], lambda m: m[..., ::-1], lambda m: m[::-1], 2),
        "symmetry"),
    "unit_splitting": unit_property(
        "a hidden unit may be split in two with half the outgoing weights",
        Unit(None, _split, _split_out, first_two,
             lambda m: Measured(np.concatenate([(m.value[:1] + m.value[-1:]) / 2, m.value[1:-1]]),
                                np.concatenate([(m.tolerance[:1] + m.tolerance[-1:]) / 2, m.tolerance[1:-1]]))),
        "symmetry"),
    "dead_unit": Property("units", "a unit nobody listens to has a gradient of exactly 0", ask_dead, judge_dead),
    "silent_unit": unit_property(
        "a unit nobody listens to changes no other gradient",
        Unit(None, _with_dead, _with_dead_out, lambda m: m[..., :-1], lambda m: m[:-1]), "symmetry"),
    "unit_rescaling": unit_property(
        "relu, leaky relu and identity units may be scaled by 2 going in and 1/2 going out",
        Unit(HOMOGENEOUS, lambda a: 2 * a, lambda w: w / 2, lambda m: m * 2.0, lambda m: m * 0.5),
        "positive homogeneity"),
    "odd_flip": unit_property(
        "a tanh or identity unit may change its sign going in and going out",
        Unit(("tanh", "identity"), negated, negated_rows, _sign_last, _sign_rows), "odd function"),
    "unit_balance": Property("units", "w dw + b db going in = w dw going out, for every relu unit",
                             ask_balance, judge_balance, "Du, Hu, Lee, 2018"),
    "matrix_balance": Property("units", "Wᵀ dW + b db = dW W ᵀ around an identity activation",
                               ask_matrix_balance, judge_matrix_balance, "Arora et al., 2018"),
    "sigmoid_flip": Property("units", "σ(-z) = 1 - σ(z): a sigmoid unit flipped, folded into the next bias",
                             ask_sigmoid_flip, judge_sigmoid_flip),
    "softmax_sum": Property("outputs", "after a softmax the bias gradients sum to 0",
                            ask_softmax_sum, judge_softmax_sum),
    "logit_shift": Property("outputs", "adding a constant to all logits changes nothing", ask_logit_shift, judge_same),
    "translation": Property("outputs", "output bias and target may move together", ask_translation, judge_same),
    "output_permutation": Property("outputs", "outputs may change places", ask_outputs, judge_outputs),
    "target_mixture": Property("outputs", "the gradient is affine in the target",
                               ask_target_mixture, judge_target_mixture),
    "cotangent_linearity": Property("outputs", "the gradient is linear in the cotangent; for 0 it is exactly 0",
                                    ask_cotangent, judge_cotangent),
}
