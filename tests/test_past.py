"""What went wrong last time is asked first; what the claims do not cover is asked never."""

import json
import os
from dataclasses import replace
from itertools import islice

import backproof
import pytest
from backproof import Head, implementation
from backproof.judging.plan import Plan, drawn
from backproof.properties.claims import EVERYTHING, Claims
from backproof.properties.strategies import cases, exact_cases
from backproof.record.writing import to_text
from backproof.reference import Case, evaluate
from backproof.running.past import MOST, covered, covers, is_exact, notes, remembered

SQUARED = Head("identity", "squared_error", reduction="sum")
CLAIMS = Claims(hidden=("tanh", "relu"), heads=(SQUARED,))


def some(claims, count=40, of=cases):
    return [case for case in islice(drawn(of(claims), 5), count) if case is not None]


def written(folder, case, name=None):
    (folder / "cases").mkdir(exist_ok=True)
    (folder / "cases" / f"{name or case.id}.json").write_text(to_text(case))


# --- the run -----------------------------------------------------------------------------------------------------


@implementation(heads=[SQUARED])
def rarely_wrong(network, parameters, inputs, targets):
    (w,), (b,) = network.unpack(parameters)
    d = inputs @ w + b - targets
    wrong = len(inputs) if w.shape == (6, 5) and len(inputs) >= 8 else 1
    return (d ** 2).sum(), network.pack([2 * inputs.T @ d], [2 * d.sum(0) / wrong])


def test_a_rare_mistake_is_found_at_once_the_second_time(tmp_path):
    few = {"oracles": "differences", "examples": 100, "stop_after": 1, "report": tmp_path}
    first, second = (backproof.verify(rarely_wrong, **few) for _ in range(2))
    assert first.first_failure > 20
    assert (second.first_failure, second.networks) == (1, 1)
    assert not any("asked first" in note for note in first.notes)
    assert "asked first: 1 case of the runs before" in second.notes
    assert [f.case for f in second.findings] == [f.case for f in first.findings]
    header = json.loads((tmp_path / "report.jsonl").read_text().splitlines()[0])
    assert header["plan"]["first"] == [first.findings[0].case]


@implementation(hidden=["tanh", "relu"], heads=[SQUARED])
def right(network, parameters, inputs, targets):
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, dict(answer.gradients)


def test_only_the_inexact_case_shows_it_and_is_asked_exactly(tmp_path):
    """An integer network that is remembered is compared bit for bit again."""
    case = next(case for case in some(CLAIMS, of=exact_cases))
    written(tmp_path, case)
    report, again = (backproof.verify(right, oracles="differences", examples=1, report=folder)
                     for folder in (tmp_path, None))
    exact = [sum(r.counts.get("exact_integers", {}).values()) for r in (report, again)]
    assert exact[0] == exact[1] + 1


def test_the_networks_that_are_drawn_stay_the_same(tmp_path):
    written(tmp_path, some(Claims(heads=(SQUARED,)))[0])
    seen = {}

    def recorded(into):
        @implementation(heads=[SQUARED])
        def subject(network, parameters, inputs, targets):
            into.append((network.sizes, len(inputs)))
            return rarely_wrong(network, parameters, inputs, targets)
        return subject

    for name, report in (("without", None), ("with", tmp_path)):
        report = backproof.verify(recorded(seen.setdefault(name, [])), oracles="differences", examples=6, report=report)
    assert report.networks == 7
    assert [each in seen["with"] for each in seen["without"]].count(False) < len(seen["without"]) / 2


def test_foreign_and_broken_files_are_no_finding_and_no_error(tmp_path):
    inside = some(Claims(heads=(SQUARED,)))[0]
    foreign = some(Claims(hidden=("tanh",), heads=(SQUARED,), depth=(2, 3)))[0]
    written(tmp_path, inside)
    written(tmp_path, foreign)
    written(tmp_path, inside, "0123456789ab")
    for name, text in (("a", "{"), ("b", "[]"), ("c", "{}"), ("d", "[" * 100_000), ("e", to_text(inside)[:-9])):
        (tmp_path / "cases" / f"{name}.json").write_text(text)
    (tmp_path / "cases" / "f.json").write_bytes(b"\xff\xfe")
    (tmp_path / "cases" / "g.json").mkdir()
    (tmp_path / "cases" / "h.txt").write_text("not looked at")
    report = backproof.verify(rarely_wrong, oracles="differences", examples=2, report=tmp_path)
    assert not report.findings
    assert report.networks == 3
    assert [n for n in report.notes if n.startswith(("asked first", "left out"))] == [
        "asked first: 1 case of the runs before", "left out: 1 case file outside the claims",
        "left out: 8 case files that cannot be read"]


# --- the files ---------------------------------------------------------------------------------------------------


def test_without_a_folder_there_is_nothing(tmp_path):
    assert remembered(None) == remembered(tmp_path / "nothing") == ((), [])


def test_the_newest_first_and_not_too_many(tmp_path):
    every = list({case.id: case for case in some(CLAIMS, MOST + 20)}.values())
    assert len(every) > MOST
    for i, case in enumerate(every):
        written(tmp_path, case)
        os.utime(tmp_path / "cases" / f"{case.id}.json", (i, i))
    found, said = remembered(tmp_path)
    assert [case.id for case in found] == [case.id for case in reversed(every)][:MOST]
    assert said == []


def test_the_notes_say_how_many():
    assert notes(0, 0) == []
    assert notes(2, 3) == ["asked first: 2 cases of the runs before", "left out: 3 case files outside the claims"]


def test_a_plan_without_such_cases_says_nothing_of_them():
    assert "first" not in Plan().to_json()
    case = some(CLAIMS)[0]
    assert replace(Plan(), first=(case,)).to_json()["first"] == [case.id]


# --- inside the claims -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claims", [CLAIMS, EVERYTHING, Claims(heads=(SQUARED,), bias="any"),
                                    Claims(hidden=("tanh", "relu"), heads=(SQUARED,), same_hidden=True)])
def test_what_is_drawn_inside_the_claims_is_covered(claims):
    every = [*some(claims), *some(claims, of=exact_cases)]
    assert len(covered(every, claims)) == len(every)


@pytest.mark.parametrize("narrower", [
    {"hidden": ("tanh",)}, {"hidden": (), "depth": (1, 1)}, {"heads": (replace(SQUARED, reduction="mean"),)},
    {"heads": (replace(SQUARED, scale=0.5),)}, {"heads": (Head("identity", "absolute_error", reduction="sum"),)},
    {"heads": (replace(SQUARED, outputs=(1, 3)),)}, {"bias": "never"}, {"bias": "any", "batch": (1, 3)},
    {"batch": (5, None)}, {"depth": (3, None)}, {"dtypes": ("float32",)}, {"max_parameters": 20}, {"same_hidden": True},
])
def test_what_is_outside_is_not_covered(narrower):
    claims = replace(CLAIMS, **narrower)
    every = some(CLAIMS)
    left = covered(every, claims)
    assert len(left) < len(every)
    assert all(covers(CLAIMS, case) for case in left)
    assert len(covered(some(claims), claims)) == len(some(claims))


def test_exact_is_what_is_drawn_as_exact():
    exact, others = some(CLAIMS, of=exact_cases), some(CLAIMS)
    assert all(is_exact(CLAIMS, case) for case in exact)
    assert not any(is_exact(CLAIMS, case) for case in others)
    assert not any(is_exact(replace(CLAIMS, dtypes=("float32",)), case) for case in exact)
