"""What an error of somebody else's says, whatever its class does when it is asked."""

from __future__ import annotations

from typing import Any

from .limits import limit, pressed

SECONDS = 1.0
LONGEST = 500
SILENT, NOTHING = "its message cannot be read", "no message"
NAMED = type.__dict__["__name__"].__get__


def name_of(kind: type) -> str:
    """The name of a class, whatever its metaclass says."""
    return str(NAMED(kind))


def said_by(error: BaseException) -> str:
    """"ValueError: the first line of its message", shortened where it is very long."""
    return f"{name_of(type(error))}: {message(error)}"


def message(error: BaseException) -> str:
    """The first line of its message; that there is none, or that it cannot be read."""
    text = whole(error).strip()
    return _cut(text.splitlines()[0] if text else NOTHING)


def reason(error: BaseException) -> str:
    """The first line of its message; the name of its class where there is none."""
    first = message(error)
    return name_of(type(error)) if first == NOTHING else first


def whole(error: BaseException) -> str:
    """All of its message, "" where there is none."""
    return _text(str, error)


def shortly(value: Any) -> str:
    """The repr of a value, shortened."""
    return _cut(_text(repr, value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _text(of: Any, value: Any) -> str:
    try:
        with limit(SECONDS):
            text = of(value)
            return text if type(text) is str else str.__str__(text)
    except BaseException as error:
        if issubclass(type(error), KeyboardInterrupt) and pressed():
            raise
        return SILENT


def disguised(error: BaseException) -> bool:
    """Whether its class answers for it when it is asked what it is."""
    return any(name in vars(kind) for kind in type(error).__mro__
               for name in ("__class__", "__getattribute__") if kind.__module__ != "builtins")
