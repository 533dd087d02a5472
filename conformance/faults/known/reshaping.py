"""Layers that move numbers: in which order, from which side, and how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference import Rule
from ...reference.layers.reshaping import in_blocks
from ..core import Fault, Faults
from ..ways import with_entries

RESHAPES = ("flatten", "reshape")


def reshaping(symptom: str, wrong: str, right: str, seen: str,
              change: Callable[[Any, Any, Any, Any], Any], kinds: tuple[str, ...]) -> Fault:
    """A row: change(p, what the forward saved, dy, right dx) -> the wrong dx.

    Its family is the kind that it is about, or "reshaping" where there are two of them.
    """
    def rule(right: Rule) -> Rule:
        def back(p: Any, saved: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
            return change(p, saved, dy, right.backward(p, saved, dy)[0]), {}

        return right._replace(backward=back)

    family = kinds[0] if len(kinds) == 1 else "reshaping"
    return Fault(family, symptom, wrong, right, seen, with_entries(
        "layers", dict.fromkeys(kinds, rule)))


def channels_last(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    """The entries of an example are taken to be by place, and the channels of a place together."""
    if len(shape) < 3:
        return dx
    return np.moveaxis(dy.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def columns_first(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    """The entries of an example are taken to be column by column."""
    turned = dy.reshape(shape[0], *shape[:0:-1])
    return turned.transpose(0, *range(len(shape) - 1, 0, -1))


def cut_behind(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    return dy[tuple(slice(0, n) for n in shape)]


def not_cut(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    return dy


def sliced(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    step = slice(None, None, p.options["factor"])
    return dy[(slice(None), slice(None), *(step for _ in shape[2:]))]


def averaged(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    return dx / p.options["factor"] ** (len(shape) - 2)


def maximal(p: Any, shape: Any, dy: Any, dx: Any) -> Any:
    blocks = dy.reshape(in_blocks(shape, p.options["factor"]))
    return blocks.max(axis=tuple(range(3, blocks.ndim, 2)))


BACK, BLOCK = "dx = dy.reshape(x.shape)", "dx = blocks.sum(axis=(3, 5))"

FAULTS: Faults = {
    "reshaping-channels-last": reshaping(
        "everything below a flatten or reshape is mixed up: on the way back the numbers are taken "
        "for images with the channels behind",
        "dx = dy.reshape(n, height, width, channels).transpose(0, 3, 1, 2)", BACK,
        "programs that were moved from one library's order of axes to another's", channels_last,
        RESHAPES),
    "reshaping-columns-first": reshaping(
        "everything below a flatten or reshape is mixed up: on the way back the numbers are read "
        "column by column",
        "dx = dy.reshape(x.shape, order='F')", BACK,
        "programs that were moved from MATLAB, and transposes for speed", columns_first, RESHAPES),
    "padding-cut-behind": reshaping(
        "everything below a padding is shifted: what was put in front is not cut off",
        "dx = dy[:, :, :height, :width]", "dx = dy[:, :, a : a + height, b : b + width]",
        "repositories that write a padding from scratch", cut_behind, ("pad",)),
    "padding-not-cut": reshaping(
        "the error below a padding has the padding still around it",
        "dx = dy", "dx = dy[:, :, a : a + height, b : b + width]",
        "layers that were thought to have no way back", not_cut, ("pad",)),
    "upsampling-slice-for-sum": reshaping(
        "everything below an upsampling is too small: of each block one entry is taken, where all "
        "of them came from one number",
        "dx = dy[:, :, ::f, ::f]", BLOCK, "ML-From-Scratch", sliced, ("upsample",)),
    "upsampling-averaged": reshaping(
        "everything below an upsampling is too small by the number of a block's entries: they are "
        "averaged",
        "dx = blocks.mean(axis=(3, 5))", BLOCK,
        "planted, because mean pooling is thought to be the way back", averaged, ("upsample",)),
    "upsampling-max": reshaping(
        "everything below an upsampling is wrong: of each block the largest entry is taken",
        "dx = blocks.max(axis=(3, 5))", BLOCK,
        "planted, because max pooling is thought to be the way back", maximal, ("upsample",)),
}
