"""The table itself: bringing faults of your own, whether a case shows one, and what is remembered.

The rows: test_fault_rows.py. Networks of every shape: test_fault_shapes.py.
"""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from backproof.faults import FAULTS, Fault, load, shows, table_of
from backproof.faults.ways import (
    answered,
    at_sites,
    derivative,
    loss,
    stateful,
    with_entry,
    with_lines,
)
from backproof.properties.claims import Head, activation
from backproof.properties.identities.state import other_numbers as other
from backproof.properties.strategies import Style, build, chain
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import TABLES, Answer, DescriptionError, evaluate

HALF = ("bias", "half", "db = delta.sum(axis=0) / 2", "db = delta.sum(axis=0)", "here",
        at_sites(db=lambda s, db: db / 2))
HEADER = """
from backproof.faults import Fault
from backproof.faults.ways import at_sites, with_entry
half = at_sites(db=lambda s, right: right / 2)
def row(engine=half, symptom="the bias is half"):
    return Fault("bias", symptom, "db = delta.sum(axis=0) / 2", "db = delta.sum(axis=0)", "here",
                 engine)
"""
STATEFUL = [name for name, fault in FAULTS.items() if fault.family == "state"]


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def case():
    """Two dense layers, a batch of three."""
    network = chain([3, 3, 2], [True, True], [activation("tanh")],
                    Head("identity", "squared_error"))
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


# --- a module of your own -----------------------------------------------------------------------

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
    ("FAULTS = {'bias-negated': row()}",
     "fault 'bias-negated': there is a fault of this name already"),
    ("FAULTS = {'mine': row(), 'other': row(), 'mine': row()}", "fault 'mine' is there twice"),
    ("FAULTS: dict = {'mine': row(),\n 'mine': row()}", "fault 'mine' is there twice"),
    ("FAULTS = {'mine': Fault('bias', 'a', 'b', 'c', 'd')}", "argument: 'engine'"),
    ("FAULTS = {'mine': Fault('bias', 'a', 'b', 'c', 'd', half, lambda look: True)}",
     "number is <function <lambda>"),
    ("FAULTS = {'mine': Fault('bias', 'a', 'b', 'c', 'd', half, None, 0.5)}",
     "value is 0.5, wanted None"),
    ("FAULTS = {'mine': Fault('bias', 'a', 'b', 'c', 'd', half, visible=half)}",
     "unexpected keyword argument 'visible'"),
    ("FAULTS = {'mine': row(symptom='')}", "fault 'mine': symptom is '', wanted a text"),
    ("FAULTS = {'mine': row(symptom=None)}", "fault 'mine': symptom is None, wanted a text"),
    ("FAULTS = {'mine': row(engine=None)}", "fault 'mine': engine is None, wanted a function"),
    ("FAULTS = {'mine': row(with_entry('layers', 'dens', lambda r: r))}",
     "fault 'mine': the tables have no entry layers['dens']"),
    ("FAULTS = {'mine': row(with_entry('layer', 'dense', lambda r: r))}",
     "no entry layer['dense']"),
    ("FAULTS = {'mine': row(lambda tables: None)}",
     "fault 'mine': engine(tables) gives None, wanted an engine"),
    ("FAULTS = {'mine': row(lambda tables: 1 / 0)}",
     "fault 'mine': ZeroDivisionError: division by zero"),
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
    with_entry("affine", "dw", lambda line: line), with_entry("sweep", "dx", lambda line: line),
    at_sites(dw=lambda s, right: right),
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


# --- whether a case shows it --------------------------------------------------------------------


def fault(make, family="bias"):
    return Fault(family, "symptom", "wrong", "right", "here", make)


def with_bias(case, change):
    """A fault that gives another gradient of the last bias: change(right) -> wrong."""
    last = list(case.parameters)[-1]
    return fault(answered(lambda case, right: Answer(
        right.loss, {**right.gradients, last: change(right.gradients[last])})))


def raises(case):
    raise ZeroDivisionError


def overwrites(case):
    case.targets[:] = 0
    return evaluate(case.but(targets=case.targets + 1))


@pytest.mark.parametrize("change", [
    lambda db: 2 * db, lambda db: db[None], lambda db: db[:1], lambda db: db.sum(),
    lambda db: np.nan * db, lambda db: np.inf + db,
])
def test_a_wrong_number_or_shape_shows(case, change):
    assert shows(with_bias(case, change), case)


def test_what_is_within_the_tolerance_does_not_show(case):
    s = spread(case)
    allowed = SLACK * s.gradients["2.bias"]
    for factor, seen in ((0.0, False), (0.9, False), (1.1, True)):
        wrong = with_bias(case, lambda db, f=factor: s.truth.gradients["2.bias"] + f * allowed)
        assert shows(wrong, case) is seen
        assert shows(wrong, case, s) is seen


@pytest.mark.parametrize(("off", "seen"), [(1e-290, False), (1e-36, False), (1e-30, True)])
def test_a_tail_where_the_truth_is_zero_does_not_show(case, off, seen):
    """The weights of an input that is always 0 have a gradient of exactly 0."""
    unused = case.but(inputs=case.inputs * np.array([1, 1, 0]))
    true = spread(unused).truth.gradients["0.weight"]
    assert not true[2].any()
    assert 0.1 < np.abs(true).max() < 10
    tail = fault(at_sites(dW=lambda s, dw: dw + off * (s.x == 0).all(axis=0)[:, None]))
    assert shows(tail, unused) is seen


