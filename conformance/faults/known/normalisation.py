"""Normalisation: the paths through mean and variance, what a set is, and what γ and β gather.

Every kind of normalisation is somebody's own code, so a mistake is a row for each kind where it may
be: "layer-norm-mean-path-missing" and "batch-norm-mean-path-missing" are two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...reference import Rule
from ...reference.kinds import Scope
from ...reference.layers.normalisation import (
    BATCH,
    GROUP,
    LAYER,
    Sets,
    centred,
    lengths,
    mean,
    not_below_0,
    over_root,
    standardised,
)
from ..core import Fault, Faults
from ..ways import with_entry

CENTRED = {"layer_norm": LAYER, "batch_norm": BATCH, "group_norm": GROUP, "instance_norm": GROUP}
ALL = {**CENTRED, "rms_norm": LAYER}
SAYS = {"layer_norm": "a layer norm", "batch_norm": "a batch norm", "group_norm": "a group norm",
        "instance_norm": "an instance norm", "rms_norm": "an RMS norm",
        "weight_norm": "a layer with normalised weights"}


@dataclass(frozen=True)
class Norm:
    """One layer on the way back, in the letters of `reference/layers/normalisation.py`."""

    kind: str
    p: Scope
    x: Any
    dy: Any
    dx: Any
    gradients: Mapping[str, Any]

    @property
    def sets(self) -> Sets:
        return ALL[self.kind]

    @property
    def centre(self) -> bool:
        return self.kind in CENTRED

    @property
    def trained(self) -> bool:
        """Whether mean and variance are those of x."""
        return bool(self.p.options.get("training", True))

    def rows(self, a: Any) -> Any:
        return self.sets.rows(self.p.spec, a)

    def back(self, rows: Any) -> Any:
        return self.sets.back(self.p.spec, rows, self.x.shape)

    @property
    def scale(self) -> Any:
        """γ as it meets x."""
        return self.sets.spread(self.p["scale"], self.x)

    @cached_property
    def g(self) -> Any:
        return self.rows(self.dy * self.scale)

    @cached_property
    def c(self) -> Any:
        """x - m of every set."""
        return centred(self.rows(self.x), self.centre)

    @cached_property
    def v(self) -> Any:
        return mean(self.c * self.c)

    @property
    def r(self) -> Any:
        return over_root(self.p.spec, self.v)

    @property
    def xhat(self) -> Any:
        return standardised(self.p.spec, self.rows(self.x), self.centre)

    @property
    def y(self) -> Any:
        bias = self.sets.spread(self.p["bias"], self.x) if self.centre else 0.0
        return self.back(self.xhat) * self.scale + bias

    def dx_of(self, g: Any, xhat: Any, r: Any) -> Any:
        """The right formula, of other arrays."""
        return self.back(r * (centred(g, self.centre) - xhat * mean(g * xhat)))


Line = Callable[[Norm], Any]
Kinds = Mapping[str, Any]


def with_back(kind: str, change: Callable[[Norm], tuple[Any, dict[str, Any]]]) -> Any:
    """The engine whose layers of the kind hand back what change(norm) gives."""
    def backward(rule: Rule, p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
        dx, gradients = rule.backward(p, x, dy)
        return change(Norm(kind, p, x, dy, dx, gradients))

    return with_entry("layers", kind, lambda rule: rule._replace(backward=partial(backward, rule)))


def handed_down(line: Line) -> Callable[[Norm], tuple[Any, dict[str, Any]]]:
    """A wrong dx where the statistics are those of x; the rest is right."""
    return lambda n: (line(n) if n.trained else n.dx, dict(n.gradients))


def learnt(**lines: Line) -> Callable[[Norm], tuple[Any, dict[str, Any]]]:
    """Wrong gradients of γ or β, where the layer has them; the rest is right."""
    return lambda n: (n.dx, {name: lines[name](n) if name in lines else gradient
                             for name, gradient in n.gradients.items()})


def each(kinds: Kinds, name: str, symptom: str, wrong: str, right: str, seen: str,
         change: Callable[[Norm], tuple[Any, dict[str, Any]]]) -> Iterator[tuple[str, Fault]]:
    """The mistake as a row for each of the kinds; {kind} in the symptom is the layer in words."""
    for kind in kinds:
        yield f"{kind.replace('_', '-')}-{name}", Fault(
            kind, symptom.format(kind=SAYS[kind]), wrong, right, seen, with_back(kind, change))


# --- the lines ----------------------------------------------------------------------------------


def unbiased(n: Norm) -> Any:
    """The path through the variance over N - 1, though the forward divides by N."""
    N = n.g.shape[-1]
    by = N / max(N - 1, 1)
    return n.back(n.r * (centred(n.g, n.centre) - by * n.xhat * mean(n.g * n.xhat)))


def summed(n: Norm) -> Any:
    """Sums where means are meant."""
    N = n.g.shape[-1]
    mean_g = mean(n.g) if n.centre else 0.0
    return n.back(n.r * (n.g - N * mean_g - N * n.xhat * mean(n.g * n.xhat)))


def counted_as_batch(n: Norm) -> Any:
    """Sums over the set, divided by the number of examples."""
    by = n.g.shape[-1] / n.x.shape[0]
    mean_g = mean(n.g) if n.centre else 0.0
    return n.back(n.r * (n.g - by * mean_g - by * n.xhat * mean(n.g * n.xhat)))


def of_one_row(n: Norm) -> Any:
    """The means over the last axis of an image alone: W for H W, and each channel by itself."""
    g, xhat, r = (n.back(a + 0.0 * n.g) for a in (n.g, n.xhat, n.r))
    return r * (g - mean(g) - xhat * mean(g * xhat))


def without_epsilon(n: Norm) -> Any:
    """1 / √v: where nothing varies this is infinite, and so it is held above the least number."""
    return n.dx_of(n.g, n.xhat, 1.0 / np.sqrt(np.maximum(n.v, 1e-30)))


def epsilon_moved(n: Norm) -> Any:
    """ε behind the root where the forward has it under, and under where it has it behind."""
    epsilon = n.p.options["epsilon"]
    if n.p.options["epsilon_on"] == "variance":
        return n.dx_of(n.g, n.xhat, 1.0 / (np.sqrt(not_below_0(n.v)) + epsilon))
    return n.dx_of(n.g, n.xhat, 1.0 / np.sqrt(n.v + epsilon))


def running(n: Norm) -> Any:
    """1 / √(v + ε) of a running variance that began at 1 and has seen one batch."""
    return n.dx_of(n.g, n.xhat, over_root(n.p.spec, 0.9 + 0.1 * n.v))


def statistics_of_given(n: Norm) -> tuple[Any, dict[str, Any]]:
    """Not trained, yet gone back as if mean and variance were those of the batch."""
    if n.trained:
        return n.dx, dict(n.gradients)
    r = n.sets.spread(over_root(n.p.spec, n.p["variance"]), n.x)
    xhat = (n.x - n.sets.spread(n.p["mean"], n.x)) * r
    g, xhat = n.g, n.rows(xhat)
    return r * n.back(g - mean(g) - xhat * mean(g * xhat)), dict(n.gradients)


def scale_of_the_group(n: Norm) -> Any:
    """γ by the place in the group: every group has the factors of the first."""
    size = n.p["scale"].shape[0] // n.p.options["groups"]
    first = n.sets.spread(n.p["scale"][np.arange(n.p["scale"].shape[0]) % size], n.x)
    return n.dx_of(n.rows(n.dy * first), n.xhat, n.r)


def gathered(a: Line) -> Line:
    """The sum of a(norm), like x, over all that γ is spread over."""
    return lambda n: n.sets.summed(a(n), n.p["scale"].shape)


def over_examples(a: Line) -> Line:
    """The mean over all rows, where the sum is meant."""
    return lambda n: gathered(a)(n) / (n.x.size / n.p["scale"].size)


def without_last(a: Line) -> Line:
    """The sum without the last example."""
    return lambda n: n.sets.summed(a(n)[:-1], n.p["scale"].shape)


def of_first_place(a: Line) -> Line:
    """The sum over the examples, but of the first place only, not over height and width."""
    return lambda n: a(n)[:, :, 0, 0].sum(axis=0)


def dy(n: Norm) -> Any:
    return n.dy


def dy_xhat(n: Norm) -> Any:
    if n.trained:
        return n.dy * n.back(n.xhat)
    r = n.sets.spread(over_root(n.p.spec, n.p["variance"]), n.x)
    return n.dy * (n.x - n.sets.spread(n.p["mean"], n.x)) * r


IMAGES = {kind: ALL[kind] for kind in ("group_norm", "instance_norm")}
DX = "dx = (g - g.mean(-1) - xhat * (g * xhat).mean(-1)) / sqrt(v + eps)"
CS231N = "solutions of cs231n's second assignment, darknet"
AXIS = "pytorch#192016, FlagGems#5392"
NORMS: Faults = dict([
    *each(CENTRED, "mean-path-missing",
          "what {kind} hands down leaves out that its mean depends on its input, so that the "
          "errors of a set no longer sum to 0",
          "dx = (g - xhat * (g * xhat).mean(-1)) / sqrt(v + eps)", DX, CS231N,
          handed_down(lambda n: n.back(n.r * (n.g - n.xhat * mean(n.g * n.xhat))))),
    *each(ALL, "variance-path-missing",
          "what {kind} hands down leaves out that what it divides by depends on its input",
          "dx = (g - g.mean(-1)) / sqrt(v + eps)", DX, CS231N,
          handed_down(lambda n: n.back(n.r * centred(n.g, n.centre)))),
    *each(CENTRED, "statistics-as-constants",
          "{kind} hands down errors as if its mean and variance were constants",
          "dx = g / sqrt(v + eps)", DX, f"{CS231N}; candle#2168, where a fast path cuts the graph",
          handed_down(lambda n: n.back(n.r * n.g))),
    *each(ALL, "unbiased-variance-backward",
          "{kind} divides by N in its forward pass and by N - 1 in the path through the variance",
          "dx = (g - g.mean(-1) - xhat * (g * xhat).sum(-1) / (N - 1)) / sqrt(v + eps)", DX,
          "darknet, whose variance is over N - 1; var(ddof=1) beside var()",
          handed_down(unbiased)),
    *each(ALL, "sums-for-means",
          "the sums over a set are not divided by its size where {kind} hands down errors",
          "dx = (g - g.sum(-1) - xhat * (g * xhat).sum(-1)) / sqrt(v + eps)", DX,
          "the formula with 1 / N in front, which is forgotten",
          handed_down(summed)),
    *each({k: v for k, v in ALL.items() if k != "batch_norm"}, "divided-by-batch",
          "the sums over a set are divided by the number of examples where {kind} hands down "
          "errors",
          "dx = (g - g.sum(-1) / len(x) - xhat * (g * xhat).sum(-1) / len(x)) / sqrt(v + eps)", DX,
          "layer norms made of a batch norm", handed_down(counted_as_batch)),
    *each(ALL, "scale-forgotten",
          "{kind} hands down errors as if its factors were 1",
          "g = dy", "g = dy * scale", "solutions that normalise first and scale later",
          handed_down(lambda n: n.dx_of(n.rows(n.dy), n.xhat, n.r))),
    *each(ALL, "averaged-over-the-set",
          "the errors that {kind} hands down are divided by the size of the set once more",
          f"{DX} / N", DX, "1 / N put in front of everything",
          handed_down(lambda n: n.dx / n.g.shape[-1])),
    *each(CENTRED, "normalised-from-output",
          "{kind} takes its output for the normalised input in its backward pass, though that has "
          "been scaled and moved",
          "xhat = y", "xhat = (y - bias) / scale", "in-place variants that keep the output only",
          handed_down(lambda n: n.dx_of(n.g, n.rows(n.y), n.r))),
    *each(ALL, "epsilon-forgotten",
          "epsilon is added in the forward pass of {kind} and left out of its backward pass",
          "dx = (g - g.mean(-1) - xhat * (g * xhat).mean(-1)) / sqrt(v)", DX,
          "a deviation that is computed anew", handed_down(without_epsilon)),
    *each(ALL, "epsilon-elsewhere",
          "epsilon is under the root in one pass of {kind} and behind it in the other",
          "dx = (g - g.mean(-1) - xhat * (g * xhat).mean(-1)) / (sqrt(v) + eps)", DX,
          "a deviation that is computed anew", handed_down(epsilon_moved)),
    *each(ALL, "scale-gradient-of-input",
          "the gradient of the factors of {kind} is taken of its input as it is, not normalised",
          "dscale = (dy * x).sum(0)", "dscale = (dy * xhat).sum(0)",
          "the layer that only scales, grown into a norm",
          learnt(scale=gathered(lambda n: n.dy * n.x))),
    *each(ALL, "scale-gradient-of-output",
          "the gradient of the factors of {kind} is taken of its output",
          "dscale = (dy * y).sum(0)", "dscale = (dy * xhat).sum(0)",
          "in-place variants that keep the output only",
          learnt(scale=gathered(lambda n: n.dy * n.y if n.trained else (
              dy_xhat(n) * n.scale + n.dy * n.sets.spread(n.p["bias"], n.x))))),
    *each(ALL, "scale-gradient-missing",
          "the factors of {kind} never change, because their gradient is zero",
          "dscale = np.zeros_like(scale)", "dscale = (dy * xhat).sum(0)",
          "unsloth#4533, where that of an RMS norm is None",
          learnt(scale=lambda n: 0.0 * n.p["scale"])),
    *each(ALL, "scale-gradient-averaged",
          "the gradient of the factors of {kind} is averaged over the rows, where it is a sum",
          "dscale = (dy * xhat).mean(0)", "dscale = (dy * xhat).sum(0)",
          "losses averaged twice", learnt(scale=over_examples(dy_xhat))),
    *each(CENTRED, "bias-gradient-averaged",
          "the gradient of the bias of {kind} is averaged over the rows, where it is a sum",
          "dbias = dy.mean(0)", "dbias = dy.sum(0)",
          "losses averaged twice", learnt(bias=over_examples(dy))),
    *each(ALL, "last-rows-dropped",
          "the gradients of the factors and of the bias of {kind} lack the last example",
          "for i in range(len(x) - 1): dscale += dy[i] * xhat[i]",
          "for i in range(len(x)): dscale += dy[i] * xhat[i]",
          "attorch#18, where the last block of rows is dropped",
          learnt(scale=without_last(dy_xhat), bias=without_last(dy))),
    *each(IMAGES, "sums-over-width-only",
          "the means over a set run over the width of an image alone where {kind} hands down "
          "errors",
          "dx = (g - g.mean(-1) - xhat * (g * xhat).mean(-1)) / sqrt(v + eps)  # g: (N, C, H, W)",
          DX, "Liger-Kernel#1375, #1376: W for H x W", handed_down(of_one_row)),
    *each(IMAGES, "gradients-of-first-place",
          "the gradients of the factors and of the bias of {kind} are of the first place of an "
          "image, not summed over all of them",
          "dbias = dy[:, :, 0, 0].sum(0)", "dbias = dy.sum((0, 2, 3))", AXIS,
          learnt(scale=of_first_place(dy_xhat), bias=of_first_place(dy))),
    *each({"batch_norm": BATCH}, "running-variance-backward",
          "{kind} normalises by the variance of the batch and goes back by the running variance",
          "dx = (g - ...) / sqrt(running_v + eps)", "dx = (g - ...) / sqrt(v + eps)",
          "layers that keep one variance for both modes", handed_down(running)),
    *each({"batch_norm": BATCH}, "trained-backward-after-training",
          "{kind} that is not trained any more goes back as if mean and variance, which are given, "
          "were those of the batch", DX, "dx = g * given_r", "layers that ask for the mode once",
          statistics_of_given),
    *each({"group_norm": GROUP}, "wrong-group-index",
          "every group of {kind} hands down errors with the factors of the first group",
          "g = dy * scale[c % group_size]", "g = dy * scale[c]", "tt-metal#56202",
          handed_down(scale_of_the_group)),
])


# --- weights --------------------------------------------------------------------------------------


def weights(symptom: str, wrong: str, right: str, seen: str,
            line: Callable[[Scope, Any], dict[str, Any]]) -> Fault:
    """Wrong gradients of direction and scale: line(p, dW), the others as they are."""
    def backward(rule: Rule, p: Scope, x: Any, dy: Any) -> tuple[Any, dict[str, Any]]:
        dx, gradients = rule.backward(p, x, dy)
        rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return dx, {**gradients, **line(p, rows[0].T @ rows[1])}

    return Fault("weight_norm", symptom.format(kind=SAYS["weight_norm"]), wrong, right, seen,
                 with_entry("layers", "weight_norm",
                            lambda rule: rule._replace(backward=partial(backward, rule))))


DIRECTION = "dv = g / |v| * (dW - v * (v * dW).sum(0) / |v|**2)"
PAPER = "code after equation 3 of Salimans & Kingma (2016)"


def along(p: Scope, dW: Any) -> Any:
    """(Σ dW d) of every column."""
    return (dW * p["direction"]).sum(axis=0)


WEIGHTS: Faults = {
    "weight-norm-direction-not-projected": weights(
        "the direction of {kind} learns as if its length stayed as it is: what points along it is "
        "not taken off its gradient",
        "dv = g / |v| * dW", DIRECTION, PAPER,
        lambda p, dW: {"direction": p["scale"] / lengths(p["direction"]) * dW}),
    "weight-norm-direction-of-weight": weights(
        "the direction of {kind} is given the gradient of the weights themselves",
        "dv = dW", DIRECTION, PAPER, lambda p, dW: {"direction": dW}),
    "weight-norm-direction-not-divided": weights(
        "the gradient of the direction of {kind} is not divided by its length",
        "dv = g * (dW - v * (v * dW).sum(0) / |v|**2)", DIRECTION, PAPER,
        lambda p, dW: {"direction": p["scale"] * (
            dW - p["direction"] * along(p, dW) / lengths(p["direction"])**2)}),
    "weight-norm-scale-not-divided": weights(
        "the gradient of the sizes of {kind} is taken along the direction as it is, not along one "
        "of length 1",
        "dg = (dW * v).sum(0)", "dg = (dW * v).sum(0) / |v|", PAPER,
        lambda p, dW: {"scale": along(p, dW)}),
}

# a family after the other
FAULTS: Faults = {name: fault for kind in ALL for name, fault in NORMS.items()
                  if fault.family == kind} | WEIGHTS
