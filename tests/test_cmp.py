"""`cmp`: every difference is told from every other, right arrays are right, and any library's arrays are read."""

import sys
from types import SimpleNamespace

import backproof
import numpy as np
import pytest
from backproof import DescriptionError, cmp
from backproof.naming.comparing import DIFFERENCES, KINDS_OF_SHAPE, RIGHT, WORDS, Kind, compared

rng = np.random.default_rng(0)
N = 8
X, DELTA = rng.normal(size=(N, 5)), rng.normal(size=(N, 3))
DW, DB = X.T @ DELTA, DELTA.sum(axis=0)
SQUARE = rng.normal(size=(4, 4))
EQUAL = rng.normal(size=(3, 3))


def changed(array, at, by):
    found = array.copy()
    found[at] += by
    return found


# what is wrong, mine, theirs, rows, and what the comparison says of it
CASES = [
    (Kind.EXACT, DW, DW.copy(), None, {}),
    (Kind.EXACT, np.zeros(3), np.zeros(3), None, {}),
    (Kind.ROUNDING, DW * (1 + 1e-15), DW, None, {}),
    (Kind.ROUNDING, DW.astype("float32"), DW, None, {"dtype": "float32"}),
    (Kind.DIGITS, DW.astype("float32").astype("float64"), DW, None, {"dtype": "float64"}),
    (Kind.DIGITS, DW * (1 + 1e-9 * rng.normal(size=DW.shape)), DW, None, {}),
    (Kind.NOT_FINITE, changed(DW, (1, 1), np.nan), DW, None, {"wrong": 1}),
    (Kind.NOT_FINITE, changed(DW, (1, 1), np.inf)[None], DW, None, {"wrong": 1}),
    (Kind.ZERO, np.zeros_like(DW), DW, None, {}),
    (Kind.TRANSPOSED, SQUARE.T, SQUARE, None, {}),
    (Kind.TRANSPOSED, DW.T, DW, None, {}),
    (Kind.SIGN, -DW, DW, None, {"factor": -1.0, "equals": "-1"}),
    (Kind.FACTOR, DW / N, DW, N, {"equals": "1/N"}),
    (Kind.FACTOR, DW / N, DW, None, {"equals": "1/8"}),
    (Kind.FACTOR, -DW * N, DW, N, {"equals": "-N"}),
    (Kind.FACTOR, DW * 2 / N, DW, N, {"equals": "2/N"}),
    (Kind.FACTOR, DW * 3, DW, N, {"equals": "3"}),
    (Kind.FACTOR, DW * 0.37, DW, N, {"equals": ""}),
    (Kind.FACTOR, DB / 2, DB, N, {"equals": "1/2"}),
    (Kind.FACTOR, 2 * DB[0], DB[0], N, {"equals": "2"}),
    (Kind.DIFFERENT, 0.37 * DB[0], DB[0], N, {}),
    (Kind.SHIFTED, np.roll(DW, 1, 0), DW, None, {"axis": 0, "index": 1}),
    (Kind.SHIFTED, np.roll(DW, -1, 1), DW, None, {"axis": 1, "index": -1}),
    (Kind.REVERSED, DW[::-1], DW, None, {"axis": 0}),
    (Kind.REORDERED, DW.ravel()[rng.permutation(DW.size)].reshape(DW.shape), DW, None, {}),
    (Kind.OFFSET, DW + 0.25, DW, None, {}),
    (Kind.ONE_SLICE, changed(DW, 2, 1.0), DW, None, {"axis": 0, "index": 2, "wrong": 3}),
    (Kind.ONE_SLICE, changed(DW, (slice(None), 1), 1.0), DW, None, {"axis": 1, "index": 1}),
    (Kind.SOME, changed(DW, (2, 1), 1.0), DW, None, {"wrong": 1, "where": (2, 1)}),
    (Kind.UNSUMMED, DELTA, DB, N, {"axis": 0}),
    (Kind.UNSUMMED, DELTA.T, DB, N, {"axis": 1}),
    (Kind.UNSUMMED, X[:, :, None] * DELTA[:, None, :], DW, N, {"axis": 0}),
    (Kind.SUMMED_TOO, DB.sum(), DB, N, {"axis": 0}),
    (Kind.SUMMED_TOO, DW.sum(axis=1), DW, N, {"axis": 1}),
    (Kind.WRONG_AXIS, DELTA.sum(axis=1), DB, None, {}),
    (Kind.WRONG_AXIS, DELTA.sum(axis=1) / 3, DB, N, {}),
    (Kind.WRONG_AXIS, EQUAL.sum(axis=1), EQUAL.sum(axis=0), None, {}),
    (Kind.RESHAPED, DB[None], DB, N, {"reason": "keepdims left in"}),
    (Kind.RESHAPED, DB[:, None], DB, N, {"reason": "a column where a vector is wanted"}),
    (Kind.SHAPE, rng.normal(size=(N, 3)), DB, N, {"reason": "not summed over the batch"}),
    (Kind.SHAPE, rng.normal(size=(2, 2)), DW, None, {"reason": ""}),
    (Kind.DIFFERENT, rng.normal(size=DW.shape), DW, None, {}),
]


@pytest.mark.parametrize(("kind", "mine", "theirs", "rows", "says"), CASES)
def test_what_is_wrong_is_told(kind, mine, theirs, rows, says):
    found = compared("dW", mine, theirs, rows)
    assert found.kind is kind, found
    assert {key: getattr(found, key) for key in says} == says
    assert found.right == (kind in RIGHT)
    assert repr(found).startswith(f"dW: {'ok' if found.right else 'WRONG'}, ")
    assert 'class="backproof"' in found._repr_html_()


def test_every_difference_has_a_case_and_words():
    seen = {kind for kind, *_ in CASES}
    assert seen == set(Kind) == set(WORDS)
    assert {*DIFFERENCES, *KINDS_OF_SHAPE, Kind.DIFFERENT} == set(Kind)


def test_right_programs_are_right():
    """The same sum in another order, in two precisions, small and large."""
    for size, dtype in ((3, "float64"), (300, "float64"), (300, "float32")):
        x, d = (rng.normal(size=(64, size)).astype(dtype) for _ in range(2))
        other = sum(np.outer(a, b) for a, b in zip(x[::-1], d[::-1], strict=True))
        assert compared("dW", x.T @ d, other).right


def test_the_words_say_numbers():
    assert repr(compared("db", DB / N, DB, N)).startswith("db: WRONG, 0.125 = 1/N times what it should be\n  worst at [")
    assert repr(compared("dW", DW, DW)) == "dW: ok, exactly equal"
    assert "about as many as float32 keeps" in repr(compared("dW", DW.astype("f4").astype("f8"), DW))
    assert compared("dW", changed(DW, 2, 1.0), DW).line == "dW: WRONG, wrong only in row 2"
    assert compared("db", DELTA, DB).line == "db: WRONG, not summed over axis 0: mine is of shape (8, 3), theirs of (3,)"


def test_arrays_of_every_library_are_read():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    w = torch.tensor(DW, requires_grad=True)
    assert compared("dW", w * 1, DW).exact
    assert compared("dW", DW.tolist(), w).exact
    assert compared("dW", w.bfloat16(), DW).dtype == "bfloat16"
    assert compared("dW", w.bfloat16(), DW).right
    assert compared("dW", jax.numpy.asarray(DW, "float32"), DW.astype("float32")).right
    assert compared("dW", jax.numpy.asarray(DW, "bfloat16"), DW).right
    assert compared("n", [1, 2], [1, 2]).exact


@pytest.mark.parametrize(("mine", "says"), [
    (None, "mine is None"), ("text", "real numbers are wanted"), ([[1.0], [1.0, 2.0]], "ragged"),
    (np.array([1j]), "real numbers are wanted")])
def test_what_is_no_gradient_is_one_line(mine, says):
    with pytest.raises(DescriptionError, match=says) as raised:
        cmp("dW", mine, [1.0])
    assert "\n" not in str(raised.value)
    assert "cmp('dW')" in str(raised.value)


def test_a_script_prints_it(capsys):
    assert cmp("dW", DW, DW).exact
    assert capsys.readouterr().out == "dW: ok, exactly equal\n"
    assert backproof.cmp is cmp


def test_a_cell_shows_it_once(monkeypatch, capsys):
    shown, shell = [], SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=shown.append, HTML=str))
    found = cmp("<b>", DW.T, DW)
    found._ipython_display_()  # as the cell's last value
    assert len(shown) == 1
    assert "&lt;b&gt;" in shown[0]
    assert "transposed" in shown[0]
    found._ipython_display_()  # named again, later
    assert len(shown) == 2
    assert capsys.readouterr().out == ""
