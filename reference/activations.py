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
    return _at_most_e(x - (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))))


def _at_most_e(x: Array) -> Array:
    """exp(x) of what is 0 at most: noise on large numbers must not make it infinite."""
    return np.exp(np.minimum(x, 1.0))


def _softmax_backward_by_lse(x: Array, y: Array, dy: Array) -> Array:
    """y (dy - Σ dy y), each of the two by itself: with one y for both, what lse has lost cancels
    where dy = 2 Σ dy y.
    """
    mean = (dy * _softmax_by_lse(x)).sum(axis=-1, keepdims=True)
    return _softmax_by_lse(x) * (dy - mean)


def softmax_backward(x: Array, y: Array, dy: Array) -> Array:
    """dx = y (dy - Σ dy y): the whole Jacobian, not its diagonal."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    """x - log Σ exp(x) over the last axis, shifted by the largest entry."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(x: Array, y: Array, dy: Array) -> Array:
    """dx = dy - softmax(x) Σ dy: the whole Jacobian."""
    return dy - softmax(x) * dy.sum(axis=-1, keepdims=True)


def log_sum_exp(x: Array) -> Array:
    m = x.max(axis=-1, keepdims=True)
    return m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))


def _log_softmax_by_lse(x: Array) -> Array:
    """x - lse(x): a large lse takes digits of x with it."""
    return x - log_sum_exp(x)


def _log_softmax_backward_by_lse(x: Array, y: Array, dy: Array) -> Array:
    return dy - _at_most_e(_log_softmax_by_lse(x)) * dy.sum(axis=-1, keepdims=True)


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


def _number(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < INFINITY


ALPHA = {"alpha": Option(_number, "a number above 0", 1.0)}


def _below(x: Array) -> Array:
    """exp(-|x|) - 1 = 2t / (1 - t) with t = tanh(-|x|/2), which loses nothing near 0."""
    t = np.tanh(-0.5 * magnitude(x))
    return 2.0 * t / (1.0 - t)


def elu(x: Array, alpha: float) -> Array:
    """x, and alpha (exp(x) - 1) below zero. Clevert, Unterthiner, Hochreiter (2015), equation 1."""
    return np.where(x > 0, x, alpha * _below(x))


def elu_derivative(x: Array, y: Array, alpha: float) -> Array:
    return np.where(x > 0, 1.0, alpha * _decay(x))


def _textbook_elu(x: Array, alpha: float) -> Array:
    """exp(x) - 1 as it is written: without digits near 0."""
    return np.where(x > 0, x, alpha * (_decay(x) - 1.0))


def _textbook_elu_derivative(x: Array, y: Array, alpha: float) -> Array:
    """y + alpha: far below zero nothing is left of it."""
    return np.where(x > 0, 1.0, _textbook_elu(x, alpha) + alpha)


# Klambauer, Unterthiner, Mayr, Hochreiter, Self-Normalizing Neural Networks (2017), equation 14.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(elu: Callable[..., Array]) -> Callable[[Array], Array]:
    return lambda x: SELU_SCALE * elu(x, SELU_ALPHA)


def selu_derivative(df: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    return lambda x, y: SELU_SCALE * df(x, y, SELU_ALPHA)


def _mish_parts(x: Array) -> tuple[Array, Array, Array]:
    """n, d with tanh(softplus(x)) = n / d, and e = exp(-|x|): (1 + exp x)² ± 1, scaled by e²."""
    e = _decay(x)
    n = np.where(x > 0, 1.0 + 2.0 * e, e * (2.0 + e))
    return n, n + np.where(x > 0, 2.0 * (e * e), 2.0 + 0.0 * e), e


def mish(x: Array) -> Array:
    """x tanh(softplus(x)). Misra (2019), equation 1."""
    n, d, _ = _mish_parts(x)
    return x * (n / d)


def mish_derivative(x: Array, y: Array) -> Array:
    """ω + x (1 - ω²) sigmoid(x), with ω = tanh(softplus(x))."""
    n, d, e = _mish_parts(x)
    return n / d + x * (4.0 * (1.0 + e) * np.where(x > 0, e * e, e) / (d * d))


def _textbook_mish(x: Array) -> Array:
    return x * np.tanh(softplus_by_log(x))


def _textbook_mish_derivative(x: Array, y: Array) -> Array:
    t = np.tanh(softplus_by_log(x))
    return np.tanh(softplus_by_log(x)) + x * (1.0 - t * t) * sigmoid_by_tanh(x)


def softsign(x: Array) -> Array:
    """x / (1 + |x|). Bergstra et al. (2009); Glorot & Bengio (2010), section 2.2."""
    return x / (1.0 + magnitude(x))


def softsign_derivative(x: Array, y: Array) -> Array:
    d = 1.0 + magnitude(x)
    return 1.0 / (d * d)


def _textbook_softsign_derivative(x: Array, y: Array) -> Array:
    """(1 - |y|)²."""
    d = 1.0 - magnitude(softsign(x))
    return d * d


def clamped(low: float, high: float) -> tuple[Callable[[Array], Array], Callable[..., Array]]:
    """x between two ends, and its derivative: 0 beyond them, and, as PyTorch has it, on them."""
    def f(x: Array) -> Array:
        one = np.ones_like(x)
        return np.where(x > high, high * one, np.where(x < low, low * one, x))

    def df(x: Array, y: Array) -> Array:
        zero = np.zeros_like(x)
        return np.where(x >= high, zero, np.where(x <= low, zero, np.ones_like(x)))

    return f, df


def hard_sigmoid(x: Array, slope: float) -> Array:
    """slope x + 1/2 between 0 and 1: PyTorch's slope is 1/6, Keras 2's 1/5.

    Courbariaux, Bengio, David, BinaryConnect (2015), section 2.2.
    """
    return _UNIT(slope * x + 0.5)


def hard_sigmoid_derivative(x: Array, y: Array, slope: float) -> Array:
    return slope * _WITHIN(slope * x + 0.5, y)


def _hard_sigmoid_by_shift(x: Array, slope: float) -> Array:
    """(x + 3) / 6: near the lower end the digits of x cancel."""
    return _UNIT((x + 0.5 / slope) * slope)


def absolute_derivative(x: Array, y: Array) -> Array:
    """1 or -1, and 0 at 0."""
    return np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0 * x))


