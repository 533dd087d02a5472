"""Records and cases that were damaged, or written by somebody hostile: a rendering or one clear line, nothing run."""

import copy
import json
import os
import pickle
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
from backproof.plug.subject import subject_of
from backproof.plug.subjects import load as ready_made
from backproof.properties.strategies import Style, build
from backproof.record.cases import read_case
from backproof.record.reading import read
from backproof.record.writing import RecordError, to_text
from backproof.reference import DescriptionError, parse
from backproof.renderings import RENDERINGS, render
from backproof.running.api import judge, plan_of
from backproof.running.replay import replay

RECORDS, CASES = 600, 400
KILLS = int(os.environ.get("BACKPROOF_KILLS", "4"))
THERE = [name for name, row in RENDERINGS.items() if find_spec(f"backproof.renderings.{row.module}")]
CANARY = "executed"


class Payload:
    """What unpickles to a call."""

    def __reduce__(self):
        return os.mkdir, (CANARY,)


RAW = "@raw@"
HOSTILE = [
    None, True, False, 0, -1, 1.5, 10**400, -(10**30), 2**63, "", "nan", "inf", "x" * 5000, [], {}, [[]], [None],
    {"": {}}, float("nan"), float("-inf"), *(RAW + text for text in (
        "1e999", "-1e999", "1e-999", "9" * 5000, "NaN", "[" * 60 + "]" * 60, "[" * 3000 + "]" * 3000, "[" * 10**5,
        '{"a":' * 200 + "1" + "}" * 200, r'"\ud800"', r'"\udfff\ud800x"', r'"\u0000\u001b[2J\r\n\u202e"')),
    {"__proto__": {"polluted": 1}}, {"__class__": "os.system", "__reduce__": ["touch", CANARY]},
    {"py/object": "os.mkdir"}, {"float64": {"bias": {"digits": 10**400}}},
    f"__import__('os').mkdir({CANARY!r})", pickle.dumps(Payload(), protocol=0).decode("latin-1"),
    f"!!python/object/apply:os.mkdir [{CANARY}]", "<script>alert(1)</script>", "]]><!--", "\"'`$(mkdir executed)`",
    "../../../etc/passwd", "{0.__class__}", "%s%n", "::error::x", "\x1b]0;x\x07", "a\nb\rc\u2028d",
    "passed", "reference", "conforms", "bias", ["bias"] * 3, [0.1, "nan", 10**400],
]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A whole record of a wrong subject, and two cases, as bytes."""
    folder = tmp_path_factory.mktemp("originals")
    reference = ready_made("reference").engine

    def wrong(network, parameters, inputs, targets):
        case = build(network, len(inputs), "real", Style(), 0, "float64")
        answer = reference(case.but(parameters=parameters, inputs=inputs, targets=targets))
        return answer.loss, {n: g / len(inputs) if n.endswith("bias") else g for n, g in answer.gradients.items()}

    subject = subject_of(wrong, "mine.py:wrong")
    claims = subject.claims.__class__(hidden=("tanh",))
    subject = subject.__class__(subject.name, claims, subject.engine)
    assert judge(subject, plan_of(examples=3, oracles="torch"), folder, quiet=True).findings
    [case] = (folder / "cases").iterdir()
    network = parse.network({"format": 1, "input_shape": [2], "loss": {"kind": "softmax_cross_entropy"}, "layers": [
        {"kind": "dense", "units": 2}, {"kind": "activation", "function": "leaky_relu", "slope": 0.1},
        {"kind": "dense", "units": 2}]})
    other = build(network, 3, "one_hot", Style(), 0, "float64")
    return (folder / "report.jsonl").read_bytes(), [case.read_bytes(), to_text(other).encode()]


# --- mutations --------------------------------------------------------------------------------------------------


def damaged(data, rng):
    """Some bytes flipped, left out, put in, or all from one on."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:at + rng.choice((1, 1, 10, 1000))]
        elif kind == 2:
            data[at:at] = rng.choice((b"\x00", b"\xff", b"\n", b"{", b"]", b'"', b"\\", b"1e999", b"\xed\xa0\x80"))
        elif rng.random() < 0.3:
            del data[at:]
        if not data:
            break
    return bytes(data)


