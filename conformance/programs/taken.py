"""What somebody has, as a function: an autograd.Function, a module with its parameters, a function.

Frameworks are told by what is imported already: a program of torch has imported torch.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ..reference.checks import DescriptionError
from .engine import FRAMEWORKS

Function = Callable[..., Any]


@dataclass(frozen=True)
class Taken:
    """A function of arrays, the framework it is of, and the shapes of a module's parameters."""

    function: Function
    framework: str
    parameters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def as_function(target: Any, framework: str = "") -> Taken:
    """What stands for the target; DescriptionError, in one line, where nothing can."""
    if framework and framework not in FRAMEWORKS:
        raise DescriptionError(f"framework: {framework!r}; allowed: {', '.join(FRAMEWORKS)}")
    name = framework or _guessed(target)
    module = _doors(name)
    if module is not None and (taken := module.as_function(target)) is not None:
        function, parameters = taken
        return Taken(function, name, parameters)
    if inspect.isclass(target) or not callable(target):
        raise DescriptionError(f"program: wanted a function, an autograd.Function or a module, "
                               f"received {target!r}")
    return Taken(target, name)


def _doors(framework: str) -> Any:
    """What the framework's own objects are made functions by; None where it is not there."""
    if framework not in sys.modules:
        return None
    return import_module(f".{FRAMEWORKS[framework]}.modules", __package__)


def _guessed(target: Any) -> str:
    """The framework that the target is of: by its class, by its file's names, by what is there."""
    of = {each.__module__.partition(".")[0] for each in _classes(target)}
    if "torch" in of:
        return "torch"
    if of & {"jax", "jaxlib", "equinox", "flax"}:
        return "jax"
    names = {getattr(value, "__name__", "").partition(".")[0]
             for value in _globals(target).values() if inspect.ismodule(value)}
    names |= {(getattr(value, "__module__", None) or "").partition(".")[0]
              for value in _globals(target).values() if callable(value)}
    if "torch" in names or "jax" in names:
        return "torch" if "torch" in names else "jax"
    return "jax" if "jax" in sys.modules and "torch" not in sys.modules else "torch"


def _classes(target: Any) -> tuple[type, ...]:
    return (target if inspect.isclass(target) else type(target)).__mro__[:-1]


def _globals(target: Any) -> Mapping[str, Any]:
    return getattr(inspect.unwrap(target) if callable(target) else target, "__globals__", {})
