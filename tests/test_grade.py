"""Points: what each row earns, what a student is told, and what nobody is told."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from backproof import Head, PointsError, cli, grade, implementation
from backproof.record.grades import HINTS, Grade, Scored
from backproof.running.grading import points_of, seed_of

ROOT = Path(__file__).parents[1]
POINTS = ROOT / "tests" / "examples" / "points.toml"
QUICK = {"oracles": "torch", "examples": 40}


def backward(network, parameters, inputs, targets, *, hidden=np.tanh, slope=lambda a: 1 - a**2, db=lambda d: d.sum(0)):
    """A perceptron whose derivative and bias gradient may be others."""
    W, b = network.unpack(parameters)
    a = [inputs]
    for w, c in zip(W[:-1], b[:-1], strict=True):
        a.append(hidden(a[-1] @ w + c))
    p = a[-1] @ W[-1] + b[-1]
    d = 2 * (p - targets) / len(p)
    dW, dB = [], []
    for i in reversed(range(len(W))):
        dW, dB = [a[i].T @ d, *dW], [db(d), *dB]
        d = d @ W[i].T * slope(a[i])
    return ((p - targets) ** 2).sum() / len(p), network.pack(dW, dB)


def right(*given):
    return backward(*given)


def averaging(*given):
    return backward(*given, db=lambda d: d.mean(0))


def twice(*given):
    loss, gradients = backward(*given)
    return 2.5 * loss, gradients


class Keeping:
    """Its gradients are never set to zero."""

    def __init__(self):
        self.kept = {}

    def __call__(self, *given):
        loss, gradients = backward(*given)
        for name, gradient in gradients.items():
            old = self.kept.get(name, 0.0)
            self.kept[name] = gradient + (old if np.shape(old) == gradient.shape else 0.0)
        return loss, dict(self.kept)


def scores(graded):
    return [row.points for row in graded.rows]


@pytest.mark.parametrize(("program", "wanted"), [
    (right, [2, 4, 3, 1]), (averaging, [2, 4, 0, 1]), (twice, [0, 4, 3, 1]), (Keeping(), [2, 0, 0, 0]),
])
def test_each_mistake_costs_its_own_row(program, wanted):
    graded = grade(program, POINTS, **QUICK)
    assert scores(graded) == wanted
    assert (graded.points, graded.of) == (sum(wanted), 10)
    assert all(bool(row.said) == (row.points < row.of) for row in graded.rows)


def test_a_submission_cannot_claim_less_than_is_asked():
    easy = implementation(heads=[Head("identity", "squared_error")], depth=(1, 1))(lambda *given: averaging(*given))
    assert scores(grade(easy, POINTS, **QUICK))[2] == 0
    assert grade(easy, POINTS, **QUICK).report.findings


def test_points_are_shared_among_what_a_row_lists(tmp_path):
    wrong = {"relu": (lambda z: np.maximum(z, 0), lambda a: np.ones_like(a)), "tanh": (np.tanh, lambda a: 1 - a**2)}

    def mine(network, *given):
        hidden, slope = wrong[(*network.hidden, "tanh")[0]]
        return backward(network, *given, hidden=hidden, slope=slope)

    file = tmp_path / "points.toml"
    file.write_text("""
        [claims]
        hidden = ["relu", "tanh"]
        same_hidden = true
        depth = [2, 3]
        heads = [{activation = "identity", loss = "squared_error"}]
        [[row]]
        name = "activations"
        points = 4
        activations = ["tanh", "relu", "gelu"]
        [[row]]
        name = "plugged in"
        points = 1
        doors = ["layers"]
    """)
    graded = grade(mine, file, oracles="torch", examples=80)
    assert scores(graded) == [1.33, 0]
    assert graded.rows[0].said[:2] == ("relu: wrong", "gelu: not there")
    assert graded.rows[1].said[0] == "layers: not there"


@pytest.mark.parametrize("level", HINTS)
def test_a_hint_says_so_much_and_no_more(level):
    said = "\n".join(grade(averaging, POINTS, hints=level, **QUICK).rows[2].said)
    shows = {"symptom": "the gradient is wrong: bias", "layer": "wrong: 0.bias", "mistake": "bias-averaged-over-batch",
             "line": "db = delta.mean(axis=0)"}
    for other, text in shows.items():
        assert (text in said) == (HINTS.index(level) >= HINTS.index(other))
    assert (said == "") == (level == "none")


# --- the questions are hidden -----------------------------------------------------------------------


def test_the_seed_follows_from_the_secret_and_is_nowhere():
    graded = grade(averaging, POINTS, secret="only I know", hints="line", **QUICK)
    seed = seed_of("only I know")
    assert graded.report.seed == seed != seed_of("another") != seed_of("") == 0
    for shown in (graded.text(), repr(graded), json.dumps(graded.gradescope())):
        assert str(seed) not in shown
        assert "only I know" not in shown


SUBMISSION = """
import os
from test_grade_programs import averaging as backprop_

SECRET = os.environ.get("BACKPROOF_SECRET")

