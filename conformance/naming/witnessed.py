"""One case as the search for a name sees it: what the subject does on it, and what is true.

Beside the mistakes that are named already. What those make of the case, all in one program, is the
base: a further mistake shows where it changes the base, and it agrees where the program with all of
them does what the subject does. Only what the subject gives is compared, so a subject without a
gradient of the inputs is not held to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from ..faults.behaviour import TAIL, Ask, Behaviour, asked, behaviour, close, largest, same
from ..faults.core import Fault
from ..faults.together import together
from ..judging.session import clock
from ..properties.agreement import disagreements, measured
from ..properties.subtraction import carried
from ..properties.tolerance import SLACK, Spread, deviations, spread
from ..reference import TABLES, Answer, Case, evaluate

# Only what is as near as this is looked at more closely.
NEAR = {"float64": 1e-6, "float32": 1e-2}
Done = dict[tuple[Fault, ...], Behaviour]


class Counts(Enum):
    """What of an answer is compared: where both are wrong, each may be so for its own reason."""

    WHOLE = "loss and gradients"
    GRADIENTS = "gradients"
    LOSS = "loss"

    def of(self, answer: Answer) -> Answer:
        """The part of an answer that counts."""
        loss = 0.0 if self is Counts.GRADIENTS else answer.loss
        return Answer(loss, {} if self is Counts.LOSS else answer.gradients)


class Witnessed:
    """A case with the subject's behaviour, the truth with its spread, and what faults do there.

    `known`: mistakes named already. `counts`: what is compared. `rate`: that over which the
    subject's gradients are differences, where they are.
    """

    def __init__(self, ask: Ask, case: Case, known: Sequence[Fault] = (),
                 counts: Counts = Counts.WHOLE, rate: float | None = None):
        self.ask, self.case, self.known, self.counts = ask, case, tuple(known), counts
        self.rate = rate
        self.done: Done = {}

    def beside(self, known: Sequence[Fault], counts: Counts = Counts.WHOLE) -> Witnessed:
        """The same case beside other known mistakes; what was asked is not asked again."""
        other = Witnessed(self.ask, self.case, known, counts, self.rate)
        other.spread, other.subject, other.done = self.spread, self.subject, self.done
        return other

    @cached_property
    def spread(self) -> Spread:
        """The truth, and how far right programs lie apart."""
        return carried(self.case, spread(self.case), self.rate)

    @cached_property
    def subject(self) -> Behaviour:
        """What the subject does with the case."""
        return behaviour(self.ask, self.case)

    # --- the subject and the truth ----------------------------------------------------------------

    @property
    def answer(self) -> Answer:
        """The subject's answer; only of a subject that gave one."""
        assert isinstance(self.subject, Answer)
        return self.subject

    @property
    def answered(self) -> bool:
        """Whether the subject gave an answer, and one of finite numbers."""
        return isinstance(self.subject, Answer) and all(
            bool(np.isfinite(np.asarray(g, dtype=float)).all())
            for g in self.subject.gradients.values())

    @property
    def telling(self) -> bool:
        """Whether what the subject does can speak against a mistake: an answer, or a broken one.

        That it raises something may be another trouble, and so may numbers that are not finite.
        """
        return self.answered or (isinstance(self.subject, tuple) and self.subject[0] != "raised")

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

    @property
    def base(self) -> Behaviour:
        """What the mistakes named already do, the truth where there are none."""
        return self.of() if self.known else self.given(self.spread.truth)

    def of(self, *faults: Fault) -> Behaviour:
        """What a program does that makes these mistakes beside the known ones, asked once.

        Raises TimeIsUp where it is.
        """
        every = (*self.known, *faults)
        if every not in self.done:
            clock().check()
            whole = together(every) or every[-1]
            self.done[every] = self.given(behaviour(asked(whole), self.case))
        return self.done[every]

    def given(self, behaves: Behaviour) -> Behaviour:
        """A behaviour without the gradients that the subject does not give."""
        if not isinstance(behaves, Answer) or not isinstance(self.subject, Answer):
            return behaves
        return only(behaves, *self.subject.gradients)

    def same(self, one: Behaviour, other: Behaviour, known: Spread | None = None) -> bool:
        """Whether two behaviours are the same in what counts.

        `known` is the spread to go by, that of the case where it is not given.
        """
        if isinstance(one, Answer) and isinstance(other, Answer):
            one, other = self.counts.of(one), self.counts.of(other)
        return same(one, other, known or self.spread, self.case.dtype)

    @property
    def right(self) -> bool:
        """Whether the subject is right here, but for what is known."""
        return self.agrees() if self.known else self.same(self.subject, self.base)

    def shows(self, *faults: Fault) -> bool:
        """Whether mistakes change the base here, in what the subject gives."""
        return not self.same(self.of(*faults), self.base)

    def agrees(self, *faults: Fault) -> bool:
        """Whether the program with these mistakes does the same as the subject."""
        theirs = self.of(*faults)
        return self.same(self.subject, theirs) or self.nearly(faults, theirs)

    def nearly(self, faults: Sequence[Fault], theirs: Behaviour) -> bool:
        """Whether the mistakes are near, and another program with them may be as far from them.

        A wrong formula may cancel where the right one does not, so how far two wrong programs lie
        apart is sampled from the mistakes themselves.
        """
        mine = self.subject
        if not isinstance(mine, Answer) or not isinstance(theirs, Answer):
            return False
        pairs = [(g, theirs.gradients.get(name, g)) for name, g in mine.gradients.items()]
        if not all(close(a, b, NEAR[self.case.dtype] * np.abs(b).max(initial=0.0), self.case.dtype)
                   for a, b in pairs):
            return False
        every = (*self.known, *faults)
        whole = together(every) or every[-1]
        try:
            s = deviations(self.case, whole.engine)
        except Exception:  # not every mistake can be made with perturbed numbers
            return False
        return self.same(mine, theirs, self.spread.widened(s))

    def given_by(self, fault: Fault) -> set[str]:
        """The gradients that a mistake changes here and that are the subject's."""
        wrong = self.of(fault)
        if not isinstance(wrong, Answer) or not isinstance(self.subject, Answer):
            return set()
        return {name for name in self.changed(fault)
                if self.alike(name, self.answer.gradients[name], wrong.gradients[name])}

    def changed(self, fault: Fault) -> set[str]:
        """The gradients that a mistake changes here; none where it gives no answer."""
        wrong, base = self.of(fault), self.base
        if not isinstance(wrong, Answer) or not isinstance(base, Answer):
            return set()
        return {name for name, g in wrong.gradients.items()
                if name in base.gradients and not self.alike(name, g, base.gradients[name])}

    @property
    def off(self) -> set[str]:
        """The subject's gradients that are not those of the base, none without an answer."""
        base = self.base
        if not isinstance(base, Answer) or not self.answered:
            return set()
        return {name for name, g in self.answer.gradients.items()
                if name in base.gradients and not self.alike(name, g, base.gradients[name])}

    def alike(self, name: str, one: Any, other: Any) -> bool:
        """Whether two gradients of one name are the same here."""
        tail = TAIL * largest(self.truth.values())
        allowed = max(SLACK * float(self.spread.gradients[name].max(initial=0.0)), tail)
        return close(one, other, allowed, self.case.dtype)


def only(answer: Answer, *names: str) -> Answer:
    """The loss and some of the gradients."""
    gradients = {name: answer.gradients[name] for name in names if name in answer.gradients}
    return Answer(answer.loss, gradients)
