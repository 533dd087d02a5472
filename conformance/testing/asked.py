"""What one test asks and what came of it: a subject of a session, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..properties.catalogue import PROGRAM, catalogue
from ..record.report import Report

VERDICT = "verdict"
PROGRAM_DOOR = "program"
Target = Any


@dataclass(frozen=True)
class Asked:
    """One subject of a session.

    target and options are what `verify` gets, name is its name in the terminal, and test(property)
    is what its test is called. typed: the target as a user would type it, "" where it cannot be.
    """

    target: Target
    name: str
    options: dict[str, Any]
    test: Callable[[str], str]
    typed: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it: the report, or what was raised; and the folder of the record, or ""."""

    report: Report | Exception
    record: str = ""


def property_names(target: Target = None) -> list[str]:
    """The names of the tests: the run's own properties, the identities, the verdict.

    Those of a Program are its own checks; what a text names is not known before it is imported.
    """
    program = getattr(target, "door", "") == PROGRAM_DOOR
    return [*(PROGRAM if program else catalogue()), VERDICT]
