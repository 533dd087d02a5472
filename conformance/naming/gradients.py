"""Wrong gradients: which mistake each of them is, and what is left for another one.

The group of failures with the most kinds of wrong parameter is looked at first. Where nothing known
matches it, the next ones are tried, since two mistakes in one gradient match nothing while one of
them may show by itself; then networks on which less is wrong, then two mistakes in one program.
What the mistakes named so far account for is taken off, and the rest is looked at again. At the end
every name is held against all that was seen: one that a network speaks against is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..faults import STATELESS
from ..faults.core import Faults
from ..judging.clock import TimeIsUp
from ..judging.confirming import kinds_of
from ..judging.tally import Failure, Row
from ..properties.agreement import Disagreement
from ..record.report import Finding
from ..reference import Case
from .finder import NONE, UNCOUNTED, Finder, Groups, Shown, telling
from .looking import Losses, Size
from .matching import contradicts, explained
from .symptoms import Kind, Symptom
from .traits import Traits
from .updating import depends_on_rate
from .words import here, names, numbers, sentence, sides

MOST = 4
GROUPS = 4


class Draft(NamedTuple):
    """A finding before its words: the failures it is about, the reduced case, what is wrong there.

    `named`: the known mistakes it is consistent with, the likeliest first. `on`: on which networks
    it shows.
    """

    failures: list[Failure]
    first: Failure
    case: Case
    found: list[Disagreement]
    named: Faults
    on: Shown = UNCOUNTED

    @property
    def kinds(self) -> str:
        """"bias,weight": the kinds of parameter that are wrong."""
        return kinds_of(self.found)

    @property
    def likeliest(self) -> Faults:
        """The likeliest known mistake, none where none matches."""
        return dict(list(self.named.items())[:1])


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """The largest set of kinds first, then whatever the mistakes named so far do not explain."""
    every = sorted((failure for failures in groups.values() for failure in failures),
                   key=lambda failure: (-len(failure.kind.split(",")), telling(failure)))
    drafts = held(finder, searched(finder, every), every)
    drafts = [draft._replace(on=shown(finder, draft, drafts)) for draft in drafts]
    drafts = [draft if draft.named else under_condition(finder, draft) for draft in drafts]
    finder.known = known_in(drafts)
    return [told(finder, draft) for draft in drafts]


def searched(finder: Finder, every: list[Failure]) -> list[Draft]:
    """The drafts that there is time for, one at least."""
    left, drafts = every, list[Draft]()
    try:
        while left and len(drafts) < MOST and not (drafts and finder.late):
            new = likeliest(finder, left, known_in(drafts))
            drafts += new
            left = unexplained(finder, left, new, known_in(drafts))
    except TimeIsUp:
        drafts = drafts or [as_seen(every, every[0])]
    return drafts


def as_seen(failures: list[Failure], first: Failure) -> Draft:
    """The draft of a failure about which nothing more is asked."""
    return Draft(failures, first, first.case, list(first.disagreements), {})


def held(finder: Finder, drafts: list[Draft], every: list[Failure]) -> list[Draft]:
    """The drafts, each name held against all that was seen; without names where time is short."""
    try:
        return needed(finder, borne_out(finder, drafts, every), every)
    except TimeIsUp:
        return [draft._replace(named={}) for draft in drafts]


def told(finder: Finder, draft: Draft) -> Finding:
    """The finding of a draft, in fewer words where there is no time to ask for more."""
    try:
        return built(finder, draft)
    except TimeIsUp:
        return unasked(finder, draft)


def known_in(drafts: Sequence[Draft]) -> Faults:
    """The mistakes named in some drafts."""
    return {name: fault for draft in drafts for name, fault in draft.likeliest.items()}


def unexplained(finder: Finder, left: list[Failure], new: list[Draft],
                known: Faults) -> list[Failure]:
    """The failures that the mistakes named so far do not account for.

    Without a name, those of other kinds.
    """
    if not all(draft.named for draft in new):
        kinds = {kind for draft in new for kind in draft.kinds.split(",")}
        return [failure for failure in left[1:] if not set(failure.kind.split(",")) <= kinds]
    return [failure for failure in left[1:]
            if not explained(finder.witnessed(failure.case, known.values()), known)]


# --- one draft ------------------------------------------------------------------------------------


def likeliest(finder: Finder, failures: list[Failure], known: Faults) -> list[Draft]:
    """The group with most wrong kinds.

    If nothing matches it, another group that has a name, a network with less wrong on it, or the
    two mistakes that are in it together.
    """
    kinds = list(dict.fromkeys(failure.kind for failure in failures))
    first = drafted(finder, failures, known)
    if first.named:
        return [first]
    for kind in sorted(kinds[1:], key=lambda kind: len(kind.split(",")))[:GROUPS]:
        if finder.late:
            return [first]
        other = drafted(finder, [f for f in failures if f.kind == kind], known)
        if other.named:
            return [other]
    less = first if finder.late else drafted(finder, failures, known, whatever=True)
    return [less] if less.named or finder.late else in_two(finder, first, known)


def drafted(finder: Finder, failures: list[Failure], known: Faults,
            whatever: bool = False) -> Draft:
    """One wrong gradient on the smallest network that shows it, and which mistake it is.

    `whatever`: reduced to the smallest network on which anything is wrong.
    """
    fresh = something_else(finder, failures, known)
    first = next(failure for failure in failures if fresh(failure.case))

    def fails(case: Case) -> bool:
        kinds = kinds_of(finder.looking.wrong(case))
        return bool(kinds) and (whatever or kinds == first.kind) and fresh(case)

    case = finder.reduced(first.case, fails, first.property == "exact_integers")
    try:
        found = finder.looking.wrong(case) or list(first.disagreements)
    except TimeIsUp:
        return as_seen(failures, first)
    named = finder.diagnosed([case, *(f.case for f in failures)], known, STATELESS)
    return Draft(failures, first, case, found, named)


def in_two(finder: Finder, first: Draft, known: Faults) -> list[Draft]:
    """The draft as the two that it is, where two known mistakes together account for it."""
    asked = [first.case, *(failure.case for failure in first.failures)]
    two = finder.paired(asked, known, STATELESS)
    seen = finder.witnessed(first.case)
    changed = {name: seen.changed(fault) for name, fault in two.items()}
    return [first._replace(named={name: fault}, found=_among(first.found, changed[name]))
            for name, fault in two.items()] or [first]


def _among(found: list[Disagreement], names: set[str]) -> list[Disagreement]:
    return [each for each in found if each.parameter in names] or found


def something_else(finder: Finder, failures: list[Failure],
                   known: Faults) -> Callable[[Case], bool]:
    """What tells a case that shows more than the mistakes named: that none of them shows there, or
    else that they do not account for all of it.
    """
    def untouched(case: Case) -> bool:
        return not finder.witnessed(case).shows(*known.values())

    def has_more(case: Case) -> bool:
        return not finder.witnessed(case, known.values()).right

    for fresh in (untouched, has_more) if known else ():
        if any(fresh(failure.case) for failure in failures):
            return fresh
    return lambda case: True


def borne_out(finder: Finder, drafts: list[Draft], every: list[Failure]) -> list[Draft]:
    """The drafts, each name that a network speaks against taken back."""
    cases = [failure.case for failure in every] + finder.others
    while known := known_in(drafts):
        dtypes = {draft.case.dtype for draft in drafts}
        seen = [finder.witnessed(case, known.values()) for case in cases if case.dtype in dtypes]
        refuted = {name for name, fault in known.items()
                   if any(contradicts(each, fault, known) for each in seen)}
        if not refuted:
            break
        drafts = [draft._replace(named={}) if refuted & draft.likeliest.keys() else draft
                  for draft in drafts]
    return drafts


def needed(finder: Finder, drafts: list[Draft], every: list[Failure]) -> list[Draft]:
    """The drafts less those that the mistakes named in the others account for without them."""
    for draft in drafts:
        others = [other for other in drafts if other is not draft]
        known = known_in(others)
        if known and finder.witnessed(draft.case, known.values()).right and not any(
                more_with(finder, failure.case, known, draft.likeliest) for failure in every):
            return needed(finder, others, every)
    return drafts


def more_with(finder: Finder, case: Case, known: Faults, one: Faults) -> bool:
    """Whether the subject is accounted for by some mistakes with one more, and not without it."""
    return bool(one) and not finder.witnessed(case, known.values()).right and (
        finder.witnessed(case, (known | one).values()).right)


def shown(finder: Finder, draft: Draft, drafts: Sequence[Draft]) -> Shown:
    """On which networks gradients of these kinds are wrong, beyond what the other drafts name."""
    kinds = set(draft.kinds.split(","))
    others = known_in([other for other in drafts if other is not draft])

    def fails(case: Case) -> bool:
        wrong = kinds & set(kinds_of(finder.looking.wrong(case)).split(","))
        return bool(wrong) and not (others and finder.witnessed(case, others.values()).right)

    def failed(row: Row) -> bool:
        mine = any(of == "value" and kinds & set(kind.split(",")) for of, kind in row.broken)
        return mine and not (others and finder.witnessed(row.case, others.values()).right)

    more = [failure for failure in draft.failures
            if kinds & set(failure.kind.split(",")) and (not others or fails(failure.case))]
    return finder.shown(failed, fails, more)


def under_condition(finder: Finder, draft: Draft) -> Draft:
    """The draft with the known mistake that it is where its condition holds, if there is one.

    Elsewhere the subject is right, and the mistake may show there as it likes: the finding says so.
    """
    if draft.on.when is None:
        return draft
    condition = draft.on.when.condition
    asked = [draft.case, *(failure.case for failure in draft.failures)]
    held = [case for case in asked if condition.holds(Traits(case))]
    if draft.case not in held:
        return draft
    named = finder.diagnosed(held, NONE, STATELESS, where=condition)
    return draft._replace(named=named)


def built(finder: Finder, draft: Draft) -> Finding:
    """The finding of a draft: which parameters, how far off, what the loss says, which mistake."""
    looking, case, failures = finder.looking, draft.case, draft.failures
    worst = worst_of(draft.found)
    wrong = [d.parameter for d in draft.found]
    right, size = looking.right(case, wrong), looking.size(case, wrong, failures)
    finder.loss_was_said |= looking.loss_wrong(case) is not None
    lost, zero = looking.loses_digits(failures), looking.zero(case, wrong)
    losses = looking.losses(case)
    another = "" if draft.named or lost else another_loss(finder, case, losses, failures)
    lines = [another, headline(wrong, size, lost), sides(wrong, right, zero), numbers(worst),
             *([] if another else about_loss(losses, finder.wrong_loss)),
             draft.first.message if draft.first.loses_digits else "", *only_in(finder, failures),
             *([] if draft.named else depends_on_rate(finder)),
             *([] if draft.named else map(sentence, besides(looking.symptoms(case), size)))]
    direct = draft.first.property in ("reference", "exact_integers")
    return finder.build(draft.first.property if direct else "reference", case, lines, worst,
                        draft.named, kinds=draft.kinds, wrong=wrong, right=right, size=size,
                        on=draft.on, zero=zero, loses_digits=lost)


def unasked(finder: Finder, draft: Draft) -> Finding:
    """The finding of a draft about which nothing more can be asked."""
    wrong, worst = [d.parameter for d in draft.found], worst_of(draft.found)
    return finder.build(draft.first.property, draft.case,
                        [headline(wrong, Size()), numbers(worst)], worst, draft.named,
                        kinds=draft.kinds, wrong=wrong, on=draft.on)


def worst_of(found: list[Disagreement]) -> Disagreement:
    """The one that is furthest beyond its tolerance."""
    return max(found, key=lambda d: d.error / d.tolerance if d.tolerance else np.inf)


# --- the words ------------------------------------------------------------------------------------


def headline(wrong: list[str], size: Size, lost: bool = False) -> str:
    """The ratio with its name where there is one; else that the gradient is wrong."""
    whose = f"the gradient of {names(wrong)}"
    if lost:
        return f"{whose} loses digits: it is off by more than rounding need be, and by little"
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


def another_loss(finder: Finder, case: Case, losses: Losses | None,
                 failures: list[Failure]) -> str:
    """Said first where the loss is wrong wherever the gradient is: the forward is another one."""
    if losses is None or losses.wrong is None or losses.both is not None:
        return ""
    if not all(finder.looking.loss_wrong(failure.case) for failure in failures):
        return ""
    own = finder.looking.own_ratio(case)
    kept = own is not None and abs(own - 1) <= 1e-6
    return (f"the loss is another one: {losses.wrong.got:.9g}, where the declared one is "
            f"{losses.wrong.wanted:.9g}{'; the gradient is that of the loss reported' * kept}")


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
    """The symptoms, less a ratio that the headline has told, or that is 1 but for some digits."""
    told = bool(size.equals) or (size.ratio is not None and abs(size.ratio - 1) < 1e-6)
    return [symptom for symptom in symptoms if not (told and symptom.kind is Kind.RATIOS)]
