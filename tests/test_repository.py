"""Workflows, metadata and promises of the repository agree, and what runs elsewhere is pinned."""

import re
import tomllib
from itertools import chain, pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RUNS = [ROOT / "action.yml", *WORKFLOWS]
USES = re.compile(r"^\s*(?:- )?uses: *(?P<what>.*)$", re.M)
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+")
EXPRESSION = "${{"


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def plain(path):
    """A workflow as data; YAML 1.1 reads the key `on` as true."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


PYPROJECT = tomllib.loads(text("pyproject.toml"))
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
EXTRAS = PROJECT["optional-dependencies"]
CITATION = yaml.safe_load(text("CITATION.cff"))
CI = plain(ROOT / ".github/workflows/ci.yml")
CLASSIFIED = [line.rpartition(" ")[2] for line in PROJECT["classifiers"]
              if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)]
PINS = {canonicalize_name(name): Version(version) for name, version in
        re.findall(r"^([\w.-]+)==(\S+)$", text("constraints.txt"), re.M)}


# --- what the workflows run ---------------------------------------------------------------------


def unpinned(workflow):
    """What a workflow uses that is neither in its repository nor one commit of a release."""
    used = [match["what"] for match in USES.finditer(workflow)]
    return [what for what in used if not what.startswith("./") and not PINNED.fullmatch(what)]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path):
    assert USES.search(path.read_text(encoding="utf-8"))
    assert unpinned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("what", [
    "actions/checkout@v4", "actions/checkout@main", "actions/checkout",
    "actions/checkout@v4.2.2 # v4.2.2", f"actions/checkout@{'a' * 40}",
    f"actions/checkout@{'a' * 39} # v4.2.2", f"actions/checkout@{'a' * 40} # v4",
])
def test_what_is_not_pinned_is_seen(what):
    assert unpinned(f"    steps:\n      - uses: {what}\n") == [what]
    assert unpinned(f"    steps:\n      - name: A\n        uses: {what}\n") == [what]


def test_an_action_has_one_pin():
    used = {match["what"] for path in RUNS for match in
            USES.finditer(path.read_text(encoding="utf-8")) if "@" in match["what"]}
    assert len(used) == len({what.partition("@")[0] for what in used}) > 3


def jobs():
    return [pytest.param(job, id=f"{path.name}: {name}")
            for path in WORKFLOWS for name, job in plain(path)["jobs"].items()]


@pytest.mark.parametrize("job", jobs())
def test_a_job_ends_and_its_shell_is_given_no_expression(job):
    assert "uses" in job or 0 < job["timeout-minutes"] <= 60
    assert not [step for step in job.get("steps", []) if EXPRESSION in step.get("run", "")]


@pytest.mark.parametrize("job", jobs())
def test_a_job_may_only_read_and_only_the_publishing_one_has_an_identity(job):
    publishes = any("pypi-publish" in step.get("uses", "") for step in job.get("steps", []))
    assert job.get("permissions", {}) == ({"id-token": "write"} if publishes else {})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_one_at_a_time_runs(path):
    workflow = plain(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]


def test_a_release_publishes_what_ci_built_after_ci_passed():
    release = plain(ROOT / ".github/workflows/release.yml")["jobs"]
    assert release["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert set(release["publish"]["needs"]) == set(release) - {"publish"}
    given = [step["with"]["name"] for step in CI["jobs"]["package"]["steps"]
             if "upload-artifact" in step.get("uses", "")]
    taken = [step["with"]["name"] for step in release["publish"]["steps"] if "with" in step]
    assert given == taken


# --- versions -----------------------------------------------------------------------------------


def test_ci_runs_every_python_that_is_promised_on_every_system():
    matrix = CI["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == CLASSIFIED
    assert {os.partition("-")[0] for os in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert CI["jobs"]["tests"]["strategy"]["fail-fast"] is False


def test_the_pythons_are_one_range_from_the_oldest_that_is_accepted():
    minors = [Version(python).minor for python in CLASSIFIED]
    assert all(after == before + 1 for before, after in pairwise(minors))
    assert PROJECT["requires-python"] == f">={CLASSIFIED[0]}"


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md"])
def test_the_support_window_says_what_pyproject_says(page):
    (numpy,) = (asked for asked in map(Requirement, PROJECT["dependencies"])
                if asked.name == "numpy")
    (floor,) = numpy.specifier
    assert f"{CLASSIFIED[0]} to {CLASSIFIED[-1]}" in text(page)
    assert f"{floor.version}" in re.findall(r"NumPy[ |]+(\d+\.\d+)", text(page))


def test_the_citation_is_of_this_version():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert str(CITATION["version"]) == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]


# --- extras and groups --------------------------------------------------------------------------


def members(group):
    """The requirements of a dependency group, those of the groups that it includes among them."""
    entries = ([entry] if isinstance(entry, str) else members(entry["include-group"])
               for entry in GROUPS[group])
    return list(chain.from_iterable(entries))


ASKED = [*PYPROJECT["build-system"]["requires"], *PROJECT["dependencies"], *members("dev"),
         *chain.from_iterable(asked for name, asked in EXTRAS.items() if name != "all")]


@pytest.mark.parametrize("asked", sorted(set(ASKED)))
def test_what_is_asked_for_has_a_version_in_the_constraints(asked):
    requirement = Requirement(asked)
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_pip_of_the_constraints_knows_groups():
    assert PINS["pip"] in SpecifierSet(">=25.1")


def test_all_is_every_extra_and_dev_every_group():
    (asked,) = map(Requirement, EXTRAS["all"])
    assert (asked.name, asked.extras) == (PROJECT["name"], set(EXTRAS) - {"all"})
    assert {entry["include-group"] for entry in GROUPS["dev"]} == set(GROUPS) - {"dev"}
    assert not set(EXTRAS) & set(GROUPS)


EXTRA = re.compile(r'(?:backproof|"\.|\'\.|`\.)\[([a-z, ]+)\]')


@pytest.mark.parametrize("path", [
    "README.md", "CONTRIBUTING.md", "Makefile", ".github/workflows/ci.yml", "oracles/__init__.py"])
def test_the_extras_and_groups_that_are_named_are_there(path):
    named = re.split(", *", ",".join(EXTRA.findall(text(path))))
    assert named != [""]
    assert set(named) <= set(EXTRAS)
    assert set(re.findall(r"--group (\w+)", text(path))) <= set(GROUPS)
