"""What a record is shown as: text, Markdown, JUnit, badge, annotations. A run that did not end says so in each."""

import json
import re
from collections import Counter
from xml.etree import ElementTree

import pytest
from backproof.judging.plan import Plan
from backproof.plug.subject import subject_of
from backproof.record.coverage import FLOOR, matrix, share, status
from backproof.record.reading import read
from backproof.record.report import VERDICTS, Finding, Report
from backproof.record.writing import Recorder
from backproof.reference import Case, parse
from backproof.renderings import RENDERINGS, render, replay_line
from backproof.renderings.markdown import MOST

LAYER = {"kind": "dense", "units": 1, "bias": True}
LESSON = {"symptom": "too small", "wrong": "db = delta.mean(axis=0)", "right": "db = delta.sum(axis=0)", "seen": "here"}
HOSTILE = ("<script>alert(1)</script>|`x`\n# a heading\n::error::x [link](javascript:1) ![i](http://x) @all "
           "%0A</testsuite>]]>\x00\x1b[31m\u202e")


def a_case(value=1.0):
    import numpy as np

    network = parse.network({"format": 1, "input_shape": [1], "layers": [LAYER], "loss": {"kind": "squared_error"}})
    return Case(network, {"0.weight": np.array([[value]]), "0.bias": np.array([0.0])}, np.array([[1.0]]),
                np.array([[0.0]]))


def a_finding(**changes):
    fields = {"property": "reference", "parameter": "0.bias", "where": (0,), "got": 0.5, "wanted": 1.0, "error": 0.5,
              "tolerance": 1e-15, "case": a_case().id, "explanation": "the gradient of 0.bias is wrong",
              "also": ("torch",), "faults": ("bias-averaged-over-batch",), "lesson": LESSON}
    return Finding(**fields | changes)


def record(folder, outcomes=(("reference", "passed", 40),), findings=(), *, verdict="conforms", footer=True,
           name="mine", notes=(), reason=""):
    """A record with these outcomes on one network of one feature each."""
    counts = {}
    with Recorder(folder) as recorder:
        recorder.header(subject_of(lambda *_: None, name), Plan(seed=7))
        for property_, outcome, n in outcomes:
            counts.setdefault(property_, Counter())[outcome] += n
            for _ in range(n):
                recorder.result(property=property_, outcome=outcome, network=1,
                                case=None if outcome == "not_available" else a_case())
        for finding in findings:
            recorder.case(a_case())
            assert finding.case
        if footer:
            recorder.footer(Report(name, verdict, {"numpy": "2"}, 7, {k: dict(v) for k, v in counts.items()},
                                   list(findings), networks=1, notes=list(notes), reason=reason))
    return read(folder)


WRONG = {"outcomes": [("reference", "failed", 3), ("reference", "passed", 40), ("torch", "failed", 1)],
         "findings": [a_finding()], "verdict": "does_not_conform"}


# --- the matrix -----------------------------------------------------------------------------------------------------

def statuses(run):
    return {(feature.facet, feature.name): feature.status for feature in matrix(run)}


def test_green_needs_a_floor_of_passed_checks(tmp_path):
    assert statuses(record(tmp_path / "a", [("torch", "passed", FLOOR)]))["layer", "dense"] == "passed"
    assert statuses(record(tmp_path / "b", [("torch", "passed", FLOOR - 1)]))["layer", "dense"] == "too_few"


@pytest.mark.parametrize("outcome", ["failed", "errored", "inconclusive", "declined"])
def test_nothing_but_passes_is_green(outcome, tmp_path):
    run = record(tmp_path, [("torch", "passed", 100), ("jax", outcome, 1)])
    assert statuses(run)["layer", "dense"] == outcome
    assert share(run) == 0


def test_a_judge_that_is_absent_is_a_column_and_no_pass(tmp_path):
    run = record(tmp_path, [("reference", "passed", 100), ("jax", "not_available", 1)])
    dense = next(feature for feature in matrix(run) if feature.name == "dense")
    assert status(dense.cells["jax"]) == "not_available"
    assert "not available" in render("markdown", run)


