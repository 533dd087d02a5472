"""Two records compared: what got worse, what got better, and what is said of it."""

import json
from pathlib import Path

import pytest
from backproof import cli
from backproof.record.comparison import KINDS, compare
from backproof.record.coverage import FLOOR
from backproof.record.reading import read
from small_records import RESOLUTION, case, finding, record

EXAMPLES = Path(__file__).parent / "examples"
WRONG = finding("reference", "bias", "bias-averaged-over-batch")
DENSE = {"layer dense", "activation tanh", "loss squared_error (mean)", "dtype float64", "door function"}


@pytest.fixture
def two(tmp_path):
    """compare() of two records, each made with the arguments of `record`."""
    def make(old, new, digits=1.0):
        made = [record(tmp_path / name, *more.pop("findings", ()), **more)
                for name, more in (("old", dict(old)), ("new", dict(new)))]
        return compare(*map(read, made), digits)
    return make


def kinds(changes):
    return {change.kind for change in changes}


def checks(passed=0, failed=0, **more):
    return {"checks": {"reference": {"passed": passed, "failed": failed}, **more}}


# --- findings and cells ------------------------------------------------------------------------------------------


def test_the_same_is_as_before(two):
    for both in ({}, {"findings": [WRONG]}, {"verdict": "incomplete"}, {"footer": False}):
        assert two(both, both).changes == []


def test_newly_failing(two):
    compared = two({}, {"findings": [WRONG]})
    assert kinds(compared.changes) == {"verdict", "failing_finding", "failing_cell"}
    assert not compared.better
    assert [change.name for change in compared.worse][:2] == ["verdict", WRONG.id]
    cells = [change for change in compared.worse if change.kind == "failing_cell"]
    assert {change.name for change in cells} == DENSE
    assert {(change.judge, change.was, change.now) for change in cells} == {
        ("reference", "40 passed", "1 failed, 40 passed")}


def test_newly_passing(two):
    compared = two({"findings": [WRONG]}, {})
    assert kinds(compared.changes) == {"better_verdict", "passing_finding", "passing_cell"}
    assert not compared.worse


def test_another_mistake_in_the_same_place_is_newly_failing(two):
    compared = two({"findings": [WRONG]}, {"findings": [finding()]})
    assert [(change.kind, change.name) for change in compared.changes] == [
        ("failing_finding", "reference:bias:unknown"), ("passing_finding", WRONG.id)]


def test_the_case_and_the_numbers_do_not_matter(two):
    assert two({"findings": [WRONG]}, {"findings": [finding("reference", "bias", *WRONG.faults, also=("torch",))]}
               ).changes == []


def test_a_finding_whose_property_was_not_run_has_not_passed(two):
    compared = two({"findings": [WRONG]}, {"checks": {"torch": {"passed": 40}}})
    assert "passing_finding" not in kinds(compared.changes)
    assert "passing_cell" not in kinds(compared.changes)
    assert ("coverage", f"finding {WRONG.id}") in [(change.kind, change.name) for change in compared.worse]
    assert ("coverage", "judge reference") in [(change.kind, change.name) for change in compared.worse]


def test_in_a_run_without_a_verdict_nothing_has_passed(two):
    old = {"findings": [WRONG]}
    for new in ({"verdict": "incomplete"}, {"verdict": "not_judged"}, {"footer": False}):
        compared = two(old, new)
        assert not compared.better
        assert compared.worse[0].kind == "verdict"


@pytest.mark.parametrize("passed", [FLOOR - 1, FLOOR])
def test_a_cell_of_a_feature_that_failed_before_counts_from_the_floor_on(two, passed):
    rest = {"torch": {"failed": 5}}
    new = two(checks(passed, **rest), checks(passed, 1, **rest)).worse
    assert bool(new) == (passed == FLOOR)
    gone = two(checks(5, 5, **rest), checks(passed, **rest)).better
    assert bool(gone) == (passed == FLOOR)


def test_a_feature_that_is_new_and_fails(two):
    compared = two({"cases": [case("tanh")]}, {"cases": [case("tanh"), case("relu")], "findings": [WRONG]})
    assert "activation relu" in {change.name for change in compared.worse if change.kind == "failing_cell"}


# --- the verdict -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "kind"), [
    ("conforms", "does_not_conform", "verdict"), ("conforms", "incomplete", "verdict"),
    ("does_not_conform", "incomplete", "verdict"), ("incomplete", "not_judged", "verdict"),
    ("does_not_conform", "conforms", "better_verdict"), ("incomplete", "conforms", "better_verdict"),
    ("incomplete", "does_not_conform", "better_verdict"), ("incomplete", "incomplete", None),
    ("not_judged", "not_judged", None),
])
def test_the_verdict(two, old, new, kind):
    compared = two({"verdict": old}, {"verdict": new})
    assert [change.kind for change in compared.changes] == ([kind] if kind else [])


