"""How one question ended, wherever it was asked: what stands for an error, and where it was raised.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from .saying import disguised, said_by, shortly

QUESTION_SECONDS = 10.0
OURS = Path(__file__).parent.parent
SUBJECTS = OURS / "plug" / "subjects"


class EndedProgram(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The subject would have ended the process, or raised what is no Exception."""


def as_raised(error: BaseException) -> Exception:
    """What stands for an error of the subject's: itself, if it is an Exception that says so.

    A SystemExit, whatever else is no Exception, and what claims to be of another class are an
    EndedProgram.
    """
    kind = type(error)  # an object may say that it is of another one
    if kind is SystemExit:
        code = error.args[0] if error.args else None
        return EndedProgram(f"sys.exit({shortly(code)}) inside the subject")
    if isinstance(error, Exception) and issubclass(kind, Exception) and not disguised(error):
        return error
    return EndedProgram(said_by(error))


def last_line(error: BaseException) -> str:
    """"ValueError: ... (file.py:12)", the innermost frame that is not ours."""
    at = where(error)
    return f"{said_by(error)} ({at})" if at else said_by(error)


def where(error: BaseException) -> str:
    """"file.py:12" of the innermost frame that is not ours; "" where there is none."""
    cause = error.__cause__ or error
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__)
              if _theirs(Path(frame.filename))]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _theirs(file: Path) -> bool:
    """Whether a file is the subject's: not of this package, but for the ready-made subjects."""
    if str(file).startswith("<frozen"):
        return False
    return not file.is_relative_to(OURS) or file.is_relative_to(SUBJECTS)
