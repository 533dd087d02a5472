"""The words of a report: each from data, each true."""

from backproof.naming.traits import TRAITS, Kind
from backproof.record.shown import NAMED, NUMBERS, condition, simplest


def test_every_trait_has_words():
    of_numbers = {name for name, trait in TRAITS.items() if trait.kind in (Kind.WHOLE, Kind.REAL)}
    assert of_numbers == NUMBERS.keys()
    assert TRAITS.keys() - of_numbers == NAMED.keys()


def said(trait, relation, value=None, nearest=None):
    return condition({"trait": trait, "relation": relation, "value": value, "nearest": nearest})


def test_a_condition_in_words():
    assert said("batch", ">=", 5, 4) == "where batch > 4"
    assert said("batch", "<=", 5, 6) == "where batch < 6"
    assert said("batch", ">=", 8, 4) == "where batch >= 8 (right up to 4)"
    assert said("batch", "=", 1) == "where batch = 1"
    assert said("batch", "odd") == "where batch is odd"
    assert said("batch", "not divisible by", 4) == "where batch is not divisible by 4"
    assert said("dtype", "has", "float32") == "with dtype float32"
    assert said("loss", "lacks", "huber") == "without loss huber"
    assert said("square weight", "holds not") == "without a square weight"
    assert said("|z|", ">=", 10.04, 9.97) == "where largest |z| > 10 (right at 9.97, wrong at 10.04)"


def test_the_simplest_number_lies_between():
    assert simplest(9.97, 10.04) == 10
    assert simplest(0.123449, 0.123451) == 0.12345
    assert simplest(-3.2, -2.9) == -3
