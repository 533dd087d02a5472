"""Two arrays that should be one gradient: are they, and if not, what is the difference?

Nothing is known but the arrays: no network, no tolerance computed from it. So equal means what
their coarser dtype allows a few hundred roundings, relative to the largest entry. A difference is
looked for in the order of KINDS_OF_SHAPE, where the shapes differ, and of DIFFERENCES, where they
are the same: the first row that gives the numbers of `mine` from those of `theirs` is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from ..plug.contract import SHAPES, BrokenContract, Read
from ..record.written import written
from ..reference.checks import DescriptionError
from .ratios import factor
from .symptoms import PRECISIONS

Array = Any
ROUNDINGS = 300          # of the largest entry: what two right programs may differ by
MOST = 1_000_000         # entries: above, no order of the entries is tried
SHIFTS = 64              # along an axis
KEPT = {"float64": 16.0, **PRECISIONS}
UNIT = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


class Kind(Enum):
    """What two arrays are to each other; the value says it in words."""

    EXACT = "exactly equal"
    ROUNDING = "equal up to rounding"
    DIGITS = "digits are lost"
    NOT_FINITE = "not finite"
    UNSUMMED = "not summed over an axis"
    SUMMED_TOO = "summed over an axis too many"
    WRONG_AXIS = "summed over the wrong axis"
    TRANSPOSED = "transposed"
    RESHAPED = "the same numbers in another shape"
    SHAPE = "another shape"
    ZERO = "zero"
    SIGN = "the sign is wrong"
    FACTOR = "a constant times what it should be"
    SHIFTED = "shifted along an axis"
    REVERSED = "reversed along an axis"
    REORDERED = "the same numbers in another order"
    OFFSET = "the same number is added to every entry"
    ONE_SLICE = "wrong in one row or column alone"
    SOME = "wrong in some entries alone"
    DIFFERENT = "different"


RIGHT = (Kind.EXACT, Kind.ROUNDING)


@dataclass(frozen=True)
class Comparison:
    """What `cmp` found.

    kind: the difference. digits: how many decimal digits agree at the worst entry, relative to the
    largest one; `allowed`: how many the coarser dtype keeps. largest: the largest difference, at
    `where`, with the numbers `got` (mine) and `wanted` (theirs). factor: mine over theirs, where
    that is one number; equals: what it is ("1/N", "3", "1/8"). axis, index: the axis, the row,
    column or shift. wrong: how many of `entries` differ. shapes: mine, theirs. reason: why the
    shape may differ.
    """

    name: str
    kind: Kind
    dtype: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    digits: float = float("nan")
    allowed: float = float("nan")
    largest: float = float("nan")
    where: tuple[int, ...] = ()
    got: float = float("nan")
    wanted: float = float("nan")
    factor: float | None = None
    equals: str = ""
    axis: int | None = None
    index: int | None = None
    wrong: int = 0
    entries: int = 0
    reason: str = ""

    @property
    def exact(self) -> bool:
        """Whether every entry is the same number."""
        return self.kind is Kind.EXACT

    @property
    def right(self) -> bool:
        """Whether they are equal, rounding apart."""
        return self.kind in RIGHT

    @property
    def line(self) -> str:
        """It in one line: the name, a mark, what is so."""
        return f"{self.name}: {'ok' if self.right else 'WRONG'}, {WORDS[self.kind](self)}"

    def __repr__(self) -> str:
        return "\n".join([self.line, *(f"  {line}" for line in self._worst())])

    def _worst(self) -> Iterator[str]:
        if self.where and not self.right:
            at = ", ".join(map(str, self.where))
            yield (f"worst at [{at}]: mine {self.got:.9g}, theirs {self.wanted:.9g}; "
                   f"{self.wrong:,} of {self.entries:,} entries differ")

    def _repr_html_(self) -> str:
        """A small card for the output of a cell."""
        from ..renderings.card import framed
        from ..renderings.page.markup import code, tag

        mark, style = ("✓", "conforms") if self.right else ("✗", "does_not_conform")
        says = WORDS[self.kind](self)
        top = tag("p", tag("span", f"{mark} {says}"), " ", code(self.name), class_="top small")
        return framed(tag("div", top, *(tag("p", code(line)) for line in self._worst()),
                          class_=style))


# --- the words ------------------------------------------------------------------------------------


def _agreement(c: Comparison) -> str:
    return f"agrees to {c.digits:.1f} digits; {c.dtype} keeps {c.allowed:.1f}"


def _lost(c: Comparison) -> str:
    like = [name for name, kept in PRECISIONS.items() if abs(kept - c.digits) < 0.8]
    about = f", about as many as {like[0]} keeps: is something in it {like[0]}?" if like else ""
    return f"{_agreement(c)}{about}"


def _times(c: Comparison) -> str:
    k = written(c.factor or 0.0)
    equals = f" = {c.equals}" if c.equals and c.equals != k else ""
    return f"{k}{equals} times what it should be"


def _shapes(c: Comparison) -> str:
    return f"mine is of shape {c.shapes[0]}, theirs of {c.shapes[1]}"


def _slice(c: Comparison) -> str:
    what = {(2, 0): "row", (2, 1): "column"}.get((len(c.shapes[1]), c.axis or 0))
    return f"in {what} {c.index}" if what else f"at index {c.index} of axis {c.axis}"


WORDS: dict[Kind, Callable[[Comparison], str]] = {
    Kind.EXACT: lambda c: "exactly equal",
    Kind.ROUNDING: _agreement,
    Kind.DIGITS: _lost,
    Kind.NOT_FINITE: lambda c: f"{c.wrong:,} of {c.entries:,} entries are NaN or infinite in mine",
    Kind.UNSUMMED: lambda c: f"not summed over axis {c.axis}: {_shapes(c)}",
    Kind.SUMMED_TOO: lambda c: f"summed over axis {c.axis} too: {_shapes(c)}",
    Kind.WRONG_AXIS: lambda c: "consistent with a sum over the wrong axis: "
                     + ("both add up to the same number" if c.shapes[0] == c.shapes[1]
                        else _shapes(c)),
    Kind.TRANSPOSED: lambda c: "transposed",
    Kind.RESHAPED: lambda c: f"the right numbers, but {_shapes(c)}",
    Kind.SHAPE: lambda c: _shapes(c) + (f": {c.reason}?" if c.reason else ""),
    Kind.ZERO: lambda c: "mine is zero everywhere",
    Kind.SIGN: lambda c: "the sign is wrong",
    Kind.FACTOR: _times,
    Kind.SHIFTED: lambda c: f"shifted by {c.index} along axis {c.axis}",
    Kind.REVERSED: lambda c: f"reversed along axis {c.axis}",
    Kind.REORDERED: lambda c: "the right numbers in another order",
    Kind.OFFSET: lambda c: f"{c.largest:.9g} off in every entry alike",
    Kind.ONE_SLICE: lambda c: f"wrong only {_slice(c)}",
    Kind.SOME: lambda c: f"wrong in {c.wrong:,} of {c.entries:,} entries, the others agree",
    Kind.DIFFERENT: lambda c: f"different: {max(c.digits, 0.0):.1f} digits agree",
}


# --- two arrays -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Two:
    """Both arrays, the size below which a difference is rounding, and N where it is known."""

    mine: Array
    theirs: Array
    room: float
    rows: int | None

    def same(self, mine: Array, theirs: Array) -> bool:
        """Whether two arrays are one, rounding apart."""
        with np.errstate(all="ignore"):
            return mine.shape == theirs.shape and bool(np.all(abs(mine - theirs) <= self.room))

    @property
    def off(self) -> Array:
        """Which entries differ by more than rounding; NaN does."""
        with np.errstate(all="ignore"):
            return ~(abs(self.mine - self.theirs) <= self.room)


Told = dict[str, Any]
Tell = Callable[[Two], "Told | None"]


def compared(name: str, mine: Any, theirs: Any, rows: int | None = None) -> Comparison:
    """The comparison of two arrays, lists or tensors; rows: the batch size, where it is known.

    Raises DescriptionError, in one line, for what is no array of numbers.
    """
    (a, dtype_a), (b, dtype_b) = read(name, "mine", mine), read(name, "theirs", theirs)
    dtype = max(dtype_a, dtype_b, key=UNIT.__getitem__)
    size = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
    two = Two(a, b, ROUNDINGS * UNIT[dtype] * size, rows)
    plain = Comparison(name, Kind.DIFFERENT, dtype, (a.shape, b.shape), allowed=KEPT[dtype],
                       entries=b.size)
    if a.shape != b.shape:
        return _first(plain, two, KINDS_OF_SHAPE)
    return _first(_measured(plain, two, size), two, DIFFERENCES)


def read(name: str, which: str, value: Any) -> tuple[Array, str]:
    """An array of float64 and the dtype it came in; of tensors with history, their numbers."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        dtype = str(value.dtype).rpartition(".")[2]
        value = (value.double() if dtype in UNIT else value).numpy()
    else:
        dtype = str(getattr(value, "dtype", ""))
        value = np.asarray(value, "float64") if dtype in UNIT else value
    try:
        array = Read(f"cmp({name!r}): {which}", np.dtype("float32")).array(value)
    except BrokenContract as error:
        raise DescriptionError(error.message) from error
    return array.astype(np.float64), dtype if dtype in UNIT else "float64"


