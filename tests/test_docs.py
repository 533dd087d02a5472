"""README and docs are true: their commands print what they show, their code runs, their links lead somewhere.

`python tests/test_docs.py` rewrites the output.
"""

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from backproof import Claims, Head, implementation
from backproof.plug.implementing import CLAIMS
from backproof.properties.structures import STRUCTURES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = re.compile(r"(<!-- run: (?P<command>.*?) -->\n```text\n)(?P<shown>.*?)(```)", re.S)
CODE = re.compile(r"```python\n(?P<code># (?P<file>\w+\.py)\n.*?)```", re.S)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")
COMMAND = re.compile(r"python -m backproof (?P<words>\w+)")
NUMBER = re.compile(r"\d[\d.e+-]*")


def printed(command: str) -> str:
    """What a command of the README prints, from the root of the repository, with all the time it needs."""
    words = [*shlex.split(command)[1:], "--seconds", "600"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def comparable(text: str) -> list[str]:
    """Findings as they are; how many and how sharply without the numbers, which follow machine and libraries."""
    return [NUMBER.sub("#", line) if re.match(r"  (\d+ (networks|trials)|b?float|note|could)", line) else line
            for line in text.splitlines()]


def blocks(pattern):
    return [pytest.param(block, id=f"{page.name}: {block[0].splitlines()[0]}" if pattern is RUN else block["file"])
            for page in PAGES for block in pattern.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("block", blocks(RUN))
def test_commands_print_what_is_shown(block):
    assert comparable(printed(block["command"])) == comparable(block["shown"])


FILES = {block.values[0]["file"]: block.values[0]["code"] for block in blocks(CODE)}


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("test_")])
def test_the_code_conforms(file, tmp_path):
    """The target is called backprop, or is the one class of the file as it is."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    name = "backprop" if "backprop" in FILES[file] else re.search(r"^class (\w+)", FILES[file], re.M)[1]
    command = f"python -m backproof verify {tmp_path / file}:{name} --examples 60 --oracles torch"
    assert re.search(r": CONFORMS( \(to claims that were inferred.*)?\n", printed(command))


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("test_")])
def test_the_tests_pass(file, tmp_path):
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        path = page.parent / link["path"] if link["path"] else page
        assert path.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in {heading(line) for line in path.read_text(encoding="utf-8").splitlines()}, link[0]


def heading(line):
    """"## A function" -> "a-function": the anchor of a heading."""
    return re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") if line.startswith("#") else None


def test_every_command_named_is_there():
    from backproof.cli import parser

    helped = parser().format_help()
    named = {found["words"] for page in PAGES for found in COMMAND.finditer(page.read_text(encoding="utf-8"))}
    assert {name for name in named if not re.search(rf"^    {name}\b", helped, re.M)} == set()


def documented(heading):
    """The rows of the table behind a heading of the page on plugging in: first cell, second cell."""
    page = (ROOT / "docs" / "plugging-in.md").read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", page, re.M):
        yield from ((name, row[1].strip("`")) for name in re.findall(r"`(\w+)`", row[0]))


def test_the_documented_defaults_are_those_of_the_code():
    written = dict(documented("What is claimed"))
    assert set(written) == set(CLAIMS)
    defaults = {name: eval(value, {"Head": Head}) for name, value in written.items()}
    assert defaults == {name: getattr(Claims(), name) for name in written}
    parameters = inspect.signature(implementation).parameters
    assert defaults == {name: parameters[name].default for name in written}


def test_the_structures_are_those_of_the_code():
    assert dict(documented("More than a chain")) == {name: row.says for name, row in STRUCTURES.items()}


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(RUN.sub(lambda block: block[1] + printed(block["command"]) + "```", text), encoding="utf-8")
