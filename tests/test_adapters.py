"""The adapters in other languages: each is a whole right network, through its real toolchain, and wrong ones are named."""

import contextlib
import json
import re
import shlex
import subprocess
from itertools import islice
from pathlib import Path

import pytest
from adapter_mistakes import MISTAKES, agrees, built, function, named, needed
from backproof import cli, verify
from backproof.judging.plan import drawn
from backproof.properties.strategies import cases
from backproof.running.adapters import new_file
from backproof.running.languages import LANGUAGES
from wrong_engines import valid

EACH = pytest.mark.parametrize("language", LANGUAGES)
LINE = r"^.*--- your own lines.*$"
# a line that prints on standard output, for behind the mark
PRINTS = {"javascript": 'console.log("here");', "c": 'printf("here\\n"), fflush(stdout);',
          "rust": 'println!("here");', "java": 'System.out.println("here");', "perl": 'print "here\\n";',
          "tcl": "puts here"}


@pytest.fixture(scope="module")
def command_of(tmp_path_factory):
    """The command line of a language's adapter, built once."""
    lines = {}

    def of(language):
        if language not in lines:
            lines[language] = built(language, tmp_path_factory.mktemp(language))
        return lines[language]
    return of


# --- the files ------------------------------------------------------------------------------------------------------


@EACH
def test_a_file_is_short_free_to_take_and_says_where_ones_own_lines_go(language, tmp_path):
    file = tmp_path / f"mine{LANGUAGES[language].ending}"
    new_file(str(file))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 100
    assert "SPDX-License-Identifier: MIT-0" in lines[0]
    assert len(re.findall(LINE, "\n".join(lines), re.M)) == 1


