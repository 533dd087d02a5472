"""A target that is called in another way: what to write is said, and a right one is let through."""

import sys
import time
from types import ModuleType

import pytest
from backproof import Head, TargetError, cli, implementation, verify
from backproof.plug import executed
from backproof.plug.contract import BrokenContract
from backproof.plug.replies import PACKED, paired
from backproof.plug.targets import load
from backproof.plug.wanted import ARGUMENTS, check_framework, fits, names_of, to_fill_in
from backproof.record.notes import NoteKind
from backproof.running.doors import DOORS

TEXT = """

def pair(x, y): ...
def three(params, X, Y): ...
def gives(network, parameters, inputs, targets):
    yield 1
async def later(network, parameters, inputs, targets): ...

class Net:
    def backprop(self, X, Y, lr): ...
    def four(self, network, parameters, inputs, targets): ...

class Called:
    async def __call__(self, network, parameters, inputs, targets): ...

called = Called()
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes mine.py and goes there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(text):
        (tmp_path / "mine.py").write_text(text)
        sys.modules.pop("mine", None)

    yield write
    sys.modules.pop("mine", None)


WANTED = "wanted backprop(network, parameters, inputs, targets) -> (loss, gradients)"


@pytest.mark.parametrize(("name", "said"), [
    ("pair", "mine.py:pair takes (x, y); wanted"),
    ("three", "mine.py:three takes (params, X, Y); wanted"),
    ("gives", "mine.py:gives is a generator: it has a yield, where a return is wanted"),
    ("later", "mine.py:later is an async function"),
    ("called", "mine.py:called is an async function"),
    ("Net.backprop", "is a method, which wants an object: write `mine = Net(...).backprop`"),
    ("Net.four", "is a method, which wants an object: write `mine = Net(...).four`"),
])
def test_a_wrong_signature_prints_the_right_one_and_lines_to_fill_in(name, said, file, capsys):
    file(TEXT)
    assert cli.main(["verify", f"mine.py:{name}"]) == 2
    first, empty, *lines = capsys.readouterr().err.rstrip().split("\n")
    assert said in first
    assert WANTED in first
    assert empty == ""
    assert [line.removeprefix("    ") for line in lines] == to_fill_in(f"yours: {name.split('.')[-1]}(...)")


def test_the_lines_to_fill_in_can_be_filled_in():
    lines = to_fill_in("mine")
    assert len(lines) <= 7
    names = {}
    exec("\n".join(lines), names)
    assert fits(names["backprop"])


def test_from_python_it_is_the_same_line():
    with pytest.raises(TargetError, match=r"takes \(x, y\); wanted backprop"):
        verify(lambda x, y: 0)


@pytest.mark.parametrize("target", [
    lambda network, parameters, inputs, targets: 0, lambda *given: 0, lambda a, b, c, d, e=1: 0, max,
])
def test_what_can_be_called_with_four_fits(target):
    assert fits(target)


# --- one function in a file -------------------------------------------------------------------------

RIGHT = """
def {name}(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    e = inputs @ W + b - targets
    return (e**2).sum(), network.pack([2 * inputs.T @ e], [2 * e.sum(0)])
"""


@pytest.mark.parametrize("more", ["", "def helper(x): ...", "class Helper: ...", "def _hidden(*given): ..."])
def test_the_one_function_that_can_be_meant_is_taken(more, file, capsys):
    file(RIGHT.format(name="mine") + more)
    assert load("mine.py").target == "mine.py:mine"
    assert cli.main(["verify", "mine.py", "--examples", "2", "--oracles", "differences"]) in (0, 3)
    out, err = capsys.readouterr()
    assert err.startswith("backproof: mine.py: verifies mine.py:mine, the one that may be meant\n")
    assert out.startswith("mine.py:mine: ")


def test_of_several_the_decorated_one_is_taken(file):
    claimed = RIGHT.format(name="b").replace("def b", "from backproof import implementation\n@implementation()\ndef b")
    file(RIGHT.format(name="a") + claimed)
    assert load("mine.py").target == "mine.py:b"


def test_of_several_all_are_listed(file):
    file(RIGHT.format(name="a") + RIGHT.format(name="b") + "def helper(x): ...")
    with pytest.raises(TargetError, match=r"which function\? there is mine.py:a, mine.py:b, mine.py:helper"):
        load("mine.py")


def test_a_function_of_another_signature_is_meant_where_there_is_no_other(file):
    file("def mine(x, y): ...")
    with pytest.raises(TargetError, match=r"mine.py:mine takes \(x, y\)"):
        load("mine.py")


# --- classes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "base", "says"), [
    ("torch.autograd.function", "Function", "is a torch.autograd.Function, which is verified beside its plain form"),
    ("torch.nn.modules.module", "Module", "is a PyTorch module, which is verified beside its plain form"),
    ("keras.src.layers.layer", "Layer", "is a Keras layer, which is verified inside a function"),
])
def test_a_class_of_a_framework_says_what_to_write(module, base, says):
    mine = type("Mine", (type(base, (), {"__module__": module}),), {})
    with pytest.raises(TargetError, match=says) as caught:
        check_framework(mine, "mine.py:Mine")
    assert any("Mine" in line for line in caught.value.more) == module.startswith("torch")
    check_framework(ModuleType, "x")


def test_a_torch_module_and_the_lines_that_verify_it(file, capsys):
    pytest.importorskip("torch")
    file("import torch\nclass Mine(torch.nn.Module): ...\nmade = Mine()\n")
    for name in ("Mine", "made"):
        assert cli.main(["verify", f"mine.py:{name}"]) == 2
        assert f"mine.py:{name} is a PyTorch module" in capsys.readouterr().err


def test_a_class_says_what_to_write(file, capsys):
    file("class Net: ...")
    assert cli.main(["verify", "mine.py:Net"]) == 2
    assert capsys.readouterr().err.startswith("backproof: mine.py:Net: Net is a class, and which method trains it")


# --- replies ----------------------------------------------------------------------------------------


def layer(network, parameters, inputs, targets):
    """One layer, and its answer in parts."""
    (W,), (b,) = network.unpack(parameters)
    e = inputs @ W + b - targets
    return (e**2).sum(), [2 * inputs.T @ e], [2 * e.sum(0)]


CLAIMS = {"heads": [Head("identity", "squared_error", reduction="sum")], "depth": (1, 1)}
REPLIES = {"three": lambda loss, dW, db: (loss, dW, db), "nested": lambda loss, dW, db: (loss, (dW, db)),
           "tuples": lambda loss, dW, db: (loss, tuple(dW), tuple(db))}


@pytest.mark.parametrize("form", REPLIES)
def test_two_lists_are_packed_and_it_is_said(form):
    report = verify(implementation(**CLAIMS)(lambda *given: REPLIES[form](*layer(*given))), examples=20,
                    oracles="differences")
    assert report.verdict == "conforms"
    assert [PACKED in note for note in report.notes if note.kind is NoteKind.ANSWERS] == [True]


def test_two_lists_that_are_wrong_are_found():
    def wrong(*given):
        loss, dW, db = layer(*given)
        return loss, dW, [db[0] / len(given[2])]

    report = verify(implementation(**CLAIMS)(wrong), examples=20, oracles="differences")
    assert report.findings[0].wrong == ("0.bias",)


@pytest.mark.parametrize(("reply", "said"), [
    (lambda *given: ({}, 1.0), "returned (gradients, loss); write the loss first: `return loss, gradients`"),
    (lambda *given: {"0.weight": 1.0}, "put the loss before the dictionary"),
    (lambda *given: None, "is the return statement missing?"),
    (lambda *given: (1.0, [1.0]), "the gradients are a dictionary"),
    (lambda *given: (1.0, [1.0, 2.0], [3.0]), "returned a tuple of 3; (loss, gradients) is wanted"),
])
def test_another_reply_says_what_to_write(reply, said):
    report = verify(implementation(**CLAIMS)(reply), examples=2)
    assert report.verdict == "not_judged"
    assert said in report.reason


def test_a_pair_is_left_as_it_is():
    reply = 1.0, {"0.weight": [1.0]}
    assert paired(None, reply) == (reply, set())
    with pytest.raises(BrokenContract):
        paired(None, ({}, 1.0))


def test_arguments_of_other_names_are_told_how_it_is_called():
    def mine(params, X, Y, lr):
        return params["W"]

    report = verify(mine, examples=2)
    assert report.reason.endswith("; it is called with (network, parameters, inputs, targets), and its arguments "
                                  "are (params, X, Y, lr)")
    assert names_of(mine)[:4] != ARGUMENTS


# --- a file that is at work when it is imported -----------------------------------------------------


@pytest.mark.parametrize(("code", "why"), [
    ("import time; time.sleep(0.3)", ", and still runs after 0.1 s"),
    ("for i in range(50): print(i)", ", and prints 40 lines"),
])
def test_a_file_that_trains_is_said_to_be_executed(code, why, file, monkeypatch, capsys):
    monkeypatch.setattr(executed, "SECONDS", 0.1)
    file(RIGHT.format(name="mine") + code)
    said = []
    load("mine.py", said.append)
    assert said == [f"mine.py is executed when it is imported{why}: put training under "
                    "`if __name__ == '__main__'`, to verify without it"]
    load("mine.py")  # nobody hears


def test_a_quiet_file_is_not(file):
    file(RIGHT.format(name="mine") + "print('hello')")
    said, stream = [], sys.stdout
    started = time.monotonic()
    load("mine.py", said.append)
    assert (said, sys.stdout) == ([], stream)
    assert time.monotonic() - started < 1


# --- names that other programs use ------------------------------------------------------------------


@pytest.mark.parametrize(("theirs", "ours"), [
    ("mse", "squared_error"), ("MSE", "squared_error"), ("cross entropy", "cross_entropy"),
    ("Cross-Entropy", "cross_entropy"), ("bce", "binary_cross_entropy"), ("nll", "cross_entropy"),
    ("CrossEntropyLoss", "softmax_cross_entropy"), ("smooth_l1", "huber"), ("mae", "absolute_error"),
])
def test_a_loss_of_another_name(theirs, ours):
    with pytest.raises(ValueError, match=f"is called {ours!r} here; write {ours!r}"):
        Head("identity", theirs)


@pytest.mark.parametrize(("theirs", "ours"), [
    ("linear", "identity"), ("logistic", "sigmoid"), ("ReLU", "relu"), ("leakyrelu", "leaky_relu"), ("swish", "silu"),
    ("ReLU6", "relu6"), ("Leaky ReLU", "leaky_relu"), ("hardtanh", "hard_tanh"),
])
def test_an_activation_of_another_name(theirs, ours):
    for claimed in ({"hidden": [theirs]}, {"hidden": [{"function": theirs}]}):
        with pytest.raises(ValueError, match=f"is called {ours!r} here; write {ours!r}"):
            implementation(**claimed)
    with pytest.raises(ValueError, match=f"is called {ours!r} here"):
        Head(theirs, "squared_error")


@pytest.mark.parametrize(("activation", "loss", "told"), [
    ("softmax", "softmax_cross_entropy", True), ("sigmoid", "sigmoid_cross_entropy", True),
    ("identity", "softmax_cross_entropy", False), ("softmax", "cross_entropy", False),
])
def test_an_activation_that_the_loss_has_in_it_is_told(activation, loss, told):
    mine = implementation(heads=[Head(activation, loss)], depth=(1, 1))(lambda *given: None)
    from backproof.judging.hints import twice
    from backproof.plug.implementing import claims_of

    notes = twice(claims_of(mine))
    assert [note.kind for note in notes] == [NoteKind.TWICE] * told


# --- files to start from ----------------------------------------------------------------------------


# The step is one of them as soon as `training_step` is there.
@pytest.mark.parametrize("door", [
    pytest.param(door, marks=[] if door != "step" or hasattr(__import__("backproof"), "training_step")
                 else pytest.mark.skip("no training_step yet")) for door in DOORS if door != "command"])
def test_a_new_file_conforms_as_it_is(door, file, tmp_path, capsys):
    file("")
    assert cli.main(["new", "started.py", "--door", door]) == 0
    out = capsys.readouterr().out
    command = out.rstrip().split("\n")[-1].split()
    assert command[:4] == ["python", "-m", "backproof", "verify"]
    assert cli.main([*command[3:], "--examples", "40", "--oracles", "torch"]) == 0
    assert ": CONFORMS\n" in capsys.readouterr().out
    before = (tmp_path / "started.py").read_text()
    assert cli.main(["new", "started.py", "--door", door]) == 2
    assert (tmp_path / "started.py").read_text() == before
    sys.modules.pop("started", None)
