"""The logarithm of the loss: of a probability kept from 0, or of an exponential that overflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference import Loss, Tables
from ...reference.activations import sigmoid, softmax
from ...reference.losses import values
from ..core import Faults, Make, Number
from ..ways import Wrong, loss, replaced
from .losses import Change, numbered, only, row, wrong_losses

# --- a logarithm that is kept from 0 ------------------------------------------------------------


def with_epsilon(epsilon: float) -> Make:
    """log(p + epsilon) for log(p), and its derivative."""
    return loss({
        **only("cross_entropy",
               L=lambda p, t: -(values(p, t) * np.log(p + epsilon)).sum(axis=-1),
               dL=lambda p, t: -values(p, t) / (p + epsilon)),
        **only("binary_cross_entropy",
               L=lambda p, t: -(t * np.log(p + epsilon) + (1.0 - t) * np.log(1.0 - p + epsilon)),
               dL=lambda p, t: (1.0 - t) / (1.0 - p + epsilon) - t / (p + epsilon)),
    })


def logarithms(log: Callable[[Any], Any]) -> dict[str, Change]:
    """Another logarithm in every loss that takes one of a probability; the gradient stays right."""

    def categorical(p: Any, t: Any) -> Any:
        return -(values(p, t) * log(p)).sum(axis=-1)

    def binary(p: Any, t: Any) -> Any:
        return -(t * log(p) + (1.0 - t) * log(1.0 - p))

    return {**only("cross_entropy", L=categorical),
            **only("softmax_cross_entropy", L=lambda z, t: categorical(softmax(z), t)),
            **only("binary_cross_entropy", L=binary),
            **only("sigmoid_cross_entropy", L=lambda z, t: binary(sigmoid(z), t))}


def epsilon_in_loss(epsilon: float) -> Make:
    """log(p + epsilon) for log(p), in the loss alone."""
    return loss(logarithms(lambda p: np.log(p + epsilon)))


def floor_in_loss(floor: float) -> Make:
    """log(max(p, floor)) for log(p), in the loss alone."""
    return loss(logarithms(lambda p: np.log(np.maximum(p, floor))))


def between(p: Any, floor: float) -> Any:
    return np.minimum(np.maximum(p, floor), 1.0 - floor)


def clipped_probabilities(floor: float) -> Make:
    """p between floor and 1 - floor, in the loss and in its gradient."""

    def clipped(right: Loss) -> Loss:
        return right._replace(L=lambda p, t: right.L(between(p, floor), t),
                              dL=lambda p, t: right.dL(between(p, floor), t))

    return loss(dict.fromkeys(("cross_entropy", "binary_cross_entropy"), clipped))


def of_the_softmax(z: Any, t: Any) -> Any:
    """-Σ t log(softmax(z)) over the classes that count: infinite where the softmax is 0."""
    t = values(z, t)
    return -np.where(t != 0, t * np.log(softmax(z)), 0.0 * t).sum(axis=-1)


def of_the_sigmoid(z: Any, t: Any) -> Any:
    """-t log(p) - (1 - t) log(1 - p) with p = sigmoid(z): infinite where p is 0 or 1."""
    p = 1.0 / (1.0 + np.exp(-z))
    one, other = t * np.log(p), (1.0 - t) * np.log(1.0 - p)
    return -(np.where(t != 0, one, 0.0 * t) + np.where(t != 1, other, 0.0 * t))


EPSILON = Number("epsilon", 1e-8, with_epsilon, 1e-16, 1e-1)
EPSILON_IN_LOSS = Number("epsilon", 1e-8, epsilon_in_loss, 1e-16, 1e-1)


# --- softmax without its shift ------------------------------------------------------------------


def unshifted(z: Any) -> Any:
    """exp(z) / Σ exp(z): overflows where z is large, 0/0 where all of it is very negative."""
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)


def unshifted_cross_entropy(right: Loss) -> Loss:
    """-Σ t (z - log Σ exp(z)), and its gradient."""
    return right._replace(
        L=lambda z, t: -(values(z, t) * (z - np.log(np.exp(z).sum(axis=-1, keepdims=True))))
        .sum(axis=-1),
        dL=lambda z, t: unshifted(z) * values(z, t).sum(axis=-1, keepdims=True) - values(z, t))


def without_shift(tables: Tables) -> Tables:
    wrong = replaced(tables, "activations", "softmax", lambda right: right._replace(f=unshifted))
    return replaced(wrong, "losses", "softmax_cross_entropy", unshifted_cross_entropy)


# --- the table ----------------------------------------------------------------------------------

FAULTS: Faults = {
    "softmax-without-max-shift": row(
        "exp(z) overflows, and the answer is NaN, as soon as a logit is large (710 in float64, 89 "
        "in float32)",
        "p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)",
        "e = np.exp(z - z.max(axis=1, keepdims=True)); p = e / e.sum(axis=1, keepdims=True)",
        "everywhere", Wrong(without_shift)),
    "log-with-epsilon": numbered(
        "a small number is added inside the logarithm: the last digits are wrong, and where p is "
        "small the whole loss is",
        "loss = -(t * np.log(p + epsilon)).sum(); dp = -t / (p + epsilon)",
        "loss = -(t * np.log(p)).sum(); dp = -t / p", "everywhere", EPSILON),
    "log-with-epsilon-in-loss": numbered(
        "a small number is added inside the logarithm of the loss, and the gradient is right",
        "loss = -(t * np.log(p + epsilon)).sum(); dz = p - t",
        "loss = -(t * np.log(p)).sum(); dz = p - t", "everywhere", EPSILON_IN_LOSS),
    "log-clipped-in-loss": numbered(
        "the loss keeps its probabilities above a floor and so cannot exceed -log(floor), while "
        "the gradient is right",
        "loss = -(t * np.log(np.maximum(p, floor))).sum(); dz = p - t",
        "loss = -(t * np.log(p)).sum(); dz = p - t  # or claim the floor: Head(..., log_floor=...)",
        "Keras and scikit-learn, and programs after them",
        Number("floor", 1e-7, floor_in_loss, 1e-17, 1e-1)),
    "log-clipped": numbered(
        "the probabilities are kept between a floor and 1 - floor, in the loss and in the "
        "gradient, so that confident mistakes weigh too little",
        "p = p.clip(floor, 1 - floor); loss = -(t * np.log(p)).sum(); dp = -t / p",
        "loss = -(t * np.log(p)).sum(); dp = -t / p", "programs after Keras's losses",
        Number("floor", 1e-7, clipped_probabilities, 1e-16, 1e-1)),
    "log-of-softmax": wrong_losses(
        "the loss is infinite as soon as the softmax underflows (logits 745 apart in float64, 104 "
        "in float32), because the logarithm is taken of the softmax, and the gradient is right",
        "p = softmax(z); loss = -np.log(p[range(N), classes]).sum()",
        "z = z - z.max(axis=1, keepdims=True); log_p = z - np.log(np.exp(z).sum(axis=1, "
        "keepdims=True)); loss = -log_p[range(N), classes].sum()",
        "everywhere", only("softmax_cross_entropy", L=of_the_softmax)),
    "log-of-sigmoid": wrong_losses(
        "the loss is infinite as soon as the sigmoid is 0 or 1 (logits above 37 in float64, 17 in "
        "float32), because the logarithm is taken of the sigmoid, and the gradient is right",
        "p = 1 / (1 + np.exp(-z)); loss = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()",
        "loss = (np.maximum(z, 0) - z * t + np.log1p(np.exp(-abs(z)))).sum()",
        "everywhere", only("sigmoid_cross_entropy", L=of_the_sigmoid)),
}
