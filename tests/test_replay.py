"""`backproof replay`: one case asked again, the case files it refuses, and the test it prints."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from backproof import cli
from backproof.judging.plan import Plan
from backproof.plug.contract import Declined
from backproof.plug.subject import subject_of
from backproof.plug.subjects import load as ready_made
from backproof.plug.targets import TargetError, load
from backproof.properties.strategies import Style, build
from backproof.record.cases import read_case
from backproof.record.writing import Recorder, RecordError, to_text
from backproof.reference import Case, parse
from backproof.running.as_pytest import as_test
from backproof.running.replay import replay

EXAMPLES = Path(__file__).resolve().parent / "examples"
MLP = """
import numpy as np

def right(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    a = [inputs]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(np.tanh(a[-1] @ w + c))
    p = a[-1] @ W[-1] + b[-1]
    delta = 2 * (p - targets) / len(targets)
    dW, db = [None] * len(W), [None] * len(b)
    for i in reversed(range(len(W))):
        dW[i], db[i] = a[i].T @ delta, delta.sum(axis=0)
        delta = delta @ W[i].T * (1 - a[i] ** 2)
    return ((p - targets) ** 2).sum() / len(targets), network.pack(dW, db)

def averaged(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {n: g / len(inputs) if n.endswith("bias") else g for n, g in gradients.items()}

def halved(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss / 2, gradients

def scribbling(network, parameters, inputs, targets):
    answer = right(network, parameters, inputs, targets)
    inputs += 1.0
    return answer

def unsummed(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {n: g[None] if n.endswith("bias") else g for n, g in gradients.items()}

def short(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {n: g.astype("float32") for n, g in gradients.items()}

def not_a_number(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {n: g * float("nan") for n, g in gradients.items()}

def lacking(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {n: g for n, g in gradients.items() if not n.endswith("bias")}

last = {}

def stale(network, parameters, inputs, targets):
    first = last.setdefault(inputs.shape, inputs.copy())
    return right(network, parameters, first, targets)

counted = []

def accumulating(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    counted.append(1)
    return loss, {n: g * len(counted) for n, g in gradients.items()}

class Several:
    def backprop(self, *case):
        return right(*case)

net = Several()
"""
WRONG = ("averaged", "halved", "scribbling", "unsummed", "short", "not_a_number", "lacking", "stale", "accumulating")


def a_network(sizes=(2, 3, 1), function="tanh", **loss):
    layers = []
    for units in sizes[1:]:
        layers += [{"kind": "dense", "units": units}, {"kind": "activation", "function": function}]
    return parse.network({"format": 1, "input_shape": [sizes[0]], "layers": layers[:-1],
                              "loss": {"kind": "squared_error", **loss}})


def a_case(seed=3, batch=4, dtype="float64", **more):
    return build(a_network(**more), batch, "real", Style(), seed, dtype)


def write(folder, case, name=None, text=None):
    (folder / "cases").mkdir(exist_ok=True)
    path = folder / "cases" / f"{name or case.id}.json"
    path.write_text(text or to_text(case), encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with mlp.py, to be in."""
    (tmp_path / "mlp.py").write_text(MLP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return tmp_path


def said(capsys, *arguments):
    status = cli.main(["replay", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def one_line(err):
    return err.startswith("backproof: ") and err.count("\n") == 1 and err.endswith("\n")


# --- FIXED, FAILED, ERROR ---------------------------------------------------------------------------------------


def test_fixed(here, capsys):
    status, out, err = said(capsys, write(here, a_case()), "mlp.py:right")
    assert (status, err) == (0, "")
    assert out.startswith(f"FIXED: mlp.py:right on case {a_case().id}\n")
    assert "4 gradients are right, the loss is the declared one" in out


@pytest.mark.parametrize(("name", "words"), [
    ("averaged", ["consistent with bias-averaged-over-batch", "wrong: 0.bias and 2.bias", "got", "tolerance"]),
    ("halved", ["the loss reported is 1/2 times the declared one", "the gradient is right"]),
    ("scribbling", ["untouched arguments: inputs was changed in place"]),
    ("unsummed", ["contract: 0.bias of shape (1, 3) where (3,) is wanted"]),
    ("short", ["float32 in a float64 case: digits are lost"]),
    ("not_a_number", ["got nan"]),
    ("lacking", ["contract: no gradient for '0.bias'"]),
    ("stale", ["wrong: 0.weight, 0.bias, 2.weight and 2.bias"]),
    ("accumulating", ["state: the same question, asked twice, has the same answer"]),
])
def test_failed(here, capsys, name, words):
    status, out, err = said(capsys, write(here, a_case()), f"mlp.py:{name}")
    assert (status, err) == (1, "")
    assert out.startswith(f"FAILED: mlp.py:{name} on case {a_case().id}\n\n  ")
    assert all(word in out for word in words), out


def test_it_says_what_the_finding_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent.parent)
    target = "tests/examples/mlp_layers_wrong.py:mlp"
    assert cli.main(["verify", target, "--examples", "20", "--oracles", "torch", "--report", str(tmp_path)]) == 1
    [finding] = json.loads((tmp_path / "report.json").read_text("utf-8"))["findings"]
    capsys.readouterr()
    path = tmp_path / "cases" / f"{finding['case']}.json"
    status, out, err = said(capsys, path)
    assert (status, out, err.endswith(f" {target}\n")) == (2, "", True)
    status, out, err = said(capsys, path, target)
    assert status == 1
    wanted = [line for line in finding["explanation"].splitlines() if "times" not in line]
    assert all(line in out for line in [*wanted, finding["lesson"]["symptom"], finding["lesson"]["right"]])
    assert said(capsys, path, "tests/examples/mlp_layers.py:mlp")[0] == 0


def test_float32(here):
    case = a_case(dtype="float32", sizes=(3, 1))
    assert replay(case, ready_made("reference")).status == "FIXED"
    said = replay(case, subject_of(lambda network, p, x, t: (0.0, {n: 2 * v for n, v in p.items()})))
    assert said.status == "FAILED"


def raising(network, parameters, inputs, targets):
    raise KeyError("no such\nlayer")


def leaving(network, parameters, inputs, targets):
    raise SystemExit(0)


def declining(network, parameters, inputs, targets):
    raise Declined("not today")


def nothing_right(network, parameters, inputs, targets):
    return None


@pytest.mark.parametrize(("function", "status", "words"), [
    (raising, "ERROR", "KeyError: 'no such"), (leaving, "ERROR", "sys.exit(0) inside the subject"),
    (declining, "ERROR", "declined: not today"), (nothing_right, "FAILED", "returned None"),
])
def test_no_answer(function, status, words):
    answer = replay(a_case(), subject_of(function))
    assert answer.status == status
    assert words in answer.text
    assert status != "ERROR" or answer.text.count("\n") == 0


def test_a_hang_is_an_error(here, monkeypatch):
    monkeypatch.setattr("backproof.judging.asking.QUESTION_SECONDS", 0.05)

    def hanging(*_):
        while True:
            pass

    answer = replay(a_case(), subject_of(hanging))
    assert (answer.status, answer.exit) == ("ERROR", 2)
    assert "no answer within 0.05 s" in answer.text


def test_without_a_witness_nothing_is_decided(monkeypatch):
    monkeypatch.setattr("backproof.running.replay.witnesses", list)
    case = a_case()

    def wrong(network, parameters, inputs, targets):
        return 1.0, {name: value + 1.0 for name, value in parameters.items()}

    answer = replay(case, subject_of(wrong))
    assert answer.status == "FAILED"
    assert "\n  the loss reported is 1, the declared one " in answer.text

    case = a_case(dtype="float32")  # where the loss is too coarse for differences along a line

    def right_loss(network, parameters, inputs, targets):
        reference = ready_made("reference").engine(case.but(parameters=parameters, inputs=inputs, targets=targets))
        return reference.loss, {name: g + 1.0 for name, g in reference.gradients.items()}

    monkeypatch.setattr("backproof.properties.agreement._differences_agree", lambda *_: False)
    answer = replay(case, subject_of(right_loss))
    assert (answer.status, answer.text.count("\n")) == ("ERROR", 0)
    assert "inconclusive: no independent witness" in answer.text


def on_a_kink():
    """A hidden unit is zero, but for rounding."""
    case = a_case(function="relu", batch=1)
    return case.but(parameters={"0.bias": -(case.inputs @ case.parameters["0.weight"])[0]})


def test_a_case_without_one_right_answer_is_not_fixed():
    case = on_a_kink()
    answer = replay(case, ready_made("reference"))
    assert answer.status == "ERROR"
    assert "no one right answer" in answer.text
    integers = case.map(np.round).but(parameters={"0.bias": np.zeros(3)})
    zero = integers.but(inputs=integers.inputs * 0.0)
    assert replay(zero, ready_made("reference")).status == "FIXED"
    other = subject_of(lambda network, p, x, t: (0.0, {n: 0.5 + v for n, v in p.items()}))
    assert replay(zero, other).status != "FIXED"
    endless = case.but(parameters={"0.weight": case.parameters["0.weight"] * np.nan})
    assert replay(endless, ready_made("reference")).status == "ERROR"


def test_what_is_not_claimed_is_an_error(capsys, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    subject = load("no_derivative.py:backprop")
    assert replay(a_case(), subject).status == "FAILED"
    assert "does not claim sigmoid" in replay(a_case(function="sigmoid"), subject).text
    assert "does not claim float32" in replay(a_case(dtype="float32"), subject).text
    branches = parse.network({"format": 1, "input_shape": [2], "loss": {"kind": "squared_error"}, "layers": [
        {"kind": "parallel", "branches": [[{"kind": "dense", "units": 2}], []], "combine": "add"}]})
    answer = replay(build_parallel(branches), subject)
    assert (answer.status, answer.text.count("\n")) == ("ERROR", 0)


def build_parallel(network):
    return Case(network, {"0.0.0.weight": np.ones((2, 2)), "0.0.0.bias": np.zeros(2)}, np.ones((1, 2)), np.ones((1, 2)))


# --- the target the record names --------------------------------------------------------------------------------


def recorded(folder, subject, source=""):
    """A record of a subject, and a case beside it."""
    with Recorder(folder) as recorder:
        recorder.header(subject_of(lambda *_: None, subject), Plan())
    lines = json.loads((folder / "report.jsonl").read_text("utf-8"))
    (folder / "report.jsonl").write_text(json.dumps(lines | {"target": subject, "source": source}) + "\n")
    return write(folder, a_case())


def test_a_ready_made_subject_is_asked_on_the_records_word(here, capsys):
    status, out, err = said(capsys, recorded(here / "out", "reference"))
    assert (status, out[:5]) == (0, "FIXED"), (out, err)
    assert err == "backproof: TARGET is reference, as the record says\n"


TRAP = "import os\nos.mkdir({ran!r})\nfrom backproof import *\ndef f(*_): pass\n"


def test_nothing_else_is_run_on_the_records_word(here, tmp_path_factory, capsys):
    """Neither a file that came with it nor one of the user's own, nor what Python finds by itself."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    ran, up = elsewhere / "ran", os.path.relpath(elsewhere / "evil.py")
    for path in (elsewhere / "evil.py", here / "evil.py", here / "out" / "evil.py", here / "pack" / "__init__.py",
                 here / "pack" / "evil.py", here / "conftest.py", here / "sklearn.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRAP.format(ran=str(ran)))
    before = set(sys.modules)
    for subject, source in [("evil.py:f", "evil.py:3"), ("pack.evil:f", "pack/evil.py:3"), ("out/evil.py:f", ""),
                            (f"{elsewhere}/evil.py:f", ""), (f"{up}:f", ""), ("conftest.py:f", ""), ("os:abort", ""),
                            ("evil.py", f"{up}:2"), ("antigravity:fly", ""), ("", "")]:
        path = recorded(here / "out", subject, source)
        status, out, err = said(capsys, path)
        assert (status, out) == (2, "")
        assert err.startswith("backproof: a record is data, and names code")
        command = shlex.split(err.splitlines()[-1])
        assert command == ["python", "-m", "backproof", "replay", str(path), subject or "TARGET"]
    assert not ran.exists()
    assert not {"antigravity", "pack", "pack.evil", "evil"} & (set(sys.modules) - before)


@pytest.mark.parametrize("subject", ["\x1b[2J\n:x", "-rf", "a\u202eb.py:f", "x" * 3000])
def test_what_cannot_be_typed_is_not_printed(here, capsys, subject):
    path = recorded(here / "out", "mine")
    record = path.parent.parent / "report.jsonl"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"target": subject}) + "\n")
    _, _, err = said(capsys, path)
    assert err.splitlines()[-1].endswith(" TARGET")
    assert err.replace("\n", "").isprintable()
    assert cli.main(["report", str(record.parent)]) == 2
    assert "wanted what can be typed" in capsys.readouterr().err


def test_what_is_typed_is_quoted_for_a_shell(here, capsys):
    path = recorded(here / "a b; $(touch ran)", "my net.py:f; touch ran #")
    _, _, err = said(capsys, path)
    assert shlex.split(err.splitlines()[-1])[-2:] == [str(path), "my net.py:f; touch ran #"]


def test_in_the_records_folder_no_library_is_taken_from_it(here):
    """`python -m` puts the current folder first: there a file could stand for a library."""
    path = recorded(here / "out", "reference")
    for name in ("numpy", "argparse", "torch", "jax", "filelock"):
        (here / "out" / f"{name}.py").write_text(f"import os\nos.mkdir('ran-{name}')\n")
    for command in (["replay", str(path)], ["report", "."], ["compare", ".", "."], ["expect", "."]):
        subprocess.run([sys.executable, "-m", "backproof", *command], cwd=here / "out", capture_output=True, timeout=60)
    assert not list((here / "out").glob("ran-*"))


def test_no_record_beside_the_case(here, capsys):
    status, _, err = said(capsys, write(here, a_case()))
    assert (status, err.endswith(f"{a_case().id}.json TARGET\n")) == (2, True)


# --- case files that are none -----------------------------------------------------------------------------------


def changed(**more):
    return json.dumps(a_case().to_json() | more)


def with_weight(weight):
    data = a_case().to_json()
    data["parameters"]["0.weight"] = weight
    return json.dumps(data)


def nested(depth):
    layers = "[]"
    for _ in range(depth):
        layers = f'[{{"kind": "parallel", "branches": [{layers}], "combine": "add"}}]'
    return (f'{{"format": 1, "network": {{"format": 1, "input_shape": [1], "layers": {layers}, '
            '"loss": {"kind": "squared_error"}}, "dtype": "float64", "parameters": {}}')


BAD = {
    "empty": (b"", "not JSON"),
    "no UTF-8": (b"\xff\xfe{", "not UTF-8"),
    "a list": (b"[]", "wanted a JSON object"),
    "cut": (to_text(a_case()).encode()[:200], "not JSON"),
    "NaN": (changed(dtype=float("nan")).encode(), "not JSON"),
    "many digits": (b"1" * 5000, "not JSON"),
    "deep lists": (b"[" * 100_000, "nested too deeply"),
    "deep case": (b'{"a":' * 500 + b"1" + b"}" * 500, "nested"),
    "deep network": (nested(60).encode(), "nested deeper than 100 levels"),
    "unknown key": (changed(__proto__={}).encode(), "unknown key '__proto__'"),
    "no network": (changed(network=None).encode(), "wanted a JSON object"),
    "large number": (with_weight({"dtype": "float64", "shape": [1, 1], "data": [10**400]}).encode(),
                     "is not a float64"),
    "too many axes": (with_weight({"dtype": "float64", "shape": [1] * 99, "data": [0.0]}).encode(), "a list of sizes"),
    "too large": (with_weight({"dtype": "float64", "shape": [10**9] * 9, "data": []}).encode(),
                  "data must be a list of 1000000"),
    "larger": (with_weight({"dtype": "float64", "shape": [10**4000] * 9, "data": []}).encode(), "shape is [1000"),
    "nothing, and large": (with_weight({"dtype": "float64", "shape": [0] + [10**9] * 3, "data": []}).encode(),
                           "too large"),
    "shape of another": (with_weight({"dtype": "float64", "shape": [1, 1], "data": [0.0]}).encode(), "of shapes"),
    "a name of lines": (changed(parameters={"a\nb\x1b[2J": 1}).encode(), r"a\nb\x1b[2J"),
    "a long name": (changed(parameters={"a" * 10**6: 1}).encode(), "aaa..."),
    "text for an array": (with_weight("cos\nsystem\n(S'true'\ntR.").encode(), "wanted a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_case_is_one_line(here, capsys, name):
    data, words = BAD[name]
    path = here / "case.json"
    path.write_bytes(data)
    status, out, err = said(capsys, path, "mlp.py:right")
    assert (status, out) == (2, "")
    assert one_line(err), err
    assert words in err
    assert len(err) < 1500


def test_no_file_at_all(here, capsys):
    os.mkfifo(here / "pipe.json")
    for path, words in [(here / "none.json", "No such file"), (here, "is a directory"),
                        (here / "pipe.json", "is no ordinary file"), (here / "mlp.py" / "x.json", "cannot be read")]:
        status, _, err = said(capsys, path, "mlp.py:right")
        assert (status, one_line(err)) == (2, True)
        assert words in err


def test_a_file_too_large(here, monkeypatch):
    monkeypatch.setattr("backproof.record.cases.LARGEST_FILE", 100)
    with pytest.raises(RecordError, match=r"is too large: \d+ bytes, at most 100$"):
        read_case(write(here, a_case()))


def test_a_changed_case_is_refused_by_its_name(here, capsys):
    other = a_case(seed=4)
    status, _, err = said(capsys, write(here, a_case(), text=to_text(other)), "mlp.py:right")
    assert (status, one_line(err)) == (2, True)
    assert f"the case was changed: its id is {other.id}, the file's name says {a_case().id}" in err
    assert read_case(write(here, other, name="mine")).id == other.id
    assert read_case(write(here, other)).id == other.id


def test_a_target_that_cannot_be_had(here, capsys):
    for target, words in [("none.py:f", "no file none.py"), ("mlp.py:nobody", "no 'nobody' in mlp.py")]:
        status, _, err = said(capsys, write(here, a_case()), target)
        assert (status, one_line(err)) == (2, True)
        assert words in err


# --- the test that stands alone ---------------------------------------------------------------------------------

HIDDEN = """\
import sys
sys.modules["backproof"] = None
import pytest
sys.exit(pytest.main(["-q", "-p", "no:backproof", "-p", "no:cacheprovider", "-W", "error", *sys.argv[1:]]))
"""


def run_alone(folder, path):
    """pytest where `import backproof` fails."""
    done = subprocess.run([sys.executable, "-c", HIDDEN, str(path)], cwd=folder, capture_output=True, text=True,
                          timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_the_printed_test_passes_on_right_and_fails_on_wrong(here, capsys):
    path = write(here, a_case())
    (here / "tests").mkdir()
    for name in ("right", "net.backprop", *WRONG):
        status, out, err = said(capsys, path, f"mlp.py:{name}", "--as-test")
        assert (status, err) == (0, "")
        (here / "tests" / f"test_{name.replace('.', '_')}.py").write_text(out)
        assert "import backproof" not in out
        assert str(here) not in out
    code, out = run_alone(here, here / "tests")
    assert code == 1
    for name in ("right", "net.backprop"):
        assert f"FAILED tests/test_{name.replace('.', '_')}.py" not in out, out
    assert all(f"FAILED tests/test_{name}.py" in out for name in WRONG), out
    assert f"{len(WRONG)} failed, 2 passed" in out


@pytest.mark.parametrize("case", [
    a_case(dtype="float32"), a_case(sizes=(3, 2, 2, 2), batch=1, reduction="sum", scale=0.5), a_case(batch=40)])
def test_the_numbers_come_back_bit_for_bit(here, case):
    text = as_test(case, load("mlp.py:right"), "mlp.py:right")
    said = {"__name__": "test"}
    exec(compile(text, "test", "exec"), said)
    for name, value in case.parameters.items():
        assert said["PARAMETERS"][name].tobytes() == value.tobytes()
        assert said["PARAMETERS"][name].dtype == value.dtype
    assert said["INPUTS"].tobytes() == case.inputs.tobytes()
    assert said["TARGETS"].tobytes() == case.targets.tobytes()
    for name in ("sizes", "hidden", "head", "input_shape", "input_kind"):
        assert getattr(said["NETWORK"], name) == getattr(case.network, name)
    assert vars(said["NETWORK"].loss) == asdict(case.network.loss)
    for one, other in zip(said["NETWORK"].layers, case.network.layers, strict=True):
        assert (one.kind, one.options) == (other.kind, dict(other.options))


def test_a_module_as_target(here, capsys):
    (here / "pack").mkdir()
    (here / "pack" / "__init__.py").write_text("")
    (here / "pack" / "net.py").write_text(MLP)
    for name, wanted in [("right", 0), ("averaged", 1)]:
        status, out, _ = said(capsys, write(here, a_case()), f"pack.net:{name}", "--as-test")
        (here / "test_it.py").write_text(out)
        code, out = run_alone(here, "test_it.py")
        assert (status, code) == (0, wanted), out


def test_the_printed_test_of_a_decorated_function(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent.parent)
    path = write(tmp_path, a_case())
    for name in ("no_derivative", "accumulates"):
        status, out, _ = said(capsys, path, f"tests/examples/{name}.py:backprop", "--as-test")
        (tmp_path / f"test_{name}.py").write_text(out)
        run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / f"test_{name}.py"]
        done = subprocess.run(run, capture_output=True, text=True, timeout=120)
        assert (status, done.returncode) == (0, 1), done.stdout
        assert "AssertionError" in done.stdout


def test_only_a_function_becomes_a_test(here, capsys):
    source = here / "subject.py"
    source.write_text("import mlp\nfrom backproof.plug.subject import subject_of\nmine = subject_of(mlp.right)\n")
    path = write(here, a_case())
    for target in ("reference", f"{EXAMPLES / 'mlp_layers.py'}:mlp", "subject.py:mine"):
        status, out, err = said(capsys, path, target, "--as-test")
        assert (status, out, one_line(err)) == (2, "", True)
        assert "--as-test needs a function" in err


def test_no_test_without_one_right_answer(here):
    with pytest.raises(TargetError, match="no one right answer"):
        as_test(on_a_kink(), load("mlp.py:right"), "mlp.py:right")


def test_a_case_is_named_by_its_content():
    case = a_case()
    assert case.id == hashlib.sha256(json.dumps(case.to_json(), sort_keys=True).encode()).hexdigest()[:12]
