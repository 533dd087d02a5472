"""No answer, or one that is none: a broken contract, a declined question, a crash, a hang."""

from __future__ import annotations

from ..judging.asking import last_line
from ..judging.clock import TimeIsUp
from ..judging.tally import Failure
from ..plug.contract import BrokenContract, Declined
from ..plug.limits import TookTooLong
from ..plug.saying import name_of
from ..record.report import Finding
from ..reference import Case
from .finder import NONE, Finder, Groups, Shown, telling

DECLINED = "declined"


def findings(finder: Finder, groups: Groups) -> list[Finding]:
    """The message on the smallest case that has it, a finding for each kind of trouble."""
    return [of_kind(finder, kind, failures) for kind, failures in groups.items()]


def of_kind(finder: Finder, kind: str, failures: list[Failure]) -> Finding:
    first = min(failures, key=telling)
    case, message = smallest(finder, kind, first)
    raised = first.property == "answers" and kind != DECLINED
    head = said(kind, first.property.replace("_", " "), raised, message)
    cases = [case, *(failure.case for failure in failures)]
    faults = NONE if first.property == "answers" else finder.diagnosed(cases)
    return finder.build(first.property, case, [head], None, faults,
                        "errored" if raised else "failed", kind, on=shown(finder, kind, failures))


def smallest(finder: Finder, kind: str, first: Failure) -> tuple[Case, str]:
    """The smallest case with this trouble, and what it is there; a hang is not asked for again."""
    if kind == TookTooLong.__name__:
        return first.case, first.message
    try:
        case = finder.reduced(first.case, lambda c: trouble(finder, c)[0] == kind)
        return case, trouble(finder, case)[1] or first.message
    except TimeIsUp:
        return first.case, first.message


def said(kind: str, check: str, raised: bool, message: str) -> str:
    """"raised ValueError: ...", "no answer within 10 s (...)", "contract: ..."."""
    if not raised:
        return f"{check}: {message}"
    hung = kind == TookTooLong.__name__
    return message.removeprefix(f"{kind}: ") if hung else f"raised {message}"


def shown(finder: Finder, kind: str, failures: list[Failure]) -> Shown:
    """On which networks there is this trouble; of a hang nothing more is asked."""
    keys, hangs = {failure.key for failure in failures}, kind == TookTooLong.__name__

    def fails(case: Case) -> bool | None:
        return None if hangs else trouble(finder, case)[0] == kind

    return finder.shown(lambda row: bool(keys & row.broken), fails, failures)


def trouble(finder: Finder, case: Case) -> tuple[str, str]:
    """The kind and the message of what the subject does instead of answering; "" for nothing."""
    try:
        finder.judge.question(case)
    except BrokenContract as error:
        return error.kind, error.message
    except (Declined, NotImplementedError) as error:
        return DECLINED, last_line(error)
    except Exception as error:
        return name_of(type(error)), last_line(error)
    return "", ""
