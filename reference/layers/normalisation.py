"""Normalisation: numbers are brought to mean 0 and variance 1, set by set, then scaled and moved.

A set is what one mean and one variance are taken of. Its N numbers are a row of a matrix (sets, N),
and the equations are those of a row:

    m = mean x            v = mean (x - m)²         x̂ = (x - m) / √(v + ε)        y = γ x̂ + β
    dx = (g - mean g - x̂ mean(g x̂)) / √(v + ε)   with g = γ dy
    dγ = Σ dy x̂           dβ = Σ dy                 over all that γ and β are spread over

Both means in dx are paths through the statistics: x reaches y through m and v, too. The kinds
differ in what is a set. The features of (batch, n) and (batch, time, n) are the last axis, those of
an image (batch, channels, height, width) its channels:

- `batch_norm`: a feature, over the batch and all places. Ioffe & Szegedy (2015), section 3. With
  "training": false m and v are constants, and dx = g / √(v + ε).
- `layer_norm`: the last `axes` axes of an example. Ba, Kiros & Hinton (2016), section 3.
- `instance_norm`: a feature of one example, over its places. Ulyanov and others (2016).
- `group_norm`: so many features of one example with all their places. Wu & He (2018), section 3.
- `rms_norm`: as layer_norm, but nothing is subtracted and there is no β. Zhang & Sennrich (2019).

γ and β have an entry for each feature, or have the shape of what layer_norm and rms_norm normalise.
The variance is the biased one, 1/N. With `epsilon_on` "deviation" ε is added behind the root:
x̂ = (x - m) / (√v + ε). A program of that form has no derivative where v = 0.

`weight_norm` is a dense layer whose matrix has its direction and its size apart, column by column:

    W = s d / |d|         ds = Σ dW d / |d|         dd = s (dW - d (Σ dW d) / |d|²) / |d|

What of dW points along d changes no direction. Salimans & Kingma (2016), equations 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..checks import DescriptionError, size
from ..kinds import UNITS, Kink, Option, Rule, Scope, Shape, Shapes, Site, Tables, flag
from ..network import LayerSpec

EPSILON = Option(lambda v: type(v) in (int, float) and 0 < v < 1, "a number between 0 and 1", 1e-5)
EPSILON_ON = Option(lambda v: v in ("variance", "deviation"), "variance or deviation", "variance")
OPTIONS = {"epsilon": EPSILON, "epsilon_on": EPSILON_ON}
COUNT = Option(size, "a positive integer", 1)
IMAGE = 4


# --- what is a set ------------------------------------------------------------------------------


def by_feature(x: Any) -> Any:
    """(batch, features, places): every feature of an example with all its places side by side."""
    if x.ndim == IMAGE:
        return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]).swapaxes(1, 2)


def as_it_was(x: Any, shape: Shape) -> Any:
    """From (batch, features, places) back to the layer's own shape."""
    return (x if len(shape) == IMAGE else x.swapaxes(1, 2)).reshape(shape)


def features(shape: Shape) -> int:
    """How many features examples of this shape have."""
    return shape[0] if len(shape) + 1 == IMAGE else shape[-1]


def batch_rows(spec: LayerSpec, x: Any) -> Any:
    z = by_feature(x).swapaxes(0, 1)
    return z.reshape(z.shape[0], -1)


def batch_back(spec: LayerSpec, z: Any, shape: Shape) -> Any:
    return as_it_was(z.reshape(z.shape[0], shape[0], -1).swapaxes(0, 1), shape)


def group_rows(spec: LayerSpec, x: Any) -> Any:
    """Without groups every feature is one of its own."""
    z = by_feature(x)
    return z.reshape(z.shape[0] * spec.options.get("groups", z.shape[1]), -1)


def group_back(spec: LayerSpec, z: Any, shape: Shape) -> Any:
    return as_it_was(z.reshape(shape[0], features(shape[1:]), -1), shape)


def layer_rows(spec: LayerSpec, x: Any) -> Any:
    return x.reshape(-1, math.prod(x.shape[-spec.options["axes"]:]))


def layer_back(spec: LayerSpec, z: Any, shape: Shape) -> Any:
    return z.reshape(shape)


def for_features(a: Any, x: Any) -> Any:
    """A number for each feature, as it meets x."""
    return a.reshape(-1, 1, 1) if x.ndim == IMAGE else a


def over_features(d: Any, shape: Shape) -> Any:
    """The sum of d over all that a feature's number was spread over."""
    return by_feature(d).sum(axis=(0, 2))


def as_they_are(a: Any, x: Any) -> Any:
    return a


def over_leading_axes(d: Any, shape: Shape) -> Any:
    return d.reshape(-1, *shape).sum(axis=0)


