"""Where a class keeps its weights and biases: attributes, lists, one matrix with the bias in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reference import DescriptionError
from ..reference.checks import one_of
from .layer_classes import look_up, put
from .layouts import Layout, Say

Array = Any
WHERE = "training_step"
JOINED = {"first_row": 0, "last_row": -1}
Paths = str | Sequence[str]
OURS = Layout()


@dataclass(frozen=True)
class Holding:
    """The places of the weights and biases of an object, and how the arrays lie there.

    `weights`: the path of a list or dictionary with an array for each layer, or the paths of the
    arrays, one for each layer ("W1", "params.W2"). `biases`: the same, None where there are none or
    where they are in the weights: `bias_in_weight` then says as which row of a matrix (inputs + 1,
    units), "first_row" or "last_row". `layout`: how the matrices are turned, biases are shaped, and
    their sign.
    """

    weights: Paths
    biases: Paths | None = None
    layout: Layout = OURS
    bias_in_weight: str = ""

    def __post_init__(self) -> None:
        for name, paths in (("weights", self.weights), ("biases", self.biases)):
            if paths is not None and not _are_paths(paths):
                raise DescriptionError(
                    f"{WHERE}: {name} is {paths!r}; wanted the name of a list of arrays, "
                    f"{name}=\"{name}\", or one name a layer, {name}=[\"{name[0].upper()}1\", "
                    f"\"{name[0].upper()}2\"]")
        if self.bias_in_weight:
            one_of(f"{WHERE}: bias_in_weight", self.bias_in_weight, JOINED)
            if self.biases is not None:
                raise DescriptionError(f"{WHERE}: biases are named, and bias_in_weight says that "
                                       "they are a row of the weights: leave out one")

    def put(self, built: Any, weights: Sequence[Array], biases: Sequence[Array | None]) -> None:
        """Set the object's weights (in, units) and biases (units,), in its own layout."""
        theirs = [self._theirs(w, b) for w, b in zip(weights, biases, strict=True)]
        _put_all(built, self.weights, [w for w, _ in theirs], "weights")
        if self.biases is not None:
            _put_all(built, self.biases, [b for _, b in theirs], "biases")

    def _theirs(self, w: Array, b: Array | None) -> tuple[Array, Array | None]:
        if self.bias_in_weight and b is not None:
            row = b[np.newaxis] * self.layout.bias_sign
            w = np.concatenate((row, w) if self.bias_in_weight == "first_row" else (w, row))
        return (self.layout.theirs("weight", w),
                None if b is None else self.layout.theirs("bias", b))

    def take(self, built: Any, weights: Sequence[Array], biases: Sequence[Array | None]
             ) -> tuple[list[Array], list[Array | None]]:
        """The object's weights and biases as ours, of the shapes of those given.

        Raises BrokenContract for arrays of other shapes.
        """
        found = _take_all(built, self.weights, len(weights), "weights")
        extra = int(bool(self.bias_in_weight) and biases[0] is not None)
        ws = [self._ours("weight", each, (w.shape[0] + extra, w.shape[1]), f"{i}.weight")
              for i, (each, w) in enumerate(zip(found, weights, strict=True))]
        if extra:
            return _apart(ws, self.bias_in_weight, self.layout.bias_sign)
        if self.biases is None:
            return ws, list(biases)
        held = _take_all(built, self.biases, len(biases), "biases")
        return ws, [None if b is None else self._ours("bias", _numbers(each, b), b.shape,
                                                      f"{i}.bias")
                    for i, (each, b) in enumerate(zip(held, biases, strict=True))]

    def _ours(self, local: str, value: Any, shape: tuple[int, ...], name: str) -> Array:
        says = f"{local} {name.partition('.')[0]} after training"
        return np.array(self.layout.ours(local, np.asarray(value, dtype=_dtype(value)), shape,
                                         Say(says, 0, name)))


def _dtype(value: Any) -> Any:
    """float64 for lists and numbers of Python; None, as it is, for arrays."""
    return None if hasattr(value, "dtype") else np.float64


def _are_paths(paths: Any) -> bool:
    if isinstance(paths, str):
        return bool(paths)
    return isinstance(paths, tuple | list) and bool(paths) and all(
        isinstance(path, str) and path for path in paths)


def _apart(joined: Sequence[Array], where: str, sign: int) -> tuple[list[Array], list[Array]]:
    """Weights and biases of matrices that have both."""
    at = JOINED[where]
    return ([w[1:] if at == 0 else w[:-1] for w in joined], [w[at] * sign for w in joined])


def _numbers(value: Any, bias: Array) -> Any:
    """A bias that is one plain number for a layer, as an array of one."""
    return np.reshape(value, bias.shape) if np.ndim(value) == 0 and bias.size == 1 else value


# --- one place or several -------------------------------------------------------------------------


def _put_all(built: Any, paths: Paths, values: list[Array], what: str) -> None:
    if not isinstance(paths, str):
        for path, value in zip(_as_many(paths, values, what), values, strict=True):
            held = look_up(built, path, f"{WHERE}: {what}")
            put(built, path, _like(held, value, path))
        return
    held = look_up(built, paths, f"{WHERE}: {what}")
    if isinstance(held, dict):
        raise DescriptionError(f"{WHERE}: {what}={paths!r} is a dictionary with the keys "
                               f"{', '.join(map(str, held))}: name one a layer, "
                               f"{what}=[\"{paths}.{next(iter(held), 'W1')}\", ...]")
    if isinstance(held, np.ndarray) and held.dtype != object:
        raise DescriptionError(f"{WHERE}: {what}={paths!r} is one array, and no list of them: name "
                               f"one a layer, {what}=[{paths!r}, ...]")
    several = held if isinstance(held, list | tuple) and len(held) == len(values) else None
    put(built, paths, [_like(old, value, paths) for old, value in
                       zip(several or [None] * len(values), values, strict=True)])


def _like(held: Any, value: Array, path: str) -> Any:
    """The value as the object holds what it has there: in the same array, a list, a number.

    Raises DescriptionError for an array of another shape.
    """
    if isinstance(held, np.ndarray):
        if held.shape != np.shape(value):
            raise DescriptionError(
                f"{WHERE}: {path} is of shape {held.shape} where {np.shape(value)} is wanted: "
                f"layout=Layout(weight=\"out_in\") turns matrices, Layout(bias=\"row\") is for "
                "biases of shape (1, units), Layout(bias=\"column\") for (units, 1)")
        if held.dtype.kind == "f":
            held[...] = value
            return held
    if isinstance(held, list):
        return np.asarray(value).tolist()
    if isinstance(held, int | float) and np.size(value) == 1:
        return float(np.reshape(value, ()))
    return np.array(value)


def _take_all(built: Any, paths: Paths, count: int, what: str) -> list[Any]:
    if not isinstance(paths, str):
        return [look_up(built, path, f"{WHERE}: {what} after training") for path in paths]
    held = look_up(built, paths, f"{WHERE}: {what} after training")
    if not isinstance(held, list | tuple | np.ndarray) or len(held) != count:
        raise DescriptionError(f"{WHERE}: {what}={paths!r} holds no list of {count} arrays after "
                               f"training, but {type(held).__name__}")
    return list(held)


def _as_many(paths: Sequence[str], values: Sequence[Any], what: str) -> Sequence[str]:
    if len(paths) != len(values):
        raise DescriptionError(f"{WHERE}: {what} names {len(paths)} arrays, but the network has "
                               f"{len(values)} layers: claim depth=({len(paths)}, {len(paths)})")
    return paths
