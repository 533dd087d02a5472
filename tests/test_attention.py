"""Attention and transformer blocks: right by every other way to a gradient; what is hidden hands nothing on."""

import importlib.util
import sys
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest
import torch
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.showing import shows
from backproof.judging.plan import drawn
from backproof.oracles import load
from backproof.properties.claims import EVERYTHING, Claims
from backproof.properties.strategies import Style, build, cases, networks
from backproof.properties.structures import structures_of
from backproof.properties.structures.transformer import is_block
from backproof.properties.tolerance import SLACK, bounds, spread
from backproof.reference import TABLES, DescriptionError, evaluate, forward, parse
from vjp_cases import check

FILE = Path(__file__).with_name("second") / "attention.py"
spec = importlib.util.spec_from_file_location("second_attention", FILE)
sys.modules[spec.name] = second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)

HEADS = ({"heads": 2}, {"heads": 2, "key_heads": 1}, {"heads": 4, "key_heads": 2, "width": 2},
         {"heads": 3, "width": 2, "bias": False})
SEEN = tuple({"causal": causal, "mask": mask} for causal, mask in product((False, True), repeat=2))
MORE = ({}, {"rotary": "pairs"}, {"rotary": "halves", "softcap": 1.5})
ROWS = [{**heads, **there, **more} for heads, there, more in product(HEADS, SEEN, MORE)]
EVERY = pytest.mark.parametrize("options", ROWS, ids=str)


def network(steps=3, n=4, loss="squared_error", **options):
    return parse.network({"format": 1, "input_shape": [steps, n], "layers": [{"kind": "attention", **options}],
                          "loss": {"kind": loss}})


def case_of(options, batch=3, dtype="float64", seed=3, **more):
    """One example is hidden altogether, where there is a mask, and one in part."""
    case = build(network(**more, **options), batch, "real", Style(), seed, dtype)
    if options.get("mask"):
        mask = np.ones_like(case.constants["0.mask"])
        mask[0], mask[1:, -1] = 0, 0
        case = case.but(constants={"0.mask": mask})
    return case


# --- the same by other ways ---------------------------------------------------------------------------------------


@EVERY
def test_every_option_by_torch_and_jax(options):
    case = case_of(options)
    check(case, load("torch").answer(case))
    check(case, load("jax").answer(case))


@EVERY
def test_every_option_by_complex_step_and_balls(options):
    case = case_of(options, batch=2)
    check(case, load("complex_step").answer(case))
    check(case, load("arbiter").answer(case))


@EVERY
def test_float32_stays(options):
    case = case_of(options, dtype="float32")
    answer = evaluate(case)
    check(case, answer)
    assert {np.asarray(a).dtype for a in (answer.loss, *answer.gradients.values())} == {np.dtype("float32")}


@EVERY
def test_bounds_are_finite(options):
    assert all(np.isfinite(g).all() for g in bounds(case_of(options)).gradients.values())


