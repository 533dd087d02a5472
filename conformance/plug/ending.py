"""A subject does not end the process that asks it: os._exit(0) would look like a pass."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

ENDING = ("_exit", "abort", "execv", "execve")
SENDING = ("kill", "killpg")
HARMLESS = {getattr(signal, name) for name in ("SIGINT", "SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH")
            if hasattr(signal, name)}


class Ended(SystemExit):
    """Raised in the place of an end; in other threads a SystemExit, which ends them without a word.
    """


class Going:
    """While it is entered, what would end this process at once raises Ended instead.

    `said` is the last that was tried, whatever became of it; "" for nothing. A process that was
    forked off may end itself.
    """

    def __init__(self) -> None:
        self.said, self.process = "", os.getpid()
        self.before: list[dict[str, Any]] = []

    def __enter__(self) -> Going:
        names = [name for name in (*ENDING, *SENDING) if hasattr(os, name)]
        self.before.append({name: getattr(os, name) for name in names})
        vars(os).update({name: self._instead(name, getattr(os, name)) for name in names})
        return self

    def __exit__(self, *exception: object) -> None:
        vars(os).update(self.before.pop())

    def _instead(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        main = threading.main_thread()

        def instead(*arguments: Any, **more: Any) -> Any:
            here = os.getpid() == self.process
            if not here or (name in SENDING and not self._ends(name, *arguments, **more)):
                return real(*arguments, **more)
            self.said = f"os.{name}({', '.join(map(_short, arguments))})"
            raise (Ended if threading.current_thread() is main else SystemExit)(self.said)
        return instead

    def _ends(self, name: str, target: Any = None, number: Any = 0, *_: Any, **more: Any) -> bool:
        """Whether a signal goes to this process, or its group, and would end it."""
        mine = (self.process, 0, -1) if name == "kill" else (os.getpgid(0), 0)
        return target in mine and number != 0 and number not in HARMLESS and _fatal(number)


def _fatal(number: Any) -> bool:
    try:
        handler = signal.getsignal(number)
    except (TypeError, ValueError):
        return False
    return not callable(handler) and handler != signal.SIG_IGN


def _short(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    return repr(value)[:40] if type(value) in (str, bytes) else type(value).__name__
