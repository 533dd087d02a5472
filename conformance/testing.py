"""In a test suite: one pytest test per property, all of them reading one run.

    from backproof import conformance_tests
    from my_package import backprop

    test_mine = conformance_tests(backprop)

A mistake is one failure with its explanation; what else it breaks fails with a line that points there. A property that
was not asked is skipped with the reason: a skip is never a pass. The item "verdict" fails unless the verdict is
"conforms".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from .api import plan_of, verify
from .plug import subject_of
from .report import Finding, Report

VERDICT = "verdict"
Target = Any
_WANTED: dict[str, None] = {}
_DONE: dict[tuple[Any, str], tuple[Target, Report | Exception]] = {}


def conformance_tests(target: Target, **options: Any) -> Callable[..., None]:
    """A parametrised test function; assign it to a name that starts with `test`.

    target and options are those of `verify`, whose run is made by the first test that is run. Raises PlanError for an
    option that cannot be, and DescriptionError for a target that is not callable.
    """
    import pytest

    name = target if isinstance(target, str) else subject_of(target).name
    plan_of(**{key: value for key, value in options.items() if key not in ("report", "quiet")})
    _WANTED[name] = None

    @pytest.mark.parametrize("name", names := property_names(), ids=names)
    def test(name: str, request: pytest.FixtureRequest) -> None:
        show(name, request.node.originalname, judged(target, options, request.node))

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


def judged(target: Target, options: dict[str, Any], item: Any) -> Report | Exception:
    """The one run of this process, or what it raised; the item that makes it carries the summary for the terminal."""
    key = (target if isinstance(target, str) else id(target), repr(sorted(options.items())))
    if key not in _DONE:
        _DONE[key] = (target, _run(target, options))
        item.add_report_section("call", "backproof", summary(target, _DONE[key][1]))
    return _DONE[key][1]


def _run(target: Target, options: dict[str, Any]) -> Report | Exception:
    try:
        return verify(target, **options)
    except Exception as error:
        return error


def summary(target: Target, report: Report | Exception) -> str:
    """One line for the end of the session."""
    if isinstance(report, Exception):
        return f"{target}: not judged"
    why = f" ({report.reason})" if report.reason else ""
    return (f"{report.subject}: {report.verdict.replace('_', ' ')}{why}; {report.networks} networks, "
            f"{report.total('passed')} checks passed, {report.total('failed') + report.total('errored')} failed, "
            f"{report.seconds:.1f} s")


# --- one test ----------------------------------------------------------------------------------------------------


def show(name: str, test: str, report: Report | Exception) -> None:
    """Pass, skip or fail the item of one property."""
    if isinstance(report, Exception):
        _not_judged(name, test, report)
    elif name == VERDICT:
        _verdict(test, report)
    elif report.verdict == "not_judged":
        _fail(f"not judged: see {test}[{VERDICT}]")
    else:
        _property(name, test, report)


def _not_judged(name: str, test: str, error: Exception) -> None:
    """A target or an option that cannot be is one line; an error of ours keeps its traceback."""
    if name != VERDICT:
        _fail(f"not judged: see {test}[{VERDICT}]")
    if not isinstance(error, ValueError):
        raise error
    _fail(f"not judged: {error}")


def _verdict(test: str, report: Report) -> None:
    if report.verdict in ("incomplete", "not_judged"):
        _fail(f"{report.verdict.replace('_', ' ')}: {report.reason or 'no reason given'}")
    homeless = [f.text for f in report.findings if f.property not in property_names()]
    if homeless:
        _fail("\n\n".join(homeless))
    if report.exit:
        _fail(f"{report.verdict.replace('_', ' ')}: see {_pointers(test, report.findings)}")


def _property(name: str, test: str, report: Report) -> None:
    mine = [f for f in report.findings if f.property == name]
    if mine:
        _fail("\n\n".join(f"{f.text}\ncase {f.case}" for f in mine))
    counts = report.counts.get(name, {})
    failed = counts.get("failed", 0) + counts.get("errored", 0)
    causes = [f for f in report.findings if name in f.also]
    if failed or causes:
        _fail(f"{failed} of {sum(counts.values())} checks failed: see {_pointers(test, causes or report.findings)}")
    if not counts.get("passed"):
        _skip(", ".join(outcome.replace("_", " ") for outcome, n in counts.items() if n) or "not exercised")


def _pointers(test: str, findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(f"{test}[{f.property}]" for f in findings)) or f"{test}[{VERDICT}]"


def _fail(message: str) -> NoReturn:
    import pytest

    pytest.fail(message, pytrace=False)


def _skip(reason: str) -> NoReturn:
    import pytest

    pytest.skip(reason)