class Sets(NamedTuple):
    """How an input falls into sets, and how γ and β are spread over it.

    rows(spec, x): its matrix (sets, N); back(spec, rows, shape): the input again. spread(γ, x): γ
    as it meets x; summed(d, shape of γ): a gradient like x, summed over what γ is spread over.
    """

    rows: Callable[[LayerSpec, Any], Any]
    back: Callable[[LayerSpec, Any, Shape], Any]
    spread: Callable[[Any, Any], Any]
    summed: Callable[[Any, Shape], Any]


BATCH = Sets(batch_rows, batch_back, for_features, over_features)
GROUP = Sets(group_rows, group_back, for_features, over_features)
LAYER = Sets(layer_rows, layer_back, as_they_are, over_leading_axes)


# --- one set ------------------------------------------------------------------------------------


def not_below_0(v: Any) -> Any:
    """v, where rounding alone would take it below 0."""
    return np.maximum(v, np.zeros_like(v))


def over_root(spec: LayerSpec, v: Any) -> Any:
    """1 / √(v + ε), or 1 / (√v + ε)."""
    epsilon = spec.options["epsilon"]
    if spec.options["epsilon_on"] == "deviation":
        return 1.0 / (np.sqrt(not_below_0(v)) + epsilon)
    return 1.0 / np.sqrt(v + epsilon)


def mean(x: Any) -> Any:
    return x.mean(axis=-1, keepdims=True)


def centred(x: Any, centre: bool) -> Any:
    """x less its mean; for rms_norm x itself."""
    return x - mean(x) if centre else x


def along(spec: LayerSpec, c: Any, v: Any) -> Any:
    """c as v's own path has it: x̂, or with ε behind the root (x - m) / √v, and 0 where v is 0."""
    if spec.options["epsilon_on"] == "variance":
        return c * over_root(spec, v)
    return np.where(v > 0, c, 0.0 * c) / np.sqrt(np.where(v > 0, v, np.ones_like(v)))


def standardised(spec: LayerSpec, x: Any, centre: bool) -> Any:
    """x̂ of every row."""
    c = centred(x, centre)
    return c * over_root(spec, mean(c * c))


def back(spec: LayerSpec, x: Any, g: Any, centre: bool) -> Any:
    """dx of every row, from g = dL/dx̂."""
    c = centred(x, centre)
    v = mean(c * c)
    through_variance = along(spec, c, v) * mean(g * c * over_root(spec, v))
    return (centred(g, centre) - through_variance) * over_root(spec, v)


# The same as other programs have it: mean x² less m², and a backward that takes every step of the
# forward by itself. Where m is large, the difference of two squares has lost digits.


def moments(x: Any, centre: bool) -> tuple[Any, Any]:
    """m and v in one pass over x; v is held at 0, which rounding takes it below."""
    m, square = mean(x), mean(x * x)
    if not centre:
        return 0.0 * m, square
    return m, not_below_0(square - m * m)


def standardised_by_moments(spec: LayerSpec, x: Any, centre: bool) -> Any:
    m, v = moments(x, centre)
    return (x - m) * over_root(spec, v)


def back_by_moments(spec: LayerSpec, x: Any, g: Any, centre: bool) -> Any:
    m, v = moments(x, centre)
    r = over_root(spec, v)
    gx, gs = (a.sum(axis=-1, keepdims=True) for a in (g * x, g))
    dv = -0.5 * (gx - m * gs) * along(spec, r, v) * r
    dx = g * r + dv * (2.0 / x.shape[-1]) * x
    if not centre:
        return dx
    dm = r * gs + 2.0 * m * dv
    return dx - dm / x.shape[-1]


class Form(NamedTuple):
    """x̂ of every row, and its dx: two right ways to compute them."""

    standardised: Callable[[LayerSpec, Any, bool], Any]
    back: Callable[[LayerSpec, Any, Any, bool], Any]


TWO_PASSES = Form(standardised, back)
MOMENTS = Form(standardised_by_moments, back_by_moments)



# --- the layers ---------------------------------------------------------------------------------


def fixed(p: Scope) -> bool:
    """Whether mean and variance are given: batch_norm when it is not trained."""
    return not p.options.get("training", True)


def normal(sets: Sets, form: Form, centre: bool, p: Scope, x: Any) -> Any:
    """x̂, of x's shape."""
    if fixed(p):
        r = sets.spread(over_root(p.spec, p["variance"]), x)
        return (x - sets.spread(p["mean"], x)) * r
    return sets.back(p.spec, form.standardised(p.spec, sets.rows(p.spec, x), centre), x.shape)


def forward(sets: Sets, form: Form, centre: bool, p: Scope, x: Any) -> tuple[Any, Any]:
    y = sets.spread(p["scale"], x) * normal(sets, form, centre, p, x)
    return (y + sets.spread(p["bias"], x) if centre else y), x