def shuffled(data, rng):
    """Lines twice, left out, or in another order."""
    lines = data.splitlines(keepends=True)
    one, other = (rng.randrange(len(lines)) for _ in range(2))
    kind = rng.randrange(4)
    if kind == 0:
        lines.insert(other, lines[one])
    elif kind == 1:
        del lines[one]
    elif kind == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        rng.shuffle(lines)
    return b"".join(lines)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def replaced(data, rng):
    """One value, or one key, of one line replaced; the lines that are not results as often as those that are."""
    lines = data.decode().splitlines()
    rare = [i for i, line in enumerate(lines) if '"type": "result"' not in line]
    at = rng.choice(rare if rng.random() < 0.8 else range(len(lines)))
    line = json.loads(lines[at])
    for _ in range(rng.choice((1, 1, 2))):
        line = put(line, rng.choice(list(places(line))), rng.choice(HOSTILE), rng)
    text = json.dumps(line, ensure_ascii=rng.random() < 0.5)
    for each in (h for h in HOSTILE if isinstance(h, str) and h.startswith(RAW)):
        text = text.replace(json.dumps(each), each.removeprefix(RAW))
    lines[at] = text
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def put(line, path, value, rng):
    if not path:
        return value
    holder = line
    for key in path[:-1]:
        holder = holder[key]
    if isinstance(path[-1], str) and rng.random() < 0.2:
        holder[str(value)] = holder.pop(path[-1])
    elif rng.random() < 0.1:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(value)
    return line


def mutated(data, rng):
    return rng.choice((damaged, shuffled, replaced, replaced, replaced))(data, rng)


# --- one line, or a rendering -----------------------------------------------------------------------------------


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    """A folder to be in; whatever starts a program, or unpickles, fails the test, and so does the payload's trace."""
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments, **_):
        raise AssertionError(f"executed: {arguments}")

    for owner, name in [(os, "system"), (subprocess, "Popen"), (pickle, "loads"), (pickle, "load")]:
        monkeypatch.setattr(owner, name, refuse)
    yield tmp_path
    assert not (tmp_path / CANARY).exists()


def refusal(do, *arguments):
    """What `do` gives, and None; or None, and the one line that it refuses with: no other exception."""
    try:
        return do(*arguments), None
    except (RecordError, DescriptionError) as error:
        return None, str(error)


def one_line(text):
    return text.isprintable() and 0 < len(text) < 2000


def test_the_payload_would_run_if_anything_ran_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload(), protocol=0))
    assert (tmp_path / CANARY).exists()


def test_what_is_not_damaged_is_read(originals, nothing_runs):
    record, cases = originals
    (nothing_runs / "report.jsonl").write_bytes(record)
    run = read(nothing_runs)
    assert (run.complete, run.report.verdict, len(run.report.findings)) == (True, "does_not_conform", 1)
    assert all(render(name, run) for name in THERE if name != "annotations")
    for data in cases:
        (nothing_runs / "case.json").write_bytes(data)
        assert replay(read_case(nothing_runs / "case.json"), ready_made("reference")).status == "FIXED"


DEEP = json.loads("[" * 150 + "]" * 150)
FIGURES = ("resolution", "float64", "bias")
BENT = {
    "seconds": ("footer", ("seconds",), 10**400, "wanted a number"),
    "endless seconds": ("footer", ("seconds",), "inf", "wanted a finite number"),
    "digits": ("footer", (*FIGURES, "digits"), 10**400, "wanted a number"),
    "no digits": ("footer", (*FIGURES, "digits"), "nan", "wanted a finite number"),
    "sharp": ("footer", (*FIGURES, "sharp"), 1e300, "wanted a whole number"),
    "first failure": ("footer", ("first_failure",), [[]], "wanted a whole number"),
    "got": ("finding", ("got",), 10**400, "wanted a number"),
    "no fault for the lesson": ("finding", ("faults",), [], "faults is empty"),
    "agreement": ("result", ("agreement",), {"0.bias": [0.1, 10**400, 1.0]}, "wanted three numbers"),
    "type": ("result", ("type",), ["result"], "type is"),
    "deep plan": ("header", ("plan", "examples"), DEEP, "nested too deeply"),
    "deep example": ("finding", ("example",), DEEP, "nested too deeply"),
}


