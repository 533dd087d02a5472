"""Wrong gradients: which mistake each of them is, and what is left for another one.

The group of failures with the most kinds of wrong parameter is looked at first. Where nothing known
matches it, the next ones are tried, since two mistakes in one gradient match nothing while one of
them may show by itself. What the mistakes named so far account for is taken off, and the rest is
looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..faults import FAULTS
from ..judging.confirming import kinds_of
from ..judging.tally import Failure, Row
from ..record.report import Finding
from ..reference import Case
from .finder import Finder, Groups, Shown, telling
from .looking import Losses, Size
from .matching import explained
from .symptoms import Kind, Symptom
from .words import here, names, numbers, sentence, sides

MOST = 4
GROUPS = 3
STATELESS = {name: fault for name, fault in FAULTS.items() if fault.family != "state"}


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """The largest set of kinds first, then whatever the mistakes named so far do not explain."""
    left = sorted((failure for failures in groups.values() for failure in failures),
                  key=lambda failure: (-len(failure.kind.split(",")), telling(failure)))
    found: list[Finding] = []
    while left and len(found) < MOST:
        known = [finding.faults[0] for finding in found if finding.faults]
        finding = likeliest(finder, left, known)
        if not any(finding.faults and finding.faults[0] in other.faults for other in found):
            found.append(finding)
        left = unexplained(finder, left, finding, known)
    return found


def unexplained(finder: Finder, left: list[Failure], finding: Finding,
                known: list[str]) -> list[Failure]:
    """The failures that the mistakes named so far do not account for.

    Without a name, those of other kinds.
    """
    if not finding.faults:
        kinds = set(finding.kinds.split(","))
        return [failure for failure in left[1:] if not set(failure.kind.split(",")) <= kinds]
    named = [*known, finding.faults[0]]
    return [failure for failure in left[1:]
            if not explained(finder.witnessed(failure.case), named)]


def likeliest(finder: Finder, failures: list[Failure], known: list[str]) -> Finding:
    """The finding of the group with most wrong kinds; if nothing matches it, of one of the next two
    that has a name.
    """
    kinds = list(dict.fromkeys(failure.kind for failure in failures))[:GROUPS]
    first = of_group(finder, failures, known)
    others = (of_group(finder, [f for f in failures if f.kind == kind], known)
              for kind in (kinds[1:] if not first.faults else []))
    return next((finding for finding in others if finding.faults), first)


def of_group(finder: Finder, failures: list[Failure], known: list[str]) -> Finding:
    """One wrong gradient: which parameters, how far off, what the loss says, which mistake."""
    fresh = something_else(finder, failures, known)
    first = next(failure for failure in failures if fresh(failure.case))
    looking = finder.looking

    def fails(case: Case) -> bool:
        return kinds_of(looking.wrong(case)) == first.kind and fresh(case)

    case = finder.reduced(first.case, fails, first.property == "exact_integers")
    found = looking.wrong(case) or list(first.disagreements)
    worst = max(found, key=lambda d: d.error / d.tolerance if d.tolerance else np.inf)
    wrong = [d.parameter for d in found]
    right, size = looking.right(case, wrong), looking.size(case, wrong, failures)
    faults = finder.diagnosed([case, *(f.case for f in failures)], known, STATELESS)
    finder.loss_was_said |= looking.loss_wrong(case) is not None
    lines = [headline(wrong, size), sides(wrong, right), numbers(worst),
             *about_loss(looking.losses(case), finder.wrong_loss),
             first.message if first.loses_digits else "", *only_in(finder, failures),
             *([] if faults else map(sentence, besides(looking.symptoms(case), size)))]
    direct = first.property in ("reference", "exact_integers")
    return finder.build(first.property if direct else "reference", case, lines, worst, faults,
                        kinds=first.kind, wrong=wrong, right=right, size=size,
                        on=shown(finder, failures, set(first.kind.split(",")), known, fresh))


def shown(finder: Finder, failures: list[Failure], kinds: set[str], known: list[str],
          fresh: Callable[[Case], bool]) -> Shown:
    """On which networks gradients of these kinds are wrong beyond the mistakes named already."""
    def failed(row: Row) -> bool | None:
        mine = any(of == "value" and kinds & set(kind.split(",")) for of, kind in row.broken)
        return None if mine and known and not fresh(row.case) else mine

    def fails(case: Case) -> bool | None:
        wrong = kinds & set(kinds_of(finder.looking.wrong(case)).split(","))
        return None if wrong and known and not fresh(case) else bool(wrong)

    return finder.shown(failed, fails, [f for f in failures if kinds & set(f.kind.split(","))])


def something_else(finder: Finder, failures: list[Failure],
                   known: list[str]) -> Callable[[Case], bool]:
    """What tells a case that shows more than the mistakes named: that none of them shows there, or
    else that they account for some of it and not for all.
    """
    def untouched(case: Case) -> bool:
        seen = finder.witnessed(case)
        return not any(seen.shows(FAULTS[name]) for name in known)

    def has_more(case: Case) -> bool:
        seen = finder.witnessed(case, known)
        return bool(seen.accounted) and not seen.right

    for fresh in (untouched, has_more) if known else ():
        if any(fresh(failure.case) for failure in failures):
            return fresh
    return lambda case: True


# --- the words ------------------------------------------------------------------------------------


def headline(wrong: list[str], size: Size) -> str:
    """The ratio with its name where there is one; else that the gradient is wrong."""
    whose = f"the gradient of {names(wrong)}"
    if not size.finite:
        return f"{whose} is not finite"
    if size.ratio is None:
        return f"{whose} is wrong"
    if abs(size.ratio - 1) < 1e-6:
        return f"{whose} is slightly wrong"
    if abs(size.ratio) < 1e-12:
        return f"{whose} is 0 where it should not be"
    if not size.equals:
        return f"{whose} is wrong"
    whose = "the gradient" if size.everything else whose
    what = "the gradient of its own loss" if size.of_own_loss else "what it should be"
    return f"{whose} is {size.equals} times {what}{here(size.equals, size.ratio)}"


def about_loss(losses: Losses | None, elsewhere: bool) -> list[str]:
    """The row of the table of two losses in words; elsewhere: the loss is wrong on some network."""
    if losses is None:
        return []
    if not losses.checkable:
        return ["the loss is not checkable here: it is clipped"]
    if losses.wrong is None:
        but = " here, but not on other networks" if elsewhere else ""
        return [f"the loss reported is the declared one{but}"]
    if losses.both is not None:
        return [f"loss and gradient are both {losses.both:.6g} times the declared ones: "
                "claim that reduction or scale"]
    return [f"the loss reported is {losses.wrong.got:.9g}, the declared one "
            f"{losses.wrong.wanted:.9g}"]


def only_in(finder: Finder, failures: list[Failure]) -> list[str]:
    """Said where the subject claims several dtypes, and is wrong in one."""
    dtypes = {failure.case.dtype for failure in failures}
    right = sorted({*finder.judge.claims.dtypes} - dtypes)
    return [f"in {' and '.join(right)} it is right"] if right and len(failures) > 3 else []


def besides(symptoms: list[Symptom], size: Size) -> list[Symptom]:
    """The symptoms, less a ratio that the headline has told."""
    told = bool(size.equals)
    return [symptom for symptom in symptoms if not (told and symptom.kind is Kind.RATIOS)]
