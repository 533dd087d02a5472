"""The command line ends at once, with the status of the verdict, whatever a subject leaves behind."""

import subprocess
import sys
import time

import pytest

LINGERS = """
import atexit, os, threading, time
import numpy as np
from backproof import Head, implementation
from backproof.reference import Case, evaluate

atexit.register(time.sleep, 100)
atexit.register(os._exit, 0)
threading.Thread(target=time.sleep, args=[100]).start()

@implementation(hidden=[], heads=[Head("identity", "squared_error", reduction="sum")], dtypes=["float64"])
def backprop(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, {name: -g for name, g in answer.gradients.items()}
"""


def python(*arguments, cwd=None):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=90,
                          check=False)


def test_what_a_subject_leaves_behind_keeps_nothing(tmp_path):
    (tmp_path / "mine.py").write_text(LINGERS)
    start = time.monotonic()
    done = python("-m", "backproof", "verify", "mine.py:backprop", "--examples", "3", "--oracles", "differences",
                  cwd=tmp_path)
    assert done.returncode == 1
    assert "DOES NOT CONFORM" in done.stdout
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(("main", "status", "says"), [
    ("lambda: 0", 0, ""), ("lambda: 3", 3, ""), ("lambda: 1 / 0", 2, "ZeroDivisionError: division by zero"),
    ("lambda: sys.exit(0)", 0, ""), ("lambda: sys.exit('odd')", 2, ""), ("lambda: sys.exit()", 2, ""),
    ("lambda: (sys.stdout.close(), 1)[1]", 1, ""),
])
def test_every_end_has_its_status(main, status, says):
    code = f"import sys; from backproof import __main__ as m; m.main = {main}; m.command()"
    done = python("-c", code)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == bool(says)