def backprop(network, parameters, inputs, targets):
    assert SECRET is None
    return backprop_(network, parameters, inputs, targets)
"""


@pytest.fixture
def submission(tmp_path, monkeypatch):
    """A folder with submission.py, to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setitem(sys.modules, "test_grade_programs", sys.modules[__name__])
    (tmp_path / "submission.py").write_text(SUBMISSION)
    yield "submission.py"
    sys.modules.pop("submission", None)


def test_the_command_prints_the_points_and_writes_for_gradescope(submission, monkeypatch, capsys):
    monkeypatch.setenv("BACKPROOF_SECRET", "only I know")
    assert cli.main(["grade", submission, "--points", str(POINTS), "--oracles", "torch", "--examples", "40",
                     "--gradescope", "results.json", "--in-process"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("submission.py:backprop: 7 of 10 points\n  2 of 2    the loss\n")
    assert err == ""
    results = json.loads(Path("results.json").read_text())
    assert (results["score"], results["visibility"]) == (7, "visible")
    assert [(test["score"], test["max_score"], test["status"]) for test in results["tests"]] == [
        (2, 2, "passed"), (4, 4, "passed"), (0, 3, "failed"), (1, 1, "passed")]
    assert results["tests"][2]["output"].startswith("bias: wrong\nthe gradient is wrong: bias\n")
    assert "BACKPROOF_SECRET" not in os.environ


@pytest.mark.parametrize(("code", "said"), [
    ("def backprop(:", "SyntaxError"), ("import no_such_module", "ModuleNotFoundError"),
    ("def backprop(x, y): ...", "takes (x, y)"), ("x = 1", "there is no function in submission.py"),
    ("def backprop(*given): return None", "not judged: smoke: "),
])
def test_a_submission_that_cannot_be_called_has_no_points(code, said, submission, capsys):
    Path(submission).write_text(code)
    assert cli.main(["grade", submission, "--points", str(POINTS), "--gradescope", "results.json"]) == 0
    assert ": 0 of 10 points\n" in capsys.readouterr().out
    results = json.loads(Path("results.json").read_text())
    assert results["score"] == 0
    assert all(said in test["output"] for test in results["tests"])


def test_a_row_is_the_last_line_of_a_cell(capsys):
    graded = Grade("mine", (Scored("a", 0.5, 2.0, ("the gradient is wrong: bias",)), Scored("b", 1.0, 1.0)))
    assert graded.row("a") == 0.5
    assert capsys.readouterr() == ("the gradient is wrong: bias\n", "")
    with pytest.raises(KeyError, match="no row 'c'; there is 'a', 'b'"):
        graded.row("c")


# --- points files that are none ---------------------------------------------------------------------

ROW = '[[row]]\nname = "a"\npoints = 1\n'


@pytest.mark.parametrize(("text", "said"), [
    ("", "no row; wanted at least one [[row]]"),
    ("row = 3", "no row; wanted at least one [[row]]"),
    ("hint = 'layer'\n" + ROW, "points: unknown key 'hint'; allowed: hints, claims, examples, seconds, row"),
    ("hints = 'all'\n" + ROW, "hints: unknown 'all'; allowed: none, symptom, layer, mistake, line"),
    (ROW, "row 1 (a): it covers nothing; wanted one of gradients, properties, activations, losses, layers, dtypes, doors"),
    (ROW + "gradients = ['biases']", "row 1 (a): gradients: unknown 'biases'; allowed: loss, weight, bias, inputs; "
                                     "did you mean bias?"),
    (ROW + "activations = ['rleu']", "row 1 (a): activations: unknown 'rleu'; allowed: identity, sigmoid"),
    (ROW + "properties = ['batch_aditivity']", "row 1 (a): properties: unknown 'batch_aditivity'; did you mean "),
    (ROW + "activation = ['relu']", "row 1 (a): unknown key 'activation'; allowed: name, points, hints, gradients"),
    (ROW + "gradients = 'bias'", "row 1 (a): gradients is 'bias', wanted a list of names"),
    ("[[row]]\nname = 'a'\ngradients = ['bias']", "row 1 (a): points: wanted a number above 0; received None"),
    ("[[row]]\nname = 'a'\npoints = -1\ngradients = ['bias']", "wanted a number above 0; received -1"),
    ("[[row]]\npoints = 1", "row 1: name is None, wanted a text"),
    (2 * (ROW + "gradients = ['bias']\n"), "two rows are called 'a'"),
    (ROW + "gradients = ['bias']\n[claims]\nhiden = ['tanh']", "claims: unknown key 'hiden'"),
    ("examples = 0\n" + ROW + "gradients = ['bias']", "examples: wanted a whole number, 1 or more; received 0"),
    ("[[row", "is not TOML: "),
])
def test_a_points_file_that_is_none_is_one_line(text, said, tmp_path, capsys):
    file = tmp_path / "points.toml"
    file.write_text(text)
    with pytest.raises(PointsError) as caught:
        points_of(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")
    assert cli.main(["grade", "x.py", "--points", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_shows_the_file_that_it_runs():
    page = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    assert shown == POINTS.read_text(encoding="utf-8")
