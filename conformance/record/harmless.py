"""Text of a subject or a record as it may be shown: visible, bounded, obeyed by nobody.

A terminal obeys escapes, a CI log obeys workflow commands, a reader is misled by characters that
turn the direction of a line. Every end that shows text to a person sends its lines through here.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST = 2_000        # characters of a line
MOST = 20_000          # characters of a text of many lines
PAIR = re.compile("#(?=#)")
BEGINS = re.compile(r"(\s*):(?=:)")                    # GitHub: ::error::
INSIDE = re.compile(r"#(?=#(?:vso|teamcity)?\[)")      # Azure, TeamCity, GitHub before: anywhere


def line(text: str, most: int = LONGEST) -> str:
    """The text on one line that shows all that is in it; what is beyond `most` is counted.

    What cannot be seen is escaped, and so is the character that makes a line a command to a CI log.
    A line that is harmless comes back as it is.
    """
    shown = text[:most + 1]
    if not shown.isprintable():
        shown = "".join(map(_seen, shown))
    shown = defused(shown)
    return shown if len(text) <= most and len(shown) <= most else _cut(shown, len(text), most)


def lines(text: str) -> str:
    """The same for each line of a text."""
    text = cut(text, MOST)
    return text if _is_harmless(text) else "\n".join(map(line, text.split("\n")))


def cut(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and how long it is: "aaa… 5,242,880 characters"."""
    return text if len(text) <= most else _cut(text, len(text), most)


def _cut(text: str, length: int, most: int) -> str:
    tail = f"… {length:,} characters"
    return text[:most - len(tail)] + tail


def short(value: Any) -> Any:
    """JSON-like data with every text in it cut, each line and the whole."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else cut("\n".join(map(cut, value.split("\n"))), MOST)
    if isinstance(value, dict):
        return {short(key): short(each) for key, each in value.items()}
    return [short(each) for each in value] if isinstance(value, list) else value


def may_be_typed(target: str) -> bool:
    """Whether it may be put into a command: one line, all of it visible, and no option."""
    return target.isprintable() and len(target) < LONGEST and not target.startswith("-")


def defused(text: str) -> str:
    """A line that no CI log takes for a command."""
    if text.lstrip().startswith("::"):
        text = BEGINS.sub(r"\1\\x3a", text, count=1)
    return INSIDE.sub(r"\\x23", text) if "##" in text else text


def defused_json(text: str) -> str:
    """The same for JSON, where ## stands in texts only and means the same as its escape."""
    return PAIR.sub(r"\\u0023", text)


def _is_harmless(text: str) -> bool:
    return text.isprintable() and len(text) <= LONGEST and text == defused(text)


def _seen(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
