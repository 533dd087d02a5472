"""A subject that is a command: any program that speaks the protocol."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from ...properties.claims import ANSWERS, EVERYTHING, GRADIENTS, STEP, VJP, Claims, Head
from ...reference import DescriptionError
from ...reference.checks import number, one_of
from ..refused import TargetError
from ..stepping import RATES, claimed
from ..subject import Subject
from . import COMMAND
from .messages import PROTOCOL, Json
from .process import Log, Process
from .remote import Remote, RemoteProgram, RemoteSteps
from .session import Listen, Session

DOOR = "command"
COTANGENT = (Head("identity", "inner_product", "sum"),)


def command(text: str, listen: Listen | None = None, log: Log = lambda _: None) -> Subject:
    """The Subject of a command line, which is split as a shell does and run without one.

    listen hears every message, log what it writes to its standard error.

    Raises TargetError where it cannot be started, says no hello, or one that cannot be.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TargetError(f"command: {text!r} cannot be split into words: {error}") from error
    if not words:
        raise TargetError("command: received nothing; wanted a command line: \"node my_net.js\"")
    session = Session(words, hello(binary=listen is None), partial(Process, log=log), listen)
    return greeted(session, f"{COMMAND}{text}")


def hello(binary: bool) -> dict[str, Json]:
    """What the subject is greeted with; a transcript has all numbers in its lines."""
    return {"ask": "hello", "protocols": [PROTOCOL], "backproof": version("backproof"),
            "binary": binary}


def greeted(session: Session, target: str) -> Subject:
    """The Subject that a process says it is, in its hello.

    Raises TargetError for a hello that cannot be, and what `Session.greet` raises.
    """
    said = session.greet()
    try:
        return _subject(session, said, target)
    except DescriptionError as error:
        session.close()
        raise TargetError(f"command: hello: {error}") from error


def _subject(session: Session, said: Mapping[str, Json], target: str) -> Subject:
    for kind in ("error", "unsupported"):
        if kind in said:
            raise DescriptionError(f"received {kind}: {str(said[kind])[:200]}")
    if said.get("protocol") != PROTOCOL:
        raise DescriptionError(f"protocol is {said.get('protocol')!r}; offered was {PROTOCOL}")
    answers = one_of("answers", said.get("answers", GRADIENTS), ANSWERS)
    name = " ".join(map(str, filter(None, (said.get("name"), said.get("version")))))
    claims = EVERYTHING if "claims" not in said else Claims.from_json(said["claims"])
    if answers == STEP:
        return _of_steps(session, said, name or target, claims, target)
    if answers == VJP:
        claims = replace(claims, answers=VJP, heads=COTANGENT)
    return Subject(name or target, claims, Remote(session, answers),
                   frozenset(claims.made_of), door=DOOR, target=target)


def _of_steps(session: Session, said: Mapping[str, Json], name: str, claims: Claims, target: str
              ) -> Subject:
    """A subject whose steps are its answers; "rates" in its hello are those that it can be told.

    One alone is a rate of its own.
    """
    rates = [number("rates", rate) for rate in said.get("rates", RATES)]
    if not rates or min(rates) <= 0:
        raise DescriptionError(f"rates is {said['rates']!r}, wanted a list of numbers above 0")
    claims = claimed(claims, claims.rule, rates)
    stepping = RemoteSteps(RemoteProgram(session, {}), claims, rates)
    return Subject(name, claims, stepping, frozenset(claims.made_of), door=DOOR, target=target,
                   stepping=stepping)