@EACH
def test_the_next_lines_to_type_build_it_and_verify_it(language, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    row = LANGUAGES[language]
    assert cli.main(["new", f"my net{row.ending}", "--door", "command", "--language", language]) == 0
    said = capsys.readouterr().out
    *build, verify_line = (line.strip() for line in said.rstrip().split("\n\n")[1].split("\n"))
    assert said.startswith(f"wrote my net{row.ending}; next:\n")
    assert [shlex.split(line)[0] for line in build] == ([needed(language)] if row.build else [])
    words = shlex.split(verify_line)
    assert words[:-1] == ["python", "-m", "backproof", "verify", "--command"]
    assert shlex.split(words[-1])[-1].startswith(("my net", "./my net"))
    assert cli.main(["new", f"my net{row.ending}"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "told"), [
    (["mine.go", "--door", "command"], "in which language? write --language javascript|c|rust|java|perl|tcl"),
    (["mine.py", "--language", "rust"], "mine.py is no file of Rust; wanted a name such as mine.py.rs"),
    (["mine.rs", "--door", "function"], "mine.rs is no Python file"),
    (["mine.rs", "--language", "cobol"], "invalid choice: 'cobol'"),
])
def test_what_cannot_be_written_is_one_line(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", *arguments]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


# --- they are right -------------------------------------------------------------------------------------------------


def asked_of(subject, count):
    """So many questions as a run asks them, with their tolerances."""
    return valid([case for case in islice(drawn(cases(subject.claims), 3), 3 * count)
                  if valid([case])][:count])


@pytest.fixture
def subject_in(command_of):
    """The subject of a language's adapter, whose process ends with the test."""
    from backproof.plug.protocol.command import command

    with contextlib.ExitStack() as stack:
        def of(language, line=None):
            found = command(line or command_of(language))
            stack.callback(found.engine.session.close)
            return found
        yield of


@EACH
def test_an_adapter_answers_as_the_reference(language, subject_in):
    subject = subject_in(language)
    assert agrees(subject, asked_of(subject, 12)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_adapter_conforms_by_every_check(language, subject_in):
    report = verify(subject_in(language), examples=40, oracles=("torch",), seconds=120)
    assert report.verdict == "conforms", report
    assert not report.total("declined")


def test_it_conforms_from_the_command_line(command_of, capsys):
    assert cli.main(["verify", "--command", command_of("c"), "--examples", "4", "--oracles", "differences"]) == 0
    assert capsys.readouterr().out.startswith("my net in C: CONFORMS\n")


# --- how they converse ----------------------------------------------------------------------------------------------


@EACH
def test_what_it_prints_goes_to_stderr_and_no_reply_is_lost(language, subject_in, tmp_path):
    file = tmp_path / "right" / f"my_net{LANGUAGES[language].ending}"
    file.parent.mkdir()
    new_file(str(file))
    mark = re.search(LINE, file.read_text(), re.M).group()
    line = built(language, tmp_path / "prints", [(mark, f"{mark}\n{PRINTS[language]}")])
    subject = subject_in(language, line)
    assert agrees(subject, asked_of(subject, 3)) == []


ONE = {"dtype": "float64", "network": {
    "format": 1, "input_shape": [1], "input_kind": "real", "layers": [{"kind": "dense", "units": 1, "bias": True}],
    "loss": {"kind": "squared_error", "reduction": "sum", "scale": 1.0}}}


def array(shape, *data):
    return {"dtype": "float64", "shape": shape, "data": list(data)}


CONVERSATION = [
    {"id": 0, "ask": "hello", "protocols": [1], "backproof": "0", "binary": True},
    {"id": 1, "ask": "vjp", **ONE, "parameters": {}, "inputs": array([1, 1], 1.0), "cotangent": array([1, 1], 1.0)},
    {"id": 12345678, "ask": "gradients", **ONE,
     "parameters": {"0.weight": array([1, 1], 2.0), "0.bias": array([1], 0.5)},
     "inputs": array([2, 1], 1.0, 3.0), "targets": array([2, 1], 2.0, 7.0), "later": "a field of another version"},
    {"id": 3, "ask": "gradients", **ONE, "parameters": {"0.weight": array([1, 1], 2.0), "0.bias": array([1], 0.5)},
     "inputs": array([1, 1], "nan"), "targets": array([1, 1], 1e-300)},
]


@EACH
def test_the_messages_of_one_conversation(language, command_of):
    lines = "".join(f"{json.dumps(each)}\n" for each in CONVERSATION)
    done = subprocess.run(shlex.split(command_of(language)), input=lines, capture_output=True, text=True, timeout=60)
    hello, vjp, answer, strange = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0
    assert [reply["id"] for reply in (hello, vjp, answer, strange)] == [0, 1, 12345678, 3]
    assert (hello["protocol"], hello["answers"], hello["claims"]["bias"]) == (1, "gradients", "any")
    assert set(vjp) == {"id", "unsupported"}
    # errors 0.5 and -0.5: dW = 2 (0.5 * 1 - 0.5 * 3), db = 0
    assert answer["loss"] == 0.5
    flat = {name: value["data"] if isinstance(value, dict) else value for name, value in answer["gradients"].items()}
    assert flat in ({"0.weight": [-2.0], "0.bias": [0.0]}, {"0.weight": [[-2.0]], "0.bias": [0.0]})
    assert "error" in strange or "null" in json.dumps(strange)


@EACH
def test_a_line_longer_than_any_buffer_is_read_whole(language, subject_in):
    subject = subject_in(language)
    case = asked_of(subject, 1)[0][0]
    rows = 3_000
    name = next(iter(case.parameters))
    inputs = case.inputs[:1].repeat(rows, axis=0)
    large = case.but(inputs=inputs, targets=case.targets[:1].repeat(rows, axis=0))
    one = case.but(inputs=case.inputs[:1], targets=case.targets[:1])
    of_large, of_one = (subject.engine(each).gradients[name] for each in (large, one))
    times = rows if case.network.loss.reduction == "sum" else 1
    assert of_large == pytest.approx(times * of_one, rel=1e-8)


# --- wrong ones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["c", "javascript"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_command_is_named_as_in_a_function(mistake, language, subject_in, tmp_path):
    wrong = subject_in(language, built(language, tmp_path, MISTAKES[mistake][language]))
    plan = {"examples": 60, "seconds": 90, "oracles": ("torch", "differences")}
    through, beside = verify(wrong, **plan), verify(function(wrong.claims, MISTAKES[mistake]["python"]), **plan)
    assert through.verdict == beside.verdict == "does_not_conform"
    assert named(through) == named(beside)


@pytest.mark.parametrize("language", ["c", "javascript"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_changes_the_answers(mistake, language, subject_in, tmp_path):
    wrong = subject_in(language, built(language, tmp_path, MISTAKES[mistake][language]))
    asked = asked_of(wrong, 12)
    assert agrees(wrong, asked)
    assert agrees(function(wrong.claims, MISTAKES[mistake]["python"]), asked)
    assert agrees(function(wrong.claims), asked) == []


# --- what the page says ---------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[1] / "docs" / "plugging-in.md").read_text(encoding="utf-8")


def test_the_conversation_of_the_page_is_what_is_said(command_of):
    from backproof.plug.protocol.command import hello
    from backproof.plug.protocol.frames import encoded
    from backproof.plug.protocol.messages import case_of, request

    said = re.findall(r"^(->|<-) (\{.*\})$", PAGE, re.M)
    assert [way for way, _ in said] == ["->", "<-", "->", "<-"]
    first, greeted, asked, answered = (json.loads(line) for _, line in said)
    questions = [encoded({"id": 0, **hello(binary=True)}, False),
                 encoded({"id": 1, **request("gradients", case_of(asked, b""))}, False)]
    assert [f"{said[0][1]}\n", f"{said[2][1]}\n"] == [each.decode() for each in questions]
    assert first == json.loads(questions[0])
    done = subprocess.run(shlex.split(command_of("c")), input=b"".join(questions), capture_output=True, timeout=60)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [greeted, answered]


def test_the_table_of_the_page_is_that_of_the_code():
    section = PAGE.split("\n## Any language")[1].split("| --- | --- | --- |\n")[1].split("\n\n")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.split("\n")]
    assert rows == [[name, *row.commands(row.template)] for name, row in LANGUAGES.items()]
