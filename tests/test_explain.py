"""`explain`: the words that people type, every entry of the tables, every wrong update, and nothing at all."""

from functools import reduce

import backproof.reference
import numpy as np
import pytest
from backproof import cli
from backproof.faults import FAULTS
from backproof.faults.updating import WRONG_UPDATES
from backproof.kills import steps
from backproof.kills.entries import ENTRIES, about, changed
from backproof.kills.lessons import LESSONS, WORDS, lesson, plain
from backproof.kills.teaching import teach
from backproof.kills.telling import mistakes
from backproof.properties.catalogue import catalogue
from backproof.reference.checks import DescriptionError

TYPED = ("bias", "dense", "sigmoid", "update", "softmax", "batch norm", "relu", "mse", "backprop", "chain rule",
         "learning rate", "Batch-Norm", "weights", "cross entropy", "adam", "l2", "conv", "lstm", "gradient", "lr")


@pytest.mark.parametrize("word", TYPED)
def test_a_word_people_type_has_formula_place_and_mistakes(word):
    said = teach(word)
    assert "  formula: " in said
    assert "backproof.reference." in said
    found = lesson(word)
    named = [name for name in {**FAULTS, **WRONG_UPDATES} if f"    {name} " in said]
    assert named
    assert found is not None
    assert set(named) <= set(mistakes(found))


def test_bias_says_that_it_is_a_sum_and_lists_the_bias_family():
    said = teach("bias")
    assert "delta.sum(axis=0)" in said
    assert "docs/bias.md" in said
    assert set(mistakes(WORDS["bias"])) == {name for name, row in FAULTS.items() if row.family == "bias"}


@pytest.mark.parametrize("row", LESSONS, ids=lambda row: row.words[0])
def test_a_lesson_stands_where_it_says_and_finds_what_it_names(row):
    for place in row.where:
        assert thing(place) is not None
    assert set(row.families) <= {fault.family for fault in FAULTS.values()}
    assert all(name in ENTRIES[table] for table, name in row.entries)
    every = {**FAULTS, **WRONG_UPDATES}
    for pattern in row.names:
        assert mistakes(row._replace(families=(), entries=(), names=(pattern,))).keys() <= every.keys()
        assert mistakes(row._replace(families=(), entries=(), names=(pattern,))), f"{pattern} finds nothing"
    for more in row.more:
        assert more.endswith(".md") or cli.main(more.split()) == 0


def thing(place):
    """The object of this name below backproof.reference; its modules are imported on the way."""
    __import__(f"backproof.reference.{place.split('.')[0]}")
    if place.startswith("layers."):
        __import__(f"backproof.reference.{'.'.join(place.split('.')[:2])}")
    return reduce(getattr, place.split("."), backproof.reference)


def test_no_word_is_of_two_lessons():
    words = [plain(word) for row in LESSONS for word in row.words]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, rows in ENTRIES.items() for name in rows])
def test_every_entry_of_the_tables_is_explained(table, name):
    assert "backproof.reference." in teach(name)
    assert teach(name.replace("_", " ")) == teach(name)


def test_an_entry_has_the_mistakes_that_change_it_and_no_other():
    assert changed("mish-inner-derivative-left-out") == {("activations", "mish")}
    assert "mish-inner-derivative-left-out" in about(("activations", "mish"))
    assert "mish-inner-derivative-left-out" not in about(("activations", "sigmoid"))
    assert next(iter(about(("activations", "sigmoid")))).startswith("sigmoid-")


def test_numbers_are_those_of_the_reference():
    said = teach("sigmoid")
    y = 1 / (1 + np.exp(-0.5))
    assert f"{y:.6g}" in said
    assert f"{y * (1 - y):.6g}" in said


# --- wrong updates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG_UPDATES)
def test_every_wrong_update_is_explained_in_steps_that_differ(name):
    said, row = teach(name), WRONG_UPDATES[name]
    assert row.symptom in said
    assert row.wrong in said
    assert row.right in said
    assert row.seen in said
    seen = steps.example(row)
    assert seen is not None
    assert row.concerns(seen.rule)
    assert any(steps.apart(a, b) for a, b in zip(seen.wrong, seen.right, strict=True))
    assert said.count("wrong: 0.") == said.count("right: 0.") == steps.STEPS


def test_right_steps_are_those_of_the_formula():
    """Momentum by hand: v = 0.9 v - 0.1 p, p + v."""
    seen = steps.example(WRONG_UPDATES["momentum-is-nesterov"])
    p, v = np.array([[1.0], [-2.0]]), 0.0
    for right in seen.right:
        v = 0.9 * v - 0.1 * p
        p = p + v
        np.testing.assert_allclose(right, p, rtol=1e-12)


def test_a_right_update_has_no_example():
    right = WRONG_UPDATES["momentum-forgotten"]._replace(change=lambda rule: steps.Change(rule))
    assert steps.example(right) is None


def test_wrong_updates_are_listed(capsys):
    assert cli.main(["list", "faults"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in WRONG_UPDATES)


# --- nothing, and what nobody knows ---------------------------------------------------------------------------------


def test_nothing_shows_what_there_is(capsys):
    assert cli.main(["explain"]) == 0
    said = capsys.readouterr().out
    assert "python -m backproof explain bias\n" in said
    assert all(row.words[0] in said for row in LESSONS)
    assert all(name in said or lesson(name) for rows in ENTRIES.values() for name in rows)
    assert max(map(len, said.splitlines())) <= 100


def test_words_need_no_quotes(capsys):
    assert cli.main(["explain", "batch", "norm"]) == 0
    assert capsys.readouterr().out.startswith("batch norm\n")


@pytest.mark.parametrize(("typed", "meant"), [
    ("bais", "bias"), ("sigmoidd", "sigmoid"), ("soft max", "softmax"), ("learning rates!", "learning rate"),
    ("bias-averaged-over-bach", "bias-averaged-over-batch"), ("momentum-is-nesterv", "momentum-is-nesterov")])
def test_an_unknown_word_gets_names_near_to_it(typed, meant):
    with pytest.raises(DescriptionError, match=f"did you mean .*{meant}"):
        teach(typed)


@pytest.mark.parametrize("typed", ["xqzw", "\x1b[31m", "a" * 10_000, "\ud800"])
def test_what_nothing_is_like_is_refused_in_one_short_line(typed):
    with pytest.raises(DescriptionError) as refused:
        teach(typed)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_a_known_name_comes_before_a_word():
    for name in {**FAULTS, **WRONG_UPDATES, **catalogue()}:
        assert teach(name).startswith(f"{name} (a ") if lesson(name) else True, name
