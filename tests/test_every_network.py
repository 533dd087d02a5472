"""Every network the description allows, from end to end: found, named, drawn, and asked again.

A row of STRUCTURES is met with wrong backpropagations whose claims hold nothing else, so that what
a finding says is said about a network of that structure.
"""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from backproof.faults.showing import differs
from backproof.judging.plan import Plan, drawn
from backproof.naming.words import describe
from backproof.plug.subject import Subject
from backproof.plug.subjects import load as ready_made
from backproof.plug.targets import load
from backproof.properties.claims import Claims
from backproof.properties.strategies import Style, build, networks
from backproof.properties.structures import STRUCTURES
from backproof.properties.structures.parallel import depth
from backproof.properties.tolerance import spread
from backproof.record.reading import read
from backproof.reference import LayerSpec, LossSpec, Network, evaluate, parse
from backproof.renderings import render
from backproof.running.api import judge
from backproof.running.as_pytest import as_test
from backproof.running.replay import replay
from wrong_engines import CLAIMED, KNOWN, SQUARED, WRONG, inside

EXAMPLES = Path(__file__).resolve().parent / "examples"
SMALL = 12  # parameters
# The structures of chains; those of other layer kinds have tests of their own.
GROWN = ["parallel", "shared", "transposed", "sequence", "activation_first", "activations_in_a_row"]
MISTAKES = ("bias averaged", "W for its transpose where square", "passed on twice")


def claims_of(structure):
    """Nothing but networks that have the structure; two levels, since one cannot have them all."""
    return replace(CLAIMED, layers=(structure,), depth=(2, None))


def subject_of(make, claims):
    return Subject("mine", claims, make(), fresh=make)


def judged(subject, folder=None, **plan):
    """The report of a small run, its record in the folder."""
    with np.errstate(all="ignore"):
        return judge(subject, Plan(oracles=("torch",), **plan), folder, quiet=True)


def run_of(structure, mistake, folder):
    """The report of a run over a wrong engine that claims one structure."""
    return judged(subject_of(WRONG[mistake], claims_of(structure)), folder, examples=8)


def case_of(folder, finding):
    return parse.case(json.loads((folder / "cases" / f"{finding.case}.json").read_text("utf-8")))


# --- found, named, reduced, described, drawn -----------------------------------------------------


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("structure", GROWN)
def test_a_mistake_in_a_structure(structure, mistake, tmp_path):
    report = run_of(structure, mistake, tmp_path)
    assert report.verdict == "does_not_conform"
    [finding] = report.findings
    assert finding.faults[0] == KNOWN[mistake]
    case = case_of(tmp_path, finding)
    check_case(case, structure)
    check_words(case, finding)
    check_page(tmp_path, finding)
    check_replay(case, subject_of(WRONG[mistake], claims_of(structure)), KNOWN[mistake])


def check_case(case, structure):
    """It has the structure, is inside the claims, and is small."""
    assert STRUCTURES[structure].has(case.network)
    assert inside(case, claims_of(structure))
    assert sum(value.size for value in case.parameters.values()) <= SMALL
    assert case.batch <= 2


def check_words(case, finding):
    """The explanation ends with the network, every layer of it by its kind or function."""
    last = finding.explanation.splitlines()[-1]
    assert last == describe(case)
    for _, spec in case.network.walk():
        assert (spec.function or spec.kind) in last
        assert spec.share is None or f"sharing {spec.share}" in last
        assert not spec.transpose or "transposed" in last


def check_page(folder, finding):
    """The network is drawn, with what is wrong in it."""
    page = render("html", read(folder))
    assert "cannot be drawn" not in page
    assert f'aria-label="The network, drawn-{finding.case}"' in page
    picture = page[page.index('class="drawing'):].partition("</svg>")[0]
    for name in finding.wrong:
        assert name == "inputs" or f"✗ {name}" in picture


def check_replay(case, subject, fault):
    """The wrong one fails again, under its name; the reference is right."""
    with np.errstate(all="ignore"):
        wrong, right = replay(case, subject), replay(case, ready_made("reference"))
    assert (wrong.status, right.status) == ("FAILED", "FIXED"), (wrong.text, right.text)
    assert f"consistent with {fault}" in wrong.text


# --- branches inside branches --------------------------------------------------------------------


def dense(units, share=None, transpose=False):
    return LayerSpec("dense", {"units": units, "bias": True}, share, transpose)


def parallel(combine, *branches):
    return LayerSpec("parallel", {"branches": branches, "combine": combine})


TANH = LayerSpec("activation", {"function": "tanh"})
NESTED = (dense(3), TANH,
          parallel("add",
                   (dense(2), parallel("concatenate", (dense(2), TANH), (), (dense(1),)), dense(3)),
                   (parallel("multiply", (dense(3),), (TANH,)),), ()),
          dense(2))


