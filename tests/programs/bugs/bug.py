"""What a row of the wrong programs is."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FLOATS = ("float32", "bfloat16", "float16")
HALVES = ("bfloat16", "float16")


@dataclass(frozen=True)
class Bug:
    """A wrong backward pass beside its plain form, modelled on one that people had.

    issue: library#number, or a commit. wrong: the program. at: parts of the lines of the plain form where a finding
    must point, one of them is enough: the line whose derivative is wrong, and every other line whose mistake would give
    the same numbers; none where it is no line's (memory, an error, answers that vary). shows: what a draw must have.
    inputs, sizes, options: as `program` takes them; few: what of these is other for a handful of trials that show it.
    core: one of the nineteen that rules were compared on first.
    """

    name: str
    issue: str
    what: str
    plain: Callable[..., Any]
    wrong: Callable[..., Any]
    inputs: Mapping[str, Any]
    at: tuple[str, ...]
    shows: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    few: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATS
    core: bool = False

    @property
    def lines(self) -> set[int]:
        """The numbers of the lines where a finding must point."""
        text, first = inspect.getsourcelines(self.plain)
        return {first + i for i, line in enumerate(text) for part in self.at if part in line}
