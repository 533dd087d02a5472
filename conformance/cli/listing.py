"""`backproof list KIND`: what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .terminal import say

DESCRIPTION = """\
List what there is.

  python -m backproof list activations
  python -m backproof list oracles
"""
KINDS = ("layers", "activations", "losses", "oracles", "properties", "subjects", "faults",
         "claims")


def add(command: Any) -> None:
    command.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    command.set_defaults(command=lambda options: say(*LISTINGS[options.kind]()))


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows with every column but the last as wide as its widest entry."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _options(options: Any) -> str:
    """What each option wants, and what it is where it may be left out."""
    return "; ".join(
        f"{name}: {option.wanted}" + (f" ({option.default})" if _may_be_left_out(option) else "")
        for name, option in options.items())


def _may_be_left_out(option: Any) -> bool:
    from ..reference.kinds import REQUIRED

    return option.default is not REQUIRED


def _layers() -> Iterator[str]:
    from ..reference import LAYERS

    more = {"activation": "function: one of `list activations`, with its own options"}
    return _columns([(name, more.get(name) or _options(rule.options))
                     for name, rule in LAYERS.items()])


def _activations() -> Iterator[str]:
    from ..reference import ACTIVATIONS

    return _columns([(name, f"values in {list(row.range)}",
                      ", ".join(f"kink at {at:g}" for at in row.points()), _options(row.options))
                     for name, row in ACTIVATIONS.items()])


def _losses() -> Iterator[str]:
    from ..reference import LOSSES

    return _columns([(name, f"a number per {row.per}", f"outputs in {list(row.domain)}",
                      f"targets {', '.join(row.targets)}") for name, row in LOSSES.items()])


def _oracles() -> Iterator[str]:
    from ..oracles import ORACLES

    return _columns([(name, _loads(name), row.says) for name, row in ORACLES.items()])


def _loads(name: str) -> str:
    """Whether the oracle can be imported, which is tried: a package that is there may be broken."""
    from ..oracles import ORACLES, NotAvailable, available, load

    if name not in available():
        return f"not available: {ORACLES[name].install}"
    try:
        load(name)
    except NotAvailable as error:
        return f"cannot be imported: {error.reason}"
    return "available"


def _properties() -> Iterator[str]:
    from ..properties.catalogue import catalogue

    return _columns([(name, row.column, row.says) for name, row in catalogue().items()])


def _subjects() -> Iterator[str]:
    from ..plug.subjects import SUBJECTS

    return _columns([(name, _there(row), row.sentence) for name, row in SUBJECTS.items()])


def _faults() -> Iterator[str]:
    from ..faults import FAULTS
    from ..faults.updating import WRONG_UPDATES

    return _columns([
        *((name, fault.family, _symptom(fault)) for name, fault in FAULTS.items()),
        *((name, "update rules", row.symptom) for name, row in WRONG_UPDATES.items())])


def _symptom(fault: Any) -> str:
    """What one sees, and which number the mistake has in it."""
    return f"{fault.symptom}{f' (with one number: {fault.number.name})' if fault.number else ''}"


def _claims() -> Iterator[str]:
    from dataclasses import fields

    from ..properties.claims import HEAD_SAYS, SAYS, Claims, Head

    default = {f"{start}{f.name}": repr(f.default) for start, of in (("", Claims), ("head: ", Head))
               for f in fields(of)}
    default["heads"] = '[Head("identity", "squared_error")]'
    says = SAYS | {f"head: {name}": text for name, text in HEAD_SAYS.items()}
    return _columns([(name, default[name], text) for name, text in says.items()])


def _there(row: Any) -> str:
    if not row.missing:
        return f"available ({', '.join(row.needs)})" if row.needs else "available"
    return f"not available: needs {', '.join(row.missing)}: pip install \"backproof[{row.extra}]\""


LISTINGS: dict[str, Callable[[], Iterator[str]]] = dict(
    zip(KINDS, (_layers, _activations, _losses, _oracles, _properties, _subjects, _faults,
                _claims), strict=True))
