"""One row more is one check more, wherever checks are listed, asked, counted and shown."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from backproof import verify
from backproof.oracles import ORACLES, How, Oracle, When
from backproof.properties.catalogue import VALUES, catalogue, codes, family
from backproof.properties.identities import PROPERTIES, Needs
from backproof.properties.identity import Property, every
from backproof.record.coverage import judge_of, judges, matrix
from backproof.record.reading import read
from backproof.record.report import EXECUTED
from backproof.reference import evaluate

WRONG = f"{Path(__file__).with_name('examples')}/no_derivative.py:backprop"
FAMILIES = {"contract", "answers", "state", "value", "kink", "loss", "own_loss", "identity", "rate", "update"}


def ask_copy(case, places, claims, rng):
    return [case, case.copy()]


def judge_copy(replies, places):
    yield from every(replies[0], replies[1])


@pytest.fixture
def echo(monkeypatch):
    """An oracle of every network, one of structures, and an identity: a row each, nothing else."""
    module = ModuleType("backproof.oracles.echo")
    module.answer = evaluate
    module.answers = lambda cases: [evaluate(case) for case in cases]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(ORACLES, "echo", Oracle("echo", None, "echo", "an echo", "equals the echo"))
    monkeypatch.setitem(ORACLES, "echo_of_draws", Oracle(
        "echo", None, "echo", "an echo", "equals the echo", When.STRUCTURES, How.DRAWS))
    monkeypatch.setitem(PROPERTIES, "a_copy", Property(
        "copies", "a copy of a question has the same answer", ask_copy, judge_copy, Needs()))
    return ("echo", "echo_of_draws", "a_copy")


def test_every_check_has_a_family_a_column_and_a_sentence():
    rows = catalogue()
    assert rows.keys() == {*VALUES, *ORACLES, *PROPERTIES}
    assert {row.family for row in rows.values()} == FAMILIES
    assert all(row.column and row.code and row.says for row in rows.values())
    assert sorted(name for names in codes().values() for name in names) == sorted(rows)


def test_no_name_is_in_two_tables():
    assert len(catalogue()) == len(VALUES) + len(ORACLES) + len(PROPERTIES)


def test_witnesses_share_no_code_with_the_reference():
    witnesses = [row for row in ORACLES.values() if row.witness]
    assert witnesses
    assert not any(row.family == "reference" for row in witnesses)


@pytest.mark.parametrize(("name", "wanted"), [
    ("contract", "contract"), ("untouched_arguments", "contract"), ("answers", "answers"),
    ("reference", "value"), ("torch", "value"), ("exact_integers", "value"),
    ("loss_value", "loss"), ("own_loss", "own_loss"), ("line_integral", "own_loss"),
    ("repeated_question", "state"), ("batch_additivity", "identity"), ("unheard_of", "value"),
])
def test_a_check_has_its_family(name, wanted):
    assert family(name) == wanted


def test_a_row_more_is_asked_counted_and_shown(echo, tmp_path):
    report = verify("reference", examples=60, oracles=("echo", "echo_of_draws"), report=tmp_path)
    for name in echo:
        assert report.counts[name].get("passed", 0) > 0, name
        assert not {"failed", "errored"} & set(report.counts[name])
    run = read(tmp_path)
    assert set(echo) <= set(run.report.counts)
    columns = judges(run)
    assert {judge_of(name) for name in echo} == {"echo", "echo of draws", "copies"} <= set(columns)
    shown = [feature for feature in matrix(run) if feature.cells]
    for column in ("echo", "echo of draws", "copies"):
        assert sum(feature.cells.get(column, {}).get("passed", 0) for feature in shown) > 0


def test_a_row_more_is_listed_explained_and_a_test(echo, capsys):
    from backproof import cli
    from backproof.testing.asked import property_names

    assert set(echo) <= set(property_names())
    assert {"echo", "copies"} <= set(codes())
    assert cli.main(["list", "properties"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in echo)
    assert cli.main(["explain", "echo"]) == 0
    assert "equals the echo" in capsys.readouterr().out


def test_a_new_oracle_can_fail_a_subject(echo):
    """Its answers count: a subject that is wrong fails before it as before the reference."""
    report = verify(WRONG, examples=20, oracles=("echo",))
    assert report.counts["echo"].get("failed", 0) > 0
    assert report.counts["reference"].get("failed", 0) > 0


def test_a_new_witness_confirms(echo, monkeypatch):
    """A row with `witness` is asked where the subject and the reference differ."""
    asked = []
    module = sys.modules["backproof.oracles.echo"]
    monkeypatch.setattr(module, "answer", lambda case, *more: asked.append(case) or evaluate(case))
    monkeypatch.setitem(ORACLES, "echo", ORACLES["echo"]._replace(
        witness=True, when=When.STRUCTURES))
    verify(WRONG, examples=4, oracles=("echo",))
    assert asked


def test_an_oracle_of_every_eighth_network_is_asked_so(echo, monkeypatch):
    monkeypatch.setitem(ORACLES, "echo", ORACLES["echo"]._replace(when=When.EIGHTH))
    report = verify("reference", examples=40, oracles=("echo",))
    asked = sum(report.counts["echo"].get(outcome, 0) for outcome in EXECUTED)
    assert 1 <= asked <= 5
