"""What a program is asked once, and what it answers: plain data of NumPy, of no framework.

Numbers are float64, integers int64, masks bool, whatever dtype the program sees: every number of a
trial is one that its dtype represents exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Array = Any
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Value:
    """One tensor: its numbers, the dtype that it is stored in, and how it lies in memory.

    layout: a key of `layouts.LAYOUTS`.
    """

    numbers: Array
    dtype: str
    layout: str = "contiguous"

    @property
    def is_real(self) -> bool:
        """Whether a gradient with respect to it means anything."""
        return bool(self.numbers.dtype.kind == "f")


@dataclass(frozen=True)
class Trial:
    """One call: the inputs by name in the order of the call, and the cotangents of its outputs.

    An input that is None is left out (None is passed). cotangents: one for each output, None for
    one that nothing uses. wanted: the inputs whose gradients are asked for. dtype: the storage that
    is tried. claim: the arithmetic and the accumulation that the answer is judged by. features:
    what was drawn, by facet ("values": "large mean"), for whoever asks when a mistake shows.
    repeats: how often the same call is made, to see whether the bits are the same. twice: backward
    is run twice over one forward. poison: memory that is handed out unwritten is full of NaN.
    """

    inputs: Mapping[str, Value | None]
    options: Mapping[str, Any]
    cotangents: tuple[Value | None, ...]
    wanted: tuple[str, ...]
    dtype: str
    number: int = 0
    features: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 1
    twice: bool = False
    poison: bool = False


@dataclass
class Reply:
    """What a program answered.

    outputs: the arrays in float64, None for an output that is None. gradients: by input, None where
    the framework gave none. dtypes: of outputs ("output 0") and gradients ("x"), as text. touched:
    the inputs and cotangents ("cotangent 0") that the call has changed. differing: by key, the
    largest difference between repeats of the call, where their bits were not all the same. second:
    what a second backward gave, where one was asked for: its gradients, or what it raised.
    """

    outputs: list[Array | None]
    gradients: dict[str, Array | None]
    dtypes: dict[str, str] = field(default_factory=dict)
    touched: tuple[str, ...] = ()
    differing: dict[str, float] = field(default_factory=dict)
    second: dict[str, Array | None] | str | None = None

    @property
    def arrays(self) -> Arrays:
        """Outputs and gradients that there are, by key: "output 0", and the input's name."""
        outputs = {output(i): each for i, each in enumerate(self.outputs) if each is not None}
        return outputs | {name: each for name, each in self.gradients.items() if each is not None}


@dataclass(frozen=True)
class Line:
    """A line of the plain form: file, number, its text, and the operation on it ("mean")."""

    file: str
    number: int
    text: str
    operation: str = ""


@dataclass(frozen=True)
class Mutant:
    """A wrong backward: the plain form with one of its edges changed.

    kind: how ("detached", "mean instead of sum", ...), a key of `mutants.KINDS`. edge: what the
    gradient flows to ("the second operand of mul", "x"). gradients: by input, as a mistake of this
    kind makes them. linear: where the kind is a factor on one edge (detached is factor 0), the
    gradients at factor c are g + (1 - c) (detached - g), so that one run stands for all factors.
    detail: which variant of the kind ("axis 0"). What is not in `gradients` is as it should be.
    """

    line: Line
    kind: str
    edge: str
    gradients: Mapping[str, Array | None]
    linear: bool = False
    detail: str = ""


def output(number: int) -> str:
    """The key of an output."""
    return f"output {number}"
