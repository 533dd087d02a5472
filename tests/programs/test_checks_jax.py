"""The checks that need no plain form ask programs of JAX as they ask those of PyTorch."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy

from backproof.programs.checks import CHECKS, checked  # noqa: E402
from backproof.programs.drawing import Drawn  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.program import program  # noqa: E402

ENGINE = engine_of("jax")


def gated(frozen, reduced):
    """tanh(x) w, its backward written by hand: with the tanh a constant to a second one, and dw reduced in a way."""
    @jax.custom_vjp
    def function(x, w):
        return jnp.tanh(x) * w

    def backward(saved, c):
        x, w = saved
        t = jax.lax.stop_gradient(jnp.tanh(x)) if frozen else jnp.tanh(x)
        return c * (1 - t * t) * w, reduced(c * t, 0)

    function.defvjp(lambda x, w: (jnp.tanh(x) * w, (x, w)), backward)
    return function


def failures(function):
    one = program(function, inputs={"x": ("N", "D"), "w": ("D",)}, sizes={"N": 5, "D": 3}, framework="jax",
                  double_backward=True)
    drawn = Drawn(one, lambda trial: ENGINE.shapes(one.engine, trial))
    for trial in drawn.trials(2):
        for _, found in checked(one.asked, lambda t: ENGINE.answer(one.engine, t), trial,
                                ENGINE.answer(one.engine, trial), rows=CHECKS, rng=np.random.default_rng(trial.number),
                                second=lambda t: ENGINE.second(one.engine, t)):
            yield from found


@pytest.mark.parametrize(("frozen", "reduced", "wrong"), [
    (False, jnp.sum, set()),
    (False, jnp.mean, {("line_integral", "w")}),
    (True, jnp.sum, {("double_backward", "x")}),
])
def test_what_a_rule_written_by_hand_gets_wrong_is_found(frozen, reduced, wrong):
    assert {(each.check, each.key) for each in failures(gated(frozen, reduced))} == wrong
