"""The identities: right code keeps every one of them, and for each there is wrong code that breaks it."""

import numpy as np
import pytest
from backproof.properties import own_loss
from backproof.properties.agreement import differing
from backproof.properties.claims import Claims, Head
from backproof.properties.identities import PROPERTIES
from backproof.properties.strategies import cases
from backproof.properties.tolerance import spread
from backproof.reference import evaluate
from wrong_engines import WRONG, broken, drawn_cases, inside, pool, questions, replies, valid

# The mistake that each property is for: no other row of the table is needed to see it break.
BREAKS = {
    "repeated_question": "accumulating",
    "another_case_between": "caching the last batch",
    "batch_additivity": "bias averaged",
    "batch_permutation": "bias of the first example",
    "batch_duplication": "weight averaged",
    "single_example": "bias before the activation",
    "bias_is_weight_of_one": "bias zero",
    "zero_input": "weight of shifted inputs",
    "proportional_inputs": "weight growing with the input",
    "input_permutation": "weight transposed where square",
    "input_standardisation": "weight of absolute inputs",
    "input_energy": "passed on without W",
    "unit_permutation": "weight growing with the unit",
    "unit_splitting": "passed on without W",
    "dead_unit": "weight of another unit",
    "silent_unit": "W for its transpose where square",
    "unit_rescaling": "passed on without W",
    "odd_flip": "absolute W",
    "unit_balance": "passed on twice",
    "matrix_balance": "identity derivative 1/2",
    "sigmoid_flip": "derivative at the value",
    "softmax_sum": "softmax diagonal",
    "logit_shift": "gradient with decay",
    "translation": "loss gradient of the output alone",
    "output_permutation": "first output only",
    "target_mixture": "loss gradient clipped",
    "cotangent_linearity": "loss gradient plus a constant",
    "upstream_additivity": "upstream ignored",
    "dropped_unit": "dropout mask missing",
    "word_renumbering": "rows counted from 1",
    "absent_words": "every row",
    "embedding_of_one_hot": "rows overwritten",
    "branch_permutation": "second branch left out",
    "norm_shift": "norms without the path through the mean",
    "norm_stretch": "norms without the path through the variance",
    "norm_rescaling": "norms that forget their scale",
    "attention_rescaling": "queries and keys exchanged",
    "attention_balance": "values by scores",
    "attention_shift": "values by scores",
    "attention_steps": "heads not merged",
    "shared_is_sum": "one use of a shared weight",
    "step_permutation": "examples growing",
    "recurrent_biases": "second bias doubled",
    "recurrent_unit_order": "weight growing with the unit",
    "recurrent_unit_flip": "U for its transpose",
    "time_reversal": "time not turned back",
    "masked_steps": "masks forgotten",
    "energy_through_pooling": "flattened by columns",
    "channel_permutation": "weight growing with the input",
    "padding_around_inputs": "padding cut off behind",
}
# One common factor keeps every identity between gradients: these take the loss to be seen.
COMMON_FACTORS = ("gradient doubled", "gradient with the wrong sign", "gradient zero", "gradient times outputs")
TIGHT = {
    "batch 4 to 8": Claims(hidden=("tanh",), batch=(4, 8)),
    "batch 3": Claims(hidden=("relu",), batch=(3, 3)),
    "12 parameters": Claims(hidden=("sigmoid",), max_parameters=12, bias="any"),
    "soft targets": Claims(hidden=("tanh",), heads=(Head("identity", "softmax_cross_entropy", targets="soft"),)),
    "soft probabilities": Claims(heads=(Head("softmax", "cross_entropy", targets="soft"),), dtypes=("float32",)),
    "classes": Claims(hidden=("relu",), heads=(Head("softmax", "cross_entropy", targets="one_hot", outputs=(3, 4)),)),
    "binary": Claims(heads=(Head("sigmoid", "binary_cross_entropy", targets="binary"),), bias="never"),
    "cotangents": Claims(hidden=("identity",), heads=(Head("identity", "inner_product", scale=0.5),), depth=(2, 2)),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_right_code_keeps_it(name):
    asked = questions(name)
    assert len(asked) >= 12
    assert {case.dtype for each, _ in asked for case, _ in each} == {"float64", "float32"}
    assert all(list(judge(replies(evaluate, each))) for each, judge in asked)
    assert broken(name, lambda: evaluate) == 0


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_mistake_it_is_for_breaks_it(name):
    assert broken(name, WRONG[BREAKS[name]]) >= len(questions(name)) / 5


@pytest.mark.parametrize("wrong", [name for name in WRONG if name not in COMMON_FACTORS])
def test_every_mistake_breaks_some_identity(wrong):
    """Some are rare: a leaky relu between two sites stands in few networks, so more are asked of these."""
    assert any(broken(name, WRONG[wrong], count) for count in (8, 120) for name in PROPERTIES)


@pytest.mark.parametrize("wrong", COMMON_FACTORS)
def test_a_common_factor_breaks_none_but_those_that_know_a_scale(wrong):
    # the logits' gradients sum to 0 within a right program's rounding, which the factor multiplies too
    assert {name for name in PROPERTIES if broken(name, WRONG[wrong], 8)} <= {"logit_shift"}


def shows(make, case):
    """Whether the mistake changes a gradient of the case by more than a thousandth."""
    right, wrong = evaluate(case).gradients, make()(case).gradients
    return any(np.abs(wrong[k] - g).max() > 1e-3 * np.abs(g).max() for k, g in right.items())


def held(check, make, count):
    """Whether the equations of `check` hold, for the first cases where it applies and the mistake shows."""
    rng, found = np.random.default_rng(0), []
    for case in [case for case in pool() if case.dtype == "float64" and len(case.parameters) < 9]:
        if make is not RIGHT and not shows(make, case):
            continue
        engine = make()
        reply, = replies(engine, valid([case]))
        equations = check(reply, *((engine, spread, rng) if check is own_loss.line_integral else (engine, rng)))
        if equations is not None:
            found.append(all(differing(*equation) is None for equation in equations))
            if len(found) == count:
                break
    return found


def RIGHT():  # noqa: N802
    return evaluate


CHECKS = pytest.mark.parametrize("check", [own_loss.directional, own_loss.line_integral])


@CHECKS
def test_the_gradient_is_that_of_the_loss(check):
    assert held(check, RIGHT, 25) == [True] * 25


@CHECKS
@pytest.mark.parametrize("wrong", [*COMMON_FACTORS, "bias averaged", "derivative missing", "softmax diagonal",
                                   "loss gradient plus a constant"])
def test_a_gradient_of_another_loss_is_seen(check, wrong):
    found = held(check, WRONG[wrong], 12)
    assert len(found) == 12
    assert sum(found) <= 5


@pytest.mark.parametrize("claims", TIGHT.values(), ids=TIGHT)
def test_what_a_property_asks_stays_inside_the_claims(claims):
    rng, applied = np.random.default_rng(0), set()
    for case in drawn_cases(cases(claims), 3, 40):
        for name, row in PROPERTIES.items():
            question = row.question(case, claims, rng)
            for asked in question.cases if question else ():
                applied.add(name)
                assert inside(asked, claims), name
    assert len(applied) > 7


def test_mixed_targets_are_distributions_where_they_were():
    claims = TIGHT["soft targets"]
    for case in drawn_cases(cases(claims), 5, 60):
        question = PROPERTIES["target_mixture"].question(case, claims, np.random.default_rng(0))
        for asked in question.cases if question else ():
            if asked.targets.shape[1] > 1:
                assert np.all(asked.targets.sum(axis=1) == 1)
                assert np.all(asked.targets >= 0)
