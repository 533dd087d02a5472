"""A program that answers in another process; what is raised there is raised here."""

from __future__ import annotations

from ..plug.contract import Declined
from ..plug.protocol.remote import raised, text_of
from ..plug.protocol.session import Session
from .messages import asked, reply_of, room_for
from .trial import Reply, Trial


class Attempted(Exception):  # noqa: N818 - about the program, not an error of ours
    """A kernel that is judged has tried what it may not: its answers do not count."""


class RemoteAnswer:
    """The function of a Program whose process is at the other end of a session.

    Calling it raises Declined for what the program does not implement, an exception with the name
    and the message of the one that was raised there, Died where the process ends, TookTooLong where
    it hangs, BrokenContract for a reply that is none, Attempted where that is what it was.
    """

    def __init__(self, session: Session):
        self.session = session

    @property
    def notes(self) -> set[str]:
        """What was odd but no failure."""
        return self.session.notes

    def close(self) -> None:
        """End the process."""
        self.session.close()

    def __call__(self, trial: Trial, device: str = "cpu") -> Reply:
        return self._asked(trial, device, "answer")

    def second(self, trial: Trial, device: str = "cpu") -> Reply:
        """The answer of the program whose outputs are the program's gradients."""
        return self._asked(trial, device, "second")

    def _asked(self, trial: Trial, device: str, ask: str) -> Reply:
        frame = self.session.ask(asked(trial, device=device) | {"ask": ask}, room_for(trial))
        message = frame.message
        if "tried" in message:
            raise Attempted(", ".join(map(text_of, message["tried"])))
        if "unsupported" in message:
            raise Declined(text_of(message["unsupported"]))
        if "error" in message:
            raise raised(message)
        return reply_of(frame)
