"""The door for what trains: right steps conform at every rate, wrong ones are named, bad adapters are told."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from backproof import Head, Layout, read_case, training_step, verify
from backproof.faults.updating import WRONG_UPDATES
from backproof.judging.abreast import judge_draws
from backproof.judging.judge import Judge
from backproof.plug.contract import AdapterError
from backproof.plug.guessing import target_of
from backproof.plug.subject import subject_of
from backproof.properties.strategies.counted import draft_at
from backproof.properties.updating import Change, reading
from backproof.record.notes import NoteKind
from backproof.reference import Case, DescriptionError, evaluate
from backproof.reference.training import check_rule, update
from backproof.running.replay import replay

CLAIMS = {"hidden": ["tanh"], "heads": [Head("identity", "squared_error")]}


def asked(target, examples=24, oracles="torch", **more):
    return verify(target, examples=examples, oracles=oracles, **more)


# --- programs ---------------------------------------------------------------------------------------------------------


class Student:
    """What somebody writes in a first course: two layers, trained in place."""

    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.zeros((n_in, n_hidden)), np.zeros(n_hidden)
        self.W2, self.b2 = np.zeros((n_hidden, n_out)), np.zeros(n_out)

    def train(self, X, y, lr):
        h = np.tanh(X @ self.W1 + self.b1)
        d2 = self.error(h @ self.W2 + self.b2, y)
        d1 = d2 @ self.W2.T * (1 - h**2)
        self.W2 -= lr * h.T @ d2
        self.b2 -= lr * d2.sum(0)
        self.W1 -= lr * X.T @ d1
        self.b1 -= lr * d1.sum(0)

    def error(self, p, y):
        return (p - y) / len(y)


PLACES = {"weights": ["W1", "W2"], "biases": ["b1", "b2"], "train": "train"}


class EarlyStudent(Student):
    def train(self, X, y, lr):
        h = np.tanh(X @ self.W1 + self.b1)
        d2 = self.error(h @ self.W2 + self.b2, y)
        self.W2 -= lr * h.T @ d2
        self.b2 -= lr * d2.sum(0)
        d1 = d2 @ self.W2.T * (1 - h**2)
        self.W1 -= lr * X.T @ d1
        self.b1 -= lr * d1.sum(0)


class OneByOne(Student):
    """Trains on each example at once, whatever batch it is given."""

    def train(self, X, y, lr):
        for k in range(len(X)):
            super().train(X[k:k + 1], y[k:k + 1], lr)


class ByRule:
    """The reference's gradients and a rule with rows of its own: the mistakes are in the update alone."""

    def __init__(self, network, rate, change):
        self.network = replace(network, loss=replace(network.loss, l2=0.0, l2_on="weights"))  # it is in the rule
        self.change, self.memory = Change({**change.rule, "rate": rate}, change.rows), None

    def train(self, inputs, targets):
        parameters = self.network.pack(self.weights, self.biases)
        g = evaluate(Case(self.network, parameters, inputs, targets, str(inputs.dtype))).gradients
        new, self.memory = update(self.change.rule, parameters, g, self.memory, self.change.rows)
        self.weights, self.biases = self.network.unpack(new)


def by_rule(rule, change=None, **more):
    rate = more.pop("rate", None)
    wrong = change or Change({**rule, "rate": 0.0})
    return training_step(ByRule, make=lambda network, r: ByRule(network, r, wrong), weights="weights", biases="biases", rule=rule, rate=rate,
                         load=load, read=lambda net: (net.weights, net.biases),
                         train=lambda net, x, t, r: net.train(x, t), **{**CLAIMS, **more})


def load(net, weights, biases):
    net.weights, net.biases = weights, biases


# --- right ------------------------------------------------------------------------------------------------------------


RULES = [{}, {"momentum": 0.9}, {"nesterov": 0.9}, {"decay": 0.01, "momentum": 0.5}, {"bias_rate": 2.0},
         {"clip_norm": 1.0}, {"clip_value": 0.25, "decay": 0.1}, {"rmsprop": {}}, {"adam": {}},
         {"adam": {"epsilon": 1e-3}, "decoupled_decay": 0.1}, {"decay": {"decay": 0.1, "of": "all"}}]


