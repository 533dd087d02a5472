"""Every row of the fault table: shown by cases that the generators do draw, on every structure, as its lines say.

    pytest tests/test_fault_rows.py -k share -rP        # prints the share of the generated cases that show each fault
"""

import math
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from backproof.faults import FAULTS
from backproof.faults.activations import FAULTS as ACTIVATION_FAULTS
from backproof.faults.behaviour import asked, behaviour, shows
from backproof.faults.bias import FAULTS as BIAS_FAULTS
from backproof.judging.plan import drawn
from backproof.plug.contract import KINDS
from backproof.properties.claims import EVERYTHING, Head, activation
from backproof.properties.strategies import Style, build, cases, chain
from backproof.properties.structures import PLAIN, STRUCTURES
from backproof.reference import ACTIVATIONS, TABLES, Answer, evaluate, forward

EXAMPLES, SEED = 300, 0
LEAST_SHARE = 1 / 50
FAMILIES = ("bias", "activation", "loss", "propagation", "state", "precision", "rare")


@cache
def generated():
    """The generated cases."""
    return list(islice(drawn(cases(), SEED), EXAMPLES))


def deltas(case):
    """By layer, dL/d(its output)."""
    seen = {}

    def sweep(tape, i, dy):
        seen[tape[i].scope.name] = dy
        return TABLES.sweep(tape, i, dy)

    evaluate(case, TABLES._replace(sweep=sweep))
    return seen


# --- where it shows ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", FAULTS)
def test_share_of_generated_cases_that_show_it(name):
    seen = sum(shows(FAULTS[name], case) for case in generated())
    print(f"{name:45s} {seen / EXAMPLES:6.1%}")
    assert seen + 2 * math.sqrt(seen + 1) >= LEAST_SHARE * EXAMPLES, "fewer than chance allows a share of 1 in 50"


@pytest.mark.parametrize("case", [0, 1, 2])
def test_right_code_shows_nothing(case):
    right = FAULTS["bias-negated"]._replace(engine=lambda tables: evaluate)
    assert not shows(right, generated()[case])
    assert not shows(right._replace(family="state"), generated()[case])


# --- the texts -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", FAULTS)
def test_texts(name):
    fault = FAULTS[name]
    assert fault.family in FAMILIES
    assert name == name.lower()
    assert " " not in name
    assert fault.symptom.strip(".") == fault.symptom
    assert len(fault.symptom) > 30
    assert fault.wrong != fault.right
    assert all((fault.wrong, fault.right, fault.seen))


# --- the lines that the report prints do what the fault does ---------------------------------------------------------

def ran(line, **names):
    """The names after running a printed line."""
    exec(line, {"np": np, **names}, names)
    return names


@pytest.mark.parametrize("name", [name for name, row in BIAS_FAULTS.items() if row.right == "db = delta.sum(axis=0)"
                                  and not row.wrong.startswith("for")])
def test_the_printed_bias_lines(name):
    network = chain([3, 4], [True], [], Head("identity", "squared_error"))
    case = build(network, 4, "real", Style(), 7)
    fault, right = BIAS_FAULTS[name], evaluate(case).gradients["0.bias"]
    wrong = fault.engine(TABLES)(case).gradients["0.bias"]
    for line, wanted in ((fault.right, right), (fault.wrong, wrong)):
        db = ran(line, delta=deltas(case)["0"], units=4)["db"]
        assert np.shape(db) == np.shape(wanted)
        np.testing.assert_allclose(db, wanted, rtol=1e-12)
    assert shows(fault, case)


# the printed line is the sigmoid's, or gelu's: these are in its comment
OTHER_LINES = {("tanh", "derivative-of-preactivation"), ("gelu_tanh", "gelu-derivative-of-other-form")}


def networks_of(name):
    """Networks with each activation where the printed line is about it: as the hidden one, or that of the output."""
    for function, row in ACTIVATIONS.items():
        softmax = row.df is None
        if (function, name) in OTHER_LINES or softmax != name.startswith("softmax"):
            continue
        last = softmax or "output-layer" in name
        sizes = [3, 4] if last else [3, 4, 2]
        head, hidden = Head(function if last else "identity", "inner_product"), [activation(function)] * (not last)
        case = build(chain(sizes, [True] * (len(sizes) - 1), hidden, head), 4, "real", Style(), 7)
        if len(case.network.layers) > 1:
            yield function, row, case


@pytest.mark.parametrize("name", ACTIVATION_FAULTS)
def test_the_printed_activation_lines(name):
    fault, shown = ACTIVATION_FAULTS[name], 0
    for function, row, case in networks_of(name):
        wrong, x = fault.engine(TABLES)(case).gradients["0.weight"], case.inputs
        scope, (z, a) = forward(case).tape[1]
        options = {k: v for k, v in scope.options.items() if k != "function"}
        names = {"f": function, "z": z, "a": a, "da": deltas(case)["1"], "sigmoid": ACTIVATIONS["sigmoid"].f, **options,
                 "f_prime": lambda at, row=row, options=options: row.df(at, row.f(at, **options), **options),
                 "gelu_prime": lambda at: ACTIVATIONS["gelu"].df(at, at),
                 "gelu_tanh_prime": lambda at: ACTIVATIONS["gelu_tanh"].df(at, at)}
        if shows(fault, case):
            shown += 1
            right = evaluate(case).gradients["0.weight"]
            np.testing.assert_allclose(x.T @ ran(fault.right, **names)["dz"], right, rtol=1e-9)
            np.testing.assert_allclose(x.T @ ran(fault.wrong, **names)["dz"], wrong, rtol=1e-9)
    assert shown


# --- on every network that the description allows --------------------------------------------------------------------

SHAPES = [name for name in STRUCTURES if name != PLAIN]


@cache
def of_structure(name):
    """Drawn cases that have a structure."""
    claims = replace(EVERYTHING, layers=(name,))
    found = [case for case in islice(drawn(cases(claims), SEED), 60) if STRUCTURES[name].has(case.network)]
    assert len(found) >= 30
    return found


@pytest.mark.parametrize("structure", SHAPES)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_runs_on_every_structure(name, structure):
    """It answers as a wrong program would: with an answer, or breaking the contract; nothing of ours is raised."""
    for case in of_structure(structure)[:8]:
        done = behaviour(asked(FAULTS[name]), case)
        assert isinstance(done, Answer) or done[0] in (*KINDS, "raised"), done
        if not isinstance(done, Answer) and done[0] == "raised":
            assert done[1] == "ValueError"
            assert name in RAISES


# Faults whose wrong shapes cannot be added up or passed on, as a user's program could not.
RAISES = ("bias-not-summed-over-batch", "bias-summed-over-wrong-axis", "bias-scalar", "weight-gradient-transposed")


@pytest.mark.parametrize("structure", ["parallel", "sequence", "shared", "transposed"])
def test_faults_of_sites_show_on_every_structure(structure):
    """Every fault of bias, weight and propagation that is not about a rare shape shows on some of these networks."""
    hidden = [name for name, fault in FAULTS.items() if fault.family in ("bias", "propagation")
              and not any(shows(fault, case) for case in of_structure(structure))]
    assert hidden == []
