"""Layers one after another: the forward keeps a tape, the backward walks it in reverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .kinds import Scope, Shape, Shapes, Step, Tables
from .network import LayerSpec


def forward(tables: Tables, layers: Iterable[LayerSpec], prefix: str, values: Mapping[str, Any],
            x: Any) -> tuple[Any, list[Step]]:
    """The output of the layers and the tape; `values`: parameters and constants by global name."""
    tape = []
    for i, spec in enumerate(layers):
        scope = Scope(tables, values, f"{prefix}.{i}" if prefix else str(i), spec)
        x, saved = tables.layers[spec.kind].forward(scope, x)
        tape.append(Step(scope, saved))
    return x, tape


def step(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
    """One step of the chain rule: from dL/d(output of layer i) to dL/d(its input).

    Returns that, of the input's shape, and the gradients of the layer's parameters by local name.
    """
    scope, saved = tape[i]
    return scope.rule.backward(scope, saved, dy)


def backward(tables: Tables, tape: list[Step], dy: Any) -> tuple[Any, dict[str, Any]]:
    """dL/dx, and every parameter's gradient by global name."""
    gradients: dict[str, Any] = {}
    for i in reversed(range(len(tape))):
        dy, local = tables.sweep(tape, i, dy)
        accumulate(gradients, _named(tape[i].scope, local))
    return dy, gradients


def accumulate(gradients: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Two uses of one parameter: their gradients add."""
    for name, gradient in more.items():
        gradients[name] = gradients[name] + gradient if name in gradients else gradient


def _named(scope: Scope, local: Mapping[str, Any]) -> dict[str, Any]:
    if scope.spec.branches:
        return dict(local)
    named = {}
    for name, gradient in local.items():
        owner, transposed = scope.owner(name)
        named[owner] = gradient.T if transposed else gradient
    return named


def shapes(layers: Iterable[LayerSpec], prefix: str, shape: Shape, tables: Tables) -> Shapes:
    """The output shape, and every array the layers read by global name, sharing not yet taken off.

    Raises DescriptionError where layers do not fit.
    """
    total: list[dict[str, Shape]] = [{} for _ in Shapes._fields[1:]]
    for i, spec in enumerate(layers):
        name = f"{prefix}.{i}" if prefix else str(i)
        one = tables.layers[spec.kind].shapes(spec, shape, tables, name)
        shape = one.output
        for group, more in zip(total, one[1:], strict=True):
            inside = bool(spec.branches)
            group.update(more if inside else {f"{name}.{k}": size for k, size in more.items()})
    return Shapes(shape, *total)
