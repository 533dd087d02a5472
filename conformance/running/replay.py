"""One case asked again: is the mistake it showed fixed?

FIXED: the contract is kept, every gradient within its tolerance, the loss the declared one, each
time it was asked. FAILED: with what a finding says. ERROR: the subject raised or hung, or nothing
can be decided. A case file is data: it is read, checked against its own name, and never executed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..judging import stepping
from ..judging.judge import Judge
from ..judging.smoke import NotJudged
from ..naming.finder import Finder
from ..naming.findings import findings
from ..naming.reduce import holds
from ..naming.words import describe, numbers
from ..oracles import ORACLES
from ..plug.limits import TookTooLong, limit
from ..plug.stepping import Stepped
from ..plug.subject import Subject
from ..plug.undisturbed import undisturbed
from ..properties import exact, own_loss
from ..properties.catalogue import state_probes
from ..properties.claims import Claims, activation
from ..properties.identities import PROPERTIES, Reply
from ..properties.inside import hidden_activations
from ..properties.structures import PLAIN, allowed, structures_of
from ..properties.tolerance import spread
from ..record.notes import NoteKind
from ..reference import Case, DescriptionError

EXITS = {"FIXED": 0, "FAILED": 1, "ERROR": 2}
SECONDS = 120.0
ROUNDS = 2
UNDECIDED = (NoteKind.DECLINED, NoteKind.INCONCLUSIVE)


@dataclass(frozen=True)
class Replay:
    """FIXED, FAILED or ERROR, and why."""

    status: str
    text: str

    @property
    def exit(self) -> int:
        """0 FIXED, 1 FAILED, 2 ERROR."""
        return EXITS[self.status]


# --- asking --------------------------------------------------------------------------------------


class Asked(Finder):
    """Findings on the case at hand, which is small already."""

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        return case

    @property
    def others(self) -> list[Case]:
        """None of a subject that claims nothing: it may do what this case is, and no more."""
        return [] if self.judge.subject.claims.explored else self.judge.others


def replay(case: Case, subject: Subject) -> Replay:
    """Ask one subject one case, several times and with another between.

    Whatever the subject does becomes a Replay.
    """
    head = f"{subject.name} on case {case.id}"
    try:
        with undisturbed(), limit(SECONDS, f"not done within {SECONDS:g} s"):
            judge = Judge(subject, _claims(subject, case), witnesses(), lambda **_: None, 0)
            status, text = _judged(judge, case)
    except (DescriptionError, TookTooLong, NotJudged) as error:
        status, text = "ERROR", str(error)
    return Replay(status, f"{status}: {head}{text if text.startswith(chr(10)) else f': {text}'}")


def witnesses() -> list[str]:
    """The oracles that may confirm that the subject is wrong."""
    return [name for name, row in ORACLES.items() if row.witness]


def _claims(subject: Subject, case: Case) -> Claims:
    """The claims with the one head that the case has, its reduction as it was fitted.

    Where nothing was claimed they are of what the case is. Raises DescriptionError for what the
    subject does not claim.
    """
    network, loss = case.network, case.network.loss
    heads = [replace(head, reduction=loss.reduction, scale=loss.scale)
             for head in subject.claims.heads if (head.activation, head.loss) == network.head]
    heads = [head for head in heads if subject.claims.loss_of(head) == loss]
    structures = (PLAIN, *structures_of(network))
    claims = subject.claims
    if claims.explored:
        claims = replace(claims, layers=tuple(dict.fromkeys(structures)))
    claimed = {str(activation(each).function) for each in claims.hidden} | {"identity"}
    hidden = {str(spec.function) for spec in hidden_activations(network)}
    lacking = [" + ".join([*network.head, *loss.beside])] if not heads else []
    lacking += [*sorted(hidden - claimed), *sorted({case.dtype} - {*claims.dtypes}),
                *sorted({*structures} - {*allowed(claims.structures), PLAIN})]
    if lacking:
        raise DescriptionError(f"the subject does not claim {lacking[0]}")
    return replace(claims, heads=tuple(dict.fromkeys(heads)))


def _judged(judge: Judge, case: Case) -> tuple[str, str]:
    reply = _ask(judge, case)
    trouble = [f.message for (of, kind), found in judge.tally.failures.items() for f in found
               if of == "answers" and kind != "declined"]
    if trouble:
        return "ERROR", trouble[0]
    if judge.tally.failures:
        found = [finding.text for finding in findings(judge, lambda asked: asked.id, Asked)]
        return "FAILED", "".join(map(_told, found or _failures(judge)))
    return _undecided(judge, reply) or ("FIXED", _fixed(judge, case, reply))


def _ask(judge: Judge, case: Case) -> Reply | None:
    """Everything there is to ask about the case.

    None where the case has no answer, or no one right answer.
    """
    s = spread(case)
    if s.finite and s.unclear and _exact(case):
        judge.exact(case)
        return None
    reply = judge.ask(case)
    for turn in range(ROUNDS if reply else 0):
        for name in state_probes():
            asked = PROPERTIES[name].question(case, judge.claims,
                                              judge.drawing(f"{name} {turn}"))
            if reply and asked is not None:
                judge.identity(name, reply, asked)
    if reply and judge.subject.stepping is not None:
        _by_steps(judge, judge.subject.stepping, reply)
    if reply and case.dtype == "float64" and not judge.clipped(case):
        _along_lines(judge, reply)
    return reply


def _by_steps(judge: Judge, stepped: Stepped, reply: Reply) -> None:
    """Several steps against the update rule, and the gradient with another rate."""
    stepping.several(judge, stepped, reply)
    if reply.gradients and len(stepped.rates) > 1:
        stepping.another_rate(judge, stepped, reply)


def _exact(case: Case) -> bool:
    """Whether the arithmetic is exact: what happens at a kink is a convention then, no rounding."""
    arrays = (*case.parameters.values(), case.inputs, case.targets)
    short = all((each * 16 == np.rint(each * 16)).all() for each in arrays)
    return short and holds(exact.certified, case)


def _along_lines(judge: Judge, reply: Reply) -> None:
    """Loss and gradient against each other."""
    try:
        found = own_loss.directional(reply, judge.question, judge.drawing("own_loss"))
        judge.equations("own_loss", found, reply)
        found = own_loss.line_integral(reply, judge.question, judge.spread,
                                       judge.drawing("line_integral"))
        judge.equations("line_integral", found, reply)
    except Exception as error:
        judge.refused(reply.case, error)


def _failures(judge: Judge) -> list[str]:
    """What failed, where it makes no finding: a wrong loss, and a gradient that nothing decides."""
    failures = [failure for found in judge.tally.failures.values() for failure in found]
    return [f"{f.property.replace('_', ' ')}: {f.message or numbers(f.disagreements[0])}"
            for f in failures]


def _told(text: str) -> str:
    return f"\n\n{text}".replace("\n", "\n  ").replace("\n  \n", "\n\n")


def _undecided(judge: Judge, reply: Reply | None) -> tuple[str, str] | None:
    """ERROR and why, where nothing is wrong and nothing was found right either."""
    notes = [note for note in judge.tally.notes if note.kind in UNDECIDED]
    counts = judge.tally.counts
    decided = ("reference", "exact_integers", stepping.RULE)
    if notes or not any(counts[name]["passed"] for name in decided):
        return "ERROR", notes[0] if notes else _unclear(judge, reply)
    return None


def _unclear(judge: Judge, reply: Reply | None) -> str:
    if reply is None:
        if judge.tally.counts["exact_integers"]:
            return "no slope at the kink explains the answer"
        return ("the case has no one right answer: a unit is on a kink, or numbers are not finite "
                "in its dtype")
    return "between the tolerances: neither right nor wrong"


def _fixed(judge: Judge, case: Case, reply: Reply | None) -> str:
    """What was found right."""
    gradients = (f"{len(reply.gradients)} gradients are right" if reply
                 else "an integer network comes out exact")
    loss = "the loss is the declared one"
    if not judge.claims.reports_loss:
        loss = "several steps keep the update rule"
    elif judge.clipped(case):
        loss = "the loss is clipped here and was not checked"
    asked = judge.tally.counts["answers"]["passed"]
    times = f"\n  asked {asked} times, with other questions between" if asked > 1 else ""
    return f"\n  the contract is kept, {gradients}, {loss}{times}\n  {describe(case)}"
