"""Layers that move numbers and compute nothing: flatten, reshape, pad, upsample.

Each is a matrix of zeros and ones, and goes back by its transpose: what was copied once is moved
back, what was copied many times is summed, and what was put in (zeros of padding) is left out.

    flatten     x: (batch, *shape), y: (batch, n), the entries of an example row by row
    reshape     the same into any shape with as many entries
    pad         zeros before and after each of the last axes; dx is dy without them
    upsample    x: (batch, C, *sizes), every entry becomes a block of factor x factor equal ones
                ("nearest"); dx is the sum over the block
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checks import size
from ..kinds import Option, Rule, Scope, Shape, Shapes, Tables
from ..network import LayerSpec
from .convolution import natural, refused

# --- flatten and reshape -------------------------------------------------------------------------


def shapes_flatten(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    return Shapes((math.prod(shape),))


def shapes_reshape(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    wanted = tuple(spec.options["shape"])
    if math.prod(wanted) != math.prod(shape):
        raise refused(spec, where, f"cannot give {shape} the shape {wanted}")
    return Shapes(wanted)


def flatten(p: Scope, x: Any) -> tuple[Any, Any]:
    return x.reshape(x.shape[0], -1), x.shape


def reshape(p: Scope, x: Any) -> tuple[Any, Any]:
    return x.reshape(x.shape[0], *p.options["shape"]), x.shape


def reshaped_back(p: Scope, shape: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    return dy.reshape(shape), {}


# --- pad -----------------------------------------------------------------------------------------


def edges(p: Scope, ndim: int) -> list[tuple[int, int]]:
    """Before and after each axis; none for those in front."""
    amounts = [(before, after) for before, after in p.options["amounts"]]
    return [(0, 0)] * (ndim - len(amounts)) + amounts


def shapes_pad(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    amounts = spec.options["amounts"]
    if len(amounts) > len(shape):
        raise refused(spec, where, f"pads {len(amounts)} axes of an input of shape {shape}")
    kept = len(shape) - len(amounts)
    return Shapes((*shape[:kept], *(before + n + after for n, (before, after)
                                    in zip(shape[kept:], amounts, strict=True))))


def pad(p: Scope, x: Any) -> tuple[Any, Any]:
    return np.pad(x, edges(p, x.ndim)), x.shape


def pad_back(p: Scope, shape: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    return dy[tuple(slice(before, before + n) for n, (before, _)
                    in zip(shape, edges(p, dy.ndim), strict=True))], {}


# --- upsample ------------------------------------------------------------------------------------


def shapes_upsample(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    if len(shape) < 2:
        raise refused(spec, where, f"wants channels and one axis or more, received {shape}")
    return Shapes((shape[0], *(n * spec.options["factor"] for n in shape[1:])))


def upsample(p: Scope, x: Any) -> tuple[Any, Any]:
    f, shape = p.options["factor"], x.shape
    axes = tuple(range(3, 2 * x.ndim - 1, 2))
    blocks = np.broadcast_to(np.expand_dims(x, axes), in_blocks(shape, f))
    return blocks.reshape(*shape[:2], *(n * f for n in shape[2:])), shape


def upsample_back(p: Scope, shape: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    blocks = dy.reshape(in_blocks(shape, p.options["factor"]))
    return blocks.sum(axis=tuple(range(3, blocks.ndim, 2))), {}


def in_blocks(shape: Shape, factor: int) -> Shape:
    """(batch, C, height, factor, width, factor) for an image."""
    return (*shape[:2], *(n for size in shape[2:] for n in (size, factor)))


# --- the rows ------------------------------------------------------------------------------------


def a_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(size, value))


def pairs(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(
        isinstance(each, list) and len(each) == 2 and all(map(natural, each)) for each in value)


LAYERS = {
    "flatten": Rule(flatten, reshaped_back, shapes_flatten, mixes_steps=True, axes=2, moves=True),
    "reshape": Rule(reshape, reshaped_back, shapes_reshape,
                    {"shape": Option(a_shape, "a list of positive integers")}, mixes_steps=True,
                    axes=2, moves=True),
    "pad": Rule(pad, pad_back, shapes_pad,
                {"amounts": Option(pairs, "a list with [before, after] for each of the last axes")},
                mixes_steps=True, axes=2, moves=True),
    "upsample": Rule(upsample, upsample_back, shapes_upsample,
                     {"factor": Option(size, "a positive integer")}, mixes_steps=True, axes=2,
                     moves=True),
}
