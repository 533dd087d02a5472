"""The activations: for each, forms of f(z) and forms of its derivative of (z, y), all of them right.

An option (the slope of leaky_relu) comes last. Where a form would overflow into NaN, as exp(z) / (1 + exp(z)) does, it is
no right program and is not here.
"""

import functools
import math

import numpy as np
from scipy import special


def _each(function):
    """One number after another."""
    def applied(z, *rest):
        flat = [function(v, *rest) for v in z.ravel().tolist()]
        return np.array(flat, z.dtype).reshape(z.shape)

    return applied


def _decay(z):
    return np.exp(-np.abs(z))


# --- sigmoid ----------------------------------------------------------------------------------------------------------


def _masked(z):
    y = np.empty_like(z)
    positive = z >= 0
    y[positive] = 1 / (1 + np.exp(-z[positive]))
    e = np.exp(z[~positive])
    y[~positive] = e / (1 + e)
    return y


def _sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


SIGMOID = {
    "1 / (1 + exp(-z))": lambda z: 1 / (1 + np.exp(-z)),
    "1 / (1 + exp(-clip(z)))": lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500))),
    "reciprocal": lambda z: np.reciprocal(1 + np.exp(-z)),
    "where": lambda z: np.where(z >= 0, 1 / (1 + _decay(z)), _decay(z) / (1 + _decay(z))),
    "masks": _masked,
    "(1 + tanh(z / 2)) / 2": lambda z: (1 + np.tanh(z / 2)) / 2,
    "0.5 tanh(0.5 z) + 0.5": lambda z: 0.5 * np.tanh(0.5 * z) + 0.5,
    "1 - 1 / (1 + exp(z))": lambda z: 1 - 1 / (1 + np.exp(z)),
    "math": _each(_sigmoid),
    "exp(-logaddexp(0, -z))": lambda z: np.exp(-np.logaddexp(0, -z)),
    "exp(-log1p(exp(-z)))": lambda z: np.exp(-np.log1p(np.exp(-z))),
    "exp(min(z, 0)) / (1 + exp(-|z|))": lambda z: np.exp(np.minimum(z, 0)) / (1 + _decay(z)),
    "1 / (2 + expm1(-z))": lambda z: 1 / (2 + np.expm1(-z)),
    "expit": special.expit,
    "(1 + exp(-z)) ** -1": lambda z: (1 + np.exp(-z)) ** -1.0,
}
_logistic = SIGMOID["1 / (1 + exp(-z))"]
SIGMOID_SLOPE = {
    "y (1 - y)": lambda z, y: y * (1 - y),
    "y - y²": lambda z, y: y - y * y,
    "y - y ** 2": lambda z, y: y - y ** 2,
    "once more": lambda z, y: _logistic(z) * (1 - _logistic(z)),
    "sigma(z) sigma(-z)": lambda z, y: _logistic(z) * _logistic(-z),
    "y sigma(-z)": lambda z, y: y * _logistic(-z),
    "e / (1 + e)²": lambda z, y: _decay(z) / (1 + _decay(z)) ** 2,
    "1 / (2 + 2 cosh z)": lambda z, y: 1 / (2 + 2 * np.cosh(z)),
    "0.5 / (1 + cosh z)": lambda z, y: 0.5 / (1 + np.cosh(z)),
    "(1 - tanh²(z / 2)) / 4": lambda z, y: (1 - np.tanh(z / 2) ** 2) / 4,
    "1 / (exp(z / 2) + exp(-z / 2))²": lambda z, y: 1 / np.square(np.exp(z / 2) + np.exp(-z / 2)),
    "math": lambda z, y: _each(lambda v: _sigmoid(v) * _sigmoid(-v))(z),
    "expit": lambda z, y: special.expit(z) * special.expit(-z),
}


# --- tanh -------------------------------------------------------------------------------------------------------------


def _quotient(z):
    e = np.exp(-2 * np.abs(z))
    return np.sign(z) * (1 - e) / (1 + e)


