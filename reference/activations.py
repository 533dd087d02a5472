"""The activations: a row is f, its derivative, its kinks and its range.

The rows are the accurate forms, computed through exp(-|x|): the textbook tanh' = 1 - y² has lost
every digit at x = 20. Other right programs use the textbook forms all the same, so a row lists
them as `variants`, which a tolerance must cover. A program may mix the forms, one of f with
another of f': so a variant holds, of each, the form that loses most, and its f' computes what it
needs from x by itself, and twice where it needs it twice. Were it given the variant's y, their
roundings would cancel where a loss divides by y or 1 - y; and were s the same in both places of
s (1 + x (1 - s)), they would cancel at x = -1.5. A program with two forms would then look wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .kinds import INFINITY, Activation, Array, Option
from .numbers import erf, erfc, log1p, magnitude


def elementwise(f: Callable[..., Array], df: Callable[..., Array], **more: Any) -> Activation:
    """A row whose backward is dy * f'."""
    return Activation(f, df, lambda x, y, dy, **options: dy * df(x, y, **options), **more)


def _decay(x: Array) -> Array:
    return np.exp(-magnitude(x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    e = _decay(x)
    return np.where(x > 0, 1.0, e) / (1.0 + e)


def sigmoid_derivative(x: Array, y: Array) -> Array:
    """e / (1 + e)² with e = exp(-|x|)."""
    e = _decay(x)
    return e / ((1.0 + e) * (1.0 + e))


def tanh_derivative(x: Array, y: Array) -> Array:
    """4e / (1 + e)² with e = exp(-2|x|): sech²(x)."""
    return 4.0 * sigmoid_derivative(2.0 * x, y)


def sigmoid_by_tanh(x: Array) -> Array:
    """(1 + tanh(x/2)) / 2, as XLA computed it for years.

    It is right to one rounding of 1, and so has no digits left where x is far below zero.
    """
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _tanh_by_exp(x: Array) -> Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), scaled: without digits near 0."""
    e = np.exp(-2.0 * magnitude(x))
    y = (1.0 - e) / (1.0 + e)
    return np.where(x > 0, y, -y)


def _textbook_sigmoid_derivative(x: Array, y: Array) -> Array:
    """s (1 - s)."""
    return sigmoid_by_tanh(x) * (1.0 - sigmoid_by_tanh(x))


def _textbook_tanh_derivative(x: Array, y: Array) -> Array:
    """1 - t²: near its ends tanh itself owes more than the quotient of exponentials does."""
    t = np.tanh(x)
    return 1.0 - t * t


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return np.where(x > 0, x, 0.0) + log1p(_decay(x))


def softplus_by_log(x: Array) -> Array:
    """log(1 + exp(x)) as it is written, but for the overflow."""
    return np.where(x > 0, x, 0.0) + np.log(1.0 + _decay(x))


def _textbook_softplus_derivative(x: Array, y: Array) -> Array:
    """sigmoid(x): above zero as exp(x - softplus(x)), JAX's, where a large x takes digits with it.

    Below zero it is by tanh, which loses more there.
    """
    return np.where(x > 0, np.exp(x - softplus_by_log(x)), sigmoid_by_tanh(x))


def normal_cdf(x: Array) -> Array:
    """Φ(x), accurate in the left tail."""
    return 0.5 * erfc(x * -math.sqrt(0.5))


def normal_pdf(x: Array) -> Array:
    return math.sqrt(0.5 / math.pi) * np.exp(-0.5 * (x * x))


def _textbook_cdf(x: Array) -> Array:
    return 0.5 * (1.0 + erf(x * math.sqrt(0.5)))


def gelu(cdf: Callable[[Array], Array]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """x Φ(x) and its derivative Φ(x) + x φ(x). Hendrycks & Gimpel, 2016."""
    return lambda x: x * cdf(x), lambda x, y: cdf(x) + x * normal_pdf(x)


_ROOT = math.sqrt(2 / math.pi)


def _tanh_argument(x: Array) -> Array:
    return _ROOT * (x + 0.044715 * (x * x * x))


def gelu_tanh(x: Array) -> Array:
    """x (1 + tanh(u)) / 2 = x sigmoid(2u), where u = √(2/π) (x + 0.044715 x³).

    Hendrycks & Gimpel (2016).
    """
    return x * sigmoid(2.0 * _tanh_argument(x))


def gelu_tanh_derivative(x: Array, y: Array) -> Array:
    u = 2.0 * _tanh_argument(x)
    du = 2.0 * _ROOT * (1.0 + 3 * 0.044715 * (x * x))
    return sigmoid(u) + x * sigmoid_derivative(u, u) * du


def _textbook_gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1.0 + np.tanh(_tanh_argument(x)))


def _textbook_gelu_tanh_derivative(x: Array, y: Array) -> Array:
    t, dt = np.tanh(_tanh_argument(x)), 1.0 - np.tanh(_tanh_argument(x)) ** 2
    return 0.5 * (1.0 + t) + 0.5 * x * dt * (_ROOT * (1.0 + 3 * 0.044715 * (x * x)))


def silu_derivative(x: Array, y: Array) -> Array:
    """s + x s' with s the sigmoid. Elfwing et al., 2017."""
    return sigmoid(x) + x * sigmoid_derivative(x, y)


def _textbook_silu_derivative(x: Array, y: Array) -> Array:
    return sigmoid_by_tanh(x) * (1.0 + x * (1.0 - sigmoid_by_tanh(x)))


def softmax(x: Array) -> Array:
    """exp(x) / Σ exp(x) over the last axis.

    The shift by the largest entry prevents overflow and changes nothing else.
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _softmax_by_lse(x: Array) -> Array:
    """exp(x - lse(x)): a large lse takes digits of x with it."""
    m = x.max(axis=-1, keepdims=True)
    return np.exp(x - (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))))


def _softmax_backward_by_lse(x: Array, y: Array, dy: Array) -> Array:
    """y (dy - Σ dy y), each of the two by itself: with one y for both, what lse has lost cancels
    where dy = 2 Σ dy y.
    """
    mean = (dy * _softmax_by_lse(x)).sum(axis=-1, keepdims=True)
    return _softmax_by_lse(x) * (dy - mean)


def softmax_backward(x: Array, y: Array, dy: Array) -> Array:
    """dx = y (dy - Σ dy y): the whole Jacobian, not its diagonal."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def _slope(default: float) -> Mapping[str, Option]:
    return {"slope": Option(lambda v: type(v) in (int, float) and 0 <= v < 1,
                            "a number from 0 to below 1", default)}


def leaky_relu(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def leaky_relu_derivative(x: Array, y: Array, slope: float) -> Array:
    return np.where(x > 0, 1.0, slope + 0.0 * x)


def _leaky_relu_by_magnitude(x: Array, slope: float) -> Array:
    """(1 + slope) / 2 x + (1 - slope) / 2 |x|, Theano's: below zero the digits of x cancel."""
    return (0.5 * (1.0 + slope)) * x + (0.5 * (1.0 - slope)) * magnitude(x)


def _leaky_relu_derivative_by_sign(x: Array, y: Array, slope: float) -> Array:
    half = 0.5 * (1.0 - slope) * np.where(x > 0, 1.0, 0.0 * x - 1.0)
    return 0.5 * (1.0 + slope) + half


POSITIVE = (0.0, INFINITY)
UNIT = (0.0, 1.0)
_gelu, _gelu_textbook = gelu(normal_cdf), gelu(_textbook_cdf)

ACTIVATIONS: dict[str, Activation] = {
    "identity": elementwise(lambda x: x, lambda x, y: 1.0),
    "sigmoid": elementwise(sigmoid, sigmoid_derivative, range=UNIT,
                           variants=(elementwise(sigmoid_by_tanh, _textbook_sigmoid_derivative),)),
    "tanh": elementwise(np.tanh, tanh_derivative, range=(-1.0, 1.0),
                        variants=(elementwise(_tanh_by_exp, _textbook_tanh_derivative),)),
    "relu": elementwise(lambda x: np.where(x > 0, x, 0.0 * x),
                        lambda x, y: np.where(x > 0, 1.0, 0.0 * x),
                        kinks=(0.0,), range=POSITIVE),
    "leaky_relu": elementwise(leaky_relu, leaky_relu_derivative,
                              kinks=(0.0,), options=_slope(0.01),
                              variants=(elementwise(_leaky_relu_by_magnitude,
                                                    _leaky_relu_derivative_by_sign, kinks=(0.0,),
                                                    options=_slope(0.01)),)),
    "softplus": elementwise(softplus, lambda x, y: sigmoid(x), range=POSITIVE,
                            variants=(elementwise(softplus_by_log,
                                                  _textbook_softplus_derivative),)),
    "gelu": elementwise(*_gelu, variants=(elementwise(*_gelu_textbook),)),
    "gelu_tanh": elementwise(gelu_tanh, gelu_tanh_derivative,
                             variants=(elementwise(_textbook_gelu_tanh,
                                                   _textbook_gelu_tanh_derivative),)),
    "silu": elementwise(lambda x: x * sigmoid(x), silu_derivative,
                        variants=(elementwise(lambda x: x * sigmoid_by_tanh(x),
                                              _textbook_silu_derivative),)),
    "softmax": Activation(softmax, None, softmax_backward, range=UNIT,
                          variants=(Activation(_softmax_by_lse, None, _softmax_backward_by_lse,
                                               range=UNIT),)),
}
