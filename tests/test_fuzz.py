"""Records and cases that were damaged, or written by somebody hostile: a rendering or one clear line, nothing run."""

import json
import os
import pickle
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import damage
import pytest
from backproof import cli
from backproof.plug.subjects import load as ready_made
from backproof.record.cases import read_case
from backproof.record.reading import read
from backproof.record.writing import RecordError
from backproof.reference import DescriptionError
from backproof.renderings import RENDERINGS, render
from backproof.running.replay import replay
from damage import CANARY, Payload, mutated, put
from harmful_output import Elements, commands_on, wrong_with

RECORDS, CASES = 600, 400
KILLS = int(os.environ.get("BACKPROOF_KILLS", "4"))
THERE = [name for name, row in RENDERINGS.items() if find_spec(f"backproof.renderings.{row.module}")]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A whole record of a wrong subject, and two cases, as bytes."""
    return damage.originals(tmp_path_factory.mktemp("originals"))


# --- one line, or a rendering -----------------------------------------------------------------------------------


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    """A folder to be in; whatever starts a program, or unpickles, fails the test, and so does the payload's trace."""
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments, **_):
        raise AssertionError(f"executed: {arguments}")

    for owner, name in [(os, "system"), (subprocess, "Popen"), (pickle, "loads"), (pickle, "load")]:
        monkeypatch.setattr(owner, name, refuse)
    yield tmp_path
    assert not (tmp_path / CANARY).exists()


def refusal(do, *arguments):
    """What `do` gives, and None; or None, and the one line that it refuses with: no other exception."""
    try:
        return do(*arguments), None
    except (RecordError, DescriptionError) as error:
        return None, str(error)


def one_line(text):
    return text.isprintable() and 0 < len(text) < 2000


def test_the_payload_would_run_if_anything_ran_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload(), protocol=0))
    assert (tmp_path / CANARY).exists()


def test_what_is_not_damaged_is_read(originals, nothing_runs):
    record, cases = originals
    (nothing_runs / "report.jsonl").write_bytes(record)
    run = read(nothing_runs)
    assert (run.complete, run.report.verdict, len(run.report.findings)) == (True, "does_not_conform", 1)
    assert all(render(name, run) for name in THERE if name != "annotations")
    for data in cases:
        (nothing_runs / "case.json").write_bytes(data)
        assert replay(read_case(nothing_runs / "case.json"), ready_made("reference")).status == "FIXED"


DEEP = json.loads("[" * 150 + "]" * 150)
FIGURES = ("resolution", "float64", "bias")
BENT = {
    "seconds": ("footer", ("seconds",), 10**400, "wanted a number"),
    "endless seconds": ("footer", ("seconds",), "inf", "wanted a finite number"),
    "digits": ("footer", (*FIGURES, "digits"), 10**400, "wanted a number"),
    "no digits": ("footer", (*FIGURES, "digits"), "nan", "wanted a finite number"),
    "sharp": ("footer", (*FIGURES, "sharp"), 1e300, "wanted a whole number"),
    "first failure": ("footer", ("first_failure",), [[]], "wanted a whole number"),
    "got": ("finding", ("got",), 10**400, "wanted a number"),
    "no fault for the lesson": ("finding", ("faults",), [], "faults is empty"),
    "agreement": ("result", ("agreement",), {"0.bias": [0.1, 10**400, 1.0]}, "wanted three numbers"),
    "type": ("result", ("type",), ["result"], "type is"),
    "one count of networks": ("finding", ("networks",), [3], "no count of networks"),
    "an unknown trait": ("finding", ("when",), {"trait": "x", "relation": ">=", "value": 1, "nearest": None, "inside": [1, 1],
                                                "outside": [0, 1], "asked": []}, "no condition that can be told"),
    "no counts of a condition": ("finding", ("when",), {"trait": "batch", "relation": ">=", "value": 1, "nearest": None,
                                                        "inside": [], "outside": [], "asked": []}, "no condition"),
    "a condition on a text": ("finding", ("when",), {"trait": "batch", "relation": ">=", "value": "x", "nearest": None,
                                                     "inside": [1, 1], "outside": [0, 1], "asked": []}, "no condition"),
    "deep plan": ("header", ("plan", "examples"), DEEP, "nested too deeply"),
    "deep example": ("finding", ("example",), DEEP, "nested too deeply"),
}


