"""What `pytest --pyargs backproof` collects: the targets of `--backproof`, or one failure.

The failure says how to give a target.

The plug-in puts the tests of the targets in the place of this module.
"""

from __future__ import annotations

WANTED = """\
nothing was verified: no target was given. Give one, or several:
  pytest --pyargs backproof --backproof my_file.py:backprop
or in pytest.ini:
  backproof = my_file.py:backprop
or in pyproject.toml, under [tool.pytest.ini_options]:
  backproof = ["my_file.py:backprop"]"""


def test_a_target_is_given() -> None:
    import pytest

    pytest.fail(WANTED, pytrace=False)
