"""The line of the plain form on which an equation of its jaxpr was made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import unwrap
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Any

from ..sources import Position, text_of
from ..trial import Line

# What people write layers with: a line of theirs is not the reader's own.
LIBRARIES = ("jax", "jaxlib", "equinox", "flax", "optax", "chex", "jaxtyping", "numpy", "einops")
OWN = str(Path(__file__).parent)
# Two names of one step, where the jaxpr's differs from what people call it.
SPOKEN = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "prod",
          "dot_general": "matmul", "integer_pow": "pow", "select_n": "where",
          "broadcast_in_dim": "broadcast", "conv_general_dilated": "conv",
          "gather": "index", "scatter-add": "add at", "scatter": "set at"}


def home_of(function: Callable[..., Any]) -> str:
    """The file in which the function is written, "" where nobody knows."""
    function = unwrap(getattr(function, "func", function))
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code.co_filename if code is not None else ""


def is_library(file: str) -> bool:
    """Whether the file is part of JAX or of a library built on it, not of the reader's code."""
    return any(file.startswith(folder) for folder in _folders())


@dataclass(frozen=True)
class Spot:
    """Where an equation was made: its line, and its expression in the source."""

    line: Line
    position: Position


def spot_of(equation: Any, home: str, around: Spot | None) -> Spot:
    """The innermost place in the file `home`, else the innermost outside the libraries.

    around: the place of a jitted library function that the equation is part of: its own frames may
    be those of an earlier caller, as JAX traces such a function only once.
    """
    if around is not None:
        return around
    frames = _frames(equation)
    at_home = [each for each in frames if each[0] == home]
    outside = [each for each in frames if not is_library(each[0])]
    chosen = next(iter(at_home + outside), None)
    position = Position(home, 0, 0) if chosen is None else chosen[1]()
    line = Line(position.file, position.first, text_of(position), spoken(equation))
    return Spot(line, position)


def spoken(equation: Any) -> str:
    """What people call the operation: "sum", "matmul"; of a jitted function its name."""
    name = str(equation.primitive.name)
    if name in ("jit", "pjit", "custom_jvp_call", "custom_vjp_call"):
        return str(equation.params.get("name", name)).lstrip("_")
    return SPOKEN.get(name, name)


def _frames(equation: Any) -> list[tuple[str, Callable[[], Position]]]:
    """The files on the stack, the innermost first, each with a way to tell the place in it."""
    traceback = getattr(equation.source_info, "traceback", None)
    if traceback is None:
        return []
    codes, instructions = traceback.raw_frames()
    return [(code.co_filename, partial(_position, code, at))
            for code, at in zip(codes, instructions, strict=True)
            if not code.co_filename.startswith(OWN)]


def _position(code: CodeType, instruction: int) -> Position:
    first, last, begin, end = next(islice(code.co_positions(), instruction // 2, None))
    line = first or code.co_firstlineno
    return Position(code.co_filename, line, last or line, begin, end)


def _folders() -> list[str]:
    """Where those libraries lie that are loaded."""
    files = (getattr(sys.modules.get(name), "__file__", None) for name in LIBRARIES)
    return [str(Path(file).parent) + "/" for file in files if file]
