"""What is shown of a subject's or a record's text: all of it visible, bounded, obeyed by no terminal and no CI log."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from backproof.record import harmless
from backproof.record.report import Finding, Report
from backproof.running.progress import First, Progress

BACKPROOF = [sys.executable, "-m", "backproof"]


@pytest.mark.parametrize(("text", "shown"), [
    ("as it is, é, γ", "as it is, é, γ"), ("a\tb", "a\tb"), ("a\nb\r", r"a\nb\r"), ("\x1b[2J\x00\x7f\x9b", r"\x1b[2J\x00\x7f\x9b"),
    ("\u202egnp\u2066", r"\u202egnp\u2066"), ("\ud800", r"\ud800"), ("\u2028", r"\u2028"),
    ("::error::x", r"\x3a:error::x"), ("  ::add-mask::x", r"  \x3a:add-mask::x"), ("a ::b", "a ::b"), ("a::b", "a::b"),
    ("##[error]x", r"\x23#[error]x"), ("a ##vso[task]b", r"a \x23#vso[task]b"), ("##teamcity[x]", r"\x23#teamcity[x]"),
    ("###[x]", r"#\x23#[x]"), ("## a heading", "## a heading"), ("\n::x", r"\n::x"),
])
def test_a_line(text, shown):
    assert harmless.line(text) == shown
    assert harmless.line(shown) == shown
    assert harmless.lines(f"one\n{text}").split("\n")[0] == "one"


def test_a_long_text_is_cut_and_says_how_long_it_was():
    for text in ("x" * 5_242_880, "\x1b" * 5_242_880, "::" * 2_621_440):
        line = harmless.line(text)
        assert len(line) <= harmless.LONGEST
        assert line.endswith("… 5,242,880 characters")
        assert harmless.line(line) == line
    assert harmless.line("x" * 2000) == "x" * 2000
    many = harmless.lines("line\n" * 1_000_000)
    assert len(many) <= harmless.MOST
    assert many.endswith("… 5,000,000 characters")
    assert harmless.short({"a": ["y" * 3000, 1.5, None]}) == {"a": [harmless.cut("y" * 3000), 1.5, None]}


def test_json_is_the_same_and_no_command():
    text = harmless.defused_json('{"a": "###[b] ##vso[c]"}')
    assert "##" not in text
    assert json.loads(text) == {"a": "###[b] ##vso[c]"}


HOSTILE = "\x1b[2J\r::error::x\n::error::y\n##[error]z\u202e"


def test_a_report_is_harmless_wherever_it_is_printed(capsys):
    finding = Finding("reference", "0.bias", (0,), 1.0, 2.0, 1.0, 1e-12, "", HOSTILE, lesson=dict.fromkeys(
        ("symptom", "wrong", "right", "seen"), HOSTILE), faults=("x",))
    report = Report(HOSTILE, "does_not_conform", {}, 0, findings=[finding], reason=HOSTILE, notes=[HOSTILE])
    with Progress(HOSTILE, stream=sys.stderr) as progress:
        progress(0, 1, 0, 0.0)
        progress.announce(First(0.0, finding, None))
    print(report, report.line, finding.text, finding.headline, sep="\n")
    for line in "".join(capsys.readouterr()).split("\n"):
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


# --- streams that are closed or full ------------------------------------------------------------------------------

WRONG = """
def wrong(network, parameters, inputs, targets):
    import os, shutil
    W, b = network.unpack(parameters)
    AT_WORK
    error = inputs @ W[0] - targets + (b[0] if b[0] is not None else 0)
    return (error**2).sum(), network.pack([inputs.T @ (2 * error)], [2 * error.mean(axis=0)])

from backproof import Head, implementation
wrong = implementation(heads=[Head("identity", "squared_error", reduction="sum")], depth=(1, 1))(wrong)
"""
VERIFY = "verify mine.py:wrong --examples 4 --oracles differences"


def shell(folder, line):
    line = f"{sys.executable} -m backproof {line}"
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "mine.py").write_text(WRONG.replace("AT_WORK", "pass"))
    return tmp_path


posix = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a shell, and /dev/full")


@posix
@pytest.mark.parametrize(("line", "status", "words"), [
    ("--help > /dev/full", 2, "standard output: No space left on device: not all could be said"),
    ("list activations >&-", 2, "standard output: it is closed"), ("list faults | head -1 > /dev/null", 0, ""),
    ("verify 2> /dev/full", 2, ""), ("list nothing 2>&-", 2, ""), (f"{VERIFY} > /dev/full", 2, "No space left on device"),
])
def test_what_was_not_said_is_no_verdict(here, line, status, words):
    done = shell(here, line)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert words in done.stderr


@posix
@pytest.mark.parametrize(("at_work", "words"), [
    ("shutil.rmtree('out', ignore_errors=True)", "note: the record is lost: report: out cannot be written"),
    ("os.path.isdir('/') and os.chdir('/')", "wrote out/junit.xml"),
])
def test_whatever_becomes_of_the_folder_the_findings_are_printed(here, at_work, words):
    (here / "mine.py").write_text(WRONG.replace("AT_WORK", at_work))
    done = shell(here, f"{VERIFY} --report out --format junit")
    assert done.returncode == 1, done.stderr
    assert "mine.py:wrong: DOES NOT CONFORM" in done.stdout
    assert "bias" in done.stdout
    assert words in done.stdout
    assert "Traceback" not in done.stderr
    assert (here / "out" / "report.json").exists() == ("chdir" in at_work)


@posix
def test_a_folder_that_is_gone_is_one_line_at_most(here):
    (here / "gone").mkdir()
    done = subprocess.run(["sh", "-c", f"cd gone && rm -r ../gone && {' '.join(BACKPROOF)} report ."], cwd=here,
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr


@posix
def test_nothing_is_left_in_the_current_folder(here):
    done = shell(here, VERIFY)
    assert done.returncode == 1
    shutil.rmtree(here / "__pycache__", ignore_errors=True)
    assert [path.name for path in Path(here).iterdir()] == ["mine.py"]
