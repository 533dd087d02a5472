"""python -m backproof"""

import sys

# Commands that read what others made, and import nothing from the current folder, which Python has
# put first: a file that came with a record is not to be found in the place of a library.
READERS = ("report", "replay", "expect", "compare", "scoreboard")


def leave_out_the_current_folder() -> None:
    """Unless backproof itself is there, or a TARGET, which may be anywhere, is named."""
    first = sys.path[0] if sys.path else ""
    named = sys.argv[1:2] == ["replay"] and len(sys.argv) > 3
    if sys.argv[1:2] and sys.argv[1] in READERS and not named and not __file__.startswith(first):
        del sys.path[0]


if __name__ == "__main__":
    leave_out_the_current_folder()
    from .cli import main

    sys.exit(main())
