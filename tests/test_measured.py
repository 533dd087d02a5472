"""Numbers with a tolerance: the arithmetic encloses, and what is not a number never agrees."""

import numpy as np
import pytest
from backproof.properties.agreement import differing
from backproof.properties.measured import Measured, apart, as_measured

NAN, INF = float("nan"), float("inf")
M = np.array([[1.0, -2.0], [0.5, 3.0], [0.0, -1.0]])
OPERATIONS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "-a": lambda a, b: -a,
    "a - array": lambda a, b: a - M.T,
    "array - a": lambda a, b: M.T - a,
    "array + a": lambda a, b: M.T + a,
    "-3 a": lambda a, b: -3.0 * a,
    "a array": lambda a, b: a * M.T,
    "a @ matrix": lambda a, b: a @ M,
    "matrix @ a": lambda a, b: M @ a,
    "a.T": lambda a, b: a.T,
    "a[:, 1]": lambda a, b: a[:, 1],
    "a.sum()": lambda a, b: a.sum(),
    "a.sum(axis=1)": lambda a, b: a.sum(axis=1),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_the_tolerance_is_the_largest_error_of_the_result(operation):
    """Over every corner of the boxes around a and b; the bound is reached, so it is no larger than it must be."""
    rng = np.random.default_rng(0)
    a, b = (Measured(rng.normal(size=(2, 3)), rng.uniform(0.1, 1.0, (2, 3))) for _ in range(2))
    found = operation(a, b)
    worst = np.zeros(np.shape(found.value))
    for _ in range(2000):
        x, y = (m.value + m.tolerance * rng.choice([-1.0, 1.0], m.value.shape) for m in (a, b))
        worst = np.maximum(worst, np.abs(operation(x, y) - found.value))
    assert np.allclose(found.value, operation(a.value, b.value), rtol=1e-15)
    assert (worst <= found.tolerance * (1 + 1e-12)).all()
    assert (worst >= 0.5 * found.tolerance).all()


POLICY = [  # left, right, error
    (1.0, 1.5, 0.5), (INF, INF, 0.0), (-INF, -INF, 0.0), (INF, -INF, INF), (INF, 1.0, INF), (NAN, 1.0, INF),
    (1.0, NAN, INF), (NAN, NAN, INF), (NAN, INF, INF), (0.0, -0.0, 0.0),
]


@pytest.mark.parametrize(("left", "right", "error"), POLICY)
def test_apart(left, right, error):
    got, allowed = apart(Measured(np.array([left]), np.array([0.25])), as_measured(np.array([right])))
    assert got == error
    assert allowed == 0.25


@pytest.mark.parametrize(("left", "right", "error"), POLICY)
def test_a_difference_within_the_tolerance_only(left, right, error):
    for tolerance in (0.5, 0.499, 1e300):
        found = differing("w", Measured(np.array(left), np.array(tolerance)), right)
        assert (found is None) == (error <= tolerance)


def test_no_tolerance_forgives_nan():
    assert differing("w", Measured(np.array([NAN]), np.array([1e300])), np.array([1.0])) is not None
    assert differing("w", Measured(np.array([1.0]), np.array([NAN])), np.array([1.0])) is not None


def test_the_worst_entry_is_named():
    value, tolerance = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [1e-3, 1.0]])
    found = differing("0.weight", Measured(value, tolerance), value + np.array([[0.0, 5.0], [0.1, 0.0]]))
    assert (found.parameter, found.where, found.got, found.wanted) == ("0.weight", (1, 0), 3.0, 3.1)
    assert (found.error, found.tolerance) == (pytest.approx(0.1), 1e-3)


def test_an_exact_zero_is_exact():
    assert differing("w", np.zeros(3), 0.0) is None
    found = differing("w", np.array([0.0, 5e-324]), 0.0)
    assert (found.where, found.error, found.tolerance) == ((1,), 5e-324, 0.0)
