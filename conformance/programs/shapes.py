"""Sizes of a program's inputs: symbols, what they may be, and relations between them.

    sizes={"N": (1, 300), "D": [64, 128], "E": "2 * D"}, where="D % H == 0"

A symbol that is not in `sizes` may be any whole number from 1. Sizes are drawn around powers of two
and the edges of tiles, since there kernels go wrong: 1, 2, 3, 31, 32, 33, 127, 129, 769, 2051.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..reference.checks import DescriptionError

EDGES = (1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 513, 769,
         1025, 2051)
NUMBERS = 20_000  # entries of an input: a larger one is seldom drawn
TRIES = 300
Sizes = Mapping[str, Any]
Size = int | str

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    ast.USub: operator.neg, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}
_WANTED = "wanted whole numbers, symbols and + - * // % **"


def names_in(size: Size) -> set[str]:
    """The symbols of a size or of a condition; raises DescriptionError for what is neither."""
    if isinstance(size, int):
        return set()
    return {node.id for node in ast.walk(_parsed(size)) if isinstance(node, ast.Name)}


def value_of(size: Size, known: Mapping[str, int]) -> int:
    """What a size comes to, or a condition (0 or 1)."""
    return size if isinstance(size, int) else int(_value(_parsed(size).body, known))


def _parsed(text: str) -> ast.Expression:
    try:
        return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, TypeError) as error:
        raise DescriptionError(f"size {text!r}: {_WANTED}") from error


def _value(node: ast.expr, known: Mapping[str, int]) -> Any:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=op, operand=one) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(one, known))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, known), _value(right, known))
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(each, known) for each in values)
        case ast.BoolOp(values=values):
            return any(_value(each, known) for each in values)
        case ast.Compare(left=left, comparators=rights, ops=ops) if all(
                type(op) in _OPERATORS for op in ops):
            sides = [_value(each, known) for each in (left, *rights)]
            return all(_OPERATORS[type(op)](one, other)
                       for op, one, other in zip(ops, sides, sides[1:], strict=False))
    raise DescriptionError(f"size {ast.unparse(node)!r}: {_WANTED}")


class Symbols:
    """The symbols of some shapes, and how their sizes are drawn.

    Raises DescriptionError for a size that cannot be.
    """

    def __init__(self, shapes: Iterable[Sequence[Size]], sizes: Sizes, where: str = ""):
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes, self.where = dict(sizes), where
        used = {name for shape in self.shapes for size in shape for name in names_in(size)}
        used |= names_in(where) if where else set()
        computed = {name: size for name, size in self.sizes.items() if isinstance(size, str)}
        used |= {name for size in computed.values() for name in names_in(size)}
        self.computed = computed
        self.free = {name: _choices(name, self.sizes.get(name))
                     for name in sorted(used - {*computed})}

    def drawn(self, rng: np.random.Generator) -> dict[str, int]:
        """Sizes by symbol, none of whose shapes is very large, if it can be helped.

        Raises DescriptionError where no sizes are as `where` says.
        """
        for _ in range(TRIES):
            known = self._shrunk(rng, {name: int(rng.choice(self._near(rng, choices)))
                                       for name, choices in self.free.items()})
            known = self._computed(known)
            if self._fits(known):
                return known
        raise DescriptionError(f"where={self.where!r}: no sizes of {TRIES} draws are so; say more "
                               "in sizes")

    def _near(self, rng: np.random.Generator, choices: Sequence[int]) -> Sequence[int]:
        """Small sizes as often as all."""
        small = [size for size in choices if size <= 8]
        return small if small and rng.random() < 0.5 else choices

    def _fits(self, known: Mapping[str, int]) -> bool:
        try:
            return (not self.where or bool(value_of(self.where, known))) and all(
                value_of(size, known) >= 0 for shape in self.shapes for size in shape)
        except ZeroDivisionError:
            return False

    def _computed(self, known: Mapping[str, int]) -> dict[str, int]:
        found, open_ = dict(known), dict(self.computed)
        while open_:
            ready = [name for name, size in open_.items() if names_in(size) <= found.keys()]
            if not ready:
                raise DescriptionError(f"sizes: {', '.join(open_)} depend on each other")
            for name in ready:
                found[name] = value_of(open_.pop(name), found)
        return found

    def _shrunk(self, rng: np.random.Generator, known: dict[str, int]) -> dict[str, int]:
        """The largest symbol is drawn smaller until every shape has at most NUMBERS entries."""
        known = dict(known)
        for _ in range(50):
            if max(map(self._entries(known), self.shapes), default=0) <= NUMBERS:
                break
            name = max(self.free, key=lambda each: known[each] / (1 + min(self.free[each])))
            smaller = [size for size in self.free[name] if size < known[name]]
            if not smaller:
                break
            known[name] = int(rng.choice(smaller))
        return known

    def _entries(self, known: Mapping[str, int]) -> Callable[[Sequence[Size]], int]:
        full = self._computed(known)

        def entries(shape: Sequence[Size]) -> int:
            try:
                return math.prod(max(0, value_of(size, full)) for size in shape)
            except ZeroDivisionError:
                return 0
        return entries


def _choices(name: str, size: Any) -> list[int]:
    """The sizes a symbol may have, those at edges only where it has a range."""
    if size is None:
        return list(EDGES)
    if isinstance(size, bool):
        raise _wrong(name, size)
    if isinstance(size, int):
        return [_whole(name, size)]
    if isinstance(size, list | range) and len(size):
        return [_whole(name, each) for each in size]
    if isinstance(size, tuple) and len(size) == 2 and _whole(name, size[0]) <= size[1]:
        low, high = size
        _whole(name, high)
        return sorted({low, high, *(edge for edge in EDGES if low < edge < high)})
    raise _wrong(name, size)


def _whole(name: str, size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise _wrong(name, size)
    return size


def _wrong(name: str, size: Any) -> DescriptionError:
    return DescriptionError(f"sizes: {name!r}: wanted (least, most), a list of whole numbers, one, "
                            f'or a text like "2 * D"; received {size!r}')
