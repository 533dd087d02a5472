"""What a class that trains seems to do: its steps are held against every activation and loss.

A class does not read the description of the network, so it is asked once, and its gradients are
compared with those of every hidden activation under every head and reduction. The one that most of
its gradients are those of is what it does; where some are not, that is how its mistake is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from ..plug.guessing import SHAPE
from ..plug.limits import TookTooLong
from ..plug.subject import Subject
from ..properties.claims import EVERYTHING, Claims, Head, activation
from ..properties.strategies import TARGETS, chain
from ..record.notes import Note, NoteKind
from ..reference import LOSSES, Case, backprop, forward
from ..reference.losses import factor
from .as_written import named, quoted
from .asking import question
from .smoke import FITS, NotJudged

# By how many outputs, the kinds of targets that are tried.
KINDS = {3: ("one_hot", "index"), 1: ("binary", "sign")}
BATCHES, ALONE = (5, 2), (1, 1)
NEAR = 1e-7
LOOKS = "nothing is claimed; it looks like this, and was held to it; to paste beside it:"


class Guess(NamedTuple):
    """A hidden activation, a head with its reduction, and how many gradients are of these."""

    hidden: str
    head: Head
    right: int


def of_steps(subject: Subject) -> tuple[Claims, list[Note]]:
    """The claims that its steps fit best, and the line to paste.

    Raises NotJudged where no layer's gradients are those of anything known.
    """
    for batches, outputs in product((BATCHES, ALONE), KINDS):
        sizes = (*SHAPE[:2], outputs)
        for kind in KINDS[outputs]:
            found = _best(subject, sizes, batches, kind)
            if found is not None:
                claims = _claims(subject, found, sizes, batches)
                return claims, [Note("\n".join([LOOKS, *pasted(subject, claims)]),
                                     NoteKind.INFERRED)]
    raise NotJudged("its steps are those of no hidden activation, output activation and loss that "
                    "backproof knows: write hidden=[...] and heads=[Head(...)], from `backproof "
                    "list activations` and `backproof list losses`; layout=Layout(bias_sign=-1) is "
                    "for a bias input of -1")


def _case(sizes: tuple[int, ...], batch: int, kind: str, biased: bool) -> Case:
    rng = np.random.default_rng(batch)
    head = Head("identity", "squared_error")
    network = chain(list(sizes), [biased] * 2, [activation("tanh")], head)
    parameters = {f"{2 * i}.{name}": rng.standard_normal(shape)
                  for i, (n, m) in enumerate(pairwise(sizes))
                  for name, shape in (("weight", (n, m)), ("bias", (m,)))[:1 + biased]}
    return Case(network, parameters, rng.standard_normal((batch, sizes[0])),
                TARGETS[kind](rng, batch, sizes[-1]))


def _best(subject: Subject, sizes: tuple[int, ...], batches: tuple[int, ...],
          kind: str) -> Guess | None:
    """The best guess for these questions; None where they are not answered, or nothing fits."""
    biased = subject.claims.bias != "never"
    cases = [_case(sizes, batch, kind, biased) for batch in batches]
    try:
        answers = [question(subject.engine, case).gradients for case in cases]
    except TookTooLong as error:
        raise NotJudged(str(error)) from error
    except Exception:
        return None
    found = max(_guesses(cases, answers, kind), key=lambda guess: guess.right, default=None)
    return found if found is not None and found.right >= len(cases) else None


def _guesses(cases: list[Case], answers: list[Mapping[str, Any]], kind: str) -> Iterator[Guess]:
    for head in EVERYTHING.heads:
        if kind in LOSSES[head.loss].targets:
            for hidden in EVERYTHING.hidden:
                if isinstance(hidden, str):
                    yield from _fits(cases, answers, hidden, head)


def _fits(cases: list[Case], answers: list[Mapping[str, Any]], hidden: str,
          head: Head) -> Iterator[Guess]:
    """The guesses with each reduction, where a weight of the last layer fits."""
    true = [_summed(case, hidden, head) for case in cases]
    for reduction, scale in FITS:
        right = 0
        for answer, (gradients, shape) in zip(answers, true, strict=True):
            by = scale * factor(reduction, LOSSES[head.loss].per, shape)
            near = {name: _near(answer[name], by * g) for name, g in gradients.items()
                    if name in answer}
            right += sum(near.values()) if near.get("2.weight") else 0
        yield Guess(hidden, replace(head, reduction=reduction, scale=scale), right)


def _summed(case: Case, hidden: str, head: Head) -> tuple[Mapping[str, Any], tuple[int, ...]]:
    """The gradients of the summed loss with these functions, and the shape of the outputs."""
    sizes = [*SHAPE[:2], case.network.sizes[-1]]
    biases = ["0.bias" in case.parameters] * 2
    network = chain(sizes, biases, [activation(hidden)], replace(head, reduction="sum"))
    other = replace(case, network=network)
    trace = forward(other)
    return backprop.backward(other, trace), trace.outputs.shape


def _near(got: Any, wanted: Any) -> bool:
    allowed = NEAR * float(np.abs(wanted).max(initial=0.0)) + 1e-300
    return bool(np.shape(got) == np.shape(wanted) and (np.abs(got - wanted) <= allowed).all())


def _claims(subject: Subject, guess: Guess, sizes: tuple[int, ...],
            batches: tuple[int, ...]) -> Claims:
    head = replace(guess.head, outputs=(1, None) if sizes[-1] > 1 else (1, 1))
    return replace(subject.claims, hidden=(guess.hidden,), heads=(head,), explored=True,
                   batch=(1, 1) if batches == ALONE else (1, None))


# --- the line to paste ----------------------------------------------------------------------------


def pasted(subject: Subject, claims: Claims) -> list[str]:
    """The lines that plug it in so."""
    options = getattr(subject.stepping and subject.stepping.program, "options", {})
    claimed: dict[str, Any] = {"batch": claims.batch[1]} if claims.batch != (1, None) else {}
    if claims.depth != (1, None) and not isinstance(options.get("weights"), list):
        claimed["depth"] = claims.depth
    name = subject.name.rpartition(":")[2]
    told = ", ".join(named(options))
    last = ", ".join([f"hidden=[{quoted(claims.hidden[0])}]", f"heads=[{quoted(claims.heads[0])}]",
                      *named(claimed)])
    imports = ["Head", *(["Layout"] if "layout" in options else []), "training_step"]
    return [f"from backproof import {', '.join(imports)}",
            f"student = training_step({name}, {told},", f"                        {last})"]