@pytest.mark.parametrize("causal", [False, True])
def test_torch_nn(causal):
    case = case_of({"heads": 2, "causal": causal})
    layer, x = torch.nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64), torch.tensor(case.inputs)
    p, x = {name: torch.tensor(value) for name, value in case.parameters.items()}, x.requires_grad_(True)
    three = ("query", "key", "value")
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([p[f"0.{part}_weight"].T for part in three]))
        layer.in_proj_bias.copy_(torch.cat([p[f"0.{part}_bias"] for part in three]))
        layer.out_proj.weight.copy_(p["0.output_weight"].T)
        layer.out_proj.bias.copy_(p["0.output_bias"])
    mask = torch.ones(3, 3, dtype=torch.bool).triu(1) if causal else None
    y, _ = layer(x, x, x, need_weights=False, attn_mask=mask)
    ((y - torch.tensor(case.targets)) ** 2).sum().div(len(x)).backward()
    g = evaluate(case).gradients
    np.testing.assert_allclose(forward(case).outputs, y.detach().numpy(), rtol=1e-11)
    np.testing.assert_allclose(g["inputs"], x.grad.numpy(), rtol=1e-10, atol=1e-13)
    for i, part in enumerate(three):
        theirs = layer.in_proj_weight.grad[4 * i:4 * i + 4].T.numpy()
        np.testing.assert_allclose(g[f"0.{part}_weight"], theirs, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(g["0.output_weight"], layer.out_proj.weight.grad.T.numpy(), rtol=1e-10, atol=1e-13)


def test_two_steps_by_hand():
    """One head of width 1, all weights 1, x = (0, 1): p = 1 / (1 + e) and 1 - p for step 2, 1/2 each for step 1."""
    case = case_of({"bias": False}, batch=1, steps=2, n=1, loss="inner_product")
    case = replace(case, parameters={name: np.ones((1, 1)) for name in case.parameters},
                   inputs=np.array([[[0.0], [1.0]]]), targets=np.array([[[0.0], [1.0]]]))
    p = 1 / (1 + np.e)
    np.testing.assert_allclose(forward(case).outputs.ravel(), [0.5, 1 - p])
    g = evaluate(case).gradients
    np.testing.assert_allclose(g["0.query_weight"].item(), p * (1 - p))  # the output is sigmoid(q k) here
    np.testing.assert_allclose(g["0.key_weight"].item(), p * (1 - p))
    np.testing.assert_allclose(g["0.value_weight"].item(), 1 - p)
    np.testing.assert_allclose(g["inputs"].ravel(), [p - p * (1 - p), 1 - p + 2 * p * (1 - p)])


# --- what is hidden -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"rotary": "pairs", "softcap": 2.0, "key_heads": 1}], ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_an_example_whose_steps_are_all_hidden_gives_the_bias_and_hands_nothing_back(more, causal):
    case = case_of({"heads": 2, "mask": True, "causal": causal, **more})
    bias = case.parameters["0.output_bias"]
    np.testing.assert_array_equal(forward(case).outputs[0], np.broadcast_to(bias, (3, 4)))
    answer = evaluate(case)
    assert not answer.gradients["inputs"][0].any()
    assert all(np.isfinite(g).all() for g in answer.gradients.values())


def test_a_step_that_sees_none_because_of_both_takes_nothing():
    """The first step is hidden, and causality leaves it none other."""
    case = case_of({"heads": 2, "mask": True, "causal": True})
    case = case.but(constants={"0.mask": np.array([[0.0, 1.0, 1.0]] * 3)})
    y = forward(case).outputs
    np.testing.assert_array_equal(y[:, 0], np.broadcast_to(case.parameters["0.output_bias"], (3, 4)))
    for oracle in ("torch", "jax", "complex_step"):
        check(case, load(oracle).answer(case))


def test_what_stands_in_a_hidden_step_is_not_seen_by_others():
    case = case_of({"heads": 2, "mask": True})
    inputs = case.inputs.copy()
    inputs[:, -1] = 99.0
    other = case.but(inputs=inputs)
    np.testing.assert_array_equal(forward(case).outputs[:, :-1], forward(other).outputs[:, :-1])


def test_causal_steps_do_not_see_later_ones():
    case = case_of({"heads": 2, "causal": True, "rotary": "halves"})
    inputs = case.inputs.copy()
    inputs[:, -1] = 99.0
    other = case.but(inputs=inputs)
    np.testing.assert_array_equal(forward(case).outputs[:, :-1], forward(other).outputs[:, :-1])


# --- heads and angles ---------------------------------------------------------------------------------------------


def test_a_key_head_that_is_shared_has_the_sum_of_its_copies():
    shared = case_of({"heads": 4, "key_heads": 2, "width": 2, "bias": False})
    copies = dict(shared.parameters)
    for part in ("key", "value"):
        by_head = shared.parameters[f"0.{part}_weight"].reshape(4, 2, 2)
        copies[f"0.{part}_weight"] = by_head.repeat(2, axis=1).reshape(4, 8)
    apart = replace(shared, network=network(heads=4, width=2, bias=False), parameters=copies)
    one, four = evaluate(shared).gradients, evaluate(apart).gradients
    np.testing.assert_allclose(one["inputs"], four["inputs"])
    for part in ("key", "value"):
        total = four[f"0.{part}_weight"].reshape(4, 2, 2, 2).sum(axis=2).reshape(4, 4)
        np.testing.assert_allclose(one[f"0.{part}_weight"], total)


def test_pairs_and_halves_are_one_rotation_of_units_in_another_order():
    pairs = case_of({"heads": 1, "rotary": "pairs"})
    order, changed = [0, 2, 1, 3], dict(pairs.parameters)
    for part in ("query", "key"):
        changed[f"0.{part}_weight"] = pairs.parameters[f"0.{part}_weight"][:, order]
        changed[f"0.{part}_bias"] = pairs.parameters[f"0.{part}_bias"][order]
    halves = replace(pairs, network=network(heads=1, rotary="halves"), parameters=changed)
    one, other = evaluate(pairs).gradients, evaluate(halves).gradients
    np.testing.assert_allclose(one["inputs"], other["inputs"])
    np.testing.assert_allclose(one["0.query_weight"][:, order], other["0.query_weight"])


def test_the_first_step_is_not_turned_and_the_second_by_one_radian():
    """Queries and keys are all (1, 0): the angle between the steps is 1, and so the score cos(1)."""
    case = case_of({"heads": 1, "rotary": "pairs"}, batch=1, steps=2, n=2)
    step = next(iter(forward(case.but(parameters={
        "0.query_weight": np.zeros((2, 2)), "0.key_weight": np.zeros((2, 2)),
        "0.query_bias": np.array([1.0, 0.0]), "0.key_bias": np.array([1.0, 0.0])})).tape))
    np.testing.assert_allclose(step.saved.S[0, 0] * np.sqrt(2), [[1, np.cos(1)], [np.cos(1), 1]])


# --- what may not be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "options", "says"), [
    ([4], {}, r"layer 0 \(attention\): .*\(time, n\)"),
    ([2, 3, 3], {}, r"layer 0 \(attention\): .*\(time, n\)"),
    ([3, 4], {"heads": 3}, "3 heads do not divide 4 inputs"),
    ([3, 4], {"heads": 4, "key_heads": 3}, "3 key heads do not divide 4 heads"),
    ([3, 3], {"heads": 1, "rotary": "pairs"}, "rotary wants heads of even width, not 3"),
    ([3, 4], {"heads": 0}, "heads is 0, wanted a positive integer"),
    ([3, 4], {"softcap": 0}, "softcap is 0, wanted a positive number"),
    ([3, 4], {"rotary": True}, "rotary is True, wanted one of none, pairs, halves"),
    ([3, 4], {"dropout": 0.1}, "unknown key 'dropout'"),
])
def test_bad_options_are_refused_by_name(shape, options, says):
    with pytest.raises(DescriptionError, match=says) as refused:
        build(parse.network({"format": 1, "input_shape": shape, "layers": [{"kind": "attention", **options}],
                             "loss": {"kind": "squared_error"}}), 2, "real", Style(), 0)
    assert "\n" not in str(refused.value)


