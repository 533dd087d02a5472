"""The command line: what it teaches, what it refuses in one line, its exits, and `verify` in Python."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import backproof
import pytest
from backproof import cli
from backproof.judging.plan import Plan
from backproof.oracles import ORACLES
from backproof.plug.subjects import SUBJECTS
from backproof.plug.targets import TargetError
from backproof.record.report import EXITS, Report
from backproof.record.writing import RecordError
from backproof.reference import DescriptionError
from backproof.running import api
from backproof.running.api import PlanError

FAST = ["--oracles", "differences,complex_step"]
MINE = """
import numpy as np
from backproof import Head, implementation

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def right(network, parameters, inputs, targets):
    (W,), (b,) = network.unpack(parameters)
    d = inputs @ W + b - targets
    return (d ** 2).sum(), network.pack([2 * inputs.T @ d], [2 * d.sum(0)])

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def wrong(network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    return loss, {**gradients, "0.bias": gradients["0.bias"] / len(inputs)}

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def slow(network, parameters, inputs, targets):
    import time
    time.sleep(0.02)
    return right(network, parameters, inputs, targets)

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def raising(network, parameters, inputs, targets):
    if len(inputs) > 2:
        raise IndexError("too many")
    return right(network, parameters, inputs, targets)

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def scribbling(network, parameters, inputs, targets):
    answer = right(network, parameters, inputs, targets)
    inputs += 1.0
    return answer

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def leaving(network, parameters, inputs, targets):
    if len(inputs) > 2:
        raise SystemExit(0)
    return right(network, parameters, inputs, targets)

@implementation(heads=[Head("identity", "squared_error", reduction="sum")])
def warning(network, parameters, inputs, targets):
    import warnings
    warnings.warn("old", DeprecationWarning)
    np.float64(1.0) / np.zeros(1)
    return right(network, parameters, inputs, targets)

weights = np.zeros(3)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with mine.py, to be in."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.fixture
def asked(monkeypatch):
    """Runs nothing: what `run` was asked, and a report to give back."""
    seen = {"report": Report("mine", "conforms", {}, 0)}

    def run(subject, plan, recorder, listen, announce, workers, resume):
        seen.update(subject=subject, plan=plan, recorder=recorder)
        return seen["report"]

    monkeypatch.setattr("backproof.running.run.run", run)
    return seen


def program(*arguments, **more):
    """`python -m backproof ...` in a process of its own."""
    command = [sys.executable, "-m", "backproof", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **more)


# --- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["list", "--help"], ["new", "--help"],
                                       ["grade", "--help"]])
def test_help_teaches_with_an_example(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    text = capsys.readouterr().out
    assert not ended.value.code
    assert "  python -m backproof " in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 120


def test_nothing_at_all_is_the_help_and_exit_2(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert "  python -m backproof verify my_file.py:backprop " in out
    assert err == ""


def test_help_explains_the_exits(capsys):
    with pytest.raises(SystemExit):
        cli.main(["verify", "--help"])
    text = capsys.readouterr().out
    for verdict, code in EXITS.items():
        assert f"  {code}  {verdict.replace('_', ' ')}" in text


def test_the_help_of_verify_says_the_defaults_of_verify():
    options = cli.parser().parse_args(["verify", "x"])
    assert (options.examples, options.seconds, options.profile, options.seed) == (None, None, "default", api.SEED)
    assert (api.plan_of().examples, api.plan_of().seconds) == (api.EXAMPLES, api.SECONDS)
    assert Plan(each=14, fewer=True) == api.plan_of(options.examples, options.seconds, options.seed, options.oracles, options.require)


def test_version():
    assert program("--version").stdout.decode().strip() == f"backproof {backproof.__version__}"


# --- list --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "names"), [
    ("layers", ["dense", "activation", "parallel"]), ("activations", ["tanh", "leaky_relu"]),
    ("losses", ["squared_error", "inner_product"]), ("oracles", list(ORACLES)),
    ("properties", ["contract", "reference", "batch_additivity"]), ("subjects", list(SUBJECTS)),
])
def test_list(kind, names, capsys):
    assert cli.main(["list", kind]) == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(names) <= set(first)
    assert len(set(first)) == len(first)


