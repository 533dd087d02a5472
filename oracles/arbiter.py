"""The reference's own lines in high precision: arrays of python-flint's balls, rounded at the
end.

A ball is a number and a bound on its error, so the answer is known to be right to the digits
asked for. Where it is not, or where it hangs on a comparison that the balls cannot decide, it is
computed again with more bits. One family with the reference: it settles arithmetic, never whether
a formula is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flint import arb, ctx

from ..reference import regularised
from ..reference.backprop import evaluate
from ..reference.case import Answer, Case
from ..reference.losses import LOSSES, factor
from ..reference.network import COTANGENT
from ..reference.numbers import put
from ..reference.shapes import infer
from . import Unsupported

PRECISIONS = (160, 320, 640, 1280, 2000)
RELATIVE_BITS = 84  # 2**-84 < 1e-25
ABSOLUTE = arb("1e-320")
OPPOSITE = {np.greater: np.less_equal, np.less: np.greater_equal,
            np.greater_equal: np.less, np.less_equal: np.greater}
ENCLOSING: dict[Any, Any] = {
    np.maximum: np.frompyfunc(lambda a, b: arb(a).max(arb(b)), 2, 1, identity=None),
    np.minimum: np.frompyfunc(lambda a, b: arb(a).min(arb(b)), 2, 1, identity=None),
}
INSERTING = {np.where, np.pad, np.zeros_like, np.ones_like, np.concatenate, np.stack}
Gradients = Mapping[str, Any]


@dataclass
class Comparisons:
    """What an undecided comparison comes out as, and how many there were.

    covered: whether evaluating with False and with True takes every way that they could come out.
    """

    undecided_as: bool
    undecided: int = 0
    covered: bool = True


_COMPARISONS: ContextVar[Comparisons] = ContextVar("comparisons")


class Balls(np.ndarray):
    """An object array of `arb`.

    Flint's comparisons are False when undecided; here they follow `Comparisons`. A maximum needs
    no decision: flint's is a ball around both. Numbers that NumPy puts between the balls, the
    zeros of a padding and the constants of np.where, become balls of radius zero.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(each) for each in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(each) for each in options["out"])
        result = getattr(ENCLOSING.get(ufunc, ufunc), method)(*plain, **options)
        if ufunc in OPPOSITE and method == "__call__":
            result = _decided(result, OPPOSITE[ufunc](*plain))
        return _balls(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """np.where and its like forget the subclass; NumPy's functions only."""
        if function is np.argmax:
            return _argmax(*args, **kwargs)
        if function is put:
            return _put(*args)
        if not hasattr(function, "_implementation"):
            return NotImplemented
        result = _balls(super().__array_function__(function, types, args, kwargs))
        return _all_balls(result) if function in INSERTING else result

    def argmax(self, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        return _argmax(self, axis, keepdims=keepdims)


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, Balls) else array


def _argmax(balls: Any, axis: int, keepdims: bool = False) -> Any:
    """Where the largest is: the first of equals.

    Where two may be the largest, the first or, in the other evaluation, the other; where more may
    be, two evaluations do not cover it.
    """
    rows = np.moveaxis(balls.view(np.ndarray), axis, -1)
    found = np.empty(rows.shape[:-1], dtype=int)
    for place in np.ndindex(found.shape):
        found[place] = _largest(list(rows[place]))
    return np.expand_dims(found, axis % balls.ndim) if keepdims else found


def _largest(row: list[Any]) -> int:
    """The place of the largest ball of a row."""
    candidates = [i for i, x in enumerate(row) if not any(y > x for y in row)]
    first = candidates[0]
    rivals = [i for i in candidates[1:] if not row[first] >= row[i]]
    state = _COMPARISONS.get()
    state.undecided += len(rivals)
    state.covered = state.covered and len(rivals) < 2
    return rivals[-1] if rivals and state.undecided_as else first


def _put(a: Any, index: Any, v: Any) -> Any:
    result = np.array(exact(np.asarray(a)), dtype=object)
    result[index] = exact(np.asarray(v))
    return _balls(result)


def _balls(result: Any) -> Any:
    objects = isinstance(result, np.ndarray) and result.dtype == object
    return result.view(Balls) if objects else result


def _all_balls(result: Any) -> Any:
    """The same with every number a ball."""
    if not isinstance(result, Balls):
        return result
    return np.asarray(_as_ball(result.view(np.ndarray)), dtype=object).view(Balls)


def _decided(yes: Any, no: Any) -> Any:
    """The comparison, with `undecided_as` where neither it nor its opposite is certain."""
    state, undecided = _COMPARISONS.get(), np.logical_not(np.logical_or(yes, no))
    state.undecided += int(np.count_nonzero(undecided))
    return np.logical_or(yes, undecided) if state.undecided_as else yes


def exact(array: Any) -> Any:
    """Real numbers as balls of radius zero; indices as they are."""
    if array.dtype.kind != "f":
        return array
    return np.asarray(_arb(array), dtype=object).view(Balls)


def scale_of(case: Case) -> Any:
    """The loss's scale times its reduction's factor: 1 / count without a rounding."""
    spec = case.network.loss
    shape = (case.batch, *infer(case.network).output)
    return arb(spec.scale) / round(1.0 / factor(spec.reduction, LOSSES[spec.kind].per, shape))


def _evaluated(case: Case, scale: Any, undecided_as: bool) -> tuple[Gradients, int]:
    """Loss (1,), under the name "", and gradients; and how many comparisons were undecided."""
    state = Comparisons(undecided_as)
    token = _COMPARISONS.set(state)
    try:
        answer = evaluate(case)
    finally:
        _COMPARISONS.reset(token)
    named = {"": np.array([answer.loss], dtype=object), **answer.gradients}
    known = scale if state.covered else arb.nan()
    return {name: value * known for name, value in named.items()}, state.undecided


def with_penalty(case: Case, balls: Gradients) -> Gradients:
    """Loss and gradients with those of the penalty, which no reduction touches."""
    if not case.network.loss.l2:
        return balls
    by = arb(case.network.loss.gradient_scale)
    more = {name: g * by for name, g in regularised.penalty_gradients(case).items()}
    more[""] = np.array([regularised.penalty(case)], dtype=object)
    return {name: ball + more[name] if name in more else ball for name, ball in balls.items()}


_arb = np.frompyfunc(arb, 1, 1)
_as_ball = np.frompyfunc(lambda x: x if isinstance(x, arb) else arb(float(x)), 1, 1)
_union = np.frompyfunc(lambda a, b: a.union(b), 2, 1)
_float = np.frompyfunc(float, 1, 1)


def _is_known(ball: Any) -> bool:
    sharp = ball.rel_accuracy_bits() >= RELATIVE_BITS or bool(ball.rad() <= ABSOLUTE)
    return ball.is_finite() and sharp


def enclosure(case: Case, scale: Any) -> Gradients:
    """Balls that hold the truth at this precision, whichever way the undecided comparisons are."""
    result, undecided = _evaluated(case, scale, False)
    if not undecided:
        return result
    other, _ = _evaluated(case, scale, True)
    return {name: _union(value, other[name]) for name, value in result.items()}


def answer(case: Case) -> Answer:
    """Loss and gradients rounded to float64, each known to 1e-25 of itself or to 1e-320.

    Raises Unsupported where 2000 bits do not settle an entry: it is not finite, or it lies on a
    kink by rounding only.
    """
    kept = case.network.loss.reduction if COTANGENT in case.constants else "sum"
    plain = replace(case.network.loss, reduction=kept, scale=1.0, l2=0.0)
    network = replace(case.network, loss=plain)
    with np.errstate(all="ignore"):
        for bits in PRECISIONS:
            with ctx.workprec(bits):
                whole = case.map(exact)
                balls = with_penalty(whole, enclosure(whole.but(network=network), scale_of(case)))
                unknown = [name for name, value in balls.items()
                           if not all(map(_is_known, value.flat))]
                if not unknown:
                    return _rounded(balls)
    raise Unsupported(f"arbiter: {unknown[0] or 'loss'} is not settled by {PRECISIONS[-1]} bits")


def _rounded(balls: Gradients) -> Answer:
    plain = {name: np.asarray(_float(value), dtype=np.float64) for name, value in balls.items()}
    return Answer(plain.pop("")[0], plain)
