"""A program in a process of its own: loaded there, asked from here, its plain form loaded here.

The file is imported in the other process first: an import that hangs or ends its process does so
there. Its plain form, which knows what is true, is asked in this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..plug.executed import Announce
from ..plug.protocol import apart as processes
from ..plug.protocol.process import Log
from ..plug.protocol.session import Listen, Session
from ..plug.refused import TargetError
from ..plug.subject import Subject
from ..plug.targets import load
from .program import Program
from .remote import RemoteAnswer


def apart(text: str, announce: Announce | None = None, listen: Listen | None = None,
          log: Log = lambda _: None) -> Subject:
    """As `plug.protocol.apart.apart`, for a program as well as for a network's subject."""
    return processes.apart(text, announce, listen, log, {"program": _program})


def _program(session: Session) -> Program:
    """The Program of a conversation, from the same file, imported here too."""
    target = session.hello["target"]
    try:
        loaded = load(target)
        if not isinstance(loaded, Program):
            raise TargetError(f"{target}: a program in its own process, and none here: does the "
                              "file ask where it is imported?")
    except BaseException:
        session.close()
        raise
    remote: Any = RemoteAnswer(session)
    return replace(loaded, engine=remote, answer=remote)
