"""One question to a subject: its answer, or how it gave none."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from ..plug.limits import limit
from ..plug.undisturbed import undisturbed
from ..reference import Answer, Case, Engine

T = TypeVar("T")
QUESTION_SECONDS = 10.0
OURS = Path(__file__).parent.parent
SUBJECTS = OURS / "plug" / "subjects"


EARLY = 128


class Numbered:
    """An engine whose questions are counted; the first ones are kept, with their answers."""

    def __init__(self, engine: Engine):
        self.engine, self.count = engine, 0
        self.early: list[tuple[int, Case, Answer]] = []

    def __call__(self, case: Case) -> Answer:
        self.count += 1
        number = self.count
        answer = self.engine(case)
        if number <= EARLY and not case.large:
            self.early.append((number, case, answer))
        return answer

    def loss(self, case: Case) -> float:
        """The loss of its reply alone; the question counts."""
        self.count += 1
        return loss_of(self.engine, case)

    @property
    def notes(self) -> set[str]:
        """What the engine noted about its answers."""
        return getattr(self.engine, "notes", set())


class EndedProgram(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The subject called sys.exit, or raised what is no Exception."""


def loss_of(engine: Engine, case: Case) -> float:
    """The loss that an engine reports, whatever its gradients are, where it can tell it apart."""
    alone: Callable[[Case], float] | None = getattr(engine, "loss", None)
    return float(engine(case).loss) if alone is None else alone(case)


def question(engine: Callable[[Case], T], case: Case) -> T:
    """The engine's answer, or what else is asked of it.

    What it switches on, such as np.seterr(all="raise"), ends with it. Raises whatever it raises,
    TookTooLong after ten seconds, EndedProgram for a SystemExit.
    """
    try:
        with undisturbed(), limit(QUESTION_SECONDS, f"no answer within {QUESTION_SECONDS:g} s"):
            return engine(case)
    except SystemExit as error:
        raise EndedProgram(f"sys.exit({error.code!r}) inside the subject") from error
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EndedProgram(f"{type(error).__name__}: {error}") from error


def questions(engine: Engine, cases: Iterable[Case]) -> list[Answer | Exception]:
    """The engine's answers one after another, each with its own limit; or what it raised."""
    return [_reply(engine, case) for case in cases]


def _reply(engine: Engine, case: Case) -> Answer | Exception:
    try:
        return question(engine, case)
    except Exception as error:
        return error


def last_line(error: BaseException) -> str:
    """"ValueError: ... (file.py:12)", the innermost frame that is not ours."""
    cause = error.__cause__ or error
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__)
              if _theirs(Path(frame.filename))]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    try:
        first = (str(error).strip() or "no message").splitlines()[0]
    except Exception:
        first = "its message cannot be read"
    return f"{type(error).__name__}: {first}{where}"


def _theirs(file: Path) -> bool:
    """Whether a file is the subject's: not of this package, but for the ready-made subjects."""
    return not file.is_relative_to(OURS) or file.is_relative_to(SUBJECTS)