def a_case(*layers, shape=(3,), seed=5, batch=4, kind="real"):
    network = Network(shape, layers, LossSpec("squared_error", "sum"), kind)
    return build(network, batch, "real", Style(), seed)


@pytest.mark.parametrize("mistake", [*MISTAKES, "passed on without W", "weight averaged"])
def test_a_mistake_in_branches_inside_branches(mistake):
    claims = claims_of("parallel")
    check_replay(a_case(*NESTED), subject_of(WRONG[mistake], claims), KNOWN[mistake])


def test_a_mistake_in_branches_inside_branches_only(tmp_path):
    """It has no name, since the fault of that name shows where this one does not."""
    def nested(case):
        wrong = WRONG["bias averaged"]()
        return wrong(case) if depth(case.network.layers) > 1 else evaluate(case)

    subject = subject_of(lambda: nested, claims_of("parallel"))
    report = judged(subject, tmp_path, examples=20, first=(a_case(*NESTED),))
    [finding] = report.findings
    case = case_of(tmp_path, finding)
    assert finding.faults == ()
    assert set(finding.wrong) <= {name for name in case.parameters if name.endswith("bias")}
    assert depth(case.network.layers) == 2
    check_case(case, "parallel")
    check_words(case, finding)
    check_page(tmp_path, finding)
    assert ">↳ " in render("html", read(tmp_path))
    with np.errstate(all="ignore"):
        assert replay(case, subject).status == "FAILED"


# --- networks as they are drawn, not reduced -----------------------------------------------------


SIGMOID = LayerSpec("activation", {"function": "sigmoid"})
WORDS = LayerSpec("embedding", {"units": 3, "padding_index": None})
SHARED = (dense(3), TANH, dense(3, "0"), TANH, dense(2))
LARGE = {
    "parallel": a_case(*NESTED),
    "shared": a_case(*SHARED),
    "transposed": a_case(dense(4), TANH, dense(3, "0", True), TANH, dense(2)),
    "sequence": a_case(*SHARED, shape=(2, 3)),
    "activation_first": a_case(TANH, dense(3), TANH, dense(2)),
    "activations_in_a_row": a_case(dense(3), TANH, TANH, dense(2)),
    "dropout": a_case(dense(3), TANH, LayerSpec("dropout", {"rate": 0.25}), dense(2)),
    "gated": a_case(parallel("multiply", (dense(3), SIGMOID), (dense(3),)), dense(2)),
    "embedding": a_case(WORDS, TANH, dense(2), shape=(2,), kind={"index": 4}),
    "tied_embedding": a_case(WORDS, TANH, dense(4, "0", True), TANH, dense(2), shape=(), kind={"index": 4}),
    "shared out of a branch": a_case(parallel("add", (dense(3), TANH), ()), dense(3, "0.0.0")),
    "shared bias": a_case(dense(4), TANH, dense(3, "0", True), TANH, dense(3, "2"), dense(2)),
}


def test_every_structure_is_there():
    assert set(GROWN) <= {*LARGE}
    assert all(STRUCTURES[name].has(LARGE[name].network) for name in GROWN)


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("right", ["reference", "torch"])
def test_what_is_right_is_fixed(name, right):
    pytest.importorskip("torch" if right == "torch" else "numpy")
    said = replay(LARGE[name], ready_made(right))
    assert said.status == "FIXED", said.text
    assert describe(LARGE[name]) in said.text


@pytest.mark.parametrize("name", LARGE)
def test_what_is_wrong_is_not(name):
    claims = replace(ready_made("reference").claims, dtypes=("float64",))
    said = replay(LARGE[name], subject_of(WRONG["bias averaged"], claims))
    assert said.status == "FAILED"
    assert "consistent with bias-averaged-over-batch" in said.text


def test_who_claims_nothing_is_asked_any_network():
    for name, status in [("backprop", "FIXED"), ("averaged", "FAILED")]:
        subject = load(f"{EXAMPLES / 'every_network.py'}:{name}")
        assert subject.claims.explored
        for structure in ("parallel", "transposed", "sequence"):
            assert replay(LARGE[structure], subject).status == status


def test_a_structure_that_is_not_claimed_is_an_error():
    subject = subject_of(lambda: evaluate, CLAIMED)
    said = replay(LARGE["parallel"], subject)
    assert (said.status, said.text.count("\n")) == ("ERROR", 0)
    assert "does not claim parallel" in said.text


# --- the printed test ----------------------------------------------------------------------------


TARGET = "every_network.py"
# What the example has lines for.
PRINTED = [name for name, case in LARGE.items()
           if {spec.kind for _, spec in case.network.walk()} <= {"dense", "activation", "parallel"}]


@pytest.fixture
def here(monkeypatch):
    """The folder of the examples, to be in."""
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "path", sys.path[:])


def printed(case, name):
    return as_test(case, load(f"{TARGET}:{name}"), f"{TARGET}:{name}")


