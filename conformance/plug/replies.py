"""Replies that are no pair (loss, gradients), and can be read as one without a doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..reference import DescriptionError, Network
from .contract import BrokenContract

PACKED = "gradients: two lists, of weights and of biases, read as network.pack(dW, db)"
SWAPPED = "returned (gradients, loss); write the loss first: `return loss, gradients`"


def paired(network: Network, reply: Any) -> tuple[Any, set[str]]:
    """The reply as (loss, gradients) where it is (loss, dW, db) or (loss, (dW, db)), and notes.

    dW and db are lists with an array for each layer of a chain. Any other reply is as it is. Raises
    BrokenContract for (gradients, loss).
    """
    if _is_list(reply, 2) and isinstance(reply[0], Mapping) and not isinstance(reply[1], Mapping):
        raise BrokenContract("return", SWAPPED)
    lists = _lists(reply)
    if lists is None:
        return reply, set()
    try:
        return (reply[0], network.pack(*map(list, lists))), {PACKED}
    except (ValueError, DescriptionError):
        return reply, set()


def _lists(reply: Any) -> tuple[Any, Any] | None:
    """The two lists, where there are two of one length."""
    given: Any = reply[1:] if _is_list(reply, 3) else reply[1] if _is_list(reply, 2) else ()
    if not (_is_list(given, 2) and all(isinstance(each, list | tuple) for each in given)):
        return None
    return (given[0], given[1]) if len(given[0]) == len(given[1]) else None


def _is_list(value: Any, size: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == size
