"""One question to a subject: its answer, or how it gave none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..plug.asked import QUESTION_SECONDS, EndedProgram, as_raised
from ..plug.asked import last_line as last_line
from ..plug.limits import TookTooLong, limit, pressed
from ..plug.undisturbed import undisturbed
from ..reference import Answer, Case, Engine
from .clock import TimeIsUp
from .session import Session, clock, current

T = TypeVar("T")
EARLY = 128
Several = Callable[[Sequence[Case]], Iterable[Answer | Exception]]


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
    def several(self) -> Several | None:
        """What asks several questions at once, where the engine can; they all count."""
        inside: Several | None = getattr(self.engine, "several", None)
        if inside is None or getattr(self.engine, "outstanding", 1) == 1:
            return None

        def counted(cases: Sequence[Case]) -> Iterable[Answer | Exception]:
            self.count += len(cases)
            return inside(cases)

        return counted

    @property
    def notes(self) -> set[str]:
        """What the engine noted about its answers."""
        return getattr(self.engine, "notes", set())


def loss_of(engine: Engine, case: Case) -> float:
    """The loss that an engine reports, whatever its gradients are, where it can tell it apart."""
    alone: Callable[[Case], float] | None = getattr(engine, "loss", None)
    return float(engine(case).loss) if alone is None else alone(case)


def question(engine: Callable[[Case], T], case: Case) -> T:
    """The engine's answer, or what else is asked of it.

    What it switches on, such as np.seterr(all="raise"), ends with it, and is there again in the
    next question of the session. Raises whatever it raises, TookTooLong after ten seconds,
    EndedProgram for a SystemExit and whatever else is no Exception, TimeIsUp where the session has
    no time left for it.
    """
    session = current()
    if session is not None:
        return _asked(session, engine, case)
    session = Session()
    with session.going:
        return _asked(session, engine, case)


def _asked(session: Session, engine: Callable[[Case], T], case: Case) -> T:
    seconds = session.clock.allowed(QUESTION_SECONDS)
    before = session.settings.give()
    try:
        with undisturbed(), limit(seconds, f"no answer within {seconds:g} s"):
            answer = engine(case)
    except BaseException as error:
        session.settings.take(before)
        raised = _raised(session, error, seconds)
        if raised is error:
            raise
        raise raised from error
    session.settings.take(before)
    if session.going.said:
        raise _ended(session)
    return answer


def _raised(session: Session, error: BaseException, seconds: float) -> BaseException:
    """What stands for an error that came out of a question: itself, if it is one of the subject's.

    A KeyboardInterrupt is the user's, unless it is known that nobody pressed Ctrl-C.
    """
    kind = type(error)  # an object may say that it is of another one
    if session.going.said:
        return _ended(session)
    if issubclass(kind, TookTooLong):
        if seconds < QUESTION_SECONDS:
            return TimeIsUp()  # it had not all of its time, so it is not to blame
        session.clock.lost += seconds
        return error
    if issubclass(kind, TimeIsUp) or (issubclass(kind, KeyboardInterrupt) and pressed()):
        return error
    return as_raised(error)


def _ended(session: Session) -> EndedProgram:
    tried, session.going.said = session.going.said, ""
    return EndedProgram(f"{tried} inside the subject would have ended the process")


def questions(engine: Engine, cases: Iterable[Case]) -> list[Answer | Exception]:
    """The engine's answers, each with its own limit; or what it raised.

    One after another, but where the engine takes several questions at once.
    """
    several: Several | None = getattr(engine, "several", None)
    if several is not None:
        clock().check()
        return list(several(list(cases)))
    return [_reply(engine, case) for case in cases]


def _reply(engine: Engine, case: Case) -> Answer | Exception:
    try:
        return question(engine, case)
    except Exception as error:
        return error
