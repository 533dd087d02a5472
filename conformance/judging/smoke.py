"""The first question: one smallest case, then the reported reductions fitted.

"Your adapter is broken" is not "your gradient is wrong": what answers no smallest case is not
judged.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..plug.contract import BrokenContract, Declined
from ..plug.subject import Subject
from ..properties.claims import Claims, Head
from ..properties.measured import apart
from ..properties.strategies import Style, build, chain
from ..properties.tolerance import SLACK, spread
from ..record.notes import Note, NoteKind
from ..reference import Answer, Case
from . import hints
from .asking import last_line, question

FITS = [(r, s) for s in (1.0, 0.5, 2.0) for r in ("mean_over_batch", "mean", "sum")]
# (units, batch): few batches or outputs may be claimed, so both vary
FIT_SIZES = ((3, 2), (4, 3), (2, 4), (3, 1), (1, 2), (1, 1))


class NotJudged(Exception):  # noqa: N818
    """The adapter is broken, not the gradient."""


def smoke(subject: Subject) -> tuple[Claims, list[Note]]:
    """Ask one smallest case, then fit the reported reductions.

    Returns the claims with every reduction stated, and notes. Raises NotJudged where the adapter
    does not answer.
    """
    heads, notes, first = [], constant(subject.claims), None
    for head in subject.claims.heads:
        try:
            fitted, note = _fitted(subject, head)
        except Exception as error:
            first = first or error
            heads.append(head)
            continue
        heads.append(fitted)
        unfitted = note is not None and note.kind is NoteKind.UNFITTED
        notes += [note] if note and not (subject.claims.explored and unfitted) else []
    if isinstance(first, Declined | NotImplementedError) and not _answers_any(subject):
        raise NotJudged(f"it declines the smallest network of every head it has: {_message(first)}"
                        f"{hints.of_depth(subject, smallest)}")
    if first is not None and not _answers_any(subject):
        raise NotJudged("your adapter is broken, its gradient was not judged: "
                        f"{_message(first)}{hints.of_depth(subject, smallest)}")
    return replace(subject.claims, heads=tuple(dict.fromkeys(heads))), notes


def constant(claims: Claims) -> list[Note]:
    """A note for every head whose loss does not depend on the network: the softmax of one is 1."""
    return [Note(f"the loss of {head.activation} + {head.loss} with one output is constant, since "
                 "the softmax of one number is 1: all its gradients are 0, and say little",
                 NoteKind.CONSTANT)
            for head in claims.heads if head.softmax and head.outputs[1] == 1]


def _message(error: Exception) -> str:
    return error.message if isinstance(error, BrokenContract) else last_line(error)


def _answers_any(subject: Subject) -> bool:
    """Whether the smallest case of some head gets an answer.

    An answer of the wrong shape counts: that is a finding, not a broken adapter.
    """
    for head in subject.claims.heads:
        try:
            question(subject.engine, smallest(subject.claims, head, 1))
        except BrokenContract as error:
            if error.kind not in ("return", "none"):
                return True
            continue
        except Exception:
            continue
        return True
    return False


def smallest(claims: Claims, head: Head, batch: int, outputs: int = 1) -> Case:
    """The smallest network of the claims: one input, one unit, where they allow it."""
    head = head.several
    depth, least = claims.depth[0], max(head.outputs[0], outputs)
    high = head.outputs[1]
    sizes = [1] * depth + [least if high is None else min(least, high)]
    hidden = [*claims.hidden_of(head)[:1]] * (depth - 1)
    bias = "layer" if claims.bias == "layer" else claims.bias != "never"
    network = chain(sizes, [bias] * depth, hidden, head, claims.loss_of(head))
    most = claims.batch[1]
    size = max(batch, claims.batch[0])
    batch = size if most is None else min(size, most)
    targets, dtype = head.target_kinds[0], claims.dtypes[0]
    return build(network, batch, targets, Style(), 0, dtype, largest=head.logits)


def _fitted(subject: Subject, head: Head) -> tuple[Head, Note | None]:
    """The head with "reported" replaced by the reduction and scale that its losses show."""
    case = smallest(subject.claims, head, 1)
    question(subject.engine, case)
    if head.reduction != "reported":
        return head, None
    answers = []
    for batch, outputs in FIT_SIZES:
        case = smallest(subject.claims, head, batch, outputs)
        with suppress(Exception):  # what it does not answer is judged later
            answers.append((case, question(subject.engine, case)))
    scores = {fit: _score(answers, fit) for fit in FITS}
    reduction, scale = max(FITS, key=lambda fit: scores[fit])
    words = f"{reduction.replace('_', ' ')}{'' if scale == 1 else f', times {scale:g}'}"
    fits = scores[reduction, scale][0]
    how = "from the loss reported" if fits else "taken, since the loss reported fits none"
    note = Note(f"reduction of {head.activation} + {head.loss}, {how}: {words}",
                NoteKind.REDUCTION if fits else NoteKind.UNFITTED)
    return replace(head, reduction=reduction, scale=scale), note


def _score(answers: list[tuple[Case, Answer]], fit: tuple[str, float]) -> tuple[bool, int, int]:
    """How well a reduction and scale fit: whether all losses do, how many gradients and losses."""
    losses, gradients = 0, 0
    for case, answer in answers:
        loss = replace(case.network.loss, reduction=fit[0], scale=fit[1])
        network = replace(case.network, loss=loss)
        s = spread(case.but(network=network))
        losses += _near(float(answer.loss), s.truth.loss, s.loss)
        gradients += sum(_near(g, s.truth.gradients[k], s.gradients[k])
                         for k, g in answer.gradients.items())
    return bool(answers) and losses == len(answers), gradients, losses


def _near(got: Any, wanted: Any, s: Any) -> bool:
    error, _ = apart(got, wanted)
    return bool(np.all(error <= SLACK * s + 1e-6 * np.abs(wanted)))
