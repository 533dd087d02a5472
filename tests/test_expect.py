"""Known failures: the file, a run before it, --fix, and `verify --expected`."""

import os
from pathlib import Path

import pytest
from backproof import cli
from backproof.record.expectations import (
    ExpectationError,
    as_expected,
    by_id,
    load,
    parsed,
    surprises,
)
from backproof.record.notes import Note, NoteKind
from backproof.record.report import Finding
from small_records import finding, record, report

EXAMPLES = Path(__file__).parent / "examples"
LINK = "https://example.org/1"
BIAS = "reference:bias:bias-averaged-over-batch"
LINE = f"{BIAS}  known since the first release  {LINK}\n"
WRONG = finding("reference", "bias", "bias-averaged-over-batch")


def expect(directory, file, *more):
    return cli.main(["expect", str(directory), "--file", str(file), *more])


@pytest.fixture
def known(tmp_path):
    """A file that lists one failure."""
    path = tmp_path / "known.txt"
    path.write_text(LINE)
    return path


# --- ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("made", "wanted"), [
    (WRONG, BIAS), (finding("reference", "bias,weight"), "reference:bias,weight:unknown"),
    (finding("answers", "IndexError"), "answers:IndexError:unknown"),
    (finding("reference", ""), "reference:bias:unknown"),
    (Finding("contract", "", (), 0, 0, 0, 0, "", ""), "contract:none:unknown"),
    (finding("# a: b", "x\ny", "é"), "__a__b:x_y:é"),
])
def test_an_id_is_one_word_of_three_parts(made, wanted):
    assert made.id == wanted
    assert [each.id for each in parsed("f", f"{wanted} why {LINK}")] == [wanted]


def test_an_id_says_neither_which_case_nor_which_numbers():
    other = Finding("reference", "2.bias", (3,), 5.0, 6.0, 1.0, 1e-9, "def", "other words", kinds="bias",
                    faults=("bias-averaged-over-batch", "another"))
    assert other.id == WRONG.id


def test_a_second_finding_of_one_id_is_another():
    assert list(by_id([WRONG, WRONG, finding()])) == [BIAS, f"{BIAS}-2", "reference:bias:unknown"]


# --- the file ----------------------------------------------------------------------------------------------------


def test_a_file_is_read(tmp_path):
    path = tmp_path / "f.txt"
    path.write_bytes(f"\ufeff# a comment\n\n   # another\n{LINE}".encode())
    (each,) = load(path)
    assert (each.id, each.reason, each.link, each.number) == (BIAS, "known since the first release", LINK, 4)
    path.write_text("")
    assert load(path) == []


@pytest.mark.parametrize(("text", "says"), [
    ("bias  why  " + LINK, "f:1: id is 'bias', wanted property:kinds:mistake"),
    ("a:b:c:d  why  " + LINK, "f:1: id is 'a:b:c:d', wanted property:kinds:mistake"),
    ("a::c  why  " + LINK, "f:1: id is 'a::c'"),
    ("\n# x\na:b:c", "f:3: a:b:c has no link"),
    ("a:b:c  why", "f:1: a:b:c has no link"),
    ("a:b:c  why  ftp://example.org", "f:1: a:b:c has no link"),
    ("a:b:c  " + LINK, "f:1: a:b:c has no reason"),
    ("a:b:c  WRITE-THE-REASON  WRITE-THE-LINK", "f:1: a:b:c has no reason and no link yet: write them"),
    ("a:b:c  WRITE-THE-REASON  " + LINK, "f:1: a:b:c has no reason"),
    ("a:b:c  why  WRITE-THE-LINK", "f:1: a:b:c has no link"),
    (LINE + "\n" + LINE, f"f:3: {BIAS} is in line 1 already"),
])
def test_what_is_no_known_failure_is_one_line(text, says):
    with pytest.raises(ExpectationError) as error:
        parsed("f", text)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, b"\xff\xfe", b"nonsense\n"])
def test_a_file_that_cannot_be_taken_is_exit_2(tmp_path, capsys, text):
    if text is not None:
        (tmp_path / "f.txt").write_bytes(text)
    assert expect(record(tmp_path / "run", WRONG), tmp_path / "f.txt") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "f.txt" in said