def test_list_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(ORACLES, "torch", ORACLES["torch"]._replace(package="no_such_package"))
    monkeypatch.setitem(SUBJECTS, "micrograd", SUBJECTS["micrograd"]._replace(needs=("no_such_package",)))
    cli.main(["list", "oracles"])
    cli.main(["list", "subjects"])
    text = capsys.readouterr().out
    assert 'not available: pip install "backproof[torch]"' in text
    assert 'not available: needs no_such_package: pip install "backproof[subjects]"' in text


def test_list_tries_what_is_there(monkeypatch, capsys):
    monkeypatch.setitem(ORACLES, "torch", ORACLES["torch"]._replace(package="broken_package"))
    monkeypatch.setattr("backproof.oracles.available", lambda: tuple(ORACLES))
    monkeypatch.setattr("backproof.oracles.importlib.import_module", broken)
    cli.main(["list", "oracles"])
    assert "cannot be imported: OSError: libgomp.so.1: cannot open; pip install" in capsys.readouterr().out


def broken(name, package=None):
    if name == "broken_package":
        raise OSError("libgomp.so.1: cannot open")
    return importlib.__import__("sys")


# --- bad input: one clear line, exit 2 ---------------------------------------------------------------------------


BAD = [
    (["verfy"], "invalid choice: 'verfy'"),
    (["list"], "required: KIND"),
    (["list", "colours"], "invalid choice: 'colours'"),
    (["verify"], "required: TARGET"),
    (["verify", "mine.py:right", "--exampels", "3"], "unrecognized arguments"),
    (["verify", "mine.py:right", "--examples", "many"], "invalid int value: 'many'"),
    (["verify", "mine.py:right", "--examples", "0"], "examples: wanted a whole number, 1 or more; received 0"),
    (["verify", "mine.py:right", "--examples", "-3"], "examples: wanted"),
    (["verify", "mine.py:right", "--seconds", "0"], "seconds: wanted a number above 0"),
    (["verify", "mine.py:right", "--seconds", "nan"], "seconds: wanted a number above 0"),
    (["verify", "mine.py:right", "--seconds", "inf"], "seconds: wanted a number above 0"),
    (["verify", "mine.py:right", "--seed", "-1"], "seed: wanted a whole number, 0 or more"),
    (["verify", "mine.py:right", "--oracles", "tourch"], "oracles: unknown oracle 'tourch'; there is torch, jax, "),
    (["verify", "mine.py:right", "--oracles", ""], "oracles: unknown oracle ''"),
    (["verify", "mine.py:right", "--require", "tensorflow"], "require: unknown oracle 'tensorflow'"),
    (["verify", "mine.py:right", "--oracles", "jax", "--require", "torch"], "require: torch is not among oracles jax"),
    (["verify", "mine.py:right", "--report", "mine.py"], "report: mine.py is a file, wanted a directory"),
    (["verify", "mine.py:right", "--report", "mine.py/x"], "report: mine.py/x cannot be written"),
    (["verify", "pytorch"], "unknown subject 'pytorch'"),
    (["verify", "no_such.py:f"], "no file no_such.py"),
    (["verify", r"C:\dir\mine.py:f"], r"no file C:\dir\mine.py"),
    (["verify", r"C:\dir\mine.py"], r"no file C:\dir\mine.py"),
    (["verify", "no.such.module:f"], "no module 'no.such.module'"),
    (["verify", "mine.py"], "which function? there is mine.py:right"),
    (["new", "mine.py"], "mine.py is there already, and is left as it is"),
    (["new", "mine.txt"], "mine.txt is no Python file; wanted a name such as mine.txt.py"),
    (["new", "no/such/folder/mine.py"], "no/such/folder/mine.py cannot be written: No such file"),
    (["new", "other.py", "--door", "window"], "invalid choice: 'window'"),
    (["grade", "mine.py:right"], "required: --points"),
    (["grade", "mine.py:right", "--points", "no.toml"], "no.toml: cannot be read: No such file"),
    (["grade", "mine.py:right", "--points", "mine.py"], "mine.py: is not TOML: "),
    (["grade", "mine.py:right", "--points", "no.toml", "--hints", "all"],
     "hints: unknown 'all'; there is none, symptom, layer, mistake, line"),
    (["grade", "mine.py:right", "--points", "no.toml", "--secret", "NO_SUCH"],
     "secret: the environment variable NO_SUCH is not set"),
    (["verify", "mine.py:nothing"], "no 'nothing' in mine.py"),
    (["verify", "mine.py:weights"], "mine.py:weights is not callable"),
    (["verify", "bad.py:f"], "bad.py:1: "),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[" ".join(a) or "nothing" for a, _ in BAD])
