"""Embeddings: the numbers of the words, words that are absent, and one-hot rows for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...reference import Case, LayerSpec
from ..claims import Claims
from ..identity import Equation, Found, Property, Reply, every
from ..structures import PLAIN


def only_embedding(case: Case) -> bool:
    """Whether the inputs are read by one embedding, the first layer, that no other layer shares.

    Without a padding row, which is a word unlike the others.
    """
    layers = case.network.layers
    return (bool(layers) and layers[0].kind == "embedding"
            and layers[0].options["padding_index"] is None
            and all(spec.share != "0" for _, spec in case.network.walk()))


def ask_renumbered(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """The words numbered from the other end."""
    if not only_embedding(case):
        return None
    weight = case.parameters["0.weight"]
    return [case, case.but(inputs=len(weight) - 1 - case.inputs,
                           parameters={"0.weight": weight[::-1].copy()})]


def judge_renumbered(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("0.weight",))
    yield "0.weight", r[0]["0.weight"], r[1]["0.weight"][::-1]


def ask_absent(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """As it is, where some words are not among the inputs."""
    if not only_embedding(case) or not absent(case).any():
        return None
    return [case]


def absent(case: Case) -> Any:
    """A mask (V,) of the words that are not there."""
    return ~np.isin(np.arange(case.network.input_kind["index"]), case.inputs)


def judge_absent(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield "0.weight", r[0]["0.weight"].value[absent(r[0].case)], 0.0


def ask_one_hot(case: Case, places: Found, claims: Claims, rng: Any) -> list[Case] | None:
    """A dense layer without a bias, given a row of the identity for each word.

    Of networks that are a chain but for that.
    """
    wanted = {PLAIN, *(("sequence",) if case.inputs.ndim > 1 else ())}
    if not wanted <= set(claims.structures) or not only_embedding(case):
        return None
    if claims.networks or claims.bias not in ("any", "never") or any(
            spec.kind not in ("embedding", "dense", "activation") or spec.share is not None
            for _, spec in case.network.walk()):
        return None
    words, (first, *rest) = case.network.input_kind["index"], case.network.layers
    dense = LayerSpec("dense", {"units": first.units, "bias": False})
    network = replace(case.network, input_shape=(*case.network.input_shape, words),
                      input_kind="real", layers=(dense, *rest))
    rows = np.eye(words, dtype=case.dtype)[case.inputs]
    return [case, replace(case, network=network, inputs=rows)]


def judge_one_hot(r: Sequence[Reply], places: Found) -> Iterator[Equation]:
    yield from every(r[0], r[1], but=("inputs",))


PROPERTIES = {
    "word_renumbering": Property(
        "embedding", "words may change numbers where the rows of the weight change places",
        ask_renumbered, judge_renumbered),
    "absent_words": Property(
        "embedding", "words that are not there have a gradient of exactly 0", ask_absent,
        judge_absent),
    "embedding_of_one_hot": Property(
        "embedding", "an embedding is a dense layer that is given one-hot rows", ask_one_hot,
        judge_one_hot),
}
