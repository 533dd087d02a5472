"""Slow libraries are imported before a file's clock begins, and only where that changes nothing for the file."""

import pytest
from backproof.plug.libraries import _first


@pytest.mark.parametrize(("text", "first"), [
    ('"""Words."""\nfrom __future__ import annotations\nimport os, torch\n', ["__future__", "os", "torch"]),
    ("from torch.nn import functional\nimport numpy\n", ["torch", "numpy"]),
    ("import mine\nimport torch\n", []),                       # who knows what it sets
    ("import os\nos.environ['XLA_FLAGS'] = ''\nimport jax\n", ["os"]),
    ("from . import torch\n", []),
    ("import torch\nx = (\n", []),
    ("def f():\n    import torch\n", []),
])
def test_what_a_file_imports_before_it_does_anything(tmp_path, text, first):
    (tmp_path / "mine.py").write_text(text)
    assert [*_first(tmp_path / "mine.py")] == first
    assert [*_first(tmp_path / "none.py")] == []