def test_bad_input_is_one_line_and_exit_2(arguments, said, here, capsys):
    (here / "bad.py").write_text("def f(:")
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("backproof: ")
    assert said in err
    assert err.count("\n") == 1


CLAIMS = [
    ("hiden=['tanh']", "claims: unknown key 'hiden'; allowed: "),
    ("hidden=['tahn']", "'tahn'"),
    ("hidden=[{'function': 'leaky_relu', 'slop': 1}]", "'slop'"),
    ("heads=[Head('identity', 'square_error')]", "head: loss: unknown 'square_error'; allowed: "),
    ("heads=[Head('identiti', 'squared_error')]", "head: activation: unknown 'identiti'"),
    ("heads=[Head('tanh', 'binary_cross_entropy')]", "head: binary_cross_entropy wants outputs in"),
    ("heads=[Head('identity', 'squared_error', reduction='avg')]", "head: reduction: unknown 'avg'"),
    ("heads=[]", "claims: heads wants"),
    ("dtypes=['float16']", "claims: dtype: unknown 'float16'"),
    ("bias='sometimes'", "claims: bias: unknown 'sometimes'"),
    ("batch=(0, None)", "claims: batch: (0, None) is not a range"),
    ("depth=(3, 2)", "claims: depth: (3, 2) is not a range"),
    ("max_parameters=0", "claims: max_parameters is 0"),
]


