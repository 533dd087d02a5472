"""backproof says whether your backpropagation is right and, if not, which mistake you made.

    from backproof import Head, implementation, verify

    @implementation(hidden=["sigmoid", "tanh"], heads=[Head("identity", "squared_error")])
    def backprop(network, parameters, inputs, targets):
        ...
        return loss, {"0.weight": dW, "0.bias": db, ...}

    verify(backprop)        # or: python -m backproof verify my_file.py:backprop

Every name here is imported when it is first used: `import backproof` imports neither numpy nor
hypothesis. Every error that `verify` raises is a BackproofError, and one line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .faults.core import Fault
    from .plug.contract import BrokenContract, Declined
    from .plug.implementing import implementation
    from .plug.layer_classes import Layer, layers
    from .plug.layouts import Layout
    from .plug.pairs import pair
    from .plug.refused import TargetError
    from .plug.subject import Subject
    from .plug.training_step import training_step
    from .programs.program import Program, program
    from .properties.claims import Claims, Head
    from .properties.strategies import cases, exact_cases, networks
    from .record.cases import read_case
    from .record.grades import Grade
    from .record.reading import Run
    from .record.reading import read as read_record
    from .record.report import Finding, Report
    from .record.writing import RecordError
    from .reference import Answer, Case, DescriptionError, Network
    from .reference.checks import BackproofError
    from .running.api import PlanError, verify
    from .running.cmp import cmp
    from .running.grading import PointsError, grade
    from .testing.conformance import conformance_tests

    __version__: str

__all__ = [
    "Answer", "BackproofError", "BrokenContract", "Case", "Claims", "Declined", "DescriptionError",
    "Fault", "Finding", "Grade", "Head", "Layer", "Layout", "Network", "PlanError", "PointsError",
    "Program", "RecordError", "Report", "Run", "Subject", "TargetError", "cases", "cmp",
    "conformance_tests",
    "exact_cases", "grade", "implementation", "layers", "networks", "pair", "program", "read_case",
    "read_record", "training_step", "verify",
]

# Each name's home: the module, and its name there where that is another one.
_HOME = {
    "Answer": "reference", "Case": "reference", "DescriptionError": "reference",
    "Network": "reference", "BackproofError": "reference.checks",
    "Claims": "properties.claims", "Head": "properties.claims",
    "cases": "properties.strategies", "exact_cases": "properties.strategies",
    "networks": "properties.strategies",
    "BrokenContract": "plug.contract", "Declined": "plug.contract",
    "implementation": "plug.implementing", "Subject": "plug.subject", "TargetError": "plug.refused",
    "Layer": "plug.layer_classes", "Layout": "plug.layouts", "layers": "plug.layer_classes",
    "pair": "plug.pairs",
    "training_step": "plug.training_step",
    "Program": "programs.program", "program": "programs.program",
    "Fault": "faults.core",
    "Finding": "record.report", "Report": "record.report", "RecordError": "record.writing",
    "Run": "record.reading", "read_record": "record.reading:read", "read_case": "record.cases",
    "PlanError": "running.api", "verify": "running.api", "cmp": "running.cmp",
    "Grade": "record.grades", "grade": "running.grading", "PointsError": "running.grading",
    "conformance_tests": "testing.conformance",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("backproof")
    elif name in _HOME:
        from importlib import import_module

        module, _, there = _HOME[name].partition(":")
        value = getattr(import_module(f".{module}", __name__), there or name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
