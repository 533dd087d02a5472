"""A class as target: one that trains is verified as it is; of others, what to write is said."""

from __future__ import annotations

from typing import Any

from .contract import AdapterError
from .guessing import target_of
from .refused import TargetError
from .wanted import WANTED


def found_class(cls: type, name: str) -> Any:
    """A target that verifies the class; TargetError with the lines to write where there is none."""
    try:
        return target_of(cls)
    except AdapterError as error:
        if _is_layer(cls):
            raise _of_layers(cls, name) from error
        raise TargetError(f"{name}: {error}; `backproof new mine.py --door step` writes an adapter"
                          ) from error


def _is_layer(cls: type) -> bool:
    """Whether it has what a layer has, and nothing that trains."""
    return all(callable(getattr(cls, name, None)) for name in ("forward", "backward"))


def _of_layers(cls: type, name: str) -> TargetError:
    short = cls.__name__
    return TargetError(
        f"{name} is a class; wanted {WANTED}, or layers(...) over layer classes; "
        f"`backproof new mine.py --door layers` writes an adapter for classes of layers",
        [f"from {name.partition(':')[0].removesuffix('.py')} import {short}",
         "from backproof import Layer, layers", "",
         f"mine = layers(dense=Layer({short}, parameters={{\"weight\": \"W\", \"bias\": \"b\"}},",
         "                         gradients={\"weight\": \"dW\", \"bias\": \"db\"}))"])