def _expm1(z):
    m = np.expm1(-2 * np.abs(z))
    return np.copysign(-m / (m + 2), z)


def _clipped(z):
    z = np.clip(z, -20, 20)
    return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))


def _double_angle(z):
    t = np.tanh(z / 2)
    return 2 * t / (1 + t * t)


TANH = {
    "np.tanh": np.tanh, "math.tanh": _each(math.tanh),
    "2 / (1 + exp(-2 z)) - 1": lambda z: 2 / (1 + np.exp(-2 * z)) - 1,
    "1 - 2 / (1 + exp(2 z))": lambda z: 1 - 2 / (1 + np.exp(2 * z)),
    "2 sigma(2 z) - 1": lambda z: 2 * _logistic(2 * z) - 1,
    "quotient": _quotient, "expm1": _expm1, "clipped quotient": _clipped, "double angle": _double_angle,
    "2 expit(2 z) - 1": lambda z: 2 * special.expit(2 * z) - 1,
}
TANH_SLOPE = {
    "1 - y²": lambda z, y: 1 - y * y,
    "1 - y ** 2": lambda z, y: 1 - y ** 2,
    "1 - np.square(y)": lambda z, y: 1 - np.square(y),
    "(1 - y) (1 + y)": lambda z, y: (1 - y) * (1 + y),
    "1 - tanh(z)²": lambda z, y: 1 - np.tanh(z) ** 2,
    "1 - y tanh(z)": lambda z, y: 1 - y * np.tanh(z),
    "1 / cosh²": lambda z, y: 1 / np.cosh(z) ** 2,
    "cosh ** -2": lambda z, y: np.cosh(z) ** -2.0,
    "4 e / (1 + e)²": lambda z, y: 4 * np.exp(-2 * np.abs(z)) / (1 + np.exp(-2 * np.abs(z))) ** 2,
    "4 s (1 - s)": lambda z, y: 4 * _logistic(2 * z) * (1 - _logistic(2 * z)),
    "4 / (exp(z) + exp(-z))²": lambda z, y: 4 / (np.exp(z) + np.exp(-z)) ** 2,
}


# --- piecewise linear -------------------------------------------------------------------------------------------------

IDENTITY = {
    "z": lambda z: z, "copy": lambda z: z.copy(), "+z": lambda z: +z, "1 z": lambda z: 1 * z,
    "z + 0": lambda z: z + 0, "z / 1": lambda z: z / 1, "np.array": np.array, "negative": lambda z: np.negative(-z),
}
IDENTITY_SLOPE = {
    "1": lambda z, y: 1, "1.0": lambda z, y: 1.0, "ones_like": lambda z, y: np.ones_like(z),
    "full": lambda z, y: np.full(z.shape, 1, z.dtype), "z ** 0": lambda z, y: z ** 0, "exp(0)": lambda z, y: np.exp(0 * z),
}


def _zeroed(z):
    y = z.copy()
    y[y < 0] = 0
    return y


RELU = {
    "maximum": lambda z: np.maximum(0, z), "maximum, turned": lambda z: np.maximum(z, 0.0), "fmax": lambda z: np.fmax(z, 0),
    "where": lambda z: np.where(z > 0, z, 0), "times mask": lambda z: z * (z > 0), "clip": lambda z: np.clip(z, 0, None),
    "(z + |z|) / 2": lambda z: (z + np.abs(z)) / 2, "in place": _zeroed, "heaviside": lambda z: z * np.heaviside(z, 0),
    "max": _each(lambda v: max(0.0, v)), "z - min": lambda z: z - np.minimum(z, 0), "-min(-z)": lambda z: -np.minimum(-z, 0),
    "z if z > 0": _each(lambda v: v if v > 0 else 0.0),
}
RELU_SLOPE = {
    "z > 0": lambda z, y: z > 0, "(z > 0) 1.0": lambda z, y: (z > 0) * 1.0, "y > 0": lambda z, y: y > 0,
    "z >= 0": lambda z, y: z >= 0, "where": lambda z, y: np.where(z > 0, 1.0, 0.0), "sign(y)": lambda z, y: np.sign(y),
    "heaviside": lambda z, y: np.heaviside(z, 1), "(1 + sign) / 2": lambda z, y: (1 + np.sign(z)) / 2,
    "astype": lambda z, y: (y > 0).astype(z.dtype),
    "each": lambda z, y: _each(lambda v: 1.0 if v > 0 else 0.0)(z),
}

