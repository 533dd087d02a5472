"""In a test suite: one pytest test per property, all of them reading one run.

    from backproof import conformance_tests
    from my_package import backprop

    test_mine = conformance_tests(backprop)

A mistake is one failure with its explanation; what else it breaks fails with a line that points there. A property that
was not asked is skipped with the reason: a skip is never a pass. The item "verdict" fails unless the verdict is
"conforms".
"""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .api import plan_of, verify
from .plug import subject_of
from .report import Finding, Report
from .sharing import once

if TYPE_CHECKING:
    from .pytest_session import Session

VERDICT = "verdict"
Target = Any
_WANTED: dict[str, None] = {}
_DONE: dict[tuple[Any, str], tuple[Target, Outcome]] = {}


@dataclass(frozen=True)
class Asked:
    """One subject of a session: what `verify` gets, its name in the terminal, its options, and how its tests are
    called. typed: the target as a user would type it, "" where it cannot be.
    """

    target: Target
    name: str
    options: dict[str, Any]
    test: Callable[[str], str]
    typed: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it: the report, or what was raised; and the folder of the record, "" where there is none."""

    report: Report | Exception
    record: str = ""


def conformance_tests(target: Target, **options: Any) -> Callable[..., None]:
    """A parametrised test function; assign it to a name that starts with `test`.

    target and options are those of `verify`, whose run is made by the first test that is run. Raises PlanError for an
    option that cannot be, and DescriptionError for a target that is not callable. An option that is not given here is
    that of the session: `pytest --backproof-examples 30`.
    """
    import pytest

    name = target if isinstance(target, str) else subject_of(target).name
    plan_of(**{key: value for key, value in options.items() if key not in ("report", "quiet")})
    _WANTED[name] = None

    @pytest.mark.parametrize("name", names := property_names(), ids=names)
    def test(name: str, request: pytest.FixtureRequest) -> None:
        item = request.node
        asked = Asked(target, "", options, lambda other: f"{item.originalname}[{other}]", _typed(target, item.config))
        show(name, asked, judged(asked, item))

    test.__doc__ = f"backproof: {name}"
    return _placed(test)


def wanted() -> list[str]:
    """The subjects of this session, for the plug-in."""
    return list(_WANTED)


def property_names() -> list[str]:
    """The names of the tests: the run's own properties, the identities, the verdict."""
    from .properties.identities import PROPERTIES
    from .run import VALUE_PROPERTIES

    return [*VALUE_PROPERTIES, *PROPERTIES, VERDICT]


def _placed(test: Callable[..., None]) -> Callable[..., None]:
    """The test at the line that asked for it, which is where pytest says it is."""
    frame = sys._getframe(2)
    test.__code__ = test.__code__.replace(co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno)
    return test


# --- the run -----------------------------------------------------------------------------------------------------


def judged(asked: Asked, item: Any) -> Outcome:
    """The one run of this session, or what it raised; the item that makes it carries the summary for the terminal."""
    target = asked.target
    key = (target if isinstance(target, str) else id(target), repr(sorted(asked.options.items())))
    if key not in _DONE:
        outcome, made = _run(asked, item)
        _DONE[key] = (target, outcome)
        if made:
            item.add_report_section("call", "backproof", summary(asked, outcome))
    return _DONE[key][1]


def _run(asked: Asked, item: Any) -> tuple[Outcome, bool]:
    """The outcome, and whether this process made it."""
    from .pytest_session import session, shown

    here = session(item.config)
    name = asked.name or item.nodeid.partition("[")[0]
    options = {**here.settings.options, **asked.options}
    record = options.setdefault("report", here.record(name))
    try:
        report, made = _shared(here, name, lambda: verify(asked.target, **options))
    except Exception as error:
        return Outcome(error), True
    return Outcome(report, shown(Path(record).absolute(), item.config) if record else ""), made


