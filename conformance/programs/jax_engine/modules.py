"""What the objects of JAX's libraries are as functions: modules of Equinox, Flax NNX and Linen.

A module's parameters, its arrays of real numbers, become inputs by name, which follow the inputs of
its call. A custom_vjp or custom_jvp is a function as it stands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

Function = Callable[..., Any]
Shapes = dict[str, tuple[int, ...]]


def as_function(target: Any) -> tuple[Function, Shapes] | None:
    """A function, and the shapes of the parameters that it takes after its inputs; None for others.

    A Linen module must be bound to its variables: `module.bind(variables)`.
    """
    for library, of in DOORS:
        if library in sys.modules and (found := of(sys.modules[library], target)) is not None:
            return found
    return None


def _equinox(equinox: Any, target: Any) -> tuple[Function, Shapes] | None:
    if not isinstance(target, equinox.Module) or isinstance(target, type):
        return None
    real, rest = equinox.partition(target, equinox.is_inexact_array)
    leaves, tree = _flat(real)

    def call(arrays: Sequence[Any], inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        return equinox.combine(tree.unflatten(arrays), rest)(*inputs, **options)
    return _split(call, len(leaves), target), dict(_shapes(leaves))


def _nnx(nnx: Any, target: Any) -> tuple[Function, Shapes] | None:
    if not isinstance(target, nnx.Module):
        return None
    graph, parameters, rest = nnx.split(target, nnx.Param, ...)
    leaves, tree = _flat(nnx.to_pure_dict(parameters))

    def call(arrays: Sequence[Any], inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        state = parameters.copy() if hasattr(parameters, "copy") else nnx.clone(parameters)
        nnx.replace_by_pure_dict(state, tree.unflatten(arrays))
        return nnx.merge(graph, state, rest)(*inputs, **options)
    return _split(call, len(leaves), target), dict(_shapes(leaves))


def _linen(linen: Any, target: Any) -> tuple[Function, Shapes] | None:
    if not isinstance(target, linen.Module):
        return None
    if target.scope is None:
        raise TypeError("a Linen module without variables: hand over module.bind(variables)")
    module, variables = target.unbind()
    leaves, tree = _flat(variables.get("params", {}))

    def call(arrays: Sequence[Any], inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        return module.apply({**variables, "params": tree.unflatten(arrays)}, *inputs, **options)
    return _split(call, len(leaves), module), dict(_shapes(leaves))


def _split(call: Callable[[Sequence[Any], Sequence[Any], dict[str, Any]], Any], parameters: int,
           target: Any) -> Function:
    """The call as a function of inputs and then parameters."""
    def function(*given: Any, **options: Any) -> Any:
        count = len(given) - parameters
        return call(given[count:], given[:count], options)

    function.__wrapped__ = type(target).__call__  # type: ignore[attr-defined]
    return function


def _flat(tree: Any) -> tuple[Sequence[tuple[Any, Any]], Any]:
    """The leaves of a tree, each with its path, and what puts it together again."""
    found: Any = jax.tree_util.tree_flatten_with_path(tree)
    leaves, definition = found
    return leaves, definition


def _shapes(leaves: Sequence[tuple[Any, Any]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name of each leaf, "layers.0.weight", and its shape."""
    for path, leaf in leaves:
        yield ".".join(str(_part(each)) for each in path), tuple(jnp.shape(leaf))


def _part(entry: Any) -> Any:
    """What one step of a path is called: an attribute, a key or an index."""
    return next((getattr(entry, name) for name in ("name", "key", "idx") if hasattr(entry, name)),
                entry)


DOORS: tuple[tuple[str, Callable[[Any, Any], tuple[Function, Shapes] | None]], ...] = (
    ("equinox", _equinox), ("flax.nnx", _nnx), ("flax.linen", _linen))
