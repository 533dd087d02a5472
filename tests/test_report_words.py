"""The words of a report: each from data, each true."""

import numpy as np
from backproof import Head, implementation, verify
from backproof.faults import FAULTS
from backproof.naming import matching, no_answer, words
from backproof.naming.traits import TRAITS, Kind
from backproof.properties.tolerance import spread
from backproof.record.report import Report
from backproof.record.shown import NAMED, NUMBERS, condition, simplest
from backproof.record.written import written
from backproof.reference import Case, evaluate


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


# --- what a finding says --------------------------------------------------------------------------------------------

HEAD = [Head("identity", "squared_error", reduction="mean")]


def linear(change, **claims):
    """A right perceptron of linear layers whose loss and gradients are changed; change(case, answer)."""
    @implementation(hidden=["identity", "tanh"], heads=HEAD, **claims)
    def backprop(network, parameters, inputs, targets):
        case = Case(network, parameters, inputs, targets, str(inputs.dtype), {})
        answer = evaluate(case)
        return answer.loss, change(case, dict(answer.gradients))

    return backprop


def report(change, examples=40, **claims):
    return verify(linear(change, **claims), examples=examples, oracles=("torch",))


def test_an_exception_is_said_to_be_raised_and_a_hang_to_be_one(monkeypatch):
    def raises(case, g):
        raise ValueError("no luck") if case.batch > 2 else ZeroDivisionError("nor here")

    heads = [finding.headline for finding in report(raises, 8).findings]
    assert any(head.startswith("raised ValueError: no luck (") for head in heads) or heads == [], heads
    assert not any("hung" in head for head in heads)
    assert no_answer.said("TookTooLong", "answers", True, "TookTooLong: no answer within 10 s (a.py:3)") == (
        "no answer within 10 s (a.py:3)")
    assert no_answer.said("shape", "contract", False, "0.bias: shape") == "contract: 0.bias: shape"


def test_a_true_zero_is_neither_right_nor_wrong():
    assert words.sides(["0.bias"], ["1.weight"], ["0.weight"]) == (
        "wrong: 0.bias; right: 1.weight; 0 in truth, so neither: 0.weight")
    finding, = report(lambda case, g: {k: g[k] + (k == "0.bias") for k in g}).findings
    assert "0.bias" in finding.wrong
    assert not set(finding.zero) & (set(finding.right) | set(finding.wrong))
    assert finding.zero
    assert f"0 in truth, so neither: {words.names(finding.zero)}" in finding.text


def test_a_factor_near_one_is_not_written_as_one():
    assert written(1.00001) == "1.00001"
    assert written(1 + 2e-9) == "1.000000002"
    assert written(-1.0000002) == "-1.0000002"
    assert written(1.0) == "1"
    assert written(2.0000001) == "2"
    finding, = report(lambda case, g: {k: g[k] * 1.00001 for k in g}).findings
    assert "factor = 1.00001: " in finding.text
    assert " 1 times" not in finding.text


def test_nothing_is_described_where_only_zeros_are_wrong():
    """Wrong where two biases are equal: other numbers on the same network are right, and zeros equal zeros."""
    def change(case, g):
        biases = [v for k, v in case.parameters.items() if k.endswith("bias")]
        if any(len(set(b.tolist())) < len(b) for b in biases):
            return {k: v[::-1].copy() if k.endswith("bias") else v for k, v in g.items()}
        return g

    for finding in report(change, 60).findings:
        assert not [word for word in ("is that of", "-1 times", "the transpose") if word in finding.explanation], finding


def test_lost_digits_are_a_kind_of_their_own():
    def change(case, g):
        rng, s = np.random.default_rng(0), spread(case)
        return {k: v + 17 * s.gradients[k] * rng.choice([-1, 1], v.shape) for k, v in g.items()}

    finding, = report(change, 25, depth=(3, 5)).findings
    assert finding.loses_digits
    assert "loses digits" in finding.headline
    finding, = report(lambda case, g: {k: v * 1.0001 for k, v in g.items()}).findings
    assert not finding.loses_digits
    assert "loses digits" not in finding.text


def test_an_absent_oracle_is_named_beside_the_verdict_with_its_line():
    of = Report("mine", "conforms", {}, 0, counts={"torch": {"not_available": 1}, "reference": {"passed": 3}})
    assert of.text().split("\n")[:2] == ["mine: CONFORMS", '  torch was not there: pip install "backproof[torch]"']


def test_of_several_names_the_one_that_shows_on_the_fewest_networks_leads():
    class Seen:
        def __init__(self, *names):
            self.names, self.right = names, not names

        def shows(self, fault):
            return fault in self.names

    wide, narrow = FAULTS["bias-averaged-over-batch"], FAULTS["bias-scalar"]
    evidence = matching.Evidence([], [], [Seen(wide, narrow), Seen(wide), Seen()], {})
    assert list(matching.specific({"wide": wide, "narrow": narrow}, evidence)) == ["narrow", "wide"]
