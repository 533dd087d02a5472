"""What may not be is refused here: one line says what was received and what is allowed."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from typing import Any

FORMAT = 1
LARGEST = sys.float_info.max
MANY = 40
LONGEST = 1000
DEEP = 100
MOST = 2**31 - 1
MOST_AXES = 32
Json = Any


def visible(text: str, most: int = LONGEST) -> str:
    """The text on one line that any terminal shows.

    What cannot be printed is escaped, what is too long is cut.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escaped(c) for c in text[:most + 1])
    return text if len(text) <= most else f"{text[:most - 3]}..."


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


class BackproofError(ValueError):
    """The base of every error that `verify` and what belongs to it raise: one line for its user."""


class DescriptionError(BackproofError):
    """A network, case or table entry that cannot be: what was received and what is allowed."""

    def __init__(self, message: str):
        super().__init__(visible(message))


Names = Mapping[str, object] | tuple[str, ...]


def refuse_unknown(what: str, data: Mapping[str, Json], allowed: Names) -> None:
    """Raise DescriptionError for the first key of `data` that `allowed` does not list."""
    for key in data:
        if key not in allowed:
            known = ", ".join(map(str, allowed))
            raise DescriptionError(f"{what}: unknown key {key!r}; allowed: {known}")


def one_of(what: str, value: Json, allowed: Names) -> Json:
    """`value` where it is one of `allowed`; DescriptionError by name where it is not."""
    if not isinstance(value, str) or value not in allowed:
        instead = _instead(value, list(map(str, allowed)))
        raise DescriptionError(f"{what}: unknown {value!r}; {instead}")
    return value


def _instead(value: Json, allowed: list[str]) -> str:
    """The nearest names; all of them where they are few."""
    near = difflib.get_close_matches(str(value), allowed, n=3, cutoff=0.5)
    meant = [f"did you mean {' or '.join(near)}?"] if near else []
    if len(allowed) > MANY:
        return "".join(meant) or f"there are {len(allowed)} names, none like it"
    return "; ".join([f"allowed: {', '.join(allowed)}", *meant])


def refuse_deep(what: str, value: Json) -> None:
    """Raise DescriptionError where the nesting is so deep that no walk over it is safe."""
    if deeper(value, DEEP):
        raise DescriptionError(f"{what}: nested deeper than {DEEP} levels")


def mapping(what: str, value: Json) -> Mapping[str, Json]:
    """`value` where it is a JSON object."""
    if not isinstance(value, Mapping):
        raise DescriptionError(f"{what}: received {value!r}, wanted a JSON object")
    return value


def number(what: str, value: Json) -> float:
    """`value` where it is a finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise DescriptionError(f"{what}: received {value!r}, wanted a finite number")
    return float(value)


def deeper(data: Json, most: int) -> bool:
    """Whether lists and objects are nested deeper than `most`."""
    level = [data] if isinstance(data, Mapping | list | tuple) else []
    for _ in range(most + 1):
        inside = (one.values() if isinstance(one, Mapping) else one for one in level)
        level = [each for values in inside for each in values
                 if isinstance(each, Mapping | list | tuple)]
        if not level:
            return False
    return True


def size(value: Json) -> bool:
    """Whether it may be the size of something: a positive integer that an array can have."""
    return type(value) is int and 0 < value <= MOST


def this_format(what: str, data: Mapping[str, Json]) -> None:
    """Refuse any format but this version's."""
    if type(data.get("format")) is not int or data["format"] != FORMAT:
        raise DescriptionError(f"{what}: format {data.get('format')!r}; "
                               f"this version reads format {FORMAT}")
