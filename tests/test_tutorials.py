"""Programs as tutorials have them: right ones conform behind a short adapter; a few wrong ones are named.

`python tests/benchmarks/tutorials.py` asks all of them.
"""

import sys
from pathlib import Path

import pytest
from backproof.faults import FAULTS
from backproof.faults.updating import WRONG_UPDATES

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from tutorials import ADAPTER_LINES, Edit, Style, Verdict, right_name, styles, verdict

STYLES = styles()
EACH = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


@EACH
def test_the_style_is_whole(style):
    assert 0 < style.adapter_lines <= ADAPTER_LINES
    assert "backproof" not in style.program
    assert style.door
    for edit in style.wrong:
        assert style.edited(edit) != style.program
        assert set(edit.names) <= {*FAULTS, *WRONG_UPDATES}


@EACH
def test_a_right_tutorial_conforms(style):
    said = verdict(style, examples=30)
    assert said.verdict == "conforms", said


@pytest.mark.parametrize("name", ["cs231n", "nnfs", "mazur"])
def test_a_wrong_line_of_a_tutorial_is_named(name):
    (style,) = styles([name])
    said = verdict(style, style.wrong[0], examples=30)
    assert right_name(style.wrong[0], said), said


def test_a_line_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"x: program.py has no line 'c'"):
        Style("x", "", "layers", "a\nb\n", "", ()).edited(Edit("c", "d", ()))


def test_a_name_is_right_only_where_the_program_was_judged():
    edit = Edit("a", "b", ("bias-scalar",))
    assert right_name(edit, Verdict("does_not_conform", (("bias-scalar", "other"),), 0.0, ""))
    assert not right_name(edit, Verdict("does_not_conform", (("other", "bias-scalar"),), 0.0, ""))
    assert not right_name(edit, Verdict("not_judged", (), 0.0, "broken"))
    assert right_name(Edit("a", "b", ()), Verdict("does_not_conform", ((),), 0.0, ""))
