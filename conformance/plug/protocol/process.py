"""A process that answers messages: its streams, its end, and what it last said.

Three threads attend it, so that neither side waits for the other with a full pipe: one reads its
replies, one keeps the end of its log, one watches its time, its memory and whether it lives. It
leads a process group of its own, which ends with it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, NamedTuple, cast

from ..refused import TargetError
from .frames import Frame, Stray, TooLong, read_frame
from .printed import FATAL, STACK

POSIX = os.name == "posix"
TAIL = 16 * 1024       # bytes of the log that are kept
WAITING = 200          # replies that nobody has looked at yet
LOOK_SECONDS = 0.1     # between two looks at a process
LEAVE_SECONDS = 2.0    # for a process to end by itself, once its input has ended
MEMORY_SHARE = 0.8     # of what is available at the start
FRAME = re.compile(r'^\s*File "(.+)", line (\d+) in ', re.MULTILINE)
OURS = str(Path(__file__).parents[2]), str(Path(os.__file__).parent), "<frozen"


class Ended(NamedTuple):
    """Why there are no more replies: one line, the same for the same end."""

    why: str
    late: bool = False  # it took too long


Log = Callable[[bytes], None]
Item = Frame | Stray | Ended


class Process:
    """A started command. `inbox` has its replies as they come; Ended is the last.

    log hears what it writes to its standard error. Raises TargetError where it cannot be started.
    """

    def __init__(self, command: Sequence[str], log: Log = lambda _: None):
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self.most = 2**20      # bytes of a reply
        self.until = float("inf")
        self.heard = False     # whether anything came since the last question
        self._tail, self._log = bytearray(), log
        self._look, self._left = threading.Event(), False
        self._end = ""
        try:
            self._popen = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=POSIX)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise TargetError(f"command: {command[0]!r} cannot be started: {why}") from error
        self._memory = _Memory(self._popen.pid)
        self._reader, self._logger, self._watcher = (
            threading.Thread(target=work, daemon=True)
            for work in (self._read, self._keep_log, self._watch))
        for thread in (self._reader, self._logger, self._watcher):
            thread.start()

    # --- asking -----------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Write a message; where nobody reads it any more, Ended comes instead of a reply."""
        assert self._popen.stdin is not None
        self.heard = False
        with suppress(OSError, ValueError):
            self._popen.stdin.write(data)
            self._popen.stdin.flush()

    def next(self) -> Item:
        """The next reply, stray line or end, which the watch brings in the end."""
        return self.inbox.get()

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """End its input, give it a moment to leave, then end its whole group."""
        with suppress(OSError, ValueError):
            if self._popen.stdin is not None:
                self._popen.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(LEAVE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the process and those that it has started, at once."""
        if POSIX:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        with suppress(OSError):
            self._popen.kill()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(1.0)
        self._look.set()
        self._left = True
        with suppress(OSError, ValueError):
            if self._popen.stdin is not None:
                self._popen.stdin.close()

    def where(self) -> str:
        """" (net.py:12)": where it is now, or was when it died, as its log tells; else ""."""
        if POSIX and self._popen.poll() is None and hasattr(signal, "SIGUSR1") and self.asks_where:
            before = len(self._tail)
            with suppress(OSError):
                self._popen.send_signal(signal.SIGUSR1)
            _until(lambda: len(self._tail) != before, 0.3)
            time.sleep(0.02)
        return place(self.last)

    asks_where = False  # whether SIGUSR1 makes it write where it is

    @property
    def last(self) -> str:
        """The end of its log."""
        return bytes(self._tail).decode("utf-8", "backslashreplace")

    # --- threads ----------------------------------------------------------------------------------

    def _read(self) -> None:
        stream = cast(BinaryIO, self._popen.stdout)
        strays = 0
        try:
            while (item := read_frame(stream, lambda: self.most)) is not None:
                self.heard = True
                strays += isinstance(item, Stray)
                if isinstance(item, Frame) or strays == 1:
                    self._put(item)
        except TooLong as error:
            self._end = f"its reply was given up: {error}"
        except (OSError, ValueError, MemoryError) as error:
            self._end = f"its reply cannot be read: {type(error).__name__}"
        self._end = self._end or "it closed its output"
        self._look.set()
        with suppress(OSError, ValueError):
            stream.close()

    def _put(self, item: Item) -> None:
        """Into the inbox, once there is room: who says much unasked waits, with a full pipe."""
        while self.inbox.qsize() >= WAITING and not self._left:
            time.sleep(0.01)
        self.inbox.put(item)

    def _keep_log(self) -> None:
        assert self._popen.stderr is not None
        fd = self._popen.stderr.fileno()
        with suppress(OSError, ValueError):
            while data := os.read(fd, 2**16):
                self._tail += data
                del self._tail[:-TAIL]
                self._log(data)
            self._popen.stderr.close()

    def _watch(self) -> None:
        """Put Ended into the inbox once it has ended, after what it said before."""
        while (ended := self._seen()) is None:
            self._look.wait(LOOK_SECONDS)
        self.inbox.put(ended)

    def _seen(self) -> Ended | None:
        if (status := self._popen.poll()) is not None:
            self._reader.join(0.2)
            self.kill()
            self._logger.join(0.5)  # its last words
            return Ended(_of_status(status))
        if time.monotonic() > self.until:
            where = self.where()
            self.kill()
            return Ended(where, late=True)
        if self._memory.full():
            where = self.where()
            self.kill()
            return Ended(f"it was ended, since it took nearly all the memory there is{where}")
        if self._end:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(0.5)
                return None  # its exit status says more
            self.kill()
            return Ended(self._end)
        return None


def _until(ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(0.01)


def _of_status(status: int) -> str:
    """"the process ended with exit status 3", or by which signal."""
    if status >= 0:
        return f"the process ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"the process was ended by {name}"


def place(log: str) -> str:
    """" (net.py:12)": the innermost frame of the subject's in the last stack of a log; else ""."""
    start = max(log.rfind(FATAL), log.rfind("most recent call first"))
    found = [] if start < 0 else FRAME.findall(log[start:])
    theirs = [(file, line) for file, line in found
              if not file.startswith(OURS) or "site-packages" in file]
    return f" ({Path(theirs[0][0]).name}:{theirs[0][1]})" if theirs else ""


def last_words(log: str) -> str:
    """The last line of a log that is no stack, without addresses; "" where there is none."""
    lines = [line.strip() for line in log.partition(FATAL)[0].splitlines()]
    words = [line for line in lines if line and not line.startswith(STACK)]
    return re.sub(r"0x[0-9a-fA-F]+", "0x...", words[-1])[:200] if words else ""


class _Memory:
    """Whether a process takes more memory than there was when it started; Linux says how much."""

    def __init__(self, pid: int):
        self.file = Path(f"/proc/{pid}/statm")
        self.most = MEMORY_SHARE * _available()

    def full(self) -> bool:
        try:
            resident = int(self.file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return False
        return resident > self.most


def _available() -> float:
    """Bytes that can be had now; infinity where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    return found[0] if found else float("inf")