# --- what is drawn ------------------------------------------------------------------------------------------------


def drawn_for(count, *layers):
    return islice(drawn(networks(replace(EVERYTHING, layers=layers)), 0), count)


def test_every_option_is_drawn():
    specs = [spec.options for each in drawn_for(300, "attention") for _, spec in each.walk()
             if spec.kind == "attention"]
    for name, least in (("heads", 4), ("key_heads", 3), ("width", 5), ("bias", 2), ("causal", 2), ("mask", 2),
                        ("rotary", 3), ("softcap", 3)):
        assert len({options[name] for options in specs}) >= least, name


def test_who_claims_blocks_is_asked_blocks_alone():
    found = list(drawn_for(150, "transformer_block", "dense"))
    assert {name for each in found for name in structures_of(each)} == {"dense", "transformer_block"}
    halves = [sum(is_block(spec) for spec in each.layers) for each in found]
    assert halves.count(2) >= 30
    assert halves.count(6) >= 5  # three blocks


def test_the_tolerance_of_three_blocks_in_float32_is_sharp():
    claims = replace(EVERYTHING, layers=("transformer_block",), dtypes=("float32",))
    three = [case for case in islice(drawn(cases(claims), 0), 100)
             if sum(is_block(spec) for spec in case.network.layers) >= 6]
    ratios = [16 * s / abs(g) for case in three for name, g in spread(case).truth.gradients.items()
              for s, g in zip(spread(case).gradients[name].ravel(), g.ravel(), strict=True) if g]
    print(f"{len(three)} networks, median 16 s / |g| = {np.median(ratios):.1e}")
    assert len(three) >= 5
    assert np.median(ratios) < 1e-3


# --- a second implementation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", second.KINDS)
def test_a_second_implementation_conforms(kind):
    report = verify(second.planted(None, kind), examples=30, oracles=("torch",))
    assert report.verdict == "conforms", report
    assert not report.total("inconclusive")


def test_every_mistake_is_planted():
    assert {name for name, fault in FAULTS.items() if fault.family in second.KINDS} == set(second.PLANTED)


@pytest.mark.parametrize("name", second.PLANTED)
def test_a_planted_mistake_gives_the_numbers_of_the_table(name):
    """The engine of the table and the program of another style agree, where the mistake shows."""
    kind, net, seen = second.PLANTED[name][0], second.planted(name), 0
    engine = FAULTS[name].engine(TABLES)
    claims = Claims(**{**second.claims_of(kind), "dtypes": ("float64",), "depth": (1, 4), "batch": (1, 4)})
    for case in islice(drawn(cases(claims), 0), 120):
        if kind in structures_of(case.network) and shows(FAULTS[name], case):
            _, got = net(case.network, case.copy().values, case.inputs.copy(), case.targets.copy())
            for parameter, g in engine(case).gradients.items():
                room = SLACK * spread(case).gradients[parameter].max() + 1e-6 * np.abs(g).max()
                assert np.all(np.abs(got[parameter] - g) <= room), parameter
            seen += 1
            if seen == 3:
                break
    assert seen == 3


@pytest.mark.parametrize("name", ["attention-softmax-diagonal-only", "attention-keys-of-first-head-only",
                                  "attention-rotary-turned-on", "transformer-residual-through-norm"])
def test_a_planted_mistake_is_named(name):
    report = verify(second.planted(name), examples=30, oracles=("torch",))
    assert report.verdict == "does_not_conform"
    assert [finding.faults[0] for finding in report.findings] == [name], report
