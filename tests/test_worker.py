"""A subject in a process of its own, and programs that speak the protocol: the same as asked here, and no worse."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from backproof import cli, verify
from backproof.plug.asked import QUESTION_SECONDS
from backproof.plug.contract import Declined
from backproof.plug.limits import TookTooLong
from backproof.plug.protocol import session as sessions
from backproof.plug.protocol.apart import apart, closing
from backproof.plug.protocol.command import command
from backproof.plug.protocol.frames import Frame, array_at, encoded, read_frame
from backproof.plug.protocol.session import Died
from backproof.plug.refused import TargetError
from backproof.properties.strategies.counted import draft_at
from backproof.record.schemas import schema
from jsonschema import Draft202012Validator

HERE = Path(__file__).parent
SUBJECTS = HERE / "worker_subjects.py"
QUICK = {"examples": 6, "oracles": "differences", "quiet": True}
MESSAGE = Draft202012Validator(schema("message"))


def line(what="right"):
    return shlex.join([sys.executable, str(HERE / "command_subject.py"), what])


def told(report):
    """What a report says, without its seconds."""
    return (report.verdict, [finding.text for finding in report.findings], report.counts, sorted(map(str, report.notes)))


@pytest.mark.parametrize("name", ["right", "averages", "raises", "raises_a_namesake", "odd_shape", "scribbles", "declines", "bare", "step",
                                  "forgets_its_velocity", "stack"])
def test_it_is_judged_as_it_is_here(name):
    target = f"{SUBJECTS}:{name}"
    assert told(verify(target, apart=True, **QUICK)) == told(verify(target, **QUICK))


def test_a_death_is_a_finding_with_its_case_and_the_run_goes_on():
    report = verify(f"{SUBJECTS}:dies", apart=True, **QUICK | {"examples": 4})
    assert (report.verdict, report.networks) == ("does_not_conform", 4)
    says = "raised Died: the process ended with exit status 0; last on its stderr: three is too many"
    assert says in report.findings[0].text
    assert "batch 3" in report.findings[0].text


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_segmentation_fault_is_told_with_its_line_and_the_next_question_is_answered():
    with closing(apart(f"{SUBJECTS}:faults")) as subject:
        with pytest.raises(Died, match=r"the process was ended by SIGSEGV \(worker_subjects.py:\d+\)"):
            subject.engine(one_wide(3))
        assert subject.engine(one_wide(2)).gradients["0.bias"].shape == (1,)


def test_a_hang_that_nothing_inside_can_end_is_ended(tmp_path, monkeypatch):
    """The limit is that of the process that asks; where it was is asked by a signal."""
    (tmp_path / "mine.py").write_text("import signal, time\n\ndef backprop(network, parameters, inputs, targets):\n"
                                      "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
                                      "    time.sleep(60)\n")
    monkeypatch.setattr(sessions, "SECONDS", 1.5)
    with closing(apart(f"{tmp_path}/mine.py:backprop")) as subject:
        start = time.monotonic()
        with pytest.raises(TookTooLong, match=r"no answer within 1.5 s \(mine.py:5\)"):
            subject.engine(draft_at(subject.claims, 0, 0).case)
        assert time.monotonic() - start < QUESTION_SECONDS  # it sleeps for a minute


def test_the_worker_never_hears_of_the_case_the_answer_or_the_seed():
    heard = []
    with closing(apart(f"{SUBJECTS}:right", listen=lambda way, message: heard.append((way, message)))) as subject:
        verify(subject, seed=6_184_393, **QUICK)
    asked = [message for way, message in heard if way == "to" and message["ask"] != "hello"]
    assert len(asked) > 100
    assert {key for message in asked for key in message} == {
        "id", "ask", "dtype", "network", "parameters", "inputs", "targets"}
    assert "6184393" not in json.dumps([m["network"] for m in asked])


def test_it_ends_with_its_block_and_with_the_process_that_asked():
    with closing(apart(f"{SUBJECTS}:right")) as subject:
        subject.engine(draft_at(subject.claims, 0, 0).case)
        running = subject.engine.session._process._popen
        assert running.poll() is None
    assert running.poll() is not None
    code = (f"import os; from backproof.plug.protocol.apart import apart\ns = apart({f'{SUBJECTS}:right'!r})\n"
            "print(s.engine.session._process._popen.pid, flush=True); os._exit(0)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    deadline = time.monotonic() + 10
    while alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(done.stdout))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True


@pytest.mark.parametrize(("text", "says"), [
    ("import os\nos._exit(0)", "the import ends the process with os._exit(0)"),
    ("import ctypes\nctypes.string_at(0)", "the process was ended by SIGSEGV"),
    ("raise SystemExit(0)", "the import ends the program with sys.exit(0)"),
    ("1 / 0", "ZeroDivisionError"),
    ("def other(network, parameters, inputs, targets): ...", "did you mean"),
])
def test_a_target_that_cannot_be_had_is_one_line_and_exit_2(text, says, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(text)
    assert cli.main(["verify", f"{tmp_path}/mine.py:othr"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("backproof: ")) == ("", 1)
    assert says in err


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["prints", "step", "vjp"])
def test_a_right_program_conforms(what):
    report = verify(f"command:{line(what)}", **QUICK | {"examples": 40})
    assert report.verdict == "conforms", report.text()
    notes = [str(note) for note in report.notes]
    assert any("print to stderr" in note for note in notes) == (what == "prints")


def test_a_wrong_program_is_named_as_through_the_function_door():
    report = verify(f"command:{line('averages')}", **QUICK)
    assert "bias-averaged-over-batch" in report.findings[0].text


def test_a_run_whose_every_case_is_unsupported_is_no_pass():
    report = verify(f"command:{line('unsupported')}", **QUICK)
    assert report.verdict not in ("conforms", "incomplete"), report.text()


def test_replies_in_another_order_are_each_their_own_questions():
    subject = command(line("late"))
    cases = [draft_at(subject.claims, 1, number).case for number in range(9)]
    with closing(subject):
        one_by_one = [subject.engine(case) for case in cases]
        together = list(subject.engine.several(cases))
    for one, other in zip(one_by_one, together, strict=True):
        assert all((one.gradients[name] == other.gradients[name]).all() for name in one.gradients)


ENDS = ("import sys, json, time\nfor n, line in enumerate(sys.stdin):\n    m = json.loads(line)\n"
        "    if m['ask'] == 'hello': print(json.dumps({'id': 0, 'protocol': 1, 'outstanding': 4}), flush=True); continue\n"
        "    if len(m['inputs']['data']) == 7: HERE\n"
        "    print(json.dumps({'id': m['id'], 'loss': 1.0, 'gradients': {k: v for k, v in m['parameters'].items()}}), flush=True)\n")


@pytest.mark.parametrize(("here", "kind", "says"), [("sys.exit(5)", Died, "exit status 5"),
                                                    ("time.sleep(60)", TookTooLong, "no answer within 1.5 s")])
def test_a_reply_that_came_is_not_lost_with_the_process(here, kind, says, monkeypatch):
    """Of several questions on their way, the one that it ends with has that for an answer, and no other."""
    monkeypatch.setattr(sessions, "SECONDS", 1.5)
    subject = command(shlex.join([sys.executable, "-c", ENDS.replace("HERE", here)]))
    cases = [one_wide(batch) for batch in (1, 2, 7, 3, 4, 5)]
    with closing(subject):
        found = list(subject.engine.several(cases))
    assert [isinstance(each, Exception) for each in found] == [False, False, True, False, False, False]
    assert isinstance(found[2], kind)
    assert says in str(found[2])


def one_wide(batch):
    from backproof.reference import Case, LayerSpec, LossSpec, Network

    network = Network((1,), (LayerSpec("dense", {"units": 1, "bias": True}),), LossSpec("squared_error"))
    return Case(network, {"0.weight": np.ones((1, 1)), "0.bias": np.ones(1)}, np.ones((batch, 1)), np.ones((batch, 1)))


@pytest.mark.parametrize(("code", "says"), [
    ("", "no reply to hello: the process ended with exit status 0"),
    ("print('hello')", "its stdout was 'hello', it is no JSON: stdout is for messages alone"),
    ("import sys; sys.exit('no such model')", "last on its stderr: no such model"),
    ("print('{\"id\": 0, \"protocol\": 9}', flush=True); input()", "hello: protocol is 9; offered was 1"),
    ("print('{\"id\": 0, \"protocol\": 1, \"answers\": \"yes\"}', flush=True); input()", "answers: unknown 'yes'"),
    ("print('{\"id\": 0, \"protocol\": 1, \"claims\": {\"hiden\": []}}', flush=True); input()", "unknown key 'hiden'"),
])
def test_a_hello_that_cannot_be_is_one_line(code, says):
    with pytest.raises(TargetError) as error:
        command(shlex.join([sys.executable, "-c", code]))
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("words", "says"), [
    (["verify"], "required: TARGET"), (["verify", "x.py", "--command", "y"], "leave out one"),
    (["verify", "--command", ""], "received nothing"), (["verify", "--command", "'"], "cannot be split"),
    (["verify", "--command", "no-such-program-here"], "cannot be started"),
    (["verify", "x.py", "--in-process", "--transcript", "t"], "nothing is written down"),
])
def test_options_that_cannot_be_are_one_line_and_exit_2(words, says, capsys):
    assert cli.main(words) == 2
    assert says in capsys.readouterr().err


def test_every_message_keeps_to_the_schema():
    for what in ("right", "step", "vjp", "unsupported"):
        heard = []
        with closing(command(line(what), lambda way, message, heard=heard: heard.append(json.loads(encoded(message, False))))) as subject:
            for number in range(3):
                try:
                    subject.engine(draft_at(subject.claims, 1, number).case)
                except Declined:
                    assert what == "unsupported"
        assert len(heard) >= 8
        for message in heard:
            MESSAGE.validate(message)
    assert not MESSAGE.is_valid({"id": 1, "ask": "gradients"})
    assert not MESSAGE.is_valid({"id": 1})


def test_arrays_come_through_a_block_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=4).astype("float32"), np.array([[1, 2]]), np.array(np.nan)]
    (tmp_path / "frame").write_bytes(encoded({"id": 1, "a": arrays}, binary=True))
    with (tmp_path / "frame").open("rb") as stream:
        frame = read_frame(stream, lambda: 2**20)
        assert isinstance(frame, Frame)
        assert read_frame(stream, lambda: 2**20) is None
    for array, sent in zip(arrays, frame.message["a"], strict=True):
        found = array_at(sent, frame.block)
        assert (found.dtype, found.tobytes()) == (array.dtype, array.tobytes())


def test_the_first_lines_that_it_prints_are_shown_and_no_stack(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(SUBJECTS.read_text() + "\n@implementation(**CLAIMS)\ndef says(*given):\n"
                                      "    print('delta \x1b[31m', given[2].shape)\n    return faults(*given)\n")
    assert cli.main(["verify", f"{tmp_path}/mine.py:says", "--examples", "2", "--oracles", "differences"]) == 1
    err = capsys.readouterr().err
    assert err.count("\ndelta \\x1b[31m (") == 40
    assert err.count("further lines that the subject prints are left out") == 1
    assert "File " not in err


# --- transcripts and guests ------------------------------------------------------------------------------------------


def test_a_transcript_is_replayed_both_ways(tmp_path, capsys):
    path, few = str(tmp_path / "t.jsonl"), ["--examples", "3", "--oracles", "differences"]
    assert cli.main(["verify", "--command", line("averages"), "--transcript", path, *few]) == 1
    first = capsys.readouterr().out
    assert cli.main(["replay", path]) == 1
    judged = capsys.readouterr().out
    assert judged.splitlines()[:4] == first.splitlines()[:4]
    assert cli.main(["replay", path, "--command", line("averages")]) == 0
    assert " 0 are others" in capsys.readouterr().out
    assert cli.main(["replay", path, "--command", line("right")]) == 1
    assert "of its largest entry" in capsys.readouterr().out
    assert cli.main(["replay", path, f"{SUBJECTS}:averages"]) in (0, 1)


@pytest.mark.parametrize(("what", "verdict", "status"), [("averages", "does_not_conform", 1),
                                                         ("nobody", "not_judged", 2)])
def test_a_test_runner_asks_to_be_asked(what, verdict, status):
    serve = subprocess.Popen([sys.executable, "-m", "backproof", "serve", "--examples", "4", "--oracles", "differences"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answers = (None if what == "nobody" else
               subprocess.Popen(shlex.split(line(what)), stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    with serve:
        for question in serve.stdout:
            message = json.loads(question)
            if "verdict" in message:
                break
            if answers is None:
                serve.stdin.close()
                continue
            answers.stdin.write(question)
            answers.stdin.flush()
            serve.stdin.write(answers.stdout.readline())
            serve.stdin.flush()
    assert (message["verdict"], message["exit"], serve.returncode) == (verdict, status, status)
    if answers is not None:
        answers.communicate()


def test_ctrl_c_ends_both_processes(tmp_path):
    """The worker is in a group of its own: the terminal's Ctrl-C is for the process that asks."""
    if os.name != "posix":
        pytest.skip("signals")
    (tmp_path / "mine.py").write_text(SUBJECTS.read_text().replace("def right(", "def right(", 1) +
                                      "\nimport time\nopen(__file__ + '.pid', 'w').write(str(os.getpid()))\n"
                                      "@implementation(**CLAIMS)\ndef slow(*given):\n    time.sleep(0.05)\n    return right(*given)\n")
    running = subprocess.Popen([sys.executable, "-m", "backproof", "verify", f"{tmp_path}/mine.py:slow", "--oracles", "differences"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pid = tmp_path / "mine.py.pid"
    while running.poll() is None and not (pid.exists() and pid.read_text()):
        time.sleep(0.05)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 3, err
    assert "Traceback" not in err
    assert not alive(int(pid.read_text()))
