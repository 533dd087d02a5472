"""Known-failing and known-flaky lists: paths of features, a run before them, and what pytest makes of it."""

import json
from pathlib import Path

import pytest
from backproof import cli
from backproof.record.expectations import ExpectationError
from backproof.record.features import features
from backproof.record.lists import Lists, listed, load, matches, paths
from backproof.record.reading import read
from backproof.testing import asked as asking
from backproof.testing import outcome as outcomes
from backproof.testing import session
from small_records import case, finding, report

EXAMPLES = Path(__file__).parent / "examples"
DENSE = features(case("tanh", "mean"))
OTHER = features(case("relu", "sum"))
WRONG = finding("reference", "bias")


def line(text, flaky=False):
    return listed("f", 1, text, flaky)


def lists(*texts, flaky=()):
    return Lists([*map(line, texts), *(line(text, True) for text in flaky)])


# --- paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "fits"), [
    ("dense/tanh/squared_error/mean/float64", True), ("dense/relu/squared_error/mean/float64", False),
    ("dense/tanh/squared_error/*/float64", True), ("dense/**", True), ("**", True), ("**/float64", True),
    ("**/float32", False), ("dense/**/mean/float64", True), ("dense/**/sum/*", False), ("*/*/*/*/*", True),
    ("*/*/*/*", False), ("dense/tanh", False), ("**/**", True), ("**/squared_error/**", True),
])
def test_a_pattern_fits_a_path(pattern, fits):
    assert matches(pattern.split("/"), paths(DENSE)) is fits


def test_a_network_has_a_path_for_each_of_its_layers_and_activations():
    found = {"layer": ("dense", "rnn"), "activation": ("relu", "tanh"), "loss": ("hinge (sum)",), "dtype": ("float32",)}
    for pattern in ("dense/relu/hinge/sum/float32", "rnn/tanh/hinge/sum/float32", "dense/tanh/**"):
        assert matches(pattern.split("/"), paths(found))


@pytest.mark.parametrize(("text", "says"), [
    ("dens/**: why", "f:1: 'dens/**' has 'dens', which is no feature; 'dense'?"),
    ("dense/**", "f:1: 'dense/**' has a wildcard and no reason: wanted `path: reason`"),
    ("dense/**  #  ", "f:1: 'dense/**' has a wildcard and no reason"),
    ("dense/tanh: why", "f:1: 'dense/tanh' is no path: wanted layer/activation/loss/reduction/dtype"),
    ("tanh/**: why", "f:1: 'tanh/**' is no path"), ("dense//**: why", "f:1: 'dense//**' has ''"),
    ("/**: why", "f:1: '/**' has ''"), (": why", "f:1: '' has ''"), ("den\x1b[2J: why", "f:1: 'den\\x1b[2J' has"),
])
def test_what_is_no_line_is_told_in_one(text, says):
    with pytest.raises(ExpectationError) as error:
        line(text)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("# ours\n\ndense/**: a # and a : in it\n  rnn/tanh/hinge/sum/float32\ngru/** # also why\n")
    assert [(each.path, each.reason, each.number) for each in load(path)] == [
        ("dense/**", "a # and a : in it", 3), ("rnn/tanh/hinge/sum/float32", "", 4), ("gru/**", "also why", 5)]


# --- a run before the lists --------------------------------------------------------------------------------------


def compared(given, *results, **more):
    for number, (outcome, found) in enumerate(results):
        given.saw(outcome=outcome, network=number, features=found, property="reference")
    bad = any(outcome != "passed" for outcome, _ in results)
    said = report(*[WRONG] * bad, **more)
    given.compare(said)
    return said


def test_what_is_listed_and_fails_is_as_expected():
    given = lists("dense/tanh/**: known")
    said = compared(given, ("failed", DENSE), ("errored", DENSE), ("passed", OTHER), ("passed", DENSE))
    assert (said.verdict, said.exit) == ("does_not_conform", 0)
    assert said.expectation == {"as_expected": True, "networks": 2, "unlisted": 0, "listed": [
        {"name": "dense/tanh/**", "reason": "known", "file": "f", "line": 1, "flaky": False, "outcome": "failed",
         "networks": 2}]}
    assert given.said(said) == ["mine: DOES NOT CONFORM as expected, 2 networks failed as expected",
                                "  dense/tanh/**: 2 networks failed, known: known"]


def test_a_line_all_of_which_passes_fails_the_run():
    given = lists("dense/tanh/**: known")
    said = compared(given, ("passed", DENSE), ("passed", DENSE))
    assert (said.verdict, said.exit) == ("conforms", 1)
    assert given.said(said)[1:] == ["  f:1: dense/tanh/**: passes now (2 checks)"]


def test_a_line_that_covers_nothing_fails_the_run():
    for given in (lists("gru/**: known"), lists(flaky=["gru/**: known"])):
        assert compared(given, ("passed", DENSE)).exit == 1
        assert given.surprises == ["f:1: gru/**: no network of this run has it"]


