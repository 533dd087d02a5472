"""The contract that an answer is held to: a loss, and an array for every parameter.

A subject gets writable copies. Whatever it may not do (a changed argument, a missing gradient, a
wrong shape, a narrower dtype) is a `BrokenContract` with a name. Whether a number is *right* is not
decided here: NaN and infinity stay in the Answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..reference import Answer, Case, DescriptionError
from .arriving import arrived, narrow, without_x64

Array = Any
Shape = tuple[int, ...]
KINDS = ("return", "missing", "unknown", "none", "shape", "narrower_dtype", "not_a_number",
         "mutated")


class Declined(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a subject for what it does not do; the message says what."""


class BrokenContract(Exception):  # noqa: N818 - a finding about the subject, not an error of ours
    """A reply that is no answer, or a changed argument.

    `kind` is one of KINDS, `where` the parameter it is about, `shape` the wrong shape that it has.
    """

    def __init__(self, kind: str, message: str, where: str = "", shape: Shape | None = None):
        super().__init__(message)
        self.kind, self.message, self.where, self.shape = kind, message, where, shape

    @property
    def broken(self) -> tuple[str, str]:
        """The same of all programs that break it in the same way, whatever they are called."""
        what = self.message if self.shape is None else f"{self.where}: {self.shape}"
        return self.kind, what


class AdapterError(DescriptionError):
    """What was said about a subject does not fit it: it cannot be asked, so it is not judged."""


@contextmanager
def adapting() -> Iterator[None]:
    """A DescriptionError inside is about what was said of the subject: an AdapterError."""
    try:
        yield
    except AdapterError:
        raise
    except DescriptionError as error:
        raise AdapterError(str(error)) from error


# --- arguments stay as they were ------------------------------------------------------------------


def check_untouched(asked: Case, given: Case, parameters: Mapping[str, Array]) -> None:
    """Raise BrokenContract("mutated") where the arrays or the dictionary given have changed."""
    for name in dict.fromkeys((*asked.values, *parameters)):
        where = f"parameters[{name!r}]"
        if name not in asked.values or name not in parameters:
            raise _mutated(where, "was added" if name in parameters else "was removed", name)
        if parameters[name] is not given.values[name]:
            raise _mutated(where, "was replaced", name)
        _check_same(where, asked.values[name], parameters[name], name)
    check_data_untouched(asked, given)


def check_data_untouched(asked: Case, given: Case) -> None:
    """Raise BrokenContract("mutated") where the inputs or the targets given have changed."""
    _check_same("inputs", asked.inputs, given.inputs, "inputs")
    _check_same("targets", asked.targets, given.targets, "targets")


def _check_same(where: str, asked: Array, now: Array, name: str) -> None:
    same = asked.shape == now.shape and asked.dtype == now.dtype
    if not same or not np.array_equal(_bits(asked), _bits(now)):
        raise _mutated(where, "was changed in place", name)


