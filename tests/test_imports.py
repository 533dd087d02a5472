"""What an import costs, and what it leaves as it was."""

import importlib.metadata
import json
import subprocess
import sys

import backproof
import pytest

HEAVY = {"numpy", "hypothesis", "torch", "jax", "sklearn", "autograd", "micrograd", "matplotlib", "flint", "scipy"}


def modules_after(code):
    """The top-level names in sys.modules of a fresh Python that ran the code."""
    tail = "\nimport json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", [
    "import backproof",
    "import backproof; dir(backproof); backproof.__version__",
    "import backproof.pytest_plugin",
    "import backproof.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass",
    "import backproof.cli as c\ntry: c.main(['verify', '--help'])\nexcept SystemExit: pass",
    "import backproof.cli as c\nassert c.main(['verify']) == 2",
    "import backproof.oracles, backproof.plug.subjects, backproof.plug.limits, backproof.record.report",
    "import backproof.running.progress, backproof.running.profiles, backproof.testing.options, backproof.renderings",
])
def test_costs_nothing_until_used(code):
    assert not modules_after(code) & HEAVY


@pytest.mark.parametrize("name", ["Claims", "Head", "Report", "implementation", "layers"])
def test_the_core_needs_no_library_of_an_oracle(name):
    assert not modules_after(f"from backproof import {name}") & (HEAVY - {"numpy"})


def test_import_backproof_loads_nothing_of_the_package():
    code = "import sys; before = set(sys.modules); import backproof; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [m for m in eval(done.stdout) if m.startswith("backproof")] == ["backproof"]


@pytest.mark.parametrize("name", backproof.__all__)
def test_every_export_is_there(name):
    assert getattr(backproof, name) is not None
    assert name in dir(backproof)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Hed'"):
        backproof.Hed  # noqa: B018


def test_the_version_is_the_installed_one():
    assert backproof.__version__ == importlib.metadata.version("backproof")


GLOBALS = """
import os, random, signal, sys, threading, warnings
import numpy as np
import hypothesis
from hypothesis import settings

def state():
    return [random.getstate(), repr(np.random.get_state()), np.geterr(), np.get_printoptions(), list(warnings.filters),
            dict(os.environ), sys.path[:], sys.argv[:], sys.excepthook, sys.displayhook, sys.getrecursionlimit(),
            [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGALRM)], threading.active_count(),
            repr(settings.default), signal.getitimer(signal.ITIMER_REAL)]

def check(before):
    assert [i for i, (a, b) in enumerate(zip(before, state())) if a != b] == []
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGALRM")
@pytest.mark.parametrize("code", [
    "before = state(); import backproof; check(before)",
    "before = state(); from backproof import *; check(before)",
    "before = state(); import backproof\n"
    "backproof.verify('reference', examples=3, oracles=['differences', 'complex_step', 'arbiter']); check(before)",
])
def test_changes_nothing_global(code):
    done = subprocess.run([sys.executable, "-c", GLOBALS + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGALRM")
def test_torch_and_jax_keep_their_settings():
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    code = """
import torch, jax, backproof
def theirs():
    return (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
            repr(torch.random.get_rng_state()), jax.config.jax_enable_x64, jax.config.jax_platforms,
            jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_entry_size_bytes)
before = theirs()
backproof.verify('reference', examples=3, oracles='torch,jax')
assert theirs() == before, (before, theirs())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
