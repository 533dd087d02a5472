"""Damaged and hostile records and cases, and files that are none, at every command that reads one.

    python tests/benchmarks/fuzzed_records.py
    python tests/benchmarks/fuzzed_records.py --records 500 --cases 100 --files 40 --processes 10 --seed 3

Bar: of 20,000 records and cases and 200 special files no traceback, nothing executed, nothing written outside the folder,
no injection. A command is `cli.main` in this process, some of them a process of their own. Counted is

    trouble     an exception that nobody foresaw: one line and exit 2 for its user, a defect for us
    executed    anything compiled, imported, unpickled or started (Python's audit events), and any trap that was sprung
    outside     a file opened to write, made, moved or removed outside the folder, and any change of those beside it
    injection   what a terminal or a CI log obeys, a line that is too long, HTML, XML, JSON or Markdown with other elements,
                a command to copy whose words are not those that it must have
    slow        a command of more than 10 s

and how the commands ended. Every one that is counted is printed with what repeats it.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof import cli, renderings  # noqa: E402
from backproof.record import coverage  # noqa: E402
from backproof.renderings import RENDERINGS  # noqa: E402
from damage import CANARY, HOSTILE, damaged, mutated, originals  # noqa: E402
from harmful_output import Elements, commands_on, wrong_with  # noqa: E402

SLOW = 10.0  # seconds
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
RUNS = ("exec", "compile", "import", "pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.fork",
        "os.posix_spawn", "os.spawn", "ctypes.dlopen", "socket.connect", "marshal.loads", "code.__new__")
OWN = ("exec", "compile", "import", "marshal.loads", "code.__new__")  # Hypothesis compiles what it is given
MOVES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
         "shutil.rmtree", "shutil.move")
TRAP = f"import os\nos.mkdir({CANARY!r})\ndef wrong(*_): pass\n"
LIST = "reference:bias:bias-averaged-over-batch  known since 0.1  https://example.org/issues/12\n"


class Watch:
    """What Python's audit events say was run, or written outside a folder, while a command is at work."""

    def __init__(self, folder):
        self.folder, self.on, self.asks, self.seen = folder, False, False, []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if not self.on:
            return
        if event in RUNS and not (self.asks and event in OWN):
            self.seen.append(("executed", f"{event} {str(arguments)[:200]}"))
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            mode, flags = arguments[1], arguments[2]
            if set(mode or "") & set("wax+") or (isinstance(flags, int) and flags & WRITES):
                self.path(event, arguments[0])
        elif event in MOVES:
            for each in arguments[:2]:
                if isinstance(each, str | bytes | os.PathLike):
                    self.path(event, each)

    def path(self, event, where):
        path = os.path.abspath(os.fsdecode(where))
        if not path.startswith(self.folder) and path not in ("/dev/full", os.devnull):
            self.seen.append(("outside", f"{event} {path}"))


class Trial:
    """One command, and everything that is wrong with how it went."""

    def __init__(self, watch, pages):
        self.watch, self.pages = watch, pages
        self.faults, self.ends, self.slowest, self.wrong, self.status = [], Counter(), 0.0, 0, 0

    def __call__(self, repeat, *words):
        self.watch.seen, self.watch.asks = [], words[0] == "verify"
        out, err = io.StringIO(), io.StringIO()
        started = time.monotonic()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.watch.on = True
            try:
                status = cli.main(list(map(str, words)))
            except BaseException as error:
                status, self.watch.on = f"raised {type(error).__name__}: {error}"[:300], False
            self.watch.on = False
        took, self.status = time.monotonic() - started, status
        self.slowest = max(self.slowest, took)
        self.ends[words[0], status] += 1
        found = [*self.watch.seen, *wrong_with(words, status, out.getvalue(), err.getvalue(), self.pages)]
        found += [("slow", f"{took:.1f} s")] if took > SLOW else []
        found += [("executed", "a trap was sprung")] if os.path.exists(CANARY) else []
        self.faults += [(kind, words, repeat, what) for kind, what in found]
        return out.getvalue()


# --- records and cases --------------------------------------------------------------------------------------------


def at_every_command(trial, repeat, folder, other):
    """A record at all commands that read one."""
    for words in commands_on(folder, other):
        trial(repeat, *words)


def at_commands(trial, repeat, folder, other, number):
    """The same for one in four; the others at three in turn, where they are refused at two: all read in one way."""
    every = list(commands_on(folder, other))
    for i in range(3):
        trial(repeat, *every[(number + 5 * i) % len(every)])
        if trial.status == 2 and i == 1:
            return
    if number % 4 == 0:
        at_every_command(trial, repeat, folder, other)


