"""The GitHub action: what its shell steps do, run as the runner would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
RIGHT = """
import numpy as np
from backproof import Head, implementation

@implementation(heads=[Head("identity", "squared_error", reduction="sum")], depth=(1, 1))
def backprop(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    error = inputs @ W[0] - targets + (b[0] if b[0] is not None else 0)
    return (error**2).sum(), network.pack([inputs.T @ (2 * error)], [FACTOR * 2 * error.sum(axis=0)])
"""
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # GitHub's `shell: bash`
EXITS = {"conforms": ("1", 0), "does_not_conform": ("2", 1), "not_judged": ("undefined", 2)}

posix = pytest.mark.skipif(sys.platform == "win32", reason="the runner brings a bash of its own")


def verified(folder, factor, arguments="--examples 40 --oracles torch", target="mine.py:backprop"):
    (folder / "mine.py").write_text(RIGHT.replace("FACTOR", factor))
    given = {"TARGET": target, "ARGUMENTS": arguments, "REPORT": "out",
             "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "output"),
             "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([*BASH, STEPS["Verify"]["run"]], cwd=folder, env={**os.environ, **given},
                          capture_output=True, text=True)


@posix
@pytest.mark.parametrize("verdict", EXITS)
def test_the_verdict_is_the_exit_status_and_the_output(verdict, tmp_path):
    factor, status = EXITS[verdict]
    done = verified(tmp_path, factor)
    assert done.returncode == status, done.stderr
    assert (tmp_path / "output").read_text() == f"verdict={verdict}\n"
    assert verdict.replace("_", " ").upper() in (tmp_path / "summary.md").read_text()
    for file in ("report.html", "junit.xml", "badge.json"):
        assert (tmp_path / "out" / file).stat().st_size > 50
    annotation = next(line for line in done.stdout.splitlines() if line.startswith("::"))
    assert annotation.startswith("::notice" if verdict == "conforms" else "::error")
    assert "file=mine.py,line=" in annotation


@posix
def test_a_target_that_cannot_be_imported_is_not_judged(tmp_path):
    done = verified(tmp_path, "1 +")
    assert done.returncode == 2
    assert (tmp_path / "output").read_text() == "verdict=not_judged\n"
    assert "SyntaxError" in done.stderr


@posix
def test_an_old_record_is_not_taken_for_this_run(tmp_path):
    verified(tmp_path, "1")
    done = verified(tmp_path, "1 +")
    assert (tmp_path / "output").read_text().splitlines()[-1] == "verdict=not_judged"
    assert "::notice" not in done.stdout
    assert done.returncode == 2


ENDS = {
    "in a call": "def backprop(network, parameters, inputs, targets):\n    os._exit(0)\n",
    "on import": "os._exit(0)\n",
    "after the verdict": "atexit.register(os._exit, 0)\n" + RIGHT.replace("FACTOR", "2"),
}


@posix
@pytest.mark.parametrize("when", ENDS)
def test_a_process_that_ends_with_0_has_not_passed(when, tmp_path):
    (tmp_path / "dies.py").write_text("import atexit\nimport os\n" + ENDS[when])
    done = verified(tmp_path, "1", "--examples 10 --oracles differences --in-process", "dies.py:backprop")
    assert done.returncode, done.stdout
    assert (tmp_path / "output").read_text() != "verdict=conforms\n"


@posix
@pytest.mark.parametrize("text", ["", "{", "[]", '{"verdict": "does_not_conform"}'])
def test_a_summary_that_says_nothing_is_no_verdict(text, tmp_path):
    """A process that ends with 0 and leaves this."""
    (tmp_path / "dies.py").write_text(f"import os\nos.makedirs('out', exist_ok=True)\n"
                                      f"open('out/report.json', 'w').write({text!r})\nos._exit(0)\n")
    done = verified(tmp_path, "1", "--in-process", "dies.py:backprop")
    assert done.returncode, done.stdout


@posix
def test_expected_failures_leave_the_verdict_as_it_is(tmp_path):
    (tmp_path / "known.txt").write_text("reference:bias:bias-times-factor  on purpose  https://example.org/1\n")
    done = verified(tmp_path, "2", "--examples 40 --oracles torch --expected known.txt")
    assert (done.returncode, (tmp_path / "output").read_text()) == (0, "verdict=does_not_conform\n")


@posix
def test_a_rendering_that_fails_leaves_the_exit_status(tmp_path):
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    done = verified(tmp_path, "2")
    assert (done.returncode, (tmp_path / "output").read_text()) == (1, "verdict=does_not_conform\n")


def test_every_input_is_used_and_every_one_used_is_there():
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert {name for name in ACTION["inputs"] if f"inputs.{name}" in text} == set(ACTION["inputs"])