def test_no_record_is_exit_2(tmp_path, known, capsys):
    assert expect(tmp_path / "nowhere", known) == 2
    assert "cannot be read" in capsys.readouterr().err


# --- a run before the file ---------------------------------------------------------------------------------------


def test_as_listed(tmp_path, known, capsys):
    assert expect(record(tmp_path / "run", WRONG), known) == 0
    assert f"DOES NOT CONFORM as expected in known.txt\n  {BIAS}: known since" in capsys.readouterr().out


def test_nothing_listed_and_nothing_found(tmp_path, capsys):
    (tmp_path / "none.txt").write_text("# nothing\n")
    assert expect(record(tmp_path / "run"), tmp_path / "none.txt") == 0
    assert "mine: CONFORMS" in capsys.readouterr().out


@pytest.mark.parametrize(("findings", "more", "says"), [
    ([], {}, f"{BIAS}: passes now (line 1)"),
    ([], {"checks": {"torch": {"passed": 40}}}, f"{BIAS}: was not run (line 1)"),
    ([], {"checks": {"reference": {"inconclusive": 40}}}, f"{BIAS}: was not run (line 1)"),
    ([finding("reference", "bias", "bias-sign")], {},
     f"{BIAS}: fails differently: reference:bias:bias-sign: reference is wrong"),
    ([finding()], {}, f"{BIAS}: fails differently: reference:bias:unknown: reference is wrong"),
    ([WRONG, finding("loss_value", "loss")], {}, "loss_value:loss:unknown: is not listed: loss_value is wrong"),
    ([WRONG, WRONG], {}, f"{BIAS}-2: is not listed: reference is wrong"),
])
def test_not_as_listed_is_one_line(tmp_path, known, capsys, findings, more, says):
    assert expect(record(tmp_path / "run", *findings, **more), known) == 1
    assert capsys.readouterr().out.splitlines() == ["mine: NOT AS EXPECTED in known.txt", f"  {says}"]


def test_one_thing_is_told_once():
    other = finding("reference", "bias,weight")
    assert len(surprises(parsed("f", LINE), report(finding(), other))) == 2
    assert len(surprises(parsed("f", LINE), report(other))) == 2


def test_failures_that_no_finding_explains_are_never_expected(known):
    said, status = as_expected([], report(checks={"reference": {"failed": 3}}), "f")
    assert status == 1
    assert said[1] == "  3 checks failed, and no finding says why"


@pytest.mark.parametrize("more", [{"verdict": "incomplete"}, {"verdict": "not_judged"}, {"footer": False}])
@pytest.mark.parametrize("fix", [[], ["--fix"]])
def test_a_run_without_a_verdict_is_refused(tmp_path, known, capsys, more, fix):
    assert expect(record(tmp_path / "run", WRONG, reason="", **more), known, *fix) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert known.read_text() == LINE


# --- --fix -------------------------------------------------------------------------------------------------------


def test_fix_keeps_all_but_what_changed(tmp_path, capsys):
    path = tmp_path / "f.txt"
    path.write_text(f"# ours\n\n{LINE}# gone\nreference:weight:unknown  old  {LINK}\ntorch:bias:unknown  idle  {LINK}\n"
                    "# the end")
    run = record(tmp_path / "run", WRONG, finding("loss_value", "loss"))
    assert expect(run, path, "--fix") == 0
    new = "loss_value:loss:unknown  WRITE-THE-REASON  WRITE-THE-LINK\n"
    assert path.read_text() == f"# ours\n\n{LINE}# gone\ntorch:bias:unknown  idle  {LINK}\n# the end\n{new}"
    assert capsys.readouterr().out.splitlines() == [
        "reference:weight:unknown: dropped: it is not found", "torch:bias:unknown: kept: it was not run",
        "loss_value:loss:unknown: added: write its reason and its link", f"wrote {path}"]
    assert sorted(os.listdir(tmp_path)) == ["f.txt", "run"]


def test_what_fix_adds_is_refused_until_a_person_has_written_it(tmp_path, capsys):
    path, run = tmp_path / "f.txt", record(tmp_path / "run", WRONG)
    assert expect(run, path, "--fix") == 0
    assert expect(run, path) == 2
    assert "f.txt:1" in capsys.readouterr().err
    before = path.read_text()
    assert expect(run, path, "--fix") == 0
    assert path.read_text() == before
    path.write_text(LINE)
    assert expect(run, path) == 0


