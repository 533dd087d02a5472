"""What a subject may change around it, and what becomes of that: a row for each thing.

Before a question everything is looked at, and afterwards it is put back. But a subject may rely on
what it set in its first call: so what it changed is its own, and is there again in its next
question. Nearly always nothing has changed, so all is compared, for a few microseconds.

sys.path and the modules imported stay as the subject leaves them: it may import more of itself
later. Random state, the environment and warnings are put back when the run ends (`undisturbed`).
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter, eq, is_
from typing import Any, NamedTuple

_handler = importlib.import_module("_signal").getsignal  # signal's own makes enumerations first
NUMBERS = tuple(number for name in (
    "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGFPE",
    "SIGVTALRM", "SIGPROF") if (number := int(getattr(signal, name, 0))))
STREAMS = ("stdin", "stdout", "stderr")
HOOKS = ("excepthook", "displayhook", "unraisablehook")
JAX = ("jax_enable_x64", "jax_disable_jit", "jax_debug_nans", "jax_debug_infs",
       "jax_default_matmul_precision", "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion",
       "jax_enable_checks", "jax_log_compiles")
Values = tuple[Any, ...]


class Row(NamedTuple):
    """What may change, how it is looked at, and how it is put back: a tuple of values.

    same(one, other): whether nothing has changed.
    """

    what: str
    get: Callable[[], Values]
    put: Callable[[Values], object]
    same: Callable[[Values, Values], bool] = eq


def _the_same(one: Values, other: Values) -> bool:
    """Whether these are the same objects, whatever they say of being equal."""
    return len(one) == len(other) and all(map(is_, one, other))


def _folder() -> Values:
    try:
        return (os.getcwd(),)
    except OSError:  # it was deleted
        return ()


def _put_folder(values: Values) -> None:
    for folder in values:
        os.chdir(folder)


def _put_attributes(names: Sequence[str]) -> Callable[[Values], object]:
    return lambda values: vars(sys).update(zip(names, values, strict=True))


def _handlers() -> Values:
    return tuple(map(_handler, NUMBERS))


def _put_handlers(values: Values) -> None:
    for number, handler in zip(NUMBERS, values, strict=True):
        if handler is not None and handler is not _handler(number):
            signal.signal(number, handler)


def _collecting() -> Values:
    return (gc.isenabled(), *gc.get_threshold())


def _put_collecting(values: Values) -> None:
    (gc.enable if values[0] else gc.disable)()
    gc.set_threshold(*values[1:])


def _put_callbacks(values: Values) -> None:
    gc.callbacks[:] = values


def _put_recursion(values: Values) -> None:
    sys.setrecursionlimit(*values)


def _put_threads(values: Values) -> None:
    threading.excepthook = values[0]


ROWS = (
    Row("the working folder", _folder, _put_folder),
    Row("streams", partial(attrgetter(*STREAMS), sys), _put_attributes(STREAMS), _the_same),
    Row("hooks", partial(attrgetter(*HOOKS), sys), _put_attributes(HOOKS), _the_same),
    Row("the hook of threads", lambda: (threading.excepthook,), _put_threads, _the_same),
    Row("signals", _handlers, _put_handlers, _the_same),
    Row("the recursion limit", lambda: (sys.getrecursionlimit(),), _put_recursion),
    Row("the garbage collector", _collecting, _put_collecting),
    Row("its callbacks", partial(tuple, gc.callbacks), _put_callbacks, _the_same),
)


# --- libraries, where they are imported -----------------------------------------------------------


def _of_torch(torch: Any) -> tuple[Row, ...]:
    def get() -> Values:
        return (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(),
                torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled())

    def put(values: Values) -> None:
        dtype, grad, threads, anomaly, deterministic, warns = values
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_num_threads(threads)
        torch.autograd.set_detect_anomaly(anomaly)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)

    return (Row("PyTorch's settings", get, put),)


def _of_jax(jax: Any) -> tuple[Row, ...]:
    names = [name for name in JAX if hasattr(jax.config, name)]

    def put(values: Values) -> None:
        for name, value in zip(names, values, strict=True):
            if getattr(jax.config, name) != value:
                jax.config.update(name, value)

    return (Row("JAX's settings", partial(attrgetter(*names), jax.config), put),)


LIBRARIES: dict[str, tuple[str, Callable[[Any], tuple[Row, ...]]]] = {
    "torch": ("use_deterministic_algorithms", _of_torch), "jax": ("config", _of_jax)}


def _of(row: Row) -> Values:
    """What a row holds; nothing where it cannot be looked at."""
    try:
        return row.get()
    except Exception:
        return ()


class Settings:
    """What a subject's own settings are, and how it is given and rid of them."""

    def __init__(self) -> None:
        self.rows: list[Row] = list(ROWS)
        self.missing = dict(LIBRARIES)
        self.own: dict[str, Values] = {}

    def give(self) -> list[Values]:
        """Those that it changed are as it left them; returns what was there, for `take`."""
        for name in [name for name in self.missing if name in sys.modules]:
            self._add(name)
        before = [_of(row) for row in self.rows]
        for row in self.rows if self.own else ():
            if row.what in self.own:
                _put(row, self.own[row.what])
        return before

    def take(self, before: list[Values]) -> None:
        """What was there is there again."""
        for row, values in zip(self.rows, before, strict=False):
            now = _of(row)
            if not row.same(now, values):
                self.own[row.what] = now
                _put(row, values)
            elif self.own:
                self.own.pop(row.what, None)

    def _add(self, name: str) -> None:
        """A library's rows, once it is imported as a whole."""
        last, rows = self.missing[name]
        module = sys.modules[name]
        if hasattr(module, last):
            del self.missing[name]
            self.rows += rows(module)


def _put(row: Row, values: Values) -> None:
    """Put back what can be: a folder may be gone, and a signal is the main thread's."""
    try:
        if values:
            row.put(values)
    except Exception:
        return
