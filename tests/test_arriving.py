"""Answers as they come: tensors with their history, sparse ones, half precision, JAX without x64, lists."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from backproof import Head, implementation, verify
from backproof.plug.contract import AdapterError, BrokenContract, Read
from backproof.plug.layouts import Say

VALUES = [[1.0, 2.0], [3.0, 4.0]]
DOUBLE = np.dtype("float64")


def tensor(dtype=torch.float64):
    return torch.tensor(VALUES, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("value", [
    tensor(), tensor() * 1.0, tensor().detach().to_sparse(), tensor().T.contiguous().T,
    torch.complex(tensor().detach(), -tensor().detach()).conj().imag, [*(tensor() * 1.0)], VALUES,
], ids=["leaf", "history", "sparse", "strided", "negated view", "list of tensors", "lists"])
def test_a_tensor_is_read_without_its_history(value):
    found = Read("0.weight", DOUBLE).array(value)
    assert found.tolist() == VALUES
    assert type(found) is np.ndarray
    assert Say("dW", 2).array(value).tolist() == VALUES


@pytest.mark.parametrize(("value", "name"), [(tensor(torch.bfloat16), "bfloat16"), (tensor(torch.float16), "float16"),
                                             (tensor(torch.float32), "float32")])
def test_a_narrower_tensor_loses_digits(value, name):
    with pytest.raises(BrokenContract, match=f"0.weight is {name} in a float64 case: digits are lost") as error:
        Read("0.weight", DOUBLE).array(value)
    assert error.value.kind == "narrower_dtype"


@implementation(heads=[Head("identity", "squared_error")], depth=(1, 1), made_of=["torch"])
def with_history(network, parameters, inputs, targets):
    mine = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    loss = ((torch.tensor(inputs) @ mine["0.weight"] + mine["0.bias"] - torch.tensor(targets)) ** 2).sum()
    return loss, dict(zip(mine, torch.autograd.grad(loss, [*mine.values()], create_graph=True), strict=True))


def test_a_loss_with_history_conforms():
    assert verify(with_history, examples=30, oracles=["differences", "jax"]).verdict == "conforms"


JAX = """
import jax, jax.numpy as jnp, sys
from backproof import Head, implementation, verify

if "x64" in sys.argv:
    jax.config.update("jax_enable_x64", True)
CLAIMS = {"dtypes": ["float32"]} if "float32" in sys.argv else {}

@implementation(heads=[Head("identity", "squared_error")], depth=(1, 1), **CLAIMS)
def mine(network, parameters, inputs, targets):
    loss = lambda p: ((inputs @ p["0.weight"] + p["0.bias"] - targets) ** 2).sum()
    return jax.value_and_grad(loss)({name: jnp.asarray(value) for name, value in parameters.items()})

report = verify(mine, examples=30, oracles=["torch"])
print(report.verdict, report.reason)
"""


@pytest.mark.parametrize(("words", "said"), [
    ([], "not_judged smoke: 0.weight is float32 in a float64 case, since JAX has x64 off: "
         'write jax.config.update("jax_enable_x64", True), or claim dtypes=["float32"]'),
    (["x64"], "conforms"), (["float32"], "conforms"),
])
def test_jax_without_x64_is_not_judged(words, said):
    done = subprocess.run([sys.executable, "-c", JAX, *words], capture_output=True, text=True)
    assert done.stdout.strip().startswith(said), done.stdout + done.stderr


def test_single_precision_of_somebody_elses_is_judged():
    """NumPy can do better, whatever JAX has switched on."""
    with pytest.raises(BrokenContract, match="digits are lost"):
        Read("0.weight", DOUBLE).array(np.float32(VALUES))


def test_an_array_of_jax_is_told_by_its_module(monkeypatch):
    import jax
    import jax.numpy as jnp

    value = jnp.asarray(np.float32(VALUES))
    with pytest.raises(AdapterError, match="JAX has x64 off"):
        Read("0.weight", DOUBLE).array(value)
    assert not jax.config.jax_enable_x64
