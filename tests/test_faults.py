"""The table itself: bringing faults of your own, and what every row may do. The rows: test_fault_rows.py."""

import sys
import types

import numpy as np
import pytest
from backproof.faults import FAULTS, Fault, table_of
from backproof.faults.core import at_sites, derivative, loss, stateful, with_entry
from backproof.kills.own_faults import load
from backproof.properties.claims import Head, activation
from backproof.properties.identities.state import other_numbers
from backproof.properties.strategies import Style, build, chain
from backproof.reference import TABLES, Answer, DescriptionError, evaluate

HALF = ("bias", "half", "db = delta.sum(axis=0) / 2", "db = delta.sum(axis=0)", "here",
        at_sites(db=lambda s, db, way: db / 2))
HEADER = """
from backproof.faults.core import Fault, at_sites, with_entry
half = at_sites(db=lambda s, db, way: db / 2)
def row(engine=half, symptom="the bias is half"):
    return Fault("bias", symptom, "db = delta.sum(axis=0) / 2", "db = delta.sum(axis=0)", "here", engine)
"""
STATEFUL = [name for name, fault in FAULTS.items() if fault.family == "state"]


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def case():
    """Two dense layers, a batch of three."""
    network = chain([3, 3, 2], [True, True], [activation("tanh")], Head("identity", "squared_error"))
    return build(network, 3, "real", Style(), 11)


def written(tmp_path, line):
    path = tmp_path / "my_faults.py"
    path.write_text(HEADER + line)
    return path


def gradients(engine, case):
    """What an engine says, asked with copies of the arrays."""
    return dict(engine(case.copy()).gradients)


def assert_same(one, other, factor=1.0):
    assert one.keys() == other.keys()
    for name, g in one.items():
        np.testing.assert_allclose(g, factor * other[name], rtol=1e-12, atol=1e-300)


# --- a module of your own ----------------------------------------------------------------------------------------

def test_a_file_brings_its_rows(tmp_path, case):
    found = load(written(tmp_path, "FAULTS = {'bias-half': row()}"))
    assert list(found) == ["bias-half"]
    np.testing.assert_allclose(found["bias-half"].engine(TABLES)(case).gradients["0.bias"],
                               evaluate(case).gradients["0.bias"] / 2)
    assert "bias-half" not in FAULTS


def test_a_path_may_be_text_and_a_module_may_be_given_itself_or_by_name(tmp_path, monkeypatch):
    assert list(load(str(written(tmp_path, "FAULTS = {'bias-half': row()}")))) == ["bias-half"]
    module = types.ModuleType("faults_of_mine")
    module.FAULTS = {"half": Fault(*HALF)}
    assert load(module) == module.FAULTS
    monkeypatch.setitem(sys.modules, "faults_of_mine", module)
    assert load("faults_of_mine") == module.FAULTS


