"""A time limit around code that may hang.

    with limit(10.0, "importing my_file.py"):
        ...

Where there is SIGALRM it ends sleeps and loops alike, for a few microseconds; elsewhere a timer
interrupts the main thread at its next line of Python. Neither ends a call that never comes back
from C. Outside the main thread there is no limit. Limits nest: the one that ends first is raised.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from types import FrameType, TracebackType
from typing import Any

SIGNALS = hasattr(signal, "setitimer")


class TookTooLong(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The time was up; `seconds` is the limit that was passed."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


def limit(seconds: float, message: str = "") -> AbstractContextManager[Any]:
    """A context manager that raises TookTooLong(message) in its block after so many seconds."""
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    return _Alarm(seconds, message) if SIGNALS else _Interrupt(seconds, message)


class Interrupts:
    """`seen`: whether Ctrl-C came while the block ran, even where its KeyboardInterrupt was lost.

    Python drops an exception that is raised in a callback of the garbage collector or in `__del__`.
    """

    def __init__(self) -> None:
        self.seen = False
        self.before: Any = None

    def __enter__(self) -> Interrupts:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was lost."""
        if self.seen:
            raise KeyboardInterrupt


class _Alarm:
    """A limit by SIGALRM.

    The handler puts everything back before it raises, so there is no moment at which it may not
    come.
    """

    __slots__ = ("before", "delay", "message", "over", "seconds", "start")

    def __init__(self, seconds: float, message: str):
        self.seconds, self.message, self.over = max(seconds, 1e-6), message, False

    def __enter__(self) -> None:
        self.start = time.monotonic()
        self.delay = signal.getitimer(signal.ITIMER_REAL)[0]
        self.before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, min(self.seconds, self.delay or self.seconds))

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _restore(self) -> None:
        """The handler and the timer that were there, with what is left of its time."""
        if not self.over:
            self.over = True
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self.before is None else self.before)
            if self.delay:
                left = self.delay - (time.monotonic() - self.start)
                signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self.over:
            outer_first = self.delay and self.delay < self.seconds
            self._restore()  # an outer limit that was to end first rings at once
            if not outer_first:
                raise TookTooLong(self.message, self.seconds)


class _Interrupt:
    """A limit by a timer that interrupts the main thread.

    Its KeyboardInterrupt is told from the user's by `rang`.
    """

    def __init__(self, seconds: float, message: str):
        self.seconds, self.message = seconds, message
        self.lock, self.over, self.rang = threading.Lock(), False, False
        self.timer = threading.Timer(seconds, self._ring)
        self.timer.daemon = True

    def __enter__(self) -> None:
        self.timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 at: TracebackType | None) -> None:
        try:
            with self.lock:
                self.over = True
            self.timer.cancel()
            if self.rang and not isinstance(error, KeyboardInterrupt):
                time.sleep(1.0)  # the interrupt is on its way: let it land here
        except KeyboardInterrupt:
            if not self.rang:
                raise
        if self.rang:
            raise TookTooLong(self.message, self.seconds).with_traceback(at) from None

    def _ring(self) -> None:
        with self.lock:
            if not self.over:
                self.rang = True
                _thread.interrupt_main()