@pytest.mark.parametrize("name", BENT)
def test_what_only_a_hostile_hand_writes(originals, nothing_runs, name):
    kind, path, value, words = BENT[name]
    lines = [json.loads(line) for line in originals[0].splitlines()]
    at = next(i for i, line in enumerate(lines) if line["type"] == kind)
    if kind == "finding":
        lines[at] |= {"faults": ["x"], "lesson": dict.fromkeys(("symptom", "wrong", "right", "seen"), "x")}
    lines[at] = put(lines[at], path, value, random.Random(5))
    assert lines[at] != json.loads(originals[0].splitlines()[at])
    (nothing_runs / "report.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run, why = refusal(read, nothing_runs)
    assert run is None
    assert words in why, why
    assert one_line(why)


def test_damaged_records(originals, nothing_runs):
    rng, refused, path = random.Random(1), 0, nothing_runs / "report.jsonl"
    for number in range(RECORDS):
        path.write_bytes(mutated(originals[0], rng))
        run, why = refusal(read, path)
        if run is None:
            assert one_line(why), (number, why)
            refused += 1
            continue
        for name in THERE:
            text = render(name, run)
            text.encode()
            assert name != "junit" or ElementTree.fromstring(text) is not None
        assert run.complete or "incomplete" in render("text", run).lower()
        assert "\x1b" not in render("text", run)
    assert 0.4 * RECORDS < refused < 0.95 * RECORDS


def test_damaged_cases(originals, nothing_runs):
    rng, refused, subject = random.Random(2), 0, ready_made("reference")
    for number in range(CASES):
        path = nothing_runs / "case.json"
        path.write_bytes(mutated(rng.choice(originals[1]), rng))
        case, why = refusal(read_case, path)
        if case is None:
            assert one_line(why), (number, why)
            refused += 1
            continue
        said = replay(case, subject)
        assert said.status in ("FIXED", "ERROR"), (number, said.text)
        assert said.status == "FIXED" or said.text.isprintable()
    assert 0.5 * CASES < refused < 0.99 * CASES


# --- killed -----------------------------------------------------------------------------------------------------

WITNESS = """
import os, sys
from backproof import cli
from backproof.record import writing as record

side, write = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), record.Recorder._write

def seen(self, text):
    write(self, text)
    os.write(side, text.encode())

record.Recorder._write = seen
sys.exit(cli.main(sys.argv[2:]))
"""
COMMAND = ["verify", "reference", "--oracles", "differences", "--examples", "100000", "--seconds", "60"]


def started(folder):
    """A run that has begun to write, with a second file of what it had written when each line's writing returned."""
    run = subprocess.Popen([sys.executable, "-c", WITNESS, str(folder / "side"), *COMMAND, "--report", str(folder)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (folder / "side").exists() or not (folder / "side").stat().st_size:
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    return run


def test_a_killed_run_loses_at_most_the_line_in_flight(tmp_path):
    rng = random.Random(time.time_ns())
    for number in range(KILLS):
        folder = Path(tmp_path, str(number))
        folder.mkdir()
        run = started(folder)
        try:
            time.sleep(rng.uniform(0.0, 1.5))
        finally:
            run.kill()
            run.wait()
        written, known = ((folder / name).read_bytes() for name in ("report.jsonl", "side"))
        assert written.startswith(known)
        assert written[len(known):].rstrip(b"\n").count(b"\n") == 0
        found = read(folder)
        assert (found.complete, found.report.verdict) == (False, "incomplete")
        assert "the record has no last line" in found.report.reason
        assert found.results >= sum(b'"type": "result"' in line for line in known.splitlines())
        assert all(render(name, found) is not None for name in THERE)
