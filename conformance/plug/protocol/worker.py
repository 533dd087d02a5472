"""The process of a Python subject: `python -m backproof.plug.protocol.worker TARGET`.

It loads the target and answers what it is asked. Standard output is moved aside first, so that what
the subject prints goes to standard error, and standard input is empty for it. It is never told what
a case is called, what the answer is, or how far off it may be.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import TextIOWrapper
from typing import Any, BinaryIO, Protocol, TypeVar

from ...reference import Case
from ..asked import QUESTION_SECONDS, EndedProgram, as_raised, last_line, where
from ..contract import (
    AdapterError,
    BrokenContract,
    Declined,
    check_data_untouched,
    read_parameters,
)
from ..layouts import Layout
from ..limits import TookTooLong, limit
from ..refused import TargetError
from ..saying import message, name_of, reason
from ..subject import Subject
from ..targets import load
from ..undisturbed import undisturbed
from ..wanted import names_of
from . import processor
from .frames import Frame, encoded, read_frame
from .messages import PROTOCOL, Json, case_of, packed

MOST = 2**40
WITHIN = QUESTION_SECONDS - 0.5  # so that it can say where it was, before it is ended
OURS = (AdapterError, EndedProgram, TookTooLong)  # what the other side raises as itself
Reply = dict[str, Json]
T = TypeVar("T")


class Hosting(Protocol):
    """What a process has loaded: what it says of it first, and how it answers.

    A subject that answers other questions than those about a Case has a method `hosting` for one.
    """

    def greeting(self) -> Reply:
        """The hello."""

    def answered(self, frame: Frame) -> Reply:
        """The reply to one question; it raises nothing."""


class Host:
    """A loaded subject, and what it has been made to answer with beside its own engine."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.engines: dict[int, Any] = {0: subject.engine}
        self.told = set[str]()
        self.go: Any = None

    def engine(self, number: int) -> Any:
        """The subject's engine, or a further one with fresh state."""
        if number not in self.engines and self.subject.fresh is not None:
            self.engines[number] = self.subject.fresh()
        return self.engines[number]

    def gradients(self, case: Case, message: Mapping[str, Json]) -> Reply:
        answer = question(self.engine(message.get("engine", 0)), case)
        return {"loss": answer.loss, "gradients": dict(answer.gradients)}

    def loss(self, case: Case, message: Mapping[str, Json]) -> Reply:
        return {"loss": question(self.engine(message.get("engine", 0)).loss, case)}

    def alone(self, case: Case, message: Mapping[str, Json]) -> Reply:
        assert self.subject.alone is not None
        return {"alone": [[name, packed(small)] for name, small in self.subject.alone(case)]}

    def step(self, case: Case, message: Mapping[str, Json]) -> Reply:
        """One step of a training program: of a new one, or of that of the step before."""
        given = case.copy()
        arrays = dict(given.values), given.inputs, given.targets

        def go(_: Case) -> Any:
            if message["start"]:
                assert self.subject.stepping is not None
                program = self.subject.stepping.program
                self.go = program.start(case.network, *arrays, message["rate"])
            return self.go(*arrays)

        reply = question(go, case)
        check_data_untouched(case, given)
        new, notes = read_parameters(case, reply)
        return {"parameters": new, "notes": sorted(notes)}

    def greeting(self) -> Reply:
        """The hello of the subject: all that is known of it, as data."""
        return greeted(self.subject)

    def answered(self, frame: Frame) -> Reply:
        """The reply to one question, whatever the subject does in this process."""
        return answered(self, frame)

    def notes(self) -> Reply:
        """What is odd about its answers, and was not told before."""
        found = set().union(*(getattr(e, "notes", set()) for e in self.engines.values()))
        new, self.told = found - self.told, self.told | found
        return {"notes": sorted(new)} if new else {}


ASKS: dict[str, Callable[[Host, Case, Mapping[str, Json]], Reply]] = {
    "gradients": Host.gradients, "loss": Host.loss, "alone": Host.alone, "step": Host.step}


