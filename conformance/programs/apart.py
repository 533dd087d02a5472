"""A program in a process of its own: loaded there, asked from here, its plain form loaded here.

The file is imported in the other process first: an import that hangs or ends its process does so
there. Its plain form, which knows what is true, is asked in this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from ..plug.executed import Announce
from ..plug.libraries import imported_first
from ..plug.protocol import apart as processes
from ..plug.protocol.process import Log
from ..plug.protocol.session import Listen, Session
from ..plug.refused import TargetError
from ..plug.subject import Subject
from ..plug.targets import load, split
from .program import Program
from .remote import RemoteAnswer


def apart(text: str, announce: Announce | None = None, listen: Listen | None = None,
          log: Log = lambda _: None) -> Subject:
    """As `plug.protocol.apart.apart`, for a program as well as for a network's subject."""
    with _libraries_meanwhile(text):
        return processes.apart(text, announce, listen, log, {"program": _program})


@contextmanager
def _libraries_meanwhile(text: str) -> Iterator[None]:
    """The slow libraries that the file begins with are imported here while it is imported there.

    A plain form needs them in this process as well, and so do the witnesses of a network.
    """
    where, _ = split(text)
    if not where.endswith(".py"):
        yield
        return
    work = Thread(target=imported_first, args=(Path(where),), daemon=True)
    work.start()
    try:
        yield
    finally:
        work.join()


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