def _measured(plain: Comparison, two: Two, size: float) -> Comparison:
    """With the worst entry, and how many digits agree there."""
    if not two.theirs.size:
        return plain
    with np.errstate(all="ignore"):
        apart = abs(two.mine - two.theirs)
    known = np.where(np.isnan(apart), np.inf, apart)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(known)), known.shape))
    largest = float(known[at])
    share = largest / size if size else (np.inf if largest else 0.0)
    digits = KEPT["float64"] if not share else float(-np.log10(share)) if share < np.inf else 0.0
    return replace(plain, digits=min(digits, plain.allowed), largest=largest, where=at,
                   got=float(two.mine[at]), wanted=float(two.theirs[at]),
                   wrong=int(two.off.sum()))


def _first(plain: Comparison, two: Two, rows: dict[Kind, Tell]) -> Comparison:
    for kind, tell in rows.items():
        if (told := tell(two)) is not None:
            return replace(plain, kind=kind, **told)
    return plain


# --- where the shapes differ ----------------------------------------------------------------------


def _unsummed(two: Two) -> Told | None:
    for axis in range(two.mine.ndim):
        if two.same(two.mine.sum(axis=axis), two.theirs):
            return {"axis": axis} if two.mine.shape[axis] > 1 else None
    return None


def _summed_too(two: Two) -> Told | None:
    for axis in range(two.theirs.ndim):
        for keep in (False, True):
            if two.theirs.shape[axis] > 1 and two.same(
                    two.mine, two.theirs.sum(axis=axis, keepdims=keep)):
                return {"axis": axis}
    return None


