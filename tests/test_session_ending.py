"""A subject that ends the test session's process has not passed: with workers and without."""

import subprocess
import sys

import pytest

DIES = """
import ctypes, os, threading
from backproof import Head, conformance_tests, implementation

@implementation(heads=[Head("identity", "squared_error", reduction="sum")], depth=(1, 1))
def backprop(network, parameters, inputs, targets):
    thread = threading.Thread(target=END, args=(0,))
    thread.start()
    thread.join()
    return 0.0, {}

test_mine = conformance_tests(backprop, oracles="differences", examples=2)
"""


@pytest.mark.parametrize(("end", "workers"), [("os._exit", ()), ("ctypes.CDLL(None)._exit", ("-n", "1"))])
def test_a_session_that_its_subject_ends_has_not_passed(tmp_path, end, workers):
    (tmp_path / "test_mine.py").write_text(DIES.replace("END", end))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "reference", *workers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode, done.stdout
