"""Layer classes as they are: objects with forward, backward, attributes, wired into one backprop.

    target = layers(
        dense=Layer(Linear, parameters={"weight": "W", "bias": "b"},
                    gradients={"weight": "dW", "bias": "db"}, layout=Layout(bias="row")),
        tanh=Layer(Tanh),
        heads=[Head("identity", "squared_error")],
    )

A loss class is named like its loss: `squared_error=Layer(MSE)`, with forward(p, t) -> loss and
backward() -> dL/dp. Without one the reference's own loss row feeds dL/dp into the layers: then the
loss is not the subject's own.

(This module is not called `layers`: it would hide the function in `from backproof import layers`.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..properties.claims import ALIASES, Head
from ..properties.structures import PLAIN, STRUCTURES
from ..reference import ACTIVATIONS, LOSSES, TABLES, DescriptionError
from ..reference.kinds import REQUIRED
from ..reference.network import WEIGHTED
from .implementing import implementation
from .layer_rows import Layer, put
from .signatures import look_up
from .stacked import MODEL, Stack

__all__ = ["Layer", "Stack", "layers", "look_up", "put"]
RATE = 0.5  # a power of two, so that dividing by it costs nothing
# What libraries call a dense layer; the other names are those of activations and losses.
CALLED = dict.fromkeys(("linear", "affine", "fc", "fully_connected", "inner"), "dense")


def layers(*, dense: Layer | None = None, hidden: Sequence[str | Mapping[str, Any]] | None = None,
           heads: Sequence[Head] | None = None, **more: Any) -> Stack:
    """A target for `verify`: dense=Layer(...), activations and losses by their names, and claims.

    `more` are layers under the names of the tables (tanh=Layer(Tanh), lstm=Layer(LSTM),
    squared_error=Layer(MSE)) and claims under those of `implementation` (bias, batch, depth, ...).
    A layer kind is claimed with its options as they are left out; layers=["dense", {"kind": "lstm",
    "returns": ["last", "sequence"]}] claims more of them. model=Layer(Sequential) is the class that
    is made of a list of the layers' objects, where its own forward and backward go through them.

    Claims left out: `hidden` is every activation given but softmax, `heads` the identity with every
    loss given (squared error where none is), `rate` 0.5 where a class updates and keeps no
    gradient. Raises DescriptionError for unknown names, and for a
    claim that no class given can meet.
    """
    named = {"dense": dense, "hidden": hidden, "heads": heads}
    given = {name: value for name, value in named.items() if value is not None} | more
    rows = {name: given.pop(name) for name in list(given)
            if name in TABLES.layers or name in ACTIVATIONS or name in LOSSES or name == MODEL}
    for name, row in rows.items():
        if not isinstance(row, Layer):
            raise DescriptionError(f"layers: {name} is {row!r}; wanted Layer(class, ...)")
    _check_names(given)
    if "dense" not in rows or "weight" not in rows["dense"].known:
        raise DescriptionError("layers: wanted dense=Layer(Linear, parameters={\"weight\": \"W\"}, "
                               "gradients={...})")
    if unknown := set(rows["dense"].parameters) - {"weight", "bias"}:
        raise DescriptionError(f"layers: dense has no parameter {', '.join(sorted(unknown))}; "
                               "wanted weight, and bias")
    kinds = [name for name in rows if name in STRUCTURES and name != PLAIN]
    if kinds:
        given["layers"] = _layers(kinds, given.get("layers", [PLAIN]))
    hidden_rows = [name for name in rows
                   if name in ACTIVATIONS and ACTIVATIONS[name].df is not None]
    claims = {"hidden": hidden_rows, "heads": _heads(rows), **given}
    if any(row.updates for row in rows.values()):
        claims.setdefault("rate", RATE)
    stack = implementation(**claims)(Stack(rows))
    _check_claims(rows, stack)
    return stack


def _check_names(given: Mapping[str, Any]) -> None:
    """Raise DescriptionError, with the name to write, for a class under another library's name."""
    for name, row in given.items():
        meant = CALLED.get(name) or ALIASES.get(name)
        if isinstance(row, Layer) and meant is not None:
            raise DescriptionError(f"layers: {name!r} is called {meant!r} here; write {meant}="
                                   f"Layer({row.name}, ...)")


def _layers(kinds: Sequence[str], claimed: Sequence[Any]) -> list[Any]:
    """The claim of layers: what is claimed, and the kinds given, each with its plainest options.

    Layers that only put arrays into another shape are needed by others, and are claimed with them.
    """
    named = {each if isinstance(each, str) else each["kind"] for each in claimed}
    plainest = [{"kind": kind} | {name: option.default
                                  for name, option in TABLES.layers[kind].options.items()
                                  if option.default is not REQUIRED}
                for kind in kinds if kind not in named]
    moving = [name for name, rule in TABLES.layers.items() if rule.moves and name in STRUCTURES
              and name not in {*named, *kinds}]
    return [*claimed, *plainest, *moving]


def _heads(rows: Mapping[str, Layer]) -> list[Head]:
    plain = [name for name in rows if name in LOSSES and LOSSES[name].domain[0] < 0]
    return [Head("identity", name) for name in plain or ["squared_error"]]


def _check_claims(rows: Mapping[str, Layer], stack: Any) -> None:
    claims = stack.__backproof__
    if any(head.reduction == WEIGHTED for head in claims.heads):
        raise DescriptionError("layers: reduction \"weighted\" is for functions; the losses of "
                               "layer classes are reduced")
    hidden = [each if isinstance(each, str) else each["function"] for each in claims.hidden]
    for name in (*hidden, *(head.activation for head in claims.heads)):
        if name != "identity" and name not in rows:
            raise DescriptionError(f"layers: {name!r} is claimed, "
                                   f"but no {name}=Layer(...) is given")
