"""A Trial on its way to another process, and a Reply on its way back, as messages with arrays.

Masks travel as integers, which messages have a form for; a tuple among the options stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..plug.contract import BrokenContract
from ..plug.protocol.frames import Frame
from ..plug.protocol.messages import ROOM, array_of
from ..reference.checks import DescriptionError
from .trial import Array, Reply, Trial, Value

Json = Any
PER_NUMBER = 64  # bytes of a reply for each number asked of: outputs, gradients, and once again
PLAIN = bool | int | float | str | None


# --- questions ------------------------------------------------------------------------------------


def asked(trial: Trial, **more: Json) -> dict[str, Json]:
    """The question about a trial; more: what is said with it.

    Its features are not told: nobody who is asked is to know what a trial is for. Raises
    DescriptionError for an option that is no plain data.
    """
    return {"ask": "answer", **more,
            "inputs": [[name, _told_value(value)] for name, value in trial.inputs.items()],
            "options": [[name, _told_option(name, value)] for name, value in trial.options.items()],
            "cotangents": [_told_value(value) for value in trial.cotangents],
            "wanted": trial.wanted, "dtype": trial.dtype, "repeats": trial.repeats,
            "twice": trial.twice, "poison": trial.poison}


def trial_of(message: Mapping[str, Json], block: bytes) -> Trial:
    """The trial of a question; its number and its features stay with whoever asks."""
    return Trial({name: _value(value, block) for name, value in message["inputs"]},
                 {name: _option(value) for name, value in message["options"]},
                 tuple(_value(value, block) for value in message["cotangents"]),
                 tuple(message["wanted"]), message["dtype"], repeats=message["repeats"],
                 twice=message["twice"], poison=message["poison"])


def room_for(trial: Trial) -> int:
    """How many bytes the reply to a trial may have."""
    values = [*trial.inputs.values(), *trial.cotangents]
    return ROOM + PER_NUMBER * sum(int(each.numbers.size) for each in values if each is not None)


def _told_value(value: Value | None) -> Json:
    if value is None:
        return None
    return {"numbers": told(value.numbers), "dtype": value.dtype, "layout": value.layout}


def _value(data: Json, block: bytes) -> Value | None:
    if data is None:
        return None
    return Value(array(data["numbers"], block), data["dtype"], data["layout"])


def _told_option(name: str, value: Any) -> Json:
    if isinstance(value, tuple):
        return {"tuple": [_told_option(name, each) for each in value]}
    if isinstance(value, list):
        return [_told_option(name, each) for each in value]
    if isinstance(value, PLAIN):
        return value
    raise DescriptionError(f"options: {name!r}: received {type(value).__name__}; allowed in a "
                           "process of its own: numbers, texts, True, False, None, and tuples and "
                           "lists of these (--in-process takes any)")


def _option(data: Json) -> Any:
    if isinstance(data, dict):
        return tuple(map(_option, data["tuple"]))
    return [*map(_option, data)] if isinstance(data, list) else data


# --- replies --------------------------------------------------------------------------------------


def replied(reply: Reply) -> dict[str, Json]:
    """What a program answered, as a message."""
    second = reply.second
    return {"outputs": [told(each) for each in reply.outputs],
            "gradients": _told_by_name(reply.gradients), "dtypes": reply.dtypes,
            "touched": reply.touched, "differing": reply.differing,
            "second": _told_by_name(second) if isinstance(second, dict) else second}


def reply_of(frame: Frame) -> Reply:
    """The Reply of a message. Raises BrokenContract for one that is none."""
    message, block = frame
    try:
        second = message["second"]
        return Reply([array(each, block) for each in message["outputs"]],
                     _by_name(message["gradients"], block),
                     {str(key): str(name) for key, name in message["dtypes"].items()},
                     tuple(map(str, message["touched"])),
                     {str(key): float(far) for key, far in message["differing"].items()},
                     _by_name(second, block) if isinstance(second, dict) else second)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BrokenContract("return", "reply: it is no answer of a program: "
                             f"{type(error).__name__}") from error


def _told_by_name(arrays: Mapping[str, Array | None]) -> dict[str, Json]:
    return {name: told(each) for name, each in arrays.items()}


def _by_name(arrays: Mapping[str, Json], block: bytes) -> dict[str, Array | None]:
    return {str(name): array(each, block) for name, each in arrays.items()}


# --- arrays ---------------------------------------------------------------------------------------


def told(values: Array | None) -> Json:
    """An array as messages have it; None for None. Raises TypeError for what has no form there."""
    if values is None:
        return None
    kind = values.dtype.kind
    if kind == "b":
        return {"mask": values.astype(np.int64)}
    if kind not in "iuf":
        raise TypeError(f"wanted real numbers, integers or a mask; received {values.dtype}")
    return np.asarray(values, np.float64 if kind == "f" else np.int64)


def array(data: Json, block: bytes) -> Array | None:
    """The array of a message; None for None. Raises BrokenContract for what is none."""
    if isinstance(data, dict) and "mask" in data:
        numbers = array(data["mask"], block)
        return None if numbers is None else numbers.astype(bool)
    if data is not None and not isinstance(data, dict):
        raise BrokenContract("return", f"reply: wanted an array, received {type(data).__name__}")
    return None if data is None else array_of("array", data, block, "float64")
