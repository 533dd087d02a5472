"""The door: what a program may be told to be, and what is said of what cannot be."""

import re

import numpy as np
import pytest
import torch
from backproof import TargetError, program
from backproof.plug.targets import load
from backproof.programs.drawing import Drawn
from backproof.programs.engine import engine_of
from backproof.programs.inputs import read
from backproof.programs.layouts import LAYOUTS
from backproof.programs.program import Program
from backproof.programs.shapes import Symbols, value_of
from backproof.reference import DescriptionError

SHAPES = {"x": ("N", "D"), "weight": ("D",)}


def plain(x, weight, scale=1.0):
    return x * weight * scale


def made(**more):
    return program(plain, **{"plain": plain, "inputs": SHAPES, **more})


def drawn(one, count=60):
    engine = engine_of("torch")
    return list(Drawn(one, lambda trial: engine.shapes(one.plain, trial)).trials(count))


@pytest.mark.parametrize(("given", "said"), [
    ({"inputs": {}}, "inputs: wanted a dict from names to shapes"),
    ({"inputs": {"x": "N"}}, "inputs: 'x': wanted a tuple of symbols"),
    ({"inputs": {"x": {"size": 3}}}, "inputs: 'x': unknown key 'size'; allowed: shape"),
    ({"inputs": {"x": {"shape": ("N",), "dtype": "bfloat16"}}}, "inputs: 'x': dtype 'bfloat16'; allowed: float64"),
    ({"inputs": {"x": {"shape": ("N",), "values": "odd"}}}, "inputs: 'x': values 'odd'; allowed: usual"),
    ({"inputs": {"x": ("N +",)}}, "size 'N +': wanted whole numbers, symbols"),
    ({"inputs": {"x": ("open('f')",)}}, "size \"open('f')\": wanted"),
    ({"dtypes": ["float8"]}, "dtypes: 'float8'; allowed: float64"),
    ({"dtypes": []}, "dtypes: none; allowed"),
    ({"arithmetic": "exact"}, "arithmetic: 'exact'; allowed: float64, float32, tf32"),
    ({"accumulate": "double"}, "accumulate: 'double'; allowed"),
    ({"plain": 3}, "plain: wanted a function, received 3"),
    ({"framework": "tensorflow"}, "framework: 'tensorflow'; allowed: torch, jax"),
    ({"sizes": {"N": (5, 2)}}, "sizes: 'N': wanted (least, most)"),
    ({"sizes": {"N": True}}, "sizes: 'N': wanted"),
    ({"sizes": {"N": -1}}, "sizes: 'N': wanted"),
])
def test_what_cannot_be_is_one_line(given, said):
    with pytest.raises(DescriptionError) as error:
        drawn(made(**given), 1)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_program_is_still_a_function():
    one = made()
    assert isinstance(one, Program)
    assert torch.equal(one(torch.ones(2, 3), torch.ones(3), scale=2.0), torch.full((2, 3), 2.0))


def test_as_a_decorator_and_as_a_call():
    given = {"plain": plain, "inputs": SHAPES, "dtypes": [torch.bfloat16, "float32"]}
    one, other = program(**given)(plain), program(plain, **given)
    assert one.asked == other.asked
    assert one.asked.dtypes == ("bfloat16", "float32")


def test_a_file_that_has_several_is_told_their_names(tmp_path):
    file = tmp_path / "several.py"
    file.write_text("from backproof import program\n\n\ndef plain(x):\n    return x\n\n\n"
                    "one = program(plain, plain=plain, inputs={'x': ('N',)})\n"
                    "two = program(plain, plain=plain, inputs={'x': ('N',)})\n")
    with pytest.raises(TargetError, match=r"which function\? there is .*several\.py:one, .*several\.py:two"):
        load(str(file))
    assert load(f"{file}:two").door == "program"


def test_a_claim_of_a_dtype():
    assert made(arithmetic="tf32").asked.claim("float32").accumulate == "float32"
    assert made().asked.claim("bfloat16").arithmetic == "float32"
    assert made().asked.claim("float64").accumulate == "float64"
    assert made(arithmetic="bfloat16", accumulate="bfloat16").asked.claim("bfloat16").sums.name == "bfloat16"


# --- what is drawn ------------------------------------------------------------------------------------------------


def test_sizes_reach_the_edges_of_tiles_and_stay_small():
    symbols = Symbols([("N", "D")], {})
    rng = np.random.default_rng(0)
    sizes = [symbols.drawn(rng) for _ in range(400)]
    assert {1, 2, 3, 31, 32, 33, 127, 129, 769, 2051} <= {n for each in sizes for n in each.values()}
    assert max(each["N"] * each["D"] for each in sizes) <= 20_000


