"""The other side of `remote.py`: a program that has been loaded, and answers messages.

It is never told what a trial is called or what it is for, what is true, or how far off it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..plug.asked import QUESTION_SECONDS
from ..plug.limits import limit
from ..plug.protocol.frames import Frame
from ..plug.protocol.messages import PROTOCOL
from ..plug.protocol.worker import WITHIN, refusal
from ..plug.undisturbed import undisturbed
from .engine import engine_of
from .messages import Json, replied, trial_of

if TYPE_CHECKING:
    from .program import Program

T = TypeVar("T")
ASKS = ("answer", "second")  # of an engine
Function = Callable[..., Any]


class ProgramHost:
    """A program's function, and the engine that asks it; told: what the hello says of it.

    Raises ImportError where the framework is not there.
    """

    def __init__(self, function: Function, framework: str, told: Mapping[str, Json]):
        self.function, self.told = function, told
        self.engine = engine_of(framework)

    def greeting(self) -> dict[str, Json]:
        """The hello."""
        return {"protocol": PROTOCOL, "answers": "program", **self.told}

    def answered(self, frame: Frame) -> dict[str, Json]:
        """The reply to one question, whatever the program does in this process."""
        ask = frame.message.get("ask")
        if ask not in ASKS:
            return {"unsupported": f"the question {ask!r}"}
        try:
            trial, device = trial_of(*frame), frame.message["device"]
            asked = getattr(self.engine, ask)
            return question(lambda: replied(asked(self.function, trial, device)))
        except BaseException as error:  # in this process even Ctrl-C is the program's own
            return refusal(error)


def question(go: Callable[[], T]) -> T:
    """What is asked, with its own clock, in the numbers' usual state."""
    with undisturbed(), limit(WITHIN, f"no answer within {QUESTION_SECONDS:g} s"):
        return go()


def hosted(program: Program) -> ProgramHost:
    """The host of a Program, in the process that has loaded it."""
    return ProgramHost(program.engine, program.asked.framework,
                       {"name": program.name, "source": program.source, "target": program.target})
