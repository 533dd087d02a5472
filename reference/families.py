"""A table whose rows come from the files of a folder: a family is added by its own file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from .checks import DescriptionError


def collected(package: str, path: Any, table: str) -> dict[str, Any]:
    """The rows of every module of a package that has this table, in the order of the file names.

    `path` is the package's `__path__`. Raises DescriptionError for a name that two files have.
    """
    rows: dict[str, Any] = {}
    for name in sorted(found.name for found in pkgutil.iter_modules(path)):
        for row, value in getattr(importlib.import_module(f"{package}.{name}"), table, {}).items():
            if row in rows:
                raise DescriptionError(f"{package}: {row!r} is there twice")
            rows[row] = value
    return rows
