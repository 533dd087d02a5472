"""A subject that ends the test session's process has not passed: with workers and without."""

import os
import subprocess
import sys

import pytest
from backproof.testing.ending import STATUS, told_where_it_ends

DIES = """
import ctypes, os, threading, time
from backproof import conformance_tests

def backprop(network, parameters, inputs, targets):
    threading.Thread(target=END, args=(0,)).start()
    time.sleep(5)
    return 0.0, {}

test_mine = conformance_tests(backprop, oracles="differences")
"""
PROGRAM = """
import os
from backproof.testing.ending import told_where_it_ends
with told_where_it_ends():
    {}
"""

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.mark.parametrize(("end", "workers"), [("os._exit", ()), ("ctypes.CDLL(None)._exit", ("-n", "1"))])
def test_a_session_that_its_subject_ends_has_not_passed(tmp_path, end, workers):
    (tmp_path / "test_mine.py").write_text(DIES.replace("END", end))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "reference", *workers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode, done.stdout


@posix
@pytest.mark.parametrize(("line", "status", "says"), [
    ("os._exit(0)", STATUS, "backproof: the subject ended the process: os._exit\n"),
    ("os.execvp('true', ['true'])", STATUS, "backproof: the subject ended the process: os.execv"),
    ("pid = os.fork()\n    if not pid: os._exit(7)\n    raise SystemExit(os.WEXITSTATUS(os.waitpid(pid, 0)[1]))", 7, ""),
])
def test_whoever_ends_the_process_ends_it_with_3(line, status, says):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(line)], capture_output=True, text=True)
    assert (done.returncode, done.stderr[:len(says)]) == (status, says)


def test_afterwards_all_is_as_it_was():
    before = os._exit, os.execv, os.execve
    with told_where_it_ends():
        assert os._exit is not before[0]
    assert (os._exit, os.execv, os.execve) == before
