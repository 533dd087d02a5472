"""Hostile subjects in Python, a row each: what is odd about it, where its lines stand, and what it must get.

`top` stands at the top of the file, `ask` at the start of each question (n counts them from 1), `reply` behind
the right loss and gradients `g`, which it may change. A row that only behaves oddly must conform; one that dies
or is wrong must not.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

CONFORMS, WRONG, NOT_JUDGED = "conforms", "does_not_conform", "not_judged"
LATER = 60  # questions; a run of the table asks some 130

SUBJECT = """\
import ctypes, gc, os, random, re, signal, subprocess, sys, threading, time, types, warnings
import numpy as np
from backproof import Head, implementation

n = 0
{top}

@implementation(heads=[Head("identity", "squared_error", reduction="sum")], depth=(1, 1), bias="always",
                dtypes=["float64"])
def backprop(network, parameters, inputs, targets):
    global n
    n += 1
{ask}
    (W,), (b,) = network.unpack(parameters)
    error = inputs @ W - targets + b
    loss, g = (error**2).sum(), network.pack([inputs.T @ (2 * error)], [2 * error.sum(axis=0)])
{reply}
    return loss, g
"""


class Row(NamedTuple):
    """One subject; `slow`: a question of it hangs for the whole of its limit, or it takes as long."""

    name: str
    verdict: str
    top: str = ""
    ask: str = ""
    reply: str = ""
    slow: bool = False

    @property
    def text(self) -> str:
        """The file."""
        return SUBJECT.format(top=self.top, ask=_inside(self.ask), reply=_inside(self.reply))


def _inside(lines: str) -> str:
    return textwrap.indent(lines or "pass", "    ")


# --- it ends --------------------------------------------------------------------------------------

ENDS = {
    "os._exit(0)": "os._exit(0)", "os._exit(1)": "os._exit(1)", "os._exit(3)": "os._exit(3)",
    "abort": "os.abort()", "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)", "group": "os.killpg(0, signal.SIGKILL)",
    "segmentation fault": "ctypes.string_at(0)", "exit of C": "ctypes.CDLL(None).exit(0)",
    "_exit of C": "ctypes.CDLL(None)._exit(0)", "execv": "os.execv('/bin/true', ['true'])",
    "stack of C": "sys.setrecursionlimit(10**8); exec('f = lambda x: f(x) + 1; f(0)', globals())",
    "sys.exit(0)": "sys.exit(0)", "sys.exit()": "sys.exit()", "SystemExit(0)": "raise SystemExit(0)",
    "quit": "quit()", "KeyboardInterrupt": "raise KeyboardInterrupt", "GeneratorExit": "raise GeneratorExit",
    "BaseException": "raise BaseException('no Exception')",
}
OFTEN = ("os._exit(0)", "segmentation fault", "sys.exit(0)", "execv", "KeyboardInterrupt")


def ends():
    for name, line in ENDS.items():
        yield Row(f"{name}, at question {LATER}", WRONG, ask=f"if n == {LATER}:\n    {line}")
        if name in OFTEN:
            yield Row(f"{name}, on larger batches", WRONG, ask=f"if len(inputs) > 4:\n    {line}")
            yield Row(f"{name}, on import", NOT_JUDGED, top=line)
            yield Row(f"{name}, always", NOT_JUDGED, ask=line)
    yield Row("a thread ends it", WRONG,
              ask=f"if n == {LATER}:\n    threading.Thread(target=os._exit, args=(0,)).start()\n    time.sleep(1)")
    yield Row("an answer ends it", WRONG, top=CLASS.format(body="os._exit(0)"),
              reply=f"if n == {LATER}:\n    g['0.bias'] = Odd()")
    yield Row("an answer says SystemExit", WRONG, top=CLASS.format(body="raise SystemExit(0)"),
              reply=f"if n == {LATER}:\n    g['0.bias'] = Odd()")
    yield Row("__getattr__ of its module says SystemExit", CONFORMS,
              top="def __getattr__(name): raise SystemExit(0)")
    yield Row("atexit ends it", CONFORMS, top="import atexit\natexit.register(os._exit, 1)")
    yield Row("atexit sleeps", CONFORMS, top="import atexit\natexit.register(time.sleep, 100)")
    yield Row("atexit raises", CONFORMS, top="import atexit\natexit.register(lambda: 1 / 0)")


CLASS = """class Odd:
    def __array__(self, dtype=None, copy=None):
        {body}"""

# --- it hangs -------------------------------------------------------------------------------------

HANGS = {
    "in Python": "while True: pass", "in sleep": "time.sleep(1000)", "in sleep of C": "ctypes.CDLL(None).sleep(1000)",
    "with the lock of Python": "ctypes.PyDLL(None).sleep(1000)", "in a pattern": "re.match(r'(a+)+$', 'a' * 60 + 'b')",
    "past except Exception": "while True:\n        try:\n            while True: pass\n        except Exception: pass",
    "past except": "while True:\n        try:\n            while True: pass\n        except: pass",
    "past finally": "while True:\n        try:\n            while True: pass\n        finally: continue",
    "in a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()", "in a sum": "sum(range(10**13))",
    "in a product": "(7 ** 10**8) % 3", "in a child": "subprocess.run(['sleep', '1000'])",
    "without its alarm": "signal.signal(signal.SIGALRM, signal.SIG_IGN); signal.setitimer(signal.ITIMER_REAL, 0)\n"
                         "    while True: pass",
    "without SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)", "in a pipe": "os.read(os.pipe()[0], 1)",
    "in a thread that it waits for": "t = threading.Thread(target=time.sleep, args=(1000,)); t.start(); t.join()",
    "in its garbage": "exec('class X:\\n def __del__(self):\\n  while True: pass\\n', globals())\n"
                      "    x = X(); x.x = x; del x; gc.collect()",
}


def hangs():
    for name, line in HANGS.items():
        yield Row(f"hangs once {name}", WRONG, ask=f"if n == {LATER}:\n    {line}", slow=True)
    yield Row("hangs always in Python", NOT_JUDGED, ask="while True: pass", slow=True)
    yield Row("hangs always in C", NOT_JUDGED, ask="ctypes.PyDLL(None).sleep(1000)", slow=True)
    yield Row("hangs on import", NOT_JUDGED, top="while True: pass", slow=True)
    yield Row("an answer hangs", WRONG, top=CLASS.format(body="while True: pass"),
              reply=f"if n == {LATER}:\n    g['0.bias'] = Odd()", slow=True)
    yield Row("hangs from question 60 on", WRONG, ask=f"if n >= {LATER}:\n    while True: pass", slow=True)


# --- it is right, and behaves oddly ---------------------------------------------------------------

QUIRKS = {
    "prints": ("", "print('hello', n)"), "prints JSON": ("", "print('{\"id\": 1, \"loss\": 0}')"),
    "prints 1 MB": ("", "print('x' * 2**20)"), "prints on file 1": ("", "os.write(1, b'\\xff\\x00junk\\n' * 100)"),
    "prints on file 2": ("", "os.write(2, b'\\xff\\x00\\x1b[2J' * 10000)"),
    "prints half a line": ("", "sys.stdout.write('{\"id\":'); sys.stdout.flush()"),
    "sys.stdout is None": ("sys.stdout = sys.stderr = None", ""),
    "sys.stdout is odd": ("class S:\n    def write(self, t): raise ValueError\n    def flush(self): raise OSError\n"
                          "sys.stdout = sys.stderr = S()", ""),
    "closes sys.stdout": ("", "sys.stdout.close(); sys.stdin.close()"),
    "closes file 0": ("os.close(0)", ""), "closes file 1": ("os.close(1)", ""), "closes file 2": ("os.close(2)", ""),
    "closes files 0, 1, 2": ("os.closerange(0, 3)", ""), "reads stdin": ("sys.stdin.read()", "sys.stdin.read()"),
    "reads file 0": ("", "os.read(0, 100)"), "goes to /": ("", "os.chdir('/')"),
    "goes to a folder that goes": ("", "import tempfile\nd = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)"),
    "np.seterr raises": ("np.seterr(all='raise')", "np.seterr(all='raise')"),
    "np.seterrcall": ("np.seterrcall(lambda *a: os._exit(0)); np.seterr(all='call')", ""),
    "warnings are errors": ("warnings.simplefilter('error')", "warnings.simplefilter('error')"),
    "warns": ("", "warnings.warn('again ' + str(n))"), "showwarning raises": ("def no(*a, **k): raise SystemExit(0)\n"
                                                                            "warnings.showwarning = no", "warnings.warn('x')"),
    "seeds": ("", "random.seed(0); np.random.seed(0)"), "clears the environment": ("os.environ.clear()", ""),
    "clears sys.path": ("sys.path.clear()", "sys.path.clear()"), "clears sys.argv": ("sys.argv.clear()", ""),
    "no garbage collection": ("gc.disable()", "gc.disable()"), "freezes garbage": ("", "gc.freeze(); gc.collect()"),
    "hooks into garbage": ("gc.callbacks.append(lambda *a: 1 / 0)", "gc.collect()"),
    "traces": ("sys.settrace(lambda *a: None)", "sys.settrace(lambda *a: None)"),
    "profiles": ("sys.setprofile(lambda *a: None)", ""), "sys.excepthook": ("sys.excepthook = lambda *a: os._exit(0)", ""),
    "threading.excepthook": ("threading.excepthook = lambda *a: os._exit(0)", ""),
    "ignores SIGINT": ("signal.signal(signal.SIGINT, signal.SIG_IGN)", ""),
    "ignores SIGTERM": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", ""),
    "ignores SIGPIPE": ("signal.signal(signal.SIGPIPE, signal.SIG_DFL)", ""),
    "SIGUSR1 ends it": ("signal.signal(signal.SIGUSR1, signal.SIG_DFL)", ""),
    "has an alarm": ("signal.signal(signal.SIGALRM, lambda *a: None); signal.alarm(1)", ""),
    "has a timer": ("", "signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, .01, .01)"),
    "a profiling timer": ("signal.signal(signal.SIGPROF, lambda *a: None); signal.setitimer(signal.ITIMER_PROF, .1, .1)", ""),
    "a thread for ever": ("threading.Thread(target=time.sleep, args=(1000,)).start()", ""),
    "a thread for every question": ("", "threading.Thread(target=time.sleep, args=(1000,)).start()"),
    "a thread that spins": ("def spin():\n    while True: time.sleep(0)\nthreading.Thread(target=spin, daemon=True).start()", ""),
    "a thread that raises": ("", "threading.Thread(target=lambda: 1 / 0).start()"),
    "a child that sleeps": ("", "if n < 9: subprocess.Popen(['sleep', '1000'])"),
    "a fork that sleeps": ("", "if n < 9 and os.fork() == 0:\n    time.sleep(1000)\n    os._exit(0)"),
    "a fork that ends": ("", "if n < 20:\n    pid = os.fork()\n    if pid == 0: os._exit(0)\n    os.waitpid(pid, 0)"),
    "a fork that ends badly": ("", "if n < 9 and os.fork() == 0: os.abort()"),
    "a fork that answers too": ("", f"if n == {LATER}: os.fork()"),
    "a fork in a session of its own": ("", "if n < 4 and os.fork() == 0:\n    os.setsid(); time.sleep(60); os._exit(0)"),
    "a pool": ("import concurrent.futures as f\npool = f.ThreadPoolExecutor(2)", "pool.submit(time.sleep, .01)"),
    "takes 200 MB": ("kept = np.ones(25_000_000)", ""), "leaks 1 MB a question": ("kept = []", "kept.append(bytearray(2**20))"),
    "imports for 3 s": ("time.sleep(3)", ""), "is nice": ("os.nice(5)", ""), "umask": ("os.umask(0o777)", ""),
    "may open no file": ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))", ""),
    "may write no file": ("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", ""),
    "deep recursion": ("sys.setrecursionlimit(10**6)", ""), "little recursion": ("sys.setrecursionlimit(120)", ""),
    "forgets its modules": ("", "sys.modules.pop('numpy', None); sys.modules.pop('json', None)"),
    "np.sum is wrapped": ("old = np.sum\ndef new(*a, **k): return old(*a, **k)\nnp.sum = new", ""),
    "print options": ("np.set_printoptions(precision=1)", ""), "locale": ("import locale\nlocale.setlocale(locale.LC_ALL, 'C')", ""),
    "decimal": ("import decimal\ndecimal.getcontext().prec = 1", ""), "logs": ("import logging\nlogging.basicConfig(level=0)",
                                                                            "logging.debug('x' * 1000)"),
    "slow, 20 ms a question": ("", "time.sleep(.02)"), "sys.exit is another": ("sys.exit = lambda *a: None", ""),
    "deletes the record's folder": ("", "import shutil\nif n == 30: shutil.rmtree(RECORD, ignore_errors=True)"),
    "asyncio": ("import asyncio\nasync def go(): await asyncio.sleep(0)", "asyncio.run(go())"),
}


def quirks():
    for name, (top, ask) in QUIRKS.items():
        yield Row(name, CONFORMS, top, ask)
    for name, line in RIGHT_ANSWERS.items():
        yield Row(f"right, {name}", CONFORMS, LYING, reply=line)


LYING = """class Honest(np.ndarray):
    pass

