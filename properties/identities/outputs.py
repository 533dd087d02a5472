"""The outputs and the loss: softmax, translations, order of the outputs, targets, cotangents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reference import LOSSES, Case
from ...reference.network import COTANGENT, WEIGHTED
from ...reference.wiring import Place
from ..claims import Claims
from ..identity import (
    LAST,
    Equation,
    Found,
    Needs,
    Property,
    Reply,
    every,
    short,
    the_same,
)

AFFINE_IN_TARGET = ("squared_error", "cross_entropy", "softmax_cross_entropy",
                    "binary_cross_entropy", "sigmoid_cross_entropy", "inner_product",
                    "kl_divergence", "kl_divergence_of_logs")
OF_DIFFERENCE = ("squared_error", "absolute_error", "huber")


def behind(place: Place) -> tuple[str, ...]:
    """The functions between a site and the loss, but for the identity."""
    return tuple(name for name in place.after if name != "identity")


def gives_logits(case: Case, place: Place) -> bool:
    """Whether nothing but one softmax follows the site, outside the loss or inside it."""
    inside = case.network.loss.kind == "softmax_cross_entropy"
    return behind(place) in ([()] if inside else [("softmax",), ("log_softmax",)])


def kinds_of_targets(case: Case, claims: Claims) -> set[str]:
    """The kinds of target that are claimed for this output activation and loss."""
    heads = [head for head in claims.heads if (head.activation, head.loss) == case.network.head]
    return {kind for head in heads for kind in head.target_kinds}


def ask_softmax_sum(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    return [case] if gives_logits(case, *places) else None


def judge_softmax_sum(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    for name in places[0].parameters:
        yield name, r[0][name].sum(axis=-1), 0.0


def ask_logit_shift(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    (last,) = places
    if not gives_logits(case, last):
        return None
    case = short(case)
    return [case, case.but(parameters={last.bias: case.parameters[last.bias] + 1024})]


def ask_translation(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    (last,) = places
    if case.network.loss.kind not in OF_DIFFERENCE or behind(last):
        return None
    if "real" not in kinds_of_targets(case, claims):
        return None
    case = short(case)
    targets = (np.round(case.targets * 1024) / 1024).astype(case.dtype)
    moved = {last.bias: case.parameters[last.bias] + 2}
    return [case.but(targets=targets), case.but(targets=targets + 2, parameters=moved)]


def ask_outputs(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if case.targets.dtype.kind != "f" or case.targets.shape[-1] < 2:
        return None
    changes = {name: case.parameters[name][..., ::-1].copy() for name in places[0].parameters}
    each = LOSSES[case.network.loss.kind].per == "element"
    constants = {name: value[..., ::-1].copy() if name == COTANGENT and each else value
                 for name, value in case.constants.items()}
    return [case, case.but(targets=case.targets[..., ::-1].copy(), parameters=changes,
                           constants=constants)]


def judge_outputs(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    (last,) = places
    yield from every(r[0], r[1], but=last.parameters)
    for name in last.parameters:
        yield name, r[0][name], r[1][name][..., ::-1]


def ask_target_mixture(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """Targets t, t' (the examples' own, rotated) and their mean: affine in the target."""
    kinds = kinds_of_targets(case, claims)
    if case.network.loss.kind not in AFFINE_IN_TARGET or not kinds & {"real", "soft"}:
        return None
    if case.targets.dtype.kind != "f":
        return None
    targets = on_grid(case.targets)
    other = np.roll(targets, 1, axis=0)
    return [case.but(targets=t) for t in (targets, other, (targets + other) / 2)]


def on_grid(targets: Any) -> Any:
    """Targets as multiples of 2^-10, distributions still distributions: right code may take their
    sum to be one.
    """
    whole = np.abs(targets.sum(axis=-1) - 1) <= 1e-5
    if targets.shape[-1] < 2 or (targets < 0).any() or not whole.all():
        return (np.round(targets * 1024) / 1024).astype(targets.dtype)
    cut = np.floor(targets * 1024) / 1024
    cut[..., -1] = 1 - cut[..., :-1].sum(axis=-1)
    return cut.astype(targets.dtype)


def judge_target_mixture(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    for name in r[0].gradients:
        yield name, r[2][name] * 2.0, r[0][name] + r[1][name]


def ask_cotangent(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    if case.network.loss.kind != "inner_product":
        return None
    return [case, case.but(targets=2 * case.targets), case.but(targets=0 * case.targets)]


def judge_cotangent(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[1], r[0], factor=2.0)
    for name, gradient in r[2].gradients.items():
        yield name, gradient.value, 0.0


def ask_upstream(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The numbers that multiply the unreduced loss in two parts: those of every other example."""
    if case.network.loss.reduction != WEIGHTED:
        return None
    whole = case.constants[COTANGENT]
    even = np.arange(case.batch).reshape(-1, *[1] * (whole.ndim - 1)) % 2 == 0
    parts = (np.where(even, whole, 0 * whole), np.where(even, 0 * whole, whole))
    return [case, *(case.but(constants={**case.constants, COTANGENT: part}) for part in parts)]


def judge_upstream(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from ((name, r[0][name], r[1][name] + r[2][name]) for name in r[0].gradients)


PROPERTIES = {
    "softmax_sum": Property(
        "outputs", "after a softmax the bias gradients sum to 0", ask_softmax_sum,
        judge_softmax_sum, Needs(LAST)),
    "logit_shift": Property(
        "outputs", "adding a constant to all logits changes nothing", ask_logit_shift, the_same,
        Needs(LAST, biases=True)),
    "translation": Property(
        "outputs", "output bias and target may move together", ask_translation, the_same,
        Needs(LAST, biases=True)),
    "output_permutation": Property(
        "outputs", "outputs may change places", ask_outputs, judge_outputs, Needs(LAST)),
    "target_mixture": Property(
        "outputs", "the gradient is affine in the target", ask_target_mixture,
        judge_target_mixture, Needs(batch=2)),
    "cotangent_linearity": Property(
        "outputs", "the gradient is linear in the cotangent; for 0 it is exactly 0", ask_cotangent,
        judge_cotangent),
    "upstream_additivity": Property(
        "outputs", "what comes down from above may come in parts: the gradients add up",
        ask_upstream, judge_upstream),
}
