"""A program that answers in another process; what is raised there is raised here."""

from __future__ import annotations

from ..plug.contract import BrokenContract, Declined
from ..plug.protocol.frames import Frame
from ..plug.protocol.remote import raised, text_of
from ..plug.protocol.session import Session
from .messages import Json, asked, reply_of, room_for
from .trial import Reply, Trial


class RemoteAnswer:
    """The function of a Program whose process is at the other end of a session.

    more: what is said with each question. Calling it raises Declined for what the program does not
    implement, an exception with the name and the message of the one that was raised there, Died
    where the process ends, TookTooLong where it hangs, BrokenContract for a reply that is none.
    """

    def __init__(self, session: Session, **more: Json):
        self.session, self.more = session, more

    @property
    def notes(self) -> set[str]:
        """What was odd but no failure."""
        return self.session.notes

    def close(self) -> None:
        """End the process."""
        self.session.close()

    def __call__(self, trial: Trial, device: str = "cpu") -> Reply:
        question = asked(trial, device=device, **self.more)
        return reply_of(self._checked(question, trial, "outputs"))

    def shapes(self, trial: Trial) -> list[tuple[int, ...] | None]:
        """As `Engine.shapes`, of the program's own outputs."""
        question = asked(trial) | {"ask": "shapes"}
        told = self._checked(question, trial, "shapes").message["shapes"]
        return [None if each is None else tuple(each) for each in told]

    def _checked(self, question: dict[str, Json], trial: Trial, wanted: str) -> Frame:
        frame = self.session.ask(question, room_for(trial))
        message = frame.message
        if "unsupported" in message:
            raise Declined(text_of(message["unsupported"]))
        if "error" in message:
            raise raised(message)
        if wanted not in message:
            raise BrokenContract("return", f"reply: has no {wanted!r}")
        return frame
