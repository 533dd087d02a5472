"""Where a call stands in its source: the line, the expression, what its operands are called."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 40  # characters of an expression that is quoted


@dataclass(frozen=True)
class Position:
    """Where a call stands: lines from 1, columns from 0 in bytes of UTF-8, as Python counts them.

    columns that are not known are None.
    """

    file: str
    first: int
    last: int
    begin: int | None = None
    end: int | None = None


def text_of(position: Position) -> str:
    """The line without its indentation and comment; "" where there is no source."""
    line = linecache.getline(position.file, position.first).strip()
    return line.partition("  #")[0].rstrip()


@lru_cache(maxsize=64)
def _expressions(file: str) -> dict[tuple[int, int, int, int], ast.AST]:
    """Every expression of a file by where it stands; the outermost where several stand there."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[tuple[int, int, int, int], ast.AST] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.AugAssign):
            place = (node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0)
            found.setdefault(place, node)
    return found


@lru_cache(maxsize=1024)
def _quoted(node: ast.AST) -> str:
    """The expression as text, on one line; "" where that is long."""
    text = ast.unparse(node)
    return text if len(text) <= LONGEST else ""


def _parts(node: ast.AST, count: int) -> list[ast.AST]:
    """The operands of an expression in the order in which a call of `count` arguments has them.

    A method's object is an argument of the call, a module's name is none.
    """
    match node:
        case ast.BinOp(left=ast.Constant() as left, right=right):
            return [right, left]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.AugAssign(target=left, value=right) | ast.Subscript(value=left, slice=right):
            return [left, right]
        case ast.UnaryOp(operand=only) | ast.Attribute(value=only):
            return [only]
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.Call(func=ast.Attribute(value=value), args=args) if len(args) < count:
            return [value, *args]
        case ast.Call(args=args):
            return [*args]
    return []


def _spread(node: ast.AST) -> list[ast.AST]:
    """The entries of a list or tuple that is written out, else the expression itself."""
    return list(node.elts) if isinstance(node, ast.List | ast.Tuple) else [node]


def expression(position: Position) -> ast.AST | None:
    """The expression that stands there; None where there is no source or no such expression."""
    if position.begin is None or position.end is None:
        return None
    key = (position.first, position.last, position.begin, position.end)
    return _expressions(position.file).get(key)


def quoted(position: Position) -> str:
    """The expression as text; "" where it is not known or long."""
    node = expression(position)
    return "" if node is None or isinstance(node, ast.AugAssign) else _quoted(node)


def operand(position: Position, place: tuple[int | str, ...], count: int) -> str:
    """What an operand is called in the source: "mean" for place (1,) of `x - mean`; else "".

    place: its index among the `count` arguments, or its keyword; then its index in a list.
    """
    node = expression(position)
    if node is None or not place:
        return ""
    if isinstance(place[0], str):
        named = {each.arg: each.value for each in getattr(node, "keywords", [])}
        return _quoted(named[place[0]]) if place[0] in named else ""
    parts = _parts(node, count)
    if any(isinstance(each, ast.Starred) for each in parts) or place[0] >= len(parts):
        return ""
    part = parts[place[0]]
    if len(place) == 1:
        return _quoted(part)
    entries = _spread(part)
    inner = place[1]
    known = isinstance(inner, int) and entries != [part] and inner < len(entries)
    return _quoted(entries[inner]) if known and isinstance(inner, int) else ""
