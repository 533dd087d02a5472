"""No answer, or one that is none: a broken contract, a declined question, a crash, a hang."""

from __future__ import annotations

from ..judging.asking import last_line
from ..judging.tally import Failure
from ..plug.contract import BrokenContract, Declined
from ..record.report import Finding
from ..reference import Case
from .finder import NONE, Finder, Groups, Shown, telling

DECLINED = "declined"


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """The message on the smallest case that has it, a finding for each kind of trouble."""
    return [of_kind(finder, kind, failures) for kind, failures in groups.items()]


def of_kind(finder: Finder, kind: str, failures: list[Failure]) -> Finding:
    first = min(failures, key=telling)
    case = finder.reduced(first.case, lambda c: trouble(finder, c)[0] == kind)
    message = trouble(finder, case)[1] or first.message
    raised = first.property == "answers" and kind != DECLINED
    head = "raised an exception or hung" if raised else first.property.replace("_", " ")
    cases = [case, *(failure.case for failure in failures)]
    faults = NONE if first.property == "answers" else finder.diagnosed(cases)
    return finder.build(first.property, case, [f"{head}: {message}"], None, faults,
                        "errored" if raised else "failed", kind, on=shown(finder, kind, failures))


def shown(finder: Finder, kind: str, failures: list[Failure]) -> Shown:
    """On which networks there is this trouble."""
    keys = {failure.key for failure in failures}
    return finder.shown(lambda row: bool(keys & row.broken),
                        lambda case: trouble(finder, case)[0] == kind, failures)


def trouble(finder: Finder, case: Case) -> tuple[str, str]:
    """The kind and the message of what the subject does instead of answering; "" for nothing."""
    try:
        finder.judge.question(case)
    except BrokenContract as error:
        return error.kind, error.message
    except (Declined, NotImplementedError) as error:
        return DECLINED, last_line(error)
    except Exception as error:
        return type(error).__name__, last_line(error)
    return "", ""