@functools.cache
def conditioned(record):
    """The record with a condition on its finding."""
    lines = [json.loads(line) for line in record.splitlines()]
    when = {"trait": "batch", "relation": ">=", "value": 5, "nearest": 4, "inside": [3, 3], "outside": [0, 9], "asked": [1, 1]}
    return "".join(f"{json.dumps(line | ({'when': when} if line['type'] == 'finding' else {}))}\n"
                   for line in lines).encode()


def fuzz_records(trial, record, cases, count, seed):
    """Damaged records, each beside a whole one."""
    place = Path("out")
    (place / "cases").mkdir(parents=True, exist_ok=True)
    (place / "cases" / "case.json").write_bytes(cases[0])
    for number in range(count):
        rng = random.Random(f"{seed} record {number}")
        (place / "report.jsonl").write_bytes(mutated(conditioned(record) if number % 2 else record, rng))
        shutil.copy("known.txt", "fixed.txt")
        at_commands(trial, f"--seed {seed}, record {number}", place, "whole", number)


def fuzz_cases(trial, cases, count, seed):
    """Damaged cases, asked of a ready-made subject that a record names, and of one that is typed."""
    place = Path("asked")
    (place / "cases").mkdir(parents=True, exist_ok=True)
    shutil.copy("whole/report.jsonl", place)
    header = {**json.loads(Path("whole/report.jsonl").read_text().splitlines()[0]), "target": "reference"}
    (place / "report.jsonl").write_text(json.dumps(header) + "\n")
    case = place / "cases" / "case.json"
    for number in range(count):
        rng = random.Random(f"{seed} case {number}")
        case.write_bytes(mutated(rng.choice(cases), rng))
        trial(f"--seed {seed}, case {number}", "replay", case, *(["reference"] if number % 2 else []))


def verify_beside(trial, cases, count, seed):
    """Folders with damaged cases of a run before, and damaged lists, at `verify`."""
    for number in range(count):
        rng, place = random.Random(f"{seed} past {number}"), Path(f"past{number}")
        (place / "cases").mkdir(parents=True)
        for i in range(20):
            (place / "cases" / f"{i}.json").write_bytes(mutated(rng.choice(cases), rng))
        words = ["verify", "reference", "--examples", "1", "--oracles", "differences", "--seconds", "5"]
        trial.watch.folder, before = os.getcwd(), trial.watch.folder
        trial(f"--seed {seed}, past {number}", *words, "--report", place)
        trial.watch.folder = before
        Path("list.txt").write_bytes(damaged(LIST.encode() * 3, rng) if number % 2 else
                                     str(rng.choice(HOSTILE)).encode("utf-8", "surrogatepass"))
        trial(f"--seed {seed}, list {number}", "expect", "whole", "--file", "list.txt")
        trial(f"--seed {seed}, list {number}", "verify", "none", "--expected", "list.txt")
        shutil.rmtree(place)


# --- files that are none ------------------------------------------------------------------------------------------


def a_socket(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(path))


def sparse(path):
    """3 GB without an end of line, which take no place on the disk."""
    with open(path, "wb") as file:
        file.truncate(3 * 2**30)


def line_of(text, times):
    return lambda path: path.write_bytes(text * times)


def special_files(record, outside):
    """A name of each kind of file that is none, and what makes it."""
    first = record.split(b"\n")[0] + b"\n"
    return {
        "pipe": os.mkfifo, "folder": os.mkdir, "socket": a_socket, "3 GB": sparse, "empty": lambda path: path.touch(),
        "link out": lambda path: path.symlink_to(outside), "link to itself": lambda path: path.symlink_to(path.name),
        "link to nothing": lambda path: path.symlink_to("nothing"), "full": lambda path: path.symlink_to("/dev/full"),
        "zero": lambda path: path.symlink_to("/dev/zero"), "memory": lambda path: path.symlink_to("/proc/self/mem"),
        "process": lambda path: path.symlink_to("/proc/self/environ"),
        "forbidden": lambda path: (path.write_bytes(record), path.chmod(0)),
        "40 MB in a line": line_of(b"x", 40 * 2**20), "40 MB of brackets": line_of(b"[", 40 * 2**20),
        "20 MB of lists": lambda path: path.write_bytes(first + b'{"type": [' + b"[]," * 7_000_000 + b"[]]}\n"),
        "a header of 15 MB": lambda path: path.write_bytes(first[:-2] + b', "x": "' + b"y" * 15_000_000 + b'"}\n'),
        "objects, deep": line_of(b'{"a":', 10**6), "no end of line": line_of(record[:-1], 1),
        "UTF-16": lambda path: path.write_bytes(record.decode().encode("utf-16")),
        "Latin-1": lambda path: path.write_bytes("é".encode("latin-1") * 100),
        "marked": lambda path: path.write_bytes(b"\xef\xbb\xbf" + record), "zeros": line_of(b"\0", 10**6),
        "ends of lines": line_of(b"\n", 10**6), "CR": lambda path: path.write_bytes(record.replace(b"\n", b"\r")),
        "gzip": line_of(b"\x1f\x8b\x08\0" + bytes(range(256)), 100),
        "commands": line_of(b"::error::x\n##[error]y\n\x1b[2J\x9b\r\n", 100),
    }


