"""The first questions: smallest cases of every head, from which reported reductions are fitted.

"Your adapter is broken" is not "your gradient is wrong": what answers no smallest case is not
judged. What answers some is, and so is every answer given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..plug.contract import AdapterError, BrokenContract, Declined
from ..plug.limits import TookTooLong
from ..plug.stepping import Stepped
from ..plug.subject import Subject
from ..properties.claims import Claims, Head
from ..properties.measured import apart
from ..properties.strategies import Style, build, chain, least
from ..properties.tolerance import SLACK, Spread, spread
from ..record.notes import Note, NoteKind
from ..reference import Answer, Case
from . import hints, stepping
from .asking import last_line, question
from .clock import TimeIsUp

FITS = [(r, s) for s in (1.0, 0.5, 2.0) for r in ("mean_over_batch", "mean", "sum")]
# (units, batch): few batches or outputs may be claimed, so both vary; the first is the smallest
FEW = 4
SIZES = ((1, 1), (3, 2), (4, 3), (2, 4), (3, 1), (1, 2))


class NotJudged(Exception):  # noqa: N818
    """The adapter is broken, not the gradient."""


class Attempt(NamedTuple):
    """A smallest case with its tolerances, and the subject's answer, or how it gave none."""

    case: Case
    spread: Spread
    answer: Answer | None
    error: Exception | None = None

    @property
    def replied(self) -> bool:
        """Whether there was a reply with gradients, be it one that breaks the contract."""
        return self.answer is not None or (
            isinstance(self.error, BrokenContract) and self.error.kind != "return")

    @property
    def declined(self) -> bool:
        return isinstance(self.error, Declined | NotImplementedError)


class Smoke(NamedTuple):
    """The claims with every reduction stated, notes, and what was asked and answered."""

    claims: Claims
    notes: list[Note]
    attempts: list[Attempt]


def smoke(subject: Subject) -> Smoke:
    """Ask smallest cases, then fit the reported reductions.

    Raises NotJudged where the adapter answers none.
    """
    heads, attempts = [], list[Attempt]()
    notes = [*constant(subject.claims), *hints.twice(subject.claims)]
    for head in subject.claims.heads:
        asked = [] if _hung(attempts) else _asked(subject, head)
        _check_adapter(asked)
        fitted, note = _fitted(head, asked, subject.stepping)
        heads.append(fitted)
        attempts += [_stated(attempt, fitted) for attempt in asked]
        unfitted = note is not None and note.kind is NoteKind.UNFITTED
        notes += [note] if note and not (subject.claims.explored and unfitted) else []
    if not any(attempt.replied for attempt in attempts):
        raise NotJudged(f"{_why(attempts)}{hints.of_depth(subject, smallest)}"
                        f"{hints.of_names(subject)}")
    claims = replace(subject.claims, heads=tuple(dict.fromkeys(heads)))
    return Smoke(claims, notes, attempts)


def constant(claims: Claims) -> list[Note]:
    """A note for every head whose loss does not depend on the network: the softmax of one is 1."""
    return [Note(f"the loss of {head.activation} + {head.loss} with one output is constant, since "
                 "the softmax of one number is 1: all its gradients are 0, and say little",
                 NoteKind.CONSTANT)
            for head in claims.heads if head.softmax and head.outputs[1] == 1]


def _check_adapter(attempts: Sequence[Attempt]) -> None:
    """Raise NotJudged where what was said of the subject does not fit it."""
    for attempt in attempts:
        if isinstance(attempt.error, AdapterError):
            raise NotJudged(str(attempt.error)) from attempt.error


def _hung(attempts: Sequence[Attempt]) -> bool:
    """Whether the subject did not answer in time: it is not asked to do so again and again."""
    return bool(attempts) and isinstance(attempts[-1].error, TookTooLong)


def _why(attempts: Sequence[Attempt]) -> str:
    error = next(attempt.error for attempt in attempts if attempt.error is not None)
    message = error.message if isinstance(error, BrokenContract) else last_line(error)
    if all(attempt.declined for attempt in attempts):
        return f"it declines the smallest network of every head it has: {message}"
    return f"your adapter is broken, its gradient was not judged: {message}"


def _asked(subject: Subject, head: Head) -> list[Attempt]:
    """The smallest case; others too where it is not answered, or a reduction is to be fitted."""
    attempts, seen = list[Attempt](), set[str]()
    for outputs, batch in SIZES:
        case = smallest(subject.claims, head, batch, outputs)
        if case.id not in seen:
            seen.add(case.id)
            attempts.append(_attempt(subject, case))
        enough = attempts[-1].answer is not None and head.reduction != "reported"
        if enough or _hung(attempts):
            break
    return attempts


