"""In a notebook: the report is a card, the run is seen while it goes, and the page is one call away."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from backproof import verify
from backproof.judging.plan import Plan
from backproof.plug.subject import subject_of
from backproof.record import reading
from backproof.record.keeping import Kept
from backproof.record.report import Report
from backproof.record.writing import Recorder, RecordError
from backproof.reference.checks import BackproofError
from backproof.renderings import card
from backproof.running.notebook import in_notebook
from small_records import finding, record

QUICK = {"examples": 12, "oracles": ("torch",)}
WRONG = "tests/examples/mlp_layers_wrong.py:mlp"


@pytest.fixture
def notebook(monkeypatch):
    """An IPython with a kernel; everything that is displayed, in order."""
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html)

    def display(html, display_id):
        assert display_id is True
        shown.append(html)
        return Handle()

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display, HTML=str))
    return SimpleNamespace(shown=shown, shell=shell)


def test_a_terminal_is_no_notebook(notebook):
    assert in_notebook()
    notebook.shell.kernel = None
    assert not in_notebook()


def test_a_run_is_seen_while_it_goes(notebook):
    report = verify(WRONG, **QUICK)
    first = next(i for i, html in enumerate(notebook.shown) if "<svg" in html)
    assert "0/12 networks" in notebook.shown[0]
    assert first < len(notebook.shown) - 1
    assert "bias-averaged-over-batch" in notebook.shown[first]
    assert "The run goes on" in notebook.shown[first]
    assert report.line in notebook.shown[-1]
    assert "<svg" not in notebook.shown[-1]


@pytest.mark.parametrize("quiet", [True, False])
def test_who_says_quiet_sees_nothing_live(notebook, quiet, capsys):
    verify("reference", examples=2, oracles=(), quiet=quiet)
    assert notebook.shown == []
    assert bool(capsys.readouterr().err) is not quiet


def test_an_output_that_is_gone_stops_nothing(notebook, monkeypatch):
    def gone(*_, **__):
        raise OSError

    monkeypatch.setattr(sys.modules["IPython.display"], "display", gone)
    assert verify("reference", examples=2, oracles=()).networks == 2


# --- the card and the page ----------------------------------------------------------------------------------------


def test_a_report_has_a_card_and_a_page(tmp_path):
    report = verify(WRONG, **QUICK)
    shown = report._repr_html_()
    for said in ("Does not conform", "mlp_layers_wrong.py:mlp", "bias-averaged-over-batch", "<svg",
                 "db = delta.mean(axis=0)", "db = delta.sum(axis=0)", "0.bias[0]: got", "checks passed"):
        assert said in shown, said
    assert "<script" not in shown
    assert repr(report) == report.text()
    assert report.html(tmp_path / "out.html") == tmp_path / "out.html"
    page = (tmp_path / "out.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "Conformance matrix" in page


def test_the_card_of_a_right_program(tmp_path):
    shown = card.render(reading.read(record(tmp_path)))
    for said in ("✓ Conforms", "40 checks passed, 0 failed", "Checked layers: <code>dense</code>",
                 "Digits that agree in float64: bias 15.5"):
        assert said in shown, said


def test_a_card_says_how_many_findings_more(tmp_path):
    every = [finding("reference", "bias"), finding("torch", "bias"), finding("jax", "bias")]
    shown = card.render(reading.read(record(tmp_path, *every)))
    assert "2 more findings." in shown
    assert "reference is wrong" in shown.lower()
    assert "torch is wrong" not in shown.lower()


def test_the_style_reaches_nothing_but_the_card():
    rules = re.sub(r"@media [^{]*\{([^{]*\{[^}]*\})\s*\}", r"\1", card.style())
    selectors = [rule.partition("{")[0].strip() for rule in rules.split("}") if rule.strip()]
    assert len(selectors) > 20
    assert [each for each in selectors for part in each.split(",") if ".backproof" not in part] == []


def test_a_card_holds_no_markup_of_the_subject(tmp_path):
    shown = card.render(reading.read(record(tmp_path, finding("<img src=x>"), name="<script>x</script>")))
    assert "<script" not in shown
    assert "<img" not in shown


def test_without_a_record_there_is_the_text_and_one_line_of_error(tmp_path):
    made = Report("mine", "conforms", {}, 0)
    assert made._repr_html_() is None
    with pytest.raises(BackproofError, match="no record"):
        made.html(tmp_path / "out.html")


def test_the_result_in_one_line():
    made = Report("a.py:f", "conforms", {"backproof": "0.1.0"}, 3, {"torch": {"passed": 12345}}, networks=300)
    assert made.line == "a.py:f: CONFORMS, 300 networks, 12,345 checks, backproof 0.1.0, seed 3"
    made = Report("a.py:f", "conforms", {}, 3, {}, networks=8, planned=150, ended="time limit")
    assert made.line == "a.py:f: CONFORMS, 8 of 150 networks (time limit), 0 checks, backproof, seed 3"
    made = Report("a.py:f", "does_not_conform", {}, 3, {"torch": {"passed": 2, "failed": 1}}, networks=300)
    assert made.line == "a.py:f: DOES NOT CONFORM, 300 networks, 3 checks (1 failed), backproof, seed 3"


# --- what is kept -------------------------------------------------------------------------------------------------


def both(folder, kept):
    """A record on the disk and in memory."""
    with Recorder(folder, kept) as recorder:
        recorder.header(subject_of(lambda *_: None, "mine"), Plan(seed=7))
        recorder.result(property="jax", outcome="not_available", network=0)
        recorder.footer(Report("mine", "incomplete", {}, 7, {"jax": {"not_available": 1}}))


def test_what_is_kept_is_what_is_written(tmp_path):
    kept = Kept()
    both(tmp_path, kept)
    assert kept.lines().read() == (tmp_path / "report.jsonl").read_text("utf-8")
    there, here = reading.read(tmp_path), reading.kept(kept)
    assert here.report.to_json() == there.report.to_json()
    assert not here.cases
    assert there.cases


def test_memory_is_bounded():
    kept = Kept(most=100)
    both(None, kept)
    assert not kept.whole
    assert kept.lines().read() == ""
    with pytest.raises(RecordError, match="too large to be kept in memory"):
        reading.kept(kept)


def quoted_one(network, parameters, inputs, targets):
    """Its text is in the record."""


def test_a_record_quotes_the_subject(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.header(subject_of(quoted_one, "mine"), Plan())
    header = json.loads((tmp_path / "report.jsonl").read_text("utf-8"))
    assert header["code"]["text"].startswith("def quoted_one(network, parameters, inputs, targets):\n")
    assert header["code"]["line"] == quoted_one.__code__.co_firstlineno
