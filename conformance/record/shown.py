"""On which networks a finding shows, in words: made from its data, where it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

QUESTION = "question"
SIZE = "size "
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
            "tenth", "eleventh", "twelfth")
# What a number is called, before "> 4" or "is odd".
NUMBERS: dict[str, str] = {
    "batch": "batch", "depth": "depth", "outputs": "outputs", "inputs": "inputs",
    "units": "units of the largest layer", "hidden units": "units of the largest hidden layer",
    "side": "longest side of a weight", "shorter side": "shorter side of the squarest weight",
    "rows of a weight": "inputs of the widest layer", "|x|": "largest |x|", "|z|": "largest |z|",
    "hidden |z|": "largest |z| of a hidden unit", "z": "largest z", "-z": "largest -z",
    "|weight|": "largest |weight|", "|bias|": "largest |bias|", "|target|": "largest |target|",
    "|output|": "largest |output|",
}
# "a network with ...", of a name or of a yes.
NAMED: dict[str, str] = {
    "dtype": "dtype {}", "loss": "loss {}", "reduction": "reduction {}",
    "hidden activation": "{} in a hidden layer", "output activation": "{} at the output",
    "activation": "{} in a layer", "structure": "structure {}",
    "square weight": "a square weight", "square weight or 1 x 1": "a square weight, be it 1 x 1",
    "batch as wide as a layer": "as many examples as a layer has units",
    "equal biases": "two equal entries in a bias",
    "one bias all over": "one number all over a bias",
    "equal bias vectors": "equal biases in two layers", "zero bias": "a zero in a bias",
    "no bias": "a layer without a bias", "equal rows": "two equal examples",
    "zero input": "a zero in the inputs", "zero column": "an input that is 0 in every example",
    "zero row": "an example that is 0 all over", "zero weight": "a zero in a weight",
}
# The same of what was drawn for a trial of a program; its sizes are "size N" and so on.
OF_TRIALS: dict[str, str] = {
    "values": "inputs of the kind '{}'", "layout": "{} inputs in memory",
    "cotangent": "a cotangent of the kind '{}'", "cotangent layout": "a cotangent {} in memory",
    "wanted": "gradients of {} alone", "absent": "no {}", "option": "{}", "jit": "jit {}",
}


class Entry(Protocol):
    """The worst entry of a gradient: where, got and wanted, how far off, how far it may be."""

    @property
    def parameter(self) -> str: ...
    @property
    def where(self) -> tuple[int, ...]: ...
    @property
    def got(self) -> float: ...
    @property
    def wanted(self) -> float: ...
    @property
    def error(self) -> float: ...
    @property
    def tolerance(self) -> float: ...


def at_worst(d: Entry) -> str:
    """"0.bias[0]: got 0.5, wanted 1 (error 0.5, tolerance 7.8e-15)"."""
    at = "[" + ", ".join(map(str, d.where)) + "]" if d.where else ""
    return (f"{d.parameter}{at}: got {d.got:.9g}, wanted {d.wanted:.9g} "
            f"(error {d.error:.2g}, tolerance {d.tolerance:.2g})")


def shown(networks: Sequence[int], when: Mapping[str, Any], of: str = "networks") -> list[str]:
    """"in 41 of 300 networks"; where there is a condition, that, with the counts on its sides."""
    if when and when["trait"] == QUESTION:
        (failed, held), (_, others) = when["inside"], when["outside"]
        return [f"only {turn(when)}: in {failed} of {held} such answers, "
                f"in 0 of {others} others"]
    if when:
        (failed, held), (_, others) = when["inside"], when["outside"]
        return [f"only {condition(when)}: in {failed} of {held} such {of}, "
                f"in 0 of {others} others"]
    return [f"in {networks[0]} of {networks[1]} {of}"] if networks and networks[0] else []


def turn(when: Mapping[str, Any]) -> str:
    """"from the third question on", "at the third question"."""
    number, nearest = when["value"], when["nearest"]
    which = f"the {ORDINALS[number - 1]} question" if number <= len(ORDINALS) else (
        f"question {number}")
    if when["relation"] == "=":
        return f"at {which}"
    gap = nearest is not None and number - nearest > 1
    return f"from {which} on" + (f" (right up to question {nearest})" if gap else "")


def condition(when: Mapping[str, Any]) -> str:
    """"where batch > 4", "with tanh in a hidden layer", "without a square weight"."""
    trait, relation, value = when["trait"], when["relation"], when["value"]
    named = NAMED.get(trait) or OF_TRIALS.get(trait)
    if named:
        what = named.format(value)
        return f"with{'out' * (relation in ('lacks', 'holds not'))} {what}"
    number = trait.removeprefix(SIZE) if trait.startswith(SIZE) else NUMBERS[trait]
    return f"where {number} {_relation(relation, value, when['nearest'])}"


def _relation(relation: str, value: Any, nearest: float | None) -> str:
    """"> 4", or ">= 8 (right up to 4)" where nothing is known of what lies between."""
    if relation not in (">=", "<="):
        stands = "" if relation == "=" else "is "
        return f"{stands}{relation}{'' if value is None else f' {value}'}"
    strict = ">" if relation == ">=" else "<"
    if nearest is None:
        return f"{relation} {value:.6g}"
    if type(value) is int:
        known = f" (right {'up to' if strict == '>' else 'from'} {nearest})"
        return f"{strict} {nearest}" if abs(value - nearest) == 1 else f"{relation} {value}{known}"
    return f"{strict} {simplest(nearest, value):.6g} (right at {nearest:.4g}, wrong at {value:.4g})"


def simplest(passed: float, failed: float) -> float:
    """The number of fewest digits from what passed up to what failed."""
    low, high = sorted((passed, failed))
    for digits in range(1, 17):
        middle = float(f"{(low + high) / 2:.{digits}g}")
        if low <= middle <= high:
            return middle
    return passed
