"""Hostile programs behind the command door, in Python, Node and sh: what each does, and what it must get.

They speak the protocol by themselves, with the standard library of their language alone.
"""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

CONFORMS, WRONG, NOT_JUDGED, INCOMPLETE = "conforms", "does_not_conform", "not_judged", "incomplete"
LATER = 60  # questions
CLAIMS = {"heads": [{"activation": "identity", "loss": "squared_error", "reduction": "sum"}], "depth": [1, 1],
          "bias": "always", "dtypes": ["float64"]}

PYTHON = """\
import json, os, random, signal, subprocess, sys, threading, time
n, CLAIMS, out = 0, json.loads({claims!r}), sys.stdout
{top}

def say(reply):
    out.write(json.dumps(reply) + "\\n")
    out.flush()

def rows(array, width):
    data = array["data"]
    return [data[i:i + width] for i in range(0, len(data), width)]

def answer(message):
    parameters = message["parameters"]
    (inputs, units), bias = parameters["0.weight"]["shape"], parameters["0.bias"]["data"]
    W, x, t = rows(parameters["0.weight"], units), rows(message["inputs"], inputs), rows(message["targets"], units)
    e = [[sum(a * W[i][j] for i, a in enumerate(r)) + bias[j] - t[k][j] for j in range(units)] for k, r in enumerate(x)]
    dW = [2 * sum(x[k][i] * e[k][j] for k in range(len(x))) for i in range(inputs) for j in range(units)]
    db = [2 * sum(e[k][j] for k in range(len(x))) for j in range(units)]
    loss = sum(v * v for r in e for v in r)
    return {{"loss": loss, "gradients": {{"0.weight": {{"shape": [inputs, units], "data": dW}}, "0.bias": {{"shape": [units], "data": db}}}}}}

for line in sys.stdin:
    message = json.loads(line)
    if message["ask"] == "hello":
        reply = {{"id": message["id"], "protocol": 1, "name": "mine", "answers": "gradients", "claims": CLAIMS}}
{hello}
        say(reply)
        continue
    n += 1
{ask}
    reply = {{"id": message["id"], **answer(message)}}
{reply}
    say(reply)
"""

NODE = """\
let n = 0;
const CLAIMS = {claims};
const say = reply => process.stdout.write(JSON.stringify(reply) + "\\n");
{top}
function answer(m) {{
  const [inputs, units] = m.parameters["0.weight"].shape, W = m.parameters["0.weight"].data, b = m.parameters["0.bias"].data;
  const x = m.inputs.data, t = m.targets.data, batch = m.inputs.shape[0];
  const dW = Array(inputs * units).fill(0), db = Array(units).fill(0);
  let loss = 0;
  for (let k = 0; k < batch; k++) for (let j = 0; j < units; j++) {{
    let e = b[j] - t[k * units + j];
    for (let i = 0; i < inputs; i++) e += x[k * inputs + i] * W[i * units + j];
    loss += e * e; db[j] += 2 * e;
    for (let i = 0; i < inputs; i++) dW[i * units + j] += 2 * e * x[k * inputs + i];
  }}
  return {{loss, gradients: {{"0.weight": {{shape: [inputs, units], data: dW}}, "0.bias": {{shape: [units], data: db}}}}}};
}}
require("readline").createInterface({{input: process.stdin}}).on("line", line => {{
  const m = JSON.parse(line);
  if (m.ask === "hello") return say({{id: m.id, protocol: 1, name: "mine", answers: "gradients", claims: CLAIMS}});
  n++;
  {ask}
  const reply = {{id: m.id, ...answer(m)}};
  {reply}
  say(reply);
}});
"""


class Program(NamedTuple):
    """One program; `line`, where it is not empty, is the command line itself."""

    name: str
    verdict: str
    language: str
    top: str = ""
    ask: str = ""
    reply: str = ""
    hello: str = ""
    line: str = ""
    slow: bool = False

    def written(self, folder: Path) -> str:
        """The command line, its file in the folder."""
        if self.line:
            return self.line
        file = folder / f"mine.{self.language}"
        file.write_text(self.text, encoding="utf-8")
        start = {"py": f"{sys.executable} -u", "js": "node", "sh": "sh"}[self.language]
        return f"{start} {shlex.quote(str(file))}"

    @property
    def text(self) -> str:
        """The file."""
        claims = json.dumps(CLAIMS)
        if self.language == "sh":
            return self.top
        if self.language == "js":
            return NODE.format(claims=claims, top=self.top, ask=self.ask, reply=self.reply)
        inside = {name: textwrap.indent(getattr(self, name) or "pass", "    ") for name in ("ask", "reply")}
        return PYTHON.format(claims=claims, top=self.top, hello=textwrap.indent(self.hello or "pass", "        "), **inside)


def py(name: str, verdict: str, **more: object) -> Program:
    return Program(f"Python: {name}", verdict, "py", **more)  # type: ignore[arg-type]


def js(name: str, verdict: str, **more: object) -> Program:
    return Program(f"Node: {name}", verdict, "js", **more)  # type: ignore[arg-type]


def sh(name: str, verdict: str, text: str, **more: object) -> Program:
    return Program(f"sh: {name}", verdict, "sh", text, **more)  # type: ignore[arg-type]