@pytest.mark.parametrize("rate", [None, 1e-4, 1e3], ids=["free", "1e-4", "1e3"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_right_rules_break_nothing(rule, rate):
    report = asked(by_rule(rule, rate=rate, dtypes=["float64", "float32"]), 16, seed=3)
    assert not report.findings
    assert report.total("failed") == report.total("errored") == 0
    assert report.counts["update_rule"]["passed"] > 4


def test_a_student_conforms():
    report = asked(training_step(Student, **PLACES, **CLAIMS), 40)
    assert report.verdict == "conforms"
    assert "loss_value" not in report.counts
    assert report.counts["another_rate"]["passed"] > 10
    assert any("squared_error, from the steps: mean over batch, times 0.5" in note for note in report.notes)


def test_a_function_conforms():
    @training_step(hidden=["tanh"], heads=[Head("identity", "squared_error", "sum")], dtypes=["float64", "float32"])
    def step(network, parameters, inputs, targets, rate):
        answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
        return {name: p - rate * answer.gradients[name] for name, p in parameters.items()}

    assert asked(step, 40).verdict == "conforms"


def test_a_function_may_change_what_it_is_given_and_have_its_own_rate():
    @training_step(rate=0.25, **CLAIMS)
    def step(network, parameters, inputs, targets):
        answer = evaluate(Case(network, dict(parameters), inputs, targets))
        for name, p in parameters.items():
            p -= 0.25 * answer.gradients[name]

    report = asked(step, 40)
    assert report.verdict == "conforms"
    assert "another_rate" not in report.counts


def test_a_function_may_return_lists():
    @training_step(**CLAIMS)
    def step(network, parameters, inputs, targets, rate):
        g = evaluate(Case(network, parameters, inputs, targets)).gradients
        W, b = network.unpack({name: p - rate * g[name] for name, p in parameters.items()})
        return W, b

    assert asked(step, 40).verdict == "conforms"


class Columns:
    """Nielsen's habits: lists, columns, sizes, a list of pairs."""

    def __init__(self, sizes):
        self.biases = [np.zeros((m, 1)) for m in sizes[1:]]
        self.weights = [np.zeros((m, n)) for n, m in pairwise(sizes)]

    def update_mini_batch(self, mini_batch, eta):
        sums = [(0 * w, 0 * b) for w, b in zip(self.weights, self.biases, strict=True)]
        for x, y in mini_batch:
            sums = [(w + dw, b + db) for (w, b), (dw, db) in zip(sums, self.backprop(x, y), strict=True)]
        self.weights = [w - eta / len(mini_batch) * dw for w, (dw, _) in zip(self.weights, sums, strict=True)]
        self.biases = [b - eta / len(mini_batch) * db for b, (_, db) in zip(self.biases, sums, strict=True)]

    def backprop(self, x, y):
        a = [x]
        for w, b in zip(self.weights, self.biases, strict=True):
            a.append(1 / (1 + np.exp(-(w @ a[-1] + b))))
        delta, found = (a[-1] - y) * a[-1] * (1 - a[-1]), []
        for i in reversed(range(len(self.weights))):
            found.insert(0, (delta @ a[i].T, delta))
            delta = self.weights[i].T @ delta * a[i] * (1 - a[i])
        return found


COLUMNS = Layout(weight="out_in", bias="column", batch="columns")


def test_columns_and_pairs():
    target = training_step(Columns, weights="weights", biases="biases", train="update_mini_batch", layout=COLUMNS,
                           hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
    assert asked(target, 40).verdict == "conforms"


class BiasRow:
    """The bias is the last row of each matrix, and its input is -1."""

    rate = 0.5

    def __init__(self, nin, nhidden, nout):
        self.w = {"1": np.zeros((nin + 1, nhidden)), "2": np.zeros((nhidden + 1, nout))}

    def fit(self, inputs, targets, iterations):
        ones = -np.ones((len(inputs), 1))
        for _ in range(iterations):
            x = np.concatenate((inputs, ones), axis=1)
            h = np.concatenate((np.tanh(x @ self.w["1"]), ones), axis=1)
            d = h @ self.w["2"] - targets
            e = (d @ self.w["2"].T * (1 - h**2))[:, :-1]
            self.w["2"] -= self.rate * h.T @ d
            self.w["1"] -= self.rate * x.T @ e


@pytest.mark.parametrize("rate", ["rate", 0.5], ids=["attribute", "number"])
def test_a_bias_row_with_an_input_of_minus_one(rate):
    target = training_step(BiasRow, weights=["w.1", "w.2"], bias_in_weight="last_row", layout=Layout(bias_sign=-1),
                           train="fit", rate=rate, **CLAIMS)
    assert asked(target, 40).verdict == "conforms"


class OneBias:
    """One plain number for the biases of a layer; weights in lists of lists."""

    def __init__(self, sizes):
        self.weights, self.biases = [[[0.0]]] * 2, [0.0, 0.0]

    def learn(self, x, t, alpha):
        w, b = [np.array(each) for each in self.weights], self.biases
        h = np.tanh(x @ w[0] + b[0])
        d = h @ w[1] + b[1] - t
        e = d @ w[1].T * (1 - h**2)
        self.weights = [(w[0] - alpha * x.T @ e).tolist(), (w[1] - alpha * h.T @ d).tolist()]
        self.biases = [float(b[0] - alpha * e.sum()), float(b[1] - alpha * d.sum())]


def test_one_bias_a_layer():
    target = training_step(OneBias, weights="weights", biases="biases", train="learn", bias="layer", depth=(2, 2),
                           **CLAIMS)
    assert asked(target, 40).verdict == "conforms"


def test_one_example_a_time():
    assert asked(training_step(OneByOne, **PLACES, batch=1, **CLAIMS), 60).verdict == "conforms"


# --- wrong ------------------------------------------------------------------------------------------------------------


def first_name(report):
    assert report.verdict == "does_not_conform"
    assert len(report.findings) == 1
    return report.findings[0].faults[:1]


def test_updated_before_it_is_used():
    report = asked(training_step(EarlyStudent, **PLACES, **CLAIMS), 40)
    assert first_name(report) == ("weights-updated-before-delta",)
    assert report.counts["another_rate"]["failed"]


def test_updated_between_examples():
    report = asked(training_step(OneByOne, **PLACES, **CLAIMS), 40)
    assert first_name(report) == ("weights-updated-between-examples",)


def test_what_has_no_name_is_told_to_depend_on_the_rate():
    class Half(Student):
        """The last layer is updated halfway before its weights are used."""

        def train(self, X, y, lr):
            h = np.tanh(X @ self.W1 + self.b1)
            d2 = self.error(h @ self.W2 + self.b2, y)
            d1 = d2 @ (self.W2 - 0.3 * lr * h.T @ d2 * self.W2).T * (1 - h**2)
            self.W2 -= lr * h.T @ d2
            self.b2 -= lr * d2.sum(0)
            self.W1 -= lr * X.T @ d1
            self.b1 -= lr * d1.sum(0)

    report = asked(training_step(Half, **PLACES, **CLAIMS), 40)
    assert first_name(report) == ()
    assert "with another rate it is another gradient: something is updated before" in report.findings[0].explanation


def test_a_wrong_gradient_is_no_wrong_update():
    class Wrong(Student):
        def error(self, p, y):
            return p - y + 0 * p.sum()

        def train(self, X, y, lr):
            before = self.b2.copy()
            super().train(X, y, lr)
            self.b2 += (1 - 1 / len(X)) * (before - self.b2)

    report = asked(training_step(Wrong, **PLACES, **CLAIMS), 40)
    assert report.verdict == "does_not_conform"
    assert report.findings[0].property == "reference"
    assert "another_rate" in report.counts
    assert not report.counts["another_rate"].get("failed")


RULE_OF = {(): {}, ("momentum",): {"momentum": 0.75}, ("nesterov",): {"nesterov": 0.75}, ("decay",): {"decay": 0.05},
           ("decay", "rate"): {"decay": 0.05}, ("adam",): {"adam": {}}, ("rmsprop",): {"rmsprop": {}},
           ("adam", "decoupled_decay"): {"adam": {}, "decoupled_decay": 0.05}, ("clip_norm",): {"clip_norm": 0.5},
           ("clip_norm", "decay"): {"clip_norm": 0.5, "decay": 0.2}}


@pytest.mark.parametrize("name", WRONG_UPDATES)
def test_wrong_updates_are_named(name):
    wrong = WRONG_UPDATES[name]
    rule = RULE_OF[wrong.rows]
    target = by_rule(rule, wrong.change({**rule, "rate": 0.0625}), heads=[Head("identity", "squared_error", "sum")])
    assert first_name(asked(target)) == (name,)


def test_gradients_that_accumulate_in_one_array():
    class Adds(Student):
        before = 0.0

        def train(self, X, y, lr):
            old = self.W1.copy()
            super().train(X, y, lr)
            self.W1 -= self.before
            self.before = old - self.W1

    report = asked(training_step(Adds, **PLACES, **CLAIMS), 40)
    assert first_name(report) == ("update-gradients-accumulate",)
    assert report.findings[0].wrong == ("0.weight",)


# --- reading the gradient off a step ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "weight", "bias"), [
    ({"rate": 0.5}, 0.5, 0.5), ({"rate": 0.5, "momentum": 0.9}, 0.5, 0.5), ({"rate": 0.5, "nesterov": 0.5}, 0.75, 0.75),
    ({"rate": 0.5, "bias_rate": 2.0, "clip_norm": 1.0, "decay": 0.1}, 0.5, 1.0),
    ({"rate": 0.5, "adam": {}}, None, None), ({"rate": 0.5, "rmsprop": {}, "decoupled_decay": 0.1}, None, None)])
def test_how_a_rule_gives_its_gradient_away(rule, weight, bias):
    assert reading(rule).factors == {False: weight, True: bias}


def test_a_clip_hides_the_gradient():
    old, new = {"0.weight": np.zeros(2)}, {"0.weight": np.array([-0.3, -0.4])}
    assert reading({"rate": 1.0, "clip_norm": 0.5}).gradients(old, new) == {}
    assert list(reading({"rate": 1.0, "clip_norm": 0.6}).gradients(old, new)) == ["0.weight"]
    assert reading({"rate": 1.0, "clip_value": 0.4}).gradients(old, new) == {}


# --- bad input --------------------------------------------------------------------------------------------------------


def not_judged(target):
    report = asked(target)
    assert report.verdict == "not_judged"
    assert "\n" not in report.reason
    return report.reason


class Gizmo(Student):
    def __init__(self, n_in, n_hidden, n_out, gizmo):
        super().__init__(n_in, n_hidden, n_out)


class Turned(Student):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__(n_in, n_hidden, n_out)
        self.W1 = np.zeros((n_hidden, n_in))


@pytest.mark.parametrize(("cls", "change", "message"), [
    (Gizmo, {}, "Gizmo takes (n_in, n_hidden, n_out, gizmo), and nothing is known to be meant by 'gizmo': make="),
    (Student, {"weights": ["W1", "W3"]}, "no attribute 'W3' in 'W3'; there is: W1, W2, b1, b2, error, train"),
    (Student, {"weights": "W1"}, "weights='W1' is one array, and no list of them: name one a layer"),
    (Student, {"train": "fit"}, "Student has no method 'fit'; it has error, train: train= names the one that trains"),
    (Student, {"train": None}, "Student has no method ''; it has error, train"),
    (Student, {"train": "error"}, "Student.error takes (p, y), and nothing is known to be meant by 'p'"),
    (Student, {"rate": "speed"}, "no attribute 'speed'"),
    (Turned, {}, 'layout=Layout(weight="out_in") turns matrices'),
])
def test_what_does_not_fit_is_told(cls, change, message):
    target = training_step(cls, **{**PLACES, "depth": (2, 2), **change}, **CLAIMS)
    assert message in not_judged(target)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: training_step(Student, **CLAIMS), "where does Student keep its weights? write training_step(Student, weig"),
    (lambda: training_step(Student, weights=7, train="train"), "weights is 7; wanted the name of a list of arrays"),
    (lambda: training_step(Student, weights="W", biases="b", bias_in_weight="last_row"), "leave out one"),
    (lambda: training_step(Student, weights="W", bias_in_weight="last"), "bias_in_weight: unknown 'last'"),
    (lambda: training_step(lambda n, p, x, t: 0, rate=0), "rate is 0, wanted a number above 0"),
    (lambda: training_step(lambda n, p, x, t: 0, rate=[1]), "rate: received [1], wanted a finite number"),
    (lambda: training_step(3), "3 is neither a function nor a class; wanted step(network,"),
    (lambda: training_step(lambda X, y: 0), "(X, y); wanted step(network, parameters, inputs, targets, rate)"),
    (lambda: training_step(lambda n, p, x, t: 0), "takes no rate; write training_step(rate=0.1, ...)"),
    (lambda: training_step(rule={"momentun": 0.9})(lambda n, p, x, t, r: 0), "update rule: unknown key 'momentun'"),
    (lambda: training_step(Student, **PLACES, hidden=["tanh"], headz=[]), "claims: unknown key 'headz'"),
])
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(DescriptionError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("change", "message"), [
    (lambda p, x, t: x.__imul__(2), "inputs was changed in place"),
    (lambda p, x, t: {"0.weight": p["0.weight"]}, "no gradient for '0.bias'"),
    (lambda p, x, t: 3.0, "returned a float; a training step returns the new parameters"),
    (lambda p, x, t: {name: q[None] for name, q in p.items()}, "keepdims left in"),
])
def test_what_a_step_may_not_do(change, message):
    @training_step(depth=(1, 1), heads=CLAIMS["heads"])
    def step(network, parameters, inputs, targets, rate):
        return change(parameters, inputs, targets)

    report = asked(step, 4)
    assert message in (report.reason or report.findings[0].explanation)