LEAKY_RELU = {
    "where": lambda z, a: np.where(z > 0, z, a * z), "maximum": lambda z, a: np.maximum(z, a * z),
    "two parts": lambda z, a: np.maximum(0, z) + a * np.minimum(0, z),
    "times where": lambda z, a: z * np.where(z > 0, 1, z.dtype.type(a)),
    "relu(z) - a relu(-z)": lambda z, a: np.maximum(z, 0) - a * np.maximum(-z, 0),
    "f1 z + f2 |z|": lambda z, a: 0.5 * (1 + a) * z + 0.5 * (1 - a) * np.abs(z),
    "each": _each(lambda v, a: v if v > 0 else a * v),
}
LEAKY_RELU_SLOPE = {
    "where": lambda z, y, a: np.where(z > 0, 1.0, a), "where y": lambda z, y, a: np.where(y > 0, 1.0, a),
    "masks": lambda z, y, a: (z > 0) + a * (z <= 0), "f1 + f2 sign": lambda z, y, a: 0.5 * (1 + a) + 0.5 * (1 - a) * np.sign(z),
    "ones, then a": lambda z, y, a: np.choose(z > 0, [a, 1.0]), "z >= 0": lambda z, y, a: np.where(z >= 0, 1, a),
    "heaviside": lambda z, y, a: a + (1 - a) * np.heaviside(z, 0),
}


# --- softplus ---------------------------------------------------------------------------------------------------------

SOFTPLUS = {
    "max + log1p": lambda z: np.maximum(z, 0) + np.log1p(_decay(z)),
    "max + log": lambda z: np.maximum(z, 0) + np.log(1 + _decay(z)),
    "logaddexp": lambda z: np.logaddexp(0, z), "logaddexp, turned": lambda z: np.logaddexp(z, 0.0),
    "where": lambda z: np.where(z > 50, z, np.log1p(np.exp(np.minimum(z, 50)))),
    "log, where": lambda z: np.where(z > 50, z, np.log(1 + np.exp(np.minimum(z, 50)))),
    "math": _each(lambda v: max(v, 0.0) + math.log1p(math.exp(-abs(v)))),
    "(z + |z|) / 2 + log1p": lambda z: (z + np.abs(z)) / 2 + np.log1p(_decay(z)),
    "relu(z) - log(sigma(|z|))": lambda z: np.maximum(z, 0) - np.log(special.expit(np.abs(z))),
    "logaddexp2": lambda z: np.logaddexp2(0, z / math.log(2)) * math.log(2),
    "relu(z) - log_expit": lambda z: -special.log_expit(-z),
}
SOFTPLUS_SLOPE = {
    **{name: functools.partial(lambda f, z, y: f(z), f) for name, f in SIGMOID.items()},
    "1 - exp(-y)": lambda z, y: 1 - np.exp(-y), "-expm1(-y)": lambda z, y: -np.expm1(-y),
    "exp(z - y)": lambda z, y: np.exp(z - y),
}


# --- gelu, silu -------------------------------------------------------------------------------------------------------

