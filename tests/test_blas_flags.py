"""BLAS kernels of some processors raise the invalid flag though every number is right: nobody may hear of it.

The flag is planted: an array whose matrix products raise it as those kernels do (numpy#24067, OpenBLAS#1924).
"""

import warnings

import numpy as np
import pytest
from backproof.judging.judge import Judge
from backproof.plug.subject import Subject
from backproof.plug.undisturbed import undisturbed
from backproof.properties import own_loss
from backproof.properties.agreement import measured
from backproof.properties.claims import Claims, Head, activation
from backproof.properties.measured import Measured
from backproof.properties.strategies import Style, build, chain
from backproof.properties.tolerance import bounds, spread
from backproof.reference import Answer, evaluate, forward
from backproof.reference.stacked import Stacked

CLAIMS = Claims(hidden=("tanh",), heads=(Head("identity", "squared_error", reduction="sum"),))


class Flagging(np.ndarray):
    """A plain array; its products raise the invalid flag, as the errstate of the caller has it."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Flagging) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        if ufunc is np.matmul:
            np.array([np.inf], result.dtype) - np.array([np.inf], result.dtype)
        return result.view(Flagging) if isinstance(result, np.ndarray) else result


def a_case(dtype="float64"):
    network = chain([3, 4, 2], [True, True], [activation("tanh")], CLAIMS.heads[0])
    return build(network, 4, "real", Style(), 3, dtype)


def flagged(case):
    return case.map(lambda a: a.view(Flagging))


@pytest.fixture(params=["raise", "warn"])
def strict(request):
    """The flag is an exception, or a warning that is one."""
    with np.errstate(all=request.param), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield request.param


def test_the_plant_raises_the_flag(strict):
    case = flagged(a_case())
    with pytest.raises(FloatingPointError if strict == "raise" else RuntimeWarning):
        case.inputs @ case.parameters["0.weight"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_reference_does_not_hear_it(strict, dtype):
    case = a_case(dtype)
    heard, right = evaluate(flagged(case)), evaluate(case)
    assert heard.loss == right.loss
    assert all(np.array_equal(heard.gradients[name], g) for name, g in right.gradients.items())
    assert forward(flagged(case)).outputs.shape == (4, 2)


def test_stacked_numbers_do_not_hear_it(strict):
    case = a_case().map(lambda a: Stacked(np.stack([a, a]).view(Flagging)))
    assert np.array_equal(np.asarray(evaluate(case).loss.raw), [evaluate(a_case()).loss] * 2)


def test_tolerances_and_identities_do_not_hear_it(strict):
    case = flagged(a_case())
    assert spread(case).finite
    assert np.isfinite(bounds(case).loss)
    gradient = Measured(np.ones((2, 3)).view(Flagging), np.ones((2, 3)).view(Flagging))
    assert (gradient @ np.ones((3, 1))).value.tolist() == [[3.0], [3.0]]
    assert (np.ones((1, 2)) @ gradient).value.tolist() == [[2.0, 2.0, 2.0]]


def test_the_gradient_along_a_line_does_not_hear_it(strict):
    case = flagged(a_case())
    reply = measured(case, evaluate(case), spread(case))
    direction = own_loss.direction(reply, np.random.default_rng(0))
    difference, gradient = own_loss.slope(reply, evaluate, direction)
    assert abs(difference.value - gradient.value) <= difference.tolerance + gradient.tolerance


def test_a_subject_whose_products_raise_it_is_not_blamed(strict):
    """Its own arithmetic runs undisturbed too: neither an alarm nor a failure."""
    def engine(case):
        answer = evaluate(flagged(case))
        x = flagged(case).inputs
        return Answer(answer.loss + 0.0 * float((x @ x.T)[0, 0]), dict(answer.gradients))

    judge = Judge(Subject("mine", CLAIMS, engine), CLAIMS, ("differences", "complex_step"), lambda **_: None, 0)
    with undisturbed():
        for _ in range(4):
            judge.network(a_case())
    assert not judge.tally.failures
    assert judge.tally.counts["reference"]["passed"] > 4