def _reshaped(two: Two) -> Told | None:
    alike = two.mine.size == two.theirs.size and two.same(two.mine.ravel(), two.theirs.ravel())
    return {"reason": _why(two)} if alike else None


def _another_axis(two: Two) -> Told | None:
    """As many sums as there are rows, which add up to the same number."""
    mine = two.mine.reshape(-1)
    rows = two.rows is not None and mine.shape == (two.rows,)
    vectors = max(two.mine.shape, default=1) == mine.size
    return {} if vectors and (rows or _adds_up(two)) else None


def _adds_up(two: Two) -> bool:
    room = two.room * max(two.mine.size, two.theirs.size)
    whole = float(two.theirs.sum())
    return bool(abs(float(two.mine.sum()) - whole) <= room < abs(whole))


def _why(two: Two) -> str:
    """What the shapes alone say, of the table that the contract has."""
    shapes = two.mine.shape, two.theirs.shape, two.rows or 0
    return " or ".join(says for is_so, says in SHAPES if is_so(*shapes))


def _yes(found: bool) -> Told | None:
    return {} if found else None


KINDS_OF_SHAPE: dict[Kind, Tell] = {
    Kind.NOT_FINITE: lambda two: _not_finite(two),
    Kind.TRANSPOSED: lambda two: _yes(two.mine.ndim > 1 and two.same(two.mine.T, two.theirs)),
    Kind.RESHAPED: _reshaped,
    Kind.UNSUMMED: _unsummed,
    Kind.SUMMED_TOO: _summed_too,
    Kind.WRONG_AXIS: _another_axis,
    Kind.SHAPE: lambda two: {"reason": _why(two)},
}


# --- where they are the same ----------------------------------------------------------------------


def _not_finite(two: Two) -> Told | None:
    odd = ~np.isfinite(two.mine)
    if not odd.any() or (odd.shape == two.theirs.shape and not np.isfinite(two.theirs[odd]).any()):
        return None
    return {"wrong": int(odd.sum()), "entries": two.mine.size}


