"""A suspicion is confirmed before anybody is blamed.

Twice for each kind of parameter; those after that are believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..properties import agreement, large_agreement
from ..properties.agreement import Disagreement, Judgement, kind_of
from ..properties.claims import Claims
from ..reference import Answer, Case

PLAINEST = Claims()
TWICE = 2
LOSS = "loss"


def kinds_of(found: Iterable[Disagreement]) -> str:
    """"bias,weight": the kinds of parameter that disagree."""
    return ",".join(sorted({kind_of(d.parameter) for d in found}))


class Cases:
    """Cases told apart as objects; they are kept, so that no other can take the place of one."""

    def __init__(self) -> None:
        self._kept: dict[int, Case] = {}

    def add(self, case: Case) -> None:
        self._kept[id(case)] = case

    def clear(self) -> None:
        self._kept.clear()

    def __contains__(self, case: Case) -> bool:
        return id(case) in self._kept


class Confirming:
    """The witnesses of one run, and how often each kind of parameter was confirmed to be wrong."""

    def __init__(self, names: Sequence[str], made_of: Iterable[str], claims: Claims = PLAINEST):
        self.names, self.made_of, self.claims = names, made_of, claims
        self.confirmed: Counter[str] = Counter()
        self._witnesses: dict[str, Any] | None = None

    @property
    def witnesses(self) -> dict[str, Any]:
        """The independent oracles at hand, loaded on the first suspicion."""
        if self._witnesses is None:
            self._witnesses = agreement.witnesses(self.names, self.made_of)
        return self._witnesses

    def known(self, kinds: str) -> bool:
        """Whether each of the kinds ("bias,weight") was confirmed often enough to be believed."""
        return all(self.confirmed[kind] >= TWICE for kind in kinds.split(","))

    def gradients(self, case: Case, answer: Answer) -> Judgement:
        """What the cold path says of a suspicious answer."""
        confirm = large_agreement.confirm if case.large else agreement.confirm
        claims = self.claims
        judgement = confirm(case, answer, self.witnesses, claims.rate, claims.reports_loss)
        if judgement.outcome == "failed":
            self.confirmed.update(kinds_of(judgement.disagreements).split(","))
        return judgement

    def loss(self, case: Case, answer: Answer) -> bool:
        """Whether a loss that differs from the declared one is wrong."""
        wrong = self.known(LOSS) or not agreement.loss_agrees(case, answer)
        self.confirmed[LOSS] += wrong
        return wrong
