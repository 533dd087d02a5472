"""The witnesses: torch, JAX and the arbiter against the reference, and what each of them leaves untouched."""

import ast
import random
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from backproof import oracles
from backproof.oracles import ORACLES, NotAvailable, Unsupported, available, load
from backproof.reference import (
    ACTIVATIONS,
    LOSSES,
    TABLES,
    Answer,
    Case,
    DescriptionError,
    LayerSpec,
    LossSpec,
    Network,
    evaluate,
    infer,
    parse,
)
from backproof.reference.network import REDUCTIONS

OTHERS = ("torch", "jax")
ALL = (*OTHERS, "arbiter")
HEADS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
# The losses whose cases are made in test_tables.py: with options, signs for targets, or logarithms for outputs.
IN_TEST_TABLES = ("huber", "hinge", "squared_hinge", "kl_divergence", "kl_divergence_of_logs")
KINDS = [(loss, kind) for loss, row in LOSSES.items() if loss not in IN_TEST_TABLES for kind in row.targets]
COMBINES = ("add", "concatenate", "multiply")


def dense(units, **more):
    return {"kind": "dense", "units": units, "bias": True, **more}


def act(function, **more):
    return {"kind": "activation", "function": function, **more}


def parallel(combine, *branches):
    return {"kind": "parallel", "combine": combine, "branches": list(branches)}


def targets_of(kind, rng, shape):
    """Targets of one kind for outputs of `shape`."""
    picks = rng.integers(shape[-1], size=shape[:-1])
    return {
        "real": lambda: rng.normal(size=shape),
        "soft": lambda: rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]),
        "binary": lambda: rng.integers(2, size=shape).astype(float),
        "one_hot": lambda: np.eye(shape[-1])[picks],
        "index": lambda: picks,
    }[kind]()


def case_of(layers, loss="squared_error", kind="real", reduction="sum", scale=1.0, shape=(3,), batch=4, seed=0):
    """A case with seeded values."""
    network = parse.network({
        "format": 1, "input_shape": list(shape), "input_kind": "real", "layers": layers,
        "loss": {"kind": loss, "reduction": reduction, "scale": scale},
    })
    rng, shapes = np.random.default_rng(seed), infer(network)
    parameters = {name: rng.normal(size=size) for name, size in shapes.parameters.items()}
    inputs = rng.normal(size=(batch, *shape))
    return Case(network, parameters, inputs, targets_of(kind, rng, (batch, *shapes.output)))


def with_loss(loss, kind="real", reduction="sum", **more):
    return case_of([dense(4), act("tanh"), dense(3), act(HEADS.get(loss, "identity"))], loss, kind, reduction, **more)


TIED = [dense(4), act("tanh"), dense(3, share="0", transpose=True), act("softplus"), dense(4, share="0")]
STRUCTURES = {
    **{c: case_of([parallel(c, [dense(3), act("tanh")], []), dense(2)]) for c in COMBINES},
    "nested": case_of([parallel("add", [parallel("multiply", [dense(3)], [act("silu")]), dense(3)], []), dense(2)]),
    "tied": case_of(TIED, batch=3, reduction="mean"),
    "tied in a branch": case_of([parallel("add", [dense(3), act("tanh"), dense(3, share="0.0.0")], []), dense(2)]),
    "sequence": case_of([dense(4), act("tanh"), dense(3)], "softmax_cross_entropy", "index", "mean", shape=(5, 2)),
    "batch of one": with_loss("squared_error", reduction="mean_over_batch", batch=1),
    "no layers": case_of([], "inner_product"),
    "no bias": case_of([dense(4, bias=False), act("leaky_relu", slope=0.3), dense(1, bias=False)], scale=0.5),
}


def distance(answer, other):
    """The largest error relative to the largest entry of its array, over the loss and every gradient."""
    assert set(answer.gradients) == set(other.gradients)
    pairs = [(answer.loss, other.loss), *((answer.gradients[k], v) for k, v in other.gradients.items())]
    assert all(np.shape(a) == np.shape(b) for a, b in pairs)
    return max(float(np.max(np.abs(a - b), initial=0) / (np.max(np.abs(b), initial=0) or 1)) for a, b in pairs)


