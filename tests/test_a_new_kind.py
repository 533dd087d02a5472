"""A layer kind is added by its own file in each room, and by nothing else.

The files of `toy_kind/` are put into a copy of the package: the copy knows the kind everywhere,
and CONTRIBUTING.md says what each file holds.
"""

import functools
import json
import operator
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from backproof.reference import numbers
from backproof.reference.numbers import OPERATIONS, Counts

ROOT = Path(__file__).resolve().parent.parent
TOY = Path(__file__).with_name("toy_kind")
FOLDERS = ("conformance", "reference", "oracles", "properties")
KIND = "scale"
FILES = (
    "reference/layers/scale.py",
    "oracles/torch_autograd/layers/scale.py",
    "oracles/jax_autograd/layers/scale.py",
    "properties/structures/scale.py",
    "properties/identities/scale.py",
    "conformance/faults/known/scale.py",
)
# The program with a wrong line, and the name that its mistake has.
WRONG = {"forgotten": "scale-forgotten", "not_summed": "scale-not-summed-over-rows",
         "not_handed_down": "scale-not-handed-down"}

DRAWN = """\
from itertools import islice
from backproof.judging.plan import drawn
from backproof.plug.subjects.reference import CLAIMS
from backproof.properties.structures import structures_of
from backproof.properties.strategies import networks
print(sum("scale" in structures_of(each) for each in islice(drawn(networks(CLAIMS), 0), 300)))
"""
FEATURE = """\
from backproof.record.coverage import matrix
from backproof.record.reading import read
print(next(f.status for f in matrix(read("RECORD")) if (f.facet, f.name) == ("layer", "scale")))
"""


class House:
    """A copy of the package with more files in it, in a folder that also holds the programs."""

    def __init__(self, folder):
        self.folder, self.package = folder, folder / "backproof"
        for name in FOLDERS:
            copied(ROOT / name, self.home(name))
        for name in FILES:
            first, _, rest = name.partition("/")
            assert not (self.home(first) / rest).exists()
            shutil.copy(TOY / name, self.home(first) / rest)
        shutil.copy(TOY / "programs.py", folder)
        self.verified = functools.cache(self._verified)

    def home(self, folder):
        """Where a folder of the repository is in the package."""
        return self.package if folder == "conformance" else self.package / folder

    def python(self, *arguments):
        """What a fresh Python does here, the copy before what is installed."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *arguments], cwd=self.folder, env=environment,
                              capture_output=True, text=True, encoding="utf-8", check=False)

    def printed(self, *arguments, status=0):
        """What a fresh Python prints, after the exit status that is expected."""
        done = self.python(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def backproof(self, *arguments, status=0):
        return self.printed("-m", "backproof", *arguments, status=status)

    def _verified(self, target, *options, status=0):
        """The report of a run, and its record's folder."""
        record = target.rpartition(":")[2]
        self.backproof("verify", target, "--report", record, *options, status=status)
        return json.loads((self.folder / record / "report.json").read_text("utf-8")), record

    def right(self):
        return self.verified("programs.py:right", "--examples", "30", "--require", "torch,jax")

    def wrong(self, name):
        """The one finding about a wrong program, and where its case is."""
        report, record = self.verified(f"programs.py:{name}", "--examples", "20", "--oracles",
                                       "torch", status=1)
        (finding,) = report["findings"]
        return report, finding, f"{record}/cases/{finding['case']}.json"


def copied(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("house"))


def layers_of(house, case):
    text = (house.folder / case).read_text(encoding="utf-8")
    return [layer["kind"] for layer in json.loads(text)["network"]["layers"]]


# --- the files ----------------------------------------------------------------------------------


def test_the_toy_has_a_file_in_each_room_and_no_other():
    there = {path.relative_to(TOY).as_posix() for path in TOY.rglob("*.py")}
    assert there == {*FILES, "programs.py"}


def test_the_guide_names_every_room():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in FILES if f"`{Path(name).parent.as_posix()}/`" not in guide] == []


def test_the_guide_lists_what_a_rule_may_use():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = guide[guide.index("- to move numbers:"):guide.index("The head of that file")]
    said = {getattr(numbers, name, None) or getattr(np, name)
            for name in re.findall(r"`(\w+)`", listed)}
    in_words = {operator.getitem, *(function for function, row in OPERATIONS.items()
                                    if row.counts is Counts.COMPARISON)}
    assert said == OPERATIONS.keys() - in_words


