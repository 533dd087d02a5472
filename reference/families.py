"""A table whose rows come from the files of a folder: a family is added by its own file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

from .checks import DescriptionError


def collected(package: str, path: Any, table: str, first: Sequence[str] = ()) -> dict[str, Any]:
    """The rows of every module of a package that has this table, in the order of the file names.

    `path` is the package's `__path__`; the modules named in `first` come before all others. Raises
    DescriptionError for a name that two files have.
    """
    rows: dict[str, Any] = {}
    found = sorted(module.name for module in pkgutil.iter_modules(path))
    for name in dict.fromkeys([*first, *found]):
        for row, value in getattr(importlib.import_module(f"{package}.{name}"), table, {}).items():
            if row in rows:
                raise DescriptionError(f"{package}: {row!r} is there twice")
            rows[row] = value
    return rows


def by_file(package: str, path: Any, table: str) -> dict[str, tuple[str, ...]]:
    """By the name of the file, the names of the rows that it has in this table."""
    found = sorted(module.name for module in pkgutil.iter_modules(path))
    each = {name: importlib.import_module(f"{package}.{name}") for name in found}
    return {name: tuple(getattr(module, table, ())) for name, module in each.items()}