POSITIVE = (0.0, INFINITY)
UNIT = (0.0, 1.0)
_UNIT, _WITHIN = clamped(0.0, 1.0)
STEEP = {"slope": Option(_number, "a number above 0", 1 / 6)}
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
    "log_softmax": Activation(log_softmax, None, log_softmax_backward, range=(-INFINITY, 0.0),
                              variants=(Activation(_log_softmax_by_lse, None,
                                                   _log_softmax_backward_by_lse),)),
    "elu": elementwise(elu, elu_derivative, options=ALPHA,
                       kinks=lambda alpha: () if alpha == 1 else (0.0,),
                       variants=(elementwise(_textbook_elu, _textbook_elu_derivative,
                                             options=ALPHA,
                                             kinks=lambda alpha: () if alpha == 1 else (0.0,)),)),
    "selu": elementwise(selu(elu), selu_derivative(elu_derivative), kinks=(0.0,),
                        range=(-SELU_SCALE * SELU_ALPHA, INFINITY),
                        variants=(elementwise(selu(_textbook_elu),
                                              selu_derivative(_textbook_elu_derivative),
                                              kinks=(0.0,)),)),
    "mish": elementwise(mish, mish_derivative,
                        variants=(elementwise(_textbook_mish, _textbook_mish_derivative),)),
    "softsign": elementwise(softsign, softsign_derivative, range=(-1.0, 1.0),
                            variants=(elementwise(softsign, _textbook_softsign_derivative),)),
    "hard_tanh": elementwise(*clamped(-1.0, 1.0), kinks=(-1.0, 1.0), range=(-1.0, 1.0)),
    "hard_sigmoid": elementwise(hard_sigmoid, hard_sigmoid_derivative, options=STEEP, range=UNIT,
                                kinks=lambda slope: (-0.5 / slope, 0.5 / slope),
                                variants=(elementwise(
                                    _hard_sigmoid_by_shift, hard_sigmoid_derivative, options=STEEP,
                                    kinks=lambda slope: (-0.5 / slope, 0.5 / slope)),)),
    "relu6": elementwise(*clamped(0.0, 6.0), kinks=(0.0, 6.0), range=(0.0, 6.0)),
    "abs": elementwise(magnitude, absolute_derivative, kinks=(0.0,), range=POSITIVE),
}
