"""Imports go one way, through the folders and through the rooms; a library stays at home."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("reference", "oracles", "properties", "conformance")
# The rooms of conformance/, each above those before it. What stands beside them is above all.
ROOMS = ("plug", "faults", "record", "renderings", "judging", "naming", "programs", "running", "kills", "cli",
         "testing")
ORDER = (*FOLDERS[:3], *ROOMS)
# The rooms that may import some of the rooms below them, and no other.
READS = {"renderings": {"renderings", "record"}}

# The modules, with all below them, that may import a library when they are imported themselves.
AT_HOME = {
    "torch": {"oracles.torch_autograd", "plug.subjects.torch_modules",
              "plug.subjects.keras_layers", "programs.torch_engine"},
    "jax": {"oracles.jax_autograd", "plug.subjects.equinox_modules", "programs.jax_engine"},
    "equinox": {"plug.subjects.equinox_modules", "programs.jax_engine"},
    "keras": {"plug.subjects.keras_layers"},
    "numpy_ml": {"plug.subjects.numpy_ml_layers"},
    "sklearn": {"plug.subjects.scikit_learn"},
    "autograd": {"plug.subjects.hips_autograd"},
    "micrograd": {"plug.subjects.micrograd_values"},
    "flint": {"oracles.arbiter"},
    "hypothesis": {"properties.strategies", "properties.structures", "judging.plan"},
    "pytest": {"testing.collecting", "testing.conformance", "testing.outcome", "testing.session"},
}
# Of these a module brings a library that may not be there: nobody else imports it when imported.
OPTIONAL = ("torch", "jax", "sklearn", "autograd", "micrograd", "equinox", "keras",
            "numpy_ml")
# The witnesses share nothing with the reference: all of the package that each may import beside
# its own modules.
DATA = {"reference.network", "reference.case", "reference.families", "reference.checks", "oracles",
        "oracles.structure"}
APART = {"oracles.torch_autograd": DATA, "oracles.jax_autograd": DATA,
         "oracles": {"reference.checks"}}


class Import(NamedTuple):
    """A module and what it imports.

    `inside`: it is below `backproof`, "" for the package itself. `lazy`: it is imported when a
    function is called, or only for types. `typing`: it is imported only for types.
    """

    module: str
    line: int
    name: str
    inside: bool
    lazy: bool
    typing: bool

    def __str__(self):
        imported = f"{'backproof.' * self.inside}{self.name}".rstrip(".")
        return f"{self.module}, line {self.line}: imports {imported}"


def modules(root):
    """Every module below backproof by its name, "" the package: (path, whether a package)."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = [folder, *path.relative_to(root / folder).with_suffix("").parts]
            if folder == "conformance":
                parts = parts[1:]
            package = parts[-1:] == ["__init__"]
            yield ".".join(parts[:-1] if package else parts), path, package


def room(module):
    """The folder or the room of a module; "" for what stands beside the rooms."""
    first = module.partition(".")[0]
    return first if first in ORDER else ""


def height(module):
    """0 for reference; above all rooms what stands beside them."""
    return ORDER.index(room(module)) if room(module) else len(ORDER)


def within(module, names):
    """Whether a module is one of the names, or below one."""
    return any(f"{module}.".startswith(f"{name}.") for name in names)


def brings(name):
    """The library that comes with a module and may not be there; "" where there is none."""
    return next((library for library in OPTIONAL if within(name, AT_HOME[library])), "")


def imports(module, path, package, known):
    """Every import of the file, those inside functions and `if TYPE_CHECKING` too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once, typing = set(at_import(tree)), set(for_types(tree))
    for node in ast.walk(tree):
        for name in dict.fromkeys(imported(node, module, package, known)):
            inside = name.partition(".")[0] == "backproof"
            below = name.partition(".")[2] if inside else name
            yield Import(module, node.lineno, below, inside, node not in at_once, node in typing)


def imported(node, module, package, known):
    """The full names that a node imports: of `from x import y` the module that y is, or x."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = absolute(node, module.split(".") if module else [], package)
        each = [(base, f"{base}.{alias.name}") for alias in node.names]
        return [name if name.removeprefix("backproof.") in known else base for base, name in each]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")):
        given = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
        return [name for name in given if isinstance(name, str)]
    return []


