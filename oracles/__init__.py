"""The independent witnesses: engines that get their gradients another way, loaded when asked for.

    from backproof.oracles import load
    load("torch").answer(case)

Oracles of one family share a forward: two that agree are one witness of the forward, not two.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from enum import Enum
from types import ModuleType
from typing import Any, NamedTuple


class When(Enum):
    """When a run asks an oracle."""

    EVERY = "of every network"
    EIGHTH = "of every eighth network"
    STRUCTURES = "of the first structures, with several sets of values each"


class How(Enum):
    """What a run asks an oracle for.

    ENTRIES: `answer(case)`, every entry of every gradient. DIRECTIONS: `along(case, directions,
    noise)`, one derivative for each array; `estimate(case, noise)` for every entry. DRAWS:
    `answers(cases)`, several cases of one structure at once.
    """

    ENTRIES = "every entry"
    DIRECTIONS = "one direction for each array"
    DRAWS = "several cases at once"


class Oracle(NamedTuple):
    """A row: the module with `answer(case)`, the import it needs, and what a run does with it.

    `family`: whose forward it shares. `claims`: what a subject's gradients must equal, in words.
    `when` and `how`: when it is asked and for what; `kinds`: the layer kinds one of which a network
    it is asked of has, any network where there are none. `witness`: whether it may confirm that a
    subject is wrong, since it shares no code with the reference. `install`: how to get it.
    """

    module: str
    package: str | None
    family: str
    says: str
    claims: str
    when: When = When.EVERY
    how: How = How.ENTRIES
    kinds: tuple[str, ...] = ()
    witness: bool = False
    install: str = ""


ORACLES: dict[str, Oracle] = {
    "torch": Oracle(
        "torch_autograd", "torch", "torch",
        "PyTorch's reverse mode over a forward written in PyTorch",
        "every gradient equals PyTorch's", witness=True, install='pip install "backproof[torch]"'),
    "jax": Oracle(
        "jax_autograd", "jax", "jax", "JAX's reverse mode, compiled, over a forward written in JAX",
        "every gradient equals JAX's", When.STRUCTURES, How.DRAWS, witness=True,
        install='pip install "backproof[jax]"'),
    "differences": Oracle(
        "differences", None, "reference", "central differences of the reference's forward",
        "every gradient equals central differences, within their own error estimate",
        how=How.DIRECTIONS),
    "complex_step": Oracle(
        "complex_step", None, "reference", "Im f(x + ih) / h of the reference's forward",
        "every gradient equals the complex step", how=How.DIRECTIONS),
    "real_time": Oracle(
        "real_time", None, "real_time",
        "real-time recurrent learning, forward in time, over a forward of its own",
        "every recurrent layer's gradients equal those of real-time recurrent learning",
        kinds=("rnn", "lstm", "gru")),
    "arbiter": Oracle(
        "arbiter", "flint", "reference", "the reference's own lines on balls of 160 bits and more",
        "every gradient equals the high-precision one", When.EIGHTH,
        install="pip install python-flint"),
}


class NotAvailable(ImportError):  # noqa: N818
    """The oracle's package is missing or broken: never a pass, and said by name."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"oracle {name} is not available: {reason}")
        self.oracle, self.reason = name, reason


class Unsupported(Exception):  # noqa: N818
    """What this oracle does not know, or could not settle: it declines the case."""


def load(name: str) -> ModuleType:
    """The oracle's module, with `answer(case) -> Answer`.

    Raises NotAvailable where the package is missing or broken, DescriptionError for an unknown
    name.
    """
    from ..reference.checks import one_of  # not above: it brings numpy, and --help has none

    oracle = ORACLES[one_of("oracle", name, ORACLES)]
    if oracle.package:
        try:
            importlib.import_module(oracle.package)
        # a broken installation raises anything: OSError, RuntimeError, AttributeError
        except Exception as error:
            first = (str(error).strip() or "no message").splitlines()[0]
            why = f"{type(error).__name__}: {first}; {oracle.install}"
            raise NotAvailable(name, why) from error
    return importlib.import_module(f".{oracle.module}", __name__)


def available() -> tuple[str, ...]:
    """The oracles whose package is there, found without importing any.

    `load` may still find one of them broken.
    """
    return tuple(name for name, oracle in ORACLES.items()
                 if oracle.package is None or _there(oracle.package))


def _there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def row(oracle: str, what: str, name: str, table: Mapping[str, Any]) -> Any:
    """The entry of an oracle's table; Unsupported by name where it has none."""
    if name not in table:
        raise Unsupported(f"{oracle}: {what} {name!r} is unknown to this oracle; "
                          f"it knows {', '.join(table)}")
    return table[name]


def known_options(oracle: str, what: str, options: Mapping[str, Any],
                  known: tuple[str, ...]) -> None:
    """Raise Unsupported for an option that the oracle would ignore."""
    for name in options:
        if name not in known:
            raise Unsupported(f"{oracle}: option {name!r} of {what} is unknown to this oracle; "
                              f"it knows {', '.join(known)}")
