"""What a kernel that is judged has no business with: the task's file, and functions by name.

In the kernel's own process only, before its file is imported. What it tries there raises, is
remembered, and no answer of that process counts from then on. It is a fence and no wall: code that
reads memory, or starts other programs, gets round it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from ..plug.refused import TargetError

Identity = Sequence[int]
TASK = "opened the task's file"
OPERATIONS = "torch.ops."


class ForbiddenError(PermissionError):
    """What a kernel gets for what it may not do."""


class Attempts:
    """What was tried, once each: "called torch.nn.functional.layer_norm"."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def refuse(self, what: str) -> NoReturn:
        """Remember it, and raise ForbiddenError."""
        if what not in self.said:
            self.said.append(what)
        raise ForbiddenError(f"a kernel that is judged has {what}")

    def hide(self, files: Iterable[Identity]) -> None:
        """Refuse these files, told by device and inode, to whatever Python opens from now on.

        That cannot be taken back in this process.
        """
        hidden, stat = {tuple(each) for each in files}, os.stat

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
                return
            try:
                found = stat(arguments[0])
            except (OSError, ValueError):
                return
            if (found.st_dev, found.st_ino) in hidden:
                self.refuse(TASK)

        sys.addaudithook(hook)

    def forbid(self, name: str) -> None:
        """Put something in the place of a function that refuses: "torch.nn.functional.gelu".

        Raises TargetError where there is no such function.
        """
        where, _, last = name.rpartition(".")
        owner = _found(name, where)
        if not callable(getattr(owner, last, None)):
            raise TargetError(f"--forbid {name}: no function {last!r} in {where or name!r}")
        setattr(owner, last, self._refusing(name))

    def _refusing(self, name: str) -> Callable[..., NoReturn]:
        def refusing(*_: Any, **__: Any) -> NoReturn:
            self.refuse(f"called {name}")

        return refusing


def identities(file: str) -> list[Identity]:
    """Device and inode of a file, and of what Python has kept of it compiled."""
    folder, name = os.path.split(os.path.abspath(file))
    kept, stem = os.path.join(folder, "__pycache__"), os.path.splitext(name)[0]
    compiled = [os.path.join(kept, each) for each in _listed(kept) if each.startswith(f"{stem}.")]
    return [(found.st_dev, found.st_ino) for found in map(os.stat, [file, *compiled])]


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _found(name: str, where: str) -> Any:
    """The module or the class of that name."""
    module, inside = where, ""
    while module:
        try:
            found: Any = import_module(module)
        except ImportError:
            module, _, last = module.rpartition(".")
            inside = f"{last}.{inside}".strip(".")
            continue
        for part in filter(None, inside.split(".")):
            found = getattr(found, part, None)
        return found
    raise TargetError(f"--forbid {name}: wanted a name with its module, "
                      "torch.nn.functional.layer_norm")
