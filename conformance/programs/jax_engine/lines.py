"""The line of the plain form on which an equation of its jaxpr was made."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from typing import Any

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


def line_of(equation: Any, home: str, around: Line | None) -> Line:
    """The innermost line in the file `home`, else the innermost outside the libraries.

    around: the line of a jitted library function that the equation is part of: its own frames may
    be those of an earlier caller, as JAX traces such a function only once.
    """
    operation = spoken(equation)
    if around is not None:
        return Line(around.file, around.number, around.text, around.operation or operation)
    frames = _frames(equation)
    at_home = [each for each in frames if each[0] == home]
    outside = [each for each in frames if not is_library(each[0])]
    file, number = next(iter(at_home + outside), (home, 0))
    return Line(file, number, linecache.getline(file, number).strip(), operation)


def spoken(equation: Any) -> str:
    """What people call the operation: "sum", "matmul"; of a jitted function its name."""
    name = str(equation.primitive.name)
    if name in ("jit", "pjit", "custom_jvp_call", "custom_vjp_call"):
        return str(equation.params.get("name", name)).lstrip("_")
    return SPOKEN.get(name, name)


def _frames(equation: Any) -> list[tuple[str, int]]:
    traceback = getattr(equation.source_info, "traceback", None)
    frames = [] if traceback is None else traceback.frames
    return [(each.file_name, each.line_num) for each in frames
            if not each.file_name.startswith(OWN)]


def _folders() -> list[str]:
    """Where those libraries lie that are loaded."""
    files = (getattr(sys.modules.get(name), "__file__", None) for name in LIBRARIES)
    return [str(Path(file).parent) + "/" for file in files if file]
