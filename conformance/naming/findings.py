"""From failures to findings: one mistake, one headline, on the smallest case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..faults import FAULTS, Fault
from ..judging.judge import Failure, Judge, kinds_of, last_line
from ..judging.judge import family as family_of
from ..plug.contract import BrokenContract
from ..properties import exact
from ..properties.agreement import Disagreement, differing, measured
from ..properties.identities import PROPERTIES
from ..properties.tolerance import spread
from ..record.report import Finding
from ..reference import Case
from .diagnosis import Witnessed, diagnose, explained, state_candidates
from .explain import RATIOS, Explainer, describe, here, named, names, numbers
from .reduce import reduce

REDUCE_SECONDS = 5.0
MOST = 4
OTHERS = 8
GROUPS = 3
STATELESS = {name: fault for name, fault in FAULTS.items() if fault.family != "state"}
ORDER = ("contract", "answers", "state", "value", "loss", "own_loss", "identity")
CONSEQUENCES = {"identity": {"state", "value", "contract"}, "own_loss": {"state", "value", "loss"}, "value": {"state"},
                "loss": {"state"}}


class Finder:
    """Turns a judge's failures into findings; store(case) keeps a case and gives its id."""

    def __init__(self, judge: Judge, store: Callable[[Case], str]):
        self.judge, self.store = judge, store
        self.explain = Explainer(judge)
        self.loss_was_said = False

    def findings(self) -> list[Finding]:
        """One finding for each distinct mistake seen, the most telling family first."""
        failures = self.judge.tally.failures
        families = sorted({family for family, _ in failures}, key=ORDER.index)
        found: list[Finding] = []
        for family in families:
            if not CONSEQUENCES.get(family, set()) & set(families):
                groups = {kind: fs for (of, kind), fs in failures.items() if of == family}
                found += getattr(self, family)(groups)
        return found

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        valid = exact.certified if exact_only else None
        return reduce(case, fails, self.judge.claims, REDUCE_SECONDS, valid)

    def build(self, name: str, case: Case, lines: Sequence[str], worst: Disagreement | None = None,
              faults: Sequence[str] = (), outcome: str = "failed", kinds: str = "") -> Finding:
        """The finding: the mistakes it is consistent with first, then what is wrong, then the case in words."""
        nan = float("nan")
        d = worst or Disagreement("", (), nan, nan, nan, nan)
        text = "\n".join([*filter(None, lines), describe(case)])
        mine = family_of(name)
        own = {mine} | {of for of, causes in CONSEQUENCES.items() if mine in causes}
        also = {other for (of, _), broken in self.judge.tally.broken.items() for other in broken if of in own}
        return Finding(name, d.parameter, d.where, d.got, d.wanted, d.error, d.tolerance, self.store(case), text,
                       outcome, tuple(sorted(also - {name})), tuple(faults), lesson(faults), kinds)

    # --- no answer ------------------------------------------------------------------------------------------

    def contract(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """Broken contracts: the message on the smallest case that has it, a finding for each kind."""
        return [self.trouble_of(kind, failures) for kind, failures in groups.items()]

    answers = contract

    def trouble_of(self, kind: str, failures: list[Failure]) -> Finding:
        first = min(failures, key=telling)
        case = self.reduced(first.case, lambda c: self.trouble(c)[0] == kind)
        message = self.trouble(case)[1] or first.message
        outcome = "errored" if first.property == "answers" and kind != "declined" else "failed"
        head = {"errored": "raised an exception or hung"}.get(outcome, first.property.replace("_", " "))
        faults = self.diagnosed([case, *(f.case for f in failures)]) if first.property != "answers" else []
        return self.build(first.property, case, [f"{head}: {message}"], None, faults, outcome, kind)

    def trouble(self, case: Case) -> tuple[str, str]:
        """The kind and the message of what the subject does instead of answering."""
        try:
            self.judge.question(case)
        except BrokenContract as error:
            return error.kind, error.message
        except Exception as error:
            declined = type(error).__name__ in ("Declined", "NotImplementedError")
            return ("declined" if declined else type(error).__name__), last_line(error)
        return "", ""

    def diagnosed(self, asked: Sequence[Case], known: Sequence[str] = (),
                  faults: Mapping[str, Fault] = FAULTS) -> list[str]:
        """The known mistakes consistent with the subject on these cases, beyond those named already."""
        return diagnose(self.judge.question, asked[:OTHERS], self.judge.others, known, self.wrong_loss, faults)

    @property
    def wrong_loss(self) -> bool:
        """Whether the loss is wrong too, which may be a mistake of its own."""
        return ("loss", "loss") in self.judge.tally.failures

    def witnessed(self, case: Case, known: Sequence[str] = ()) -> Witnessed:
        """What the subject does on a case, less what the mistakes named already account for."""
        return Witnessed(self.judge.question, case, [FAULTS[name] for name in known], self.wrong_loss)

    # --- state ----------------------------------------------------------------------------------------------

    def state(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """An answer that depends on what was asked before: the headline, whatever else it breaks."""
        first = min((f for failures in groups.values() for f in failures), key=telling)
        found = self.state_found(first.property, first.case) or list(first.disagreements)
        case = self.reduced(first.case, lambda c: bool(self.state_found(first.property, c)))
        found = self.state_found(first.property, case) or found
        changed = names(d.parameter for d in found)
        faults = state_candidates(self.judge.subject, case)
        likely = "likely: gradients that accumulate between calls, a cache of an earlier batch, or random numbers"
        d = found[0]
        lines = [f"state: {PROPERTIES[first.property].says}, but {changed} did not keep to it",
                 f"{d.parameter}: {d.wanted:.9g} at first, then {d.got:.9g}", "" if faults else likely]
        return [self.build(first.property, case, lines, found[0], faults, kinds=first.kind)]

    def state_found(self, name: str, case: Case) -> list[Disagreement]:
        """What a state probe finds on a case, asked anew."""
        asked = PROPERTIES[name].ask(case, self.judge.claims, np.random.default_rng(0))
        try:
            replies = [measured(c, self.judge.question(c), spread(c)) for c in asked or []]
        except Exception:
            return []
        return [d for d in (differing(*e) for e in PROPERTIES[name].judge(replies)) if d] if replies else []

    # --- the gradient ---------------------------------------------------------------------------------------

    def value(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """Wrong gradients: the largest set of kinds first, then whatever the mistakes named so far do not explain."""
        left = sorted((f for failures in groups.values() for f in failures),
                      key=lambda f: (-len(f.kind.split(",")), telling(f)))
        found: list[Finding] = []
        while left and len(found) < MOST:
            known = [finding.faults[0] for finding in found if finding.faults]
            finding = self.likeliest(left, known)
            found += [finding] if not any(finding.faults and finding.faults[0] in f.faults for f in found) else []
            left = self.unexplained(left, finding, known)
        return found

    def unexplained(self, left: list[Failure], finding: Finding, known: list[str]) -> list[Failure]:
        """The failures that the mistakes named so far do not account for; without a name, those of other kinds."""
        if not finding.faults:
            kinds = set(finding.kinds.split(","))
            return [f for f in left[1:] if not set(f.kind.split(",")) <= kinds]
        named = [*known, finding.faults[0]]
        return [f for f in left[1:] if not explained(self.witnessed(f.case), named)]

    def likeliest(self, failures: list[Failure], known: list[str]) -> Finding:
        """The finding of the largest set of kinds; where it has no name, of one of the others that has.

        Two mistakes in one gradient match nothing; where only one of them shows, it is told by itself.
        """
        kinds = list(dict.fromkeys(f.kind for f in failures))[:GROUPS]
        first = self.wrong_gradient(failures, known)
        others = (self.wrong_gradient([f for f in failures if f.kind == kind], known)
                  for kind in (kinds[1:] if not first.faults else []))
        return next((finding for finding in others if finding.faults), first)

    def wrong_gradient(self, failures: list[Failure], known: list[str]) -> Finding:
        """One wrong gradient: which parameters, which ratio, what the loss says of it, which mistake it is."""
        news = [new for new in (self.is_new, self.has_more) if any(new(f.case, known) for f in failures)]
        new = news[0] if news else lambda case, known: True
        first = next(f for f in failures if new(f.case, known))
        kind = first.kind
        only_exact = first.property == "exact_integers"
        case = self.reduced(first.case, lambda c: kinds_of(self.explain.wrong(c)) == kind and new(c, known),
                            only_exact)
        found = self.explain.wrong(case) or list(first.disagreements)
        worst = max(found, key=lambda d: d.error / d.tolerance if d.tolerance else np.inf)
        wrong = [d.parameter for d in found]
        faults = self.diagnosed([case, *(f.case for f in failures)], known, STATELESS)
        self.loss_was_said |= self.explain.loss_wrong(case) is not None
        digits = [first.message] if "digits" in first.message else []
        headline = self.explain.headline(case, wrong, failures)
        lines = [headline, self.explain.sides(case, wrong), numbers(worst), *self.explain.loss_lines(case, wrong),
                 *digits, *self.only_in(failures), *([] if faults else self.symptoms(case, headline))]
        name = first.property if first.property in ("reference", "exact_integers") else "reference"
        return self.build(name, case, lines, worst, faults, kinds=kind)

    def only_in(self, failures: list[Failure]) -> list[str]:
        """Said where the subject claims several dtypes, and is wrong in one."""
        dtypes = {f.case.dtype for f in failures}
        right = sorted({*self.judge.claims.dtypes} - dtypes)
        return [f"in {' and '.join(right)} it is right"] if right and len(failures) > 3 else []

    def symptoms(self, case: Case, headline: str) -> list[str]:
        """What else can be said of it; a ratio once."""
        return [said for said in self.explain.symptoms(case) if " times" not in headline or " times" not in said]

    def is_new(self, case: Case, known: list[str]) -> bool:
        """Whether none of the mistakes named before shows on the case."""
        return not known or not any(self.witnessed(case).shows(FAULTS[name]) for name in known)

    def has_more(self, case: Case, known: list[str]) -> bool:
        """Whether the mistakes named before account for some of what is wrong on the case, and not for all."""
        seen = self.witnessed(case, known)
        return bool(seen.accounted) and not seen.right

    # --- the loss -------------------------------------------------------------------------------------------

    def loss(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """A loss that is not the declared one, unless a finding about the gradient said it."""
        failures = sorted((f for fs in groups.values() for f in fs), key=telling)
        right = [f for f in failures if not self.explain.wrong(f.case)]
        if not right and self.loss_was_said:
            return []
        failures = right or failures
        case = self.reduced(failures[0].case, lambda c: self.explain.loss_wrong(c) is not None
                            and not (right and self.explain.wrong(c)))
        worst = self.explain.loss_wrong(case) or failures[0].disagreements[0]
        pairs = [(f.case, d.got / d.wanted) for f in failures if (d := f.disagreements[0]).wanted]
        name = named(pairs) if pairs else ""
        name = name if name in RATIOS or len(pairs) > 1 else ""
        text = f"the loss reported is {worst.got:.9g}, the declared one {worst.wanted:.9g}"
        ratio = f"the loss reported is {name} times the declared one{here(name, worst.got / worst.wanted)}" if (
            name and worst.wanted) else ""
        faults = self.diagnosed([case, *(f.case for f in failures)])
        beside = "the gradient is right" if right else "the gradient is not right here either"
        return [self.build("loss_value", case, [ratio, text, beside], worst, faults, kinds="loss")]

    def own_loss(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """Loss and gradient agree with the declared ones, but not with each other."""
        first = min((f for failures in groups.values() for f in failures), key=telling)
        d = first.disagreements[0]
        text = f"the gradient is not that of the loss reported: {d.got:.9g} along a line, {d.wanted:.9g} by differences"
        return [self.build(first.property, first.case, [text], d, kinds=first.kind)]

    def identity(self, groups: dict[str, list[Failure]]) -> list[Finding]:
        """An identity broken with nothing else: what it says, and the numbers."""
        first = min((f for failures in groups.values() for f in failures), key=telling)
        d = first.disagreements[0]
        lines = [f"broken: {PROPERTIES[first.property].says}", numbers(d)]
        return [self.build(first.property, first.case, lines, d, kinds=first.kind)]


def telling(failure: Failure) -> tuple[bool, bool, int]:
    """Small and plain first: float64, random rather than exact, few parameters."""
    size = sum(v.size for v in failure.case.parameters.values())
    return failure.case.dtype != "float64", failure.property == "exact_integers", size


def lesson(faults: Sequence[str]) -> dict[str, str]:
    """The texts of the likeliest mistake."""
    return {key: getattr(FAULTS[faults[0]], key) for key in ("symptom", "wrong", "right", "seen")} if faults else {}