class Liar(np.ndarray):
    shape = property(lambda self: (1, 2, 3))
    def __eq__(self, other): return True
    def __sub__(self, other): return np.zeros(1)
    def __array_function__(self, *a, **k): return np.zeros(1)
    def __array_ufunc__(self, *a, **k): return np.zeros(1)

class Keys(dict):
    def __eq__(self, other): return True

kept = {}"""
RIGHT_ANSWERS = {
    "a subclass of arrays": "g['0.bias'] = g['0.bias'].view(Honest)", "lists": "g = {k: v.tolist() for k, v in g.items()}",
    "Fortran order": "g = {k: np.asfortranarray(v) for k, v in g.items()}", "a subclass of dict": "g = Keys(g)",
    "a read-only mapping": "g = types.MappingProxyType(g)", "another order": "g = dict(reversed(g.items()))",
    "strides below 0": "g = {k: v[::-1].copy()[::-1] for k, v in g.items()}",
    "one buffer for all": "kept.setdefault('b', np.zeros(64)); k = kept['b'][:len(g['0.bias'])]\n"
                          "if len(k) == len(g['0.bias']):\n    k[:] = g['0.bias']; g['0.bias'] = k",
    "changed 1 s after": "a = g['0.bias']\nif n % 20 == 0: threading.Timer(1, lambda: a.fill(7)).start()",
    "its own parameters back": "g = {**parameters, **g}",
}

# --- it is wrong ----------------------------------------------------------------------------------

WRONGS = {
    "NaN": "g['0.bias'] = g['0.bias'] * np.nan", "infinity": "g['0.bias'] = g['0.bias'] + np.inf",
    "twice": "g['0.bias'] = 2 * g['0.bias']", f"after {LATER} questions": f"if n > {LATER}: g['0.bias'] = 2 * g['0.bias']",
    "at random": "if random.random() < .1: g['0.bias'] = 2 * g['0.bias']", "at one question": f"if n == {LATER}: g['0.bias'] = 2 * g['0.bias']",
    "by 1e-7": "g['0.bias'] = (1 + 1e-7) * g['0.bias']", "on batches above 4": "if len(inputs) > 4: g['0.bias'] = g['0.bias'] / len(inputs)",
    "the inputs change": "inputs *= 2", "the parameters change": "W -= .1", "the answer before": "g, kept['g'] = kept.get('g', g), g",
    "None": f"if n == {LATER}: return None", "a generator": f"if n == {LATER}: g = (x for x in g.items())",
    "a text": f"if n == {LATER}: return 'right'", "bytes": f"if n == {LATER}: g['0.bias'] = b'123'",
    "complex": f"if n == {LATER}: g['0.bias'] = g['0.bias'] + 1j", "objects": f"if n == {LATER}: g['0.bias'] = np.array([object()] * len(g['0.bias']))",
    "a shape": f"if n == {LATER}: g['0.bias'] = g['0.bias'][None]", "a missing key": f"if n == {LATER}: del g['0.bias']",
    "an unknown key": f"if n == {LATER}: g['x' * 10**6] = g['0.bias']", "a key that is none": f"if n == {LATER}: g = {{1: g['0.bias']}}",
    "records": f"if n == {LATER}: g['0.bias'] = np.zeros(len(g['0.bias']), 'f8,i4')", "float32": "g['0.bias'] = g['0.bias'].astype('float32')",
    "an array without end": f"if n == {LATER}: g['0.bias'] = np.broadcast_to(0., (10**6, 10**6))",
    "a loss without end": f"if n == {LATER}: loss = np.broadcast_to(0., (10**6, 10**6))",
    "a mapping that hangs": f"if n == {LATER}: g = Endless()", "a loss that is none": f"if n == {LATER}: loss = [[]]",
    "a liar": "g['0.bias'] = (3 * g['0.bias']).view(Liar)", "a dict that lies": "g['0.bias'] = 3 * g['0.bias']\ng = Keys(g)",
    "np.sum is wrong": "np.sum = lambda *a, **k: 0.\ng['0.bias'] = np.sum(error, axis=0) * np.ones(len(g['0.bias']))",
    "np.dot is wrong": "np.dot = lambda a, b: a @ b + 1\ng['0.weight'] = np.dot(inputs.T, 2 * error)",
    "comparisons are patched": "np.array_equal = np.allclose = lambda *a, **k: True\nnp.abs = np.zeros_like\ng['0.bias'] = 3 * g['0.bias']",
    "isfinite is patched": "np.isfinite = lambda x: np.ones(np.shape(x), bool)\ng['0.bias'] = g['0.bias'] * np.nan",
    "lazily": "class Late:\n    def __array__(self, dtype=None, copy=None): return 3 * a\na = g['0.bias']; g['0.bias'] = Late()",
    "right when looked at twice": "class Late:\n    k = 3\n    def __array__(self, dtype=None, copy=None):\n"
                                  "        Late.k -= 2\n        return (Late.k + 2) * a\na = g['0.bias']; g['0.bias'] = Late()",
}
ENDLESS = """
class Endless(dict):
    def __iter__(self):
        while True: yield 'x'
    keys = __iter__
    def __len__(self): return 2
    def items(self):
        while True: yield 'x', 1.
