"""backproof tells you whether your backpropagation is right and, where it is not, which mistake you made.

    from backproof import Head, implementation, verify

    @implementation(hidden=["sigmoid", "tanh"], heads=[Head("identity", "squared_error")])
    def backprop(network, parameters, inputs, targets):
        ...
        return loss, {"0.weight": dW, "0.bias": db, ...}

    verify(backprop)        # or: python -m backproof verify my_file.py:backprop

Every name here is imported when it is first used: `import backproof` imports neither numpy nor hypothesis.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .plug.contract import Declined
    from .plug.implementing import implementation
    from .plug.layer_classes import Layer, Layout, layers
    from .properties.claims import Claims, Head
    from .properties.strategies import cases, exact_cases, networks
    from .record.report import Report
    from .reference import Answer, Case, Network
    from .running.api import verify
    from .testing.conformance import conformance_tests

    __version__: str

__all__ = [
    "Answer", "Case", "Claims", "Declined", "Head", "Layer", "Layout", "Network", "Report",
    "cases", "conformance_tests", "exact_cases", "implementation", "layers", "networks", "verify",
]

_HOME = {
    "Answer": "reference", "Case": "reference", "Network": "reference",
    "Claims": "properties.claims", "Head": "properties.claims",
    "Declined": "plug", "implementation": "plug",
    "Layer": "layer_classes", "Layout": "layer_classes", "layers": "layer_classes",
    "Report": "report", "verify": "api", "conformance_tests": "testing",
    "cases": "properties.strategies", "exact_cases": "properties.strategies", "networks": "properties.strategies",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("backproof")
    elif name in _HOME:
        from importlib import import_module

        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
