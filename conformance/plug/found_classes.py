"""A class as target: what trains or computes in it is found, or what to write is said."""

from __future__ import annotations

from typing import Any

from .refused import TargetError
from .signatures import WANTED


def found_class(cls: type, name: str) -> Any:
    """A target that verifies the class; TargetError with the lines to write where there is none."""
    short = cls.__name__
    raise TargetError(
        f"{name} is a class; wanted {WANTED}, or layers(...) over layer classes; "
        f"`backproof new mine.py --door step` writes an adapter for a class that trains",
        [f"from {name.partition(':')[0].removesuffix('.py')} import {short}",
         "from backproof import Layer, layers", "",
         f"mine = layers(dense=Layer({short}, parameters={{\"weight\": \"W\", \"bias\": \"b\"}},",
         "                         gradients={\"weight\": \"dW\", \"bias\": \"db\"}))"])