def _attempt(subject: Subject, case: Case) -> Attempt:
    """One question; asked again where it takes too long, as the very first may, with imports."""
    s = spread(case)
    try:
        return Attempt(case, s, question(subject.engine, case))
    except TookTooLong as error:
        first: Exception = error
    except Exception as error:
        return Attempt(case, s, None, error)
    try:
        return Attempt(case, s, question(subject.engine, case))
    except TimeIsUp:
        return Attempt(case, s, None, first)
    except Exception as error:
        return Attempt(case, s, None, error)


def smallest(claims: Claims, head: Head, batch: int, outputs: int = 1) -> Case:
    """The smallest network of the claims: one input, one unit, where they allow it."""
    head = head.several
    depth, units = claims.depth[0], max(head.outputs[0], outputs)
    high = head.outputs[1]
    sizes = [1] * depth + [units if high is None else min(units, high)]
    hidden = [*claims.hidden_of(head)[:1]] * (depth - 1)
    bias = "layer" if claims.bias == "layer" else claims.bias != "never"
    network = chain(sizes, [bias] * depth, hidden, head, claims.loss_of(head))
    network = least(network, claims, head)
    most = claims.batch[1]
    size = max(batch, claims.batch[0])
    batch = size if most is None else min(size, most)
    targets, dtype = head.target_kinds[0], claims.dtypes[0]
    return build(network, batch, targets, Style(), 0, dtype, largest=head.logits)


def _fitted(head: Head, asked: Sequence[Attempt],
            stepped: Stepped | None) -> tuple[Head, Note | None]:
    """The head with "reported" replaced by the reduction and scale that its losses show.

    Of a training step, which reports none, by those that its steps show.
    """
    answered = [(a.case, a.answer) for a in asked if a.answer is not None]
    if head.reduction != "reported" or not answered:
        return head, None
    if stepped is not None:
        return _of_steps(head, answered, stepped)
    scores = {fit: _score(answered, fit) for fit in FITS}
    fit = max(FITS, key=lambda fit: scores[fit])
    return _with(head, fit, "the loss reported", scores[fit][0])


def _of_steps(head: Head, answered: Sequence[tuple[Case, Answer]],
              stepped: Stepped) -> tuple[Head, Note | None]:
    """The head by several steps."""
    fit, fits = stepping.fitted(stepped, [case for case, _ in answered[:FEW]], FITS)
    return _with(head, fit, "the steps", fits)


def _with(head: Head, fit: tuple[str, float], what: str, fits: bool) -> tuple[Head, Note]:
    reduction, scale = fit
    words = f"{reduction.replace('_', ' ')}{'' if scale == 1 else f', times {scale:g}'}"
    how = f"from {what}" if fits else f"taken, since none fits {what}"
    note = Note(f"reduction of {head.activation} + {head.loss}, {how}: {words}",
                NoteKind.REDUCTION if fits else NoteKind.UNFITTED)
    return replace(head, reduction=reduction, scale=scale), note


def _stated(attempt: Attempt, head: Head) -> Attempt:
    """The attempt with the reduction that is held from now on, which was not known before."""
    if head.reduction == "reported":
        return attempt
    loss = replace(attempt.case.network.loss, reduction=head.reduction, scale=head.scale)
    if loss == attempt.case.network.loss:
        return attempt
    case = attempt.case.but(network=replace(attempt.case.network, loss=loss))
    return attempt._replace(case=case, spread=spread(case))


def _score(answers: Sequence[tuple[Case, Answer]], fit: tuple[str, float]
           ) -> tuple[bool, int, int]:
    """How well a reduction and scale fit: whether all losses do, how many gradients and losses."""
    losses, gradients = 0, 0
    for case, answer in answers:
        loss = replace(case.network.loss, reduction=fit[0], scale=fit[1])
        network = replace(case.network, loss=loss)
        s = spread(case.but(network=network))
        losses += _near(float(answer.loss), s.truth.loss, s.loss)
        gradients += sum(_near(g, s.truth.gradients[k], s.gradients[k])
                         for k, g in answer.gradients.items())
    return losses == len(answers), gradients, losses


def _near(got: Any, wanted: Any, s: Any) -> bool:
    error, _ = apart(got, wanted)
    return bool(np.all(error <= SLACK * s + 1e-6 * np.abs(wanted)))
