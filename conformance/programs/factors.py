"""What a fitted factor equals on every trial: 2, 1/N, 1/(1 - p); by the sizes and options of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from .trial import Trial

FIXED = {"0": 0.0, "-1": -1.0, "2": 2.0, "1/2": 0.5, "-2": -2.0, "3": 3.0, "1/3": 1 / 3,
         "4": 4.0, "1/4": 0.25}
FORMS: dict[str, Callable[[float], float]] = {
    "{}": lambda q: q, "1/{}": lambda q: 1 / q, "sqrt({})": math.sqrt,
    "1/sqrt({})": lambda q: 1 / math.sqrt(q), "2 {}": lambda q: 2 * q, "2/{}": lambda q: 2 / q,
    "{0}/({0} - 1)": lambda q: q / (q - 1), "({0} - 1)/{0}": lambda q: (q - 1) / q,
    "-{}": lambda q: -q, "-1/{}": lambda q: -1 / q, "1 - {}": lambda q: 1 - q,
    "1/(1 - {})": lambda q: 1 / (1 - q), "{0} (1 - {0})": lambda q: q * (1 - q),
    "{}^2": lambda q: q * q, "1/{}^2": lambda q: 1 / (q * q),
}
Check = Callable[[int, float], bool]


class Factor(NamedTuple):
    """name: what it equals ("1/N"), "" for a number only; values: on each trial."""

    name: str
    values: tuple[float, ...]


SIZE = "size "  # before a symbol's name, among the features of a trial


def symbols(trial: Trial) -> dict[str, int]:
    """The sizes of the symbols that the shapes were drawn from; none where nothing was drawn."""
    return {name.removeprefix(SIZE): int(value) for name, value in trial.features.items()
            if name.startswith(SIZE) and value.isdecimal()}


def quantities(trial: Trial, sizes: Mapping[str, int]) -> dict[str, float]:
    """The numbers of a trial that a factor may be made of, by name.

    sizes: those of the symbols; without any, the lengths of the inputs' axes.
    """
    found: dict[str, float] = {name: float(size) for name, size in (sizes or _axes(trial)).items()}
    for one, other in combinations(list(found)[:8], 2):
        found[f"({one} {other})"] = found[one] * found[other]
    for name, value in trial.options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def _axes(trial: Trial) -> dict[str, int]:
    return {f"{name}.shape[{axis}]": size for name, value in trial.inputs.items()
            if value is not None for axis, size in enumerate(value.numbers.shape)}


def _forms(known: Sequence[Mapping[str, float]]) -> Iterator[Factor]:
    names = [name for name in known[0] if all(name in each for each in known)]
    for form, of in FORMS.items():
        for name in names:
            values = tuple(_value(of, each[name]) for each in known)
            if all(map(math.isfinite, values)):
                yield Factor(form.format(name), values)


def _value(of: Callable[[float], float], q: float) -> float:
    try:
        return of(q)
    except (ArithmeticError, ValueError):
        return math.nan


def named(fitted: Mapping[int, float], known: Sequence[Mapping[str, float]],
          holds: Check) -> Factor | None:
    """What the factors equal on all trials; None where they equal nothing that holds on all.

    fitted: by the number of a trial, where the factor shows. known: each trial's quantities.
    holds: whether a trial's numbers are those of a factor. A name made of sizes is given only where
    it takes more than one value, else the number itself.
    """
    every = range(len(known))
    for name, value in FIXED.items():
        if all(_near(value, c) for c in fitted.values()) and all(holds(i, value) for i in every):
            return Factor(name, (value,) * len(known))
    middle = sorted(fitted.values())[len(fitted) // 2]
    constant = all(_near(middle, c) for c in fitted.values())
    if constant and all(holds(i, middle) for i in every):
        return Factor("", (middle,) * len(known))
    for factor in _forms(known):
        if all(_near(factor.values[i], c) for i, c in fitted.items()) and all(
                holds(i, factor.values[i]) for i in every):
            return factor
    return None


def _near(value: float, fitted: float) -> bool:
    """A first sieve; whether the numbers hold is asked after it."""
    return abs(value - fitted) <= 0.05 * max(abs(value), abs(fitted), 1.0)


def words(factor: Factor) -> str:
    """"is missing", "is multiplied by 1/N"."""
    value = factor.values[0]
    if factor.name in WORDS:
        return WORDS[factor.name]
    return f"is multiplied by {factor.name or _shown(value)}"


WORDS = {"0": "is missing", "-1": "has the wrong sign", "2": "is counted twice", "1/2": "is halved"}


# A factor that was not fitted but tried, by the detail of its mutant.
TRIED = {"": WORDS["0"], "-1": WORDS["-1"], "2": WORDS["2"], "0.5": WORDS["1/2"]}


def _shown(value: float) -> str:
    return f"{value:.4g}"


