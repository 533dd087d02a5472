"""A Python subject in a process of its own: loaded there, asked from here."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

from ...properties.claims import Claims
from ...reference import Case
from ..executed import Announce
from ..layouts import Layout
from ..refused import TargetError
from ..subject import Subject
from ..subjects import SUBJECTS
from ..targets import load
from . import COMMAND
from .command import command, hello
from .messages import Json, case_of, request, room_for
from .process import Log, Process
from .remote import Remote, RemoteProgram, RemoteSteps, checked
from .session import Listen, Session

START_SECONDS = 60.0  # a file may take 10 of its own; on a busy machine libraries take the rest
WORKER = "backproof.plug.protocol.worker"
Kinds = Mapping[str, Callable[[Session], Subject]]


def apart(text: str, announce: Announce | None = None, listen: Listen | None = None,
          log: Log = lambda _: None, kinds: Kinds = MappingProxyType({})) -> Subject:
    """The Subject of a target, in a process of its own; a ready-made one is loaded here.

    announce hears that a file is at work while it is imported, listen of every message, log what is
    printed there. kinds: who makes the Subject of a conversation, by what its hello says that it
    answers. Raises TargetError, as `targets.load`, and where the process ends instead.
    """
    if text in SUBJECTS:
        return load(text, announce)
    if text.startswith(COMMAND):
        return command(text.removeprefix(COMMAND), listen, log)
    session = opened(WORKER, text, announce, listen, log)
    made = kinds.get(session.hello["answers"])
    return _subject(session, session.hello) if made is None else made(session)


def opened(worker: str, text: str, announce: Announce | None = None, listen: Listen | None = None,
           log: Log = lambda _: None, **more: Json) -> Session:
    """A conversation with a worker that has loaded the target; more: said to it in the hello.

    Raises TargetError, with what the worker says, where it cannot load it.
    """
    python = [sys.executable, *_flags(), "-P", "-m", worker, text]
    session = Session(python, hello(binary=listen is None) | more, partial(Process, log=log),
                      listen, own_clock=True, progress=announce or (lambda _: None), unready=text)
    said = session.greet(START_SECONDS)
    if "refused" in said:
        session.close()
        raise TargetError(said["refused"], said.get("more", ()))
    return session


def _flags() -> list[str]:
    """The options that this Python was started with."""
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    return list(_args_from_interpreter_flags())


def _subject(session: Session, said: Mapping[str, Json]) -> Subject:
    claims = Claims.from_json(said["claims"])
    numbers = itertools.count(1)
    stepping = None
    if "rates" in said:
        program = RemoteProgram(session, _options(said["options"]))
        stepping = RemoteSteps(program, claims, said["rates"])

    def engine(**more: Json) -> Remote:
        return Remote(session, tells_loss=said["loss"], arguments=said["arguments"], **more)

    def fresh() -> Remote:
        return engine(engine=next(numbers))

    def alone(case: Case) -> Iterator[tuple[str, Case]]:
        frame = checked(session.ask(request("alone", case), 16 * room_for(case)), "alone")
        return ((name, case_of(small, frame.block)) for name, small in frame.message["alone"])

    return Subject(said["name"], claims, stepping or engine(), frozenset(said["made_of"]),
                   fresh if said["fresh"] else None, said["source"], said["door"],
                   said["target"], tuple(said["needs"]), stepping,
                   alone if said["alone"] else None)


def _options(options: Mapping[str, Json]) -> dict[str, Any]:
    return {name: Layout(**value["layout"]) if isinstance(value, dict) and "layout" in value
            else value for name, value in options.items()}


@contextmanager
def closing(subject: Subject) -> Iterator[Subject]:
    """The subject, whose process ends with the block, where it has one."""
    close: Callable[[], None] | None = getattr(subject.engine, "close", None)
    try:
        yield subject
    finally:
        if close is not None:
            close()