def test_what_is_not_claimed_is_said(tmp_path):
    from backproof import Head, implementation

    run = record(tmp_path)
    assert statuses(run)["layer", "parallel"] == "not_claimed"
    with Recorder(tmp_path / "b") as recorder:
        claims = implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])
        recorder.header(subject_of(claims(lambda *_: None)), Plan())
    found = statuses(read(tmp_path / "b"))
    assert found["activation", "relu"] == found["loss", "cross_entropy"] == found["dtype", "float32"] == "not_claimed"


def test_the_share_is_rounded_down_and_of_a_run_that_did_not_end_it_is_none(tmp_path):
    run = record(tmp_path / "a")
    assert share(run) == 100
    run.cells["activation", "tanh"] = {"torch": Counter(passed=1)}
    assert share(run) == 83  # 5 of 6
    assert share(record(tmp_path / "b", footer=False)) == 0


# --- each format ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", RENDERINGS)
def test_a_run_that_did_not_end_is_incomplete_in_every_format(name, tmp_path):
    shown = re.sub("<style>.*?</style>", "", render(name, record(tmp_path, footer=False)), flags=re.S).lower()
    assert "incomplete" in shown
    assert "conforms" not in shown
    if name != "badge":
        assert "no last line" in shown
        assert "of 300" in shown


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("name", RENDERINGS)
def test_every_verdict_in_every_format(name, verdict, tmp_path):
    run = record(tmp_path, verdict=verdict, reason="because of this")
    said = {"text": verdict.upper().replace("_", " "), "markdown": verdict.upper().replace("_", " "), "json": verdict,
            "junit": "" if verdict == "conforms" else verdict.replace("_", " ")}
    assert said.get(name, verdict.replace("_", " ")).lower() in render(name, run).lower()


@pytest.mark.parametrize("name", ["text", "markdown", "html", "junit", "annotations"])
def test_a_finding_in_every_format(name, tmp_path):
    shown = render(name, record(tmp_path, **WRONG))
    assert "bias-averaged-over-batch" in shown
    assert "db = delta.sum(axis=0)" in shown
    assert "the gradient of 0.bias is wrong" in shown


def test_markdown_tells_a_finding_without_a_name_once(tmp_path):
    unnamed = a_finding(lesson={}, faults=(), explanation="0.bias is odd\nwrong: 0.bias; right: none")
    shown = render("markdown", record(tmp_path, **WRONG | {"findings": [unnamed]}))
    assert shown.count("0.bias is odd") == 1
    assert "wrong: 0.bias; right: none" in shown