def test_the_engine_goes_to_other_processes():
    import pickle

    engine = subject_of(training_step(Student, **PLACES, **CLAIMS)).engine
    again = pickle.loads(pickle.dumps(engine))
    assert again.rates == engine.rates


def test_rules_are_checked():
    with pytest.raises(DescriptionError, match="rate is missing"):
        check_rule({"momentum": 0.9})


# --- a class as it is -------------------------------------------------------------------------------------------------


INFERRED = {Student: 'train="train",', Columns: 'layout=Layout(weight="out_in", bias="column", batch="columns")',
            OneByOne: "scale=0.5)], batch=1)"}


def pasted_of(report):
    return next(str(note) for note in report.notes if note.kind is NoteKind.INFERRED)


@pytest.mark.parametrize("cls", INFERRED)
def test_a_class_is_asked_what_it_does(cls):
    """The lines printed are the lines to write: the target they make is held to the same claims."""
    report = asked(target_of(cls), 40)
    assert report.verdict == "conforms"
    assert INFERRED[cls] in pasted_of(report)
    scope = {cls.__name__: cls}
    exec(pasted_of(report).partition("\n")[2], scope)
    again = asked(scope["student"], 40)
    assert again.verdict == "conforms"
    assert not again.reason


class NoBiases:
    """Weights alone."""

    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.W2 = np.zeros((n_in, n_hidden)), np.zeros((n_hidden, n_out))

    def train(self, X, y, lr):
        h = np.tanh(X @ self.W1)
        e = h @ self.W2 - y
        self.W1, self.W2 = self.W1 - lr * X.T @ (e @ self.W2.T * (1 - h**2)), self.W2 - lr * h.T @ e


