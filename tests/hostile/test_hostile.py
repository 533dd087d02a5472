"""A part of the hostile subjects, programs and replies for every day; `tests/benchmarks/hostile.py` asks them all."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from backproof.plug.protocol import process
from command_rows import PROGRAMS
from python_rows import ROWS
from replies import tried, tried_together
from running import verified

DAILY = ("os._exit(0), at question 60", "os._exit(0), on import", "closes files 0, 1, 2", "a fork that answers too",
         "sys.exit(0), always", "KeyboardInterrupt, always", "prints on file 1", "a syntax error", "Python: half a line, then death",
         "Python: more fields", "Python: another protocol", "sh: says its questions", "sh: kills itself", "sh: zeros", "sh: is not there")
EVERY = [*ROWS, *PROGRAMS]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks, signals and sh")


def test_there_are_200_of_them_and_each_has_a_name_of_its_own():
    assert len(ROWS) >= 200
    assert len(PROGRAMS) >= 40
    assert len({row.name for row in EVERY}) == len(EVERY)
    assert set(DAILY) <= {row.name for row in EVERY}


@pytest.mark.parametrize("name", DAILY)
def test_a_hostile_subject_gets_its_verdict(name, tmp_path):
    seen = verified(next(row for row in EVERY if row.name == name), tmp_path)
    assert not seen.wrong, seen


def test_whatever_is_replied_is_a_finding_and_the_next_question_is_answered():
    found = tried(1000, seed=7)
    assert found.wrong == []
    assert found.slowest < 30
    assert {name for name, _ in found.counts} >= {"doubled", "cut, then death", "blocks", "huge"}


def test_replies_in_any_order_are_those_of_their_questions():
    assert tried_together(1000) == []


def test_who_says_much_unasked_waits():
    spewing = process.Process([sys.executable, "-c", "while True: print('{\"id\": -1}')"])
    time.sleep(0.5)
    try:
        assert 0 < spewing.inbox.qsize() <= process.WAITING
    finally:
        spewing.kill()
