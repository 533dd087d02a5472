"""What one test asks and what came of it: a subject of a session, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..properties.catalogue import catalogue
from ..record.report import Report

VERDICT = "verdict"
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


def property_names() -> list[str]:
    """The names of the tests: the run's own properties, the identities, the verdict."""
    return [*catalogue(), VERDICT]