def test_a_class_without_biases_is_not_blamed_for_having_none():
    """Named or found, they are not claimed where there are none."""
    target = training_step(NoBiases, weights=["W1", "W2"], train="train", **CLAIMS)
    assert target.__backproof__.bias == "never"
    for each in (target, target_of(NoBiases)):
        report = asked(each, 60)
        assert report.verdict == "conforms"
        assert "bias" not in report.resolution["float64"]
    scope = {"NoBiases": NoBiases}
    exec(pasted_of(report).partition("\n")[2], scope)
    assert scope["student"].__backproof__.bias == "never"


def test_a_wrong_class_is_held_to_what_it_seems_to_do():
    report = asked(target_of(EarlyStudent), 40)
    assert first_name(report) == ("weights-updated-before-delta",)
    assert 'hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="mean_over_batch", scale=0.5)])' in (
        pasted_of(report))


class NoData(Student):
    train = None

    def train_step(self, lr):
        """Takes no data."""


class OwnRate(Student):
    def train(self, X, y):
        super().train(X, y, 0.125)


@pytest.mark.parametrize(("cls", "message"), [
    (Gizmo, "nothing is known to be meant by 'gizmo': Gizmo is a class; write training_step(Gizmo, weights="),
    (NoData, "which method trains it cannot be told"),
    (OwnRate, "trains with a rate of its own: write training_step(OwnRate, ..., rate=0.1)"),
    (OneBias, "where it keeps its weights cannot be told: made for 5 inputs, 4 hidden units and 3 outputs, it has weigh"),
])
def test_what_cannot_be_told_of_a_class_is_asked_for(cls, message):
    with pytest.raises(AdapterError) as error:
        target_of(cls)
    assert message in str(error.value)


