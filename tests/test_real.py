"""The implementations from the package registries: every adapter has its truth, and a result is judged by it."""

import ast
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from backproof import verify
from backproof.faults import FAULTS
from backproof.plug.subjects import SUBJECTS

REAL = Path(__file__).parent / "real"
sys.path.insert(0, str(REAL))
import run  # noqa: E402

ROWS = run.rows()
READY = [row for row in ROWS if row.get("subject") in ("scikit-learn-regressor", "hips-autograd", "micrograd")]


def adapters():
    """`file.py:name` of every function under @implementation."""
    return {f"{path.name}:{node.name}" for path in (REAL / "adapters").glob("with_*.py")
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and "implementation" in ast.unparse(node.decorator_list)}


def test_every_adapter_has_one_truth_and_every_truth_an_adapter():
    targets = [row["target"] for row in ROWS if "target" in row]
    assert sorted(targets) == sorted(adapters())


def test_names_are_unique():
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_truth_is_whole(row):
    assert row["library"] in run.LIBRARIES
    assert row["what"]
    assert row["evidence"]
    assert set(row.get("names", [])) <= set(FAULTS)
    re.compile(row.get("says", ""))
    if row["truth"] == "right":
        assert "names" not in row
        assert "says" not in row
    else:
        assert row.get("names") or row.get("says")
    assert row.get("subject", "torch") in SUBJECTS


def test_there_are_twelve_libraries_beside_the_ready_made():
    assert len([how for how in run.LIBRARIES.values() if "subject" not in how]) >= 12


def test_versions_are_pinned_and_no_address_is_named():
    for how in run.LIBRARIES.values():
        assert "pip" not in how or re.fullmatch(r"[\w.-]+==[\w.]+", how["pip"])
        assert "npm" not in how or re.fullmatch(r"(@[\w-]+/)?[\w.-]+@\d[\w.]*", how["npm"])
    for path in REAL.rglob("*.*"):
        if path.suffix in (".py", ".toml", ".cjs", ".mjs"):
            assert "://" not in path.read_text(encoding="utf-8"), path


# --- how a result is judged -----------------------------------------------------------------------

RIGHT = {"truth": "right"}
WRONG = {"truth": "the bias is averaged", "names": ["bias-averaged-over-batch"], "says": "bias.* 1/N"}


def result(verdict, *findings):
    return {"verdict": verdict, "findings": [{"faults": faults, "words": words} for faults, words in findings]}


def test_a_right_program_that_conforms():
    assert run.judged(RIGHT, result("conforms")) == {"verdict": True, "named": False, "false": []}


@pytest.mark.parametrize("verdict", ["does_not_conform", "not_judged", "incomplete"])
def test_a_right_program_that_is_not_found_right(verdict):
    assert not run.judged(RIGHT, result(verdict))["verdict"]


def test_a_mistake_that_is_missed():
    assert not run.judged(WRONG, result("conforms"))["verdict"]


def test_a_mistake_by_its_name_and_by_its_description():
    named = result("does_not_conform", (["bias-averaged-over-batch", "bias-negated"], "x"))
    described = result("does_not_conform", ([], "the gradient of the bias is 1/N times what it should be"))
    for got in named, described:
        assert run.judged(WRONG, got) == {"verdict": True, "named": True, "false": []}


def test_a_mistake_without_a_name():
    got = run.judged(WRONG, result("does_not_conform", ([], "the gradient is wrong")))
    assert (got["named"], got["false"]) == (False, [])


def test_a_false_name_is_told_even_beside_a_true_one():
    got = run.judged(WRONG, result("does_not_conform", (["bias-averaged-over-batch"], "x"), (["bias-negated"], "y")))
    assert got["false"] == ["bias-negated"]


def test_a_library_that_is_not_there_has_its_row():
    row = {"library": "torch", "what": "something", **RIGHT}
    assert "| not available |" in run.line(row, None)


# --- those that are installed ---------------------------------------------------------------------


@pytest.mark.parametrize("row", READY, ids=lambda row: row["name"])
def test_what_is_said_of_the_ready_made_is_true(row):
    if any(find_spec(name) is None for name in SUBJECTS[row["subject"]].needs):
        pytest.skip("not installed")
    report = verify(row["subject"], examples=20, seconds=600, oracles=("torch",))
    got = run.judged(row, result(report.verdict, *((each.faults, each.explanation) for each in report.findings)))
    assert got["verdict"]
    assert not got["false"]
    assert row["truth"] == "right" or got["named"]