def _bits(array: Array) -> Any:
    """The bytes of an array, not copied where they lie in order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _mutated(where: str, what: str, name: str) -> BrokenContract:
    message = f"{where} {what}: a gradient leaves its arguments alone; work on a copy"
    return BrokenContract("mutated", message, name)


# --- what a reply must be -------------------------------------------------------------------------


@dataclass
class Read:
    """One value on its way from a reply into an Answer."""

    where: str
    dtype: np.dtype[Any]
    notes: set[str] = field(default_factory=set)

    def array(self, value: Any) -> Array:
        """A fresh float array of the value's shape.

        Raises BrokenContract for None, for no numbers, and for a narrower dtype.
        """
        if value is None:
            message = f"{self.where} is None; an array of numbers is wanted"
            raise BrokenContract("none", message, self.where)
        if name := narrow(value):
            raise self._narrower(name)
        array = self._as_numbers(self._as_array(value))
        if self._size(array) < self.dtype.itemsize:
            if without_x64(value, array):
                raise AdapterError(
                    f"{self.where} is float32 in a float64 case, since JAX has x64 off: write "
                    "jax.config.update(\"jax_enable_x64\", True), or claim dtypes=[\"float32\"]")
            raise self._narrower(str(array.dtype))
        self._note(value, array)
        kept = array.dtype in (np.float32, np.float64)
        return np.array(array, dtype=array.dtype if kept else np.float64)

    def _narrower(self, name: str) -> BrokenContract:
        message = f"{self.where} is {name} in a {self.dtype} case: digits are lost"
        return BrokenContract("narrower_dtype", message, self.where)

    def _size(self, array: Array) -> int:
        return int(array.dtype.itemsize if array.dtype.kind == "f" else self.dtype.itemsize)

    def _as_array(self, value: Any) -> Array:
        try:
            return np.asarray(arrived(value))
        except ValueError as error:
            message = f"{self.where} is ragged, no array: {error}"
            raise BrokenContract("shape", message, self.where) from error
        except Exception as error:
            message = f"{self.where} cannot be read as an array: {error}"
            raise BrokenContract("return", message, self.where) from error

    def _as_numbers(self, array: Array) -> Array:
        if array.dtype == object:
            array = self._of_objects(array)
        if array.dtype.kind not in "fiub":
            message = f"{self.where} has dtype {array.dtype}; real numbers are wanted"
            raise BrokenContract("return", message, self.where)
        return array

    def _of_objects(self, array: Array) -> Array:
        for index, entry in np.ndenumerate(array):
            if entry is None:
                raise BrokenContract("none", f"{self.where} holds None at {index}", self.where)
        self.notes.add(f"{self.where}: an object array")
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            message = f"{self.where} holds what is no number: {error}"
            raise BrokenContract("return", message, self.where) from error

    def _note(self, value: Any, array: Array) -> None:
        if isinstance(value, list | tuple):
            self.notes.add(f"{self.where}: a list")
        if array.dtype.kind in "iub":
            self.notes.add(f"{self.where}: integers ({array.dtype})")
        if hasattr(value, "dtype") and self._size(array) > self.dtype.itemsize:
            self.notes.add(f"{self.where}: a wider dtype ({array.dtype} for {self.dtype})")


def read(case: Case, reply: Any) -> tuple[Answer, set[str]]:
    """The Answer in a reply (loss, gradients), in its own arrays, and the notes.

    Raises BrokenContract where there is none.
    """
    loss, gradients = _pair(reply)
    wanted = {name: np.shape(value) for name, value in case.parameters.items()}
    if case.network.real and gradients.get("inputs") is not None:
        wanted["inputs"] = np.shape(case.inputs)
    _check_keys(gradients, wanted)
    notes: set[str] = set()
    arrays = {name: _gradient(case, name, gradients[name], shape, notes)
              for name, shape in wanted.items()}
    return Answer(_loss(case, loss, notes), arrays), notes


def read_loss(case: Case, reply: Any) -> float:
    """The loss in a reply (loss, gradients), whatever the gradients are.

    Raises BrokenContract where there is none.
    """
    loss, _ = _pair(reply)
    return float(_loss(case, loss, set()))


def _pair(reply: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(reply, tuple | list) or len(reply) != 2:
        why = _RETURN.get(type(reply), "")
        message = f"returned {kind_of(reply)}; (loss, gradients) is wanted{why}"
        raise BrokenContract("return", message)
    if not isinstance(reply[1], Mapping):
        raise BrokenContract(
            "return", f"returned (loss, {kind_of(reply[1])}); the gradients are a dictionary: "
                      "{\"0.weight\": dW, \"0.bias\": db, ...}, or network.pack(dW, db)")
    return reply[0], reply[1]


_RETURN = {type(None): ": is the return statement missing?",
           dict: ": put the loss before the dictionary"}


def kind_of(value: Any) -> str:
    """"a tuple of 3", "None", "a float": a value for messages."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def _check_keys(gradients: Mapping[str, Any], wanted: Mapping[str, Shape]) -> None:
    allowed = {**wanted, "inputs": ()}
    for name in wanted:
        if name not in gradients:
            message = f"no gradient for {name!r}; received: {_names(gradients)}"
            raise BrokenContract("missing", message, name)
    for name in gradients:
        if name not in allowed:
            message = (f"a gradient for {name!r}, which the network does not have; "
                       f"it has: {_names(wanted)}")
            raise BrokenContract("unknown", message, str(name))


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def read_parameters(case: Case, reply: Any) -> tuple[dict[str, Array], set[str]]:
    """The new parameters in the reply of a training step, in arrays of their own, and the notes.

    A dictionary by name, or the pair of lists (weights, biases). Raises BrokenContract otherwise.
    """
    if isinstance(reply, tuple | list) and len(reply) == 2 and not isinstance(reply[1], Mapping):
        try:
            reply = case.network.pack(list(reply[0]), None if reply[1] is None else list(reply[1]))
        except (TypeError, ValueError) as error:
            raise BrokenContract("return", "returned a pair; (weights, biases) is wanted, two "
                                 f"lists with an array for each layer: {error}") from error
    if not isinstance(reply, Mapping):
        raise BrokenContract("return", f"returned {kind_of(reply)}; a training step returns the "
                             "new parameters: {\"0.weight\": W, \"0.bias\": b, ...}, "
                             "network.pack(W, b), or None where it has changed those it was given")
    wanted = {name: np.shape(value) for name, value in case.parameters.items()}
    _check_keys({name: value for name, value in reply.items() if name not in case.constants},
                wanted)
    notes: set[str] = set()
    return {name: _gradient(case, name, reply[name], shape, notes)
            for name, shape in wanted.items()}, notes


