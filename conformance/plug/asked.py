"""One question to a subject, wherever it is asked: its answer, or how it gave none."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..reference import Case
from .limits import limit
from .undisturbed import undisturbed

T = TypeVar("T")
QUESTION_SECONDS = 10.0
OURS = Path(__file__).parent.parent
SUBJECTS = OURS / "plug" / "subjects"


class EndedProgram(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The subject called sys.exit, or raised what is no Exception."""


def question(engine: Callable[[Case], T], case: Case, within: float = QUESTION_SECONDS) -> T:
    """The engine's answer, or what else is asked of it.

    What it switches on, such as np.seterr(all="raise"), ends with it. Raises whatever it raises,
    TookTooLong after `within` seconds, EndedProgram for a SystemExit.
    """
    try:
        with undisturbed(), limit(within, f"no answer within {QUESTION_SECONDS:g} s"):
            return engine(case)
    except SystemExit as error:
        raise EndedProgram(f"sys.exit({error.code!r}) inside the subject") from error
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EndedProgram(f"{type(error).__name__}: {error}") from error


def last_line(error: BaseException) -> str:
    """"ValueError: ... (file.py:12)", the innermost frame that is not ours."""
    return f"{type(error).__name__}: {said(error)}{where(error)}"


def said(error: BaseException) -> str:
    """The first line of its message."""
    try:
        return (str(error).strip() or "no message").splitlines()[0]
    except Exception:
        return "its message cannot be read"


def where(error: BaseException) -> str:
    """" (file.py:12)": the innermost frame that is not ours; "" where there is none."""
    cause = error.__cause__ or error
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__)
              if _theirs(Path(frame.filename))]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _theirs(file: Path) -> bool:
    """Whether a file is the subject's: not of this package, but for the ready-made subjects."""
    return not file.is_relative_to(OURS) or file.is_relative_to(SUBJECTS)