ROOT = math.sqrt(2)
PHI = {
    "(1 + erf) / 2": lambda z: 0.5 * (1 + _each(math.erf)(z / ROOT)),
    "erfc / 2": lambda z: 0.5 * _each(math.erfc)(-z / ROOT),
    "scipy erf": lambda z: (1 + special.erf(z / ROOT)) / 2,
    "scipy erf of a product": lambda z: 0.5 + 0.5 * special.erf(z * 0.7071067811865476),
    "scipy erfc": lambda z: special.erfc(-z / ROOT) / 2,
    "ndtr": special.ndtr,
    "exp(log_ndtr)": lambda z: np.exp(special.log_ndtr(z)),
}
DENSITY = {
    "exp(-z² / 2) / √2π": lambda z: np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "exp(-0.5 z ** 2) 0.39894": lambda z: np.exp(-0.5 * z ** 2) * 0.3989422804014327,
    "exp(-(z / √2)²)": lambda z: np.exp(-np.square(z / ROOT)) / math.sqrt(2 * math.pi),
    "math": _each(lambda v: math.exp(-v * v / 2) / math.sqrt(2 * math.pi)),
}
GELU = {
    **{f"z {name}": functools.partial(lambda f, z: z * f(z), f) for name, f in PHI.items()},
    "0.5 z (1 + erf)": lambda z: 0.5 * z * (1 + special.erf(z / ROOT)),
    "0.5 z + 0.5 z erf": lambda z: 0.5 * z + 0.5 * z * special.erf(z / ROOT),
}
GELU_SLOPE = {f"{a} + z {b}": functools.partial(lambda f, g, z, y: f(z) + z * g(z), f, g)
              for a, f in PHI.items() for b, g in DENSITY.items()}

C = math.sqrt(2 / math.pi)
ARGUMENT = {
    "z ** 3": lambda z: C * (z + 0.044715 * z ** 3), "z z z": lambda z: C * (z + 0.044715 * z * z * z),
    "power": lambda z: C * (z + 0.044715 * np.power(z, 3)), "z (1 + c z²)": lambda z: C * z * (1 + 0.044715 * z * z),
    "0.79788": lambda z: 0.7978845608028654 * z + 0.035677408136300125 * z * z * z,
}
GELU_TANH = {}
GELU_TANH_SLOPE = {}