def _gradient(case: Case, name: str, value: Any, wanted: Shape, notes: set[str]) -> Array:
    array = Read(name, np.dtype(case.dtype), notes).array(value)
    check_shape(name, array.shape, wanted, case.batch)
    return array


def _loss(case: Case, value: Any, notes: set[str]) -> Array:
    array = Read("loss", np.dtype(case.dtype), notes).array(value)
    if array.size != 1:
        message = f"loss of shape {array.shape} where one number is wanted: not reduced?"
        raise BrokenContract("shape", message, "loss")
    if array.shape:
        notes.add(f"loss: an array of shape {array.shape}")
    return array.reshape(())


# --- shapes ---------------------------------------------------------------------------------------


def check_shape(where: str, got: Shape, wanted: Shape, batch: int, name: str | None = None,
                ours: Shape | None = None) -> None:
    """Raise BrokenContract("shape"), with the likely reason, where `got` is not `wanted`.

    name: the parameter's, where `where` is not it. ours: the shape that a function would have given
    in the place of this one, where the subject holds its arrays in another layout.
    """
    if tuple(got) != tuple(wanted):
        seen = (text for is_so, text in SHAPES if is_so(tuple(got), tuple(wanted), batch))
        reasons = " or ".join(seen)
        message = f"{where} of shape {tuple(got)} where {tuple(wanted)} is wanted"
        message += reasons and f": {reasons}?"
        raise BrokenContract("shape", message, where if name is None else name,
                             tuple(got if ours is None else ours))


def _unsummed(got: Shape, wanted: Shape, n: int) -> bool:
    if len(wanted) == 2 and 1 in wanted and got != wanted[::-1]:
        return got in ((n, wanted[1]), (wanted[0], n))
    return got in ((n, *wanted), (*wanted, n))


def _flat(got: Shape, wanted: Shape) -> bool:
    squeezed = tuple(size for size in wanted if size != 1)
    return got != () and len(got) < len(wanted) and got == squeezed


SHAPES: tuple[tuple[Callable[[Shape, Shape, int], bool], str], ...] = (
    (lambda got, wanted, n: got == (1, *wanted), "keepdims left in"),
    (_unsummed, "not summed over the batch"),
    (lambda got, wanted, n: len(wanted) > 1 and got == wanted[::-1], "transposed"),
    (lambda got, wanted, n: got == () and wanted != (), "summed over the units too"),
    (lambda got, wanted, n: _flat(got, wanted), "an axis of length 1 was lost"),
    (lambda got, wanted, n: got == (*wanted, 1) and n != 1, "a column where a vector is wanted"),
)