@pytest.mark.parametrize(("claims", "said"), CLAIMS)
def test_a_claim_that_cannot_be_is_one_line_and_exit_2(claims, said, here, capsys):
    code = f"from backproof import Head, implementation\n\n@implementation({claims})\ndef f(*_): ...\n"
    (here / "bad.py").write_text(code)
    assert cli.main(["verify", "bad.py:f"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("backproof: bad.py:3: DescriptionError: ")
    assert said in err
    assert err.count("\n") == 1


TEXTS = [
    ("{", "JSONDecodeError"),
    ("[]", "network: received [], wanted a JSON object"),
    ('{"format": 2}', "network: format 2"),
    ('{"format": 1, "input_shape": [3], "layers": [], "loss": {}, "layer": []}', "unknown key 'layer'"),
]
DENSE, LOSS = {"kind": "dense", "units": 2, "bias": True}, {"kind": "squared_error"}
NETWORKS = [
    ([3], [{"kind": "dence"}], LOSS, "unknown 'dence'"),
    ([3], [{"kind": "activation", "function": "tahn"}], LOSS, "unknown 'tahn'"),
    ([3], [DENSE], {"kind": "l2"}, "loss kind: unknown 'l2'"),
    ([3], [{**DENSE, "unit": 3}], LOSS, "unknown key 'unit'"),
    ([3], [{**DENSE, "units": 0}], LOSS, "units"),
    ([0], [DENSE], LOSS, "input_shape is [0]"),
    ([3], [{"kind": "parallel", "branches": [[DENSE], []], "combine": "add"}], LOSS, "layer 0"),
]
TEXTS += [(json.dumps({"format": 1, "input_shape": shape, "layers": layers, "loss": loss}), said)
          for shape, layers, loss, said in NETWORKS]


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_a_description_that_cannot_be_is_one_line_and_exit_2(text, said, here, capsys):
    code = f"import json\nfrom backproof.reference import parse\n\nparse.network(json.loads({text!r}))\n"
    (here / "bad.py").write_text(code)
    assert cli.main(["verify", "bad.py:f"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("backproof: bad.py:4: ")
    assert said in err
    assert err.count("\n") == 1


def test_a_required_oracle_that_is_not_there(monkeypatch, here, capsys):
    monkeypatch.setitem(ORACLES, "torch", ORACLES["torch"]._replace(package="no_such_package"))
    assert cli.main(["verify", "mine.py:right", "--require", "torch", "--report", "out"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("backproof: required: oracle torch is not available: ModuleNotFoundError: ")
    assert err.count("\n") == 1
    assert not (here / "out").exists()


class Unspeakable(BaseException):
    """What no `except Exception` catches, and has no text."""

    def __str__(self):
        raise SystemExit(0)


@pytest.mark.parametrize(("error", "words"), [
    (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by zero"), (SystemExit(0), "SystemExit: 0"),
    (Unspeakable(), "Unspeakable: its text cannot be had"), (MemoryError(), "MemoryError"),
])
def test_trouble_inside_is_one_line_with_its_place_and_no_verdict(here, monkeypatch, capsys, error, words):
    def troubled(*_):
        raise error

    monkeypatch.setattr("backproof.running.run.run", troubled)
    assert cli.main(["verify", "mine.py:right"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(rf"backproof: trouble inside, so there is no verdict: test_cli.py:\d+: {words}", line)


# --- verify ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "code"), EXITS.items())
def test_the_exit_is_the_verdict(verdict, code, asked, here, capsys):
    asked["report"] = Report("mine", verdict, {}, 0, reason="because")
    assert cli.main(["verify", "mine.py:right"]) == code
    assert capsys.readouterr().out == asked["report"].text() + "\n"


def test_options_reach_the_plan(asked, here):
    cli.main(["verify", "mine.py:right", "--examples", "7", "--seconds", "1.5", "--seed", "3",
              "--oracles", "differences, complex_step,differences", "--require", "differences", "--report", "out"])
    assert asked["plan"] == Plan(7, 1.5, 3, ("differences", "complex_step"), ("differences",))
    assert asked["subject"].name == "mine.py:right"
    assert asked["recorder"].directory == here / "out"


def test_right_and_wrong_end_to_end(here, capsys):
    assert cli.main(["verify", "mine.py:right", *FAST, "--examples", "60", "--report", "out"]) == 0
    assert cli.main(["verify", "mine.py:wrong", *FAST, "--examples", "60", "--report", "bad"]) == 1
    out = capsys.readouterr().out
    assert "mine.py:right: CONFORMS" in out
    assert "mine.py:wrong: DOES NOT CONFORM" in out
    assert json.loads((here / "out" / "report.json").read_text())["verdict"] == "conforms"
    finding = json.loads((here / "bad" / "report.json").read_text())["findings"][0]
    assert finding["parameter"] == "0.bias"
    assert (here / "bad" / "cases" / f"{finding['case']}.json").exists()


@pytest.mark.parametrize(("name", "said"), [("raising", "IndexError"), ("scribbling", "changed in place")])
def test_a_subject_that_misbehaves_is_a_finding_and_the_run_goes_on(name, said, here, capsys):
    code = cli.main(["verify", f"mine.py:{name}", *FAST, "--examples", "20", "--report", "out"])
    out, err = capsys.readouterr()
    assert code in (1, 2)  # 2 where not even the smallest question is answered
    assert said in out
    assert "Traceback" not in out + err
    last = (here / "out" / "report.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["type"] == "footer"


def test_a_subject_that_ends_the_program_never_conforms(here, capsys):
    assert cli.main(["verify", "mine.py:leaving", *FAST]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine.py:right", "mine.py:warning", "reference"])
def test_the_verdict_depends_on_no_filter_and_no_seterr(name, here, capsys):
    import numpy as np

    before = list(warnings.filters)
    with np.errstate(all="raise"):
        assert cli.main(["verify", name, *FAST, "--examples", "60"]) == 0
        assert np.geterr()["divide"] == "raise"
    assert warnings.filters == before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one process")
def test_ctrl_c_leaves_the_record_so_far_and_exit_3(here):
    command = [sys.executable, "-m", "backproof", "verify", "mine.py:slow", *FAST, "--report", "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    record, end = here / "out" / "report.jsonl", time.monotonic() + 60
    while not (record.exists() and record.read_text().count("\n") > 20) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "INCOMPLETE (interrupted)" in out
    assert "Traceback" not in err
    footer = json.loads(record.read_text().splitlines()[-1])
    assert (footer["type"], footer["verdict"]) == ("footer", "incomplete")


def test_ctrl_c_before_the_run_is_exit_3(here, capsys):
    (here / "late.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)")
    assert cli.main(["verify", "late.py:f", "--in-process"]) == 3
    assert capsys.readouterr().err == "backproof: interrupted\n"


# --- terminals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_output_survives_any_terminal(encoding, here):
    (here / "mine.py").rename(here / "mine_é.py")
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = program("list", "properties", env=env)
    assert done.returncode == 0, done.stderr
    assert ("xᵀ" if encoding == "utf-8" else "x\\u1d40") in done.stdout.decode(encoding)
    done = program("verify", "mine_é.py:right", *FAST, "--examples", "1", env=env)
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr
    done = program("verify", "mine_é.py:nothing", env=env)
    assert done.returncode == 2
    assert done.stderr.startswith(b"backproof: no 'nothing' in mine_")


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_a_reader_that_goes_away_is_no_error():
    command = f"'{sys.executable}' -m backproof list properties | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "0"


# --- in Python ---------------------------------------------------------------------------------------------------


def function(network, parameters, inputs, targets):
    return 0.0, {}


def test_verify_takes_a_function_a_subject_or_a_text(asked, here):
    from backproof.plug.subject import subject_of

    subject = subject_of(function)
    for target, name in ((function, "function"), (subject, "function"), ("mine.py:right", "mine.py:right")):
        assert backproof.verify(target) is asked["report"]
        assert asked["subject"].name == name
    assert asked["plan"] == Plan(fewer=True)


def test_verify_takes_names_as_text_or_sequence(asked):
    for oracles in ("differences,arbiter", ["differences", "arbiter"]):
        backproof.verify(function, oracles=oracles, require="arbiter")
        assert asked["plan"].oracles == ("differences", "arbiter")
        assert asked["plan"].require == ("arbiter",)


def test_verify_is_quiet_unless_told(asked, capsys):
    backproof.verify(function)
    assert capsys.readouterr() == ("", "")
    backproof.verify(function, quiet=False)
    assert capsys.readouterr().err == "function: 0/300 networks, 0 findings, 0 s\n"


@pytest.mark.parametrize(("options", "error"), [
    ({"examples": 0}, PlanError), ({"examples": 1.5}, PlanError), ({"examples": True}, PlanError),
    ({"seconds": "1"}, PlanError), ({"seed": None}, PlanError), ({"oracles": ["torc"]}, PlanError),
    ({"require": "torc"}, PlanError), ({"report": __file__}, RecordError), ({"sed": 1}, TypeError),
])
def test_verify_refuses(asked, options, error):
    with pytest.raises(error):
        backproof.verify(function, **options)
    assert "plan" not in asked


@pytest.mark.parametrize(("target", "error"), [
    ("nothing", TargetError), (3, DescriptionError), (None, DescriptionError)])
def test_verify_refuses_a_target(target, error):
    with pytest.raises(error):
        backproof.verify(target)


def test_every_refusal_is_a_value_error():
    assert all(issubclass(error, ValueError) for error in (PlanError, RecordError, TargetError, DescriptionError))
