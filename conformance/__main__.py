"""python -m backproof, and the command `backproof`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

# Commands that read what others made, and import nothing from the current folder, which Python has
# put first: a file that came with a record is not to be found in the place of a library.
READERS = ("report", "replay", "expect", "compare", "scoreboard")


def leave_out_the_current_folder() -> None:
    """Unless backproof itself is there, or a TARGET, which may be anywhere, is named."""
    try:
        here = os.getcwd()
    except OSError:  # it is gone
        return
    named = sys.argv[1:2] == ["replay"] and len(sys.argv) > 3
    reads = bool(sys.argv[1:]) and sys.argv[1] in READERS and not named
    if reads and sys.path[:1] == [here] and not __file__.startswith(here + os.sep):
        del sys.path[0]


if __name__ == "__main__":
    leave_out_the_current_folder()

# The folder is left out before anything is imported.
from .cli import main  # noqa: E402
from .cli.terminal import complain, trouble  # noqa: E402


def command() -> NoReturn:
    """Run the command line, and end the process at once with its status.

    At once: a thread of the subject's that goes on, or what it leaves to be done at the end, could
    keep the process from ending, or change the status. What is none of main's own ends is 2, never
    the 0 or the 1 of a verdict.
    """
    end = os._exit
    try:
        status = main()
    except SystemExit as error:  # --help and --version
        status = error.code if type(error.code) is int else 2
    except BaseException as error:
        status = failed(error)
    flush()
    end(status)


def failed(error: BaseException) -> int:
    """Say in one line what went wrong inside of this program; returns 2."""
    complain(f"an error of its own: {trouble(error)}")
    return 2


def flush() -> None:
    """Hand on all that was printed; what cannot be is left."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # full, closed, or none
            continue


if __name__ == "__main__":
    command()
