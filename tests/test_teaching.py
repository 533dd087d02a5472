"""Words that people type, mistakes of updates, the page on the bias gradient and the kill matrix's picture."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from backproof import cli
from backproof.faults import FAULTS
from backproof.faults.updating import WRONG_UPDATES
from backproof.kills import bias, teaching
from backproof.kills.lessons import (
    ANY,
    FORMULAS,
    LAYER_FORMULAS,
    LESSONS,
    LOSS_FORMULAS,
    OTHER_WORDS,
    Lesson,
    U,
    subject_of,
)
from backproof.kills.matrix import Row, svg
from backproof.kills.teaching import mistakes, teach
from backproof.properties.catalogue import codes
from backproof.reference import ACTIVATIONS, LAYERS, LOSSES, Case, evaluate, parse
from backproof.reference.checks import DescriptionError
from backproof.reference.numbers import erf
from backproof.reference.training import UPDATES

ROOT = Path(__file__).resolve().parent.parent
TYPED = ("bias", "dense", "sigmoid", "update", "softmax", "batch norm", "relu", "mse", "backprop", "chain rule",
         "learning rate", "Weight-Decay", "BatchNorm", "cross entropy", "lstm", "momentum", "adam")


def softmax(p):
    return np.exp(p) / np.sum(np.exp(p))


NAMES = {name: getattr(np, name) for name in
         ("exp", "log", "tanh", "sqrt", "maximum", "where", "clip", "sign", "abs", "sum", "pi")}


def value(formula, **given):
    """A formula that is taught, computed."""
    text, _, where = formula.partition(", where u = ")
    names = {**NAMES, "erf": erf, "softmax": softmax, **given}
    u = {"u": eval(where, names)} if where else {}
    return np.asarray(eval(text.removeprefix("dx = "), {**names, **u}), dtype=float), u


# --- formulas -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_formulas_of_an_activation_are_those_of_the_reference(name):
    x, dy = np.array([[-4.1, -1.3, -0.4, 0.2, 0.9, 2.5]]), np.array([[0.3, -1.0, 2.0, 0.7, 1.0, -0.2]])
    options = {key: option.default for key, option in ACTIVATIONS[name].options.items()}
    f, df = FORMULAS[name]
    y, u = value(f, x=x)
    back, _ = value(df, x=x, y=y, dy=dy, **u)
    row = ACTIVATIONS[name]
    np.testing.assert_allclose(y, row.f(x, **options), rtol=1e-12)
    back = back if df.startswith("dx") else back * dy
    np.testing.assert_allclose(back, row.backward(x, y, dy, **options), rtol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_the_formulas_of_a_loss_are_those_of_the_reference(name):
    row = LOSSES[name]
    p = np.array([[0.15, 0.6, 0.25]])
    t = {"sign": np.array([[1.0, -1.0, 1.0]])}.get(row.targets[0], np.array([[0.2, 0.7, 0.1]]))
    options = {"delta": 1.0} if "delta" in row.options else {}
    loss, gradient = (value(text, p=p, t=t)[0] for text in LOSS_FORMULAS[name])
    np.testing.assert_allclose(loss.sum(), row.L(p, t, **options).sum(), rtol=1e-12)
    np.testing.assert_allclose(gradient, row.dL(p, t, **options), rtol=1e-12)


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", TYPED)
def test_a_word_has_its_formulas_its_place_and_its_mistakes(word):
    said = teach(word)
    place = re.search(r"computed in: (\S+)", said)[1]
    assert (ROOT / place).is_file()
    named = [name for name in {**FAULTS, **WRONG_UPDATES} if f"    {name} " in said]
    assert named
    assert f"explain {next(iter(mistakes(LESSONS[subject_of(word)])))}" in said


def test_every_word_leads_to_a_lesson_whose_place_is_there():
    assert {*OTHER_WORDS.values()} <= {*LESSONS}
    assert {*LAYERS, *ACTIVATIONS, *LOSSES} - {"activation"} <= {*LESSONS}
    assert all((ROOT / lesson.stands).is_file() for lesson in LESSONS.values())
    families = {fault.family for fault in FAULTS.values()}
    assert all({*lesson.families} & families or lesson.rows or lesson.names for lesson in LESSONS.values())
    assert all({*lesson.rows} - {ANY} <= {*UPDATES} for lesson in LESSONS.values())


@pytest.mark.parametrize("name", [name for name, lesson in LESSONS.items() if lesson.names])
def test_every_pattern_of_names_finds_a_mistake(name):
    for pattern in LESSONS[name].names:
        assert mistakes(Lesson((), "", names=(pattern,))), pattern


def test_what_is_shown_in_numbers_is_the_formula():
    """By hand: sigmoid at 0.5 and -2, and the squared error of (0.2, 0.7, 0.1) and (0, 1, 0)."""
    said = teach("sigmoid")
    y = 1 / (1 + np.exp(2.0))
    assert f"y = [{y:.4g}, " in said
    assert f"dx = [{y * (1 - y):.4g}, " in said
    assert "L = 0.14, dL/dp = [0.4, -0.6, 0.2]" in teach("mse")


@pytest.mark.parametrize(("word", "line"), [
    ("batch norm", "dx = (g - mean(g) - u * mean(g * u))"), ("lstm", "dc[t+1] * f[t+1]"), ("bptt", "h[t-1].T @ dz[t]"),
    ("dropout", "with the same mask"), ("conv", "sum over examples and places of dy"), ("loss", "loss that is reported"),
    ("transposed", "x.T @ delta"), ("nan", "inf / inf"), ("gradcheck", "(2 * h)"), ("clip norm", "limit / norm"),
    ("vanishing gradients", "it is no mistake"), ("activation", "dx = dy * f'(x)")])
def test_a_word_has_the_line_that_one_looks_for(word, line):
    assert line in teach(word)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "dropout"])
def test_the_formulas_of_a_layer_are_those_of_the_reference(name):
    """The line for dx, computed: means over the examples, or over the features of each."""
    axis = {"batch_norm": 0}.get(name, -1)
    options = {"dropout": {"rate": 0.25}}.get(name, {"epsilon": 0.1})
    network = parse.network({"format": 1, "input_shape": [3], "layers": [{"kind": name, **options}],
                             "loss": {"kind": "inner_product", "reduction": "sum"}})
    rng = np.random.default_rng(5)
    x, dy = rng.normal(size=(2, 4, 3))
    scale, bias_ = rng.normal(size=(2, 3))
    mask = np.array([[1.0, 0.0, 1.0]] * 4)
    case = Case(network, {"0.scale": scale, "0.bias": bias_} if name != "dropout" else {}, x, dy,
                constants={"0.mask": mask} if name == "dropout" else {})
    lines = [line.removeprefix("dx = ").partition("      ")[0] for line in LAYER_FORMULAS[name] if line.startswith("dx = ")]
    given = {"x": x, "dy": dy, "scale": scale, "mask": mask, "sqrt": np.sqrt, "epsilon": 0.1, **options,
             "mean": lambda a: a.mean(axis=axis, keepdims=True), "var": lambda a: a.var(axis=axis, keepdims=True)}
    given["g"] = scale * dy
    given["u"] = eval(U.partition(" = ")[2], given)
    dx = eval(lines[0].partition(", where")[0], given)
    np.testing.assert_allclose(dx, evaluate(case).gradients["inputs"], rtol=1e-12, atol=1e-14)


def test_the_mistakes_of_an_activation_show_with_it():
    tanh, relu = (mistakes(LESSONS[name]) for name in ("tanh", "relu"))
    assert "derivative-of-sigmoid-for-tanh" in tanh
    assert "derivative-of-sigmoid-for-tanh" not in relu
    assert "derivative-missing" in tanh
    assert "derivative-missing" in relu
    assert "derivative-missing" not in mistakes(LESSONS["identity"])


def test_a_mistake_and_a_property_come_before_a_word():
    assert teach("bias-negated").startswith("bias-negated (a mistake; bias)")
    assert teach("batch_additivity").startswith("batch_additivity (a property)")


def test_an_unknown_word_has_close_ones():
    with pytest.raises(DescriptionError, match=r"unknown 'sigmod'; did you mean sigmoid"):
        teach("sigmod")


def test_nothing_prints_what_there_is(capsys):
    assert cli.main(["explain"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("weight decay", "softmax", "batch_additivity", "explain bias"))


def test_words_need_no_quotes(capsys):
    assert cli.main(["explain", "weight", "decay"]) == 0
    assert "decay-on-biases" in capsys.readouterr().out


# --- updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG_UPDATES)
def test_a_mistake_of_an_update_has_an_example_in_numbers(name):
    said = teach(name)
    row = WRONG_UPDATES[name]
    assert all(text in said for text in (row.symptom, row.wrong, row.right, row.seen))
    wrong, right = re.findall(r"(?:wrong|right): .* after each step = \[(.*)\]", said)
    assert wrong != right


def test_updates_are_listed_with_the_mistakes(capsys):
    assert cli.main(["list", "faults"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in WRONG_UPDATES)


# --- the page on the bias gradient --------------------------------------------------------------


def test_the_numbers_of_the_page_are_a_sum():
    found = bias.numbers()
    assert found.gradient == sum(found.deltas) == pytest.approx(found.difference, rel=1e-9)
    assert len(set(found.deltas)) == 2


def test_the_page_and_its_picture_are_up_to_date(tmp_path):
    for path in bias.write(tmp_path):
        assert path.read_text() == (ROOT / "docs" / path.name).read_text(), (
            "python -m backproof explain bias --out docs")


def test_there_is_no_page_on_anything_else(tmp_path, capsys):
    assert cli.main(["explain", "relu", "--out", str(tmp_path)]) == 2
    assert "a page on bias only" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_mean_would_be_another_picture(monkeypatch):
    monkeypatch.setattr(bias, "evaluate", FAULTS["bias-averaged-over-batch"].engine(bias.TABLES))
    found = bias.numbers()
    assert found.gradient != sum(found.deltas)


# --- the kill matrix ----------------------------------------------------------------------------


def rows():
    return [Row(name, {judge: i % 3 for i, judge in enumerate(codes())}, 40, (1,), 0.5, fault.family)
            for name, fault in FAULTS.items()]


def test_the_picture_has_a_row_for_each_family_and_says_how_many():
    root = ElementTree.fromstring(svg(rows()))
    said = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    families = {fault.family for fault in FAULTS.values()}
    judges = [judge for i, judge in enumerate(codes()) if i % 3]
    assert len(said) == 1 + len(families) * len(judges)
    count = sum(fault.family == "bias" for fault in FAULTS.values())
    assert f"bias ({count}) before {list(codes())[1]}: {count} of {count} killed" in said
    assert not any(f"before {next(iter(codes()))}:" in each for each in said)


def test_a_judge_that_kills_some_of_a_family_is_lighter():
    names = [name for name, fault in FAULTS.items() if fault.family == "bias"][:4]
    some = svg([Row(name, {"torch": i % 2, "jax": 1}, 40, (1,), 0.5, "bias") for i, name in enumerate(names)])
    shades = dict(re.findall(r'fill-opacity="([\d.]+)"><title>(.*?)</title>', some))
    assert shades == {"0.56": "bias (4) before torch: 2 of 4 killed", "1.00": "bias (4) before jax: 4 of 4 killed"}


@pytest.mark.parametrize("drawn", [svg([Row("x", {"normalisation": 1}, 40, (1,), 0.5, "transformer_block")]),
                                   (ROOT / "docs/kill-matrix.svg").read_text()])
def test_nothing_of_the_picture_is_clipped(drawn):
    root = ElementTree.fromstring(drawn)
    width, height = (float(root.get(key)) for key in ("width", "height"))
    for each in root.iter("{http://www.w3.org/2000/svg}text"):
        long, turned = 7.2 * len(each.text), each.get("transform")
        x, y = map(float, re.findall(r"[\d.]+", turned)[:2] if turned else (each.get("x"), each.get("y")))
        before = {"end": long, "middle": long / 2, None: 0.0}[each.get("text-anchor")]
        left, right = (x, x + long / 2) if turned else (x - before, x - before + 0.85 * long)
        top = y - 0.866 * long if turned else y - 12
        assert 0 <= left < right <= width, each.text
        assert 0 <= top < y <= height, each.text


def test_examples_are_asked_of_the_wrong_rule(monkeypatch):
    monkeypatch.setattr(teaching, "_path", lambda case, rule, changed: dict.fromkeys(case.parameters, np.ones((4, 1))))
    assert "example" not in teach("velocity-multiplied")