def greeted(subject: Subject) -> Reply:
    """The hello of a subject: all that is known of it, as data."""
    stepping = subject.stepping
    steps = {} if stepping is None else {
        "rates": stepping.rates, "options": told(getattr(stepping.program, "options", {}))}
    return {"protocol": PROTOCOL, "name": subject.name, "answers": subject.claims.answers,
            "claims": subject.claims.to_json(), "made_of": sorted(subject.made_of),
            "source": subject.source, "door": subject.door, "target": subject.target,
            "needs": subject.needs, "fresh": subject.fresh is not None,
            "alone": subject.alone is not None, "loss": hasattr(subject.engine, "loss"),
            "arguments": list(names_of(getattr(subject.engine, "target", None))), **steps}


def told(options: Mapping[str, Any]) -> Reply:
    """The options of a training step that are data."""
    found: Reply = {}
    for name, value in options.items():
        if isinstance(value, Layout):
            found[name] = {"layout": asdict(value)}
        elif isinstance(value, str | int | float | list | tuple | dict):
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def refusal(error: BaseException) -> Reply:
    """The reply for what was raised instead of an answer."""
    if type(error) is BrokenContract:
        return {"broken": {"kind": error.kind, "message": error.message, "where": error.where,
                           "shape": error.shape}}
    if isinstance(error, Declined | NotImplementedError):
        return {"unsupported": reason(error)}
    at = {"where": found} if (found := where(error)) else {}
    told = as_raised(error)
    kind = type(told)
    return {"error": message(told), "kind": name_of(kind), "ours": kind in OURS, **at}


def question(engine: Callable[[Case], T], case: Case) -> T:
    """What is asked, with its own clock, in the numbers' usual state."""
    with undisturbed(), limit(WITHIN, f"no answer within {QUESTION_SECONDS:g} s"):
        return engine(case)


def answered(host: Host, frame: Frame) -> Reply:
    """The reply to one question, whatever the subject does in this process."""
    ask = frame.message.get("ask")
    if ask not in ASKS:
        return {"unsupported": f"the question {ask!r}"}
    try:
        case = case_of(frame.message, frame.block)
        processor.stay(not case.large)
        reply = ASKS[ask](host, case, frame.message)
    except BaseException as error:  # in this process even Ctrl-C is the subject's own
        return refusal(error)
    return reply | host.notes()


def aside() -> tuple[BinaryIO, BinaryIO]:
    """Questions and replies, on streams that nobody prints to or reads from by chance."""
    questions, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what it printed is there when it dies
    return questions, replies


def host_of(text: str, say: Callable[[Reply], None], hello: Reply) -> Hosting:
    """The host of a target, loaded here; say tells of its progress."""
    subject = load(text, lambda line: say({"progress": line}))
    hosting: Callable[[], Hosting] | None = getattr(subject, "hosting", None)
    return Host(subject) if hosting is None else hosting()


def main(arguments: Sequence[str],
         loaded: Callable[[str, Callable[[Reply], None], Reply], Hosting] = host_of) -> None:
    """Answer until there are no more questions; the process ends here, whatever else runs in it.

    loaded(target, say, hello): what the first argument names, once it is greeted with the hello.
    """
    (questions, replies), home = aside(), os.getpid()
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1)

    binary = False

    def say(message: Reply) -> None:
        if os.getpid() != home:  # a copy that the subject forked off, and let come here
            os._exit(0)
        replies.write(encoded(message, binary))
        replies.flush()

    host: Hosting | None = None
    while isinstance(frame := read_frame(questions, lambda: MOST), Frame):
        number = {"id": frame.message.get("id")}
        if host is not None:
            say(number | host.answered(frame))
            continue
        try:
            host = loaded(arguments[0], say, frame.message)
            greeting = host.greeting()
        except TargetError as error:
            say({**number, "refused": str(error), "more": error.more})
            break
        except BaseException as error:  # in this process even Ctrl-C is the subject's own
            say({**number, "refused": f"{arguments[0]}: {last_line(error)}", "more": ()})
            break
        binary = frame.message.get("binary") is True
        say(number | greeting | {"binary": binary})
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
