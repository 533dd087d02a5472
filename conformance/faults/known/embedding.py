"""Embeddings: what is added up where an index is there twice, and what is not trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...reference import Rule
from ..core import Fault, Faults, Make
from ..ways import with_entry

row = partial(Fault, "embedding")


def gradient(wrong: Callable[[Any, Any, Any, Any], Any]) -> Make:
    """dW = wrong(x, dy, right dW, the layer's options); x: one-hot rows, (batch, ..., V)."""
    def change(rule: Rule) -> Rule:
        def backward(p: Any, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
            dx, gradients = rule.backward(p, x, dy)
            return dx, {"weight": wrong(x, dy, gradients["weight"], p.options)}

        return rule._replace(backward=backward)

    return with_entry("layers", "embedding", change)


def trained(dW: Any, options: Any) -> Any:
    """With the row of the padding set to zero."""
    padding = options["padding_index"]
    if padding is None:
        return dW
    return np.where((np.arange(dW.shape[0]) != padding)[:, None], dW, np.zeros_like(dW))


def last_of_each(x: Any, dy: Any, dW: Any, options: Any) -> Any:
    return trained(_last(x, dy), options)


def _last(x: Any, dy: Any) -> Any:
    """Row by row: the dy of the last place that has the index."""
    x, dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    later = np.cumsum(x[::-1], axis=0)[::-1]
    return (x * (later == 1.0)).T @ dy


def mean_of_each(x: Any, dy: Any, dW: Any, options: Any) -> Any:
    times = x.reshape(-1, x.shape[-1]).sum(axis=0)
    return dW / np.maximum(times, 1.0)[:, None].astype(dW.dtype)


def with_padding(x: Any, dy: Any, dW: Any, options: Any) -> Any:
    return x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])


def of_first_example(x: Any, dy: Any, dW: Any, options: Any) -> Any:
    """The indices of the first example for all."""
    first = np.broadcast_to(x[:1], x.shape).reshape(-1, x.shape[-1])
    return trained(first.T @ dy.reshape(-1, dy.shape[-1]), options)


def everywhere(x: Any, dy: Any, dW: Any, options: Any) -> Any:
    """Every row has the mean over all places."""
    mean = dy.reshape(-1, dy.shape[-1]).mean(axis=0)
    return trained(np.broadcast_to(mean, dW.shape) + 0.0 * dW, options)


def one_too_low(rule: Rule) -> Rule:
    """W[i - 1]: the indices are counted from 1."""
    return rule._replace(forward=lambda p, i: rule.forward(p, i - 1))


ADD = "np.add.at(dW, i, dy)"

FAULTS: Faults = {
    "embedding-row-overwritten": row(
        "where an index is there several times, only the last one counts: its error overwrites "
        "those of the others",
        "dW[i] += dy", ADD, "tt-metal#6232; NumPy's += on a repeated index",
        gradient(last_of_each)),
    "embedding-row-averaged": row(
        "where an index is there several times, the errors are averaged and not added up",
        "np.add.at(dW, i, dy); dW /= counts", ADD,
        "nn.Embedding's scale_grad_by_freq where the sum is wanted", gradient(mean_of_each)),
    "embedding-padding-row-trained": row(
        "the row of the padding index has a gradient",
        "np.add.at(dW, i, dy)", "np.add.at(dW, i, dy); dW[padding_index] = 0",
        "pytorch#28716, pytorch#26302, pytorch#3506", gradient(with_padding)),
    "embedding-indices-of-first-example": row(
        "the errors of all examples go to the rows that the first example looked up",
        "np.add.at(dW, i[0], dy.sum(axis=0))", ADD, "unsloth-zoo#776: the batch stride",
        gradient(of_first_example)),
    "embedding-all-rows": row(
        "every row has the mean error of all places, whatever index they have",
        "dW[:] = dy.mean(axis=0)", ADD, "embeddings written from scratch", gradient(everywhere)),
    "embedding-counted-from-one": row(
        "the rows are counted from 1, so that each index looks up the row before its own",
        "y = W[i - 1]", "y = W[i]", "programs translated from a language that counts from 1",
        with_entry("layers", "embedding", one_too_low)),
}
