"""`pytest --backproof TARGET`: options, tests, summary, records, workers."""

import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from backproof.record.report import Finding, Report
from backproof.running.profiles import PROFILES
from backproof.testing import asked as asking
from backproof.testing import outcome
from backproof.testing.session import Session, Settings
from backproof.testing.sharing import once
from filelock import FileLock

pytest_plugins = "pytester"

NAMES = asking.property_names()
MINE = """
from backproof import Head, implementation

HEAD = Head("identity", "squared_error", reduction="sum")

@implementation(heads=[HEAD])
def right(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    d = inputs @ W + b - targets
    return (d ** 2).sum(), network.pack([2 * inputs.T @ d], [2 * d.sum(0)])

@implementation(heads=[HEAD])
def wrong(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {**gradients, "0.bias": gradients["0.bias"] / len(inputs)}
"""


@pytest.fixture(autouse=True)
def _apart(monkeypatch, pytester):
    pytester.makeini("[pytest]")  # else a file above would be the ini-file
    for name in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)  # in CI pytest's summary repeats every message whole


@pytest.fixture
def asked(monkeypatch):
    """verify is not run: what it was asked, by target."""
    seen = {}

    def verify(target, **options):
        seen[target] = options
        return seen.get("report") or a_report(target)

    monkeypatch.setattr(outcome, "verify", verify)
    return seen


def a_report(subject, verdict="conforms", **changes):
    counts = {name: {"passed": 3} for name in NAMES[:-1]}
    return Report(subject, verdict, {}, 0, **{"counts": counts, "networks": 3, **changes})


def a_mistake():
    finding = Finding("reference", "0.bias", (0,), 1.0, 2.0, 1.0, 1e-12, "abc", "the bias gradient\nis halved")
    return a_report("x", "does_not_conform", findings=[finding])


def here(pytester, *arguments, **outcomes):
    """pytest in this process; its text."""
    result = pytester.runpytest_inprocess("-W", "error", "--strict-markers", *arguments)
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


def apart(pytester, *arguments):
    return pytester.runpytest_subprocess("-W", "error", "--strict-markers", *arguments, timeout=120).stdout.str()


# --- the options -------------------------------------------------------------------------------------------------


def test_a_target_adds_its_tests_after_the_others(pytester, asked):
    pytester.makepyfile("def test_own(): ...")
    text = here(pytester, "-v", "--backproof", "mine.py:right", passed=len(NAMES) + 1)
    found = re.findall(r"^(\S+) PASSED", text, re.M)
    assert found[0].endswith("::test_own")
    assert found[1:] == [f"backproof::mine.py:right::{name}" for name in NAMES]
    assert f"collected {len(NAMES) + 1} items" in text
    assert "backproof: verifies mine.py:right\n" in text
    assert "backproof: mine.py:right: conforms; 3 networks" in text


def test_several_targets_each_once(pytester, asked):
    here(pytester, "--backproof=a.py:f", "--backproof=reference", "--backproof=a.py:f", passed=2 * len(NAMES))
    assert list(asked) == [f"{pytester.path / 'a.py'}:f", "reference"]


def test_selected_like_any_other(pytester, asked):
    text = here(pytester, "--backproof", "a.py:f", "-k", "verdict", passed=1, deselected=len(NAMES) - 1)
    assert "not run" not in text


def test_a_target_that_nobody_ran_is_said(pytester, asked):
    text = here(pytester, "--backproof", "a.py:f", "-k", "nothing", deselected=len(NAMES))
    assert "backproof: a.py:f: not run" in text


def test_the_failures_of_the_last_run(pytester, asked):
    asked["report"] = a_mistake()
    here(pytester, "--backproof", "a.py:f", failed=1, xfailed=1, passed=len(NAMES) - 2)
    here(pytester, "--backproof", "a.py:f", "--lf", failed=1, deselected=len(NAMES) - 1)


