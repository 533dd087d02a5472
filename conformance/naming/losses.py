"""A loss that is not the declared one, or not the one that the gradient belongs to."""

from __future__ import annotations

from ..judging.tally import Failure
from ..record.report import Finding
from ..reference import Case
from .finder import Finder, Groups, Shown, most_telling, telling
from .looking import Size
from .ratios import RATIOS, named
from .witnessed import Counts
from .words import here


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """A wrong loss, unless the mistakes named account for it, or one without a name spoke of it."""
    failures = [failure for group in groups.values() for failure in sorted(group, key=telling)
                if not accounted(finder, failure.case)]
    looking = finder.looking
    right = [failure for failure in failures if right_gradient(finder, failure.case)]
    if not failures or (not right and finder.loss_was_said and not finder.known):
        return []
    failures = right or failures

    def fails(case: Case) -> bool:
        return (looking.loss_wrong(case) is not None and not accounted(finder, case)
                and (not right or right_gradient(finder, case)))

    case = finder.reduced(failures[0].case, fails)
    worst = looking.loss_wrong(case) or failures[0].disagreements[0]
    pairs = [(f.case, d.got / d.wanted) for f in failures if (d := f.disagreements[0]).wanted]
    name = named(pairs) if pairs else ""
    name = name if worst.wanted and (name in RATIOS or len(pairs) > 1) else ""
    k = worst.got / worst.wanted if worst.wanted else None
    told = bool(name and k) and abs((k or 0.0) - 1) > 1e-6
    lines = [
        f"the loss reported is {name} times the declared one{here(name, k or 0.0)}" if told else "",
        f"the loss reported is {worst.got:.12g}, the declared one {worst.wanted:.12g}",
        "the gradient is right" if right and not finder.known else
        "the gradient is right but for what is said of it" if right else
        "the gradient is not right here either",
    ]
    faults = finder.diagnosed([case, *(failure.case for failure in failures)], finder.known,
                              alone=Counts.LOSS)
    return [finder.build("loss_value", case, lines, worst, faults, kinds="loss", wrong=["loss"],
                         size=Size(ratio=k, equals=name), on=shown(finder, failures))]


def shown(finder: Finder, failures: list[Failure]) -> Shown:
    """On which networks the loss is wrong."""
    return finder.shown(lambda row: ("loss", "loss") in row.broken,
                        lambda case: finder.looking.loss_wrong(case) is not None, failures)


def accounted(finder: Finder, case: Case) -> bool:
    """Whether the mistakes named in wrong gradients make the subject's loss too."""
    return bool(finder.known) and finder.witnessed(case, finder.known.values(), Counts.LOSS).right


def right_gradient(finder: Finder, case: Case) -> bool:
    """Whether the gradient is right, but for what is named."""
    return finder.witnessed(case, finder.known.values(), Counts.GRADIENTS).right


def of_own(finder: Finder, groups: Groups) -> list[Finding]:
    """Loss and gradient agree with the declared ones, but not with each other."""
    first = most_telling(groups)
    d = first.disagreements[0]
    text = (f"the gradient is not that of the loss reported: {d.got:.9g} along a line, "
            f"{d.wanted:.9g} by differences")
    return [finder.build(first.property, first.case, [text], d, kinds=first.kind)]