@pytest.mark.parametrize("name", BENT)
def test_what_only_a_hostile_hand_writes(originals, nothing_runs, name):
    kind, path, value, words = BENT[name]
    lines = [json.loads(line) for line in originals[0].splitlines()]
    at = next(i for i, line in enumerate(lines) if line["type"] == kind)
    if kind == "finding":
        lines[at] |= {"faults": ["x"], "lesson": dict.fromkeys(("symptom", "wrong", "right", "seen"), "x")}
    lines[at] = put(lines[at], path, value, random.Random(5))
    assert lines[at] != json.loads(originals[0].splitlines()[at])
    (nothing_runs / "report.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run, why = refusal(read, nothing_runs)
    assert run is None
    assert words in why, why
    assert one_line(why)


def test_damaged_records(originals, nothing_runs):
    rng, refused, path = random.Random(1), 0, nothing_runs / "report.jsonl"
    for number in range(RECORDS):
        path.write_bytes(mutated(originals[0], rng))
        run, why = refusal(read, path)
        if run is None:
            assert one_line(why), (number, why)
            refused += 1
            continue
        for name in THERE:
            text = render(name, run)
            text.encode()
            assert name != "junit" or ElementTree.fromstring(text) is not None
        assert run.complete or "incomplete" in render("text", run).lower()
        assert "\x1b" not in render("text", run)
    assert 0.4 * RECORDS < refused < 0.95 * RECORDS


def test_damaged_cases(originals, nothing_runs):
    rng, refused, subject = random.Random(2), 0, ready_made("reference")
    for number in range(CASES):
        path = nothing_runs / "case.json"
        path.write_bytes(mutated(rng.choice(originals[1]), rng))
        case, why = refusal(read_case, path)
        if case is None:
            assert one_line(why), (number, why)
            refused += 1
            continue
        said = replay(case, subject)
        assert said.status in ("FIXED", "ERROR"), (number, said.text)
        assert said.status == "FIXED" or said.text.isprintable()
    assert 0.5 * CASES < refused < 0.99 * CASES


INJECTED = [
    "\x1b]0;x\x07\x1b[2J\x9b31m\r", "::error file=x::pwned", "a\n::add-mask::x", "##[error]x ##vso[task.x]y ##teamcity[z]",
    "\u202egnp.exe\u2066", "</pre><script>x</script>", "![a](http://x) @all www.example.org ```", "]]><x/>", "y" * 100_000,
    "'; touch executed #\n$(touch executed)",
]


@pytest.mark.parametrize("text", INJECTED)
def test_no_text_of_a_record_is_obeyed_by_what_shows_it(originals, nothing_runs, capsys, text):
    lines = [json.loads(line) for line in originals[0].splitlines()]
    for line in lines:
        for key, value in {**line}.items():
            if key in {"header": ("subject", "door", "started"), "finding": ("explanation", "property", "parameter", "also"),
                       "footer": ("reason", "ended", "notes"), "result": ("message",)}.get(line["type"], ()):
                line[key] = [text] if isinstance(value, list) else text
        if line["type"] == "header":
            line |= {"target": "mine.py:f; touch executed", "environment": {text: text}, "unclaimed": {text: [text]}}
        if line["type"] == "finding":
            line |= {"faults": [text], "lesson": dict.fromkeys(("symptom", "wrong", "right", "seen"), text)}
    whole, folder = nothing_runs / "whole", nothing_runs / "out"
    for place, said in ((whole, originals[0]), (folder, "".join(f"{json.dumps(line)}\n" for line in lines).encode())):
        (place / "cases").mkdir(parents=True)
        (place / "report.jsonl").write_bytes(said)
        (place / "cases" / "case.json").write_bytes(originals[1][0])
    (nothing_runs / "known.txt").write_text("")
    (nothing_runs / "fixed.txt").write_text("")
    pages = {"a"}
    for where in (whole, folder):
        for words in commands_on(where, whole):
            status = cli.main(list(map(str, words)))
            out, err = capsys.readouterr()
            if where == whole:
                pages |= Elements(out).names
                continue
            assert status != 2 or words[0] in ("replay", "expect"), err
            assert not list(wrong_with(words, status, out, err, pages))
    assert {path.name for path in nothing_runs.iterdir()} == {"whole", "out", "known.txt", "fixed.txt"}


# --- files that are none ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes, links and devices")
@pytest.mark.parametrize(("kind", "words"), [
    ("pipe", "is no ordinary file"), ("folder", "is a directory"), ("link", "is a link out of its folder"),
    ("zero", "is no ordinary file"), ("3 GB", "has a line of more than 16,777,216 bytes"), ("deep", "nested too deeply"),
    ("UTF-16", "is not UTF-8 text"), ("itself", "cannot be read: "), ("gone", "No such file"),
])
def test_what_stands_in_the_place_of_a_record_is_refused_at_once(originals, tmp_path, capsys, kind, words):
    path, other = tmp_path / "out" / "report.jsonl", tmp_path / "other"
    path.parent.mkdir()
    other.write_bytes(originals[0])
    {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "link": lambda: path.symlink_to(other),
     "zero": lambda: path.symlink_to("/dev/zero"), "itself": lambda: path.symlink_to(path), "gone": lambda: None,
     "3 GB": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 3 * 2**30),
     "deep": lambda: path.write_text("[" * 10**6 + "\n"), "UTF-16": lambda: path.write_bytes("é".encode("utf-16")),
     }[kind]()
    started = time.monotonic()
    for command in (["report", path.parent], ["report", path], ["compare", path.parent, path.parent],
                    ["scoreboard", path.parent], ["expect", path.parent]):
        assert cli.main(list(map(str, command))) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert words in err or (kind == "folder" and "No such file" in err), err
    assert time.monotonic() - started < 20


