"""An answer that depends on what was asked before: the headline, whatever else it breaks."""

from __future__ import annotations

import numpy as np

from ..properties.agreement import Disagreement, differing, measured
from ..properties.identities import PROPERTIES
from ..record.report import Finding
from ..reference import Case
from .finder import Finder, Groups, Shown, most_telling
from .memory import state_candidates
from .words import names

LIKELY = ("likely: gradients that accumulate between calls, a cache of an earlier batch, "
          "or random numbers")


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """One finding, on the smallest case whose answer changes."""
    first = most_telling(groups)
    found = changes(finder, first.property, first.case) or list(first.disagreements)
    case = finder.reduced(first.case, lambda c: bool(changes(finder, first.property, c)))
    found = changes(finder, first.property, case) or found
    faults = {} if case.large else state_candidates(finder.judge.subject, case)
    d, changed = found[0], [each.parameter for each in found]
    says = PROPERTIES[first.property].says
    lines = [f"state: {says}, but {names(changed)} did not keep to it",
             f"{d.parameter}: {d.wanted:.9g} at first, then {d.got:.9g}", "" if faults else LIKELY]
    turn = finder.turned(lambda row: any(of == "value" for of, _ in row.broken),
                         lambda case: bool(finder.looking.wrong(case)))
    return [finder.build(first.property, case, lines, d, faults, kinds=first.kind, wrong=changed,
                         on=Shown(turn=turn))]


def changes(finder: Finder, name: str, case: Case) -> list[Disagreement]:
    """What a state probe finds on a case, asked anew."""
    asked = PROPERTIES[name].question(case, finder.judge.claims, np.random.default_rng(0))
    if asked is None:
        return []
    try:
        judge = finder.judge
        replies = [measured(c, judge.question(c), judge.spread(c)) for c in asked.cases]
    except Exception:
        return []
    return [d for d in (differing(*equation) for equation in asked.equations(replies)) if d]