def test_junit_counts_what_it_holds(tmp_path):
    outcomes = [*WRONG["outcomes"], ("jax", "not_available", 1), ("answers", "errored", 2),
                ("own_loss", "inconclusive", 1)]
    run = record(tmp_path, **WRONG | {"outcomes": outcomes})
    suite = ElementTree.fromstring(render("junit", run)).find("testsuite")
    cases = suite.findall("testcase")
    tags = Counter(child.tag for case in cases for child in case)
    assert suite.find("system-out") is not None
    assert {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": len(cases), "failures": tags["failure"], "errors": tags["error"], "skipped": tags["skipped"]}
    by_name = {case.get("name"): case for case in cases}
    assert "replay DIR/cases/" in by_name["reference"].find("failure").text
    assert "bias-averaged-over-batch" in by_name["torch"].find("failure").get("message")
    assert by_name["answers"].find("error") is not None
    assert by_name["jax"].find("skipped") is not None
    assert by_name["own_loss"].find("skipped") is not None
    assert by_name["verdict"].find("failure") is not None


def test_an_unfinished_run_is_an_error_in_junit(tmp_path):
    suite = ElementTree.fromstring(render("junit", record(tmp_path, footer=False))).find("testsuite")
    assert suite.find("testcase[@name='verdict']/error") is not None


def test_the_badge_has_the_keys_shields_knows(tmp_path):
    badge = json.loads(render("badge", record(tmp_path)))
    assert badge == {"schemaVersion": 1, "label": "backproof", "message": "conforms, 40 checks",
                     "color": "brightgreen"}
    badge = json.loads(render("badge", record(tmp_path, **WRONG)))
    assert badge["message"] == "does not conform, 4 of 44 checks failed"


def test_annotations_are_at_the_file_and_line(tmp_path):
    line, = render("annotations", record(tmp_path, **WRONG)).splitlines()
    assert re.match(r"::error file=(tests/)?test_renderings.py,line=\d+,", line)
    assert "%0A" in line


def test_markdown_is_cut_below_the_limit_and_says_so(tmp_path):
    findings = [a_finding(explanation="x\n" * 9_000, case=f"{i:012x}") for i in range(90)]
    shown = render("markdown", record(tmp_path, **WRONG | {"findings": findings}))
    assert MOST / 2 < len(shown.encode()) < 1024 * 1024
    assert "Cut here: " in shown
    assert shown.index("DOES NOT CONFORM") < 200


def test_the_replay_line_names_the_target_where_there_is_one(tmp_path):
    run = record(tmp_path, **WRONG)
    assert replay_line(run, run.report.findings[0]).endswith(" TARGET")
    run.header["target"] = "my file.py:backprop"
    assert replay_line(run, run.report.findings[0]).endswith(" 'my file.py:backprop'")


def test_the_replay_line_runs_where_the_run_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = record(tmp_path / "out", **WRONG)
    assert replay_line(run, run.report.findings[0]) == f"python -m backproof replay out/cases/{a_case().id}.json TARGET"


# --- what comes from the subject is text ------------------------------------------------------------------------------

def hostile(folder):
    finding = a_finding(explanation=HOSTILE, parameter=HOSTILE, lesson=dict.fromkeys(LESSON, HOSTILE))
    return record(folder, [(HOSTILE, "failed", 1), ("reference", "failed", 1)], [finding],
                  verdict="does_not_conform", name=HOSTILE, notes=[HOSTILE], reason=HOSTILE)


def test_hostile_text_is_no_xml(tmp_path):
    suite = ElementTree.fromstring(render("junit", hostile(tmp_path))).find("testsuite")
    assert [child.tag for child in suite.iter()].count("testsuite") == 1
    assert "<script>" in suite.get("name")


def test_hostile_text_is_no_markup(tmp_path):
    shown = render("markdown", hostile(tmp_path))
    outside = "".join(part for i, part in enumerate(shown.split("```")) if i % 2 == 0)
    assert "<script>" not in outside
    assert "\n# a heading" not in outside
    assert "[link](" not in outside
    assert "@all" not in outside


def test_hostile_text_is_one_workflow_command(tmp_path):
    shown = render("annotations", hostile(tmp_path))
    assert [line for line in shown.splitlines() if "::error::x" in line and not line.startswith("::error ")] == []
    assert shown.count("\n") == 1


# --- at once ------------------------------------------------------------------------------------------------------

def test_verify_shows_the_record_at_once(tmp_path, capsys):
    from backproof import cli

    asked = ["verify", "reference", "--examples", "3", "--oracles", "torch", "--report", str(tmp_path)]
    assert cli.main([*asked, "--format", "html, badge"]) == 3
    assert f"wrote {tmp_path / 'report.html'}" in capsys.readouterr().out
    assert (tmp_path / "badge.json").exists()


@pytest.mark.parametrize(("options", "says"), [
    (["--format", "html"], "--format: needs --report DIR, the folder for the record and what shows it"),
    (["--format", "pdf", "--report", "out"], "--format: unknown format 'pdf'; there is text, markdown, html, "),
])
def test_a_format_that_cannot_be_is_one_line(options, says, capsys):
    from backproof import cli

    assert cli.main(["verify", "reference", *options]) == 2
    assert capsys.readouterr().err.startswith(f"backproof: {says}")