def test_a_run_that_was_cut_off_is_worse_unless_the_old_one_was(two):
    assert kinds(two({}, {"footer": False}).worse) == {"verdict", "coverage"}
    assert two({"footer": False}, {"footer": False}).worse == []


# --- coverage ----------------------------------------------------------------------------------------------------


def names(changes):
    return [change.name for change in changes if change.kind == "coverage"]


@pytest.mark.parametrize(("gone", "now"), [
    ({}, "not exercised"), ({"jax": {"not_available": 1}}, "not available"),
    ({"jax": {"inconclusive": 9}}, "9 inconclusive"), ({"jax": {"not_claimed": 9}}, "9 not claimed"),
])
def test_a_judge_that_has_nothing_to_say_any_more(two, gone, now):
    compared = two(checks(40, jax={"passed": 3}), checks(40, **gone))
    (change,) = [change for change in compared.worse if change.name.startswith("judge")]
    assert (change.kind, change.name, change.was, change.now) == ("coverage", "judge jax", "3 passed", now)
    assert two(checks(40, **gone), checks(40, jax={"passed": 3})).worse == []


def test_a_feature_that_is_not_exercised_any_more(two):
    both = {"cases": [case("tanh"), case("relu")]}
    assert names(two(both, {}).worse) == ["activation relu"]
    assert two({}, both).worse == []


def test_a_green_feature_that_has_hardly_been_tried(two):
    (*_, change) = two(checks(FLOOR), checks(FLOOR - 1)).worse
    assert change.now == f"{FLOOR - 1} passed, too few to tell"
    assert two(checks(FLOOR), checks(FLOOR)).worse == []
    assert two(checks(FLOOR - 1), checks(1)).worse == []


@pytest.mark.parametrize(("old", "new", "lost"), [
    ({"dtypes": ("float64", "float32")}, {"dtypes": ("float64",)}, "float32"),
    ({"batch": (1, None)}, {"batch": (2, None)}, "1 to any"),
    ({"batch": (1, 8)}, {"batch": (1, 4)}, "1 to 8"),
    ({"depth": (1, None)}, {"depth": (1, 3)}, "1 to any"),
    ({"max_parameters": None}, {"max_parameters": 100}, "0 to any"),
    ({"bias": "any"}, {"bias": "never"}, "any"),
    ({"bias": "always"}, {"bias": "never"}, "always"),
    ({"same_hidden": False}, {"same_hidden": True}, "several hidden activations in one network"),
    ({"rate": None}, {"rate": 0.1}, "gradients that are no differences"),
])
def test_claims_that_shrank(two, old, new, lost):
    (change,) = two({"claims": old}, {"claims": new}).worse
    assert (change.kind, change.name, change.was) == ("coverage", f"claim {next(iter(new))}", lost)
    assert two({"claims": old}, {"claims": old}).changes == []


@pytest.mark.parametrize(("old", "new"), [
    ({"dtypes": ("float64",)}, {"dtypes": ("float64", "float32")}), ({"batch": (2, 4)}, {"batch": (1, None)}),
    ({"bias": "never"}, {"bias": "any"}), ({"max_parameters": 10}, {"max_parameters": None}),
    ({"same_hidden": True}, {"same_hidden": False}), ({"explored": True}, {"explored": False}),
])
def test_claims_that_grew(two, old, new):
    assert two({"claims": old}, {"claims": new}).worse == []


def test_heads_and_activations_that_are_claimed_no_more(two, tmp_path):
    record(tmp_path / "both")
    path = tmp_path / "both" / "report.jsonl"
    header, *rest = path.read_text().splitlines()
    data = json.loads(header)
    data["claims"] |= {"hidden": ["tanh", {"kind": "leaky_relu", "slope": 0.1}], "heads": [
        {"activation": "identity", "loss": "squared_error", "outputs": [1, None]},
        {"activation": "softmax", "loss": "cross_entropy", "outputs": [1, None]}]}

    def run(**claims):
        path.write_text("\n".join([json.dumps(data | {"claims": data["claims"] | claims}), *rest]) + "\n")
        return read(path)
    old, heads = run(), data["claims"]["heads"]
    assert compare(old, run()).changes == []
    for new, lost in (({"hidden": ["tanh"]}, '{"kind": "leaky_relu", "slope": 0.1}'),
                      ({"hidden": data["claims"]["hidden"][1:]}, "tanh"),
                      ({"heads": heads[:1]}, "softmax + cross_entropy"),
                      ({"heads": [{**heads[0], "outputs": [2, None]}, heads[1]]}, "identity + squared_error")):
        assert [change.was for change in compare(old, run(**new)).worse] == [lost]
    for odd in ({"hidden": 3}, {"heads": [7]}, {"batch": "x"}, {"batch": [None, 1]}, {"bias": [1]}):
        compare(old, run(**odd))
        compare(run(**odd), old)


