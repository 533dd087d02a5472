"""Programs as tutorials have them, behind adapters, right and wrong by one line: is the mistake named?

    python tests/benchmarks/tutorials.py
    python tests/benchmarks/tutorials.py --only layers           # the styles of one door
    python tests/benchmarks/tutorials.py --only nnfs saito       # these styles

A style is a folder of tests/tutorials: program.py knows nothing of backproof, adapter.py defines `target`, and wrong.toml
has the edits: `line` is the text of one line of program.py, `replaced` what stands there instead, and `names` the known
mistakes of which any is a right name, none where no known mistake is this one: then it must be found, and no name counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1] / "tutorials"
ADAPTER_LINES = 15


class Edit(NamedTuple):
    """One wrong line, the line that it replaces, and the names that are right."""

    line: str
    replaced: str
    names: tuple[str, ...]


class Style(NamedTuple):
    """A tutorial's program, its adapter, the door it goes through, and what can be wrong in it."""

    name: str
    title: str
    door: str
    program: str
    adapter: str
    wrong: tuple[Edit, ...]

    @property
    def adapter_lines(self):
        """Lines of code of the adapter: no blank ones, no comments."""
        return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in self.adapter.splitlines())

    def edited(self, edit):
        """The program with the line replaced, as it is for None; the line must be there."""
        if edit is None:
            return self.program
        lines = self.program.splitlines()
        if edit.line not in lines:
            raise ValueError(f"{self.name}: program.py has no line {edit.line!r}")
        lines[lines.index(edit.line)] = edit.replaced
        return "\n".join([*lines, ""])


class Verdict(NamedTuple):
    """What a run of a program said: its verdict, the mistakes of every finding, the seconds, and why it was not judged."""

    verdict: str
    named: tuple[tuple[str, ...], ...]
    seconds: float
    reason: str

    @property
    def wrong(self):
        return self.verdict == "does_not_conform"

    @property
    def first(self):
        """The name that the first finding has, or "" for none."""
        return (self.named or ((),))[0][:1]


def styles(only=()):
    """Every style, or those whose name or door is among `only`."""
    found = [style(folder) for folder in sorted(ROOT.iterdir()) if (folder / "wrong.toml").is_file()]
    return [each for each in found if not only or {each.name, each.door} & set(only)]


def style(folder):
    data = tomllib.loads((folder / "wrong.toml").read_text(encoding="utf-8"))
    texts = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in ("program", "adapter")]
    edits = tuple(Edit(each["line"], each["replaced"], tuple(each["names"])) for each in data["wrong"])
    return Style(folder.name, data.get("title", folder.name), data.get("door", ""), *texts, edits)


def verdict(style, edit=None, examples=40, oracles=("torch",)):
    """Verify the program behind its adapter in a folder of its own, in a process of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.py").write_text(style.edited(edit), encoding="utf-8")
        (Path(folder) / "adapter.py").write_text(style.adapter, encoding="utf-8")
        command = [sys.executable, "-m", "backproof", "verify", "adapter.py:target", "--examples", str(examples),
                   "--oracles", ",".join(oracles), "--report", "out"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
        record = Path(folder) / "out" / "report.json"
        data = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    named = tuple(tuple(each["faults"]) for each in data.get("findings", []))
    return Verdict(data.get("verdict", "none"), named, time.monotonic() - started,
                   data.get("reason") or ("" if data else done.stderr.strip()))


def right_name(edit, said):
    """Whether the mistake was found and the first name is right; where there is none, whether it was found."""
    return said.wrong and (not edit.names or any(name in edit.names for name in said.first))


def row(style, tell):
    """The style's row of the table; tell(text) says what was not as it should be."""
    right, wrong = verdict(style), [(edit, verdict(style, edit)) for edit in style.wrong]
    if right.verdict != "conforms":
        tell(f"{style.name}: right, {right.verdict}: {right.named} {right.reason}")
    for edit, said in wrong:
        if not right_name(edit, said):
            tell(f"{style.name}: {edit.replaced.strip()}: {said.verdict}, named {said.named[:3]} {said.reason[:300]}")
    known = [said for edit, said in wrong if edit.names]
    named = sum(right_name(edit, said) for edit, said in wrong if edit.names)
    caught = sum(said.wrong for _, said in wrong)
    return {"style": style.name, "door": style.door, "adapter": style.adapter_lines, "right": int(right.verdict == "conforms"),
            "wrong": len(wrong), "caught": caught, "with a name": len(known), "named": named, "title": style.title}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="names of styles, or of doors")
    rows = []
    print(f"{'style':14} {'adapter':>7} {'right':>5} {'caught':>7} {'named':>7}  ")
    for each in styles(parser.parse_args().only):
        rows.append(found := row(each, lambda text: print(text, file=sys.stderr, flush=True)))
        print(f"{found['style']:14} {found['adapter']:>7} {found['right']:>5} {found['caught']:>4}/{found['wrong']:<2} "
              f"{found['named']:>4}/{found['with a name']:<2}  {found['title']}", flush=True)
    total = defaultdict(int)
    for found in rows:
        for key in ("right", "wrong", "caught", "named", "with a name"):
            total[key] += found[key]
    print(f"{len(rows)} styles: {total['right']} right ones conform; of {total['wrong']} wrong ones {total['caught']} "
          f"do not conform, and {total['named']} of {total['with a name']} have the right name")


if __name__ == "__main__":
    main()
