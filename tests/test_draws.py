"""Several cases of one structure in one call: torch and JAX against their own answers to one case at a time."""

from dataclasses import replace
from functools import lru_cache

import jax
import numpy as np
import pytest
from backproof.judging.plan import drawn
from backproof.oracles import Unsupported, load, torch_autograd
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import Style, build, drafts
from backproof.properties.structures import STRUCTURES
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import LossSpec, parse

COMPILED = "/jax/core/compile/backend_compile_duration"
DRAWS = 5
DTYPES = ("float64", "float32")


@lru_cache
def draws(structure, count=DRAWS, seed=1):
    """One network of a structure with several sets of numbers."""
    claims = replace(EVERYTHING, layers=(structure,), depth=(1, 3), batch=(2, 9))
    draft = next(drawn(drafts(claims, dtype="float32"), seed))
    return [replace(draft, seed=(i, 1, 2, 3, 4)).case for i in range(count)]


def furthest(answer, plain, s):
    """The largest distance of two answers in units of s, over the loss and every gradient."""
    assert answer.gradients.keys() == plain.gradients.keys()
    pairs = [(answer.loss, plain.loss, s.loss),
             *((answer.gradients[name], g, s.gradients[name]) for name, g in plain.gradients.items())]
    for a, b, _ in pairs:
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
    return max(float((np.abs(np.asarray(a, float) - b) / s).max(initial=0.0)) for a, b, s in pairs)


def the_same(oracle, cases, dtype):
    """What `answers` gives is what `answer` gives, within the tolerance of each case."""
    module, cases = load(oracle), [case.astype(dtype) for case in cases]
    answers = module.answers(cases, None)
    assert len(answers) == len(cases)
    known = [(a, c, spread(c)) for a, c in zip(answers, cases, strict=True)]
    valid = [(a, c, s) for a, c, s in known if s.finite and not s.unclear]
    assert len(valid) >= len(cases) // 2
    return max(furthest(a, module.answer(c, None), s) for a, c, s in valid)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_torch_answers_several_cases_as_it_answers_each(structure):
    cases = draws(structure)
    assert all(the_same("torch", cases, dtype) < SLACK for dtype in DTYPES)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_jax_answers_several_cases_as_it_answers_each(structure):
    assert the_same("jax", draws(structure, 3), "float32") < SLACK


def network(*layers, loss="squared_error", **more):
    return parse.network({"format": 1, "input_shape": [3], "layers": list(layers), "loss": {"kind": loss}, **more})


DENSE = {"kind": "dense", "units": 4}
TANH = {"kind": "activation", "function": "tanh"}


def cases_of(network, count, batch=3, targets="real", dtype="float64"):
    return [build(network, batch, targets, Style(), seed, dtype) for seed in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 40, 130])
@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_any_number_of_cases(oracle, count):
    assert the_same(oracle, cases_of(network(DENSE, TANH, DENSE), count), "float64") < SLACK


@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_no_cases_have_no_answers(oracle):
    assert load(oracle).answers([]) == []


@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_each_case_has_its_own_arrays(oracle):
    cases = cases_of(network(DENSE, TANH, DENSE), 5)
    first, *others = load(oracle).answers(cases)
    before = [{name: g.copy() for name, g in other.gradients.items()} for other in others]
    for gradient in first.gradients.values():
        gradient += 1.0
    for other, was in zip(others, before, strict=True):
        assert all((other.gradients[name] == g).all() for name, g in was.items())


@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_a_gradient_that_is_a_multiple_and_a_parameter_without_use(oracle):
    made = network(DENSE)
    twice = replace(made, loss=LossSpec("squared_error", gradient_scale=2.0))
    cases = [case.but(parameters={"9.weight": np.ones((2, 3))}) for case in cases_of(twice, 5)]
    module = load(oracle)
    for case, answer in zip(cases, module.answers(cases), strict=True):
        plain = module.answer(case)
        np.testing.assert_array_equal(answer.gradients["9.weight"], np.zeros((2, 3)))
        np.testing.assert_allclose(answer.gradients["0.bias"], plain.gradients["0.bias"], rtol=1e-13)


OTHERS = {
    "another network": lambda case: case.but(network=network(DENSE, TANH)),
    "another batch": lambda case: case.map(lambda a: a[:2] if len(a) == 3 and a.ndim == 2 else a),
    "another dtype": lambda case: case.astype("float32"),
}


@pytest.mark.parametrize("oracle", ["torch", "jax"])
@pytest.mark.parametrize("other", OTHERS)
def test_several_structures_are_refused(oracle, other):
    first, second = cases_of(network(DENSE, TANH, DENSE), 2)
    with pytest.raises(ValueError, match=f"^{oracle}: answers\\(\\) wants cases of one network"):
        load(oracle).answers([first, OTHERS[other](second)], None)


@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_what_is_unknown_is_refused_for_several_cases_too(oracle):
    cases = cases_of(network(DENSE, TANH), 5)
    unknown = replace(cases[0].network, loss=LossSpec("poisson"))
    with pytest.raises(Unsupported, match=f"^{oracle}: loss 'poisson' is unknown"):
        load(oracle).answers([case.but(network=unknown) for case in cases])


def test_torch_goes_one_by_one_where_it_cannot_go_side_by_side(monkeypatch):
    def impossible(*_):
        raise RuntimeError("Batching rule not implemented for aten::liquid")

    cases = cases_of(network(DENSE, TANH, DENSE), 5)
    monkeypatch.setattr(torch_autograd, "_stacked", impossible)
    assert the_same("torch", cases, "float64") == 0


@pytest.mark.parametrize("structure", STRUCTURES)
def test_torch_goes_side_by_side_through_every_structure(structure):
    cases = draws(structure)
    assert len(torch_autograd._stacked(cases, "float32")) == len(cases)


# --- compilations -------------------------------------------------------------------------------------------------


@pytest.fixture
def compilations():
    """The compilations that JAX does from here on, one entry each."""
    done = []
    jax.clear_caches()

    def heard(event, seconds, **_):
        if event == COMPILED:
            done.append(seconds)

    load("jax").compiling.compiler_options()
    jax.monitoring.register_event_duration_secs_listener(heard)
    yield done
    jax.monitoring.unregister_event_duration_listener(heard)


def test_jax_compiles_once_for_a_structure_whatever_the_number_of_draws(compilations):
    made = [network(DENSE, TANH, {"kind": "dense", "units": 5 + i}) for i in range(3)]
    for count in (1, 2, 5, 16, 17, 40):
        for each in made:
            load("jax").answers(cases_of(each, count))
    assert len(compilations) == len(made)


def test_jax_compiles_the_plain_program_once(compilations):
    made = network(DENSE, TANH, {"kind": "dense", "units": 9})
    for case in cases_of(made, 6):
        load("jax").answer(case)
    assert len(compilations) == 1


def test_another_batch_or_dtype_is_another_program(compilations):
    made = network(DENSE, TANH, {"kind": "dense", "units": 10})
    for batch in (2, 3):
        for dtype in DTYPES:
            load("jax").answers(cases_of(made, 3, batch), dtype)
    assert len(compilations) == 4


def test_padded_programs_are_as_many_as_there_are_sizes(compilations):
    """Of networks of many structures: one program for all that fit a size."""
    layers = [[DENSE, TANH] * depth + [{"kind": "dense", "units": units}] for depth in (1, 2, 3) for units in (1, 2, 8)]
    cases = [case for each in layers for case in cases_of(network(*each), 2)]
    for _ in range(2):
        load("jax").padded(cases)
        load("jax").many(cases)
    assert len(compilations) <= 1
