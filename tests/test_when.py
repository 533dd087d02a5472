"""When a mistake shows: the one condition that parts the networks that fail from those that pass, with its counts."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import islice

import numpy as np
import pytest
from backproof import verify
from backproof.judging.asking import Numbered
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.naming.findings import findings
from backproof.plug.subject import subject_of
from backproof.properties.strategies import cases
from backproof.record.reading import read
from backproof.renderings import RENDERINGS
from perceptrons import perceptron


@cache
def networks(claims, seed, count=150):
    return list(islice(drawn(cases(claims), seed), count))


def found(condition, seed=0, **claims):
    """The one finding of a run that asks about gradients alone."""
    subject = subject_of(perceptron(condition, **claims))
    judge = Judge(replace(subject, engine=Numbered(subject.engine)), subject.claims, ["torch"], lambda **_: None, seed)
    judge.deadline = 0.0
    for case in networks(subject.claims, seed):
        judge.network(case)
    finding, = findings(judge, lambda case: case.id)
    return finding


WHEN = {
    "batch > 4": (lambda n: n.batch > 4, "where batch > 4"),
    "batch = 1": (lambda n: n.batch == 1, "where batch = 1"),
    "odd batch": (lambda n: n.batch % 2, "where batch is odd"),
    "a remainder of 4": (lambda n: n.batch % 4, "where batch is not divisible by 4"),
    "units > 6": (lambda n: n.units > 6, "where units of the largest layer > 6"),
    "depth >= 4": (lambda n: n.depth >= 4, "where depth > 3"),
    "square": (lambda n: any(w.shape[0] == w.shape[1] > 1 for w in n.weights), "with a square weight"),
    "tanh": (lambda n: "tanh" in n.hidden, "with tanh in a hidden layer"),
    "softmax": (lambda n: n.head[0] == "softmax", "with loss cross_entropy"),
    "equal biases": (lambda n: any(len(set(b.tolist())) < len(b) for b in n.biases),
                     "with two equal entries in a bias"),
    "equal rows": (lambda n: len({row.tobytes() for row in n.x}) < n.batch, "with two equal examples"),
    "|x| > 5": (lambda n: np.abs(n.x).max() > 5, "where largest |x| > 5 "),
}


@pytest.mark.parametrize("name", WHEN)
def test_the_condition_is_told_with_its_counts(name):
    condition, words = WHEN[name]
    finding = found(condition)
    inside, outside = finding.when["inside"], finding.when["outside"]
    assert f"only {words}" in finding.text
    assert inside[0] == inside[1] > 0 == outside[0] < outside[1]
    assert finding.networks == (inside[0], inside[1] + outside[1])
    assert f"in {inside[0]} of {inside[1]} such networks, in 0 of {outside[1]} others" in finding.text


def test_a_condition_on_the_dtype():
    finding = found(lambda n: n.x.dtype == np.float32, dtypes=["float64", "float32"])
    assert "only with dtype float32: in " in finding.text


def test_a_condition_on_the_sums():
    finding = found(lambda n: max(np.abs(z).max() for z in n.z) > 10)
    assert finding.when["trait"] == "|z|"
    assert finding.when["nearest"] <= 10 < finding.when["value"]
    assert finding.when["value"] < 1.03 * finding.when["nearest"]


def test_a_run_says_so_everywhere(tmp_path):
    """In the text, in the record and when it is read back, and in what is rendered from it."""
    report = verify(perceptron(lambda n: n.batch > 4), examples=40, oracles=("torch",), report=tmp_path)
    assert "only where batch > 4: in " in report.text()
    again = read(tmp_path)
    assert again.report.findings[0].when == report.findings[0].when != {}
    assert again.report.findings[0].networks == report.findings[0].networks
    for name in ("text", "markdown", "html", "junit"):
        shown = import_module(f"backproof.renderings.{RENDERINGS[name].module}").render(again)
        assert "only where batch &gt; 4: in " in shown or "only where batch > 4: in " in shown, name


@pytest.mark.parametrize(("number", "words"), [(3, "third question"), (9, "ninth question"), (60, "question 60")])
def test_from_some_question_on(number, words):
    """Counted from the first question of the run, those of its smallest networks too."""
    report = verify(perceptron(lambda n: n.calls >= number), examples=30, oracles=("torch",))
    finding, = report.findings
    assert f"only from {words} on: in " in finding.text or f"only from the {words} on: in " in finding.text
    assert finding.when["value"] == number == finding.when["nearest"] + 1


def test_at_one_question_alone():
    report = verify(perceptron(lambda n: n.calls == 3), examples=30, oracles=("torch",))
    assert "only at the third question: in 1 of 1 such answers, in 0 of " in report.findings[0].text


def test_what_the_smallest_networks_do_not_show_is_not_a_turn():
    report = verify(perceptron(lambda n: n.batch > 2), examples=30, oracles=("torch",))
    assert "question" not in str(report.findings[0].when)


def test_where_all_networks_fail_there_is_no_condition():
    finding = found(lambda n: True)
    assert finding.when == {}
    assert "only w" not in finding.text


@pytest.mark.parametrize("condition", [
    lambda n: n.x.sum() > 3,
    lambda n: n.batch * n.x.shape[1] > 20,
    lambda n: "tanh" in n.hidden and n.batch > 2,
    lambda n: n.biases[0][0] > 0,
], ids=["sum of x", "a product", "two at once", "a sign"])
def test_what_no_simple_condition_parts_has_none(condition):
    finding = found(condition)
    assert finding.when == {}
    failed, judged = finding.networks
    assert f"in {failed} of {judged} networks" in finding.text
