"""The decorator: what a function claims to do."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from ..properties.claims import EVERYTHING, Claims
from ..reference import DescriptionError
from ..reference.checks import refuse_unknown

Target = TypeVar("Target", bound=Callable[..., Any])
SIGNATURE = "backprop(network, parameters, inputs, targets) -> (loss, gradients)"
CLAIMS = tuple(f.name for f in fields(Claims) if f.name != "explored")


_CLAIMED: dict[int, tuple[weakref.ref[Any], Claims]] = {}


def implementation(**claims: Any) -> Callable[[Target], Target]:
    """The decorator: claims what the function does, and returns it unchanged.

    Raises DescriptionError for an unknown claim, by name, and for a claim that cannot be.
    """
    refuse_unknown("claims", claims, CLAIMS)
    claimed = Claims(**claims)

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
        raise DescriptionError(f"claims: {target!r} takes no attributes: decorate a function that calls it") from None
    _CLAIMED[key] = (reference, claimed)


def called(target: Any) -> Any:
    if not callable(target):
        raise DescriptionError(f"subject: {target!r} is not callable; wanted {SIGNATURE}")
    return target