def test_it_is_the_copy_that_runs(house):
    said = house.printed("-c", "import backproof; print(backproof.__file__)")
    assert Path(said.strip()) == house.package / "__init__.py"


# --- what there is ------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "names"), [
    ("layers", {KIND}), ("properties", {"scale_rescaling"}), ("faults", set(WRONG.values()))])
def test_the_kind_is_listed(house, what, names):
    assert names <= {line.split()[0] for line in house.backproof("list", what).splitlines()}


def test_it_is_drawn_for_whoever_claims_everything(house):
    assert int(house.printed("-c", DRAWN)) >= 0.02 * 300


# --- right --------------------------------------------------------------------------------------


def test_a_right_program_conforms(house):
    report, _ = house.right()
    assert (report["verdict"], report["findings"]) == ("conforms", [])


@pytest.mark.parametrize("judge", ["reference", "torch", "jax", "differences", "complex_step",
                                   "arbiter", "exact_integers", "own_loss", "scale_rescaling"])
def test_every_judge_is_asked_about_it(house, judge):
    _, record = house.right()
    asked = (house.folder / record / "report.jsonl").read_text(encoding="utf-8").splitlines()
    having = {line["id"] for line in map(json.loads, asked)
              if line["type"] == "features" and KIND in line["layer"]}
    outcomes = [line["outcome"] for line in map(json.loads, asked)
                if line["type"] == "result" and line["property"] == judge
                and line["features"] in having]
    assert outcomes
    assert set(outcomes) == {"passed"}


def test_the_reference_agrees_with_every_oracle(house):
    report, _ = house.verified("programs.py:by_reference", "--examples", "40", "--require", "torch,jax")
    assert (report["verdict"], report["findings"]) == ("conforms", [])
    assert report["counts"]["scale_rescaling"]["passed"] > 0


def test_it_is_a_row_of_the_conformance_matrix(house):
    _, record = house.right()
    assert house.printed("-c", FEATURE.replace("RECORD", record)).strip() == "passed"
    assert "scale" in house.backproof("report", record, "--format", "markdown", "--out", "-")


# --- wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_on_a_small_network(house, name):
    _, finding, case = house.wrong(name)
    assert finding["faults"] == [WRONG[name]]
    kinds = layers_of(house, case)
    assert KIND in kinds
    assert len(kinds) <= 3


def test_its_identity_sees_what_is_not_handed_down(house):
    assert house.wrong("not_handed_down")[0]["counts"]["scale_rescaling"]["failed"] > 0


@pytest.mark.parametrize("name", ["forgotten", "not_summed"])
def test_a_case_is_replayed(house, name):
    _, _, case = house.wrong(name)
    assert house.backproof("replay", case, "programs.py:right").startswith("FIXED")
    said = house.backproof("replay", case, f"programs.py:{name}", status=1)
    assert said.startswith("FAILED")
    assert WRONG[name] in said


@pytest.mark.parametrize(("program", "failed"), [("right", 0), ("forgotten", 1)])
def test_a_case_is_a_test_that_stands_by_itself(house, program, failed):
    _, _, case = house.wrong("forgotten")
    text = house.backproof("replay", case, f"programs.py:{program}", "--as-test")
    (house.folder / f"test_{program}.py").write_text(text, encoding="utf-8")
    house.printed("-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{program}.py",
                  status=failed)


def test_the_network_is_drawn_on_the_page(house):
    _, finding, _ = house.wrong("forgotten")
    page = house.backproof("report", "forgotten", "--format", "html", "--out", "-")
    picture = page[page.index("<svg"):page.index("</svg>")]
    assert f"{finding['parameter']} (1) wrong" in picture
    assert f": {KIND}" in picture


# --- explained ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG.values())
def test_a_mistake_is_explained_with_an_example(house, name):
    said = house.backproof("explain", name)
    assert "example: on a network" in said
    assert " scale" in said.partition("example:")[2]


def test_its_identity_is_explained_with_mistakes_that_break_it(house):
    said = house.backproof("explain", "scale_rescaling")
    assert "broken by, among others: " in said