def absolute(node, here, package):
    """The module of a `from ... import`, with its dots resolved."""
    above = here if package else here[:-1]
    dots = ["backproof", *above[:len(above) - node.level + 1]] if node.level else []
    return ".".join([*dots, *([node.module] if node.module else [])])


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def at_import(node):
    """The nodes that run when the module is imported."""
    yield node
    for child in ast.iter_child_nodes(node):
        if is_for_types(node) and child in node.body:
            continue
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(child)


def for_types(tree):
    """The nodes that only a type checker sees."""
    blocks = (node.body for node in ast.walk(tree) if is_for_types(node))
    return (node for body in blocks for line in body for node in ast.walk(line))


def every_import(root):
    """Every import of every module below a root."""
    found = list(modules(root))
    known = {module for module, _, _ in found} | set(FOLDERS[:3])
    return [one for entry in found for one in imports(*entry, known)]


def wrong(root):
    """Every import that goes the wrong way, with what is wrong about it."""
    for one in every_import(root):
        for says in filter(None, (rule(one) for rule in RULES)):
            yield f"{one}: {says}"
            break


# --- the rules: what is wrong with an import, "" where nothing is ---------------------------------


def goes_up(one):
    """The package itself is for its users and for what stands beside the rooms."""
    # `cli` may ask it for its version.
    top = height("cli") if one.name == "" else height(one.name)
    return "upwards" if one.inside and top > height(one.module) else ""


def reads_more(one):
    """A room that reads some rooms only, and no other below it."""
    allowed = READS.get(room(one.module))
    other = allowed and one.inside and room(one.name) in ROOMS and room(one.name) not in allowed
    return f"{room(one.module)} reads {', '.join(sorted(allowed))} only" if other else ""


def shares(one):
    """A witness with what it judges."""
    of = next((name for name in APART if name != "oracles" and within(one.module, [name])), "")
    of = of or ("oracles" if one.module == "oracles" else "")
    own = of and of != "oracles" and within(one.name, [of])
    forbidden = of and one.inside and not own and one.name not in APART[of]
    return "a witness must share nothing with what it judges" if forbidden else ""


def brings_along(one):
    """A library that may not be there, with a module."""
    library = brings(one.name) if one.inside else ""
    far = library and not one.lazy and not within(one.module, AT_HOME[library])
    return f"brings {library}" if far else ""


def needs_more(one):
    """The reference needs NumPy, and nothing else."""
    library = one.name.partition(".")[0]
    far = not one.inside and height(one.module) == 0
    return "numpy only" if far and library not in {"numpy", *sys.stdlib_module_names} else ""


def away_from_home(one):
    """A library that is imported at once where it is not at home."""
    homes = None if one.inside else AT_HOME.get(one.name.partition(".")[0])
    return "away from home" if homes and not one.lazy and not within(one.module, homes) else ""


RULES = (goes_up, reads_more, shares, brings_along, needs_more, away_from_home)


# --- circles --------------------------------------------------------------------------------------


def circles(root):
    """The modules of each circle of imports, those inside functions counted."""
    edges = {module: set() for module, _, _ in modules(root)}
    for one in every_import(root):
        if one.inside and not one.typing and one.name in edges and one.name != one.module:
            edges[one.module].add(one.name)
    reached = {module: reachable(module, edges) for module in edges}
    together = {frozenset(other for other in reached[module] if module in reached[other])
                for module in edges}
    return sorted(sorted(circle) for circle in together if circle)


def reachable(start, edges):
    """Every module that a module comes to; itself only where it comes back to it."""
    found, left = set(), list(edges[start])
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left.extend(edges[module])
    return found


# --- the tests ------------------------------------------------------------------------------------


def test_imports_go_one_way():
    assert list(wrong(ROOT)) == []


def test_there_is_no_circle():
    assert circles(ROOT) == []