def test_a_wrong_loss_an_exception_and_a_changed_argument_show(case):
    assert shows(fault(answered(lambda case, right: Answer(right.loss / 2, right.gradients))), case)
    assert shows(fault(lambda tables: raises), case)
    assert shows(fault(lambda tables: overwrites), case)
    assert not shows(fault(lambda tables: evaluate), case)


def test_a_gradient_that_is_not_given_does_not_count_and_one_too_many_does(case):
    def given(change):
        return fault(answered(lambda case, right: Answer(right.loss, change(right.gradients))))

    assert not shows(given(lambda g: {"2.bias": g["2.bias"]}), case)
    assert not shows(given(lambda g: {}), case)
    assert shows(given(lambda g: {**g, "3.bias": g["2.bias"]}), case)


def test_what_is_remembered_shows_only_in_the_family_of_state(case):
    def start():
        seen = []

        def change(case, right):
            seen.append(case.inputs[0, 0])
            return Answer(right.loss * (1 + (seen[-1] != seen[0])), right.gradients)
        return change

    assert shows(fault(stateful(start), "state"), case)
    assert not shows(fault(stateful(start)), case)


def test_the_question_between_has_other_numbers_and_the_same_shapes(case):
    between = other(case)
    assert between.inputs.shape == case.inputs.shape
    assert not np.array_equal(between.inputs, case.inputs)
    assert all(not np.array_equal(value, case.parameters[name])
               for name, value in between.parameters.items())


def test_the_question_between_keeps_inputs_that_are_indices(case):
    indexed = replace(case, network=replace(case.network, input_kind={"index": 3}),
                      inputs=np.array([[0, 1, 2]] * 3))
    assert other(indexed).inputs is indexed.inputs


# --- lines and entries --------------------------------------------------------------------------


def test_a_wrong_line_is_given_the_pass_and_the_right_value(case):
    seen = []

    def db(s, right):
        seen.append((s.layer, s.weight, s.bias, s.x.shape, s.W.shape, s.delta.shape))
        np.testing.assert_array_equal(right, s.delta.sum(axis=0))
        return right + 1

    wrong, right = at_sites(db=db)(TABLES)(case).gradients, evaluate(case).gradients
    assert seen == [("2", "weight", "bias", (3, 3), (3, 2), (3, 2)),
                    ("0", "weight", "bias", (3, 3), (3, 3), (3, 3))]
    np.testing.assert_array_equal(wrong["0.bias"], right["0.bias"] + 1)
    np.testing.assert_array_equal(wrong["0.weight"], right["0.weight"])


def test_an_entry_of_the_affine_site_and_a_line_are_two_ways_to_say_it(case):
    entry = with_entry("affine", "dW", lambda right: lambda s: 2 * right(s))(TABLES)(case)
    line = evaluate(case, with_lines(TABLES, {"dW": lambda s, right: 2 * right}))
    assert_same(dict(entry.gradients), dict(line.gradients))
    np.testing.assert_array_equal(entry.gradients["2.weight"],
                                  2 * evaluate(case).gradients["2.weight"])


# --- every row ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", FAULTS)
def test_an_engine_made_again_remembers_nothing(name, case):
    first = FAULTS[name].engine(TABLES)
    before = gradients(first, case)
    gradients(first, case.but(inputs=case.inputs + 1))
    again = gradients(FAULTS[name].engine(TABLES), case)
    for key, g in before.items():
        np.testing.assert_array_equal(g, again[key])


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in STATEFUL])
def test_only_the_faults_of_state_remember(name, case):
    engine = FAULTS[name].engine(TABLES)
    first = gradients(engine, case)
    gradients(engine, other(case))
    again = gradients(engine, case)
    for key, g in first.items():
        np.testing.assert_array_equal(g, again[key])


# --- state: what they claim ---------------------------------------------------------------------

def sequence(name, *cases):
    """The gradients a fresh engine answers one after the other, and the true ones."""
    engine = FAULTS[name].engine(TABLES)
    answers = [gradients(engine, each) for each in cases]
    return answers, [dict(evaluate(each).gradients) for each in cases]


def parameters(g):
    return {name: value for name, value in g.items() if name != "inputs"}


def test_gradients_accumulate(case):
    answers, truth = sequence("gradients-accumulate", case, case, case)
    for calls, answer in enumerate(answers, 1):
        assert_same(parameters(answer), parameters(truth[0]), calls)
        np.testing.assert_array_equal(answer["inputs"], truth[0]["inputs"])


def test_gradients_accumulate_over_what_is_asked_between(case):
    (*_, last), (g, o, _) = sequence("gradients-accumulate", case, other(case), case)
    assert_same(parameters(last), {name: 2 * g[name] + o[name] for name in parameters(g)})


def test_buffers_of_another_shape_are_others(case):
    smaller = case.but(inputs=case.inputs[:2], targets=case.targets[:2])
    for name in set(STATEFUL) - {"every-second-call-differs", "momentum-multiplied"}:
        (_, answer, _), (_, truth, _) = sequence(name, case, smaller, case.astype("float32"))
        assert_same(answer, truth)


def test_stale_cache(case):
    asked = case, case, other(case), case
    (first, second, between, last), (g, _, o, _) = sequence("stale-cache", *asked)
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
    now = {**given.parameters, "inputs": given.inputs}
    before = {**case.parameters, "inputs": case.inputs}
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
    answers, truth = sequence("every-second-call-differs", case, case, other(case), case)
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
