"""Every row of the fault table: how often generated cases show it, its texts, its printed lines.

    pytest tests/test_fault_rows.py -k share -rP      # prints the share of the cases that show each
"""

import math
import re
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import pytest
from backproof.faults import FAULTS
from backproof.faults.known.activations import FAULTS as ACTIVATION_FAULTS
from backproof.faults.known.bias import FAULTS as BIAS_FAULTS
from backproof.faults.showing import beyond, shows, structures_in
from backproof.judging.plan import drawn
from backproof.kills.matrix import claims
from backproof.properties.claims import Head, activation
from backproof.properties.strategies import Style, build, cases, chain
from backproof.properties.structures import PLAIN
from backproof.properties.tolerance import SLACK, spread
from backproof.reference import ACTIVATIONS, TABLES, evaluate

EXAMPLES, SEED = 300, 0
OF_STRUCTURES = 60  # where every network has what the mistake is about
LEAST_SHARE = 1 / 50


# --- on generated cases -----------------------------------------------------------------------


@lru_cache(maxsize=2)
def generated(*structures):
    """The cases generated for who claims these structures, with their spreads; chains for none."""
    claimed = replace(claims(), layers=structures or (PLAIN,))
    count = OF_STRUCTURES if structures else EXAMPLES
    found = [(case, spread(case)) for case in islice(drawn(cases(claimed), SEED), count)]
    clear = [(case, s) for case, s in found if s.finite and not s.unclear]
    assert len(clear) >= 0.9 * count  # a maximum of maxima may be a tie whatever the numbers
    return clear


@pytest.mark.parametrize("name", FAULTS)
def test_share_of_generated_cases_that_show_it(name):
    of = generated(*structures_in(FAULTS[name].family))
    seen = sum(shows(FAULTS[name], case, s) for case, s in of)
    print(f"{name:45s} {seen / len(of):6.1%}")
    assert seen + 2 * math.sqrt(seen + 1) >= LEAST_SHARE * len(of), (
        "fewer than chance allows a share of 1 in 50")


# --- the texts ---------------------------------------------------------------------------------


def test_the_table_has_the_rows_of_its_families_in_their_order():
    families = list(dict.fromkeys(fault.family for fault in FAULTS.values()))
    first = ["bias", "activation", "loss", "propagation", "forward", "state", "precision", "rare"]
    assert families[: len(first)] == first
    assert list(FAULTS)[: len(BIAS_FAULTS)] == list(BIAS_FAULTS)
    of_families = [name for family in families
                   for name, row in FAULTS.items() if row.family == family]
    assert list(FAULTS) == of_families


@pytest.mark.parametrize("name", FAULTS)
def test_texts(name):
    fault = FAULTS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert fault.symptom.strip(" .") == fault.symptom
    assert len(fault.symptom) > 30
    assert fault.wrong != fault.right
    assert all((fault.wrong, fault.right, fault.seen))


# --- the lines that the report prints do what the fault does ------------------------------------


def ran(line, **names):
    """The names after running a printed line."""
    exec(line, {"np": np, **names}, names)
    return names


def usual(fault):
    """The number in a printed line, at its usual value."""
    return {fault.number.name: fault.number.usual} if fault.number else {}


def gone_through(case):
    """The true passes through the affine sites by layer, and (step, dy) of every layer."""
    passes, steps = {}, {}

    def dx(s):
        passes[s.layer] = s
        return TABLES.affine.dx(s)

    def sweep(tape, i, dy):
        steps[tape[i].scope.name] = tape[i], dy
        return TABLES.sweep(tape, i, dy)

    evaluate(case, TABLES._replace(affine=TABLES.affine._replace(dx=dx), sweep=sweep))
    return passes, steps


@pytest.mark.parametrize("name", [
    name for name, row in BIAS_FAULTS.items()
    if row.right == "db = delta.sum(axis=0)" and not row.wrong.startswith("for")])
def test_the_printed_bias_lines(name):
    network = chain([3, 4], [True], [], Head("identity", "squared_error"))
    case, fault = build(network, 4, "real", Style(), 7), BIAS_FAULTS[name]
    right, wrong = (engine(case).gradients["0.bias"] for engine in (evaluate, fault.engine(TABLES)))
    passes, _ = gone_through(case)
    for line, wanted in ((fault.right, right), (fault.wrong, wrong)):
        db = ran(line, delta=passes["0"].delta, units=4, **usual(fault))["db"]
        assert np.shape(db) == np.shape(wanted)
        np.testing.assert_allclose(db, wanted, rtol=1e-12)
    assert shows(fault, case)


# the printed line is the sigmoid's, or gelu's: these are in its comment
OTHER_LINES = {("tanh", "derivative-of-preactivation"), ("tanh", "derivative-of-clipped-output"),
               ("gelu_tanh", "gelu-derivative-of-other-form")}
# it shows where units saturate
LARGER = {"derivative-of-clipped-output": 4.0}


def cases_of(name):
    """With each activation a case where the printed line is about it: hidden, or at the output."""
    for function, row in ACTIVATIONS.items():
        softmax = row.df is None
        if (function, name) in OTHER_LINES or softmax != name.startswith("softmax"):
            continue
        last = softmax or "output-layer" in name
        sizes = [3, 4] if last else [3, 4, 2]
        head = Head(function if last else "identity", "inner_product")
        network = chain(sizes, [True] * (len(sizes) - 1), [activation(function)] * (not last), head)
        if len(network.layers) > 1:
            case = build(network, 4, "real", Style(), 7)
            yield function, row, case.but(inputs=LARGER.get(name, 1.0) * case.inputs)


@pytest.mark.parametrize("name", ACTIVATION_FAULTS)
def test_the_printed_activation_lines(name):
    fault, shown = ACTIVATION_FAULTS[name], 0
    for function, row, case in cases_of(name):
        s, (step, da) = spread(case), gone_through(case)[1]["1"]
        wrong = fault.engine(TABLES)(case).gradients["0.weight"]
        right = s.truth.gradients["0.weight"]
        if not beyond(wrong, right, SLACK * s.gradients["0.weight"]):
            continue
        shown += 1
        options = {k: v for k, v in step.scope.options.items() if k != "function"}
        z, a = step.saved
        names = {"f": function, "z": z, "a": a, "da": da, "sigmoid": ACTIVATIONS["sigmoid"].f,
                 "f_prime": lambda at, row=row, options=options: row.df(
                     at, row.f(at, **options), **options),
                 "gelu_prime": lambda at: ACTIVATIONS["gelu"].df(at, at),
                 "gelu_tanh_prime": lambda at: ACTIVATIONS["gelu_tanh"].df(at, at),
                 **usual(fault), **options}
        for line, wanted in ((fault.right, right), (fault.wrong, wrong)):
            dw = case.inputs.T @ ran(line, **names)["dz"]
            np.testing.assert_allclose(dw, wanted, rtol=1e-9)
    assert shown
