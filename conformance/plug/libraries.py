"""Libraries whose import takes seconds: imported before a file's own clock begins.

On a busy machine `import torch` alone takes longer than a file may. It is not the file that hangs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

SLOW = ("torch", "jax", "keras", "sklearn")
KNOWN = {*SLOW, "numpy", "backproof", *sys.stdlib_module_names}  # that change nothing for others


def imported_first(path: Path) -> None:
    """Import the slow libraries that a file begins with; what fails, fails again in the file.

    One that comes after anything else is left to the file, which may first say how it is to start.
    """
    for name in _first(path):
        if name in SLOW:
            with suppress(Exception):
                import_module(name)


def _first(path: Path) -> Iterator[str]:
    """The packages that a file imports before it does anything, as long as they are well known."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in body:
        names = _imported(node)
        if names is None or not KNOWN.issuperset(names):
            return
        yield from names


def _imported(node: ast.stmt) -> list[str] | None:
    """The packages of an import; none of a docstring; None for another statement."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []
    return None
