"""Faults of one's own, from a module that has a table FAULTS of them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..reference import TABLES, DescriptionError
from .core import Fault, Faults, Make, Number
from .known import FAULTS


def load(source: str | Path | ModuleType) -> Faults:
    """The faults of a module: a path to a .py file, the name of a module, or the module itself.

    Raises DescriptionError, in one line, for a row that is no Fault or lacks a field, an entry the
    tables do not have, and a name that is taken.
    """
    module = source if isinstance(source, ModuleType) else _module(str(source))
    table = getattr(module, "FAULTS", None)
    where = str(source if isinstance(source, str | Path) else module.__name__)
    if not isinstance(table, dict):
        raise DescriptionError(f"{where}: wanted FAULTS = {{name: Fault(...)}}, "
                               f"received {_short(table)}")
    for name in _twice(module):
        raise DescriptionError(f"{where}: fault {name!r} is there twice")
    for name, fault in table.items():
        _check(f"{where}: fault {name!r}", name, fault)
    return dict(table)


def _module(where: str) -> ModuleType:
    """The module, imported; loading what imports targets only here keeps the table alone light."""
    from ..plug import targets

    try:
        if targets.is_file(where):
            return targets._file(Path(where))
        return targets._module(where, where, "FAULTS")
    except targets.TargetError as error:
        raise DescriptionError(str(error)) from error


def _twice(module: ModuleType) -> Iterator[Any]:
    """The names that a dictionary in the module's source has twice.

    Of those Python keeps the last, and says nothing.
    """
    try:
        source = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(source):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            keys = [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
            yield from (key for i, key in enumerate(keys) if key in keys[:i])


def _check(where: str, name: Any, fault: Any) -> None:
    if not isinstance(name, str) or not name:
        raise DescriptionError(f"{where}: a name is a text")
    if name in FAULTS:
        raise DescriptionError(f"{where}: there is a fault of this name already")
    if not isinstance(fault, Fault):
        raise DescriptionError(f"{where}: {_short(fault)} is no Fault")
    for field, value in fault._asdict().items():
        good, wanted = FIELDS.get(field, TEXT)
        if not good(value):
            raise DescriptionError(f"{where}: {field} is {_short(value)}, wanted {wanted}")
    _check_engine(where, fault.engine)
    if fault.number is not None:
        _check_engine(where, fault.number.engine(fault.number.usual))


Field = tuple[Callable[[Any], bool], str]
TEXT: Field = (lambda value: isinstance(value, str) and bool(value), "a text")
FIELDS: dict[str, Field] = {
    "engine": (callable, "a function"),
    "number": (lambda value: value is None or isinstance(value, Number), "a Number or None"),
    "value": (lambda value: value is None, "None: it is found in a program"),
    "only": (lambda value: value is None, "None: it is found in a program"),
}


def _check_engine(where: str, make: Make) -> None:
    try:
        engine = make(TABLES)
    except DescriptionError as error:
        raise DescriptionError(_line(f"{where}: {str(error).removeprefix('fault: ')}")) from error
    except Exception as error:
        message = f"{where}: {type(error).__name__}: {error}"
        raise DescriptionError(_line(message)) from error
    if not callable(engine):
        raise DescriptionError(f"{where}: engine(tables) gives {_short(engine)}, wanted an engine")


def _short(value: Any) -> str:
    text = _line(repr(value))
    return text if len(text) < 60 else f"{text[:60]}..."


def _line(text: str) -> str:
    return " ".join(text.split())
