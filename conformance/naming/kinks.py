"""What no right program does at a kink: a slope beyond its sides, or not one for all layers."""

from __future__ import annotations

from ..judging.tally import Failure
from ..properties import exact
from ..properties.exact import Exactness
from ..properties.slopes import LOSS, SLOPES, ByPlace
from ..record.report import Finding
from ..reference import ACTIVATIONS, Case
from .finder import Finder, Groups, telling
from .words import names, numbers


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """One finding for each kind of kink, on the smallest integer network that shows it."""
    return [_of_kind(finder, kinds, failures) for kinds, failures in groups.items()]


def _of_kind(finder: Finder, kinds: str, failures: list[Failure]) -> Finding:
    first = min(failures, key=telling)
    case = finder.reduced(first.case, lambda c: seen(finder, c) is not None, exact_only=True)
    found = seen(finder, case)
    worst = found.found if found is not None and found.found else first.disagreements
    lines = [*(said(found.slopes) if found is not None and found.slopes else []),
             *(found.chosen.values() if found is not None else []), numbers(worst[0])]
    return finder.build("slope_at_kinks", case, lines, worst[0], kinds=kinds,
                        wrong=[d.parameter for d in worst])


def seen(finder: Finder, case: Case) -> Exactness | None:
    """What an integer network says of the slopes, asked anew; None where they are right."""
    found = exact.compare(case, finder.judge.question(case), {})
    return found if found.kinds else None


def said(slopes: ByPlace) -> list[str]:
    """A line for every slope outside, and for every kind that has several."""
    lines = [f"{_slope(kind)} is {slopes.slopes[place]:g}{_where(place)}: outside {_sides(kind)}"
             for place, kind in slopes.kinds.items() if place in slopes.outside]
    for kind in slopes.apart:
        each = [f"{slopes.slopes[place]:g}{_where(place)}"
                for place, of in slopes.kinds.items() if of == kind]
        lines.append(f"{_slope(kind)} is {names(each)}: all layers have one slope")
    return lines


def _slope(kind: str) -> str:
    return f"{kind}'(0)" if kind in ACTIVATIONS else f"the slope of {kind} at its kink"


def _where(place: str) -> str:
    return "" if place == LOSS else f" in layer {place}"


def _sides(kind: str) -> str:
    return f"[{min(SLOPES[kind]):g}, {max(SLOPES[kind]):g}]"