def test_relations_of_sizes_hold():
    symbols = Symbols([("2 * H", "E")], {"H": (1, 8), "E": "H * K", "K": [4, 8]}, "E % 8 == 0 and K <= 8")
    rng = np.random.default_rng(1)
    for _ in range(100):
        known = symbols.drawn(rng)
        assert known["E"] == known["H"] * known["K"]
        assert known["E"] % 8 == 0


def test_a_condition_that_never_holds_is_one_line():
    with pytest.raises(DescriptionError, match=re.escape("where='N > 4000': no sizes of 300 draws are so")):
        Symbols([("N",)], {}, "N > 4000").drawn(np.random.default_rng(0))


def test_sizes_that_depend_on_each_other_are_one_line():
    with pytest.raises(DescriptionError, match="sizes: A, B depend on each other"):
        Symbols([("A",)], {"A": "B", "B": "A"}).drawn(np.random.default_rng(0))


@pytest.mark.parametrize(("text", "value"), [("N // 2 + 1", 3), ("-N % 3", 1), ("N ** 2", 25), ("N >= 5 or N < 2", 1)])
def test_expressions(text, value):
    assert value_of(text, {"N": 5}) == value


def test_the_same_seed_draws_the_same():
    one = made()
    first, second = (drawn(one, 5) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.features == b.features
        assert all(np.array_equal(a.inputs[name].numbers, b.inputs[name].numbers) for name in a.inputs)


def test_trials_are_hostile():
    trials = drawn(made(dtypes=["float32", "bfloat16"], options={"scale": [1.0, 2.0]}), 300)
    facets = {facet: {t.features[facet] for t in trials} for facet in ("values", "layout", "cotangent layout",
                                                                       "cotangent", "option scale", "dtype")}
    assert {"usual", "large mean", "rows alike"} <= facets["values"]
    assert {"random", "zero", "ones", "one entry"} <= facets["cotangent"]
    assert {*LAYOUTS} - {"channels last"} == facets["layout"] == facets["cotangent layout"]
    assert facets["option scale"] == {"1.0", "2.0"}
    assert facets["dtype"] == {"float32", "bfloat16"}
    assert {t.wanted for t in trials} == {("x", "weight"), ("x",), ("weight",)}
    assert {t.repeats for t in trials} == {1, 2, 20}
    assert any(t.twice for t in trials)
    assert any(t.poison for t in trials)


def test_numbers_are_those_that_the_dtype_has():
    for trial in drawn(made(dtypes=["float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2"]), 50):
        for value in (*trial.inputs.values(), *trial.cotangents):
            as_stored = torch.from_numpy(value.numbers).to(getattr(torch, trial.dtype)).double().numpy()
            assert np.array_equal(as_stored, value.numbers)


def test_indices_masks_and_what_may_be_absent():
    inputs = {"x": ("V", "D"), "ids": {"shape": ("T",), "index": "V", "sentinel": -1},
              "mask": {"shape": ("T",), "dtype": "bool"}, "bias": {"shape": ("D",), "optional": True}}
    one = program(lambda x, ids, mask, bias: x[ids] * mask[:, None] + (0 if bias is None else bias), inputs=inputs,
                  plain=lambda x, ids, mask, bias: x[ids] * mask[:, None] + (0 if bias is None else bias))
    trials = drawn(one, 120)
    ids = [t.inputs["ids"].numbers for t in trials]
    assert all((each < t.inputs["x"].numbers.shape[0]).all() for each, t in zip(ids, trials, strict=True))
    assert any((each == -1).any() for each in ids)
    assert any(len(each) > 1 and len(set(each)) == 1 for each in ids)
    assert {t.inputs["bias"] is None for t in trials} == {True, False}
    assert any(not t.inputs["mask"].numbers.any() for t in trials)


def test_an_option_may_be_a_size():
    one = program(lambda x, groups: x * groups, plain=lambda x, groups: x * groups,
                  inputs={"x": ("2 * G",)}, options={"groups": "G"})
    assert all(t.options["groups"] * 2 == t.inputs["x"].numbers.size for t in drawn(one, 20))


def test_every_input_says_what_it_is():
    (one,) = read({"ids": {"shape": ("T",), "index": "V"}})
    assert not one.is_real
    assert one.to_json() == {"shape": ("T",), "index": "V"}