def ran(text):
    """The names of the text, in the namespace of a module in this folder."""
    names = {"__name__": "test", "__file__": str(EXAMPLES / "test_it.py")}
    exec(compile(text, "test", "exec"), names)
    return names


@pytest.mark.parametrize("name", PRINTED)
def test_the_printed_test_of_a_structure(here, name):
    case = LARGE[name]
    right, wrong = ran(printed(case, "backprop")), ran(printed(case, "averaged"))
    right[f"test_case_{case.id}"]()
    with pytest.raises(AssertionError, match="error"):
        wrong[f"test_case_{case.id}"]()


@pytest.mark.parametrize("name", PRINTED)
def test_the_network_of_a_printed_test(here, name):
    network = LARGE[name].network
    told = ran(printed(LARGE[name], "backprop"))["NETWORK"]
    assert [where for where, _ in told.walk()] == [where for where, _ in network.walk()]
    for (_, one), (_, other) in zip(told.walk(), network.walk(), strict=True):
        for part in ("kind", "share", "transpose", "units", "function"):
            assert getattr(one, part) == getattr(other, part)
        assert list(map(len, one.branches)) == list(map(len, other.branches))
        assert one.options.keys() == other.options.keys()
        assert one.options.get("branches", ()) == one.branches
    assert vars(told.loss) == asdict(network.loss)
    for part in ("input_shape", "input_kind", "real", "head"):
        assert getattr(told, part) == getattr(network, part)
    assert not hasattr(told, "unpack")


def test_a_chain_has_what_spares_the_loop(here):
    case = a_case(dense(3), TANH, dense(2), shape=(2, 3))
    told = ran(printed(case, "backprop"))["NETWORK"]
    assert (told.sizes, told.hidden) == (case.network.sizes, case.network.hidden)
    arrays = told.unpack(case.parameters)
    assert [each is other for mine, theirs in zip(arrays, case.network.unpack(case.parameters),
                                                  strict=True)
            for each, other in zip(mine, theirs, strict=True)] == [True] * 4
    assert told.pack(*arrays) == case.parameters


def test_index_targets(here):
    network = Network((2, 3), (dense(4), TANH, dense(3)), LossSpec("softmax_cross_entropy", "mean"))
    case = build(network, 3, "index", Style(), 2)
    told = ran(printed(case, "backprop"))
    assert told["TARGETS"].dtype == case.targets.dtype == np.int64
    assert told["TARGETS"].tolist() == case.targets.tolist()


def test_constants_are_handed_over_and_have_no_gradient(here):
    case = a_case(dense(3), TANH, dense(2)).but(constants={"1.mask": np.array([1.0, 0.0, 1.0])})
    told = ran(printed(case, "backprop"))
    assert told["PARAMETERS"].keys() == case.values.keys()
    assert told["PARAMETERS"]["1.mask"].tolist() == [1.0, 0.0, 1.0]
    assert told["GRADIENTS"].keys() == {*case.parameters, "inputs"}


def test_lines_are_short(here):
    for case in LARGE.values():
        assert max(map(len, printed(case, "backprop").splitlines())) <= 100


ALONE = """\
import sys
sys.modules["backproof"] = None
import pytest
sys.exit(pytest.main(["-q", "-p", "no:backproof", "-p", "no:cacheprovider", "-W", "error", "."]))
"""


def test_the_printed_test_without_backproof(here, tmp_path):
    """A residual network inside a branch: pytest itself, where `import backproof` fails."""
    (tmp_path / TARGET).write_text(Path(TARGET).read_text("utf-8"), encoding="utf-8")
    for name in ("backprop", "averaged"):
        text = printed(LARGE["parallel"], name)
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, capture_output=True,
                          text=True, timeout=120)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_averaged.py" in done.stdout


# --- PyTorch -------------------------------------------------------------------------------------


def test_pytorch_answers_every_network():
    pytest.importorskip("torch")
    subject = ready_made("torch")
    for case in LARGE.values():
        assert not differs(subject.engine(case), spread(case))


def test_pytorch_conforms_on_every_structure():
    pytest.importorskip("torch")
    claims = ready_made("torch").claims
    seen = Counter(name for network in islice(drawn(networks(claims), 0), 300)
                   for name in STRUCTURES if STRUCTURES[name].has(network))
    assert set(seen) == set(STRUCTURES)
    assert min(seen.values()) >= 0.02 * 300
    report = judged(ready_made("torch"), examples=30)
    assert (report.findings, report.networks) == ([], 30)
    assert report.total("failed") == report.total("errored") == 0


def test_pytorch_with_a_tied_weight_used_once_too_few_is_found():
    """What a detached decoder does: the owner's gradient lacks one use."""
    claims = Claims(hidden=("tanh",), heads=(SQUARED,), layers=("transposed",), depth=(2, 4))
    report = judged(subject_of(WRONG["one use of a shared weight"], claims), examples=8)
    [finding] = report.findings
    assert finding.wrong == ("0.weight",)
