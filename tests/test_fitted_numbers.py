"""A mistake with a number in it: the number is found in a program that shares no code, held, and told."""

import importlib.util
import json
import math
import sys
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from backproof import verify
from backproof.cli import main
from backproof.faults import FAULTS, Number, numbered
from backproof.faults.core import with_value
from backproof.faults.showing import shows
from backproof.faults.ways import at_sites
from backproof.judging.plan import drawn
from backproof.kills.teaching import teach
from backproof.naming.fitting import fitted, refined, solved
from backproof.naming.memory import state_candidates
from backproof.naming.witnessed import Witnessed
from backproof.plug.subject import subject_of
from backproof.properties.claims import Claims
from backproof.properties.strategies import cases
from backproof.record.reading import read

FILE = Path(__file__).parent / "benchmarks" / "fitted.py"
spec = importlib.util.spec_from_file_location("benchmark_fitted", FILE)
sys.modules["benchmark_fitted"] = bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@cache
def asked():
    """Cases of the program's claims, in float64."""
    return [case for case in islice(drawn(cases(Claims(**bench.CLAIMS)), 3), 200) if case.dtype == "float64"]


def witnessed(mistake, number, fault, count=4):
    """The program with the mistake on cases that show it."""
    ask = subject_of(bench.planted(mistake, number)).engine
    shown = islice((case for case in asked() if shows(with_value(fault, number), case)), count)
    return [Witnessed(ask, case) for case in shown]


NUMBERS = {
    "rate": (0.1, 0.03712), "decay": (0.003, 0.0123), "decay of biases": (0.07, 1 / 3),
    "penalty": (0.02, 0.000317), "errors clipped": (0.25, 0.731), "clipped": (0.2, 0.619), "norm": (0.5, 1.73),
    "global norm": (5.0, 0.277), "epsilon": (1e-7, 3.21e-5), "epsilon in loss": (1e-10, 4.56e-4),
    "floor in loss": (1e-3, 2.71e-4), "smoothing": (0.1, 0.0777), "slope": (0.2, 0.0345), "slope, both": (0.3, 0.111),
    "constant derivative": (0.25, 0.618), "factor": (0.01, 0.777), "factor of biases": (2.0, 0.123),
}


@pytest.mark.parametrize(("mistake", "number"), [(m, n) for m, each in NUMBERS.items() for n in each])
def test_the_number_is_found_and_the_row_with_it_is_the_programs(mistake, number):
    fault = FAULTS[bench.MISTAKES[mistake].fault]
    seen = witnessed(mistake, number, fault)
    found = fitted(fault, seen)
    assert found.value == pytest.approx(number, rel=5e-4)
    assert all(case.agrees(found) for case in seen)
    assert list(found.numbers.values()) == [found.value]


def test_a_number_that_one_network_hardly_tells_is_refined_on_others():
    """Far from 0 an epsilon of 1e-8 changes eight digits less than where a probability is small."""
    fault, number = FAULTS["log-with-epsilon"], 6.99338e-8
    seen = sorted(witnessed("epsilon", number, fault, 40), key=sensitivity)
    first = with_value(fault, number * (1 + 1e-9))
    assert seen[0].agrees(first)
    assert not seen[-1].agrees(first)
    found = refined(first, seen[:1], seen[1:])
    assert found.value == pytest.approx(number, rel=1e-12)
    assert all(case.agrees(found) for case in seen)
    assert refined(first, seen[:1], []) is first
    assert refined(FAULTS["bias-negated"], seen[:1], seen[1:]) is FAULTS["bias-negated"]


def sensitivity(case):
    """How far the mistake moves the loss, in units of what right programs may differ by."""
    return abs(float(case.answer.loss) - float(case.spread.truth.loss)) / float(case.spread.loss)


@pytest.mark.parametrize("number", [0.003, 1 / 3, 2.0**-23, 0.25, 1e-12])
def test_a_number_of_few_digits_is_taken_exactly(number):
    number_of = Number("n", 0.1, lambda value: at_sites(), 1e-15, 10.0)
    assert solved(lambda at: np.array([1e9 * (at / number * (1 + 1e-10) - 1)]), number_of) == number


def test_numbers_in_which_the_residuals_are_not_linear():
    number_of = Number("n", 0.1, lambda value: at_sites(), 1e-15, 10.0)
    assert solved(lambda at: 1e9 * np.array([math.log(at / 0.0123)]), number_of) == pytest.approx(0.0123)
    assert solved(lambda at: 1e9 * np.array([at**3 - 0.2, at**2 - 0.2**(2 / 3)]),
                  number_of) == pytest.approx(0.2**(1 / 3))


def test_where_nothing_depends_on_the_number_or_none_fits_the_row_stays_as_it_is():
    fault = FAULTS["gradient-clipped"]
    right = Witnessed(subject_of(bench.planted(None, 0)).engine, asked()[0])
    assert fitted(FAULTS["bias-negated"], [right]) is FAULTS["bias-negated"]
    assert fitted(FAULTS["label-smoothing"], [
        Witnessed(right.ask, case) for case in asked() if case.network.loss.kind == "squared_error"][:3]
    ) is FAULTS["label-smoothing"]
    wrong = witnessed("rate", 0.3, FAULTS["weights-updated-before-delta"])
    found = fitted(fault, wrong)
    assert found is fault or not all(case.agrees(found) for case in wrong)


def test_a_value_is_put_in_once():
    fault = FAULTS["weights-updated-before-delta"]
    assert with_value(fault, 0.1) is with_value(fault, 0.1)
    assert with_value(fault, 0.1).numbers == {"rate": 0.1}
    assert fault.numbers == {"rate": 0.5}
    assert with_value(FAULTS["bias-negated"], 0.1) is FAULTS["bias-negated"]
    assert FAULTS["bias-negated"].numbers == {}


def test_a_row_of_ones_own_with_a_number():
    fault = numbered("bias", "the bias gradient is too small by a constant", "db / by", "db", "here",
                     Number("by", 2.0, lambda by: at_sites(db=lambda s, db: db / by)))
    seen = witnessed("factor of biases", 0.2, FAULTS["bias-times-factor"])
    assert fitted(fault, seen).numbers == {"by": 5.0}


@pytest.mark.parametrize("momentum", [0.6, 0.437])
def test_momentum_is_found_in_what_is_remembered(momentum):
    subject = subject_of(bench.planted("momentum", momentum))
    case = next(case for case in asked() if case.batch > 1)
    found = state_candidates(subject, case)
    assert list(found) == ["momentum-left-over"]
    assert found["momentum-left-over"].value == pytest.approx(momentum, rel=5e-4)


# --- told --------------------------------------------------------------------------------------------------------

def test_the_finding_carries_it_and_says_it(tmp_path):
    report = verify(bench.planted("rate", 0.1), examples=40, oracles=("torch",), stop_after=4, report=tmp_path)
    finding = report.findings[0]
    assert finding.faults[:1] == ("weights-updated-before-delta",)
    assert finding.numbers == {"rate": 0.1}
    assert finding.headline.startswith("consistent with weights-updated-before-delta with rate = 0.1: ")
    assert read(tmp_path).report.findings[0].numbers == {"rate": 0.1}
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["findings"][0]["numbers"] == {"rate": 0.1}


def test_explain_and_list_show_it(capsys):
    assert "with one number: rate" in teach("weights-updated-before-delta")
    assert "number" not in teach("bias-negated")
    assert main(["list", "faults"]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {name for name, fault in FAULTS.items() if fault.number} == {
        name for name, line in listed.items() if "with one number: " in line}
    assert "with one number: decay" in listed["decay-in-gradient-only"]
