"""python -m backproof"""

import os
import sys

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

from .cli import main  # noqa: E402, the folder is left out before anything is imported

if __name__ == "__main__":
    sys.exit(main())
