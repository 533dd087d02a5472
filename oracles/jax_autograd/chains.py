"""One program for every chain of dense layers up to a size: what differs between them is numbers.

The size is that of the arrays: L levels of M units, R rows. A level is y = f(x W + b), of an
activation alone y = f(x). A smaller network is filled up so that it stays what it is: levels that
are not there hand on what they get; dead units have zeros for weights and bias, and are set to zero
behind every activation, since softplus and sigmoid make something of nothing; dead rows count with
weight zero in the loss. They are copies of the first row, so that they overflow only where it does.

The activation and the loss are chosen by a number. Cases go one after another, so that the choice
is a branch and no other function is computed: what would be NaN there cannot leak.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .layers.activation import ACTIVATIONS
from .losses import LOSSES, OPTIONS

Array = Any


class Trained(NamedTuple):
    """What is differentiated: inputs x (R, M), weights W (L, M, M) and biases b (L, M)."""

    x: Array
    W: Array
    b: Array


class Levels(NamedTuple):
    """The levels, an entry each; `live`: a mask of units (L, M).

    `function` and `option`: the number of the activation, and its slope or alpha. `affine`: whether
    there are weights; `there`: whether there is such a level at all.
    """

    function: Array
    option: Array
    live: Array
    affine: Array
    there: Array


class Loss(NamedTuple):
    """The loss by number, its delta and clip (0 for none), targets t and weights (R, M).

    The weights hold scale and reduction: the loss is the weighted sum of the unreduced entries.
    l2: half the factors of the squares of each level's weights and biases, (L, 2).
    """

    function: Array
    delta: Array
    clip: Array
    t: Array
    weights: Array
    l2: Array


# --- what is chosen by number ---------------------------------------------------------------------

# Those with a number of their own, which the rows of the table take by name.
WITH_OPTION: dict[str, Callable[[Array, Array], Array]] = {
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "hard_sigmoid": lambda x, slope: jnp.clip(slope * x + 0.5, 0.0, 1.0),
}
OVER_UNITS = ("softmax", "log_softmax")  # those in which units meet: dead ones are -inf there


def _activation(name: str, x: Array, option: Array, live: Array) -> Array:
    """The activation of this name, its dead units 0."""
    if name in WITH_OPTION:
        return jnp.where(live, WITH_OPTION[name](x, option), 0.0)
    alone = jnp.where(live, x, -jnp.inf) if name in OVER_UNITS else x
    return jnp.where(live, ACTIVATIONS[name](alone), 0.0)


def _unreduced(name: str, p: Array, t: Array, delta: Array) -> Array:
    """The loss of every entry; a sum over classes is one of a single class, and smoothing is done.

    Logits have become logarithms of probabilities by a level of their own.
    """
    if name == "softmax_cross_entropy":
        return -t * p
    known = {"delta": delta, "smoothing": 0.0}
    options = {option: known[option] for option in OPTIONS.get(name, ())}
    y = LOSSES[name](p[..., None], t[..., None], **options)
    return y.reshape(p.shape)


FUNCTIONS = {name: number for number, name in enumerate(ACTIVATIONS)}
LOSS_FUNCTIONS = {name: number for number, name in enumerate(LOSSES)}


@jax.checkpoint
def activated(number: Array, x: Array, option: Array, live: Array) -> Array:
    """Only its arguments are kept for the way back, not what each of the branches would need."""
    return lax.switch(number, [partial(_activation, name) for name in FUNCTIONS], x, option, live)


def unreduced(number: Array, p: Array, t: Array, delta: Array) -> Array:
    return lax.switch(number, [partial(_unreduced, name) for name in LOSS_FUNCTIONS], p, t, delta)


# --- the program ----------------------------------------------------------------------------------


def level(x: Array, at: tuple[Array, Array, Levels]) -> tuple[Array, None]:
    W, b, here = at  # noqa: N806

    def through(x: Array) -> Array:
        z = lax.cond(here.affine, lambda x: x @ W + b, lambda x: x, x)
        return activated(here.function, z, here.option, here.live)

    return lax.cond(here.there, through, lambda x: x, x), None


def loss_of_chain(trained: Trained, levels: Levels, loss: Loss) -> Array:
    p, _ = lax.scan(level, trained.x, (trained.W, trained.b, levels))
    p = jnp.where(loss.clip > 0, jnp.clip(p, loss.clip, 1 - loss.clip), p)
    counts = loss.weights != 0
    p, t = jnp.where(counts, p, 0.5), jnp.where(counts, loss.t, 0.5)
    entries = loss.weights * unreduced(loss.function, p, t, loss.delta)
    squares = jnp.square(trained.W).sum((1, 2)), jnp.square(trained.b).sum(1)
    return entries.sum() + (loss.l2 * jnp.stack(squares, axis=1)).sum()


def chains(trained: Trained, levels: Levels, loss: Loss) -> Any:
    """Losses and gradients of many cases: every array has an axis of cases in front."""
    return lax.map(lambda case: jax.value_and_grad(loss_of_chain)(*case), (trained, levels, loss))
