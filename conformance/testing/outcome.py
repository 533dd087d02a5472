"""The one run behind many tests, and what each of them makes of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ..record.report import Finding, Report
from ..running.api import verify
from .asked import VERDICT, Asked, Outcome, property_names
from .session import Session, folder, session, shown
from .sharing import once


def judged(asked: Asked, item: Any) -> Outcome:
    """The one run of this session, or what it raised.

    The item that makes it carries the summary for the terminal.
    """
    target = asked.target
    done = session(item.config).outcomes
    key = (target if isinstance(target, str) else id(target), repr(sorted(asked.options.items())))
    if key not in done:
        outcome, made = _run(asked, item)
        done[key] = (target, outcome)
        if made:
            item.add_report_section("call", "backproof", summary(asked, outcome))
    return done[key][1]


def _run(asked: Asked, item: Any) -> tuple[Outcome, bool]:
    """The outcome, and whether this process made it."""
    here = session(item.config)
    name = asked.name or item.nodeid.partition("[")[0]
    options = {**here.settings.options, **asked.options}
    record = options.setdefault("report", here.record(name))
    try:
        report, made = _shared(here, name, lambda: verify(
            asked.target, apart=_apart(asked.target, item.config), **options))
    except Exception as error:
        return Outcome(error), True
    return Outcome(report, shown(Path(record).absolute(), item.config) if record else ""), made


def _apart(target: Any, config: Any) -> bool:
    """Whether it runs in a process of its own: what is given as text does, but for a debugger."""
    return isinstance(target, str) and not config.getoption("usepdb", False)


def _shared(here: Session, name: str, make: Callable[[], Report]) -> tuple[Report, bool]:
    return once(here.shared, folder(name), make) if here.shared else (make(), True)


def summary(asked: Asked, outcome: Outcome) -> str:
    """One line for the end of the session."""
    report = outcome.report
    if isinstance(report, Exception):
        return f"{asked.name or asked.target}: not judged"
    why = f" ({report.reason})" if report.reason else ""
    where = f"; report in {outcome.record}" if outcome.record else ""
    failed = report.total("failed") + report.total("errored")
    return (f"{asked.name or report.subject}: {report.says}{why}; "
            f"{report.networks} {report.of}, {report.total('passed')} checks passed, "
            f"{failed} failed, {report.seconds:.1f} s{where}")


def show(name: str, asked: Asked, outcome: Outcome, item: Any) -> None:
    """Pass, skip or fail the item of one property.

    What is told by another test of this session fails there, and is an expected failure here.
    """
    report, others = outcome.report, Others(name, item)
    if isinstance(report, Exception):
        _not_judged(name, asked, report, others)
    elif _failed_as_expected(name, report):
        pytest.xfail(f"{_as_expected(report)}: see {asked.test(VERDICT)}")
    elif name == VERDICT:
        _verdict(asked, report, outcome.record, others)
    elif report.verdict == "not_judged":
        others.point(f"not judged: see {asked.test(VERDICT)}", [VERDICT])
    else:
        _property(name, asked, report, outcome.record, others)


class Others:
    """The other tests of this subject that the session runs."""

    def __init__(self, name: str, item: Any):
        self.start, self.end = item.name.rsplit(name, 1)
        self.run = {each.name for each in item.session.items if each.parent is item.parent}

    def point(self, message: str, properties: Iterable[str]) -> NoReturn:
        """Fail with the message; as expected where the test of one of these properties is run."""
        if any(f"{self.start}{name}{self.end}" in self.run for name in properties):
            pytest.xfail(message)
        _fail(message)


def _not_judged(name: str, asked: Asked, error: Exception, others: Others) -> None:
    """A target or an option that cannot be is one line; an error of ours keeps its traceback."""
    if name != VERDICT:
        others.point(f"not judged: see {asked.test(VERDICT)}", [VERDICT])
    if not isinstance(error, ValueError):
        raise error
    _fail(f"not judged: {error}")


def _failed_as_expected(name: str, report: Report) -> bool:
    """Whether the property failed, or the whole, in a run that is as a list says."""
    counts = report.counts.get(name, {})
    bad = counts.get("failed") or counts.get("errored")
    wrong = report.verdict == "does_not_conform" if name == VERDICT else bad
    return bool(report.expectation and not report.exit and wrong)


def _as_expected(report: Report) -> str:
    """A line for what is listed: what it is, and what became of it."""
    word = "failed as expected" if not report.exit else "not as expected"
    listed = [f"{each['name']} ({each['outcome'].replace('_', ' ')})"
              for each in report.expectation["listed"]]
    return f"{word}: {', '.join(listed)}"


def _verdict(asked: Asked, report: Report, record: str, others: Others) -> None:
    if report.verdict in ("incomplete", "not_judged"):
        _fail(f"{report.verdict.replace('_', ' ')}: {report.reason or 'no reason given'}")
    homeless = [f for f in report.findings if f.property not in property_names(asked.target)]
    if homeless:
        _fail(_told(homeless, asked, record))
    if report.exit and report.verdict == "conforms":
        _fail(_as_expected(report))
    if report.exit:
        others.point(f"{report.verdict.replace('_', ' ')}: see {_pointers(asked, report.findings)}",
                     [f.property for f in report.findings])


def _property(name: str, asked: Asked, report: Report, record: str, others: Others) -> None:
    mine = [f for f in report.findings if f.property == name]
    if mine:
        _fail(_told(mine, asked, record))
    counts = report.counts.get(name, {})
    failed = counts.get("failed", 0) + counts.get("errored", 0)
    causes = [f for f in report.findings if name in f.also]
    if failed or causes:
        told = causes or report.findings
        where = _pointers(asked, told)
        others.point(f"{failed} of {sum(counts.values())} checks failed: see {where}",
                     [f.property for f in told])
    if not counts.get("passed") or counts.get("inconclusive"):
        seen = ", ".join(outcome.replace("_", " ") for outcome, n in counts.items() if n)
        _skip(seen or "not exercised")


def _told(findings: list[Finding], asked: Asked, record: str) -> str:
    return "\n\n".join("\n".join([f.text, f"case {f.case}", *_replay(f, asked, record)])
                       for f in findings)


def _replay(finding: Finding, asked: Asked, record: str) -> list[str]:
    """The command that asks the case again, where there is a record."""
    words = [f"{record}/cases/{finding.case}.json", asked.typed]
    if not record:
        return []
    return [f"replay: python -m backproof replay {shlex.join(filter(None, words))}"]


def _pointers(asked: Asked, findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(asked.test(f.property) for f in findings)) or asked.test(VERDICT)


def _fail(message: str) -> NoReturn:
    """Fail with the message alone: nothing that went before is shown as its cause."""
    raise pytest.fail.Exception(message, pytrace=False) from None


def _skip(reason: str) -> NoReturn:
    pytest.skip(reason)
