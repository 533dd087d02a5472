"""Which class is wrong: every layer of the failing networks is asked alone, with a random delta."""

from __future__ import annotations

from collections.abc import Iterator

from ..plug.contract import BrokenContract, Declined
from ..properties.agreement import disagreements, measured
from ..record.notes import Note, NoteKind
from ..reference import Case
from .judge import Judge

CASES = 6  # failing networks that are taken apart
WHOLE = "the way through them or the loss"


def notes(judge: Judge) -> list[Note]:
    """What the layers do alone, where the subject is made of layers and something failed."""
    if judge.subject.alone is None or not judge.tally.failures:
        return []
    seen: dict[str, dict[str, None]] = {}
    for case in _failing(judge):
        for name, small in judge.subject.alone(case):
            seen.setdefault(name, {}).update(dict.fromkeys(_wrong(judge, small)))
    wrong = {name: list(parts) for name, parts in seen.items() if parts}
    right = [name for name, parts in seen.items() if not parts]
    return [Note(_said(wrong, right), NoteKind.ALONE)] if seen else []


def _failing(judge: Judge) -> list[Case]:
    """A few of the networks that failed, the one with the most layers first; none large."""
    failures = [f for group in judge.tally.failures.values() for f in group]
    cases = {failure.case.id: failure.case for failure in failures if not failure.case.large}
    return sorted(cases.values(), key=lambda case: -len(case.network.layers))[:CASES]


def _wrong(judge: Judge, case: Case) -> Iterator[str]:
    """The parts of the layer's answer that are wrong: the names of its arrays, dx, the output."""
    try:
        answer, s = judge.question(case), judge.spread(case)
    except Declined:
        return
    except BrokenContract as error:
        yield _part(error.where) or error.kind
        return
    except Exception as error:
        yield f"raised {type(error).__name__}"
        return
    reply = measured(case, answer, s)
    if abs(float(answer.loss) - float(s.truth.loss)) > float(reply.loss.tolerance):
        yield "its output"
    yield from (_part(each.parameter) for each in disagreements(reply, s.truth))


def _part(parameter: str) -> str:
    return "dx" if parameter == "inputs" else parameter.rpartition(".")[2]


def _said(wrong: dict[str, list[str]], right: list[str]) -> str:
    parts = [f"{name} is wrong ({', '.join(found)})" for name, found in wrong.items()]
    are = "is" if len(right) == 1 else "are"
    parts += [f"{' and '.join(right)} {are} right" + ("" if wrong else f", so it is {WHOLE}")
              ] if right else []
    return f"each layer asked alone, with a random delta: {'; '.join(parts)}"
