"""The subject's own line is marked where the mistake is, and nowhere else: no right program has a mark."""

from pathlib import Path

import pytest
from backproof.faults import FAULTS
from backproof.record.quoting import MOST_LINES, quoted
from backproof.record.reading import Run
from backproof.record.report import Report
from backproof.renderings.page.source import marked, own_line
from backproof.renderings.page.sources import sources
from small_records import finding

HERE = Path(__file__).parent
RIGHT = [path for folder in (HERE / "examples", HERE / "second") for path in sorted(folder.glob("*.py"))
         if "wrong" not in path.stem] + sorted((HERE / "tutorials").glob("*/program.py"))
MEAN, SUM = "db = delta.mean(axis=0)", "db = delta.sum(axis=0)"
CLASS = """
class Linear:
    def backward(self, dz):
        self.dW = self.x.T @ dz
        {}
        return dz @ self.W.T
"""


@pytest.mark.parametrize("line", [
    "self.db = dz.mean(axis=0, keepdims=True)", "self.db = np.mean(dz, axis=0)", "self.grads['db'] = dz.mean(0)",
    "db = np.sum(dz, axis=0) / len(dz)", "grad_b = dz.sum(axis=0) / m", "dW[i], db[i] = x.T @ dz, dz.mean(axis=0)",
    "b_grad = torch.mean(dz, axis=0)", "self.dbias += dz.mean(axis=0)", "self.b2 -= lr * dz.mean(axis=0)",
    "self.biases[i] -= rate * np.mean(dz, axis=0)"])
def test_the_line_of_a_mean_is_marked(line):
    assert marked(CLASS.format(line), MEAN, SUM) == [5]


@pytest.mark.parametrize("line", [
    "self.db = dz.sum(axis=0)", "loss = dz.mean(axis=0)", "self.b = dz.mean(axis=0)", "dW = dz.mean(axis=0)",
    "db = dz / m", "db = np.where(m > 0, np.sum(dz, axis=0) / m, np.exp(dz))", "db = (", "", "# db = dz.mean(axis=0)",
    "'db = dz.mean(axis=0)'", "db = dz.mean(axis=1)", "self.b2 += lr * dz.mean(axis=0)", "self.c -= lr * dz.mean(axis=0)",
    "self.b2 -= dz.mean(axis=0)"])
def test_no_other_line_is(line):
    assert marked(CLASS.format(line), MEAN, SUM) == []


def test_where_two_lines_may_be_it_both_are_or_none():
    two = CLASS.format("self.db1 = d1.mean(axis=0)\n        self.db2 = d2.mean(axis=0)")
    assert marked(two, MEAN, SUM) == [5, 6]
    unlike = CLASS.format("self.db1 = d1.mean(axis=0)\n        self.db2 = 3 * d2.mean(axis=0)")
    assert marked(unlike, MEAN, SUM) == []


def test_no_line_of_a_right_program_is_ever_marked():
    texts = [path.read_text(encoding="utf-8") for path in RIGHT]
    assert len(texts) > 10
    found = {(name, path.name) for name, fault in FAULTS.items() for path, text in zip(RIGHT, texts, strict=True)
             if marked(text, fault.wrong, fault.right)}
    assert found == set()


def test_some_mistakes_can_be_marked():
    of = [name for name, fault in FAULTS.items() if marked(CLASS.format(fault.wrong), fault.wrong, fault.right)]
    assert {"bias-averaged-over-batch", "bias-negated", "gradients-accumulate"} <= set(of)
    assert len(of) > 20


def shown(text, **header):
    lesson = {"symptom": "too small", "wrong": MEAN, "right": SUM, "seen": "here"}
    of = finding("reference", "bias", "bias-averaged-over-batch", lesson=lesson)
    run = Run({"source": "a/b.py:7", "code": {"line": 7, "text": text}, **header}, Report("m", "conforms", {}, 0), True)
    return own_line(run, of)


def test_the_page_shows_it_with_its_number_and_lines_around_it():
    text = shown(CLASS.format("self.db = dz.mean(axis=0)  # <b>"))
    assert "<code>a/b.py</code>, line 11" in text
    assert "✗   11  </b>        self.db = dz.mean(axis=0)  # &lt;b&gt;" in text
    assert text.count("✗") == 1
    assert shown(CLASS.format("self.db = dz.sum(axis=0)")) == ""
    assert shown("", code=None) == ""
    cell = {"line": 1, "text": "db = dz.mean(axis=0)", "cell": True}
    assert "Your code, in its cell, line 1" in shown("", code=cell)


def test_hostile_source_is_text():
    assert marked("(" * 100_000, MEAN, SUM) == []
    assert marked("\x00", MEAN, SUM) == []
    assert "<script" not in shown(CLASS.format("db = dz.mean(axis=0); x = '<script>'"))


# --- what is quoted -----------------------------------------------------------------------------------------------


def test_a_block_is_quoted_to_its_end(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n\ndef f():\n    return 2\n\ny = 3\n")
    assert quoted(f"{path}:3") == {"line": 3, "text": "def f():\n    return 2\n", "cell": False}


@pytest.mark.parametrize("source", ["", "mine", "mine.py:", "absent.py:3", "a:b"])
def test_what_cannot_be_read_is_not_quoted(source):
    assert quoted(source) is None


def test_a_long_block_is_not_quoted(tmp_path):
    path = tmp_path / "long.py"
    path.write_text("def f():\n" + "    x = 1\n" * MOST_LINES)
    assert quoted(f"{path}:1") is None


# --- where it was seen --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "links"), [
    ("kvfrans/notes#5, mlpack#3679", ["kvfrans/notes/issues/5", "mlpack/mlpack/issues/3679"]),
    ("micrograd#102; nobody-knows#3", ["karpathy/micrograd/issues/102"]),
    ("nothing", []), ("../..#1", []), ("a/../b#1", []), ("x/y#1z", []),
])
def test_issues_are_links_where_the_owner_is_known(text, links):
    shown = sources(text)
    assert shown.count("<a ") == len(links)
    assert all(f'href="https://github.com/{link}"' in shown for link in links)