def _rounding(two: Two) -> Told | None:
    return _yes(not two.off.any())


def _factor(two: Two) -> Told | None:
    """k with mine = k theirs, and what k is: of N, where that is known, else a whole number."""
    k = factor(two.mine.ravel(), two.theirs.ravel())
    room = replace(two, room=two.room * (1 + abs(k or 0)))
    if not k or not room.same(two.mine, k * two.theirs):
        return None
    equals = _equals(k, two.rows)
    alone = two.theirs.size == 1  # any number is some number times another one
    return None if alone and not equals else {"factor": k, "equals": equals}


def _equals(k: float, rows: int | None) -> str:
    """"N", "1/N", "-2/N"; "3", "1/8"; "" where it is none of them."""
    named = {"N": rows, "1/N": 1 / rows, "2/N": 2 / rows, "2 N": 2 * rows,
             "N/2": rows / 2} if rows and rows > 2 else {}
    sign = "-" if k < 0 else ""
    near = [name for name, value in named.items() if abs(abs(k) - value) <= 1e-6 * value]
    if near:
        return f"{sign}{near[0]}"
    for before, value in (("", abs(k)), ("1/", 1 / abs(k))):
        if abs(value - round(value)) <= 1e-6 * value and value < 1e6:
            return f"{sign}{before}{round(value)}"
    return ""


def _sign(two: Two) -> Told | None:
    return {"factor": -1.0, "equals": "-1"} if two.same(two.mine, -two.theirs) else None


def _shifted(two: Two) -> Told | None:
    for axis, size in enumerate(two.theirs.shape if two.theirs.size <= MOST else ()):
        for by in range(1, min(size, SHIFTS)):
            if two.same(two.mine, np.roll(two.theirs, by, axis)):
                return {"axis": axis, "index": by if 2 * by <= size else by - size}
    return None


def _reversed(two: Two) -> Told | None:
    every = (axis for axis, size in enumerate(two.theirs.shape) if size > 2)
    return next(({"axis": axis} for axis in every
                 if two.same(two.mine, np.flip(two.theirs, axis))), None)


def _reordered(two: Two) -> Told | None:
    few = 1 < two.theirs.size <= MOST
    return _yes(few and two.same(np.sort(two.mine, axis=None), np.sort(two.theirs, axis=None)))


def _offset(two: Two) -> Told | None:
    by = float(np.median(two.mine - two.theirs)) if two.theirs.size > 1 else 0.0
    return _yes(bool(by) and two.same(two.mine - by, two.theirs))


def _slice_alone(two: Two) -> Told | None:
    off = two.off
    for axis, size in enumerate(off.shape if off.ndim > 1 else ()):
        bad = np.flatnonzero(off.any(axis=tuple(i for i in range(off.ndim) if i != axis)))
        if size > 2 and len(bad) == 1 and off.sum() > 1:
            return {"axis": axis, "index": int(bad[0])}
    return None


def _digits(two: Two) -> Told | None:
    """Every entry is near, though not as near as rounding would have it."""
    near = replace(two, room=1e-2 * float(np.abs(two.theirs).max(initial=0.0)) or -1.0)
    return _yes(near.same(two.mine, two.theirs) and bool(two.off.mean() > 0.5))


DIFFERENCES: dict[Kind, Tell] = {
    Kind.EXACT: lambda two: _yes(np.array_equal(two.mine, two.theirs, equal_nan=True)),
    Kind.NOT_FINITE: _not_finite,
    Kind.ROUNDING: _rounding,
    Kind.ZERO: lambda two: _yes(not two.mine.any()),
    Kind.TRANSPOSED: lambda two: _yes(two.mine.ndim == 2 and two.same(two.mine.T, two.theirs)),
    Kind.SIGN: _sign,
    Kind.FACTOR: _factor,
    Kind.REVERSED: _reversed,
    Kind.SHIFTED: _shifted,
    Kind.REORDERED: _reordered,
    Kind.OFFSET: _offset,
    Kind.ONE_SLICE: _slice_alone,
    Kind.DIGITS: _digits,
    Kind.SOME: lambda two: _yes(bool(two.off.mean() <= 0.5)),
    Kind.WRONG_AXIS: lambda two: _yes(max(two.mine.shape, default=0) == two.mine.size > 1
                                      and _adds_up(two)),
}
