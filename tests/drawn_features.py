"""What a network that is drawn may have, by name: for the tests and for the benchmark of what is drawn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from backproof.reference import Case, forward, infer


def arrays(case: Case, kind: str) -> list[Any]:
    return [value for name, value in case.parameters.items() if name.endswith(kind)]


def from_kinks(case: Case) -> Any:
    """How far each unit with a kink is from it, below it negative."""
    found = [np.ravel(kink.argument - point) for kink in forward(case.astype("float64")).kinks
             for point in kink.points]
    return np.concatenate(found) if found else np.zeros(0)


def between(least: float, most: float) -> Callable[[Case], bool]:
    """Whether a unit is so far from a kink, on either side."""
    return lambda case: bool(((np.abs(from_kinks(case)) >= least) & (np.abs(from_kinks(case)) < most)).any())


def just_below(case: Case) -> bool:
    x = from_kinks(case)
    return bool(((x < 0) & (x > -1e-3)).any())


def squared_error(case: Case) -> float:
    """The largest one, where the loss is squared error."""
    if case.network.loss.kind != "squared_error":
        return math.inf
    return float(np.abs(forward(case.astype("float64")).outputs - case.targets).max()) ** 2


def rows_of(inputs: Any) -> Any:
    return inputs.reshape(-1, inputs.shape[-1])


def one_hot(inputs: Any) -> bool:
    return inputs.shape[-1] > 1 and bool(np.isin(inputs, (0, 1)).all() and (inputs.sum(axis=-1) == 1).all())


FEATURES: dict[str, Callable[[Case], bool]] = {
    "more than 8 outputs": lambda c: infer(c.network).output[-1] > 8,
    "both sizes of a weight above 8": lambda c: any(min(w.shape) > 8 for w in arrays(c, "weight")),
    "a size of a weight above 8": lambda c: any(max(w.shape) > 8 for w in arrays(c, "weight")),
    "batch 1": lambda c: c.batch == 1,
    "batch 34 to 64": lambda c: 34 <= c.batch <= 64,
    "batch above 64": lambda c: c.batch > 64,
    "depth 1": lambda c: c.network.depth == 1,
    "depth above 12": lambda c: c.network.depth > 12,
    "a bias above 4": lambda c: any(np.abs(b).max() > 4 for b in arrays(c, "bias")),
    "two equal biases of a layer, not all": lambda c: any(
        1 < len(np.unique(b)) < b.size for b in arrays(c, "bias")),
    "all biases of a layer equal, not 0": lambda c: any(
        b.size > 1 and b.any() and (b == b[0]).all() for b in arrays(c, "bias")),
    "weights of exactly 0, not all": lambda c: any((w == 0).any() and w.any() for w in arrays(c, "weight")),
    "inputs of 0 and 1": lambda c: bool(np.isin(c.inputs, (0, 1)).all()),
    "one-hot inputs": lambda c: one_hot(c.inputs),
    "equal inputs in a row": lambda c: bool(
        (c.inputs[..., 1:] == c.inputs[..., :-1]).any() and len(np.unique(c.inputs)) > 2),
    "an example of zeros among others": lambda c: c.inputs.any() and not c.inputs.reshape(c.batch, -1).any(1).all(),
    "the same example twice": lambda c: len(np.unique(rows_of(c.inputs), axis=0)) < len(rows_of(c.inputs)),
    "an input above 1e5": lambda c: bool(np.abs(c.inputs).max() > 1e5),
    "squared error below 0.01": lambda c: squared_error(c) < 0.01,
    "all targets equal, of several": lambda c: c.targets.size > 1 and bool((c.targets == c.targets.flat[0]).all()),
    "a unit within 1e-3 below a kink": just_below,
    "a unit 1e-5 to 3e-4 from a kink": between(1e-5, 3e-4),
    "a unit within 1e-6 of a kink": between(0, 1e-6),
    "single precision": lambda c: c.dtype == "float32",
    "no bias at all": lambda c: not arrays(c, "bias"),
    "absolute error": lambda c: c.network.loss.kind == "absolute_error",
    "gelu": lambda c: any(spec.function == "gelu" for _, spec in c.network.walk()),
}
