"""Mistakes that the table does not have, in programs that are nothing like the reference: no name is false.

`tests/benchmarks/foreign.py` does the same with 300 of them.
"""

import numpy as np
import pytest
from backproof import verify
from foreign_mistakes import CONDITIONS, FORMS, Part, all_of, mistake, planting
from foreign_names import Told, borne_out, is_true, told
from foreign_programs import STYLES, program

UNKNOWN = [
    ("loops", [Part("db", "the maximum")]),
    ("columns", [Part("db", "the units in reverse")]),
    ("tape", [Part("db", "all but the first row")]),
    ("columns", [Part("dW", "times 1 + 1e-5")]),
    ("flat", [Part("df", "gelu' with 0.0447")]),
    ("classes", [Part("df", "tanh' from a table of step 0.01")]),
    ("columns", [Part("df", "sigmoid' = 1 - a")]),
    ("loops", [Part("dx", "the signs of W")]),
    ("columns", [Part("dp", "label smoothing 1e-3")]),
    ("flat", [Part("end", "rounded to three decimals")]),
    ("classes", [Part("dW", "less the mean of each column"), Part("df", "sigmoid' = a^2")]),
    ("tape", [Part("db", "the median", condition="the hash of the shapes is odd")]),
]


@pytest.mark.parametrize("style", STYLES)
def test_the_programs_are_right_without_a_mistake(style):
    report = verify(program(style), examples=15, oracles=("torch",))
    assert not report.findings, report.text()


@pytest.mark.parametrize(("style", "parts"), UNKNOWN, ids=["; ".join(map(str, parts)) for _, parts in UNKNOWN])
def test_no_name_is_false_of_a_mistake_that_the_table_does_not_have(style, parts):
    report = verify(program(style, planting(parts)), oracles=("torch",), stop_after=3)
    assert report.findings, report.text()
    made = mistake(0, 0)._replace(parts=tuple(parts))
    for finding in report.findings:
        assert not finding.faults or is_true(told(finding), made, style), finding.text


def test_a_known_mistake_is_true_of_its_own_line_and_of_no_other():
    assert borne_out(Told("bias-averaged-over-batch"), (Part("db", "the mean over the batch"),), "columns").true
    assert not borne_out(Told("bias-averaged-over-batch"), (Part("db", "the maximum"),), "columns").true


def test_the_same_number_makes_the_same_mistake():
    made = all_of(300, 0)
    assert made == all_of(300, 0)
    assert len({m.parts for m in made}) == 300
    assert made[:20] != all_of(20, 1)


def test_every_form_is_made_and_every_condition_is_met_somewhere():
    made = [part for generation in range(12) for m in all_of(300, generation) for part in m.parts]
    assert {(part.line, part.form) for part in made} >= {key for key in FORMS if "times" not in key[1]}
    assert {part.condition for part in made} == set(CONDITIONS)


def test_a_hook_keeps_the_number_type():
    answered = []

    class Watching(type(planting([Part("db", "the median")])())):
        def wrong(self, name, right, here):
            wrong = super().wrong(name, right, here)
            answered.append((name, np.asarray(wrong).dtype) if name == "db" else None)
            return wrong

    verify(program("flat", lambda: Watching([Part("db", "the median")])), examples=8, oracles=(), stop_after=2)
    assert {dtype.name for _, dtype in filter(None, answered)} <= {"float32", "float64"}