def _shared(here: Session, name: str, make: Callable[[], Report]) -> tuple[Report, bool]:
    from .pytest_session import folder

    return once(here.shared, folder(name), make) if here.shared else (make(), True)


def _typed(target: Target, config: Any) -> str:
    """file.py:name of a function of a file's own."""
    from .pytest_session import shown

    name = getattr(target, "__qualname__", "")
    if isinstance(target, str) or not inspect.isfunction(target) or "<" in name:
        return target if isinstance(target, str) else ""
    return f"{shown(Path(inspect.getfile(target)), config)}:{name}"


def summary(asked: Asked, outcome: Outcome) -> str:
    """One line for the end of the session."""
    report = outcome.report
    if isinstance(report, Exception):
        return f"{asked.name or asked.target}: not judged"
    why = f" ({report.reason})" if report.reason else ""
    where = f"; report in {outcome.record}" if outcome.record else ""
    return (f"{asked.name or report.subject}: {report.verdict.replace('_', ' ')}{why}; {report.networks} networks, "
            f"{report.total('passed')} checks passed, {report.total('failed') + report.total('errored')} failed, "
            f"{report.seconds:.1f} s{where}")


# --- one test ----------------------------------------------------------------------------------------------------


def show(name: str, asked: Asked, outcome: Outcome) -> None:
    """Pass, skip or fail the item of one property."""
    report = outcome.report
    if isinstance(report, Exception):
        _not_judged(name, asked, report)
    elif name == VERDICT:
        _verdict(asked, report, outcome.record)
    elif report.verdict == "not_judged":
        _fail(f"not judged: see {asked.test(VERDICT)}")
    else:
        _property(name, asked, report, outcome.record)


def _not_judged(name: str, asked: Asked, error: Exception) -> None:
    """A target or an option that cannot be is one line; an error of ours keeps its traceback."""
    if name != VERDICT:
        _fail(f"not judged: see {asked.test(VERDICT)}")
    if not isinstance(error, ValueError):
        raise error
    _fail(f"not judged: {error}")


def _verdict(asked: Asked, report: Report, record: str) -> None:
    if report.verdict in ("incomplete", "not_judged"):
        _fail(f"{report.verdict.replace('_', ' ')}: {report.reason or 'no reason given'}")
    homeless = [f for f in report.findings if f.property not in property_names()]
    if homeless:
        _fail(_told(homeless, asked, record))
    if report.exit:
        _fail(f"{report.verdict.replace('_', ' ')}: see {_pointers(asked, report.findings)}")


def _property(name: str, asked: Asked, report: Report, record: str) -> None:
    mine = [f for f in report.findings if f.property == name]
    if mine:
        _fail(_told(mine, asked, record))
    counts = report.counts.get(name, {})
    failed = counts.get("failed", 0) + counts.get("errored", 0)
    causes = [f for f in report.findings if name in f.also]
    if failed or causes:
        _fail(f"{failed} of {sum(counts.values())} checks failed: see {_pointers(asked, causes or report.findings)}")
    if not counts.get("passed") or counts.get("inconclusive"):
        _skip(", ".join(outcome.replace("_", " ") for outcome, n in counts.items() if n) or "not exercised")


def _told(findings: list[Finding], asked: Asked, record: str) -> str:
    return "\n\n".join("\n".join([f.text, f"case {f.case}", *_replay(f, asked, record)]) for f in findings)


def _replay(finding: Finding, asked: Asked, record: str) -> list[str]:
    """The command that asks the case again, where there is a record."""
    words = [f"{record}/cases/{finding.case}.json", asked.typed]
    return [f"replay: python -m backproof replay {shlex.join(filter(None, words))}"] if record else []


def _pointers(asked: Asked, findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(asked.test(f.property) for f in findings)) or asked.test(VERDICT)


def _fail(message: str) -> NoReturn:
    import pytest

    pytest.fail(message, pytrace=False)


def _skip(reason: str) -> NoReturn:
    import pytest

    pytest.skip(reason)