def agree(case):
    truth = evaluate(case)
    for name in OTHERS:
        assert distance(load(name).answer(case), truth) < 1e-11, name
    assert distance(truth, load("arbiter").answer(case)) < 1e-13


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_every_activation(function):
    agree(case_of([dense(5), act(function), dense(2)]))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "kind"), KINDS)
def test_every_loss_target_and_reduction(loss, kind, reduction):
    agree(with_loss(loss, kind, reduction, scale=0.7))


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name):
    agree(STRUCTURES[name])


@pytest.mark.parametrize("oracle", OTHERS)
def test_softplus_has_no_threshold(oracle):
    case = case_of([act("softplus")], "inner_product", shape=(1,))
    case = case.but(inputs=np.array([[-800.0, 19, 22, 25, 38, 80, 800]]).T, targets=np.ones((7, 1)))
    ours, truth = load(oracle).answer(case).gradients["inputs"], evaluate(case).gradients["inputs"]
    np.testing.assert_allclose(ours, truth, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("oracle", [name for name in ALL if name != "arbiter"])
def test_index_inputs_have_no_gradient(oracle):
    """No layer of the tables takes indices yet, and the arbiter infers shapes: the others ask no questions."""
    case = case_of([dense(2)])
    indexed = replace(case.network, input_kind={"index": 5})
    case = case.but(network=indexed, inputs=np.array([[0, 4, 1], [2, 2, 3]]), targets=np.ones((2, 2)))
    answer = load(oracle).answer(case)
    assert distance(answer, evaluate(case)) < 1e-13
    assert "inputs" not in answer.gradients


@pytest.mark.parametrize("oracle", OTHERS)
def test_dtypes(oracle):
    case = with_loss("softmax_cross_entropy", "soft", "mean")
    for asked, of in [("float32", "float64"), ("float64", "float32"), (None, "float32")]:
        answer = load(oracle).answer(case.astype(of), asked)
        assert {str(np.asarray(v).dtype) for v in (answer.loss, *answer.gradients.values())} == {asked or of}
        assert distance(answer, evaluate(case)) < 1e-5
        assert all(type(v) is np.ndarray and v.flags.writeable for v in answer.gradients.values())


@pytest.mark.parametrize("oracle", ALL)
def test_arguments_are_read_only(oracle):
    case = with_loss("squared_error").map(lambda a: np.asfortranarray(a))
    before = case.to_json()
    for array in (*case.parameters.values(), case.inputs, case.targets):
        array.flags.writeable = False
    answer = load(oracle).answer(case)
    for gradient in answer.gradients.values():
        gradient += 1.0
    assert case.to_json() == before


@pytest.mark.parametrize("oracle", OTHERS)
def test_an_unused_parameter_has_a_zero_gradient(oracle):
    case = case_of([dense(3)])
    answer = load(oracle).answer(case.but(parameters={"9.weight": np.ones((2, 3))}))
    np.testing.assert_array_equal(answer.gradients["9.weight"], np.zeros((2, 3)))


# --- jax: one program for many draws ----------------------------------------------------------------------------


def test_jax_answers_any_number_of_draws():
    jax_autograd = load("jax")
    layers = [dense(4), act("sigmoid"), dense(2)]
    cases = [case_of(layers, seed=seed) for seed in range(20)]
    for some in (cases[:1], cases[:5], cases, []):
        answers = jax_autograd.answers(some)
        assert [distance(a, evaluate(c)) < 1e-11 for a, c in zip(answers, some, strict=True)] == [True] * len(some)


def test_jax_refuses_to_mix_structures():
    with pytest.raises(ValueError, match="cases of one network"):
        load("jax").answers([case_of([dense(2)]), case_of([dense(3)])])


def test_jax_runs_without_its_compiler_options(monkeypatch):
    jax_autograd, case = load("jax"), case_of([dense(2), act("tanh")], seed=3)
    monkeypatch.setattr(jax_autograd.compiling, "COMPILER", {"no_such_option": 1})
    jax_autograd.compiling.compiler_options.cache_clear()
    assert jax_autograd.compiling.compiler_options() == {}
    assert distance(jax_autograd.answer(case), evaluate(case)) < 1e-11
    jax_autograd.compiling.compiler_options.cache_clear()


# --- the arbiter ------------------------------------------------------------------------------------------------


def test_arbiter_is_right_to_the_last_digit():
    case = case_of([dense(1), act("tanh")], "inner_product", reduction="mean", batch=3, scale=0.7)
    one = case.but(parameters={"0.weight": np.zeros((3, 1)), "0.bias": np.array([0.0])}, targets=np.ones((3, 1)))
    assert load("arbiter").answer(one).gradients["0.bias"].tolist() == [0.7]
    assert load("arbiter").answer(one).gradients["inputs"].tolist() == [[0.0] * 3] * 3


def test_arbiter_raises_its_precision():
    """1 - sigmoid(800) has 1,154 leading bits of nothing, and float64 gives nan."""
    case = case_of([act("sigmoid")], "binary_cross_entropy", "binary", shape=(1,), batch=1)
    case = case.but(inputs=np.array([[800.0]]), targets=np.array([[0.0]]))
    answer = load("arbiter").answer(case)
    assert answer.loss == 800.0
    assert answer.gradients["inputs"].tolist() == [[1.0]]


def tanh_cancels(function):
    """A unit that is exactly 0 in truth: tanh(0.3) - tanh(0.3), which no precision decides."""
    case = case_of([dense(2), act("tanh"), dense(1), act(function)], "inner_product", shape=(1,), batch=1)
    first = {"0.weight": np.full((1, 2), 0.3), "0.bias": np.zeros(2)}
    second = {"2.weight": np.array([[1.0], [-1.0]]), "2.bias": np.zeros(1)}
    return case.but(parameters={**first, **second}, inputs=np.ones((1, 1)), targets=np.ones((1, 1)))


def test_arbiter_settles_a_tie_that_does_not_matter_and_gives_up_on_one_that_does():
    arbiter = load("arbiter")
    assert arbiter.answer(tanh_cancels("sigmoid")).loss == 0.5
    before = flint.ctx.prec
    with pytest.raises(Unsupported, match=r"^arbiter: .* is not settled by 2000 bits$"):
        arbiter.answer(tanh_cancels("relu"))
    assert flint.ctx.prec == before


def test_arbiter_keeps_the_convention_on_an_exact_kink():
    case = case_of([act("relu")], "inner_product", shape=(2,), batch=1)
    case = case.but(inputs=np.array([[0.0, 1.0]]), targets=np.ones((1, 2)))
    assert load("arbiter").answer(case).gradients["inputs"].tolist() == [[0.0, 1.0]]


def test_arbiter_gives_up_on_what_is_not_finite():
    case = case_of([dense(2)])
    with pytest.raises(Unsupported, match="arbiter: "):
        load("arbiter").answer(case.but(inputs=case.inputs * np.inf))


# --- a wrong reference is noticed -------------------------------------------------------------------------------


def _row(table, name, **changes):
    return {**table, name: table[name]._replace(**changes)}


def averaged_bias(p, x, dy):
    dx, gradients = TABLES.layers["dense"].backward(p, x, dy)
    return dx, {**gradients, "bias": gradients["bias"] / len(dy)}


def _tanh(x, y, dy):
    return dy * (1 - y)


WRONG = {
    "activation": TABLES._replace(activations=_row(TABLES.activations, "tanh", backward=_tanh)),
    "loss": TABLES._replace(losses=_row(TABLES.losses, "squared_error", dL=lambda p, t: p - t)),
    "forward": TABLES._replace(losses=_row(TABLES.losses, "squared_error", L=lambda p, t: abs(p - t))),
    "bias": TABLES._replace(layers=_row(TABLES.layers, "dense", backward=averaged_bias)),
    "sweep": TABLES._replace(sweep=lambda tape, i, dy: TABLES.sweep(tape, i, 1.001 * dy)),
}


@pytest.mark.parametrize("oracle", ALL)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_reference_is_noticed(oracle, wrong):
    case = with_loss("squared_error")
    assert distance(evaluate(case, WRONG[wrong]), load(oracle).answer(case)) > 1e-4


# --- the registry -----------------------------------------------------------------------------------------------


def test_rows():
    assert set(ORACLES) == {"torch", "jax", "differences", "complex_step", "arbiter", "real_time"}
    assert {row.family for row in ORACLES.values()} == {"torch", "jax", "reference", "real_time"}
    assert set(available()) == set(ORACLES)
    assert all(callable(load(name).answer) for name in ALL)


def test_an_unknown_oracle_is_refused_by_name():
    with pytest.raises(DescriptionError, match="oracle: unknown 'tensorflow'; allowed: torch, jax, differences"):
        load("tensorflow")


@pytest.mark.parametrize(("name", "package", "install"), [
    ("torch", "torch", 'pip install "backproof[torch]"'),
    ("jax", "jax", 'pip install "backproof[jax]"'),
    ("arbiter", "flint", "pip install python-flint"),
])
def test_a_missing_package_is_not_available(monkeypatch, name, package, install):
    monkeypatch.setitem(sys.modules, package, None)
    assert name not in available()
    with pytest.raises(NotAvailable) as caught:
        load(name)
    message = str(caught.value)
    assert message.startswith(f"oracle {name} is not available: ModuleNotFoundError")
    assert message.endswith(install)
    assert "\n" not in message
    assert caught.value.oracle == name


def test_a_broken_package_is_not_available(monkeypatch):
    def broken(name, *rest):
        if name == "torch":
            raise OSError("libtorch_cpu.so: cannot open shared object file\nand a second line")
        return import_module(name, *rest)

    monkeypatch.setattr(oracles.importlib, "import_module", broken)
    with pytest.raises(NotAvailable, match=r"^oracle torch is not available: OSError: libtorch_cpu.so: [^\n]*$"):
        load("torch")
    assert load("jax").answer


def of_kind(spec, loss="squared_error"):
    return Case(Network((2,), (spec,), LossSpec(loss)), {}, np.ones((1, 2)), np.ones((1, 2)))


UNKNOWN = {
    "layer kind 'liquid'": of_kind(LayerSpec("liquid", {"units": 2})),
    "activation 'swish'": of_kind(LayerSpec("activation", {"function": "swish"})),
    "option 'dilation' of dense": of_kind(LayerSpec("dense", {"units": 2, "bias": False, "dilation": 2})),
    "combine 'max'": of_kind(LayerSpec("parallel", {"branches": ((), ()), "combine": "max"})),
    "loss 'poisson'": of_kind(LayerSpec("activation", {"function": "tanh"}), "poisson"),
}


@pytest.mark.parametrize("oracle", OTHERS)
@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_not_supported_is_refused_by_name(oracle, what):
    with pytest.raises(Unsupported, match=f"^{oracle}: {what} is unknown to this oracle; it knows "):
        load(oracle).answer(UNKNOWN[what])


# --- manners ----------------------------------------------------------------------------------------------------


def everything_global():
    """What a witness must leave as it found it."""
    return {
        "torch": (torch.get_num_threads(), torch.get_num_interop_threads(), torch.get_default_dtype(),
                  torch.is_grad_enabled(), torch.random.get_rng_state().tolist()),
        "jax": (jax.config.jax_enable_x64, str(jnp.zeros(1).dtype), jax.config.jax_default_device,
                jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs),
        "numpy": (np.geterr(), str(np.random.get_state()), np.get_printoptions()),
        "flint": (flint.ctx.prec, flint.ctx.dps),
        "python": (random.getstate(), list(warnings.filters)),
    }


@pytest.mark.parametrize("oracle", ALL)
def test_nothing_global_changes(oracle):
    case, unsupported = with_loss("softmax_cross_entropy", "index"), UNKNOWN["layer kind 'liquid'"]
    before = everything_global()
    answered: Answer = load(oracle).answer(case)
    with pytest.raises((Unsupported, KeyError)):
        load(oracle).answer(unsupported)
    assert everything_global() == before
    with torch.inference_mode():
        assert distance(load(oracle).answer(case), answered) == 0
        assert torch.is_inference_mode_enabled()


def test_importing_the_registry_imports_no_package():
    code = "import sys, backproof.oracles as o; o.available(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "jax", "flint", "numpy"} & set(done.stdout.split())


@pytest.mark.parametrize("module", ["torch_autograd", "jax_autograd"])
def test_independent_witnesses_import_no_formula_of_the_reference(module):
    folder = Path(load(module.split("_")[0]).__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))
             if isinstance(node, ast.ImportFrom | ast.Import)]
    modules = {node.module or "" if isinstance(node, ast.ImportFrom) else a.name for node in nodes for a in node.names}
    ours = {name for name in modules if "reference" in name or "backproof" in name}
    assert ours == {"reference.case", "reference.families", "reference.network"}
    assert not {"differences", "complex_step", "arbiter"} & modules