def test_options_reach_the_run(pytester, asked):
    text = here(pytester, "--backproof=reference", "--backproof-examples=7", "--backproof-seconds=1.5",
                "--backproof-seed=3", "--backproof-profile=quick", "--backproof-report=out", "-k", "verdict",
                passed=1, deselected=len(NAMES) - 1)
    assert asked["reference"] == {"examples": 7, "seconds": 1.5, "seed": 3, "profile": "quick",
                                  "report": pytester.path / "out", "apart": True}
    assert "backproof: verifies reference; profile quick; examples 7; seconds 1.5; seed 3; report in out\n" in text
    assert re.search(r"^backproof: reference: conforms.*; report in out$", text, re.M)


def test_options_hold_for_conformance_tests_that_say_nothing_else(pytester, asked):
    pytester.makepyfile("""
        from backproof import conformance_tests

        test_a = conformance_tests('a.py:f')
        test_b = conformance_tests('b.py:f', examples=5, report='b')
    """)
    text = here(pytester, "--backproof-examples=7", "--backproof-report=out", "-k", "verdict", passed=2,
                deselected=2 * len(NAMES) - 2)
    assert asked["a.py:f"]["examples"] == 7
    assert asked["a.py:f"]["report"].parent == pytester.path / "out"
    assert asked["b.py:f"] == {"examples": 5, "report": "b", "apart": True}
    assert "; report in b" in text


@pytest.mark.parametrize(("path", "text"), [
    ("pytest.ini", "[pytest]\nbackproof =\n  a.py:f\n  reference\nbackproof_examples = 7\nbackproof_report = out\n"),
    ("pyproject.toml", '[tool.pytest.ini_options]\nbackproof = ["a.py:f", "reference"]\nbackproof_examples = 7\n'
                       'backproof_report = "out"\n'),
])
def test_the_ini_file_says_it_from_its_own_folder(pytester, asked, path, text, monkeypatch):
    (pytester.path / path).write_text(text)
    pytester.mkdir("below")
    monkeypatch.chdir("below")
    seen = here(pytester, passed=2 * len(NAMES))
    assert list(asked) == [f"{pytester.path / 'below' / '../a.py'}:f", "reference"]
    assert {options["examples"] for options in asked.values()} == {7}
    assert {options["report"].parent for options in asked.values()} == {pytester.path / "out"}
    assert len({options["report"] for options in asked.values()}) == 2
    assert "backproof: verifies ../a.py:f, reference" in seen


def test_the_command_line_is_above_the_ini_file(pytester, asked):
    pytester.makeini("[pytest]\nbackproof_examples = 7\nbackproof_seed = 2")
    here(pytester, "--backproof=reference", "--backproof-examples=8", passed=len(NAMES))
    assert (asked["reference"]["examples"], asked["reference"]["seed"]) == (8, 2)


def test_paths_on_the_command_line_leave_the_targets_of_the_ini_file_out(pytester, asked):
    pytester.makeini("[pytest]\nbackproof = a.py:f")
    path = pytester.makepyfile("def test_own(): ...")
    assert "backproof: " not in here(pytester, path, passed=1)
    here(pytester, path, "--backproof=reference", passed=len(NAMES) + 1)


