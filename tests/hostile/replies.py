"""Hostile replies to the command door, at random, through its frame reader and its reply parser in this process.

Each question is answered by a right reply that something was done to, and then by a plain right one: what may be
raised is a finding about the subject, whatever came, and the next question is answered as if nothing had been.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from backproof.plug.contract import BrokenContract, Declined
from backproof.plug.limits import TookTooLong
from backproof.plug.protocol.frames import TooLong, read_frame
from backproof.plug.protocol.process import Ended
from backproof.plug.protocol.remote import Raised, Remote
from backproof.plug.protocol.session import Died, Session
from backproof.reference import Answer, Case, evaluate, parse

ALLOWED = (BrokenContract, Declined, Raised, Died, TookTooLong)
NETWORK = {"format": 1, "input_shape": [2], "layers": [{"kind": "dense", "units": 3, "bias": True}],
           "loss": {"kind": "squared_error", "reduction": "sum"}}
CASE = Case(parse.network(NETWORK), {"0.weight": np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]]),
                                     "0.bias": np.array([0.1, 0.2, 0.3])},
            np.array([[1.0, 2.0], [-0.5, 0.75]]), np.array([[1.0, 0.0, -1.0], [2.0, 0.5, 0.0]]))
TRUTH = evaluate(CASE)
Json = Any


class Hostile(NamedTuple):
    """The bytes that come; whether the right reply is whole among them; whether the process then dies."""

    data: bytes
    whole: bool = False
    dies: bool = False


def line(message: Json) -> bytes:
    return json.dumps(message).encode() + b"\n"


def right(number: Json) -> dict[str, Json]:
    """The right reply to the question with this id."""
    arrays = {name: {"shape": list(value.shape), "data": value.ravel().tolist()} for name, value in TRUTH.gradients.items()
              if name in CASE.parameters}
    return {"id": number, "loss": float(TRUTH.loss), "gradients": arrays}


# --- what is odd ----------------------------------------------------------------------------------

LEAVES: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**70), 10**400, 1e308, -0.0, 1.5, "", "nan", "inf", "-inf", "NaN", "1e999", "f8",
    "float32", "float16", "int64", "O", "f8,i4", "<U9", "M8[s]", "V8", "bool", "complex128", "\ud800", "\x1b[2J\r\n::error::", "x" * 3000,
    [], {}, [[]], [None], [{}], ["nan"], [-1], [10**18], [10**30], [2**62, 4], [0], [0, 10**18], [1.5], [1] * 40, {"shape": [2]},
    {"data": [1.0]}, {"dtype": "O", "shape": [1], "at": 0}, {"dtype": "float64", "shape": [3], "at": -8},
    {"shape": [3], "at": 10**30}, {"shape": [10**12], "at": 0}, {"shape": [0, 10**18], "at": 0}, {"shape": None, "at": 0},
    {"dtype": None, "shape": [3], "at": 0}, {"dtype": [["a", "f8"]], "shape": [1], "at": 0}, {"shape": [3], "at": "0"},
    {"shape": [3], "at": 1.0}, {"at": 0}, {"kind": 5, "message": {}, "shape": 7, "where": []}, {"kind": "shape", "shape": ["x"]},
)
FIELDS = ("id", "loss", "gradients", "error", "unsupported", "broken", "kind", "where", "notes", "progress", "binary", "more",
          "refused", "protocol", "ask", "outstanding")


def leaf(rng: random.Random) -> Json:
    return rng.choice(LEAVES)


def nested(rng: random.Random, depth: int) -> str:
    """JSON so deep, of lists or objects, closed or not."""
    start, end = rng.choice([("[", "]"), ('{"a":', "}")])
    return start * depth + "1" + end * (depth if rng.random() < 0.7 else 0)


def swapped(rng: random.Random, message: Json) -> Json:
    """One value of the message, anywhere in it, is another."""
    places = list(_places(message))
    holder, key = rng.choice(places)
    holder[key] = leaf(rng)
    return message


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(items):
        yield value, key
        yield from _places(each)


def odd_line(rng: random.Random) -> bytes:
    """A line that is no reply to anything."""
    return rng.choice([
        lambda: rng.randbytes(rng.randrange(1, 300)).replace(b"\n", b"") + b"\n", lambda: b"\n", lambda: b"\r\n", lambda: b"\x00\n",
        lambda: b"\xef\xbb\xbf{}\n", lambda: '{"id": 1}\n'.encode("utf-16") + b"\n", lambda: b"hello\n", lambda: b"1" * 5000 + b"\n",
        lambda: nested(rng, rng.choice([10, 1000, 50_000])).encode() + b"\n", lambda: line(leaf(rng)), lambda: b"[" * 70_000 + b"\n",
        lambda: b"x" * rng.randrange(60_000, 140_000) + b"\n", lambda: line({"id": leaf(rng)}), lambda: line({rng.choice(FIELDS): leaf(rng)}),
        lambda: line(right(rng.choice([-5, 10**9, "x", None, 1.5]))),
    ])()


def before(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    lines = b"".join(odd_line(rng) for _ in range(rng.randrange(1, 4)))
    return Hostile(lines + reply, whole=b'"binary"' not in lines)


def behind(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(reply + b"".join(odd_line(rng) for _ in range(rng.randrange(1, 4))), whole=True)


def doubled(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(reply * rng.randrange(2, 5), whole=True)


def cut(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(reply[:rng.randrange(len(reply))], dies=True)


def died_behind(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(reply + reply[:rng.randrange(len(reply))], whole=True, dies=True)


def flipped(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    data = bytearray(reply)
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return Hostile(bytes(data), dies=True)


def another_value(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(line(swapped(rng, message)), dies=True)


def another_field(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    return Hostile(line({**message, rng.choice(FIELDS): leaf(rng)}), dies=True)


def no_result(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    chosen = rng.sample(FIELDS[1:], rng.randrange(1, 4))
    return Hostile(line({"id": message["id"], **{name: leaf(rng) for name in chosen}}), dies=True)


def blocks(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    """Arrays in a block that is too short, too long, or not there."""
    size = rng.choice([0, 1, 24, 48, 72, 10**6, 10**12, 2**63, -8, True, "72", 1.5, None])
    arrays = {"0.weight": {"shape": [2, 3], "at": rng.choice([0, 8, 24, -1, 10**9])}, "0.bias": {"shape": [3], "at": rng.choice([48, 0, 3])}}
    return Hostile(line({**message, "gradients": arrays, "binary": size}) + rng.randbytes(rng.choice([0, 10, 72, 100])), dies=True)


def huge(rng: random.Random, reply: bytes, message: Json) -> Hostile:
    """More than a reply may have, in one line that ends or does not."""
    return Hostile(b'{"id": 1, "x": "' + b"y" * rng.choice([2**20, 3 * 2**20]) + rng.choice([b"", b'"}\n']), dies=True)


KINDS: dict[str, tuple[int, Callable[..., Hostile]]] = {
    "odd lines before it": (4, before), "odd lines behind it": (3, behind), "doubled": (1, doubled), "cut, then death": (3, cut),
    "whole, then death": (2, died_behind), "bytes changed": (4, flipped), "a value changed": (8, another_value),
    "a field more": (4, another_field), "no result": (4, no_result), "blocks": (4, blocks), "huge": (0, huge),
}


def hostile(rng: random.Random, number: int) -> tuple[str, Hostile]:
    """One at random: its kind, and what comes."""
    name = rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    name = "huge" if rng.random() < 0.01 else name
    message = right(number)
    return name, KINDS[name][1](rng, line(message), message)


# --- asking ---------------------------------------------------------------------------------------


class Scripted:
    """In the place of a process: the bytes that `script` gives for a question, then the end."""

    asks_where = False
    heard = True
    last = ""

    def __init__(self, script: Callable[[int], Hostile]):
        self.script, self.most, self.until, self.over = script, 2**20, 0.0, False
        self.items: list[Any] = []

    def send(self, data: bytes) -> None:
        if self.over:
            self.items = [Ended("it had ended before it was asked")]
            return
        given = self.script(json.loads(data.partition(b"\n")[0])["id"])
        stream, self.items = io.BytesIO(given.data), []
        try:
            while (item := read_frame(stream, lambda: self.most)) is not None:
                self.items.append(item)
        except TooLong as error:
            self.items.append(Ended(str(error)))
        self.items.append(Ended("it closed its output"))
        self.over = given.dies

    def next(self) -> Any:
        return self.items.pop(0)

    def where(self) -> str:
        return ""

    def kill(self) -> None:
        self.over = True

    close = kill


class Tried(NamedTuple):
    """How it went: by kind and what came of it, how many; what must not be; the longest in seconds."""

    counts: Counter[tuple[str, str]]
    wrong: list[str]
    slowest: float


def tried(count: int, seed: int = 0) -> Tried:
    """So many hostile replies, each followed by a plain one."""
    rng, counts, wrong, slowest = random.Random(seed), Counter[tuple[str, str]](), list[str](), 0.0
    plan: list[Hostile] = []

    def script(number: int) -> Hostile:
        if number == 0:
            return Hostile(line({"id": 0, "protocol": 1}))
        if plan:
            return plan.pop()
        return Hostile(line(right(number)))

    session = Session(["scripted"], {"ask": "hello"}, lambda _: Scripted(script))
    remote = Remote(session)
    remote(CASE)
    for i in range(count):
        number = next(session._ids) + 1
        name, given = hostile(rng, number)
        plan.append(given)
        start = time.perf_counter()
        outcome = _outcome(remote)
        slowest = max(slowest, time.perf_counter() - start)
        counts[name, outcome.partition(":")[0]] += 1
        if outcome.startswith("!") or (given.whole and outcome != "right"):
            wrong.append(f"{i}: {name}: {outcome}: {given.data[:200]!r}")
        plan.clear()
        if (after := _after(remote, given)) != "right":
            wrong.append(f"{i}: {name}: the next question: {after}: {given.data[:200]!r}")
    return Tried(counts, wrong, slowest)


def _outcome(remote: Remote) -> str:
    """"right", "other" numbers, or what was raised; "!" before what may not be."""
    try:
        answer = remote(CASE)
    except ALLOWED as error:
        return f"refused: {type(error).__name__}: {str(error)[:200]}"
    except Exception as error:
        return f"! {type(error).__name__}: {error}"
    return "right" if _same(answer) else "other"


def _after(remote: Remote, given: Hostile) -> str:
    """How the next question fares; that a process has died unasked may be said to one, and to one only."""
    outcome = _outcome(remote)
    return _outcome(remote) if given.dies and outcome.startswith("refused: Died") else outcome


def _same(answer: Answer) -> bool:
    return float(answer.loss) == float(TRUTH.loss) and all(
        np.array_equal(answer.gradients[name], TRUTH.gradients[name]) for name in CASE.parameters)


# --- several on their way -------------------------------------------------------------------------


class Shuffled(Scripted):
    """Answers in any order, with odd lines and old replies between them; it may die at any of them."""

    def __init__(self, rng: random.Random, outstanding: int):
        super().__init__(lambda _: Hostile(b""))
        self.rng, self.outstanding, self.waiting, self.old = rng, outstanding, list[Any](), list[Any]()

    def send(self, data: bytes) -> None:
        message = json.loads(data)
        greeted = {"id": 0, "protocol": 1, "outstanding": self.outstanding}
        reply = greeted if message["id"] == 0 else {**right(message["id"]), "loss": message["inputs"]["data"][0]}
        self.waiting.append(reply)

    def next(self) -> Any:
        if self.over or self.rng.random() < 0.01:
            self.over = True
            return Ended("it died")
        if self.old and self.rng.random() < 0.3:
            return self.rng.choice(self.old)
        self.old.append(self.waiting.pop(self.rng.randrange(len(self.waiting))))
        stream = io.BytesIO(line(self.old[-1]))
        self.old[-1] = read_frame(stream, lambda: self.most)
        return self.old[-1]


def tried_together(count: int, seed: int = 0) -> list[str]:
    """So many questions, up to eight on their way at once; what was answered wrongly, or not by its own reply."""
    rng, wrong = random.Random(seed), list[str]()
    for start in range(0, count, 20):
        most = rng.randrange(2, 9)
        remote = Remote(Session(["shuffled"], {"ask": "hello"}, lambda _, most=most: Shuffled(rng, most)))
        with contextlib.suppress(Died):  # in the greeting, or at the first question
            remote(CASE)
        cases = [CASE.but(inputs=np.full((2, 2), float(start + i))) for i in range(20)]
        for i, answer in enumerate(remote.several(cases)):
            fine = isinstance(answer, Died) or (isinstance(answer, Answer) and float(answer.loss) == start + i)
            wrong += [] if fine else [f"{start + i}: {answer}"]
    return wrong


# --- through real processes -----------------------------------------------------------------------

STEP = 4  # ids
PROGRAM = """\
import json, sys
given = json.load(open(sys.argv[1]))
for line in sys.stdin:
    number = json.loads(line)["id"]
    known = given.get(str(number))
    if number == 0:
        data = b'{"id": 0, "protocol": 1}\\n'
    elif known is None:
        data = (json.dumps({"id": number, **given["right"]}) + "\\n").encode()
    else:
        data = bytes.fromhex(known[0])
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    if known and known[1]:
        break
"""


def tried_apart(count: int, folder: Path, seed: int = 0) -> Tried:
    """So many hostile replies from a process that writes them, each followed by a plain one."""
    rng, counts, wrong, slowest = random.Random(seed), Counter[tuple[str, str]](), list[str](), 0.0
    kinds, given = [], {"right": {key: value for key, value in right(0).items() if key != "id"}}
    for i in range(count):
        name, one = hostile(rng, STEP * i + 1)
        kinds.append((name, one))
        given[str(STEP * i + 1)] = [one.data.hex(), one.dies]
    (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    session = Session([sys.executable, str(folder / "program.py"), str(folder / "given.json")], {"ask": "hello"})
    remote = Remote(session)
    for i, (name, one) in enumerate(kinds):
        session._ids = itertools.count(STEP * i + 1)
        start = time.perf_counter()
        outcome, after = _outcome(remote), _after(remote, one)
        slowest = max(slowest, time.perf_counter() - start)
        counts[name, outcome.partition(":")[0]] += 1
        if outcome.startswith("!") or (one.whole and outcome != "right") or after != "right":
            wrong.append(f"{i}: {name}: {outcome}: then {after}: {one.data[:200]!r}")
    remote.close()
    return Tried(counts, wrong, slowest)