AT = f"if n == {LATER}: "
HELLO = json.dumps({"id": 0, "protocol": 1, "answers": "gradients", "claims": CLAIMS})
PROGRAMS = [
    py("right", CONFORMS), py("prints a line at first", CONFORMS, top="print('hello')"),
    py("prints lines now and then", CONFORMS, ask="if n % 10 == 0: print('at', n)"),
    py("logs 1 MB a question", CONFORMS, ask="sys.stderr.write('x' * 2**20)"),
    py("answers twice", CONFORMS, reply="say(reply)"),
    py("answers another question too", CONFORMS, reply="say({'id': 10**6, 'loss': 1})"),
    py("answers the question before again", CONFORMS, top="last = {}", reply="say(last)\nlast = dict(reply)"),
    py("more fields", CONFORMS, reply="reply.update(x=1, notes=5, more=[{}])"),
    py("numbers as lists", CONFORMS, reply="reply['gradients']['0.bias'] = reply['gradients']['0.bias']['data']"),
    py("a child that outlives it", CONFORMS, ask="if n < 4: subprocess.Popen(['sleep', '1000'])"),
    py("does not end with its input", CONFORMS, top="import atexit\natexit.register(time.sleep, 1000)"),
    py("ends with 0", WRONG, ask=AT + "os._exit(0)"), py("ends with 7", WRONG, ask=AT + "os._exit(7)"),
    py("aborts", WRONG, ask=AT + "os.abort()"), py("killed", WRONG, ask=AT + "os.kill(os.getpid(), 9)"),
    py("raises", WRONG, ask=AT + "1 / 0"), py("half a line, then death", WRONG, ask=AT + "out.write('{\"id\":'); out.flush(); os._exit(0)"),
    py("closes its output", WRONG, ask=AT + "os.close(1); time.sleep(9)"),
    py("wrong, whole, then death", WRONG, reply="if n == 60:\n    reply['loss'] = -1\n    say(reply)\n    os._exit(0)"),
    py("lines without end", WRONG, ask=AT + "\n    while True: out.write('x' * 100 + '\\n')", slow=True),
    py("a line without end", WRONG, ask=AT + "\n    while True: out.write('x' * 10**6)"),
    py("replies without end", WRONG, ask=AT + "\n    while True: say({'id': -1})", slow=True),
    py("hangs", WRONG, ask=AT + "\n    while True: pass", slow=True),
    py("memory without end", WRONG, ask=AT + "\n    kept = []\n    while True: kept.append(bytearray(10**8))"),
    py("NaN", WRONG, reply="reply['gradients']['0.bias']['data'][0] = float('nan')"),
    py("another id", WRONG, reply=AT + "reply['id'] = [1]", slow=True),
    py("unsupported, always", NOT_JUDGED, reply="reply = {'id': reply['id'], 'unsupported': 'not yet'}"),
    py("an error, always", NOT_JUDGED, reply="reply = {'id': reply['id'], 'error': '\\x1b[2J\\n::error::x'}"),
    py("an error on larger batches", WRONG, reply="if message['inputs']['shape'][0] > 4: reply = {'id': reply['id'], 'error': 'no'}"),
    py("another protocol", NOT_JUDGED, hello="reply['protocol'] = 2"), py("claims that are none", NOT_JUDGED, hello="reply['claims'] = {'hidden': ['x']}"),
    py("a hello of a million layers", NOT_JUDGED, hello="reply['claims'] = {'hidden': ['\\x1b' * 1000] * 1000}"),
    py("twice", WRONG, reply="reply['gradients']['0.bias']['data'] = [2 * v for v in reply['gradients']['0.bias']['data']]"),
    py("wrong after 60 questions", WRONG, reply="if n > 60: reply['loss'] *= 2"),
    js("right", CONFORMS), js("console.log beside it", CONFORMS, ask="console.log('n', n);"),
    js("throws", WRONG, ask=f"if (n === {LATER}) throw new Error('x');"), js("exits with 0", WRONG, ask=f"if (n === {LATER}) process.exit(0);"),
    js("hangs", WRONG, ask=f"if (n === {LATER}) for (;;) {{}}", slow=True), js("rejects", WRONG, ask=f"if (n === {LATER}) Promise.reject(1);"),
    js("undefined", WRONG, reply="reply.gradients['0.bias'].data[0] = undefined;"), js("the mean", WRONG, reply="reply.loss /= m.inputs.shape[0];"),
    js("nothing", NOT_JUDGED, ask="return;", slow=True), js("nests", WRONG, reply=f"if (n === {LATER}) for (let i = 0; i < 9999; i++) reply.x = [reply.x];"),
    sh("ends at once", NOT_JUDGED, "exit 0"), sh("says its questions", NOT_JUDGED, "cat"), sh("says y", NOT_JUDGED, "exec yes", slow=True),
    sh("sleeps", NOT_JUDGED, "sleep 1000", slow=True), sh("kills itself", NOT_JUDGED, "kill -9 $$"), sh("zeros", NOT_JUDGED, "exec cat /dev/zero"),
    sh("a hello and no more", NOT_JUDGED, f"read x; echo '{HELLO}'; exit 0"),
    sh("is not there", NOT_JUDGED, "", line="/nowhere/at/all"), sh("is a folder", NOT_JUDGED, "", line="/tmp"),
    sh("is no line", NOT_JUDGED, "", line="a 'b"),
]
