"""A class that trains, as it is: how it is made, where its weights are, which method trains it.

It is made with sizes that differ from each other, so that the shapes of its arrays tell which of
them are the weights of which layer, and how they lie. What cannot be told so is asked for in one
line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..properties.claims import EVERYTHING
from .calling import (
    CONSTRUCTOR,
    INPUTS,
    METHOD,
    PAIRS,
    RATE,
    SIZES,
    TARGETS,
    asked_of,
    called,
    meaning,
    of_sizes,
    takes,
)
from .contract import AdapterError
from .layouts import Layout
from .training_step import Step

SHAPE = (5, 4, 3)  # inputs, hidden units, outputs: each is another number
TRAINS = ("train", "train_step", "train_on_batch", "train_batch", "update_mini_batch", "fit",
          "partial_fit", "learn", "step", "gradient_descent", "sgd_step", "update", "SGD",
          "backpropagate", "backprop", "backward", "optimize", "run", "mlptrain")
RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "LEARNING_RATE", "LR", "learningRate")
MADE = f"made for {SHAPE[0]} inputs, {SHAPE[1]} hidden units and {SHAPE[2]} outputs"
Shape = tuple[int, ...]


class Guess(NamedTuple):
    """What `training_step` is to be told of a class, and whether it has a fixed depth of two."""

    options: dict[str, Any]
    fixed: bool


def target_of(cls: Any) -> Step:
    """The target that a class which trains makes: what it does is asked of it.

    Raises AdapterError, with the line to write, where it cannot be told how it is plugged in.
    """
    guess = guessed(cls)
    depth = (2, 2) if guess.fixed else (2, None)
    biased = "biases" in guess.options or "bias_in_weight" in guess.options
    explored = replace(EVERYTHING, depth=depth, dtypes=("float64",),
                       bias="always" if biased else "never")
    return Step(cls, guess.options, explored)


def guessed(cls: Any) -> Guess:
    """How a class that trains is plugged in; AdapterError, with the line to write, otherwise."""
    name = cls.__name__
    write = (f"write training_step({name}, weights=[\"W1\", \"W2\"], biases=[\"b1\", \"b2\"], "
             "train=\"train\", hidden=[...], heads=[...])")
    built = _made(cls, f"{name} is a class; {write}")
    train = _trains(built, f"{name} is a class, and which method trains it cannot be told; "
                                f"{write}")
    held = next(_held(built), None)
    if held is None:
        raise AdapterError(f"{name} is a class, and where it keeps its weights cannot be told: "
                           f"{MADE}, it has {_arrays_of(built) or 'no arrays'}; {write}")
    rate = _rate(cls, getattr(built, train), built)
    fixed = not takes(cls, CONSTRUCTOR, SIZES) or not isinstance(held["weights"], str)
    return Guess({**held, "train": train, **({} if rate is None else {"rate": rate})}, fixed)


def _made(cls: Any, otherwise: str) -> Any:
    try:
        return called(cls, CONSTRUCTOR, of_sizes(SHAPE, 0.5, 5), f"{cls.__name__}", otherwise)
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError(f"{cls.__name__} cannot be {MADE}: {type(error).__name__}: {error}; "
                           f"{otherwise}") from error


def _trains(built: Any, otherwise: str) -> str:
    """The first of the usual names whose parameters are all known."""
    known = METHOD.keys()
    for name in TRAINS:
        method = getattr(built, name, None)
        if callable(method) and not inspect.isclass(method):
            asked = [p for p in asked_of(method) if p.default is p.empty]
            given = {meaning(p.name, METHOD) for p in asked_of(method)}
            data = PAIRS in given or {INPUTS, TARGETS} <= given
            if data and all(meaning(p.name, METHOD) in known for p in asked):
                return name
    raise AdapterError(otherwise)


def _rate(cls: Any, method: Callable[..., Any], built: Any) -> str | None:
    """The attribute of the rate, where neither constructor nor method takes it."""
    if takes(cls, CONSTRUCTOR, RATE) or takes(method, METHOD, RATE):
        return None
    found = next((name for name in RATES if hasattr(built, name)), None)
    if found is None:
        name = cls.__name__
        raise AdapterError(f"{name} is a class that trains with a rate of its own: write "
                           f"training_step({name}, ..., rate=0.1) with the rate that it has")
    return found


# --- where the arrays are -------------------------------------------------------------------------

# How the matrices (in, units) and the biases (units,) may lie: the shapes for our own.
MATRICES: Mapping[str, Callable[[int, int], Shape]] = {
    "in_out": lambda n, m: (n, m), "out_in": lambda n, m: (m, n)}
VECTORS: Mapping[str, Callable[[int], Shape]] = {
    "vector": lambda m: (m,), "row": lambda m: (1, m), "column": lambda m: (m, 1)}


def _held(built: Any) -> Iterator[dict[str, Any]]:
    """What `training_step` is told of the places of an object's arrays, each way that fits."""
    lists, arrays = dict(_lists(built)), dict(_arrays(built))

    def places(shapes: list[Shape]) -> list[Any]:
        both = _list_of(lists, shapes), _names_of(arrays, shapes)
        return [found for found in both if found is not None]

    layers = list(pairwise(SHAPE))
    for weight, matrix in MATRICES.items():
        for weights in places([matrix(n, m) for n, m in layers]):
            for bias, vector in VECTORS.items():
                batch = "columns" if (weight, bias) == ("out_in", "column") else "rows"
                for biases in places([vector(m) for _, m in layers]):
                    yield {"weights": weights, "biases": biases,
                           **_layout(Layout(weight=weight, bias=bias, batch=batch))}
            yield {"weights": weights, **_layout(Layout(weight=weight))}
        for joined in places([matrix(n + 1, m) for n, m in layers]):
            yield {"weights": joined, "bias_in_weight": "last_row",
                   **_layout(Layout(weight=weight))}


def _layout(layout: Layout) -> dict[str, Layout]:
    return {} if layout == Layout() else {"layout": layout}


def _list_of(lists: Mapping[str, list[Shape]], shapes: list[Shape]) -> str | None:
    return next((name for name, found in lists.items() if found == shapes), None)


def _names_of(arrays: Mapping[str, Shape], shapes: list[Shape]) -> list[str] | None:
    """The name of an array for each shape, the first where several have it."""
    found = [next((name for name, shape in arrays.items() if shape == wanted), None)
             for wanted in shapes]
    return [name for name in found if name is not None] if all(found) else None


def _arrays(built: Any) -> Iterator[tuple[str, Shape]]:
    """The attributes that are arrays, and the keys of dictionaries that are."""
    for name, value in vars(built).items():
        if isinstance(value, np.ndarray):
            yield name, value.shape
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", array.shape) for key, array in value.items()
                        if isinstance(array, np.ndarray) and isinstance(key, str))


def _lists(built: Any) -> Iterator[tuple[str, list[Shape]]]:
    """The attributes that are lists of arrays, or of lists of numbers."""
    for name, value in vars(built).items():
        if isinstance(value, list | tuple) and value:
            try:
                yield name, [np.shape(each) for each in value]
            except ValueError:
                continue


def _arrays_of(built: Any) -> str:
    """"W1 (3, 4), b1 (4,)": what there is, in words."""
    try:
        every = [*_arrays(built), *((name, tuple(shapes)) for name, shapes in _lists(built))]
    except TypeError:
        return ""
    return ", ".join(f"{name} {shape}" for name, shape in every)[:300]

