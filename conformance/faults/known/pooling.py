"""Pooling: which entry the gradient goes to, and by what a mean is divided.

Ties in max pooling are met on networks of exact integers only, and a program that counts them twice
is told by its convention: `properties/conventions/pooling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference import Rule
from ...reference.layers.pooling import channelwise, counts, largest, seen, unseen
from ...reference.numbers import add_windows
from ..core import Fault, Faults
from ..ways import with_entries
from .convolution import last_written

WINDOWS = ("pool1d", "pool2d")
GLOBAL, SUBSAMPLE = ("global_pool",), ("subsample2d",)
Gradients = dict[str, Any]
# p, what the forward saved, dy -> dx and the gradients
Backward = Callable[[Any, Any, Any], tuple[Any, Gradients]]


def pooling(symptom: str, wrong: str, right: str, seen: str, change: Callable[[Rule], Rule],
            kinds: tuple[str, ...] = WINDOWS) -> Fault:
    """A row; its family is the kind that it is about, or "pooling" where there are two of them."""
    family = kinds[0] if len(kinds) == 1 else "pooling"
    return Fault(family, symptom, wrong, right, seen, with_entries(
        "layers", dict.fromkeys(kinds, change)))


def backward(function: str, line: Backward) -> Callable[[Rule], Rule]:
    """The rule with another way back, where it takes the max or the mean."""
    def rule(right: Rule) -> Rule:
        def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
            of_function = p.options.get("function") == function
            return line(p, saved, dy) if of_function else right.backward(p, saved, dy)

        return right._replace(backward=back)

    return rule


def times(function: str, factor: Callable[[Any, Any], float]) -> Callable[[Rule], Rule]:
    """dx so many times what it is: factor(p, shape of x)."""
    def rule(right: Rule) -> Rule:
        def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
            dx, gradients = right.backward(p, saved, dy)
            return dx * factor(p, saved[0]), gradients

        return backward(function, back)(right)

    return rule


# --- max ------------------------------------------------------------------------------------------


def zeros_count(right: Rule) -> Rule:
    """The padding is a candidate for the largest entry, with the value 0."""
    def forward(p: Any, x: Any) -> tuple[Any, Any]:
        if p.options["function"] != "max":
            return right.forward(p, x)
        found = seen(x, p.options)
        y, at = largest(found)
        return y, (x.shape, found, at)

    return right._replace(forward=forward)


def to_every_entry(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
    whole = (*dy.shape, math.prod(p.options["window"]))
    return unseen(np.broadcast_to(np.expand_dims(dy, -1), whole), p.options, saved[0][2:]), {}


def overwritten(right: Rule) -> Rule:
    """Where windows overlap, the last one is left."""
    def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
        shape, _, at = saved
        K, o = math.prod(p.options["window"]), p.options
        each = np.where(np.arange(K) == at[..., None], np.expand_dims(dy, -1),
                        np.zeros_like(np.expand_dims(dy, -1)))
        rows = np.moveaxis(each, 1, -2)
        rows = rows.reshape(*rows.shape[:-2], -1)
        reach = [(n - 1) * s + k for n, s, k in zip(
            dy.shape[2:], o["stride"], o["window"], strict=True)]
        sizes = [max(r, n + 2 * q) for r, n, q in zip(reach, shape[2:], o["padding"], strict=True)]
        dx = last_written(rows, o, shape[1], sizes)
        inner = (slice(q, q + n) for n, q in zip(shape[2:], o["padding"], strict=True))
        return dx[(slice(None), slice(None), *inner)], {}

    return backward("max", back)(right)


# --- mean -----------------------------------------------------------------------------------------


def with_options(**other: Any) -> Callable[[Rule], Rule]:
    """Forward and backward as if an option had another value; the places stay."""
    def rule(right: Rule) -> Rule:
        def scoped(p: Any) -> Any:
            return type(p)(p.tables, p.values, p.name, p.spec.but(**other))

        return right._replace(
            forward=lambda p, x: right.forward(scoped(p), x),
            backward=lambda p, saved, dy: right.backward(scoped(p), saved, dy))

    return rule


def counted_in_full(right: Rule) -> Rule:
    """A window that reaches past the end is divided by all of its entries."""
    def part(p: Any, shape: Any, y: Any) -> Any:
        o = p.options
        if o["function"] != "mean" or not (o["ceil"] and o["count_padding"]):
            return y
        return y * counts(o, shape[2:]) / math.prod(o["window"])

    def forward(p: Any, x: Any) -> tuple[Any, Any]:
        y, saved = right.forward(p, x)
        return part(p, x.shape, y), saved

    def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
        return right.backward(p, saved, part(p, saved[0], dy))

    return right._replace(forward=forward, backward=back)


def by_window(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
    """Divided by the number of a window's entries, whatever the window saw."""
    dx, gradients = to_every_entry(p, saved, dy)
    return dx / math.prod(p.options["window"]), gradients


# --- sub-sampling ---------------------------------------------------------------------------------


def of_sum(right: Rule) -> Rule:
    def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
        dx, g = right.backward(p, saved, dy)
        return dx, {**g, "coefficient": g["coefficient"] * math.prod(p.options["window"])}

    return right._replace(backward=back)