@pytest.mark.parametrize(("line", "says"), [
    ("FAULTS = {'mine': 3}", "fault 'mine': 3 is no Fault"),
    ("FAULTS = {'mine': tuple(row())}", "'mine': ('bias', 'the bias is half'"),
    ("FAULTS = {'mine': None}", "fault 'mine': None is no Fault"),
    ("FAULTS = {'mine': Fault}", "fault 'mine': <class"),
    ("FAULTS = {7: row()}", "fault 7: a name is a text"),
    ("FAULTS = {'': row()}", "fault '': a name is a text"),
    ("FAULTS = [row()]", "wanted FAULTS = {name: Fault(...)}, received [Fault("),
    ("mine = row()", "wanted FAULTS = {name: Fault(...)}, received None"),
    ("FAULTS = {'bias-negated': row()}", "fault 'bias-negated': there is a fault of this name already"),
    ("FAULTS = {'mine': row(), 'other': row(), 'mine': row()}", "fault 'mine' is there twice"),
    ("FAULTS: dict = {'mine': row(),\n 'mine': row()}", "fault 'mine' is there twice"),
    ("FAULTS = {'mine': Fault('bias', 'a', 'b', 'c', 'd')}", "argument: 'engine'"),
    ("FAULTS = {'mine': row(symptom='')}", "fault 'mine': symptom is '', wanted a text"),
    ("FAULTS = {'mine': row(symptom=None)}", "fault 'mine': symptom is None, wanted a text"),
    ("FAULTS = {'mine': row(engine=None)}", "fault 'mine': engine is None, wanted a function"),
    ("FAULTS = {'mine': row(with_entry('layers', 'dens', lambda r: r))}",
     "fault 'mine': the tables have no entry layers['dens']"),
    ("FAULTS = {'mine': row(with_entry('layer', 'dense', lambda r: r))}", "no entry layer['dense']"),
    ("FAULTS = {'mine': row(lambda tables: None)}", "fault 'mine': engine(tables) gives None, wanted an engine"),
    ("FAULTS = {'mine': row(lambda tables: 1 / 0)}", "fault 'mine': ZeroDivisionError: division by zero"),
    ("FAULTS = {'mine': row(", "my_faults.py:"),
    ("import no_such_module", "no_such_module"),
])
def test_what_cannot_be_is_refused_in_one_line_with_its_name(tmp_path, line, says):
    path = written(tmp_path, line)
    with pytest.raises(DescriptionError) as caught:
        load(path)
    message = str(caught.value)
    assert says in message
    assert "my_faults.py" in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("source", ["no_such_faults.py", "no_such_faults", "no such/faults", ""])
def test_a_module_that_is_not_there(source):
    with pytest.raises(DescriptionError) as caught:
        load(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [
    with_entry("layers", "none", lambda row: row), with_entry("_fields", "dense", lambda row: row),
    with_entry("affine", "db", lambda row: row),
    derivative({"none": lambda x, y, dy: dy}), loss({"none": lambda row: row}),
])
def test_an_entry_that_the_tables_do_not_have(make):
    with pytest.raises(DescriptionError, match="the tables have no entry"):
        make(TABLES)


def test_a_name_twice_in_several_tables():
    one = {"half": Fault(*HALF)}
    assert list(table_of(one, {"other": Fault(*HALF)})) == ["half", "other"]
    with pytest.raises(DescriptionError, match="'half' is there twice"):
        table_of(one, {"other": Fault(*HALF)}, one)


# --- every row ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", FAULTS)
def test_an_engine_made_again_remembers_nothing(name, case):
    first = FAULTS[name].engine(TABLES)
    with np.errstate(all="ignore"):
        before = gradients(first, case)
        gradients(first, case.but(inputs=case.inputs + 1))
        again = gradients(FAULTS[name].engine(TABLES), case)
    for key, g in before.items():
        np.testing.assert_array_equal(g, again[key])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_the_tables_and_the_truth_alone(name, case):
    tables = {field: dict(getattr(TABLES, field)) for field in ("layers", "activations", "losses")}
    rows = {field: list(map(id, rows.values())) for field, rows in tables.items()}
    sweep, affine = TABLES.sweep, TABLES.affine
    truth = evaluate(case)
    with np.errstate(all="ignore"):
        FAULTS[name].engine(TABLES)(case.copy())
    assert {field: list(map(id, getattr(TABLES, field).values())) for field in rows} == rows
    assert TABLES.sweep is sweep
    assert TABLES.affine is affine
    after = evaluate(case)
    assert after.loss == truth.loss
    for key, g in truth.gradients.items():
        np.testing.assert_array_equal(after.gradients[key], g)


@pytest.mark.parametrize("name", [name for name in FAULTS if not name.endswith("in-place")])
def test_a_fault_leaves_its_arguments_alone(name, case):
    given = case.copy()
    with np.errstate(all="ignore"):
        FAULTS[name].engine(TABLES)(given)
    for key, value in case.parameters.items():
        assert value.tobytes() == given.parameters[key].tobytes()
    assert case.inputs.tobytes() == given.inputs.tobytes()
    assert case.targets.tobytes() == given.targets.tobytes()


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in STATEFUL])
def test_only_the_faults_of_state_remember(name, case):
    engine = FAULTS[name].engine(TABLES)
    with np.errstate(all="ignore"):
        first = gradients(engine, case)
        gradients(engine, other_numbers(case))
        again = gradients(engine, case)
    for key, g in first.items():
        np.testing.assert_array_equal(g, again[key])