NAMES = ["a\nb", "\x1b[2J", "::error::x", "\u202egnp", "-rf", "--help", "$(touch executed)", "`touch executed`", "a b",
         "'; touch executed #", "a" * 250, "a" * 5000, "\udcff\udcfe", "##[error]x", "a\tb", "..", "%s%n", "é", "a\0b", ""]


def put_special(trial, record, cases, count, outside):
    """Each kind in each place, then odd names: so many in all."""
    made = special_files(record, outside)
    places = ["itself", "report.jsonl", "cases/case.json", "report.html", "cases", "list", "report", "out"]
    every = [(kind, place) for place in places for kind in made]
    for number, (kind, place) in enumerate(every[:max(0, count - len(NAMES))]):
        folder = Path(f"special{number}")
        with contextlib.suppress(OSError):
            one_special(trial, f"{kind} as {place}", folder, place, made[kind], record, cases)
        for inside, _, _ in os.walk(folder):
            os.chmod(inside, 0o700)
        shutil.rmtree(folder, ignore_errors=True) if folder.is_dir() else folder.unlink(missing_ok=True)
    Path("named").mkdir()
    for name in NAMES:
        one_name(trial, name, record, cases)
    return min(count, len(every) + len(NAMES))


def one_special(trial, repeat, folder, place, make, record, cases):
    if place == "itself":
        make(folder)
    else:
        folder.mkdir()
        (folder / "report.jsonl").write_bytes(record)
        if place != "cases":
            (folder / "cases").mkdir()
            (folder / "cases" / "case.json").write_bytes(cases[0])
        path = folder / place
        path.unlink() if path.is_file() else None
        make(path)
    verify = ["verify", "none", "--expected", folder / "list"] if place == "list" else [
        "verify", "reference", "--examples", "1", "--oracles", "differences", "--report", folder]
    at_every_command(trial, repeat, folder, "whole")
    trial(repeat, "report", folder / "report.jsonl")
    trial(repeat, "replay", folder / "cases" / "case.json", "reference")
    trial(repeat, "expect", "whole", "--file", folder / "list")
    if place == "list":
        trial(repeat, "expect", "whole", "--file", folder / "list", "--fix")
    if place in ("itself", "cases", "report.jsonl", "cases/case.json", "list"):
        trial(repeat, *verify)
    if place == "out" and not (folder / "out").is_symlink() and not (folder / "out").is_fifo():
        trial(repeat, "report", "whole", "--out", folder / "out")
        trial(repeat, "scoreboard", "whole", "--out", folder / "out")


def one_name(trial, name, record, cases):
    """A folder, a case and a list of an odd name, where the file system takes it."""
    repeat, place = f"the name {name[:40]!r}", Path("named", name)
    with contextlib.suppress(OSError, ValueError):
        shutil.copytree("whole", place)
    at_every_command(trial, repeat, place, "whole")
    for case in (place / "cases" / "case.json", Path("whole", "cases", name)):
        trial(repeat, "replay", case)
    trial(repeat, "expect", "whole", "--file", Path("named", f"{name}.txt"))
    trial(repeat, "report", "whole", "--out", Path("named", f"{name}.md"))


# --- in a process of its own --------------------------------------------------------------------------------------