# --- killed -----------------------------------------------------------------------------------------------------

WITNESS = """
import os, sys
from backproof import cli
from backproof.record import writing as record

side, write = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), record.Recorder._write

def seen(self, lines, text):
    write(self, lines, text)
    os.write(side, text.encode())

record.Recorder._write = seen
sys.exit(cli.main(sys.argv[2:]))
"""
COMMAND = ["verify", "reference", "--oracles", "differences", "--examples", "100000", "--seconds", "60"]


def started(folder):
    """A run that has begun to write, with a second file of what it had written when each line's writing returned."""
    run = subprocess.Popen([sys.executable, "-c", WITNESS, str(folder / "side"), *COMMAND, "--report", str(folder)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (folder / "side").exists() or not (folder / "side").stat().st_size:
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    return run


def test_a_killed_run_loses_at_most_the_line_in_flight(tmp_path):
    rng = random.Random(time.time_ns())
    for number in range(KILLS):
        folder = Path(tmp_path, str(number))
        folder.mkdir()
        run = started(folder)
        try:
            time.sleep(rng.uniform(0.0, 1.5))
        finally:
            run.kill()
            run.wait()
        written, known = ((folder / name).read_bytes() for name in ("report.jsonl", "side"))
        assert written.startswith(known)
        assert written[len(known):].rstrip(b"\n").count(b"\n") == 0
        found = read(folder)
        assert (found.complete, found.report.verdict) == (False, "incomplete")
        assert "the record has no last line" in found.report.reason
        assert found.results >= sum(b'"type": "result"' in line for line in known.splitlines())
        assert all(render(name, found) is not None for name in THERE)
