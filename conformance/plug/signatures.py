"""How a method is called and where its results are, written as one writes the method:

    forward(x) -> self.output           the result is left in an attribute
    forward(x, training) -> y           a flag, which is True
    forward(x, weight, bias) -> y, cache
    backward(dy, cache) -> dx, weight, bias
    backward(dy, rate) -> dx

In the brackets is what the method takes, behind the arrow what it returns; "self.path" is an
attribute of the object. The first result is the one that goes on to the next layer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..reference import DescriptionError
from .contract import AdapterError, kind_of

SELF = "self."
NAME = r"[A-Za-z_]\w*"
PATH = rf"{NAME}(?:\.\w+)*"
WRITTEN = re.compile(rf"\s*({NAME})\s*(?:\(([^()]*)\))?\s*(?:->\s*(.+?))?\s*")
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A method's name, the names of what it takes, and of what it gives, the first one first."""

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def returned(self) -> tuple[str, ...]:
        """What the method returns itself: the rest is in attributes."""
        return tuple(name for name in self.gives if not name.startswith(SELF))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.takes)}) -> {', '.join(self.gives)}"

    def giving(self, *gives: str) -> str:
        """The same call, with other results, as one writes it."""
        return str(Call(self.name, self.takes, gives))


def call(what: str, text: str, takes: tuple[str, ...], gives: tuple[str, ...]) -> Call:
    """The call that a text describes; what it leaves out is as it is given here.

    Raises DescriptionError, with an example, for a text that is no call.
    """
    found = WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise DescriptionError(f"layers: {what}={text!r} is no call; wanted a method's name, or "
                               f"such as {str(Call('backward', takes, gives))!r}")
    name, inside, behind = found.groups()
    return Call(name, takes if inside is None else _names(what, text, inside),
                gives if behind is None else _names(what, text, behind))


def _names(what: str, text: str, listed: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in listed.split(",")) if listed.strip() else ()
    for name in names:
        if not re.fullmatch(PATH, name) or ("." in name and not name.startswith(SELF)):
            raise DescriptionError(f"layers: {what}={text!r}: {name!r} is no name; wanted names "
                                   "such as x, and self.output for an attribute")
    return names


# --- calling --------------------------------------------------------------------------------------


def look_up(built: Any, path: str, where: str) -> Any:
    """The attribute, or the key, at the end of a dotted path.

    Raises DescriptionError, which names what there is instead.
    """
    for part in path.split("."):
        if isinstance(built, list | tuple) and part.isdigit() and int(part) < len(built):
            built = built[int(part)]
            continue
        there = built if isinstance(built, Mapping) else attributes(built)
        if part not in there and not hasattr(built, part):
            raise DescriptionError(f"{where}: no attribute {part!r} in {path!r}; "
                                   f"there is: {', '.join(map(str, there)) or 'none'}")
        built = built[part] if isinstance(built, Mapping) else getattr(built, part)
    return built


def attributes(built: Any) -> list[str]:
    return [name for name in dir(built) if not name.startswith("_")]


def taken(call: Call, built: Any, who: str, values: Values) -> list[Any]:
    """The arguments of a call; `values` are those that are known by name."""
    return [_one(name, call, built, who, values) for name in call.takes]


def _one(name: str, call: Call, built: Any, who: str, values: Values) -> Any:
    if name.startswith(SELF):
        return look_up(built, name.removeprefix(SELF), f"layers: {who}.{call.name}")
    if name not in values:
        raise DescriptionError(f"layers: {who}.{call.name} is to take {name!r}; known here are: "
                               f"{', '.join(values)}, and self.attribute")
    return values[name]


def invoked(function: Callable[..., Any], arguments: Iterable[Any], who: str, advice: str) -> Any:
    """What the function returns; DescriptionError where it takes other arguments than these."""
    arguments = list(arguments)
    try:
        return function(*arguments)
    except TypeError as error:
        signature = _signature(function)
        if signature is None or _takes(signature, arguments):
            raise
        raise DescriptionError(f"layers: {who}{signature} is given {len(arguments)} "
                               f"argument{'s' * (len(arguments) != 1)}: {advice}") from error


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _takes(signature: inspect.Signature, arguments: list[Any]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def results(call: Call, built: Any, who: str, returned: Any) -> dict[str, Any]:
    """Every result by the name that it has in the call; those in attributes by theirs."""
    names = call.returned
    if len(names) > 1 and not (isinstance(returned, tuple | list) and len(returned) == len(names)):
        raise AdapterError(f"layers: {who}.{call.name} returned {kind_of(returned)}; written is "
                           f"that it gives {len(names)} results, {str(call)!r}")
    parts = (returned,) if len(names) == 1 else returned
    found = dict(zip(names, parts, strict=True)) if names else {}
    for name in call.gives:
        if name.startswith(SELF):
            where = f"layers: {who} after {call.name}"
            found[name] = look_up(built, name.removeprefix(SELF), where)
    return found