def _gelu_tanh_slope(u, z, y):
    t = np.tanh(u(z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * C * (1 + 3 * 0.044715 * z * z)


def _gelu_tanh_slope_by_sigmoid(u, z, y):
    s = special.expit(2 * u(z))
    return s + z * s * (1 - s) * 2 * C * (1 + 3 * 0.044715 * z ** 2)


def _gelu_tanh_slope_by_cosh(u, z, y):
    return 0.5 * (1 + np.tanh(u(z))) + 0.5 * z / np.cosh(u(z)) ** 2 * C * (1 + 0.134145 * z * z)


for _name, _u in ARGUMENT.items():
    GELU_TANH[f"0.5 z (1 + tanh), {_name}"] = functools.partial(lambda u, z: 0.5 * z * (1 + np.tanh(u(z))), _u)
    GELU_TANH[f"z sigma, {_name}"] = functools.partial(lambda u, z: z * special.expit(2 * u(z)), _u)
    GELU_TANH[f"z / (1 + exp), {_name}"] = functools.partial(lambda u, z: z / (1 + np.exp(-2 * u(z))), _u)
    GELU_TANH_SLOPE[f"tanh, {_name}"] = functools.partial(_gelu_tanh_slope, _u)
    GELU_TANH_SLOPE[f"sigma, {_name}"] = functools.partial(_gelu_tanh_slope_by_sigmoid, _u)
    GELU_TANH_SLOPE[f"cosh, {_name}"] = functools.partial(_gelu_tanh_slope_by_cosh, _u)

SILU = {
    **{f"z {name}": functools.partial(lambda f, z: z * f(z), f) for name, f in SIGMOID.items()},
    "z / (1 + exp(-z))": lambda z: z / (1 + np.exp(-z)),
    "h + h tanh(h)": lambda z: z / 2 + z / 2 * np.tanh(z / 2),
}
SILU_SLOPE = {}
for _name, _f in SIGMOID.items():
    SILU_SLOPE[f"s (1 + z (1 - s)), {_name}"] = functools.partial(lambda f, z, y: f(z) * (1 + z * (1 - f(z))), _f)
    SILU_SLOPE[f"s + z s (1 - s), {_name}"] = functools.partial(lambda f, z, y: f(z) + z * f(z) * (1 - f(z)), _f)
    SILU_SLOPE[f"y + s (1 - y), {_name}"] = functools.partial(lambda f, z, y: y + f(z) * (1 - y), _f)


# --- softmax ----------------------------------------------------------------------------------------------------------


def _shifted(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _rows(z):
    result = []
    for row in z.reshape(-1, z.shape[-1]):
        e = np.exp(row - np.max(row))
        result.append(e / np.sum(e))
    return np.array(result).reshape(z.shape)


def _floats(z):
    result = []
    for row in z.reshape(-1, z.shape[-1]).tolist():
        m = max(row)
        e = [math.exp(v - m) for v in row]
        result.append([v / sum(e) for v in e])
    return np.array(result, z.dtype).reshape(z.shape)


def _columns(z):
    t = np.moveaxis(z, -1, 0)
    e = np.exp(t - t.max(axis=0))
    return np.moveaxis(e / e.sum(axis=0), 0, -1)


def _by_lse(z):
    m = z.max(-1, keepdims=True)
    return np.exp(z - m - np.log(np.exp(z - m).sum(-1, keepdims=True)))


SOFTMAX = {
    "shifted": _shifted, "row by row": _rows, "floats": _floats, "columns": _columns, "exp(z - lse)": _by_lse,
    "exp(z - logaddexp)": lambda z: np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True)),
    "exp(z - logsumexp)": lambda z: np.exp(z - special.logsumexp(z, axis=-1, keepdims=True)),
    "scipy": lambda z: special.softmax(z, axis=-1),
    "1 / Σ exp(zⱼ - zᵢ)": lambda z: 1 / np.exp(z[..., None, :] - z[..., :, None]).sum(-1),
    "exp(log_softmax)": lambda z: np.exp(special.log_softmax(z, axis=-1)),
}


def _jacobians(y, dy):
    flat = [(np.diagflat(p) - np.outer(p, p)) @ d
            for p, d in zip(y.reshape(-1, y.shape[-1]), dy.reshape(-1, y.shape[-1]), strict=True)]
    return np.array(flat).reshape(y.shape)


def _entry_by_entry(y, dy):
    result = np.zeros_like(dy)
    for p, d, out in zip(y.reshape(-1, y.shape[-1]), dy.reshape(-1, y.shape[-1]),
                         result.reshape(-1, y.shape[-1]), strict=True):
        for i in range(len(p)):
            for j in range(len(p)):
                out[i] += d[j] * (p[i] * (1 - p[i]) if i == j else -p[i] * p[j])
    return result


SOFTMAX_BACK = {
    "y (dy - Σ dy y)": lambda y, dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True)),
    "y dy - y Σ": lambda y, dy: y * dy - y * (y * dy).sum(axis=-1, keepdims=True),
    "einsum": lambda y, dy: y * (dy - np.einsum("...i,...i->...", y, dy)[..., None]),
    "Jacobians": _jacobians,
    "Jacobians by einsum": lambda y, dy: np.einsum(
        "...ij,...j->...i", y[..., :, None] * (np.eye(y.shape[-1], dtype=y.dtype) - y[..., None, :]), dy),
    "entry by entry": _entry_by_entry,
    "differences": lambda y, dy: y * ((dy[..., :, None] - dy[..., None, :]) * y[..., None, :]).sum(-1),
}

FORMS = {
    "identity": (IDENTITY, IDENTITY_SLOPE), "sigmoid": (SIGMOID, SIGMOID_SLOPE), "tanh": (TANH, TANH_SLOPE),
    "relu": (RELU, RELU_SLOPE), "leaky_relu": (LEAKY_RELU, LEAKY_RELU_SLOPE), "softplus": (SOFTPLUS, SOFTPLUS_SLOPE),
    "gelu": (GELU, GELU_SLOPE), "gelu_tanh": (GELU_TANH, GELU_TANH_SLOPE), "silu": (SILU, SILU_SLOPE),
    "softmax": (SOFTMAX, SOFTMAX_BACK),
}