def test_fix_with_nothing_to_change_writes_nothing(tmp_path, known, capsys):
    known.chmod(0o444)
    at = known.stat().st_mtime_ns
    assert expect(record(tmp_path / "run", WRONG), known, "--fix") == 0
    assert known.stat().st_mtime_ns == at
    assert "nothing to change" in capsys.readouterr().out
    assert expect(record(tmp_path / "right"), tmp_path / "none.txt", "--fix") == 0
    assert not (tmp_path / "none.txt").exists()


@pytest.mark.parametrize(("plan", "note"), [
    ('"examples": 301', "300 of 301 networks"),
    ('"first": ["abc"], "examples": 300', "time limit: 300 of 301 networks in 60 s"),
    ('"examples": 300', "stopped after 1 failing networks, 300 of 300 asked"),
])
def test_fix_refuses_a_run_that_was_cut_short(tmp_path, known, capsys, plan, note):
    run = record(tmp_path / "run", notes=[Note(note, NoteKind.CUT_SHORT)] if note[0].isalpha() else [])
    path = run / "report.jsonl"
    path.write_text(path.read_text().replace('"examples": 300', plan))
    assert expect(run, known, "--fix") == 2
    assert f"the run was cut short ({note})" in capsys.readouterr().err
    assert known.read_text() == LINE


def test_fix_refuses_a_file_it_does_not_understand(tmp_path, capsys):
    path = tmp_path / "f.txt"
    for text in ("nonsense\n", LINE + LINE):
        path.write_text(text)
        assert expect(record(tmp_path / "run", WRONG), path, "--fix") == 2
        assert path.read_text() == text


def test_fix_writes_the_whole_file_or_none(tmp_path, known, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    run = record(tmp_path / "run", finding())
    monkeypatch.setattr(os, "replace", full)
    assert expect(run, known, "--fix") == 2
    assert known.read_text() == LINE
    assert "cannot be written: No space left on device" in capsys.readouterr().err


# --- verify --expected -------------------------------------------------------------------------------------------


@pytest.fixture
def wrong(monkeypatch):
    """`verify` with a few networks of the example whose bias gradient is a mean."""
    def run(file, name="mlp_layers_wrong", *more):
        target = f"{EXAMPLES / name}.py:mlp"
        return cli.main(["verify", target, "--examples", "20", "--oracles", "torch", "--expected", str(file), *more])
    return run


def test_verify_with_known_failures(wrong, tmp_path, known, capsys):
    pytest.importorskip("torch")
    assert wrong(known, "mlp_layers_wrong", "--report", str(tmp_path / "run")) == 0
    said = capsys.readouterr().out
    assert "mlp_layers_wrong.py:mlp: DOES NOT CONFORM\n" in said
    assert f"DOES NOT CONFORM as expected in {known}\n  {BIAS}: known since" in said
    assert expect(tmp_path / "run", known) == 0
    assert wrong(known, "mlp_layers") == 1
    assert f"{BIAS}: passes now" in capsys.readouterr().out


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_id_is_the_same_with_other_seeds(wrong, known, capsys, seed):
    pytest.importorskip("torch")
    assert wrong(known, "mlp_layers_wrong", "--seed", seed) == 0


def test_verify_with_another_failure_than_the_known_one(wrong, tmp_path, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "f.txt"
    path.write_text(f"reference:weight:unknown  another one  {LINK}\n")
    assert wrong(path) == 1
    assert "is not listed" in capsys.readouterr().out


def test_verify_refuses_the_file_before_it_asks_anything(wrong, tmp_path, capsys):
    (tmp_path / "f.txt").write_text("nonsense")
    assert wrong(tmp_path / "f.txt", "no_such_file") == 2
    assert "f.txt:1: id is 'nonsense'" in capsys.readouterr().err


def test_an_incomplete_run_stays_incomplete(known):
    for verdict, exit in (("incomplete", 3), ("not_judged", 2)):
        said, status = as_expected(load(known), report(WRONG, verdict=verdict), "f")
        assert status == exit
        assert "not compared" in said[0]