# --- digits ------------------------------------------------------------------------------------------------------


def resolution(digits):
    return {"resolution": {"float64": {"bias": RESOLUTION["float64"]["bias"] | {"digits": digits}}}}


@pytest.mark.parametrize(("now", "most", "lost"), [
    (14.4, 1.0, True), (14.5, 1.0, False), (16.0, 1.0, False), (14.4, 2.0, False), (15.4, 0.0, True)])
def test_digits(two, now, most, lost):
    compared = two(resolution(15.5), resolution(now), most)
    assert [(c.kind, c.name, c.now) for c in compared.changes] == (
        [("digits", "float64 bias", f"{now:.1f}")] if lost else [])


def test_kinds_that_are_not_compared_any_more(two):
    assert names(two({}, {"resolution": {}}).worse) == ["float64 bias"]
    assert two({"resolution": {}}, {}).worse == []


# --- what is said ------------------------------------------------------------------------------------------------


def run(tmp_path, old, new, *more):
    for name, arguments in (("old", old), ("new", new)):
        record(tmp_path / name, *arguments.pop("findings", ()), **arguments)
    return cli.main(["compare", str(tmp_path / "old"), str(tmp_path / "new"), *more])


def test_the_worst_first(two):
    new = {"findings": [WRONG], **resolution(1.0), "cases": [case("relu")]}
    order = [list(KINDS).index(change.kind) for change in two({}, new).changes]
    assert order == sorted(order)
    assert len(set(order)) == 5


def test_text_and_exit(tmp_path, capsys):
    assert run(tmp_path, {}, {"findings": [WRONG]}) == 1
    said = capsys.readouterr().out
    assert said.startswith("mine: WORSE than before\n  old: conforms, 300 networks, seed 7, ")
    assert f"\nworse:\n  verdict: conforms -> does not conform\n  newly failing: {WRONG.id}: reference is wrong" in said
    assert "  newly failing: layer dense, judged by reference\n" in said
    assert run(tmp_path, {"findings": [WRONG]}, {}) == 0
    said = capsys.readouterr().out
    assert "BETTER than before" in said
    assert f"newly passing: {WRONG.id}" in said
    assert run(tmp_path, {}, {}) == 0
    assert "mine: as before" in capsys.readouterr().out


def test_different_subjects_are_noted_and_compared(tmp_path, capsys):
    assert run(tmp_path, {"name": "a"}, {"name": "b", "findings": [WRONG]}) == 1
    assert "  note: different subjects: a and b\n" in capsys.readouterr().out


def test_markdown_shows_names_as_they_are(tmp_path, capsys):
    assert run(tmp_path, {}, {"name": "<b>a_b\n# c|d*`&", "findings": [WRONG]}, "--format", "markdown") == 1
    assert capsys.readouterr().out.splitlines()[0] == r"### &lt;b&gt;a\_b \# c\|d\*\`&amp;: WORSE than before"


def test_json(tmp_path, capsys):
    assert run(tmp_path, {}, {"findings": [WRONG]}, "--format", "json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["worse"][0] == {"kind": "verdict", "name": "verdict", "was": "conforms", "now": "does not conform",
                                "judge": ""}
    assert said["better"] == []


def test_a_bad_record_and_a_bad_number_are_exit_2(tmp_path, capsys):
    record(tmp_path / "old")
    for more in ([str(tmp_path / "old"), str(tmp_path / "nowhere")], [str(tmp_path), str(tmp_path / "old")],
                 [str(tmp_path / "old"), str(tmp_path / "old"), "--digits", "nan"]):
        assert cli.main(["compare", *more]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_two_runs_of_a_wrong_program_and_one_of_the_right(tmp_path, capsys):
    pytest.importorskip("torch")
    for name, target, seed in (("a", "mlp_layers_wrong", 0), ("b", "mlp_layers_wrong", 1), ("c", "mlp_layers", 0)):
        cli.main(["verify", f"{EXAMPLES / target}.py:mlp", "--examples", "20", "--oracles", "torch",
                  "--seed", str(seed), "--report", str(tmp_path / name)])
    capsys.readouterr()
    assert cli.main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert cli.main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 0
    assert "newly passing: reference:bias:bias-averaged-over-batch" in capsys.readouterr().out
    assert cli.main(["compare", str(tmp_path / "c"), str(tmp_path / "b")]) == 1