def test_every_folder_of_the_package_is_a_room():
    found = {path.parent.name for path in (ROOT / "conformance").glob("*/__init__.py")}
    assert found == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_in_its_first_line_what_it_is_for(name):
    source = (ROOT / "conformance" / name / "__init__.py").read_text(encoding="utf-8")
    assert (ast.get_docstring(ast.parse(source)) or "").splitlines()[0].endswith((".", ":"))


def test_there_is_something_to_look_at():
    known = {module for module, _, _ in modules(ROOT)}
    assert known >= {"", "cli", "plug.subjects.torch_modules", "reference.layers.dense",
                     "oracles", "properties.tolerance"}
    assert known >= set.union(*AT_HOME.values()) | set(APART) | set.union(*APART.values())
    every = every_import(ROOT)
    assert {room(one.name) for one in every if one.inside} >= set(ORDER) - {"testing"}
    assert len(every) > 300


PLANTED = [
    ("reference/dense.py", "from ..oracles.flat import flatten",
     "imports backproof.oracles.flat: upwards"),
    ("reference/dense.py", "from .. import oracles", "imports backproof.oracles: upwards"),
    ("reference/dense.py", "from .. import Head", "imports backproof: upwards"),
    ("reference/dense.py", "import backproof", "imports backproof: upwards"),
    ("reference/layers/dense.py", "from ...oracles import load",
     "imports backproof.oracles: upwards"),
    ("reference/layers/dense.py", "from ... import cli", "imports backproof.cli: upwards"),
    ("oracles/flat.py", "import backproof.properties as p",
     "imports backproof.properties: upwards"),
    ("oracles/flat.py", "def f():\n    from backproof.properties import claims",
     "properties.claims: upwards"),
    ("oracles/__init__.py", "from ..properties.claims import Head",
     "imports backproof.properties.claims: upwards"),
    ("properties/claims.py", "from ..judging.judge import Judge",
     "imports backproof.judging.judge: upwards"),
    ("properties/claims.py", "if TYPE_CHECKING:\n    from ..cli import main",
     "imports backproof.cli: upwards"),
    ("properties/claims.py", "importlib.import_module('backproof.judging.judge')",
     "imports backproof.judging.judge: upwards"),
    ("conformance/plug/contract.py", "from .. import Head", "imports backproof: upwards"),
    ("conformance/plug/contract.py", "from ..judging.judge import Judge",
     "imports backproof.judging.judge: upwards"),
    ("conformance/record/reading.py", "def f():\n    from ..judging.judge import Judge",
     "imports backproof.judging.judge: upwards"),
    ("conformance/judging/judge.py", "from ..naming import reduce", "naming: upwards"),
    ("conformance/kills/matrix.py", "import backproof.cli", "imports backproof.cli: upwards"),
    ("conformance/cli/verify.py", "from ..testing import options", "testing: upwards"),
    ("conformance/testing/session.py", "from ..pytest_plugin import lines",
     "imports backproof.pytest_plugin: upwards"),
    ("conformance/renderings/html.py", "from ..plug.subjects import SUBJECTS",
     "imports backproof.plug.subjects: renderings reads record, renderings only"),
    ("oracles/torch_autograd/__init__.py", "from ...reference import Case",
     "imports backproof.reference: a witness"),
    ("oracles/torch_autograd/losses.py", "from ...reference.losses import LOSSES",
     "reference.losses: a witness"),
    ("oracles/torch_autograd/losses.py", "from ..jax_autograd import losses",
     "oracles.jax_autograd: a witness"),
    ("oracles/jax_autograd/__init__.py", "from ..flat import flatten",
     "imports backproof.oracles.flat: a witness"),
    ("oracles/__init__.py", "def f():\n    from ..reference.losses import LOSSES",
     "reference.losses: a witness"),
    ("reference/dense.py", "import scipy.special", "imports scipy.special: numpy only"),
    ("reference/dense.py", "def f():\n    import torch", "imports torch: numpy only"),
    ("oracles/flat.py", "import torch.nn as nn", "imports torch.nn: away from home"),
    ("oracles/flat.py", "try:\n    import jax\nexcept ImportError:\n    pass",
     "imports jax: away from home"),
    ("oracles/torch_autograd_more.py", "import torch", "imports torch: away from home"),
    ("properties/claims.py", "class C:\n    from flint import arb",
     "imports flint: away from home"),
    ("conformance/plug/targets.py", "from .subjects import torch_modules",
     "subjects.torch_modules: brings torch"),
    ("properties/agreement.py", "from ..oracles.torch_autograd.losses import LOSSES",
     "oracles.torch_autograd.losses: brings torch"),
    ("conformance/testing/options.py", "import pytest", "imports pytest: away from home"),
]
THERE = ("reference/losses.py", "oracles/__init__.py", "oracles/flat.py", "properties/claims.py",
         "oracles/torch_autograd/losses.py", "conformance/__init__.py",
         "conformance/cli/__init__.py",
         "conformance/pytest_plugin.py", "conformance/judging/judge.py",
         "conformance/plug/subjects/__init__.py",
         "conformance/plug/subjects/torch_modules/__init__.py")


