"""Imports go one way: reference <- oracles <- properties <- conformance; and a library stays where it is at home."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("reference", "oracles", "properties", "conformance")

# The modules that may import a library when they are imported themselves.
AT_HOME = {
    "torch": {"oracles.torch_autograd", "subjects.torch_modules"},
    "jax": {"oracles.jax_autograd"},
    "sklearn": {"subjects.scikit_learn"},
    "autograd": {"subjects.hips_autograd"},
    "micrograd": {"subjects.micrograd_values"},
    "flint": {"oracles.arbiter"},
    "hypothesis": {"properties.strategies", "plan"},
    "pytest": {"pytest_session"},
}
# The modules that nobody else imports when imported themselves: they bring a library that may not be there.
BRINGS = {module: library for library in ("torch", "jax", "sklearn", "autograd", "micrograd")
          for module in AT_HOME[library]}
# The modules that nobody else imports when imported themselves: they bring a library that may not be there.
BRINGS = {module: library for library in ("torch", "jax", "sklearn", "autograd", "micrograd")
          for module in AT_HOME[library]}
# The modules that nobody else imports when imported themselves: they bring a library that may not be there.
BRINGS = {module: library for library in ("torch", "jax", "sklearn", "autograd", "micrograd")
          for module in AT_HOME[library]}
# The witnesses that share nothing with the reference: all of the package that they may import.
APART = {name: {"reference.description", "reference.case", "oracles"} for name in (
    "oracles.torch_autograd", "oracles.jax_autograd")} | {"oracles": {"reference.description"}}


class Import(NamedTuple):
    """A module and what it imports; `inside` is below `backproof`, "" for the package itself."""

    module: str
    line: int
    name: str
    inside: bool
    lazy: bool

    def __str__(self):
        return f"{self.module}, line {self.line}: imports {'backproof.' * self.inside}{self.name}".rstrip(".")


def modules(root):
    """Every module below backproof by its name, "" the package itself: (path, whether a package)."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = [folder, *path.relative_to(root / folder).with_suffix("").parts]
            if folder == "conformance":
                parts = parts[1:]
            package = parts[-1:] == ["__init__"]
            yield ".".join(parts[:-1] if package else parts), path, package


def layer(module):
    """0 for reference to 3 for conformance."""
    return FOLDERS.index(module.partition(".")[0]) if module.partition(".")[0] in FOLDERS[:3] else 3


