"""Right programs pass and modelled bugs are caught: a few trials of each; `benchmarks/program_rules.py` has the figures."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")


def loaded(path):
    """A module by its file; it is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
proving = loaded(HERE / "proving.py")
BUGS, OPERATIONS = proving.BUGS, proving.OPERATIONS
TRIALS = 6      # of each right program
MOST = 60       # until a bug shows


@pytest.mark.parametrize("dtype", proving.FLOATS)
@pytest.mark.parametrize("style", proving.STYLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_right_program_passes(name, style, dtype):
    asked = proving.of_operation(OPERATIONS[name], style, dtype, seed=1)
    judged = [*asked.judged(TRIALS)]
    assert [each.failures for each in judged if each.failures] == []
    assert len(judged) > TRIALS // 2
    assert max(proving.beyond(each) for each in judged) < 16


@pytest.mark.parametrize("name", BUGS)
def test_a_modelled_bug_is_caught(name):
    """By what it does: only the one that models a crash raises."""
    asked = proving.of_bug(BUGS[name], few=True)
    first = next((judged for judged in asked.judged(MOST) if judged.failures), None)
    assert first is not None
    assert any(failure.check == "answers" for failure in first.failures) == (name == "no bias")


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_in_the_backward_pass_alone(name):
    """Outputs are right: whoever looks at these alone sees nothing."""
    asked = proving.of_bug(BUGS[name], few=True)
    failures = [failure for judged in asked.judged(4) for failure in judged.failures]
    assert not any(failure.key.startswith("output") for failure in failures)


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.at])
def test_no_finding_points_at_a_line_that_is_right(name):
    asked = proving.of_bug(BUGS[name], few=True)
    assert asked.lines([*asked.judged(12)], BUGS[name].plain) <= BUGS[name].lines


def test_the_tables_are_whole():
    assert len(OPERATIONS) == 12
    assert len(BUGS) == 49
    assert sum(bug.core for bug in BUGS.values()) == 19
    assert all(count == 1 for count in Counter(bug.issue for bug in BUGS.values()).values())


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.at])
def test_every_part_of_a_line_stands_in_the_plain_form(name):
    bug = BUGS[name]
    alone = [type(bug)(**{**vars(bug), "at": (part,)}).lines for part in bug.at]
    assert all(alone)


@pytest.mark.parametrize(("share", "passes"), [(0.999, True), (1.001, False)])
def test_the_factor_of_s_and_the_verdict_are_one_rule(share, passes):
    """An entry that is off by a share of its tolerance is beyond 16 s where, and only where, it fails."""
    asked = proving.of_operation(OPERATIONS["rms norm + residual"], "fused", "bfloat16")
    judged = next(each for each in asked.judged(9) if "x" in each.truth and each.spread["x"].any())
    answer = judged.truth["x"].copy()
    place = tuple(judged.spread["x"].nonzero()[axis][0] for axis in range(answer.ndim))
    answer[place] += share * judged.tolerance["x"][place]
    judged.reply.outputs, judged.reply.gradients = [], {"x": answer}
    assert (proving.beyond(judged) <= 16) == passes


def test_the_table_of_rules_is_printed(capsys, monkeypatch):
    """On one operation, with a trial for each row; the rules beside ours have their columns."""
    rules = loaded(HERE.parent / "benchmarks" / "program_rules.py")
    monkeypatch.setattr(sys, "argv", ["program_rules.py", "--trials", "108", "--entries", "12", "--only", "softmax"])
    rules.main()
    told = capsys.readouterr().out
    assert "softmax               eager" in told
    assert "close/eager" in told
    assert "times 1.1" in told
