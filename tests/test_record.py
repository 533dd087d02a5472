"""The record on the disk, the progress on the terminal."""

import io
import json
import os
import shutil
import socket
from dataclasses import dataclass

import numpy as np
import pytest
from backproof.judging.plan import Plan
from backproof.plug.subject import subject_of
from backproof.record.keeping import Kept
from backproof.record.notes import NoteKind
from backproof.record.report import Finding, Report
from backproof.record.writing import Recorder, RecordError, environment, plain, to_text, write_whole
from backproof.reference import Case, parse
from backproof.running.progress import Progress


def a_case(value=1.0):
    layer = {"kind": "dense", "units": 1, "bias": True}
    network = parse.network({"format": 1, "input_shape": [1], "layers": [layer], "loss": {"kind": "squared_error"}})
    parameters = {"0.weight": np.array([[value]]), "0.bias": np.array([0.1])}
    return Case(network, parameters, np.array([[1.0 / 3.0]]), np.array([[1e-310]]))


def a_report(**changes):
    nan, inf = float("nan"), float("inf")
    finding = Finding("reference", "0.bias", (0,), nan, 1.0, inf, 1e-12, "abc", "it is wrong", also=("torch",))
    fields = {"counts": {"reference": {"failed": 1}}, "findings": [finding], "networks": 1, "seconds": 0.5}
    return Report("mine", "does_not_conform", environment(), 7, **{**fields, **changes})


def strict(text):
    """JSON as every reader knows it: no NaN, no Infinity."""
    def refuse(word):
        raise AssertionError(word)
    return json.loads(text, parse_constant=refuse)


def lines(directory):
    return [strict(line) for line in (directory / "report.jsonl").read_text("utf-8").splitlines()]


def record(directory, *, footer=True):
    """A small whole record."""
    with Recorder(directory) as recorder:
        recorder.header(subject_of(lambda *_: None, "mine"), Plan(seed=7))
        recorder.result(property="torch", outcome="passed", error=np.float64("nan"), where=(1, 2))
        recorder.case(a_case())
        if footer:
            recorder.footer(a_report())
    return directory


# --- the files ---------------------------------------------------------------------------------------------------


def test_header_results_footer(tmp_path):
    record(tmp_path / "new" / "folder")
    header, result, finding, footer = lines(tmp_path / "new" / "folder")
    assert (header["type"], header["schema"], header["subject"], header["seed"]) == ("header", 2, "mine", 7)
    assert header["plan"] == {"examples": 300, "seconds": 60.0, "seed": 7, "oracles": None, "require": [],
                              "stop_after": None, "entrywise": False}
    assert header["claims"]["batch"] == [1, None]
    assert header["environment"]["numpy"] == np.__version__
    assert header["started"].endswith("+00:00")
    assert result == {"type": "result", "property": "torch", "outcome": "passed", "error": "nan", "where": [1, 2]}
    assert (finding["type"], finding["parameter"], finding["got"]) == ("finding", "0.bias", "nan")
    assert finding["example"] is None  # the case was not kept under that id
    assert (footer["type"], footer["verdict"], footer["findings"]) == ("footer", "does_not_conform", 1)


def test_the_summary(tmp_path):
    record(tmp_path)
    summary = strict((tmp_path / "report.json").read_text("utf-8"))
    wanted = {"schema", "subject", "verdict", "environment", "seed", "counts", "findings", "resolution", "seconds"}
    assert wanted <= set(summary)
    assert summary["findings"][0]["got"] == "nan"
    assert summary["findings"][0]["error"] == "inf"
    wanted = {"property", "parameter", "where", "got", "wanted", "error", "tolerance", "case", "explanation"}
    assert wanted <= set(summary["findings"][0])


def test_a_case_comes_back_bit_for_bit(tmp_path):
    case = a_case()
    with Recorder(tmp_path) as recorder:
        assert recorder.case(case) == case.id
        again = parse.case(strict((tmp_path / "cases" / f"{case.id}.json").read_text("utf-8")))
    assert again.id == case.id
    assert again.targets.tobytes() == case.targets.tobytes()
    assert again.inputs.tobytes() == case.inputs.tobytes()


def test_a_case_is_written_once(tmp_path):
    case = a_case()
    with Recorder(tmp_path) as recorder:
        recorder.case(case)
        path = tmp_path / "cases" / f"{case.id}.json"
        path.unlink()
        recorder.case(a_case())
        assert not path.exists()
        assert recorder.case(a_case(2.0)) != case.id
    assert len(list((tmp_path / "cases").iterdir())) == 1


def test_every_line_is_on_the_disk_at_once(tmp_path):
    recorder = Recorder(tmp_path)
    for i in range(3):
        recorder.result(n=i)
        assert len(lines(tmp_path)) == i + 1
    recorder.close()