def without_coefficient(right: Rule) -> Rule:
    def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
        window, shape = p.options["window"], saved[0]
        each = np.expand_dims(dy, (-2, -1)) / math.prod(window)
        dx = add_windows(np.broadcast_to(each, (*dy.shape, *window)), shape[2:], window, (1, 1))
        return dx, right.backward(p, saved, dy)[1]

    return right._replace(backward=back)


def of_output(right: Rule) -> Rule:
    """The coefficient's gradient is taken of the output, bias and all."""
    def back(p: Any, saved: Any, dy: Any) -> tuple[Any, Gradients]:
        dx, g = right.backward(p, saved, dy)
        y = saved[1] * channelwise(p["coefficient"]) + channelwise(p["bias"])
        return dx, {**g, "coefficient": (y * dy).sum(axis=(0, 2, 3))}

    return right._replace(backward=back)


# --- the table ------------------------------------------------------------------------------------

TO_LARGEST = "dx[window][window == window.max()] += dy"
SPREAD = "dx[window] += dy / n"

FAULTS: Faults = {
    "pooling-max-of-padding": pooling(
        "the padding of max pooling is taken for entries of value 0, which are largest where all "
        "others are negative: the loss itself is another one",
        "x = np.pad(x, q)", "x = np.pad(x, q, constant_values=-np.inf)",
        "NNlib#133, and repositories that pad once for convolutions and pooling", zeros_count),
    "pooling-max-to-every-entry": pooling(
        "the gradient of max pooling goes to all entries of a window, not to the largest alone",
        "dx[window] += dy", TO_LARGEST, "the way back of a mean, without its division",
        backward("max", to_every_entry)),
    "pooling-windows-overwritten": pooling(
        "everything below max pooling is wrong where its windows overlap: each window overwrites "
        "what the one before has left",
        "dx[window] = mask * dy", "dx[window] += mask * dy",
        "repositories that write pooling for windows side by side", overwritten),
    "pooling-mean-not-divided": pooling(
        "everything below mean pooling is too large by the number of a window's entries",
        "dx[window] += dy", SPREAD, "repositories that write pooling from scratch",
        backward("mean", to_every_entry)),
    "pooling-padding-counted": pooling(
        "the loss itself is another one where mean pooling has padding: it is divided by all "
        "entries of a window, those of the padding too",
        "y = window.sum() / k**2", "y = window.sum() / n, n the entries that are no padding",
        "pytorch#188345, two conventions of libraries taken for each other",
        with_options(count_padding=True)),
    "pooling-rest-counted-in-full": pooling(
        "the loss itself is another one where a last window of mean pooling reaches past the end: "
        "it is divided by all entries of a window, those past the end too",
        "y = window.sum() / k**2", "y = window.sum() / n, n the entries before the end",
        "pytorch#198119, burn#5604, cubek#648", counted_in_full),
    "pooling-mean-divided-by-window": pooling(
        "everything below mean pooling is too small at the edges: on the way back it is divided by "
        "all entries of a window, though fewer were counted",
        "dx[window] += dy / k**2", SPREAD, "pytorch#188344, where padding was forgotten",
        backward("mean", by_window)),
    "pooling-global-counts-channels": pooling(
        "everything below global mean pooling is too small by the number of channels: it is "
        "divided by all entries of an example",
        "dx = dy / x[0].size", "dx = dy / x[0, 0].size", "planted, because x.size is shorter",
        times("mean", lambda p, shape: 1.0 / shape[1]), GLOBAL),
    "pooling-global-divided-by-width": pooling(
        "everything below global mean pooling of images is too large by their height: it is "
        "divided by the length of the last axis",
        "dx = dy / x.shape[-1]", "dx = dy / x[0, 0].size",
        "pooling of sequences, later used for images",
        times("mean", lambda p, shape: float(math.prod(shape[2:-1]))), GLOBAL),
    "pooling-global-not-divided": pooling(
        "everything below global mean pooling is too large by the number of an image's entries",
        "dx = np.broadcast_to(dy, x.shape)", "dx = np.broadcast_to(dy, x.shape) / x[0, 0].size",
        "repositories that write pooling from scratch",
        times("mean", lambda p, shape: float(math.prod(shape[2:]))), GLOBAL),
    "subsampling-coefficient-of-sum": pooling(
        "the gradient of the coefficient is too large by the number of a window's entries: it is "
        "taken with their sum, where the forward pass has the mean",
        "d_coefficient = (window_sum * dy).sum()", "d_coefficient = (window_mean * dy).sum()",
        "programs after LeCun et al. 1998, which has the sum", of_sum, SUBSAMPLE),
    "subsampling-coefficient-of-output": pooling(
        "the gradient of the coefficient is taken with the output of the layer, in place of the "
        "mean that is multiplied",
        "d_coefficient = (y * dy).sum()", "d_coefficient = (window_mean * dy).sum()",
        "layers that keep their output only", of_output, SUBSAMPLE),
    "subsampling-without-coefficient": pooling(
        "everything below a trainable sub-sampling is as if its coefficients were 1",
        "dx[window] += dy / k**2", "dx[window] += coefficient * dy / k**2",
        "mean pooling, to which coefficients were added later", without_coefficient, SUBSAMPLE),
}
