"""From the text of a target to a subject: what is taken, and one clear line for what is not."""

import os
import sys
import time

import pytest
from backproof.plug import limits as watch
from backproof.plug import targets
from backproof.plug.limits import TookTooLong, limit
from backproof.plug.subject import Subject
from backproof.plug.targets import TargetError, load, split

GOOD = """
from backproof import Head, implementation

@implementation(hidden=["tanh"])
def backprop(network, parameters, inputs, targets):
    return 0.0, {}

def helper(*given):
    return given

class Holder:
    inner = staticmethod(helper)

weights = [1.0]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes my_backprop.py (or another name) and goes there; what the import adds is taken away."""
    before = dict(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(text=GOOD, name="my_backprop.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    yield write
    for name in set(sys.modules) - set(before):
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


def refusal(text):
    with pytest.raises(TargetError) as caught:
        load(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- the text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "where", "name"), [
    ("file.py:name", "file.py", "name"),
    ("a/b/file.py:Class.method", "a/b/file.py", "Class.method"),
    (r"C:\dir\file.py:name", r"C:\dir\file.py", "name"),
    (r"C:\dir\file.py", r"C:\dir\file.py", ""),
    ("C:/dir/file.py", "C:/dir/file.py", ""),
    ("C:file.py", "C:file.py", ""),
    ("C:file.py:name", "C:file.py", "name"),
    ("file.py", "file.py", ""),
    ("file.py:", "file.py", ""),
    ("package.module:name", "package.module", "name"),
    ("package.module:Class.method", "package.module", "Class.method"),
    ("torch", "torch", ""),
    ("", "", ""),
    ("a:b:c", "a:b", "c"),
])
def test_split(text, where, name):
    assert split(text) == (where, name)


# --- what is taken -----------------------------------------------------------------------------------------------


def test_a_ready_made_subject():
    assert load("reference").name == "reference"


def test_a_function_in_a_file(file):
    subject = load(f"{file()}:backprop")
    assert isinstance(subject, Subject)
    assert subject.name == "my_backprop.py:backprop"
    assert subject.claims.hidden == ("tanh",)


def test_an_absolute_path_shows_only_the_name_of_its_file(file, tmp_path):
    assert load(f"{tmp_path / file()}:backprop").name == "my_backprop.py:backprop"


def test_a_dotted_attribute(file):
    assert load(f"{file()}:Holder.inner").claims.explored


def test_a_module_and_a_module_in_a_package(file):
    file()
    file(GOOD, "box/__init__.py")
    file("from . import backprop as f", "box/inner.py")
    assert load("my_backprop:backprop").name == "my_backprop:backprop"
    assert load("box.inner:f").claims.hidden == ("tanh",)


def test_a_subject_is_taken_as_it_is(file):
    name = file(GOOD + "\nfrom backproof.plug.subject import subject_of\nmade = subject_of(backprop, 'its own name')")
    assert load(f"{name}:made").name == "its own name"


def test_a_file_finds_its_neighbours_as_a_program_would(file):
    file("HIDDEN = ['relu']", "folder/neighbour.py")
    name = file("import neighbour\n" + GOOD.replace('["tanh"]', "neighbour.HIDDEN"), "folder/mine.py")
    assert load(f"{name}:backprop").claims.hidden == ("relu",)


def test_a_file_is_not_main_and_sees_its_own_argv(file):
    name = file(GOOD + "\nimport sys\nassert __name__ == 'my_backprop'\nassert sys.argv == [__file__], sys.argv")
    before = sys.argv
    load(f"{name}:backprop")
    assert sys.argv is before


def test_a_file_shadows_no_module(file):
    import json

    name = file(GOOD, "json.py")
    assert load(f"{name}:backprop").claims.hidden == ("tanh",)
    assert sys.modules["json"] is json


def test_a_file_that_changed_is_read_again(file):
    name = file()
    load(f"{name}:backprop")
    os.utime(file(GOOD.replace("tanh", "sigmoid")), (1, 1))
    assert load(f"{name}:backprop").claims.hidden == ("sigmoid",)


def test_training_under_main_does_not_run(file):
    name = file(GOOD + "\nif __name__ == '__main__':\n    raise SystemExit")
    load(f"{name}:backprop")


# --- what is not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "said"), [
    ("my_bakprop.py:backprop", "no file my_bakprop.py (did you mean my_backprop.py?)"),
    (r"C:\dir\file.py:name", r"no file C:\dir\file.py"),
    (r"C:\dir\file.py", r"no file C:\dir\file.py"),
    (".", "unknown subject '.'"),
    ("./", "is a directory"),
    ("scikit-learn-clasifier", "did you mean scikit-learn-classifier"),
    ("my_backprop", "unknown subject 'my_backprop'"),
    ("no_such_module:f", "no module 'no_such_module'"),
    ("json.no_such:f", "no module 'json.no_such'"),
    ("1a:f", "'1a:f' is no target"),
    ("my_backprop.py:bakprop",
     "no 'bakprop' in my_backprop.py (did you mean backprop?); there is my_backprop.py:backprop"),
    ("my_backprop.py:Holder.outer", "no 'outer' in my_backprop.py"),
    ("my_backprop.py:weights", "my_backprop.py:weights is not callable, but of type list; wanted backprop(network, "),
    ("my_backprop.py:Holder", "my_backprop.py:Holder: Holder is a class, and which method trains it cannot be told"),
])
def test_refused_in_one_line(file, text, said):
    file()
    assert said in refusal(text)


