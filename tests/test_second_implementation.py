"""A second implementation of another style: it conforms as it is, and every fault planted in it is caught."""

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.faults import FAULTS
from backproof.faults.showing import structures_in
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.plug.subject import subject_of
from backproof.plug.undisturbed import undisturbed
from backproof.properties.claims import Claims
from backproof.properties.strategies import cases

FILE = Path(__file__).with_name("second_implementation.py")
spec = importlib.util.spec_from_file_location(FILE.stem, FILE)
sys.modules[FILE.stem] = second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)

LIMIT = 300
SEEDS = {"softmax-without-max-shift": 2}  # it overflows on 1 network in 150


# --- as it is ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(3))
def test_it_conforms(seed):
    report = verify(second.planted(), seed=seed, examples=60, oracles=("torch",))
    assert report.verdict == "conforms", report
    assert not report.total("inconclusive")
    assert set(report.resolution) == {"float64", "float32"}


def test_it_shares_no_code_with_the_reference():
    tree = ast.parse(FILE.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"backproof.plug.implementing", "backproof.properties.claims"}


def test_its_buffers_are_allocated_once_per_shape():
    net = second.planted()
    case = next(drawn(cases(Claims(**second.CLAIMS)), 0))
    first = net(case.network, case.parameters, case.inputs, case.targets)[1]
    again = net(case.network, case.parameters, case.inputs, case.targets)[1]
    assert all(np.may_share_memory(first[name], again[name]) for name in first)
    assert len(net.made) == 1


# --- with a fault planted in it ----------------------------------------------------------------------------------

@cache
def source(seed):
    return drawn(cases(Claims(**second.CLAIMS)), seed), []


def networks(seed):
    """The networks of a seed, drawn once for all faults: all have the same claims."""
    fresh, seen = source(seed)
    for i in range(LIMIT):
        if i == len(seen):
            seen.append(next(fresh))
        yield seen[i]


def caught(fault, seed):
    """The first network that catches a planted fault, from 1; None where none does."""
    subject = subject_of(second.planted(fault))
    judge = Judge(subject, subject.claims, ["torch"], lambda **_: None, seed)
    with undisturbed():
        for i, case in enumerate(networks(seed)):
            judge.network(case)
            if judge.tally.failures:
                return i + 1
    return None


def test_every_fault_of_the_table_is_planted():
    """Here, or in a second implementation of the layers, functions and losses that it is about."""
    others = "".join(path.read_text("utf-8") for path in Path(__file__).with_name("second").glob("*.py"))
    about_layers = {name for name, fault in FAULTS.items() if structures_in(fault.family)}
    elsewhere = {name for name in FAULTS if f'"{name}"' in others}
    assert set(FAULTS) - about_layers - elsewhere - set(second.PLANTED) <= {"divergence-of-the-other-side"}


@pytest.mark.parametrize("fault", second.PLANTED)
def test_a_planted_fault_is_caught(fault):
    assert caught(fault, SEEDS.get(fault, 0)) is not None
