"""What failed, in words: made from a failure's data, at the very end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..record.shown import at_worst
from .checks.saying import SAYS as CHECKED
from .judged import Failure
from .trial import Line

Data = Mapping[str, Any]


def of_key(key: str) -> str:
    """"the gradient of x", or "the output"."""
    if key.startswith("output "):
        number = key.removeprefix("output ")
        return "the output" if number == "0" else f"output {number}"
    return f"the gradient of {key}"


def where(line: Line) -> str:
    """"kernels.py:12" of a line of a plain form."""
    return f"{Path(line.file).name}:{line.number}"


def _list(shape: Any) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


# By check and kind: what is said of the key, with the data.
SAYS: dict[tuple[str, str], Callable[[str, Data], str]] = {
    ("contract", "count"): lambda key, d: (
        f"it returns {d['got']} outputs, the plain form {d['wanted']}"),
    ("contract", "missing"): lambda key, d: (
        f"{of_key(key)} is None, and it is not 0 in truth"),
    ("contract", "shape"): lambda key, d: (
        f"{of_key(key)} has the shape {_list(d['got'])}; wanted {_list(d['wanted'])}"),
    ("contract", "dtype"): lambda key, d: (
        f"{of_key(key)} is of dtype {d['got']}; wanted {d['wanted']}"),
    ("untouched", "changed"): lambda key, d: f"the call changes {key}, which it was only given",
    ("repeated", "differs"): lambda key, d: (
        f"{of_key(key)} differs from call to call, by up to {d['largest']:.3g} in {d['calls']} "
        "calls: a race, or memory that was never written; where that is meant, claim "
        "deterministic=False"),
    ("twice", "numbers"): lambda key, d: (
        f"a second backward over the same forward gives other numbers for {of_key(key)}"),
    ("plain", "numbers"): lambda key, d: (
        f"{of_key(key)} is not that of the plain form: {d['entries']:,} of {d['of']:,} entries "
        "are further off than their tolerance"),
}


def says(failure: Failure) -> str:
    """What is wrong, in one line."""
    if failure.check == "answers":
        return f"it raises {failure.kind}: {failure.data['error']}".removesuffix(": ")
    row = SAYS.get((failure.check, failure.kind)) or CHECKED.get((failure.check, failure.kind))
    if row is None:
        told = failure.data.get("says")
        return str(told) if told else f"{failure.check}: {failure.kind} ({of_key(failure.key)})"
    return row(failure.key, failure.data)


def at(failure: Failure) -> list[str]:
    """The worst entry, where there is one, and what the trial was like."""
    trial = failure.trial
    shapes = ", ".join(f"{name} {'None' if v is None else _list(v.numbers.shape)}"
                       for name, v in trial.inputs.items())
    options = "".join(f", {name}={value}" for name, value in trial.options.items())
    lines = [] if failure.worst is None else [at_worst(failure.worst)]
    return [*lines, f"{trial.dtype}: {shapes}{options}"]