def test_without_a_decorator_the_functions_of_the_file_are_named(file):
    name = file("from json import dumps\ndef one(): ...\ndef two(): ...\ndef _three(): ...\nclass Four: ...")
    assert refusal(name) == "my_backprop.py: which function? there is my_backprop.py:one, my_backprop.py:two"
    assert "there is no function in my_backprop.py" in refusal(file("x = 1"))


@pytest.mark.parametrize(("code", "said"), [
    ("x = 1\ndef f(:\n", "my_backprop.py:2: SyntaxError: invalid syntax"),
    ("\nimport no_such_package", "my_backprop.py:2: ModuleNotFoundError: No module named 'no_such_package'"),
    ("x = [1,\n2]\n1 / 0", "my_backprop.py:3: ZeroDivisionError: division by zero"),
    ("import json\njson.loads('{')", "my_backprop.py:2: JSONDecodeError: "),
    ("raise ValueError('one\\ntwo')", "my_backprop.py:1: ValueError: one two"),
    ("raise KeyError", "my_backprop.py:1: KeyError"),
    ("from . import x", "relative import with no known parent package; for a file in a package: package.module:name"),
    ("import sys\nsys.exit(3)", "my_backprop.py:2: the import ends the program with sys.exit(3): put training under"),
    ("import argparse\np = argparse.ArgumentParser()\np.add_argument('x')\np.parse_args()", "sys.exit(2)"),
    ("from backproof import implementation\n\nimplementation(hiden=[])",
     "my_backprop.py:3: DescriptionError: claims: unknown key 'hiden'"),
    ("from backproof import Head\nHead('tanh', 'cross_entropy')", "my_backprop.py:2: DescriptionError: head: "),
])
def test_an_import_that_fails(file, code, said):
    assert said in refusal(f"{file(code)}:f")
    assert "my_backprop" not in sys.modules


def test_an_import_that_fails_in_a_neighbour(file):
    file("x = 1\nraise RuntimeError('not today')", "neighbour.py")
    assert refusal(f"{file('import neighbour')}:f") == "neighbour.py:2: RuntimeError: not today"


def test_a_module_that_fails(file):
    file("import no_such_package")
    assert refusal("my_backprop:f") == "my_backprop.py:1: ModuleNotFoundError: No module named 'no_such_package'"


def test_a_file_of_bytes(file, tmp_path):
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    assert "bytes.py" in refusal("bytes.py:f")


def test_a_notebook_is_no_python_file(file):
    assert "is no Python file" in refusal(f"{file('{}', 'mine.ipynb')}:f")


def test_an_attribute_that_raises(file):
    assert "RuntimeError: no" in refusal(f"{file('def __getattr__(n): raise RuntimeError(chr(110) + chr(111))')}:f")


def test_an_interrupt_is_no_error_of_the_target(file):
    with pytest.raises(KeyboardInterrupt):
        load(f"{file('import signal; signal.raise_signal(signal.SIGINT)')}:f")


@pytest.mark.parametrize("code", [
    "raise KeyboardInterrupt", "raise GeneratorExit", "class E(BaseException): pass\nraise E",
    "import os; os._exit(0)", "import os; os.abort()", "import os; os.execv('/bin/true', ['true'])",
    "def __getattr__(name): raise SystemExit(0)",
    "def __getattr__(name): raise KeyboardInterrupt",
    "class M(type):\n    def __getattribute__(s, n): raise SystemExit(0)\nclass f(metaclass=M): pass",
    "class O:\n    def __getattribute__(s, n): raise SystemExit(0)\nf = O()",
    "class E(Exception):\n    def __str__(self): raise SystemExit(0)\nraise E",
    "class E(Exception):\n    def __str__(self): return 7\nraise E",
    "class M(type):\n    __name__ = property(lambda s: 1 / 0)\nclass E(Exception, metaclass=M): pass\nraise E",
])
def test_what_a_module_does_to_whoever_looks_is_one_line(file, code):
    message = refusal(f"{file(code)}:f")
    assert message
    assert "\n" not in message