def in_processes(trial, record, count, seed):
    """Some of the same records, each at one command in a process, whose streams are those of a user."""
    forms = [[name] for name in ("compare", "expect", "scoreboard", "replay")] + [
        ["report", "--format", name, "--out", "-"] for name in RENDERINGS]
    Path("out/cases").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = random.Random(f"{seed} record {number}")
        Path("out/report.jsonl").write_bytes(mutated(record, rng))
        words = forms[number % len(forms)]
        more = {"compare": ["out", "whole"], "expect": ["out", "--file", "known.txt"], "replay": ["out/cases/case.json"],
                "scoreboard": ["out", "whole", "--out", "-"]}.get(words[0], ["out"])
        command = [words[0], *more, *words[1:]]
        done = subprocess.run([sys.executable, "-m", "backproof", *command], capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        trial.ends["a process", done.returncode] += 1
        found = wrong_with(command, done.returncode, done.stdout.decode(), done.stderr.decode(), trial.pages)
        found = [*found, *([("executed", "a trap was sprung")] if os.path.exists(CANARY) else [])]
        trial.faults += [(kind, command, f"--seed {seed}, process {number}", what) for kind, what in found]


# --- the whole ----------------------------------------------------------------------------------------------------


def prepared(folder):
    """A folder to be in: a whole record, a list, traps; and beside it what nobody may touch."""
    outside = folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (folder / "in").mkdir()
    os.chdir(folder / "in")
    record, cases = originals(Path("whole"))
    header, rest = record.split(b"\n", 1)
    record = json.dumps({**json.loads(header), "target": "mine.py:wrong"}).encode() + b"\n" + rest
    Path("whole/report.jsonl").write_bytes(record)
    Path("known.txt").write_text(LIST)
    Path("fixed.txt").write_text(LIST)
    for name in ("mine.py", "sklearn.py", "conftest.py", "out/mine.py"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(TRAP)
    return record, cases, outside


def sources():
    """The source of all that makes a page."""
    return "".join(path.read_text("utf-8") for path in Path(renderings.__file__).parent.rglob("*.py"))


def warmed(trial, cases):
    """Every command once, so that what they import is there; the elements that a page has."""
    "\x1b".encode("unicode_escape").decode("ascii")
    Path("whole/cases/case.json").write_bytes(cases[0])
    at_every_command(trial, "whole", "whole", "whole")
    for words in (["report", "whole", "--format", "html"], ["scoreboard", "whole", "whole"]):
        trial.pages |= Elements(trial("whole", *words, "--out", "-")).names
    trial("whole", "replay", "whole/cases/case.json", "reference")
    trial("whole", "replay", "whole/cases/case.json", "mine.py:none")
    shutil.rmtree(CANARY, ignore_errors=True)
    trial("whole", "verify", "reference", "--examples", "3", "--oracles", "differences", "--report", "first")
    trial.faults.clear()
    trial.ends.clear()
    trial.slowest = 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"records": 12_000, "cases": 8_000, "past": 40, "files": 200, "processes": 200, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options, started = parser.parse_args(), time.monotonic()
    cli.parser, coverage.catalogue = functools.cache(cli.parser), functools.cache(coverage.catalogue)  # for speed
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        record, cases, outside = prepared(folder)
        trial = Trial(Watch(str(folder / "in")), set(re.findall(r'tag\("(\w+)"', sources())))
        warmed(trial, cases)
        print(f"prepared in {time.monotonic() - started:.0f} s", flush=True)
        fuzz_records(trial, record, cases, options.records, options.seed)
        told(trial, f"{options.records:,} records", started)
        fuzz_cases(trial, cases, options.cases, options.seed)
        told(trial, f"{options.cases:,} cases", started)
        verify_beside(trial, cases, options.past, options.seed)
        told(trial, f"{options.past} folders of cases, and lists", started)
        files = put_special(trial, record, cases, options.files, outside / "file")
        told(trial, f"{files} special files and names", started)
        in_processes(trial, record, options.processes, options.seed)
        told(trial, f"{options.processes} processes", started)
        if [path.read_text() for path in outside.iterdir()] != ["mine"]:
            trial.wrong += 1
            print("outside: what lay beside the folder was changed")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest command {trial.slowest:.1f} s, memory at most {memory:.0f} MB")
    return 1 if trial.wrong else 0


def told(trial, what, started):
    """The figures of a part, and everything that is wrong in it."""
    for kind, words, repeat, said in trial.faults[:40]:
        print(f"{kind}: {' '.join(map(str, words))[:200]!r} ({repeat}): {said}")
    found = Counter(kind for kind, *_ in trial.faults)
    print(f"{what}: {sum(trial.ends.values()):,} commands; after {time.monotonic() - started:.0f} s")
    print("  " + ", ".join(f"{found[kind]} {kind}" for kind in ("trouble", "executed", "outside", "injection", "slow")))
    print("  " + ", ".join(f"{name} {status}: {n:,}" for (name, status), n in sorted(trial.ends.items(), key=str)), flush=True)
    trial.wrong += len(trial.faults)
    trial.faults.clear()
    trial.ends.clear()


if __name__ == "__main__":
    sys.exit(main())
