"""What a program takes: by name, the shape of each input and what kind of numbers it holds.

    inputs={"x": ("N", "D"), "targets": {"shape": ("N",), "index": "C"},
            "mask": {"shape": ("N", "N"), "dtype": "bool"},
            "bias": {"shape": ("D",), "optional": True}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..reference.checks import DescriptionError
from .shapes import Size, names_in

KEYS = ("shape", "index", "sentinel", "dtype", "optional", "values", "grad")
DTYPES = ("float64", "float32", "bool", "int64")
WANTED = ('wanted a tuple of symbols and sizes like ("N", "D"), or {"shape": ("N",), "index": "C"}')


@dataclass(frozen=True)
class Input:
    """One input. index: integers from 0 to below it, and now and then the sentinel, where there is
    one ("no entry", -1). Masks have the dtype "bool".

    optional: it is left out now and then (None is passed). dtype: of an input that is stored in one
    dtype always; "" for the one that is tried. values: a row of `regimes.VALUES` that its numbers
    are always of; "" for any. grad: whether a gradient with respect to it may be asked for.
    """

    name: str
    shape: tuple[Size, ...]
    index: Size | None = None
    sentinel: int | None = None
    dtype: str = ""
    optional: bool = False
    values: str = ""
    grad: bool = True

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers."""
        return self.index is None and self.dtype not in ("bool", "int64")

    def to_json(self) -> dict[str, Any]:
        """What was declared, less what is as usual."""
        usual = Input(self.name, ())
        return {key: getattr(self, key) for key in KEYS
                if key == "shape" or getattr(self, key) != getattr(usual, key)}


def read(inputs: Mapping[str, Any]) -> tuple[Input, ...]:
    """The inputs as declared; DescriptionError, in one line, for what cannot be."""
    if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
        raise DescriptionError(f"inputs: wanted a dict from names to shapes; received {inputs!r}")
    return tuple(_input(name, value) for name, value in inputs.items())


def _input(name: str, value: Any) -> Input:
    given = dict(value) if isinstance(value, Mapping) else {"shape": value}
    unknown = [key for key in given if key not in KEYS]
    if unknown or "shape" not in given:
        what = f"unknown key {unknown[0]!r}" if unknown else "no shape"
        raise DescriptionError(f"inputs: {name!r}: {what}; allowed: {', '.join(KEYS)}; {WANTED}")
    shape = given.pop("shape")
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not all(map(_is_size, shape)):
        raise DescriptionError(f"inputs: {name!r}: {WANTED}; received {shape!r}")
    made = Input(name, tuple(shape), **given)
    for size in (*made.shape, *([] if made.index is None else [made.index])):
        names_in(size)
    if made.dtype and made.dtype not in DTYPES:
        raise DescriptionError(f"inputs: {name!r}: dtype {made.dtype!r}; allowed: "
                               f"{', '.join(DTYPES)} (the program's dtypes are those of the rest)")
    _check_values(made)
    return made


def _is_size(size: Any) -> bool:
    return isinstance(size, int | str) and not isinstance(size, bool)


def _check_values(made: Input) -> None:
    from .regimes import VALUES

    if made.values and made.values not in VALUES:
        raise DescriptionError(f"inputs: {made.name!r}: values {made.values!r}; allowed: "
                               f"{', '.join(VALUES)}")