@pytest.mark.parametrize(("options", "says"), [
    (["--backproof-profile=fast"], "backproof: profile: unknown profile 'fast'; there is quick, default, thorough"),
    (["--backproof-examples=0"], "backproof: examples: wanted a whole number, 1 or more; received 0"),
    (["--backproof-seconds=inf"], "backproof: seconds: wanted a number above 0; received inf"),
    (["-o", "backproof_examples=x"], "backproof_examples: wanted a number; received 'x'"),
])
def test_an_option_that_cannot_be_is_one_line(pytester, options, says):
    result = pytester.runpytest_inprocess("--backproof=reference", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().split("\n")[0] == f"ERROR: {says}"


# --- --pyargs backproof ------------------------------------------------------------------------------------------


def test_without_a_test_file(pytester, asked):
    text = here(pytester, "--pyargs", "backproof", "--backproof", "a.py:f", passed=len(NAMES))
    assert f"collected {len(NAMES)} items" in text


def test_one_test_by_its_name(pytester, asked):
    here(pytester, "--pyargs", "backproof.test_conformance::a.py:f::torch", "--backproof", "a.py:f", passed=1)


def test_the_ini_file_and_pyargs(pytester, asked):
    pytester.makeini("[pytest]\nbackproof = a.py:f")
    here(pytester, "--pyargs", "backproof", passed=len(NAMES))


def test_without_a_target_it_says_how_to_give_one(pytester):
    text = here(pytester, "--pyargs", "backproof", failed=1)
    assert "pytest --pyargs backproof --backproof my_file.py:backprop" in text
    assert "Traceback" not in text


def test_nothing_else_of_the_package_is_collected(pytester, asked):
    here(pytester, "--pyargs", "backproof", "--backproof=reference", "-o", "python_files=*.py", passed=len(NAMES))


# --- what a failure says -----------------------------------------------------------------------------------------


def test_the_failure_holds_the_finding_and_the_replay_line(pytester, asked):
    asked["report"] = a_mistake()
    here(pytester, "--backproof=my dir/a.py:f", "--backproof-report=out", "--junit-xml=j.xml", failed=1, xfailed=1,
         passed=len(NAMES) - 2)
    cases = {case.get("name"): case for case in ElementTree.parse("j.xml").iter("testcase")}
    assert cases["reference"].get("classname") == "backproof.my dir/a.py:f"
    assert cases["reference"].find("failure").text == (
        "the bias gradient\nis halved\ncase abc\nreplay: python -m backproof replay out/cases/abc.json 'my dir/a.py:f'")
    assert cases["verdict"].find("skipped").get("message") == "does not conform: see backproof::my dir/a.py:f::reference"


def test_what_was_handled_when_it_fails_is_not_shown_as_its_cause():
    try:
        raise RuntimeError("of somebody else")
    except RuntimeError:
        with pytest.raises(pytest.fail.Exception, match="the bias gradient") as failure:
            outcome._fail("the bias gradient")
    assert failure.value.__suppress_context__


def test_without_a_record_there_is_nothing_to_replay(pytester, asked):
    asked["report"] = a_mistake()
    text = here(pytester, "--backproof=a.py:f", "-p", "no:cacheprovider", failed=1, xfailed=1, passed=len(NAMES) - 2)
    assert "is halved\ncase abc\n" in text
    assert "replay:" not in text
    assert asked[f"{pytester.path / 'a.py'}:f"] == {"report": None, "apart": True}


def test_a_function_of_a_file_is_replayed_by_its_name(pytester, asked):
    asked["report"] = a_mistake()
    pytester.makepyfile(test_it="""
        from backproof import conformance_tests

        def f(*_): ...

        test_f = conformance_tests(f)
        test_g = conformance_tests(lambda *_: None)
    """)
    text = here(pytester, failed=2, xfailed=2, passed=2 * len(NAMES) - 4)
    with_name, without = re.findall("replay: python -m backproof replay (.*)", text)
    assert with_name.split()[1:] == ["test_it.py:f"]
    assert without.split()[1:] == []


def test_a_target_that_cannot_be_is_one_line(pytester):
    text = here(pytester, "--backproof=nothing.py:f", failed=1, xfailed=len(NAMES) - 1)
    assert f"not judged: no file {pytester.path / 'nothing.py'}" in text
    assert "backproof: nothing.py:f: not judged\n" in text
    assert "Traceback" not in text


# --- the real run, in processes of their own ---------------------------------------------------------------------

FEW = ("-o", "backproof_examples=8", "--backproof-report=out")
QUICKLY = "import sys\nsys.modules.update(torch=None, jax=None)  # not available: they take long to import"


def test_end_to_end(pytester):
    pytester.makepyfile(mine=MINE, conftest=QUICKLY)
    text = apart(pytester, "-v", "--backproof=mine.py:wrong", *FEW)
    assert "backproof::mine.py:wrong::reference FAILED" in text.replace(" <- mine.py", "")
    (replay,) = re.findall("^replay: python -m backproof replay (.*) mine.py:wrong$", text, re.M)
    assert (pytester.path / replay).is_file()
    assert "backproof: mine.py:wrong: does not conform; 8 networks" in text
    again = apart(pytester, "--backproof=mine.py:wrong", *FEW)
    assert "backproof: mine.py:wrong: does not conform; 9 networks" in again
    report = json.loads((pytester.path / "out" / "report.json").read_text())
    asked_first = {"kind": "past_cases", "text": "asked first: 1 case of the runs before"}
    assert asked_first in report["notes"]
    assert report["first_failure"] == 1


def test_workers_share_one_run(pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(mine=MINE, conftest=QUICKLY, test_it="""
        from backproof import conformance_tests
        from mine import right

        test_it = conformance_tests(right, oracles="differences", examples=1)
    """)
    text = apart(pytester, "-n2", "-v", "-rfx", "--backproof=mine.py:wrong", *FEW)
    assert text.count("backproof: mine.py:wrong: does not conform; 8 networks") == 1
    assert text.count("backproof: right: incomplete") == 1
    assert {"gw0", "gw1"} <= set(re.findall(r"\[(gw\d)\]", text))
    records = list((pytester.path / "out").rglob("report.jsonl"))
    assert len(records) == 2
    for record in records:
        kinds = [json.loads(line)["type"] for line in record.read_text().splitlines()]
        assert (kinds[0], kinds[-1], kinds.count("header"), kinds.count("footer")) == ("header", "footer", 1, 1)
    failed = re.findall(r"^FAILED backproof::mine.py:wrong::(\w+)", text, re.M)
    assert failed == ["reference"]
    assert text.count("XFAIL") > 5


def test_workers_that_are_apart_share_nothing(pytester):
    """--dist each: the same tests on several platforms."""
    def settings(mode):
        node = SimpleNamespace(workerinput={}, gateway=SimpleNamespace(id="gw1"))
        config = pytester.parseconfig("--backproof=a.py:f", "--backproof-report=out")
        config.option.dist = mode
        controller = Session(config, Settings(["a.py:f"], {}, "out"))
        controller.pytest_configure_node(node)
        worker = Session(config, Settings(**node.workerinput["backproof"]))
        found = worker.shared, str(worker.record("a.py:f"))
        controller.pytest_unconfigure()
        assert not found[0] or not found[0].exists()
        return found

    assert settings("each") == (None, os.path.join("out", "gw1"))
    shared, record = settings("load")
    assert (shared is not None, record) == (True, "out")


def test_a_run_that_another_process_made_is_read(tmp_path):
    report = a_mistake()
    report.findings = [replace(report.findings[0], got=float("inf"), also=("torch",), faults=("a",),
                               lesson=dict.fromkeys(("symptom", "wrong", "right", "seen"), "text"))]
    assert once(tmp_path, "x", lambda: report) == (report, True)
    assert once(tmp_path, "x", lambda: pytest.fail("made twice")) == (report, False)
    assert once(tmp_path, "y", lambda: a_report("y")) == (a_report("y"), True)


def test_what_is_raised_is_not_shared(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            once(tmp_path, "x", lambda: 1 / 0)
    assert once(tmp_path, "x", lambda: a_report("x"))[1]


def test_a_process_that_is_killed_lets_go(tmp_path):
    code = ("import sys, time; from pathlib import Path; from filelock import FileLock\n"
            "with FileLock(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "in\n"
    entered = threading.Event()

    def enter():
        with FileLock(tmp_path / "lock"):
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    assert not entered.wait(0.2)
    child.kill()
    assert entered.wait(10)
    child.communicate()


HYPOTHESIS = """
import hypothesis
from hypothesis import settings
from hypothesis.configuration import storage_directory

def state():
    return repr(settings.default), dict(settings._profiles), settings._current_profile

before = state()
import backproof
backproof.verify("reference", profile={profile!r}, examples=2, oracles="differences")
assert state() == before
settings.register_profile("mine", max_examples=3)
assert state() != before
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_touches_those_of_hypothesis(profile):
    code = HYPOTHESIS.format(profile=profile)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
