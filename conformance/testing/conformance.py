"""In a test suite: one pytest test per property, all of them reading one run.

    from backproof import conformance_tests
    from my_package import backprop

    test_mine = conformance_tests(backprop)

A mistake is one failure with its explanation; what else it breaks is an expected failure (xfail)
with a line that points there, and a failure where that test is not run. A property that was not
asked is skipped with the reason: a skip is never a pass. The item "verdict" is not passed unless
the verdict is "conforms".
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..plug.subject import Subject, subject_of
from ..running.api import Names, plan_of
from .asked import Asked, Target, property_names
from .options import SUBJECT
from .outcome import judged, show
from .session import shown


def conformance_tests(
    target: Target,
    *,
    examples: int | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    oracles: Names | None = None,
    require: Names | None = None,
    stop_after: int | None = None,
    profile: str | None = None,
    report: str | os.PathLike[str] | None = None,
    known_failing: str | os.PathLike[str] | None = None,
    known_flaky: str | os.PathLike[str] | None = None,
) -> Callable[..., None]:
    """A parametrised test function; assign it to a name that starts with `test`.

    target and options are those of `verify`, whose run is made by the first test that is run.
    Raises PlanError for an option that cannot be, and DescriptionError for a target that is not
    callable. An option that is not given here is that of the session:
    `pytest --backproof-examples 30`.
    """
    given = {"examples": examples, "seconds": seconds, "seed": seed, "oracles": oracles,
             "require": require, "stop_after": stop_after, "profile": profile}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    name = target if isinstance(target, str) else subject_of(target).name
    plan_of(**options)
    files = {"report": report, "known_failing": known_failing, "known_flaky": known_flaky}
    options |= {key: path for key, path in files.items() if path is not None}

    @pytest.mark.parametrize("name", names := property_names(target), ids=names)
    def test(name: str, request: pytest.FixtureRequest) -> None:
        item = request.node
        asked = Asked(target, "", options, lambda other: f"{item.originalname}[{other}]",
                      _typed(target, item.config))
        show(name, asked, judged(asked, item), item)

    test.__doc__ = f"backproof: {name}"
    setattr(test, SUBJECT, name)  # read by the plug-in when the tests are collected
    return _placed(test)


def _placed(test: Callable[..., None]) -> Callable[..., None]:
    """The test at the line that asked for it, which is where pytest says it is."""
    frame = sys._getframe(2)
    test.__code__ = test.__code__.replace(co_filename=frame.f_code.co_filename,
                                          co_firstlineno=frame.f_lineno)
    return test


def _typed(target: Target, config: Any) -> str:
    """file.py:name of a function of a file's own."""
    name = getattr(target, "__qualname__", "")
    if isinstance(target, str):
        return target
    if isinstance(target, Subject):
        file = target.source.rpartition(":")[0]
        return f"{shown(Path(file), config)}:{target.name}" if file else ""
    if not inspect.isfunction(target) or "<" in name:
        return ""
    return f"{shown(Path(inspect.getfile(target)), config)}:{name}"
