"""Two libraries in other languages behind adapters of their own: FANN in C, and brain.js.

FANN is installed by `apt-get install libfann-dev`; brain.js by `npm install brain.js@1.6.1 --ignore-scripts`, and the
environment's NODE_PATH says in which node_modules. Where one is not there its tests are skipped.
"""

import contextlib
import shutil
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from adapter_mistakes import agrees
from backproof import verify
from backproof.judging.plan import drawn
from backproof.plug.protocol.command import command
from backproof.properties.strategies import cases
from backproof.reference import ACTIVATIONS
from wrong_engines import valid

HERE = Path(__file__).with_name("foreign_adapters")


@pytest.fixture(scope="module")
def fann(tmp_path_factory):
    """FANN's subject."""
    program = tmp_path_factory.mktemp("fann") / "fann_net"
    build = ["cc", "-O2", "-o", str(program), str(HERE / "fann_net.c"), "-ldoublefann", "-lm"]
    if shutil.which("cc") is None or subprocess.run(build, capture_output=True).returncode:
        pytest.skip("no libfann-dev")
    with subject(str(program)) as found:
        yield found


@pytest.fixture(scope="module")
def brain():
    """The subject of brain.js."""
    there = shutil.which("node") and not subprocess.run(
        ["node", "-e", "require('brain.js')"], capture_output=True).returncode
    if not there:
        pytest.skip("no brain.js in NODE_PATH")
    with subject(f"node '{HERE / 'brain_net.js'}'") as found:
        yield found


@contextlib.contextmanager
def subject(line):
    found = command(line)
    yield found
    found.engine.session.close()


def asked_of(subject, count):
    """So many questions, each with its tolerance."""
    each = ([case] for case in islice(drawn(cases(subject.claims), 5), 2 * count))
    return [checked[0] for case in each if (checked := valid(case))][:count]


def clipped(case):
    """Whether FANN clips one of the numbers of the case.

    A sum is kept within 150 over the steepness (fann.c, fann_run); in a derivative the value of a sigmoid is kept
    within [0.01, 0.99], that of a tanh within 0.98 (fann_train.c, fann_activation_derived).
    """
    network, h, found = case.network, case.inputs, False
    names = [*network.hidden, "identity"]
    for name, W, b in zip(names, *network.unpack(case.parameters), strict=True):
        z = h @ W + b
        h = ACTIVATIONS[name].f(z)
        found |= bool(np.any(np.abs(z) > (300 if name == "sigmoid" else 150)))
        found |= name == "sigmoid" and bool(np.any((h < 0.01) | (h > 0.99)))
        found |= name == "tanh" and bool(np.any(np.abs(h) > 0.98))
    return found


def test_fann_is_right_where_it_clips_nothing_and_there_alone(fann):
    asked = asked_of(fann, 60)
    apart = {which: [each for each in asked if clipped(each[0]) == which] for which in (False, True)}
    assert min(map(len, apart.values())) > 10
    assert agrees(fann, apart[False]) == []
    assert sum(bool(agrees(fann, [each])) for each in apart[True]) > len(apart[True]) / 2


def test_brain_is_right_in_double_precision(brain):
    assert agrees(brain, asked_of(brain, 40)) == []


def test_brain_conforms_by_every_check(brain):
    report = verify(brain, examples=40, oracles=("torch",), seconds=120)
    assert report.verdict == "conforms", report