def imports(module, path, package, known):
    """Every import of the file, those inside functions and `if TYPE_CHECKING` too."""
    here = module.split(".") if module else []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once = set(at_import(tree))
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = here if package else here[:-1]
                above = above[:len(above) - node.level + 1]
                base = ".".join(filter(None, ["backproof", *above, base]))
            found = [f"{base}.{a.name}" if f"{base}.{a.name}".removeprefix("backproof.") in known else base
                     for a in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        for name in dict.fromkeys(found):
            inside = name.partition(".")[0] == "backproof"
            below = name.partition(".")[2] if inside else name
            yield Import(module, node.lineno, below, inside, node not in at_once)


def at_import(node):
    """The nodes that run when the module is imported."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and child in node.body:
            continue
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(child)


def wrong(root):
    """Every import that goes the wrong way."""
    found = list(modules(root))
    known = {module for module, _, _ in found} | set(FOLDERS[:3])
    for module, path, package in found:
        for one in imports(module, path, package, known):
            library = one.name.partition(".")[0]
            if one.inside:
                if layer(one.name) > layer(module):
                    yield f"{one}: upwards"
                elif module in APART and one.name not in APART[module]:
                    yield f"{one}: a witness must share nothing with what it judges"
                elif not one.lazy and one.name in BRINGS:
                    yield f"{one}: brings {BRINGS[one.name]}"
            elif layer(module) == 0 and library not in {"numpy", *sys.stdlib_module_names}:
                yield f"{one}: numpy only"
            elif not one.lazy and module not in AT_HOME.get(library, {module}):
                yield f"{one}: away from home"


def test_imports_go_one_way():
    assert list(wrong(ROOT)) == []


def test_there_is_something_to_look_at():
    found = list(modules(ROOT))
    known = {module for module, _, _ in found}
    assert {"", "cli", "subjects.torch_modules", "reference.layers.dense", "oracles", "properties.tolerance"} <= known
    assert known >= set.union(*AT_HOME.values()) | set(APART) | set.union(*APART.values())
    every = [one for entry in found for one in imports(*entry, known)]
    assert {layer(one.name) for one in every if one.inside and layer(one.module) == 3} == {0, 1, 2, 3}
    assert len(every) > 300


@pytest.mark.parametrize(("path", "line", "says"), [
    ("reference/dense.py", "from ..oracles.flat import flatten", "imports backproof.oracles.flat: upwards"),
    ("reference/dense.py", "from .. import oracles", "imports backproof.oracles: upwards"),
    ("reference/dense.py", "from .. import Head", "imports backproof: upwards"),
    ("reference/dense.py", "import backproof", "imports backproof: upwards"),
    ("reference/layers/dense.py", "from ...oracles import load", "imports backproof.oracles: upwards"),
    ("reference/layers/dense.py", "from ... import cli", "imports backproof.cli: upwards"),
    ("oracles/flat.py", "import backproof.properties as p", "imports backproof.properties: upwards"),
    ("oracles/flat.py", "def f():\n    from backproof.properties import claims", "properties.claims: upwards"),
    ("oracles/__init__.py", "from ..properties.claims import Head", "imports backproof.properties.claims: upwards"),
    ("properties/claims.py", "from ..judge import Judge", "imports backproof.judge: upwards"),
    ("properties/claims.py", "if TYPE_CHECKING:\n    from ..cli import main", "imports backproof.cli: upwards"),
    ("properties/claims.py", "importlib.import_module('backproof.judge')", "imports backproof.judge: upwards"),
    ("oracles/torch_autograd.py", "from ..reference import Case", "imports backproof.reference: a witness"),
    ("oracles/torch_autograd.py", "from ..reference.losses import LOSSES", "reference.losses: a witness"),
    ("oracles/jax_autograd.py", "from .flat import flatten", "imports backproof.oracles.flat: a witness"),
    ("oracles/__init__.py", "def f():\n    from ..reference.losses import LOSSES", "reference.losses: a witness"),
    ("reference/dense.py", "import scipy.special", "imports scipy.special: numpy only"),
    ("reference/dense.py", "def f():\n    import torch", "imports torch: numpy only"),
    ("oracles/flat.py", "import torch.nn as nn", "imports torch.nn: away from home"),
    ("oracles/flat.py", "try:\n    import jax\nexcept ImportError:\n    pass", "imports jax: away from home"),
    ("properties/claims.py", "class C:\n    from flint import arb", "imports flint: away from home"),
    ("conformance/cli.py", "from .subjects import torch_modules", "subjects.torch_modules: brings torch"),
    ("conformance/testing.py", "import pytest", "imports pytest: away from home"),
])
def test_a_planted_import_is_seen(tmp_path, path, line, says):
    for name in ("reference/losses.py", "oracles/__init__.py", "oracles/flat.py", "properties/claims.py",
                 "conformance/__init__.py", "conformance/cli.py", "conformance/judge.py",
                 "conformance/subjects/torch_modules.py", path):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(wrong(tmp_path)) == []
    (tmp_path / path).write_text(line + "\n")
    (found,) = wrong(tmp_path)
    assert says in found


@pytest.mark.parametrize(("path", "line"), [
    ("reference/dense.py", "import math\nimport numpy as np\nfrom .losses import LOSSES\nfrom . import losses"),
    ("reference/layers/dense.py", "from ..losses import LOSSES\nfrom .. import losses"),
    ("oracles/torch_autograd.py", "import torch\nfrom ..reference.case import Case\nfrom . import row"),
    ("conformance/cli.py", "def f():\n    import torch\n    from .subjects import torch_modules"),
    ("conformance/cli.py", "if TYPE_CHECKING:\n    import torch"),
    ("conformance/cli.py", "import backproof\nfrom .reference import Case\nfrom .properties.claims import Head"),
])
def test_a_right_import_is_let_be(tmp_path, path, line):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line + "\n")
    assert list(wrong(tmp_path)) == []


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_layer_loads_nothing_from_above(number):
    """What no reading of the source sees: every module of a layer imported in a fresh Python."""
    libraries = set(BRINGS.values())
    names = [module for module, _, _ in modules(ROOT) if layer(module) == number and module not in BRINGS]
    code = f"""
import importlib, json, sys
for name in {names}:
    importlib.import_module("backproof." + name)
print(json.dumps([name.partition(".")[2] for name in sys.modules if name.startswith("backproof.")]))
print(json.dumps(sorted({libraries} & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, brought = map(json.loads, done.stdout.splitlines())
    assert set(names) <= set(loaded)
    assert [name for name in loaded if layer(name) > number] == []
    assert brought == []
