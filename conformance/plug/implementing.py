"""The decorator: what a function claims to do."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from ..properties.claims import EVERYTHING, Claims, Head
from ..reference import DescriptionError, Network
from ..reference.checks import refuse_unknown
from .wanted import WANTED

Target = TypeVar("Target", bound=Callable[..., Any])
BRACKETS = ('@implementation(hidden=["tanh"], '
            'heads=[Head("identity", "squared_error")])')
OF_DOORS = ("explored", "answers", "rule")  # what follows from how a subject is plugged in
CLAIMS = tuple(f.name for f in fields(Claims) if f.name not in OF_DOORS)
PLAINEST = Claims()


_CLAIMED: dict[int, tuple[weakref.ref[Any], Claims]] = {}


def implementation(
    *bare: Any,
    hidden: Sequence[str | Mapping[str, Any]] = PLAINEST.hidden,
    heads: Sequence[Head] = PLAINEST.heads,
    same_hidden: bool = PLAINEST.same_hidden,
    bias: str = PLAINEST.bias,
    batch: int | Sequence[int | None] = PLAINEST.batch,
    depth: int | Sequence[int | None] = PLAINEST.depth,
    dtypes: Sequence[str] = PLAINEST.dtypes,
    max_parameters: int | None = PLAINEST.max_parameters,
    layers: Sequence[str | Mapping[str, Any]] = PLAINEST.layers,
    same_output: bool = PLAINEST.same_output,
    same_widths: bool = PLAINEST.same_widths,
    l2: float = PLAINEST.l2,
    l2_on: str = PLAINEST.l2_on,
    l2_reduction: str = PLAINEST.l2_reduction,
    made_of: Sequence[str] = PLAINEST.made_of,
    rate: float | None = PLAINEST.rate,
    networks: Sequence[Network | Mapping[str, Any]] = PLAINEST.networks,
    **unknown: Any,
) -> Callable[[Target], Target]:
    """The decorator: claims what the function does, and returns it unchanged.

    hidden: the hidden activations ("tanh", or {"function": "leaky_relu", "slope": 0.1});
    same_hidden: one of them for all hidden layers; same_output: it is the output's too;
    same_widths: they have one number of units. heads: output activations with their losses. bias:
    "always", "never", "any" (each layer as it comes), "all_or_none", or "layer" (one number for all
    units of a layer, of shape (1,)). batch, depth: (least, most), None for no limit; depth counts
    layers with units. dtypes: "float64", "float32". max_parameters: the largest network to send.
    layers: "dense" for plain chains, and what else networks may have ("parallel", "shared",
    "sequence", "lstm", ...), or "all"; {"kind": "lstm", "peephole": False} for a kind with these
    options only. networks: these networks and no other, as descriptions. l2: l2 / 2 times the sum
    of squares is in the loss, and l2 W in the gradients; l2_on: of "weights", or of "all";
    l2_reduction: "sum", or "mean_over_batch" where it is divided by the number of examples.
    made_of: the libraries it is built from ("torch", "jax"), which then do not witness for it.
    rate: the gradients are read off a training step, (old - new) over this rate.

    Raises DescriptionError for an unknown claim, by name, for a claim that cannot be, and where the
    brackets are missing.
    """
    if bare:
        raise DescriptionError("implementation: it wants brackets, with what is claimed in them by "
                               f"name; write {BRACKETS} above the function")
    refuse_unknown("claims", unknown, CLAIMS)
    claimed = Claims(hidden=hidden, heads=heads, same_hidden=same_hidden,  # type: ignore[arg-type]
                     bias=bias, batch=batch, depth=depth, dtypes=dtypes,  # type: ignore[arg-type]
                     max_parameters=max_parameters, layers=layers,  # type: ignore[arg-type]
                     same_output=same_output, same_widths=same_widths, l2=l2, l2_on=l2_on,
                     l2_reduction=l2_reduction, made_of=made_of,  # type: ignore[arg-type]
                     rate=rate, networks=networks)  # type: ignore[arg-type]

    def decorate(target: Target) -> Target:
        _attach(called(target), claimed)
        return target

    return decorate


def claims_of(target: Any) -> Claims:
    """What was claimed for the target; EVERYTHING, explored, where nothing was."""
    claimed = getattr(target, "__backproof__", None)
    if isinstance(claimed, Claims):
        return claimed
    reference, registered = _CLAIMED.get(id(target), (None, EVERYTHING))
    return registered if reference is not None and reference() is target else EVERYTHING


def _attach(target: Any, claimed: Claims) -> None:
    """As an attribute; beside the object where it takes none (__slots__)."""
    try:
        target.__backproof__ = claimed
    except (AttributeError, TypeError):
        _register(target, claimed)


def _register(target: Any, claimed: Claims) -> None:
    key = id(target)
    try:
        reference = weakref.ref(target, lambda _: _CLAIMED.pop(key, None))
    except TypeError:
        message = f"claims: {target!r} takes no attributes: decorate a function that calls it"
        raise DescriptionError(message) from None
    _CLAIMED[key] = (reference, claimed)


def called(target: Any) -> Any:
    if not callable(target):
        raise DescriptionError(f"subject: {target!r} is not callable; wanted {WANTED}")
    return target