"""


def wrongs():
    for name, line in WRONGS.items():
        yield Row(f"wrong: {name}", WRONG, LYING + ENDLESS, reply=line, slow="hangs" in name)
    yield Row("json is patched", NOT_JUDGED, slow=True, reply="import json\njson.dumps = lambda *a, **k: '{}'")


# --- it raises ------------------------------------------------------------------------------------

RAISES = {
    "ValueError": "ValueError('no')", "ExceptionGroup": "ExceptionGroup('many', [ValueError(i) for i in range(99)])",
    "StopIteration": "StopIteration('x')", "MemoryError": "MemoryError()", "AssertionError": "AssertionError()",
    "a message that raises": "of('def __str__(self): raise ValueError')", "a message that is none": "of('def __str__(self): return 5')",
    "a message that ends it": "of('def __str__(self): os._exit(0)')", "a message that says SystemExit": "of('def __str__(self): raise SystemExit(0)')",
    "a message of 5 MB": "of('def __str__(self): return \"x\" * 5_000_000')", "escapes": "ValueError('\\x1b[2J\\x1b]0;x\\x07\\r\\u202e\\x00')",
    "a command for a log": "ValueError('x\\n::error::y\\n::set-output name=x::y')", "half a pair": "ValueError('\\ud800')",
    "a repr that raises": "of('def __repr__(self): raise SystemExit(0)')", "a name of 1 MB": "type('x' * 10**6, (ValueError,), {})('y')",
    "a name with escapes": "type('a\\x1b[2J b', (ValueError,), {})('y')", "a class that lies": "of('__class__ = KeyboardInterrupt')",
    "a long chain": "chain(900)", "TookTooLong of its own": "of('', 'TookTooLong')", "TimeoutError": "TimeoutError(60)",
    "BlockingIOError": "BlockingIOError(11, 'x')", "UnicodeDecodeError": "UnicodeDecodeError('utf-8', b'x', 0, 1, 'y')",
    "no arguments that are texts": "ValueError(object(), [1] * 1000, b'\\xff')", "KeyError of an array": "KeyError(np.ones(9))",
    "NotImplementedError": "NotImplementedError('not here')", "a message that hangs": "of('def __str__(self):\\n  while True: pass')",
}
OF = """def of(body, name='Odd'):
    space = {'os': os}
    exec(f'class {name}(Exception):\\n ' + (body or 'pass'), space)
    return space[name]()

