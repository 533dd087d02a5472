"""Numbers in words."""

from __future__ import annotations


def written(k: float, digits: int = 5) -> str:
    """The number with so many digits, or with as many more as tell it from 1 and -1."""
    while float(f"{k:.{digits}g}") in (1.0, -1.0) and abs(k) != 1 and digits < 17:
        digits += 1
    return f"{k:.{digits}g}"
