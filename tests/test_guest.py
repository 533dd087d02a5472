"""A test runner of another language that asks backproof to be its judge: `node --test` over tests/guest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUEST = Path(__file__).with_name("guest")
pytestmark = pytest.mark.skipif(os.name == "nt" or shutil.which("node") is None, reason="no node, or no POSIX")


def node_test(folder, examples):
    """What `node --test` exits with and prints in the folder."""
    asks = f"{sys.executable} --examples {examples} --oracles differences"
    done = subprocess.run(["node", "--test"], cwd=folder, env={**os.environ, "BACKPROOF": asks},
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_the_hosts_own_test_passes():
    status, said = node_test(GUEST, 10)
    assert status == 0, said
    assert "ok 1 - the gradients of net.mjs are right" in said


def test_a_wrong_line_fails_it_with_the_report(tmp_path):
    for file in GUEST.iterdir():
        text = file.read_text()
        (tmp_path / file.name).write_text(text.replace(" * (1 - a[i][n][j] ** 2)", " * 1"))
    status, said = node_test(tmp_path, 4)
    assert status == 1
    assert "not ok 1 - the gradients of net.mjs are right" in said
    assert "net.mjs: DOES NOT CONFORM" in said
    assert "the gradient of 0.weight and 0.bias is wrong" in said or "consistent with" in said
