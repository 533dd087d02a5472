"""What is asked and what is answered, as messages: a Case there, a loss and gradients back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ...reference import Case, DescriptionError, Network, parse
from ...reference.arrays import array_from_json
from ..contract import BrokenContract
from .frames import Frame, array_at

PROTOCOL = 1
ROOM, OF_A_NUMBER = 2**20, 64  # bytes of a reply: for words, and for each number asked of
RESULTS = {"gradients": "gradients", "step": "parameters", "vjp": "gradients", "loss": "loss",
           "alone": "alone"}
Json = Any


def request(ask: str, case: Case, **more: Json) -> dict[str, Json]:
    """A question about a case, its arrays as they are; constants only where there are some.

    A question for a vector-Jacobian product ("vjp") has no loss and no targets, but the cotangent
    of the outputs, which the inner product with the targets has.
    """
    network = case.network.to_json()
    constants = {"constants": dict(case.constants)} if case.constants else {}
    last = {"targets": case.targets}
    if ask == "vjp":
        network = {key: value for key, value in network.items() if key != "loss"}
        last = {"cotangent": case.targets}
    return {"ask": ask, **more, "dtype": case.dtype, "network": network,
            "parameters": dict(case.parameters), **constants, "inputs": case.inputs, **last}


def room_for(case: Case) -> int:
    """How many bytes the reply to a question about the case may have."""
    return ROOM + OF_A_NUMBER * (case.size + int(np.size(case.inputs)))


def arrays_of(what: str, frame: Frame, dtype: str) -> dict[str, Any]:
    """The arrays by name that a reply has under `what`: those that say so from its block.

    A dtype that is not said is that of the question, as of plain numbers and nested lists of them.
    Raises BrokenContract for what cannot be read.
    """
    values = frame.message.get(what)
    if not isinstance(values, Mapping):
        kind = "nothing" if values is None else type(values).__name__
        raise BrokenContract("return", f"reply: {what}: received {kind}; wanted an object with an "
                                       "array for every parameter, by name")
    return {name: array_of(f"{what}.{name}", value, frame.block, dtype)
            for name, value in values.items()}


def array_of(where: str, value: Json, block: bytes, dtype: str) -> Any:
    """One array of a reply; `where` is its place in the message, for errors."""
    if type(value) is not dict:
        return _plain(value, dtype)
    try:
        if "at" in value:
            return array_at(value if "dtype" in value else {"dtype": dtype, **value}, block)
        given = {key: value[key] for key in ("dtype", "shape", "data") if key in value}
        return array_from_json(where, {"dtype": dtype, **given})
    except DescriptionError as error:
        raise BrokenContract("return", f"reply: {error}") from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BrokenContract("return", f"reply: {where} is no array: {error}") from error


def _plain(value: Json, dtype: str) -> Any:
    """Numbers as they stand in a message, nested or alone; as it is where it is none of that."""
    try:
        return np.array(value, dtype=dtype) if isinstance(value, list | int | float) else value
    except (TypeError, ValueError, OverflowError):
        return value


def packed(case: Case) -> dict[str, Json]:
    """The whole case, its arrays as they are."""
    return {"dtype": case.dtype, "network": case.network.to_json(),
            "parameters": dict(case.parameters), "constants": dict(case.constants),
            "inputs": case.inputs, "targets": case.targets}


def case_of(data: Mapping[str, Json], block: bytes) -> Case:
    """The case of a question, or of what `packed` gives."""
    dtype = data["dtype"]

    def arrays(values: Mapping[str, Json]) -> dict[str, Any]:
        return {name: array_of(name, value, block, dtype) for name, value in values.items()}

    inputs, targets = (array_of(name, data[name], block, dtype) for name in ("inputs", "targets"))
    network = data["network"]
    text = network if isinstance(network, str) else json.dumps(network)
    return Case(_network(text), arrays(data["parameters"]), inputs, targets,
                dtype, arrays(data.get("constants", {})))


@lru_cache(maxsize=512)
def _network(text: str) -> Network:
    """The network of a description; the same one as long as it is the same text."""
    return parse.network(json.loads(text))
