"""Networks whose loss is the inner product with random numbers: a test of the layers' backward alone."""

import numpy as np
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import Case, infer, parse


def network(shape, *layers):
    return parse.network({"format": 1, "input_shape": list(shape), "layers": list(layers),
                          "loss": {"kind": "inner_product", "reduction": "sum"}})


def case_of(described, batch=3, dtype="float64", seed=0):
    """Normal numbers for everything."""
    shapes, rng = infer(described), np.random.default_rng(seed)
    values = {name: rng.standard_normal(shape) for name, shape in shapes.parameters.items()}
    found = Case(described, values, rng.standard_normal((batch, *described.input_shape)),
                 rng.standard_normal((batch, *shapes.output)))
    return found.map(lambda a: a.astype(dtype), dtype)


def check(case, answer):
    """Every gradient, and no other, within the tolerance of the case."""
    s = spread(case)
    assert set(answer.gradients) == set(s.truth.gradients)
    for name, g in answer.gradients.items():
        assert np.shape(g) == s.truth.gradients[name].shape
        assert np.all(np.abs(np.asarray(g, dtype=float) - s.truth.gradients[name]) <= SLACK * s.gradients[name]), name