def test_without_a_footer_there_is_no_summary_not_even_an_old_one(tmp_path):
    record(tmp_path)
    record(tmp_path, footer=False)
    assert [line["type"] for line in lines(tmp_path)] == ["header", "result"]
    assert not (tmp_path / "report.json").exists()


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(None)
    assert Recorder(None).case(a_case()) == a_case().id
    assert not list(tmp_path.iterdir())


# --- what cannot be written --------------------------------------------------------------------------------------


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file is a file, wanted a directory$"):
        Recorder(tmp_path / "file")
    with pytest.raises(RecordError, match="cannot be written: "):
        Recorder(tmp_path / "file" / "below")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RecordError, match="Permission denied"):
        Recorder(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_on_a_full_disk_the_record_ends_and_the_report_says_so(tmp_path):
    full = open("/dev/full", "w")  # noqa: SIM115
    kept = Kept()
    recorder = Recorder(tmp_path, kept)
    recorder.header(subject_of(lambda *_: None), Plan())
    recorder.lines, mine = full, recorder.lines
    recorder.result(property="torch", outcome="passed", network=1)
    recorder.result(property="torch", outcome="passed", network=2)
    recorder.lines = mine
    said = Report("mine", "conforms", {}, 0, counts={"torch": {"passed": 2}}, networks=2)
    recorder.footer(said)
    recorder.close()
    with pytest.raises(OSError, match="No space"):
        full.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    full.close()
    assert [line["type"] for line in lines(tmp_path)] == ["header"]  # nothing after what is missing
    assert not (tmp_path / "report.json").exists()
    [note] = said.notes
    assert note.kind is NoteKind.LOST
    assert note == f"the record is lost: report: {tmp_path} cannot be written: No space left on device"
    assert note in said.text()
    with kept.lines() as inside:
        assert inside.read().count('"result"') == 2


def test_a_folder_that_is_taken_away_loses_the_record_alone(tmp_path):
    with Recorder(tmp_path / "out") as recorder:
        recorder.header(subject_of(lambda *_: None), Plan())
        shutil.rmtree(tmp_path / "out")
        recorder.case(a_case())
        recorder.footer(said := Report("mine", "conforms", {}, 0))
    assert "cannot be written: No such file or directory" in said.text()
    assert not (tmp_path / "out").exists()


# --- whose folder it is ------------------------------------------------------------------------------------------


def test_a_subject_that_changes_the_folder_moves_no_record(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Recorder("out") as recorder:
        recorder.header(subject_of(lambda *_: None), Plan())
        monkeypatch.chdir("elsewhere")
        recorder.case(a_case())
        recorder.footer(Report("mine", "conforms", {}, 0))
    assert not list((tmp_path / "elsewhere").iterdir())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock", "cases", "report.json", "report.jsonl"}
    assert [path.stem for path in (tmp_path / "out" / "cases").iterdir()] == [a_case().id]


def test_one_run_has_a_folder_and_another_waits_or_goes_elsewhere(tmp_path):
    with Recorder(tmp_path) as first:
        first.header(subject_of(lambda *_: None, "first"), Plan())
        with pytest.raises(RecordError, match=r"another run is writing into .*: wait for it, or name another "):
            Recorder(tmp_path)
        first.footer(Report("first", "conforms", {}, 0))
    assert [line["type"] for line in lines(tmp_path)] == ["header", "footer"]
    Recorder(tmp_path).close()


def test_what_was_made_of_the_run_before_goes_and_what_others_put_there_stays(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = record(tmp_path / "out")
    for name in ("report.html", "junit.xml", "badge.json", "report.md", "notes.txt"):
        (folder / name).write_text("of the run before")
    (folder / "report.txt").symlink_to(outside)
    with Recorder(folder) as recorder:
        recorder.case(a_case())
    assert {path.name for path in folder.iterdir()} == {".lock", "cases", "report.jsonl", "notes.txt", "report.txt"}
    assert outside.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes")
def test_nothing_is_written_through_a_link_or_a_pipe(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    for number, name in enumerate(("cases", "report.jsonl", ".lock")):
        for kind in ("link", "pipe"):
            folder = tmp_path / f"{number}{kind}"
            folder.mkdir()
            if kind == "pipe":
                os.mkfifo(folder / name)
            else:
                (folder / name).symlink_to(outside if name == "cases" else outside / "file")
            with pytest.raises(RecordError, match=rf"report: {name} in .* is no such thing: wanted a"):
                Recorder(folder)
    folder = tmp_path / "parts"
    with Recorder(folder) as recorder:
        (folder / "report.json.part").symlink_to(outside / "file")
        recorder.footer(Report("mine", "conforms", {}, 0))
    assert (outside / "file").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_texts_are_cut_where_they_are_recorded(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.result(property="answers", outcome="errored", message="x" * 5_242_880, network=1)
        recorder.result(property="answers", outcome="errored", message="one\ntwo " + "y" * 3000, network=1)
    first, second = (line["message"] for line in lines(tmp_path))
    assert (len(first), first[-23:]) == (2000, "x… 5,242,880 characters")
    assert second.startswith("one\ntwo yyy")
    assert second.endswith("y… 3,004 characters")


def test_a_summary_is_whole_or_as_before(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write_whole(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        write_whole(path, "new")
    assert path.read_text() == "old\n"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


# --- values ------------------------------------------------------------------------------------------------------


@dataclass
class Pair:
    one: float
    two: tuple


@pytest.mark.parametrize(("value", "wanted"), [
    (float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf"), (0.1, 0.1), (5e-324, 5e-324), (-0.0, -0.0),
    (np.float64(0.1), 0.1), (np.float64("nan"), "nan"), (np.float32(0.5), 0.5), (np.float32("inf"), "inf"),
    (np.int64(3), 3), (np.bool_(True), True), (True, True), (None, None), ("é\ud800", "é\ud800"), (2**70, 2**70),
    (np.array([[1.0, float("nan")]]), [[1.0, "nan"]]), (np.array(2.0), 2.0), ((1, (2,)), [1, [2]]), ({3, 1}, [1, 3]),
    ({1: (2.0,)}, {"1": [2.0]}), (Pair(float("inf"), (1,)), {"one": "inf", "two": [1]}), (Pair, str(Pair)), (1j, "1j"),
])
def test_any_value_is_strict_json(value, wanted):
    assert repr(plain(value)) == repr(wanted)
    assert repr(strict(to_text(value))) == repr(wanted)


def test_the_environment_names_no_machine_and_no_path():
    text = json.dumps(environment())
    assert environment()["backproof"]
    assert os.sep not in text.replace("\\\\", "\\")
    assert socket.gethostname() not in text
    assert all(isinstance(value, str) and value for value in environment().values())


# --- progress ----------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run_through(stream, seconds, **more):
    with Progress("mine", stream=stream, **more) as listen:
        for done, at in enumerate(seconds):
            listen(done, 300, done // 2, at)
    return stream.getvalue()


def shown(text):
    """What a terminal's line shows after each carriage return."""
    line, screens = [], []
    for part in text.split("\r"):
        line[: len(part)] = part
        screens.append("".join(line).rstrip())
    return screens


def test_on_a_terminal_one_line_is_rewritten_and_wiped(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = run_through(Terminal(), [0.0, 0.05, 1.0, 2.0])
    assert shown(text) == ["", "mine: 0/300 networks, 0 findings, 0 s", "mine: 2/300 networks, 1 finding, 1 s",
                           "mine: 3/300 networks, 1 finding, 2 s", "", ""]
    assert "\n" not in text
    assert text.isascii()


def test_a_narrow_terminal_never_wraps(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    assert max(map(len, run_through(Terminal(), [0.0, 1.0]).split("\r"))) < 20


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_elsewhere_a_line_at_the_start_and_one_every_ten_seconds(stream, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    text = run_through(stream(), [0.0, 1.0, 9.9, 10.1, 12.0, 20.2])
    assert [line.rsplit(" ", 2)[1] for line in text.splitlines()] == ["0", "10", "20"]
    assert "\r" not in text


def test_quiet_is_quiet():
    assert run_through(io.StringIO(), [0.0, 30.0], quiet=True) == ""


def test_a_name_in_any_alphabet():
    stream = io.StringIO()
    with Progress("é.py:f", stream=stream) as listen:
        listen(0, 1, 0, 0.0)
    assert stream.getvalue() == "?.py:f: 0/1 networks, 0 findings, 0 s\n"


def test_a_long_run_tells_its_pace():
    stream = io.StringIO()
    with Progress("mine", stream=stream) as listen:
        for done, seconds in ((0, 0.0), (300, 30.0), (8_300, 40.0), (99_000, 100.0)):
            listen(done, 100_000, 0, seconds)
    assert stream.getvalue().splitlines() == [
        "mine: 0/100000 networks, 0 findings, 0 s",
        "mine: 300/100000 networks, 0 findings, 30 s; 10 a second, 166 min left",
        "mine: 8300/100000 networks, 0 findings, 40 s; 800 a second, 115 s left",
        "mine: 99000/100000 networks, 0 findings, 100 s; 1512 a second, 1 s left"]



def test_a_broken_stream_stops_nothing():
    stream = io.StringIO()
    stream.close()
    with Progress("mine", stream=stream) as listen:
        listen(0, 1, 0, 0.0)
        listen(0, 1, 0, 99.0)
