"""One case as the search for a name sees it: what the subject does on it, and what is true.

Less what known mistakes account for: a known mistake accounts for a gradient where it is wrong in
the same way, and another mistake explains the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..faults.behaviour import Ask, Behaviour, asked, behaviour, close, same
from ..faults.core import Fault
from ..properties.agreement import disagreements, measured
from ..properties.tolerance import Spread, deviations, spread
from ..reference import TABLES, Answer, Case, evaluate

# Only what is as near as this is looked at more closely.
NEAR = 1e-6


class Witnessed:
    """A case with the subject's behaviour, the truth with its spread, and what faults do there.

    `any_loss`: the loss is wrong too, and may be so for a reason of its own: gradients alone count.
    """

    def __init__(self, ask: Ask, case: Case, known: Sequence[Fault] = (), any_loss: bool = False):
        self.any_loss = any_loss
        self.case, self.spread, self.accounted = case, spread(case), frozenset[str]()
        self.subject = behaviour(ask, case)
        self.done: dict[Fault, Behaviour] = {}
        for fault in known:
            self.accounted |= self.given_by(fault)

    # --- the subject and the truth ----------------------------------------------------------------

    @property
    def answer(self) -> Answer:
        """The subject's answer; only of a subject that gave one."""
        assert isinstance(self.subject, Answer)
        return self.subject

    @property
    def truth(self) -> dict[str, Any]:
        """The true gradients."""
        return dict(self.spread.truth.gradients)

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """The gradients that differ from the truth; none where there is no answer."""
        if not isinstance(self.subject, Answer):
            return ()
        reply = measured(self.case, self.subject, self.spread)
        return tuple(d.parameter for d in disagreements(reply, self.spread.truth))

    @cached_property
    def errors(self) -> dict[str, Any]:
        """|subject - truth| of every gradient; of a subject that answered."""
        return {name: np.abs(np.asarray(g, dtype=float) - self.truth[name])
                for name, g in self.answer.gradients.items()}

    def equals(self, name: str, other: Any) -> bool:
        """Whether the subject's gradient is this array and, where wrong, not the truth too."""
        mine, theirs, true = (Answer(0.0, {name: g})
                              for g in (self.answer.gradients[name], other, self.truth[name]))
        blurred = name in self.wrong and same(mine, true, self.spread, self.case.dtype)
        return not blurred and same(mine, theirs, self.spread, self.case.dtype)

    def goes_back_by(self, sweep: Any) -> bool:
        """Whether the subject's gradients are those of another way back through the network."""
        other = evaluate(self.case, TABLES._replace(sweep=sweep)).gradients
        return all(self.equals(name, other[name])
                   for name in self.answer.gradients if name in other)

    # --- known mistakes ---------------------------------------------------------------------------

    def of(self, fault: Fault) -> Behaviour:
        """What a fault does here, asked once."""
        if fault not in self.done:
            self.done[fault] = behaviour(asked(fault), self.case)
        return self.done[fault]

    def given_by(self, fault: Fault) -> set[str]:
        """The subject's wrong gradients that are those of a mistake."""
        wrong = self.of(fault)
        if not isinstance(wrong, Answer) or not isinstance(self.subject, Answer):
            return set()
        return {name for name in self.subject.gradients
                if self.same(only(self.subject, name), wrong)
                and not self.same(only(wrong, name), self.spread.truth)}

    def same(self, one: Behaviour, other: Behaviour, known: Spread | None = None) -> bool:
        """Whether two behaviours are the same; any_loss: whatever the losses are.

        `known` is the spread to go by, that of the case where it is not given.
        """
        if self.any_loss and isinstance(one, Answer) and isinstance(other, Answer):
            one, other = Answer(0.0, one.gradients), Answer(0.0, other.gradients)
        return same(one, other, known or self.spread, self.case.dtype)

    def rest(self, behaves: Behaviour) -> Behaviour:
        """A behaviour without what is accounted for."""
        if not isinstance(behaves, Answer):
            return behaves
        return only(behaves, *(behaves.gradients.keys() - self.accounted))

    @property
    def right(self) -> bool:
        """Whether the subject is right here, but for what is accounted for."""
        return self.same(self.rest(self.subject), self.spread.truth)

    def agrees(self, fault: Fault) -> bool:
        """Whether the fault does the same as the subject."""
        theirs = self.of(fault)
        return self.same(self.rest(self.subject), theirs) or self.nearly(fault, theirs)

    def nearly(self, fault: Fault, theirs: Behaviour) -> bool:
        """Whether the fault is near, and another program with its mistake may be as far from it.

        A wrong formula may cancel where the right one does not, so how far two wrong programs lie
        apart is sampled from the fault itself.
        """
        mine = self.rest(self.subject)
        if not isinstance(mine, Answer) or not isinstance(theirs, Answer):
            return False
        pairs = [(g, theirs.gradients.get(name, g)) for name, g in mine.gradients.items()]
        if not all(close(a, b, NEAR * np.abs(b).max(initial=0.0), self.case.dtype)
                   for a, b in pairs):
            return False
        try:
            s = deviations(self.case, fault.engine)
        except Exception:  # not every mistake can be made with perturbed numbers
            return False
        return self.same(mine, theirs, self.spread.widened(s))

    def shows(self, fault: Fault) -> bool:
        """Whether the fault differs from the truth here, in what the subject gives."""
        return not self.same(self.rest(self.of(fault)), self.spread.truth)


def only(answer: Answer, *names: str) -> Answer:
    """The loss and some of the gradients."""
    gradients = {name: answer.gradients[name] for name in names if name in answer.gradients}
    return Answer(answer.loss, gradients)
