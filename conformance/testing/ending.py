"""A test session that its subject ends has not passed, whatever exit status the subject chose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

ENDS = ("_exit", "execv", "execve")
STATUS = 3  # incomplete


@contextmanager
def told_where_it_ends() -> Iterator[None]:
    """Meanwhile whoever ends this process ends it with 3, and a line that says so.

    That is what calls `os._exit` or becomes another program; processes forked off end as they like.
    What is done from C is not seen.
    """
    before = {name: getattr(os, name) for name in ENDS if hasattr(os, name)}
    for name, end in before.items():
        setattr(os, name, _told(name, end, before["_exit"], os.getpid()))
    try:
        yield
    finally:
        for name, end in before.items():
            setattr(os, name, end)


def _told(name: str, end: Callable[..., NoReturn], leave: Callable[[int], NoReturn],
          process: int) -> Callable[..., NoReturn]:
    def ended(*arguments: Any, **more: Any) -> NoReturn:
        if os.getpid() != process:
            end(*arguments, **more)
        os.write(2, f"backproof: the subject ended the process: os.{name}\n".encode())
        leave(STATUS)

    return ended