def test_steps_of_nothing_known_are_not_judged():
    class Nothing(Student):
        def error(self, p, y):
            return np.sin(p - y)

    assert "its steps are those of no hidden activation" in not_judged(target_of(Nothing))


# --- from a record ----------------------------------------------------------------------------------------------------


def replayed(target, case):
    return replay(case, subject_of(target))


def test_a_wrong_update_is_replayed(tmp_path):
    """FAILED with its name for the program that has it, FIXED for one that has not."""
    wrong = by_rule({"momentum": 0.75}, Change({"rate": 0.0}), heads=[Head("identity", "squared_error", "sum")])
    report = asked(wrong, 12, report=tmp_path)
    case = read_case(tmp_path / "cases" / f"{report.findings[0].case}.json")
    again = replayed(wrong, case)
    assert again.status == "FAILED"
    assert "consistent with momentum-forgotten" in again.text
    fixed = replayed(by_rule({"momentum": 0.75}, heads=[Head("identity", "squared_error", "sum")]), case)
    assert fixed.status == "FIXED"
    assert "several steps keep the update rule" in fixed.text


def test_what_does_not_fit_is_no_fix(tmp_path):
    report = asked(training_step(EarlyStudent, **PLACES, **CLAIMS), 12, report=tmp_path)
    case = read_case(tmp_path / "cases" / f"{report.findings[0].case}.json")
    broken = training_step(EarlyStudent, **{**PLACES, "train": "fit"}, **CLAIMS)
    assert replayed(broken, case).status == "ERROR"


def test_draws_of_one_structure_are_judged_together():
    subject = subject_of(training_step(Student, **PLACES, hidden=["tanh"], heads=[
        Head("identity", "squared_error", "mean_over_batch", 0.5)]))
    judge = Judge(subject, subject.claims, ("torch",), lambda **_: None, 0)
    draft = draft_at(subject.claims, 7, 0)
    judge_draws(judge, [replace(draft, seed=(i, 1, 2, 3, 4)).case for i in range(24)])
    assert not judge.tally.failures
    assert judge.tally.networks == 24
    assert "loss_value" not in judge.tally.counts