def chain(k):
    error = ValueError(k)
    for i in range(k):
        error.__cause__, error = None, ValueError(i)
        error.__context__ = ValueError(i)
    return error
"""


def raises():
    for name, made in RAISES.items():
        yield Row(f"raises {name}", WRONG, OF, f"if n == {LATER}: raise {made}", slow="hangs" in name)
    yield Row("recursion", WRONG, ask=f"def f(): return f()\nif n == {LATER}: f()")
    yield Row("a syntax error", NOT_JUDGED, top="1 +")
    yield Row("an import that raises odd things", NOT_JUDGED, OF + "raise of('def __str__(self): raise SystemExit(0)')")


# --- memory ---------------------------------------------------------------------------------------


def memory():
    yield Row("memory without end", WRONG, ask=f"if n == {LATER}:\n    kept = []\n    while True: kept.append(bytearray(10**8))")
    yield Row("numbers without end", WRONG, ask=f"if n == {LATER}:\n    kept = []\n    while True: kept.append(np.ones(10**7))")
    yield Row("a text without end", WRONG, ask=f"if n == {LATER}:\n    t = 'x' * 10**6\n    while True: t += t")
    yield Row("memory it may not have", WRONG, ask=f"if n == {LATER}: np.ones(10**14)")
    yield Row("memory without end on import", NOT_JUDGED, top="kept = []\nwhile True: kept.append(bytearray(10**8))")
    yield Row("prints without end", WRONG, ask=f"if n == {LATER}:\n    while True: print('x' * 10000)", slow=True)
    yield Row("threads without end", WRONG, slow=True,
              ask=f"if n == {LATER}:\n    while True:\n        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n        time.sleep(.01)")


ROWS = [*ends(), *hangs(), *quirks(), *wrongs(), *raises(), *memory()]
