"""Programs verified: what is right conforms, what is wrong is told, and where; records, replay, pytest."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from backproof import program, read_record, verify
from backproof.record.schemas import schema

FILE = Path(__file__).with_name("layer_norms.py")
SPEC = importlib.util.spec_from_file_location("layer_norms", FILE)
layer_norms = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(layer_norms)
INPUTS = {"x": ("N", "D"), "weight": ("D",), "bias": ("D",)}
SIZES = {"N": (1, 17), "D": (2, 33)}


def made(of, **more):
    return program(of, **{"plain": layer_norms.plain, "inputs": INPUTS, "sizes": SIZES,
                          "dtypes": ["float32", "bfloat16"], **more})


def line_of(text):
    lines = FILE.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    folder = tmp_path_factory.mktemp("right")
    return verify(made(layer_norms.LayerNorm), report=folder), folder


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    return verify(made(layer_norms.WithoutMean), report=folder), folder


def test_a_right_program_conforms(right):
    report, _ = right
    assert report.verdict == "conforms", report
    assert report.of == "trials"
    assert report.networks == report.planned <= 60
    assert report.counts["plain"]["passed"] == report.networks
    worst = max(row["over_s"] for keys in report.figures["compared"].values() for row in keys.values())
    assert worst <= 16
    told, of = report.figures["mutants"]
    assert told >= 0.9 * of > 20


def test_a_missing_path_is_told_with_its_line(wrong):
    report, _ = wrong
    assert report.verdict == "does_not_conform"
    (finding,) = report.findings
    assert finding.located[0]["line"] == line_of("mean = x.mean")
    assert finding.wrong == ("x",)
    assert set(finding.right) == {"output 0", "weight", "bias"}
    assert (finding.ratio, finding.equals) == (0.0, "0")
    assert "is missing" in finding.headline


@pytest.mark.parametrize(("of", "check", "said"), [
    ("NoWeight", "contract", "the gradient of weight is None"),
    ("Unsummed", "contract", "the output has the shape"),
    ("InPlace", "untouched", "the call changes weight"),
    ("Random", "repeated", "the gradient of x differs from call to call"),
])
def test_what_else_is_wrong_is_told(of, check, said):
    report = verify(made(getattr(layer_norms, of)))
    assert report.verdict == "does_not_conform"
    assert any(f.property == check and said in f.text for f in report.findings), report


def test_a_precision_that_is_not_kept_is_told():
    report = verify(made(layer_norms.InSixteenBits, dtypes=["float32"]))
    assert [f.wrong for f in report.findings if f.property == "plain"] == [("weight",)]
    assert report.verdict == "does_not_conform"


def test_a_claim_that_may_differ_from_call_to_call():
    report = verify(made(layer_norms.Random, deterministic=False))
    assert "repeated" not in {f.property for f in report.findings}


@pytest.mark.parametrize(("plain", "said"), [
    (lambda x, weight: x, "plain: raises TypeError"),
    (lambda x, weight, bias: x.detach() * weight.detach(), "plain: is not differentiable"),
    (lambda x, weight, bias: x @ weight[None], "plain: raises RuntimeError"),
    (lambda x, weight, bias: str(x), "plain: raises"),
])
def test_a_plain_form_that_cannot_be_is_one_line(plain, said):
    report = verify(made(layer_norms.LayerNorm, plain=plain))
    assert report.verdict == "not_judged"
    assert said in report.reason
    assert "\n" not in report.reason


def test_a_plain_form_that_writes_to_its_inputs_is_one_line():
    def plain(x, weight, bias):
        with torch.no_grad():
            bias += 1
        return layer_norms.plain(x, weight, bias)

    report = verify(made(layer_norms.LayerNorm, plain=plain))
    assert (report.verdict, "plain: changes bias in place" in report.reason) == ("not_judged", True)


def test_a_program_that_raises_is_a_finding():
    def refuses(x, weight, bias):
        raise NotImplementedError("no CPU")

    report = verify(made(refuses))
    assert report.verdict == "does_not_conform"
    assert "it raises NotImplementedError: no CPU" in report.findings[0].text


def test_a_run_that_could_not_have_failed_is_no_verdict():
    one = program(lambda x: x * 0, plain=lambda x: x * 0, inputs={"x": ("N",)})
    report = verify(one, examples=20)
    assert report.verdict == "incomplete"
    assert "nothing could be wrong" in report.reason


# --- records ------------------------------------------------------------------------------------------------------


def test_the_record_is_read_back(wrong):
    report, folder = wrong
    run = read_record(folder)
    assert run.complete
    assert run.report.findings == report.findings
    assert run.report.of == "trials"
    assert run.report.counts == report.counts
    assert run.header["claims"]["dtypes"] == ["float32", "bfloat16"]
    assert ("dtype", "bfloat16") in run.cells


def test_a_record_is_shown_in_every_format(wrong):
    from backproof.renderings import RENDERINGS, render

    run = read_record(wrong[1])
    for name in RENDERINGS:
        assert render(name, run), name
    assert "mean = x.mean(-1, keepdim=True)" in render("html", run)


def test_the_record_keeps_to_its_schemas(wrong):
    from jsonschema import Draft202012Validator

    for line in (wrong[1] / "report.jsonl").read_text().splitlines():
        Draft202012Validator(schema("record-line")).validate(json.loads(line))
    Draft202012Validator(schema("report")).validate(json.loads((wrong[1] / "report.json").read_text()))
    path = next((wrong[1] / "cases").glob("*.json"))
    Draft202012Validator(schema("trial")).validate(json.loads(path.read_text()))


def test_a_case_is_asked_again(wrong, right):
    from backproof.running.programs import replay, trial_of

    (path,) = (wrong[1] / "cases").glob("*.json")
    trial = trial_of(json.loads(path.read_text()), str(path))
    assert replay(trial, made(layer_norms.WithoutMean)).status == "FAILED"
    assert replay(trial, made(layer_norms.LayerNorm)).status == "FIXED"


def test_a_case_that_was_changed_is_refused(wrong, tmp_path):
    from backproof import RecordError
    from backproof.running.programs import trial_of

    (path,) = (wrong[1] / "cases").glob("*.json")
    data = json.loads(path.read_text())
    data["wanted"] = ["x", "bias"]
    with pytest.raises(RecordError, match="the case was changed"):
        trial_of(data, str(path))


def test_the_cases_of_before_are_asked_first(wrong, tmp_path):
    report = verify(made(layer_norms.WithoutMean), report=wrong[1], examples=4)
    assert report.first_failure == 1


def test_a_case_as_a_test(wrong, tmp_path):
    from backproof.running.programs import as_test, trial_of

    (path,) = (wrong[1] / "cases").glob("*.json")
    trial = trial_of(json.loads(path.read_text()), str(path))
    text = as_test(trial, made(layer_norms.WithoutMean), "mine.py:it")
    (tmp_path / "test_it.py").write_text(text)
    for of, code in (("WithoutMean", 1), ("LayerNorm", 0)):
        (tmp_path / "mine.py").write_text(f"import sys\nsys.path.insert(0, {str(FILE.parent)!r})\n"
                                          f"from layer_norms import {of}\nit = {of}.apply\n")
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
                              cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout
