"""Programs on real code: the files that need PyTorch alone, and the table of the packages."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch")
HERE = Path(__file__).parent / "real"
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "benchmarks")]
from backproof.programs.drawing import Drawn  # noqa: E402
from backproof.programs.engine import engine_of  # noqa: E402
from backproof.programs.judge import Judge  # noqa: E402
from program_packages import CAUSES, PACKAGES, files_of, line, programs, table  # noqa: E402

TORCH = PACKAGES["torch"]["files"]
KINDS = ("bug", "precision", "in place", "convention")
# operations that keep what is claimed, and are quick
RIGHT = ("torch_norms.rms_norm", "torch_pointwise.gelu_tanh", "torch_pointwise.mish",
         "torch_softmax.softmax", "torch_spatial.pixel_shuffle", "torch_losses.mse_loss",
         "torch_indices.index_select")


def failures(program, trials):
    """The checks that fail in so many trials."""
    engine = engine_of("torch")
    judge = Judge(program, engine, lambda trial: engine.answer(program.engine, trial))
    drawn = Drawn(program, lambda trial: engine.shapes(program.plain, trial))
    judged = [judge.judge(trial) for trial in drawn.trials(trials)]
    return [failure for each in judged if each is not None for failure in each.failures]


@pytest.mark.parametrize("name", RIGHT)
def test_an_operation_of_pytorch_is_found_right(name):
    file, _, operation = name.partition(".")
    for program in getattr(importlib.import_module(file), operation).values():
        assert not failures(program, 1)


def test_every_operation_of_pytorch_is_a_program():
    names = {name for file in TORCH for name, _ in programs(file)}
    assert len(names) > 60
    assert {"layer_norm", "attention", "lstm_cell", "conv2d", "ctc_loss", "embedding"} <= names


def test_packages_are_pinned_and_their_files_are_there():
    for package, how in PACKAGES.items():
        assert "files" in how or re.fullmatch(re.escape(package) + r"==[\w.]+", how["pip"])
        assert set(how.get("needs", ())) <= set(PACKAGES)
        assert how.get("part") or all((HERE / file).exists() for file in files_of(package))


def test_a_cause_belongs_to_a_package_and_says_which_kind_it_is():
    for name, cause in CAUSES.items():
        assert name.partition(".")[0] in PACKAGES
        assert cause["kind"] in KINDS
        assert cause["cause"].startswith(cause["kind"])


def test_no_address_is_named():
    for path in HERE.glob("*.*"):
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_the_files_are_toml_without_a_name_twice():
    for name in ("packages.toml", "causes.toml"):
        assert tomllib.loads((HERE / name).read_text())


def test_a_row_that_does_not_conform_has_its_cause():
    row = {"operation": "celu", "dtype": "float64", "verdict": "does not conform", "findings": ["x"]}
    assert "1 / alpha" in line("torch", row)
    assert "1 / alpha" not in line("torch", {**row, "verdict": "conforms"})
    assert "1 / alpha" not in line("torch", {**row, "dtype": "float32"})


def test_a_package_that_is_not_there_has_its_row():
    assert "not available" in table({}, ["roma"])