def test_what_fails_and_is_not_listed_fails_the_run():
    given = lists("dense/tanh/**: known")
    said = compared(given, ("failed", DENSE), ("failed", OTHER))
    assert (said.exit, said.expectation["unlisted"], said.expectation["networks"]) == (1, 1, 1)
    assert given.surprises == ["1 network failed and are not listed, such as dense/relu/squared_error/sum/float64"]


def test_what_is_flaky_decides_nothing():
    for outcome in ("passed", "failed"):
        given = lists(flaky=["dense/tanh/**: at random"])
        said = compared(given, (outcome, DENSE), ("passed", OTHER))
        assert said.exit == 0
        assert given.said(said)[1] == (f"  dense/tanh/**: {int(outcome == 'failed') or '0'} network"
                                       f"{'' if outcome == 'failed' else 's'} failed, flaky: at random")


def test_a_run_without_a_verdict_is_not_compared():
    for verdict, exit in (("incomplete", 3), ("not_judged", 2)):
        given = lists("gru/**: known")
        said = compared(given, ("passed", DENSE), verdict=verdict)
        assert (said.exit, said.expectation) == (exit, {})
        assert given.said(said)[0].endswith("not compared with the lists")


# --- verify ------------------------------------------------------------------------------------------------------


TANH = """
from backproof import Head, implementation
from backproof.reference import Case, evaluate

@implementation(hidden=["tanh", "sigmoid"], heads=[Head("identity", "squared_error", reduction="sum")], depth=(2, 2))
def backprop(network, parameters, inputs, targets):
    if WRONG and network.hidden[0] == "tanh" and len(inputs) > 1:
        raise ArithmeticError("tanh")
    answer = evaluate(Case(network, parameters, inputs, targets))
    return answer.loss, dict(answer.gradients)
"""


@pytest.fixture
def tanh(tmp_path, monkeypatch):
    """`verify` of a program that is wrong on tanh only, or right, with files of lists."""
    monkeypatch.chdir(tmp_path)

    def run(wrong=1, failing=None, *more):
        Path("mine.py").write_text(TANH.replace("WRONG", str(wrong)))
        if failing is not None:
            Path("known.txt").write_text(failing)
            more = (*more, "--known-failing", "known.txt")
        return cli.main(["verify", "mine.py:backprop", "--examples", "20", "--oracles", "differences",
                         "--report", "out", *more])
    return run


def test_verify_with_a_list(tanh, capsys):
    assert tanh(1, "dense/tanh/**: known\n") == 0
    assert "DOES NOT CONFORM as expected" in capsys.readouterr().out
    said = json.loads(Path("out/report.json").read_text())
    assert (said["verdict"], said["expectation"]["as_expected"]) == ("does_not_conform", True)
    assert read("out").report.exit == 0
    assert tanh(0, "dense/tanh/**: known\n") == 1
    assert "passes now" in capsys.readouterr().out
    assert read("out").report.exit == 1


@pytest.mark.parametrize(("text", "more"), [("nonsense/**: x", ()), (None, ("--known-flaky", "nowhere.txt")),
                                            ("dense/**: x", ("--expected", "known.txt"))])
def test_verify_refuses_a_list_in_one_line(tanh, capsys, text, more):
    assert tanh(1, text, *more) == 2
    assert capsys.readouterr().err.count("\n") == 1


# --- pytest ------------------------------------------------------------------------------------------------------

pytest_plugins = "pytester"
MINE = """
from backproof import conformance_tests

def backprop(network, parameters, inputs, targets):
    return 0.0, {}

test_mine = conformance_tests(backprop, known_failing="known.txt")
"""


@pytest.mark.parametrize(("results", "wanted", "says"), [
    (["failed", "passed"], {"xfailed": 2}, "XFAIL *[[]verdict[]]*failed as expected: dense/tanh/[*][*] (failed)*"),
    (["passed", "passed"], {"failed": 1, "passed": 1}, "*not as expected: dense/tanh/[*][*] (passed)*"),
])
def test_in_a_test_suite_what_is_listed_is_an_expected_failure(pytester, monkeypatch, results, wanted, says):
    said = compared(lists("dense/tanh/**: known"), *((outcome, DENSE) for outcome in results))
    monkeypatch.setattr(outcomes, "verify", lambda target, **options: said if options["known_failing"] else None)
    pytester.makepyfile(MINE)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rxf", "-k", "reference or verdict")
    done.assert_outcomes(**wanted, deselected=len(asking.property_names()) - 2)
    done.stdout.fnmatch_lines([says])


def test_a_session_names_its_lists(pytester):
    pytester.makeini("[pytest]\nbackproof_known_flaky = flaky.txt")
    config = pytester.parseconfig("--backproof-known-failing", "known.txt", "--backproof", "reference")
    here = pytester.path
    assert session.settings(config).options == {"known_failing": str(here / "known.txt"),
                                                "known_flaky": str(here / "flaky.txt")}
