"""Engines whose answers come from another process: what is raised there is raised here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...reference import Answer, Case, Network, evaluate, infer
from ..asked import EndedProgram
from ..contract import AdapterError, BrokenContract, Declined, read, read_loss
from ..limits import TookTooLong
from ..stepping import Stepped
from .frames import Frame
from .messages import RESULTS, Json, array_of, arrays_of, request, room_for
from .session import Asked, Session

Array = Any
Arrays = dict[str, Array]


def checked(frame: Frame, answers: str) -> Frame:
    """A reply that has a result, or has none of the other kinds.

    Raises Declined for "unsupported", BrokenContract for "broken", and for "error" an exception
    with the name and the message of the one that was raised there.
    """
    message = frame.message
    if "unsupported" in message:
        raise Declined(text_of(message["unsupported"]))
    if isinstance(message.get("broken"), Mapping):
        raise _broken(message["broken"])
    if "error" in message:
        raise raised(message)
    if RESULTS[answers] not in message:
        raise BrokenContract("return", f"reply: has {', '.join(map(repr, message)) or 'nothing'}; "
                             f"wanted {RESULTS[answers]!r}, \"unsupported\" or \"error\"")
    return frame


def text_of(value: Json) -> str:
    """A text of a message on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= 500 else f"{text[:500]}... ({len(text):,} characters)"


def _broken(data: Mapping[str, Json]) -> BrokenContract:
    shape = data.get("shape")
    shape = shape if isinstance(shape, list) and all(type(n) is int for n in shape) else None
    return BrokenContract(str(data.get("kind", "return")), text_of(data.get("message", "")),
                          str(data.get("where", "")), None if shape is None else tuple(shape))


class Raised(Exception):  # noqa: N818 - about the subject, not an error of ours
    """What the subject raised in its own process."""


OURS: dict[str, Callable[[str], Exception]] = {
    "EndedProgram": EndedProgram,
    "AdapterError": AdapterError,
    "TookTooLong": lambda text: TookTooLong(text, 0.0),
}


def raised(message: Mapping[str, Json]) -> Exception:
    """An exception of the kind that is named, with its text and where it was raised.

    One of ours is itself, and any other a class of that name: a subject's may have the same one.
    """
    kind, text = str(message.get("kind") or ""), text_of(message["error"])
    if not kind.isidentifier():
        head, _, rest = text.partition(": ")
        kind, text = (head, rest) if head.isidentifier() and rest else ("Raised", text)
    where = message.get("where")
    text = f"{text} ({text_of(where)})" if where else text
    if message.get("ours") is True and kind in OURS:
        return OURS[kind](text)
    named: type[Exception] = type(kind, (Raised,), {})
    return named(text)


class Remote:
    """An engine that a process answers for. `notes`: what was odd about its answers.

    answers: what its replies are, "gradients" or "vjp". tells_loss: whether it can be asked for the
    loss alone. arguments: what the function there calls its arguments. more: what is said with each
    question. Calling it raises what `checked` raises, BrokenContract for a reply that is no answer,
    Died where the process ends, TookTooLong where it hangs.
    """

    def __init__(self, session: Session, answers: str = "gradients", tells_loss: bool = False,
                 arguments: Sequence[str] = (), **more: Json):
        self.session, self.answers, self.more = session, answers, more
        self.tells_loss, self.arguments = tells_loss, tuple(arguments)
        self._notes = set[str]()

    @property
    def notes(self) -> set[str]:
        return self._notes | self.session.notes

    @property
    def outstanding(self) -> int:
        """How many questions may be on their way to the process."""
        most = self.session.hello.get("outstanding", 1)
        return most if type(most) is int and most > 0 else 1

    def close(self) -> None:
        """End the process."""
        self.session.close()

    def __call__(self, case: Case) -> Answer:
        return self._answer(case, self.session.ask(*self._asked(case)))

    def loss(self, case: Case) -> float:
        """The loss of the reply, whatever the gradients in it are."""
        ask = "loss" if self.tells_loss else "gradients"
        asked = Asked(request(ask, case, **self.more), room_for(case))
        frame = checked(self.session.ask(*asked), ask)
        return float(read_loss(case, (_loss(case, frame), {})))

    def several(self, cases: Sequence[Case]) -> Iterator[Answer | Exception]:
        """The answers to several cases, or what each gets instead, with some on their way."""
        asked = [self._asked(case) for case in cases]
        for case, frame in zip(cases, self.session.ask_all(asked, self.outstanding), strict=True):
            try:
                yield frame if isinstance(frame, Exception) else self._answer(case, frame)
            except Exception as error:
                yield error

    def _asked(self, case: Case) -> Asked:
        return Asked(request(self.answers, case, **self.more), room_for(case))

    def _answer(self, case: Case, frame: Frame) -> Answer:
        loss, gradients = self._pair(case, checked(frame, self.answers))
        told = frame.message.get("notes")
        self._notes |= set(map(text_of, told)) if isinstance(told, list) else set()
        if _as_wanted(case, loss, gradients):
            return Answer(loss, gradients)
        answer, notes = read(case, (loss, gradients))
        self._notes |= notes
        return answer

    def _pair(self, case: Case, frame: Frame) -> tuple[Any, Arrays]:
        """Loss and gradients as the contract reads them; the reference's loss where none is said.
        """
        gradients = arrays_of("gradients", frame, case.dtype)
        return evaluate(case).loss if self.answers == "vjp" else _loss(case, frame), gradients


def _as_wanted(case: Case, loss: Any, gradients: Arrays) -> bool:
    """Whether nothing is to be said of the arrays, as of those that a process has read itself."""
    return (gradients.keys() == case.parameters.keys() and _is(loss, (), case.dtype)
            and all(_is(gradients[name], value.shape, case.dtype)
                    for name, value in case.parameters.items()))


def _is(value: Any, shape: tuple[int, ...], dtype: str) -> bool:
    return isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype


def _loss(case: Case, frame: Frame) -> Any:
    if "loss" not in frame.message:
        raise BrokenContract("return", "reply: loss is missing")
    return array_of("loss", frame.message["loss"], frame.block, case.dtype)


class RemoteProgram:
    """A training program in another process: each step is a question.

    `options`: what the other side was told of it, as far as it is data.
    """

    def __init__(self, session: Session, options: Mapping[str, Json]):
        self.session, self.options = session, dict(options)

    def start(self, network: Network, parameters: Arrays, inputs: Array, targets: Array,
              rate: float) -> Callable[[Arrays, Array, Array], Any]:
        """A program with these parameters, before its first step."""
        first = True

        def go(mine: Arrays, inputs: Array, targets: Array) -> Any:
            nonlocal first
            case = _case(network, mine, inputs, targets)
            asked = request("step", case, rate=rate, start=first)
            first = False
            frame = checked(self.session.ask(asked, room_for(case)), "step")
            return arrays_of("parameters", frame, case.dtype)

        return go


class RemoteSteps(Stepped):
    """The engine of a training step whose program is in another process."""

    program: RemoteProgram

    @property
    def session(self) -> Session:
        """The conversation with the program's process."""
        return self.program.session

    def close(self) -> None:
        """End the process."""
        self.session.close()


def _case(network: Network, values: Arrays, inputs: Array, targets: Array) -> Case:
    """The values as a case: what the network does not learn is a constant."""
    learnt = infer(network).parameters
    parameters = {name: value for name, value in values.items() if name in learnt}
    constants = {name: value for name, value in values.items() if name not in learnt}
    dtype = next((str(value.dtype) for value in parameters.values()), "float64")
    return Case(network, parameters, inputs, targets, dtype, constants)
