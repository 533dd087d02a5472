"""conformance_tests in a user's test suite, and the plug-in that nobody notices."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backproof import conformance_tests
from backproof.record.report import Finding, Report
from backproof.reference import DescriptionError
from backproof.running.api import PlanError
from backproof.testing import asked as asking
from backproof.testing import outcome as outcomes

pytest_plugins = "pytester"

NAMES = asking.property_names()  # loads all that pytester would forget after every test

MINE = """
from backproof import conformance_tests

calls = []

def backprop(network, parameters, inputs, targets):
    return 0.0, {}

test_mine = conformance_tests(backprop)
"""


@pytest.fixture(autouse=True)
def _apart(monkeypatch):
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)  # there pytest's summary repeats every message whole


@pytest.fixture
def given(monkeypatch):
    """verify gives back the report made here, and counts."""
    seen = {"report": a_report(), "runs": 0}

    def verify(target, **options):
        seen["runs"] += 1
        if isinstance(seen["report"], Exception):
            raise seen["report"]
        return seen["report"]

    monkeypatch.setattr(outcomes, "verify", verify)
    return seen


def a_report(verdict="conforms", **changes):
    counts = {name: {"passed": 3} for name in NAMES[:-1]}
    return Report("backprop", verdict, {}, 0, **{"counts": counts, "networks": 3, **changes})


def a_finding(**changes):
    fields = {"property": "reference", "parameter": "0.bias", "where": (0,), "got": 1.0, "wanted": 2.0, "error": 1.0,
              "tolerance": 1e-12, "case": "abc", "explanation": "the bias gradient\nis halved", "also": ("torch",)}
    return Finding(**{**fields, **changes})


def outcome(pytester, *arguments, **wanted):
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *arguments)
    result.assert_outcomes(**wanted)
    return result


# --- passing -----------------------------------------------------------------------------------------------------


def test_one_test_per_property_and_one_run(pytester, given):
    pytester.makepyfile(MINE)
    result = outcome(pytester, "-v", passed=len(NAMES))
    assert given["runs"] == 1
    for name in NAMES:
        result.stdout.fnmatch_lines([f"test_one_test_per_property_and_one_run.py::test_mine[[]{name}[]] PASSED*"])
    result.stdout.fnmatch_lines(["backproof: verifies backprop",
                                 "backproof: backprop: conforms; 3 networks, * 0 failed, 0.0 s"])


def test_two_subjects_two_runs_two_lines(pytester, given):
    pytester.makepyfile(MINE + "\ndef other(*_): ...\n\ntest_other = conformance_tests(other, examples=3)")
    result = outcome(pytester, passed=2 * len(NAMES))
    assert given["runs"] == 2
    result.stdout.fnmatch_lines(["backproof: verifies backprop, other"])


def test_the_same_subject_is_run_once(pytester, given):
    pytester.makepyfile(MINE + "\ntest_again = conformance_tests(backprop)")
    outcome(pytester, passed=2 * len(NAMES))
    assert given["runs"] == 1


def test_in_a_class_and_selected_by_name(pytester, given):
    pytester.makepyfile(MINE + "\nclass TestIt:\n    test_inside = staticmethod(conformance_tests(backprop))")
    outcome(pytester, "-k", "test_inside and verdict", passed=1, deselected=2 * len(NAMES) - 1)


def test_the_test_is_where_it_is_asked_for(pytester, given):
    path = pytester.makepyfile(MINE)
    items, _ = pytester.inline_genitems(path)
    line = MINE.splitlines().index("test_mine = conformance_tests(backprop)")
    assert {(Path(item.location[0]).name, item.location[1] + 1) for item in items} == {(path.name, line)}


# --- not passing -------------------------------------------------------------------------------------------------


def test_a_mistake_is_one_headline_and_lines_that_point_to_it(pytester, given):
    failed = {"reference": {"failed": 2, "passed": 1}, "torch": {"failed": 3}, "jax": {"errored": 1}}
    given["report"] = a_report("does_not_conform", findings=[a_finding()], counts=a_report().counts | failed)
    pytester.makepyfile(MINE)
    result = outcome(pytester, "-rx", failed=1, xfailed=3, passed=len(NAMES) - 4)
    text = result.stdout.str()
    assert text.count("the bias gradient\nis halved\ncase abc") == 1
    assert "3 of 3 checks failed: see test_mine[reference]" in text
    assert "1 of 1 checks failed: see test_mine[reference]" in text
    assert "does not conform: see test_mine[reference]" in text
    assert "testing.py" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("only", ["torch", "verdict", "jax or verdict"])
def test_where_the_test_that_tells_is_not_run_what_points_to_it_fails(only, pytester, given):
    failed = {"reference": {"failed": 2, "passed": 1}, "torch": {"failed": 3}, "jax": {"errored": 1}}
    given["report"] = a_report("does_not_conform", findings=[a_finding()], counts=a_report().counts | failed)
    pytester.makepyfile(MINE)
    outcome(pytester, "-k", only, failed=1 + only.count("or "), deselected=len(NAMES) - 1 - only.count("or "))


def test_two_mistakes_are_two_failures(pytester, given):
    findings = [a_finding(also=()), a_finding(property="jax", also=("torch",))]
    failed = {name: {"failed": 2} for name in ("reference", "torch", "jax")}
    given["report"] = a_report("does_not_conform", findings=findings, counts=a_report().counts | failed)
    pytester.makepyfile(MINE)
    outcome(pytester, failed=2, xfailed=2, passed=len(NAMES) - 4)


def test_a_finding_without_a_test_of_its_own_is_told_by_the_verdict(pytester, given):
    given["report"] = a_report("does_not_conform", findings=[a_finding(property="something_new", also=())])
    pytester.makepyfile(MINE)
    outcome(pytester, failed=1, passed=len(NAMES) - 1).stdout.fnmatch_lines(["is halved"])


@pytest.mark.parametrize(("counts", "reason"), [
    ({}, "not exercised"), ({"not_claimed": 3}, "not claimed"), ({"not_available": 1}, "not available"),
    ({"declined": 2, "inconclusive": 1, "passed": 0}, "declined, inconclusive"),
])
def test_what_was_not_asked_is_skipped_with_the_reason(pytester, given, counts, reason):
    given["report"] = a_report(counts=a_report().counts | {"jax": counts})
    pytester.makepyfile(MINE)
    result = outcome(pytester, "-rs", skipped=1, passed=len(NAMES) - 1)
    result.stdout.fnmatch_lines([f"SKIPPED*: {reason}"])


def test_incomplete_fails_the_verdict(pytester, given):
    given["report"] = a_report("incomplete", reason="only 3 of 30 sharp comparisons")
    pytester.makepyfile(MINE)
    result = outcome(pytester, failed=1, passed=len(NAMES) - 1)
    result.stdout.fnmatch_lines(["incomplete: only 3 of 30 sharp comparisons"])


def test_not_judged_passes_nothing(pytester, given):
    given["report"] = Report("backprop", "not_judged", {}, 0, reason="smoke: returned None")
    pytester.makepyfile(MINE)
    result = outcome(pytester, "-rx", failed=1, xfailed=len(NAMES) - 1)
    result.stdout.fnmatch_lines(["not judged: smoke: returned None", "XFAIL *not judged: see test_mine[[]verdict[]]"])


def test_a_target_that_cannot_be_is_one_line(pytester):
    pytester.makepyfile("from backproof import conformance_tests\ntest_mine = conformance_tests('nothing.py:f')")
    result = outcome(pytester, "-rx", failed=1, xfailed=len(NAMES) - 1)
    result.stdout.fnmatch_lines(["not judged: no file nothing.py", "backproof: nothing.py:f: not judged"])
    assert "Traceback" not in result.stdout.str()


def test_an_error_of_ours_keeps_its_traceback(pytester, given):
    given["report"] = ZeroDivisionError("ours")
    pytester.makepyfile(MINE)
    result = outcome(pytester, "-rx", failed=1, xfailed=len(NAMES) - 1)
    assert given["runs"] == 1
    result.stdout.fnmatch_lines(["E *ZeroDivisionError: ours"])


@pytest.mark.parametrize(("options", "error"), [
    ({"examples": 0}, PlanError), ({"require": "tourch"}, PlanError), ({"exampels": 3}, TypeError)])
def test_options_are_checked_at_once(options, error):
    with pytest.raises(error):
        conformance_tests(lambda *_: None, **options)


def test_a_target_is_checked_at_once():
    with pytest.raises(DescriptionError, match="not callable"):
        conformance_tests(3)


# --- the real run, in processes of their own ---------------------------------------------------------------------

REAL = """
import numpy as np
from backproof import Head, conformance_tests, implementation

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def right(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    d = inputs @ W + b - targets
    return (d ** 2).sum(), network.pack([2 * inputs.T @ d], [2 * d.sum(0)])

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def wrong(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {**gradients, "0.bias": gradients["0.bias"] / len(inputs)}

few = dict(oracles="differences,complex_step", examples=60)
test_right = conformance_tests(right, **few)
test_wrong = conformance_tests(wrong, **few)
"""


def run_real(pytester, *arguments):
    pytester.makepyfile(test_real=REAL)
    pytester.makeini("[pytest]\nfilterwarnings = error\nstrict_markers = true\n")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-v", *arguments, timeout=120)


def test_end_to_end(pytester):
    text = run_real(pytester).stdout.str()
    assert not re.search(r"test_right\S+ FAILED", text), text
    assert re.search(r"test_real.py::test_right\[verdict\] PASSED", text)
    assert re.search(r"test_real.py::test_right\[jax\] SKIPPED", text)
    assert re.search(r"test_real.py::test_wrong\[verdict\] XFAIL", text)
    assert re.findall(r"::(test_wrong\S+) FAILED", text) == ["test_wrong[reference]"]
    assert re.search(r"test_real.py::test_wrong\[repeated_question\] PASSED", text)
    assert text.count("0.bias[") == 1
    assert "backproof: right: conforms; 60 networks, " in text
    assert "backproof: wrong: does not conform; 60 networks, " in text
    assert "warning" not in text


def test_end_to_end_under_xdist(pytester):
    pytest.importorskip("xdist")
    text = run_real(pytester, "-n", "2").stdout.str()
    assert "backproof: right: conforms; 60 networks, " in text
    assert "backproof: wrong: does not conform; 60 networks, " in text


# --- the plug-in that is not used --------------------------------------------------------------------------------


def test_unused_it_says_and_imports_nothing(pytester):
    pytester.makepyfile("""
        import sys

        def test_nothing():
            heavy = {"numpy", "hypothesis", "torch", "jax", "backproof.testing.conformance", "backproof.reference"}
            assert "backproof.pytest_plugin" in sys.modules
            assert not heavy & set(sys.modules)
    """)
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:jaxtyping")
    result.assert_outcomes(passed=1)
    assert "backproof: " not in result.stdout.str()


def test_unused_it_costs_nothing():
    code = "import typing; from time import perf_counter as t; s = t(); import backproof.pytest_plugin; print(t() - s)"
    command = [sys.executable, "-c", code]
    costs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    assert min(map(float, costs)) < 0.02


def test_a_long_session_is_summed_up_quickly():
    from backproof.pytest_plugin import pytest_terminal_summary

    class Quiet:
        stats = {"passed": [Report("x", "conforms", {}, 0)] * 100_000}  # noqa: RUF012
    start = time.perf_counter()
    pytest_terminal_summary(Quiet)
    assert time.perf_counter() - start < 0.2
