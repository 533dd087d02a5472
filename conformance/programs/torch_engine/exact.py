"""What a judged kernel of PyTorch gives back, and which operations it is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, NoReturn

import torch

from .modes import Mode

Function = Callable[..., Any]
PLAIN = (torch.Tensor, torch.nn.Parameter)


def exact(function: Function) -> Function:
    """The same function; a TypeError where an output is of a subclass of torch.Tensor.

    A subclass may put off what it has to compute until somebody looks at it.
    """
    @wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:
        found = function(*arguments, **options)
        _check(found)
        return found

    return checked


def _check(found: Any) -> None:
    if isinstance(found, torch.Tensor) and type(found) not in PLAIN:
        raise TypeError(f"output: wanted a torch.Tensor itself; received {type(found).__name__}, a "
                        "subclass")
    if isinstance(found, Mapping):
        found = list(found.values())
    for each in found if isinstance(found, list | tuple) else ():
        _check(each)


class without(Mode):  # noqa: N801 - a context
    """Within it some operations of PyTorch refuse, whoever calls them: "aten.native_layer_norm".

    refuse: called with the name instead of the operation.
    """

    def __init__(self, names: Collection[str], refuse: Callable[[str], NoReturn]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.names, self.refuse = names, refuse

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).rpartition(".")[0]  # "aten.mul.Tensor"
        if name in self.names:
            self.refuse(name)
        return func(*args, **(kwargs or {}))
