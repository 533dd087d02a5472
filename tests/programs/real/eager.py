"""A program for each dtype, which claims what PyTorch promises: no more than its own roundings."""

from collections.abc import Callable, Sequence
from typing import Any

import backproof
from backproof.programs.program import Program

HALVES = ("float32", "bfloat16", "float16")
Programs = dict[str, Program]


def program(function: Any = None, *, dtypes: Sequence[str] = HALVES, **given: Any) -> Any:
    """Programs by dtype, as `backproof.program` makes one; without a function, a decorator.

    Each claims to round every operation to what it is stored in, and to add up in float32.
    """
    if function is None:
        return _later(dtypes, given)
    return {dtype: backproof.program(function, dtypes=[dtype], arithmetic=dtype,
                                     framework="torch", **given) for dtype in dtypes}


def _later(dtypes: Sequence[str], given: dict[str, Any]) -> Callable[[Any], Programs]:
    def decorator(function: Any) -> Programs:
        found: Programs = program(function, dtypes=dtypes, **given)
        return found
    return decorator
