"""Records and cases damaged at random, or with what a hostile hand would write in them: the same for the same `Random`."""

import copy
import json
import os
import pickle

from backproof.plug.subject import subject_of
from backproof.plug.subjects import load as ready_made
from backproof.properties.strategies import Style, build
from backproof.record.writing import to_text
from backproof.reference import parse
from backproof.running.api import judge, plan_of

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
    "::error file=x,line=1::pwned", "a\n::add-mask::x", "##[error]pwned", "x ##vso[task.setvariable variable=x]y", "\x9b31m",
    "'; touch executed #", "$(touch executed)", "-rf", "--help", "my net.py:f; touch executed", "\u202e\u2066", "x\ny" * 9000,
    "[a](javascript:b)", "![a](http://x)", "www.example.org @all", "</pre></style>", "a|b", "```\n# x\n```", "y" * 100_000,
    "passed", "reference", "conforms", "bias", ["bias"] * 3, [0.1, "nan", 10**400],
]


def originals(folder):
    """A whole record of a wrong subject, and two cases, as bytes."""
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