# --- state: what they claim --------------------------------------------------------------------------------------

def sequence(name, *cases):
    """The gradients a fresh engine answers one after the other, and the true ones."""
    engine = FAULTS[name].engine(TABLES)
    return [gradients(engine, each) for each in cases], [dict(evaluate(each).gradients) for each in cases]


def parameters(g):
    return {name: value for name, value in g.items() if name != "inputs"}


def test_gradients_accumulate(case):
    answers, truth = sequence("gradients-accumulate", case, case, case)
    for calls, answer in enumerate(answers, 1):
        assert_same(parameters(answer), parameters(truth[0]), calls)
        np.testing.assert_array_equal(answer["inputs"], truth[0]["inputs"])


def test_gradients_accumulate_over_what_is_asked_between(case):
    (*_, last), (g, o, _) = sequence("gradients-accumulate", case, other_numbers(case), case)
    assert_same(parameters(last), {name: 2 * g[name] + o[name] for name in parameters(g)})


def test_buffers_of_another_shape_are_others(case):
    smaller = case.but(inputs=case.inputs[:2], targets=case.targets[:2])
    for name in set(STATEFUL) - {"every-second-call-differs", "momentum-multiplied"}:
        (_, answer, _), (_, truth, _) = sequence(name, case, smaller, case.astype("float32"))
        assert_same(answer, truth)


def test_stale_cache(case):
    (first, second, between, last), (g, _, o, _) = sequence("stale-cache", case, case, other_numbers(case), case)
    assert_same(first, g)
    assert_same(second, g)
    np.testing.assert_allclose(between["0.weight"], -2 * o["0.weight"])
    np.testing.assert_allclose(last["0.weight"], -g["0.weight"] / 2)
    assert not np.allclose(last["2.weight"], g["2.weight"])
    for name in ("0.bias", "2.bias", "inputs"):
        np.testing.assert_array_equal(last[name], g[name])


@pytest.mark.parametrize(("name", "changed"), [
    ("parameters-updated-in-place", {"0.weight", "0.bias", "2.weight", "2.bias"}),
    ("inputs-changed-in-place", {"inputs"}),
])
def test_arrays_changed_in_place(name, changed, case):
    given, g = case.copy(), evaluate(case).gradients
    assert_same(dict(FAULTS[name].engine(TABLES)(given).gradients), dict(g))
    now, before = {**given.parameters, "inputs": given.inputs}, {**case.parameters, "inputs": case.inputs}
    assert {key for key in now if now[key].tobytes() != before[key].tobytes()} == changed
    for key in changed:
        np.testing.assert_allclose(now[key], before[key] - 0.1 * g[key])
    np.testing.assert_array_equal(given.targets, case.targets)


def test_momentum_left_over(case):
    answers, (g, *_) = sequence("momentum-left-over", case, case, case)
    for answer, factor in zip(answers, (1.0, 1.9, 2.71), strict=True):
        assert_same(answer, g, factor)


def test_momentum_multiplied(case):
    (first, second), (g, _) = sequence("momentum-multiplied", case, case)
    assert all(not value.any() for value in first.values())
    assert_same(second, {name: value**2 for name, value in g.items()})


def test_every_second_call_differs(case):
    answers, truth = sequence("every-second-call-differs", case, case, other_numbers(case), case)
    for answer, right, factor in zip(answers, truth, (1, 2, 1, 2), strict=True):
        assert_same(answer, right, factor)


def test_your_own_memory_is_fresh_for_every_engine(case):
    def start():
        calls = []

        def change(case, answer):
            calls.append(case)
            return Answer(answer.loss * len(calls), answer.gradients)
        return change

    make, right = stateful(start), evaluate(case).loss
    one, other = make(TABLES), make(TABLES)
    assert [one(case).loss, one(case).loss, other(case).loss] == [right, 2 * right, right]
