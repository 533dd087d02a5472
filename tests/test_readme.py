"""The README is true: its commands print what it shows, its code runs.

`python tests/test_readme.py` rewrites the output.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RUN = re.compile(r"(<!-- run: (?P<command>.*?) -->\n```text\n)(?P<shown>.*?)(```)", re.S)
CODE = re.compile(r"```python\n(?P<code># (?P<file>\w+\.py)\n.*?)```", re.S)
NUMBER = re.compile(r"\d[\d.e+-]*")


def printed(command: str) -> str:
    """What a command of the README prints, from the root of the repository, with all the time it needs."""
    words = [*shlex.split(command)[1:], "--seconds", "600"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def comparable(text: str) -> list[str]:
    """Findings as they are; how many and how sharply without the numbers, which follow machine and libraries."""
    return [NUMBER.sub("#", line) if re.match(r"  (\d+ networks|float|note)", line) else line
            for line in text.splitlines()]


@pytest.mark.parametrize("block", list(RUN.finditer(README.read_text(encoding="utf-8"))),
                         ids=lambda block: block["command"])
def test_commands_print_what_is_shown(block):
    assert comparable(printed(block["command"])) == comparable(block["shown"])


def test_the_code_conforms(tmp_path):
    block = CODE.search(README.read_text(encoding="utf-8"))
    (tmp_path / block["file"]).write_text(block["code"], encoding="utf-8")
    command = f"python -m backproof verify {tmp_path / block['file']}:backprop --examples 60 --oracles torch"
    assert ": CONFORMS\n" in printed(command)


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(RUN.sub(lambda block: block[1] + printed(block["command"]) + "```", text), encoding="utf-8")
