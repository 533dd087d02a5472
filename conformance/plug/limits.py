"""A time limit around code that may hang.

    with limit(10.0, "importing my_file.py"):
        ...

Where there is SIGALRM it ends sleeps and loops alike, for a few microseconds; elsewhere, and
outside the main thread, a timer raises at the next line of Python. Neither ends a call that never
comes back from C. What is raised is no Exception, and it is raised again fifty times a second
until the block is left, so code that catches whatever it can does not go on for long (see
`unwinding.py`). Outside the block it is a TookTooLong. Limits nest: the one that ends first is
raised.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager
from types import CodeType, FrameType, TracebackType
from typing import Any

from .unwinding import Unwinding

SIGNALS = hasattr(signal, "setitimer")
AGAIN = 0.02  # seconds
_set_handler = importlib.import_module("_signal").signal  # signal's own makes enumerations first


class TookTooLong(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The time was up; `seconds` is the limit that was passed."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


class Stop(BaseException):
    """Raised inside a block whose time is up; nobody sees it outside."""


def limit(seconds: float, message: str = "") -> AbstractContextManager[Any]:
    """A context manager that raises TookTooLong(message) in its block after so many seconds."""
    alarm = SIGNALS and threading.current_thread() is threading.main_thread()
    return _Alarm(seconds, message) if alarm else _Timer(seconds, message)


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


def pressed() -> bool:
    """Whether a KeyboardInterrupt may be the user's: not where an Interrupts knows of none."""
    if threading.current_thread() is not threading.main_thread():
        return False
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner.seen if type(owner) is Interrupts else True


class _Limit:
    """What both limits share: the block, how often its time was up, and what it ends with."""

    __slots__ = ("block", "collects", "hook", "message", "over", "rings", "seconds", "unwinding")

    def __init__(self, seconds: float, message: str):
        self.seconds, self.message = max(seconds, 1e-6), message
        self.over, self.rings = False, 0
        self.unwinding: Unwinding | None = None
        self.hook: Any = None
        self.collects = False
        self.block: FrameType | None = None

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 at: TracebackType | None) -> None:
        self.over = True
        self._restore()
        self.block = None
        if self.rings:
            self._put_back()
            if not isinstance(error, KeyboardInterrupt):
                raise TookTooLong(self.message, self.seconds).with_traceback(at) from None

    def _restore(self) -> None:
        raise NotImplementedError

    def _put_back(self) -> None:
        """What was there before the time was up."""
        if self.collects:
            gc.enable()
        if self.unwinding is not None:
            self.unwinding.end()
        if sys.unraisablehook == self._lost:
            sys.unraisablehook = self.hook

    def _rang(self) -> None:
        """From the first time on no garbage is collected meanwhile: its `__del__` may hang too."""
        self.rings += 1
        if self.rings == 1:
            self.collects = gc.isenabled()
            gc.disable()
            self.hook, sys.unraisablehook = sys.unraisablehook, self._lost

    def _lost(self, unraisable: Any) -> None:
        """Python says where it drops an exception; that of a limit comes again."""
        if not (unraisable.exc_type and issubclass(unraisable.exc_type, Stop)):
            self.hook(unraisable)


class _Alarm(_Limit):
    """A limit by SIGALRM, which also ends what the code catches it with."""

    __slots__ = ("before", "delay", "every", "start")

    def __enter__(self) -> None:
        self.block = sys._getframe(1)
        self.start = time.monotonic()
        self.delay, self.every = signal.getitimer(signal.ITIMER_REAL)
        self.before = _set_handler(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, min(self.seconds, self.delay or self.seconds), AGAIN)

    def _restore(self) -> None:
        """The handler and the timer that were there, with what is left of its time."""
        self.over = True
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        _set_handler(signal.SIGALRM, signal.SIG_DFL if self.before is None else self.before)
        if self.delay:
            left = self.delay - (time.monotonic() - self.start)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), self.every)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self.over:
            return
        if self.delay and self.delay < self.seconds:
            self._restore()  # an outer limit that was to end first rings at once
            return
        self._rang()
        if not inside(frame):
            if self.rings > 1:
                self._unwind(frame)
            raise Stop

    def _unwind(self, frame: FrameType | None) -> None:
        if self.unwinding is None:
            self.unwinding = Unwinding(Stop)
        self.unwinding.begin(frame, self.block)


class _Timer(_Limit):
    """A limit by a thread that raises in another one, at its next line of Python."""

    __slots__ = ("done", "lock", "thread", "watch")

    def __enter__(self) -> None:
        self.thread, self.lock = threading.get_ident(), threading.Lock()
        self.done = threading.Event()
        self.watch = threading.Thread(target=self._watched, daemon=True)
        self.watch.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)

    def _restore(self) -> None:
        """Nothing is raised any more; what was on its way lands here."""
        try:
            self._close()
        except Stop:
            self._close()

    def _close(self) -> None:
        with self.lock:
            self.over = True
        self.done.set()

    def _watched(self) -> None:
        wait = self.seconds
        while not self.done.wait(wait):
            self._ring()
            wait = AGAIN

    def _ring(self) -> None:
        with self.lock:
            frame = sys._current_frames().get(self.thread)
            if not self.over and frame is not None and not inside(frame):
                self._rang()
                _raise_in(self.thread, Stop)


def _raise_in(thread: int, what: type[BaseException]) -> None:
    """Raise it in another thread, when that comes to its next line."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(what))


def _codes(*kinds: type) -> frozenset[CodeType]:
    return frozenset(kind.__dict__[name].__code__ for kind in kinds
                     for name in ("__enter__", "__exit__") if name in kind.__dict__)


OURS = _codes(_Limit, _Alarm, _Timer)


def inside(frame: FrameType | None) -> bool:
    """Whether the code that runs is that of a limit itself, on its way in or out."""
    while frame is not None:
        if frame.f_code in OURS:
            return True
        frame = frame.f_back
    return False
