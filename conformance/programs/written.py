"""A trial written out as a plain test: it needs the framework and the program, and not backproof.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .case import ProgramCase
from .engine import engine_of
from .formats import FORMATS
from .judge import Judge
from .layouts import LAYOUTS
from .program import Program
from .trial import Trial, Value

TORCH = '''\
"""{name} on case {id}: its gradients beside those of its plain form in float64."""

{imports}import torch

{values}

def made(numbers, shape, dtype, requires_grad=False):
    tensor = torch.tensor(numbers, dtype=torch.float64).reshape(shape).to(getattr(torch, dtype))
    return tensor.requires_grad_(requires_grad)


def test_{function}_on_{id}():
    inputs = {{name: None if value is None else made(*value, name in WANTED)
              for name, value in INPUTS.items()}}
    outputs = {function}(*inputs.values(), **OPTIONS)
    outputs = [outputs] if torch.is_tensor(outputs) else list(outputs)
    pairs = [(y, made(*c)) for y, c in zip(outputs, COTANGENTS) if c is not None]
    used, cotangents = zip(*pairs)
    found = torch.autograd.grad(used, [inputs[name] for name in WANTED], cotangents,
                                allow_unused=True)
    for name, gradient in zip(WANTED, found):
        assert gradient is not None, f"no gradient of {{name}}"
        wanted, allowed = TRUTH[name], ALLOWED[name]
        for got, true, most in zip(gradient.double().reshape(-1).tolist(), wanted, allowed):
            assert abs(got - true) <= most, f"{{name}}: got {{got}}, wanted {{true}} +- {{most}}"
'''
JAX = '''\
"""{name} on case {id}: its gradients beside those of its plain form in float64."""

{imports}import jax
import jax.numpy as jnp
import numpy as np

{values}

def made(numbers, shape, dtype):
    dtype = {{"bool": "bool_"}}.get(dtype, dtype)
    return jnp.asarray(np.array(numbers).reshape(shape), getattr(jnp, dtype))


def test_{function}_on_{id}():
    inputs = {{name: None if value is None else made(*value) for name, value in INPUTS.items()}}

    def called(wanted):
        return {function}(*(inputs | wanted).values(), **OPTIONS)

    outputs, pull = jax.vjp(called, {{name: inputs[name] for name in WANTED}})
    leaves, tree = jax.tree.flatten(outputs)
    cotangents = [jnp.zeros_like(y) if c is None else made(*c) for y, c in zip(leaves, COTANGENTS)]
    (found,) = pull(jax.tree.unflatten(tree, cotangents))
    for name, gradient in found.items():
        wanted, allowed = TRUTH[name], ALLOWED[name]
        for got, true, most in zip(np.float64(gradient).reshape(-1).tolist(), wanted, allowed):
            assert abs(got - true) <= most, f"{{name}}: got {{got}}, wanted {{true}} +- {{most}}"
'''
FORMS = {"torch": TORCH, "jax": JAX}


def as_test(trial: Trial, program: Program, target: str) -> str:
    """The source of a test file; the tensors in it are contiguous, which its comment says."""
    engine = engine_of(program.asked.framework)
    judge = Judge(program, engine, lambda _: engine.answer(program.engine, trial))
    claim = program.asked.claim(trial.dtype)
    judged = judge.judge(trial)
    assert judged is not None
    truth = {name: judged.truth[name] for name in trial.wanted if name in judged.truth}
    values = "\n".join([
        *_layouts(trial),
        f"# stored in {claim.storage}, arithmetic {claim.arithmetic}; one unit of rounding of "
        f"{claim.storage} is {FORMATS[claim.storage].unit:.3g}",
        f"OPTIONS = {dict(trial.options)!r}", f"WANTED = {list(truth)!r}",
        _table("INPUTS", {name: _written(value) for name, value in trial.inputs.items()}),
        f"COTANGENTS = [{', '.join(_written(each) for each in trial.cotangents)}]",
        _table("TRUTH", {name: _numbers(g) for name, g in truth.items()}),
        _table("ALLOWED", {name: _numbers(judged.tolerance[name]) for name in truth}), ""])
    where, _, name = target.rpartition(":")
    function = name.rpartition(".")[2]
    module = Path(where).stem if where.endswith(".py") else where
    return FORMS[program.asked.framework].format(
        name=program.name, id=ProgramCase(trial).id, function=function, values=values,
        imports=f"from {module} import {function}\n")


def _layouts(trial: Trial) -> list[str]:
    """Which tensors were not contiguous when the mistake was seen."""
    odd = {name: value.layout for name, value in trial.inputs.items()
           if value is not None and value.layout != "contiguous"}
    odd |= {f"cotangent {i}": value.layout for i, value in enumerate(trial.cotangents)
            if value is not None and value.layout != "contiguous"}
    assert {*odd.values()} <= {*LAYOUTS}
    return [f"# in the run {name} was {layout} in memory; here it is contiguous"
            for name, layout in odd.items()]


def _table(name: str, rows: dict[str, str]) -> str:
    return "\n".join([f"{name} = {{", *(f"    {key!r}: {row}," for key, row in rows.items()), "}"])


def _written(value: Value | None) -> str:
    if value is None:
        return "None"
    shape = tuple(map(int, value.numbers.shape))
    return f"({_numbers(value.numbers)}, {shape}, {value.dtype!r})"


def _numbers(array: Any) -> str:
    return repr(np.asarray(array).reshape(-1).tolist())
