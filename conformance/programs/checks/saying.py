"""What the checks say of a failure, by check and kind: made from its data, at the very end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]
Says = Callable[[str, Data], str]
LINEAR = {
    "zero": "is not 0 for a cotangent of zeros",
    "twice": "is not doubled when the cotangent is",
    "parts": "for two parts of a cotangent does not add up to that for the whole",
}
BATCH = {"permuted": "does not follow when the rows are permuted",
         "split": "of some rows changes with the other rows"}
NOTABLE = (-2.0, -1.0, 0.5, 2.0)


def _of(key: str) -> str:
    if key.startswith("output "):
        return key
    return f"the gradient of {key}" if key else "the gradient"


def factor(d: Data) -> str:
    """"twice", "-1 times": a factor as people say it, "0" for a gradient that is not there."""
    value = d["factor"]
    near = next((each for each in NOTABLE if abs(value - each) < 0.03 * abs(each)), value)
    equal = "".join(f" ({size})" for size in d.get("sizes", [])[:1])
    return {2.0: "twice", 0.5: "half of"}.get(near, f"{near:.4g}{equal} times")


def entries(box: list[tuple[int, int]]) -> str:
    """"[16:33, 0:2]"."""
    return "[" + ", ".join(f"{low}:{high}" for low, high in box) + "]"


def _line(d: Data) -> str:
    return (f"along a line its integral is {d['integral']:.6g}, and the loss changes by "
            f"{d['change']:.6g} (allowed: {d['allowed']:.2g})")


def _numbers(key: str, d: Data) -> str:
    """What is wrong with a gradient by the look of lines: nothing of it, a factor, some entries."""
    if "factor" in d and abs(d["factor"]) < 1e-3:
        return f"{_of(key)} is 0, and the loss depends on it: {_line(d)}"
    if "factor" in d:
        return f"{_of(key)} is {factor(d)} that of the program's own loss: {_line(d)}"
    where = f" in the entries {entries(d['box'])}" if "box" in d else ""
    return f"{_of(key)} is not that of the program's own loss{where}: {_line(d)}"


def _raises(what: str) -> Says:
    return lambda key, d: f"it raises {d['error']} {what.format(**d)}: {d['says']}"


def _double(key: str, d: Data) -> str:
    return f"a second backward gives another gradient of {key or 'all inputs'} than that of the " \
           f"first: {_line(d)}"


SAYS: dict[tuple[str, str], Says] = {
    ("finite", "not finite"): lambda key, d: (
        f"{_of(key)} is not finite in {d['entries']:,} of {d['of']:,} entries, and the outputs "
        "are"),
    ("twice", "numbers"): lambda key, d: (
        f"a second backward over the same forward gives other numbers for {_of(key)}"),
    ("twice", "shape"): lambda key, d: (
        f"a second backward over the same forward gives another shape for {_of(key)}"),
    ("repeated", "differs"): lambda key, d: (
        f"{_of(key)} differs from call to call by up to {d['largest']:.3g}, which is more than "
        f"rounding in another order makes ({d['allowed']:.2g})"),
    ("subsets", "numbers"): lambda key, d: (
        f"{_of(key)} is another when only {d['asked']} is asked for"),
    ("subsets", "shape"): lambda key, d: (
        f"{_of(key)} has another shape when only {d['asked']} is asked for"),
    ("subsets", "raised"): _raises("when only the gradient of {asked} is asked for"),
    ("layouts", "numbers"): lambda key, d: (
        f"{_of(key)} is another when {d['input']} lies in memory {d['layout']}"),
    ("layouts", "shape"): lambda key, d: (
        f"{_of(key)} has another shape when {d['input']} lies in memory {d['layout']}"),
    ("layouts", "raised"): _raises("when {input} lies in memory {layout}"),
    ("linear", "numbers"): lambda key, d: f"{_of(key)} {LINEAR[d['asked']]}",
    ("linear", "shape"): lambda key, d: f"{_of(key)} {LINEAR[d['asked']]}",
    ("linear", "raised"): _raises("for another cotangent"),
    ("poisoned", "numbers"): lambda key, d: (
        f"{_of(key)} depends on what memory held before: it is read before it is written"),
    ("poisoned", "raised"): _raises("where memory held something else before"),
    ("batch", "numbers"): lambda key, d: f"{_of(key)} {BATCH[d['asked']]}",
    ("batch", "shape"): lambda key, d: f"{_of(key)} {BATCH[d['asked']]}",
    ("batch", "raised"): _raises("for some of the rows, or in another order"),
    ("line_integral", "numbers"): _numbers,
    ("line_integral", "raised"): _raises("on numbers a little beside the trial's"),
    ("double_backward", "missing"): lambda key, d: (
        "double backward is claimed, and no second gradient comes"),
    ("double_backward", "raised"): _raises("in a second backward, which it claims"),
    ("double_backward", "numbers"): _double,
    ("double_backward", "unclaimed"): lambda key, d: (
        _double(key, d) + "; nothing is claimed of it: it should refuse (once_differentiable)"),
}
