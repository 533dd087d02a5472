"""The parameters of a module as inputs: what a plain form beside it is called with.

A module is called with its own inputs and then its parameters, in its order. A plain form that is a
module too takes those of the same names in its own order; one that is a function takes them by
name, with underscores for the dots: "0.weight" is `_0_weight`, "attention.bias" `attention_bias`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..reference.checks import DescriptionError

Function = Callable[..., Any]
Shapes = Mapping[str, tuple[int, ...]]


def keyword_of(name: str) -> str:
    """What a function calls a parameter of that name."""
    plain = name.replace(".", "_")
    return f"_{plain}" if plain[:1].isdigit() else plain


def beside(plain: Function, own: Shapes, parameters: Sequence[str]) -> Function:
    """The plain form, called with inputs and then those parameters; own: a plain module's.

    Raises DescriptionError where a plain module's parameters have other names.
    """
    if not parameters:
        return plain
    if own and set(own) != set(parameters):
        missing = sorted(set(own) ^ set(parameters))[0]
        raise DescriptionError(f"plain: wanted a module whose parameters are "
                               f"{', '.join(parameters)}; {missing!r} is in one of the two alone")

    def call(*given: Any, **options: Any) -> Any:
        count = len(given) - len(parameters)
        named = dict(zip(parameters, given[count:], strict=True))
        if own:
            return plain(*given[:count], *(named[name] for name in own), **options)
        return plain(*given[:count], **{keyword_of(name): each for name, each in named.items()},
                     **options)

    call.__wrapped__ = plain  # type: ignore[attr-defined]
    return call