@pytest.mark.parametrize("code", ["import time\n\ntime.sleep(30)", "x = 1\n\nwhile True: x += 1"])
def test_an_import_that_trains(file, monkeypatch, code):
    monkeypatch.setattr(targets, "SECONDS", 0.2)
    message = refusal(f"{file(code)}:f")
    assert message.startswith("my_backprop.py:3: the import still runs after 0 s at `")
    assert message.endswith("put training under `if __name__ == '__main__'`")


def test_a_subject_whose_package_is_not_there(monkeypatch):
    row = targets.SUBJECTS["micrograd"]._replace(needs=("no_such_package",))
    monkeypatch.setitem(targets.SUBJECTS, "micrograd", row)
    assert refusal("micrograd") == "subject micrograd: needs no_such_package: pip install 'backproof[subjects]'"


def test_a_subject_whose_package_is_broken(monkeypatch):
    row = targets.SUBJECTS["micrograd"]._replace(module="no_such_module", needs=())
    monkeypatch.setitem(targets.SUBJECTS, "micrograd", row)
    assert "subject micrograd cannot be loaded: ModuleNotFoundError" in refusal("micrograd")


# --- the limit ---------------------------------------------------------------------------------------------------


def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.fixture(params=["alarm", "timer"])
def either(request, monkeypatch):
    """Both ways to end a block."""
    if request.param == "alarm" and not watch.SIGNALS:
        pytest.skip("no SIGALRM here")
    monkeypatch.setattr(watch, "SIGNALS", request.param == "alarm")
    return request.param


def test_a_busy_loop_ends(either):
    start = time.monotonic()
    with pytest.raises(TookTooLong, match="too slow"), limit(0.1, "too slow"):
        busy(20)
    assert time.monotonic() - start < 5


def test_a_sleep_ends_by_alarm(either):
    seconds = 20 if either == "alarm" else 0.5  # a timer waits for the sleep to end, where that is not Windows
    start = time.monotonic()
    with pytest.raises(TookTooLong), limit(0.1):
        time.sleep(seconds)
    assert time.monotonic() - start < 5


def test_in_time_is_in_time(either):
    for _ in range(20):
        with limit(0.2):
            busy(0.001)
    busy(0.4)


def test_an_error_inside_comes_out(either):
    with pytest.raises(ZeroDivisionError), limit(5):
        1 / 0  # noqa: B018


def test_an_interrupt_of_the_user_comes_out(either):
    with pytest.raises(KeyboardInterrupt), limit(5):
        raise KeyboardInterrupt


@pytest.mark.skipif(not watch.SIGNALS, reason="SIGALRM")
@pytest.mark.parametrize(("outer", "inner", "first"), [(0.1, 5, "outer"), (5, 0.1, "inner")])
def test_of_nested_limits_the_first_is_raised(outer, inner, first):
    with pytest.raises(TookTooLong, match=first), limit(outer, "outer"), limit(inner, "inner"):
        busy(3)


@pytest.mark.skipif(not watch.SIGNALS, reason="SIGALRM")
def test_what_was_there_before_is_there_after():
    import signal

    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with limit(0.1), pytest.raises(TookTooLong), limit(0.05):
            busy(2)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3
        busy(0.4)
        assert rang == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not watch.SIGNALS, reason="SIGALRM")
def test_no_moment_is_too_early_or_too_late():
    """Alarms all over the entry and the exit: either TookTooLong or nothing, and never one left behind."""
    import signal

    before = signal.getsignal(signal.SIGALRM)
    for i in range(3000):
        try:
            with limit(1e-6 * (i % 60)):
                sum(range(i % 200))
        except TookTooLong:
            pass
        assert signal.getsignal(signal.SIGALRM) is before
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_there_is_a_limit():
    import threading

    done = []

    def work():
        with pytest.raises(TookTooLong), limit(0.05):
            busy(20)
        busy(0.3)
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


@pytest.mark.skipif(not watch.SIGNALS, reason="SIGALRM")
def test_a_limit_is_cheap():
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(1000):
            with limit(10, "x"):
                pass
        best = min(best, time.process_time() - start)
    assert best < 0.05  # 50 microseconds each, on the slowest machine
