"""The check of what the wheel and the sdist hold (`make package`) sees what it is there for."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("check_package", Path(__file__).parent / "tools" / "check_package.py")
check_package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_package)

SOURCES = ["conformance/py.typed", "conformance/subjects/x.py", "reference/layers/dense.py"]
INFO = ["backproof-1.dist-info/entry_points.txt", "backproof-1.dist-info/licenses/LICENSE"]
WHEEL = ["backproof/py.typed", "backproof/subjects/x.py", "backproof/reference/layers/dense.py", *INFO]


def test_a_whole_wheel_and_a_whole_sdist():
    assert list(check_package.in_wheel(WHEEL, SOURCES, "1")) == []
    assert list(check_package.in_sdist(["backproof.egg-info/PKG-INFO", *SOURCES], SOURCES)) == []


@pytest.mark.parametrize("name", WHEEL)
def test_a_file_that_the_wheel_lacks(name):
    assert list(check_package.in_wheel(set(WHEEL) - {name}, SOURCES, "1")) == [f"the wheel lacks {name}"]


@pytest.mark.parametrize("name", ["reference/layers/dense.py", "backproof/old.py", "tests/test_cli.py"])
def test_a_file_too_many(name):
    (wrong,) = check_package.in_wheel([*WHEEL, name], SOURCES, "1")
    assert name in wrong


def test_a_file_that_the_sdist_lacks():
    assert list(check_package.in_sdist(SOURCES[1:], SOURCES)) == [f"the sdist lacks {SOURCES[0]}"]