@pytest.mark.parametrize(("path", "line", "says"), PLANTED)
def test_a_planted_import_is_seen(tmp_path, path, line, says):
    plant(tmp_path, dict.fromkeys((*THERE, path), ""))
    assert list(wrong(tmp_path)) == []
    (tmp_path / path).write_text(line + "\n")
    (found,) = wrong(tmp_path)
    assert says in found


def plant(root, files):
    """Write the files, by path, below a root."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.mark.parametrize(("path", "line"), [
    ("reference/dense.py",
     "import math\nimport numpy as np\nfrom .losses import LOSSES\nfrom . import losses"),
    ("reference/layers/dense.py", "from ..losses import LOSSES\nfrom .. import losses"),
    ("oracles/torch_autograd/__init__.py",
     "import torch\nfrom ...reference.case import Case\nfrom .. import row\n"
     "from .losses import loss_of"),
    ("conformance/plug/targets.py",
     "def f():\n    import torch\n    from .subjects import torch_modules"),
    ("conformance/plug/targets.py", "if TYPE_CHECKING:\n    import torch"),
    ("conformance/cli/__init__.py",
     "from .. import __version__\nfrom ..reference import Case\nfrom ..renderings import html"),
    ("conformance/renderings/html.py",
     "from ..record.reading import Run\nfrom ..properties.catalogue import catalogue"),
    ("conformance/pytest_plugin.py", "from .testing.options import OPTIONS"),
])
def test_a_right_import_is_let_be(tmp_path, path, line):
    plant(tmp_path, {path: line + "\n"})
    assert list(wrong(tmp_path)) == []


@pytest.mark.parametrize("line", [
    "from .judge import Judge", "def f():\n    from .judge import Judge", "from . import judge",
    "import backproof.judging.judge", "importlib.import_module('backproof.judging.judge')",
])
def test_a_planted_circle_is_seen(tmp_path, line):
    plant(tmp_path, {"conformance/judging/judge.py": "from .tally import Tally\n",
                     "conformance/judging/tally.py": line + "\n"})
    assert circles(tmp_path) == [["judging.judge", "judging.tally"]]


@pytest.mark.parametrize("line", ["", "if TYPE_CHECKING:\n    from .judge import Judge"])
def test_what_is_no_circle_is_let_be(tmp_path, line):
    plant(tmp_path, {"conformance/judging/judge.py": "from .tally import Tally\n",
                     "conformance/judging/tally.py": line + "\n"})
    assert circles(tmp_path) == []


@pytest.mark.parametrize("name", ORDER)
def test_a_room_loads_nothing_from_above(name):
    """What no reading of the source sees: every module of a room imported in a fresh Python."""
    names = [module for module, _, _ in modules(ROOT)
             if room(module) == name and not brings(module)]
    code = f"""
import importlib, json, sys
for name in {names}:
    importlib.import_module("backproof." + name)
loaded = [name.partition(".")[2] for name in sys.modules if name.startswith("backproof.")]
print(json.dumps([loaded, sorted({set(OPTIONAL)} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, brought = json.loads(done.stdout.splitlines()[-1])
    assert set(names) <= set(loaded)
    assert [each for each in loaded if height(each) > ORDER.index(name)] == []
    assert brought == []
