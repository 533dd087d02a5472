"""Undecorated functions: what they do is found, printed as the decorator to write, and held to."""

import inspect
import re
import time
from dataclasses import replace

import pytest
import undecorated_programs
from backproof import Head, implementation, verify
from backproof.judging.inferring import IMPORT, LOOKS, inferred
from backproof.judging.smoke import NotJudged
from backproof.plug.implementing import claims_of
from backproof.plug.subject import subject_of
from backproof.record.notes import NoteKind
from backproof.record.reading import read
from backproof.renderings import render
from undecorated_programs import RIGHT, WRONG, tanh_mean_of_all

NAMES = {"implementation": implementation, "Head": Head}


def claims(text):
    """The claims of a decorator, as they are where they were inferred."""
    return replace(claims_of(eval(text, dict(NAMES))(lambda *_: None)), explored=True)


def with_line(program, old, new):
    """The program with one line of it another."""
    text = inspect.getsource(program)
    assert text.count(old) == 1
    names = dict(vars(undecorated_programs))
    exec(text.replace(old, new), names)
    return names[program.__name__]


def test_there_are_twenty_right_ones_and_ten_wrong_ones():
    assert (len(RIGHT), len(WRONG)) == (20, 10)


@pytest.mark.parametrize("program", RIGHT, ids=lambda program: program.__name__)
def test_a_right_one_conforms_and_its_decorator_is_printed(program):
    report = verify(program, examples=24, oracles="torch")
    (note,) = [note for note in report.notes if note.kind is NoteKind.INFERRED]
    looks, *paste = note.split("\n")
    assert (looks, paste[0]) == (LOOKS, IMPORT)
    assert claims("".join(paste[1:]).removeprefix("@")) == claims(f"implementation({RIGHT[program]})")
    assert (report.verdict, report.reason) == ("conforms", "to claims that were inferred: see the note")


@pytest.mark.parametrize(("program", "old", "new", "mistake"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_one_does_not_conform_by_the_name_of_its_mistake(program, old, new, mistake):
    wrong = with_line(program, old, new)
    assert inferred(subject_of(wrong)).claims == claims(f"implementation({RIGHT[program]})")
    report = verify(wrong, examples=24, oracles="torch")
    assert report.verdict == "does_not_conform"
    assert report.findings[0].faults[0] == mistake


def test_what_is_printed_can_be_pasted():
    lines = verify(tanh_mean_of_all, examples=2, oracles="differences").text().split("\n")
    start = lines.index(f"    {IMPORT}")
    end = next(i for i in range(start, len(lines)) if lines[i].endswith(")"))
    paste = "\n".join(line.removeprefix("    ") for line in lines[start:end + 1])
    names = {}
    exec(f"{paste}\ndef mine(*_): ...", names)
    assert replace(claims_of(names["mine"]), explored=True) == inferred(subject_of(tanh_mean_of_all)).claims


def test_in_markdown_it_is_code(tmp_path):
    verify(tanh_mean_of_all, examples=2, oracles="differences", report=tmp_path)
    text = render("markdown", read(tmp_path))
    (code,) = re.findall(r"  ```python\n(.*?)  ```\n", text, re.S)
    assert code.startswith(f"  {IMPORT}\n  @implementation(\n")


def off_by_one(network, parameters, inputs, targets):
    """Its loss is no loss that is known."""
    loss, gradients = tanh_mean_of_all(network, parameters, inputs, targets)
    return loss + 1, gradients


def test_an_unknown_loss_is_not_called_wrong():
    with pytest.raises(NotJudged, match="the loss that it reports is none that backproof knows"):
        inferred(subject_of(off_by_one))
    assert verify(off_by_one, examples=2).verdict == "not_judged"


def first_example_alone(network, parameters, inputs, targets):
    """It answers for the first example, and leaves the others out."""
    return tanh_mean_of_all(network, parameters, inputs[:1], targets[:1])


def one_example(network, parameters, inputs, targets):
    """It takes one example, and says so."""
    if len(inputs) != 1:
        raise ValueError("one example at a time")
    return tanh_mean_of_all(network, parameters, inputs, targets)


def test_fewer_examples_are_claimed_only_where_more_are_refused():
    with pytest.raises(NotJudged):
        inferred(subject_of(first_example_alone))
    assert inferred(subject_of(one_example)).claims.batch == (1, 1)


def test_it_takes_no_time():
    started = time.process_time()
    for program in RIGHT:
        inferred(subject_of(program))
    assert time.process_time() - started < 20