def backward(sets: Sets, form: Form, centre: bool, p: Scope, x: Any,
             dy: Any) -> tuple[Any, dict[str, Any]]:
    scale, g = p["scale"], dy * sets.spread(p["scale"], x)
    gradients = {"scale": sets.summed(dy * normal(sets, form, centre, p, x), scale.shape)}
    if centre:
        gradients["bias"] = sets.summed(dy, scale.shape)
    if fixed(p):
        return g * sets.spread(over_root(p.spec, p["variance"]), x), gradients
    rows = sets.rows(p.spec, x), sets.rows(p.spec, g)
    return sets.back(p.spec, form.back(p.spec, *rows, centre), x.shape), gradients


def kinks(sets: Sets, centre: bool, p: Scope, x: Any) -> Iterator[Kink]:
    """√v has no derivative where v is 0, unless a set is one number: then v is always 0."""
    if p.options["epsilon_on"] == "deviation" and not fixed(p):
        c = centred(sets.rows(p.spec, x), centre)
        if c.shape[-1] > 1 or not centre:
            yield Kink(p.name, (0.0,), np.sqrt(mean(c * c)))


def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    """An entry of γ and β for each feature."""
    n, groups = features(shape), spec.options.get("groups", 1)
    if n % groups:
        raise DescriptionError(f"layer {where} ({spec.kind}): {n} features do not fall into "
                               f"{groups} groups of one size")
    constants = {} if spec.options.get("training", True) else {"mean": (n,), "variance": (n,)}
    return Shapes(shape, {"scale": (n,), "bias": (n,)}, constants)


def shapes_of_axes(centre: bool, spec: LayerSpec, shape: Shape, tables: Tables,
                   where: str) -> Shapes:
    axes = spec.options["axes"]
    if axes > len(shape):
        raise DescriptionError(f"layer {where} ({spec.kind}): it normalises the last {axes} axes, "
                               f"but an example has {len(shape)}")
    names = ("scale", "bias") if centre else ("scale",)
    return Shapes(shape, dict.fromkeys(names, shape[-axes:]))


def norm(sets: Sets, centre: bool, shapes: Callable[..., Shapes], **more: Any) -> Rule:
    """The rule in two passes, with its form in one pass as a variant."""
    def rule(form: Form, **variants: Any) -> Rule:
        return Rule(partial(forward, sets, form, centre), partial(backward, sets, form, centre),
                    shapes, kinks=partial(kinks, sets, centre), **more, **variants)

    return rule(TWO_PASSES, variants=(rule(MOMENTS),))


# --- weights normalised -------------------------------------------------------------------------

SITES = {True: (Site("direction", "bias", plain=False),),
         False: (Site("direction", plain=False),)}


def sites(spec: LayerSpec) -> tuple[Site, ...]:
    return SITES[spec.options["bias"]]


def lengths(d: Any) -> Any:
    """|d| of every column: (1, m)."""
    return np.sqrt((d * d).sum(axis=0, keepdims=True))


def weight_shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
    n, m = shape[-1], spec.options["units"]
    bias = {"bias": (m,)} if spec.options["bias"] else {}
    return Shapes((*shape[:-1], m), {"direction": (n, m), "scale": (m,), **bias})


def weight(p: Scope) -> Any:
    """W = s d / |d|."""
    return p["scale"] * (p["direction"] / lengths(p["direction"]))


def weight_forward(p: Scope, x: Any) -> tuple[Any, Any]:
    return p.affine(sites(p.spec)[0], x, weight(p)), x


def weight_backward(p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
    dx, gradients = p.affine_backward(sites(p.spec)[0], x, dy, weight(p))
    length, dW = lengths(p["direction"]), gradients["direction"]
    unit = p["direction"] / length
    ds = (dW * unit).sum(axis=0)
    gradients |= {"scale": ds, "direction": (p["scale"] / length) * (dW - unit * ds)}
    return dx, gradients


AXES, GROUPS = {**OPTIONS, "axes": COUNT}, {**OPTIONS, "groups": COUNT}
LAYERS = {
    "batch_norm": norm(BATCH, True, shapes, options={**OPTIONS, "training": flag(True)},
                       mixes=True, mixes_steps=True),
    "layer_norm": norm(LAYER, True, partial(shapes_of_axes, True), options=AXES, mixes_steps=True),
    "rms_norm": norm(LAYER, False, partial(shapes_of_axes, False), options=AXES, mixes_steps=True),
    "instance_norm": norm(GROUP, True, shapes, options=OPTIONS, mixes_steps=True, axes=3,
                          channels_first=True),
    "group_norm": norm(GROUP, True, shapes, options=GROUPS, mixes_steps=True, axes=3,
                       channels_first=True),
    "weight_norm": Rule(weight_forward, weight_backward, weight_shapes,
                        {"units": UNITS, "bias": flag(True)}, sites=sites),
}
