"""jaxopt: projections, isotonic regression and solvers, differentiated at their solutions."""

import jax.numpy as jnp
from backproof import program
from package_shelf import use

use("jaxopt", "optax")
import jaxopt  # noqa: E402
from with_optax import operation, plain_simplex  # noqa: E402

projection_simplex = operation(jaxopt.projection.projection_simplex, plain_simplex, x=("D",))
projection_l2_ball = operation(
    lambda x: jaxopt.projection.projection_l2_ball(x, 1.0),
    lambda x: x / jnp.maximum(1.0, jnp.sqrt((x * x).sum())), x=("D",))

SIZES = {"N": (3, 9)}


@program(plain=lambda x, y, ridge: (x * y).sum() / ((x * x).sum() + ridge.sum()),
         inputs={"x": {"shape": ("N",), "values": "gain"}, "y": ("N",),
                 "ridge": {"shape": (1,), "values": "positive"}},
         dtypes=["float32"], sizes=SIZES, framework="jax")
def ridge_by_bisection(x, y, ridge):
    """The root of the normal equation of one weight, differentiated by the implicit function."""
    def equation(w, x, y, ridge):
        return w * ((x * x).sum() + ridge.sum()) - (x * y).sum()
    solver = jaxopt.Bisection(equation, lower=-100.0, upper=100.0, maxiter=60, tol=0.0,
                              check_bracket=False)
    return solver.run(None, x, y, ridge).params
