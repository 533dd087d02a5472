"""The subject's own line where the mistake is: told where its statement is that of the mistake.

The statement of the known mistake and those of the subject are compared by what they do, not by
their names: which kind of gradient is assigned, which functions are called, along which axis, which
operators stand between. A line is marked where it does all that the wrong line does, nothing that
only the right line does, and hardly anything else. Where in doubt no line is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

from ...record.reading import Run
from ...record.report import Finding
from .markup import Markup, code, join, tag

AROUND = 3   # lines shown before and after
MOST = 4     # lines marked: more are no answer
BESIDE = 1   # things that a line does beside those of the mistake
LEAST = 2    # things that the mistake does
BEFORE, AFTER = r"(?:d|g|grad|gradient|delta|nabla)s?_?", r"_?\d*"
NAMES = {"bias": "b|bias|biases|beta", "weight": "w|weight|weights|kernel", "scale": "scale|gamma"}
KINDS = {kind: re.compile(rf"{BEFORE}(?:{of}){AFTER}|(?:{of}){AFTER}_grads?(?:ient)?s?")
         for kind, of in NAMES.items()}
PLAIN = {kind: re.compile(rf"(?:{of}){AFTER}") for kind, of in NAMES.items()}
WEAK = {"Add", "Sub", "mean"}  # not enough to tell a mistake by, nor is an axis
ALONG = ("sum", "mean", "max", "min")
WITHOUT = {"keepdims"}


class Statement(NamedTuple):
    """One assignment: the kind of gradient that it gives, what it does, its line."""

    kind: str
    does: frozenset[str]
    line: int


def own_line(run: Run, finding: Finding) -> Markup:
    """The subject's lines around the marked one; nothing where none is."""
    quoted = run.header.get("code")
    if not quoted or not finding.lesson:
        return Markup("")
    text, first = quoted["text"], quoted["line"]
    found = marked(text, finding.lesson["wrong"], finding.lesson["right"])
    if not found:
        return Markup("")
    file = code(str(run.header.get("source", "")).rpartition(":")[0])
    numbers = " and ".join(str(first + line - 1) for line in found)
    where = "in its cell" if quoted.get("cell") else file
    title = tag("figcaption", "Your code, ", where, f", line {numbers}")
    return tag("figure", title, tag("pre", *_shown(text, first, found)), class_="own")


def _shown(text: str, first: int, found: list[int]) -> Iterator[Markup]:
    lines = text.split("\n")
    near = [i for i in range(1, len(lines) + 1) if any(abs(i - at) <= AROUND for at in found)]
    near = [i for i in near if lines[i - 1].strip() or near[0] < i < near[-1]]
    shown = dedent("\n".join(lines[i - 1] for i in near)).split("\n")
    before = near[0] - 1
    for i, line in zip(near, shown, strict=True):
        if i != before + 1:
            yield tag("span", "…", class_="between")
        mark = "✗" if i in found else " "
        said = join([tag("b", f"{mark} {first + i - 1:>4}  "), line])
        yield tag("span", said, class_="line bad" if i in found else "line")
        before = i


def marked(text: str, wrong: str, right: str) -> list[int]:
    """The lines of the text, from 1 on, that have the mistake; empty where that is not certain."""
    known, instead = statements(wrong), statements(right)
    if len(known) != 1 or len(instead) != 1:
        return []
    mistake, truth = known[0], instead[0]
    if not mistake.kind or len(mistake.does) < LEAST or not _strong(mistake.does - truth.does):
        return []
    needed = mistake.does - {"mean"}
    forbidden = (truth.does | {"mean"}) - mistake.does
    found = [each for each in statements(text)
             if each.kind == mistake.kind and needed <= each.does and not each.does & forbidden
             and len(each.does - mistake.does) <= BESIDE]
    alike = len({each.does for each in found}) == 1 and len(found) <= MOST
    return sorted({each.line for each in found}) if alike else []


def _strong(does: frozenset[str]) -> bool:
    return any(each not in WEAK and not each.startswith("axis ") for each in does)


# --- what a statement does ------------------------------------------------------------------------


def statements(text: str) -> list[Statement]:
    """Every assignment of the text; none where it is not Python."""
    try:
        tree = ast.parse(dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [each for node in ast.walk(tree) for each in _statement(node)]


def _statement(node: ast.AST) -> Iterator[Statement]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            for to, value in _pairs(target, node.value):
                yield Statement(_kind(to), frozenset(_does(value)), node.lineno)
    elif isinstance(node, ast.AugAssign):
        of = node.target.value if isinstance(node.target, ast.Subscript) else node.target
        added = "attribute " if isinstance(of, ast.Attribute) else ""
        does = {*_does(node.value), f"{added}{type(node.op).__name__}="}
        yield Statement(_kind(node.target), frozenset(does), node.lineno)
        yield from _updated(node)


def _updated(node: ast.AugAssign) -> Iterator[Statement]:
    """`b -= rate * g` says what the gradient of b is: g."""
    by = node.value
    if isinstance(node.op, ast.Sub) and isinstance(by, ast.BinOp) and isinstance(by.op, ast.Mult):
        name = _name(node.target).lower()
        kind = next((kind for kind, of in PLAIN.items() if of.fullmatch(name)), "")
        yield Statement(kind, frozenset(_does(by.right)), node.lineno)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """`a, b = c, d` is a = c and b = d."""
    if (isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _kind(target: ast.expr) -> str:
    name = _name(target).lower()
    return next((kind for kind, of in KINDS.items() if of.fullmatch(name)), "")


def _name(target: ast.expr) -> str:
    """Of self.grads["db"] "db", of self.db[i] "db"."""
    if isinstance(target, ast.Subscript):
        key = target.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
        return _name(target.value)
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _does(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        yield "negated"
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp):
            yield type(node.op).__name__
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield "T"
        elif isinstance(node, ast.Call):
            yield from _called(node)


def _called(node: ast.Call) -> Iterator[str]:
    """The function and its axis; a mean is a sum that is divided, too."""
    name = _name(node.func)
    yield from ("mean", "sum", "Div") if name == "mean" else (name,)
    if name in ALONG:
        axes: list[ast.expr] = [each for each in node.args
                                if isinstance(each, ast.Constant | ast.Tuple)]
        axes += [word.value for word in node.keywords if word.arg == "axis"]
        yield from (f"axis {ast.unparse(each)}" for each in axes)
    yield from (str(word.arg) for word in node.keywords if word.arg not in {"axis", *WITHOUT})
