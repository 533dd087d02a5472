"""How classes hold their arrays: transposed, as rows, channels last, gates in another order.

The reference's own layout is that of the description: matrices (in, out), kernels (filters,
channels, *window), biases (units,), one example after another, images with their channels first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..reference import DescriptionError
from ..reference.checks import one_of
from .arriving import arrived
from .contract import BrokenContract, check_shape

Array = Any
Shape = tuple[int, ...]


class Form(NamedTuple):
    """One way to hold an array: its shape from ours, and there and back."""

    shape: Callable[[Shape], Shape]
    theirs: Callable[[Array], Array]
    ours: Callable[[Array], Array]


def _moved(theirs: Callable[[Array], Array], ours: Callable[[Array], Array]) -> Form:
    """A form that moves axes: the shape is that of an array which takes no memory."""
    return Form(lambda s: theirs(np.broadcast_to(0.0, s)).shape, theirs, ours)


_SAME = Form(lambda s: s, lambda a: a, lambda a: a)
_SWAPPED = Form(lambda s: s[::-1], lambda a: a.T, lambda a: a.T)

WEIGHTS = {"in_out": _SAME, "out_in": _SWAPPED}
KERNELS = {
    "filters_first": _SAME,
    "window_first": _moved(lambda a: np.moveaxis(a, (0, 1), (-1, -2)),
                           lambda a: np.moveaxis(a, (-1, -2), (0, 1))),
}
BATCHES = {
    "rows": _SAME, "columns": _SWAPPED,
    "time_first": _moved(lambda a: a.swapaxes(0, 1) if a.ndim > 2 else a,
                         lambda a: a.swapaxes(0, 1) if a.ndim > 2 else a),
    "channels_last": _moved(lambda a: np.moveaxis(a, 1, -1) if a.ndim > 2 else a,
                            lambda a: np.moveaxis(a, -1, 1) if a.ndim > 2 else a),
}
BIASES = {
    "vector": _SAME,
    "row": Form(lambda s: (1, *s), lambda a: a[np.newaxis, :], lambda a: a[0]),
    "column": Form(lambda s: (*s, 1), lambda a: a[:, np.newaxis], lambda a: a[:, 0]),
}
# By layer kind, the blocks of columns of its matrices, one for each gate, in our order.
GATES = {"lstm": "ifgo", "gru": "rzn"}


def reordered(array: Array, now: str, then: str) -> Array:
    """The blocks of the last axis, one for each letter, from one order of the letters to another.

    As it is where there are no blocks: where either order is empty.
    """
    if not now or not then:
        return array
    parts = dict(zip(now, np.split(array, len(now), axis=-1), strict=True))
    return np.concatenate([parts[letter] for letter in then], axis=-1)


@dataclass(frozen=True)
class Layout:
    """How a class holds its arrays. Ours: weight (in, out), bias (units,), one example a row.

    bias: every vector is a "vector" (units,), a "row" (1, units) or a "column" (units, 1). weight:
    matrices are "in_out" or "out_in". kernel: those of convolutions are "filters_first" (filters,
    channels, *window), or "window_first" (*window, channels, filters). batch: "rows" (batch,
    units), "columns" (units, batch), "time_first" (time, batch, units) or "channels_last" (batch,
    *places, channels). gates: the order of the gates in the matrices and biases of an lstm (ours is
    "ifgo": input, forget, cell, output; "fgo" where input and forget gate are coupled) or of a gru
    ("rzn": reset, update, new). bias_sign -1: for classes that subtract their bias (a bias input of
    -1).
    """

    weight: str = "in_out"
    bias: str = "vector"
    batch: str = "rows"
    bias_sign: int = 1
    kernel: str = "filters_first"
    gates: str = ""

    def __post_init__(self) -> None:
        for name, forms in (("weight", WEIGHTS), ("bias", BIASES), ("batch", BATCHES),
                            ("kernel", KERNELS)):
            one_of(f"layout: {name}", getattr(self, name), forms)
        if self.bias_sign not in (1, -1):
            raise DescriptionError(f"layout: bias_sign is {self.bias_sign!r}; wanted 1 or -1")
        if self.gates and sorted(self.gates) not in (sorted("ifgo"), sorted("fgo"), sorted("rzn")):
            raise DescriptionError(f"layout: gates is {self.gates!r}; wanted the letters of "
                                   "ifgo (or fgo, coupled) or of rzn, in the order of the class")

    def form(self, local: str, axes: int = 0) -> Form:
        """The form of a parameter of so many axes; of "batch": inputs, outputs, their gradients."""
        if local == "batch":
            return BATCHES[self.batch]
        if axes == 1 or (local == "bias" and axes == 0):
            return BIASES[self.bias]
        if local.endswith(("bias", "peephole")):
            return _SAME
        return KERNELS[self.kernel] if axes > 2 else WEIGHTS[self.weight]

    def gates_of(self, kind: str, local: str) -> str:
        """Our order of the gates that are in a parameter of this kind of layer; "" for none."""
        if not self.gates or local == "peephole":
            return ""
        return "".join(letter for letter in GATES.get(kind, "") if letter in self.gates)

    def theirs(self, local: str, array: Array, kind: str = "") -> Array:
        """Our array as the class holds it.

        It is a view, so that a change in place is seen, unless the sign turns or gates move.
        """
        array = reordered(array, self.gates_of(kind, local), self.gates)
        array = self.form(local, np.ndim(array)).theirs(array) if np.ndim(array) else array
        return -array if local.endswith("bias") and self.bias_sign < 0 else array

    def ours(self, local: str, array: Any, wanted: Shape, say: Say, kind: str = "") -> Array:
        """Their array as ours.

        Raises BrokenContract("shape") unless it has the layout's shape: nothing is reshaped.
        """
        array, form = say.array(array), self.form(local, len(wanted))
        theirs = form.shape(wanted)
        turned = form.ours(array) if array.ndim == len(theirs) else array
        check_shape(say.what, array.shape, theirs, say.batch, say.name, turned.shape)
        array = form.ours(array)
        mine = self.gates_of(kind, local)
        array = reordered(array, self.gates if mine else "", mine)
        return -array if local.endswith("bias") and self.bias_sign < 0 else array


@dataclass(frozen=True)
class Say:
    """Who returned an array, in words, for messages; `name` is the parameter it is about, or ""."""

    what: str
    batch: int
    name: str = ""

    def array(self, value: Any) -> Array:
        """The value as an array, an array as it is."""
        if value is None:
            raise BrokenContract("none", f"{self.what} is None; an array is wanted", self.name)
        try:
            return np.asarray(arrived(value))
        except ValueError as error:
            message = f"{self.what} is ragged, no array: {error}"
            raise BrokenContract("shape", message, self.name) from error
