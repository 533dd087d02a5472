"""python -m backproof, and the command `backproof`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from .cli import main


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
    from .plug.saying import said_by

    try:
        print(f"backproof: an error of its own: {said_by(error)}", file=sys.stderr)
    except Exception:
        return 2
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
