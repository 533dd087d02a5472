"""A case as a pytest test that stands by itself: numbers written out, NumPy, the user's function, no backproof."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from .. import oracles
from ..naming.words import describe
from ..plug.subject import Subject, Wrapped
from ..plug.targets import TargetError, is_file, split
from ..properties import own_loss
from ..properties.tolerance import SLACK, spread
from ..reference import Answer, Case, LayerSpec

TEST = '''\
"""Case {id}
{about}

The gradients and the loss wanted are the exact ones; the tolerances are how far rounding may carry a right program.
"""

{imports}
import sys
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy import array

{where}

DENSE = {dense}  # the dense layers, by index


def unpack(parameters):
    """The weights and the biases of the dense layers, in order; None for a missing bias."""
    return [parameters[f"{{n}}.weight"] for n in DENSE], [parameters.get(f"{{n}}.bias") for n in DENSE]


def pack(weights, biases=None):
    """One gradient for every parameter, by name: the inverse of unpack."""
    packed = {{f"{{n}}.weight": w for n, w in zip(DENSE, weights, strict=True)}}
    packed |= {{f"{{n}}.bias": b for n, b in zip(DENSE, biases or [None] * len(DENSE), strict=True)}}
    return {{name: value for name, value in packed.items() if value is not None}}


NETWORK = SimpleNamespace(
    input_shape={shape},
    input_kind={kind},
    sizes={sizes},
    hidden={hidden},
    head={head},
    layers=(
{layers}
    ),
    loss={loss_of},
    unpack=unpack,
    pack=pack,
)
PARAMETERS = {{
{parameters}
}}
INPUTS = {inputs}
TARGETS = {targets}

# name: (wanted, tolerance)
LOSS = {loss}
GRADIENTS = {{
{gradients}
}}


def function():
{load}


def ask(backprop, parameters, inputs):
    """The loss and the gradients; what was handed over must come back as it was."""
    given, x, t = {{name: value.copy() for name, value in parameters.items()}}, inputs.copy(), TARGETS.copy()
    loss, gradients = backprop(NETWORK, given, x, t)
    assert given.keys() == parameters.keys(), "parameters were added or removed"
    assert all(np.array_equal(given[name], parameters[name]) for name in parameters), "a parameter was changed"
    assert np.array_equal(x, inputs), "the inputs were changed"
    assert np.array_equal(t, TARGETS), "the targets were changed"
    return np.array(loss), {{name: np.array(value) for name, value in gradients.items()}}


def check(name, got, wanted, tolerance):
    """The shape, no fewer digits than the question has, and every entry within its tolerance."""
    assert got.shape == wanted.shape, f"{{name}}: shape {{got.shape}}, wanted {{wanted.shape}}"
    assert got.dtype.kind != "f" or got.dtype.itemsize >= {itemsize}, f"{{name}}: {{got.dtype}} loses digits"
    error = np.abs(got.astype(float) - wanted)
    assert np.all(error <= tolerance), f"{{name}}: got {{got}}, wanted {{wanted}}, error {{error}}"


def test_case_{id}():
    backprop = function()
    for _ in range(2):  # an answer owes nothing to the questions before
        ask(backprop, {{name: value / 2 for name, value in PARAMETERS.items()}}, INPUTS / -2)
        loss, gradients = ask(backprop, PARAMETERS, INPUTS)
{check_loss}
        assert gradients.keys() - {{"inputs"}} == PARAMETERS.keys(), "one gradient for every parameter"
        for name, (wanted, tolerance) in GRADIENTS.items():
            if name in gradients:
                check(name, gradients[name], wanted, tolerance)
'''
FILE = '''\
    """The function of this name; its file is looked for from this folder, those above it, and the current one."""
    folders = (*Path(__file__).resolve().parents, Path.cwd())
    files = [folder / FILE for folder in folders if (folder / FILE).is_file()]
    assert files, f"no {FILE} in or above the folder of this test, nor in {Path.cwd()}"
    sys.path.insert(0, str(files[0].parent))
    spec = importlib.util.spec_from_file_location(f"tested_{files[0].stem}", files[0])
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return attrgetter(NAME)(module)'''
MODULE = '''\
    """The function of this name; its module is looked for in the current folder too."""
    sys.path.append(str(Path.cwd()))
    return attrgetter(NAME)(importlib.import_module(MODULE))'''


def as_test(case: Case, subject: Subject, target: str) -> str:
    """The text of the test; TargetError where the target is no plain function or the case has no one right answer."""
    place, name = split(target)
    here = f"{Path(place).name if is_file(place) else place}:{name}"
    if not isinstance(subject.engine, Wrapped) or subject.door != "function" or subject.name != here:
        raise TargetError(f"--as-test needs a function as TARGET; {target} is "
                          f"{subject.door if subject.door != 'function' else 'a Subject'}")
    truth, tolerance = _wanted(case)
    return TEST.format(**_place(place, name), **_network(case), **_numbers(case), **_answers(case, truth, tolerance),
                       **_loss(case, subject, truth, tolerance), id=case.id, about=describe(case),
                       itemsize=np.dtype(case.dtype).itemsize)


def _wanted(case: Case) -> tuple[Answer, Answer]:
    """The truth, and how far from it an answer may be."""
    s = spread(case, samples=64, seed=1)
    arrays = (*case.parameters.values(), case.inputs, case.targets)
    if s.unclear or not s.finite or not all(np.isfinite(each).all() for each in arrays):
        raise TargetError("--as-test: the case has no one right answer to write out: a unit is on a kink, "
                          "or numbers are not finite")
    tolerance = Answer(_above(SLACK * s.loss), {name: _above(SLACK * each) for name, each in s.gradients.items()})
    try:
        return oracles.load("arbiter").answer(case), tolerance
    except (oracles.NotAvailable, oracles.Unsupported):
        return s.truth, tolerance


def _above(tolerance: Any) -> Any:
    """Two digits, rounded up."""
    flat = [float(f"{1.05 * each:.1e}") for each in np.ravel(tolerance)]
    return np.reshape(np.array(flat), np.shape(tolerance))


def _place(where: str, name: str) -> dict[str, str]:
    """Where the function is, and how it is had."""
    if not is_file(where):
        return {"imports": "import importlib", "where": f"MODULE, NAME = {where!r}, {name!r}", "load": MODULE}
    path = Path(where)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    said = path.as_posix() if os.sep == "\\" else str(path)
    return {"imports": "import importlib.util", "where": f"FILE, NAME = {said!r}, {name!r}", "load": FILE}


def _network(case: Case) -> dict[str, str]:
    network = case.network
    dense = [str(i) for i, layer in enumerate(network.layers) if layer.kind == "dense"]
    plain = {"shape": network.input_shape, "kind": network.input_kind, "sizes": network.sizes,
             "hidden": network.hidden, "head": network.head, "dense": dense}
    loss = ", ".join(f"{key}={value!r}" for key, value in network.loss.to_json().items())
    layers = "\n".join(f"        {_layer(layer)}," for layer in network.layers)
    return {key: repr(value) for key, value in plain.items()} | {
        "loss_of": f"SimpleNamespace({loss})", "layers": layers}


def _layer(layer: LayerSpec) -> str:
    return (f"SimpleNamespace(kind={layer.kind!r}, options={dict(layer.options)!r}, share={layer.share!r}, "
            f"transpose={layer.transpose!r})")


def _numbers(case: Case) -> dict[str, str]:
    parameters = "\n".join(f"    {name!r}: {_array(value)}," for name, value in case.parameters.items())
    return {"parameters": parameters, "inputs": _array(case.inputs), "targets": _array(case.targets)}


def _answers(case: Case, truth: Answer, tolerance: Answer) -> dict[str, str]:
    pairs = {name: f"({_array(truth.gradients[name])}, {_array(tolerance.gradients[name])})"
             for name in (*case.parameters, "inputs") if name in truth.gradients}
    return {"gradients": "\n".join(f"    {name!r}: {pair}," for name, pair in pairs.items())}


def _loss(case: Case, subject: Subject, truth: Answer, tolerance: Answer) -> dict[str, str]:
    """The loss and its check; none where the claimed head clips it."""
    if own_loss.clipped(case, subject.claims):
        return {"loss": "None  # clipped here, so it is not checked", "check_loss": "        assert loss.size == 1"}
    pair = f"({_array(np.asarray(truth.loss))}, {_array(np.asarray(tolerance.loss))})"
    return {"loss": pair, "check_loss": '        check("loss", loss.reshape(()), *LOSS)'}


def _array(value: Any) -> str:
    """The numbers in shortest form that comes back bit for bit, in lines of at most 110 characters."""
    value = np.asarray(value)
    text = f"array({value.tolist()!r}, dtype={str(value.dtype)!r})"
    return "\n".join(textwrap.wrap(text, 105, subsequent_indent=" " * 8, break_long_words=False,
                                   break_on_hyphens=False))
