"""Layers one after another: the forward keeps a tape, the backward walks it in reverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .description import DescriptionError, LayerSpec
from .layers.rule import Scope, Shape, Shapes

if TYPE_CHECKING:
    from .tables import Tables


class Step(NamedTuple):
    """One layer's entry on the tape."""

    scope: Scope
    saved: Any


def forward(tables: Tables, layers: Iterable[LayerSpec], prefix: str, values: Mapping[str, Any], x: Any) -> tuple[Any, list[Step]]:
    """The output of the layers and the tape; `values` are all parameters and constants by global name."""
    tape = []
    for i, spec in enumerate(layers):
        scope = Scope(tables, values, f"{prefix}.{i}" if prefix else str(i), spec)
        x, saved = tables.layers[spec.kind].forward(scope, x)
        tape.append(Step(scope, saved))
    return x, tape


def step(tape: list[Step], i: int, dy: Any) -> tuple[Any, dict[str, Any]]:
    """The chain rule between layers: dL/d(input of layer i) and layer i's gradients from dL/d(its output)."""
    scope, saved = tape[i]
    return scope.tables.layers[scope.spec.kind].backward(scope, saved, dy)


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
    if "branches" in scope.options:
        return dict(local)
    named = {}
    for name, gradient in local.items():
        owner, transposed = scope.owner(name)
        named[owner] = gradient.T if transposed else gradient
    return named


def shapes(layers: Iterable[LayerSpec], prefix: str, shape: Shape, tables: Tables, known: dict[str, Shape] | None = None) -> Shapes:
    """The output shape and every parameter, constant and state by global name; DescriptionError where layers do not fit."""
    total: list[dict[str, Shape]] = [{}, {}, {}]
    for i, spec in enumerate(layers):
        name = f"{prefix}.{i}" if prefix else str(i)
        one = tables.layers[spec.kind].shapes(spec, shape, tables, name)
        shape = one.output
        if "branches" in spec.options:
            named = one[1:]
        else:
            named = tuple({f"{name}.{local}": size for local, size in group.items()} for group in one[1:])
        if spec.share is not None:
            named = (_unshared(name, spec, named[0], total[0]), *named[1:])
        for group, more in zip(total, named, strict=True):
            group.update(more)
    return Shapes(shape, *total)


def _unshared(name: str, spec: LayerSpec, own: Mapping[str, Shape], known: Mapping[str, Shape]) -> dict[str, Shape]:
    """The parameters left to a sharing layer; an owner that is missing or of another shape is refused by name."""
    left, shared = {}, 0
    for full, size in own.items():
        owner = f"{spec.share}.{full.removeprefix(name + '.')}"
        if owner not in known or (spec.transpose and len(known[owner]) != 2):
            left[full] = size
        elif (known[owner][::-1] if spec.transpose else known[owner]) != size:
            raise DescriptionError(f"layer {name}: shares {owner} of shape {known[owner]}, but needs {size}")
        else:
            shared += 1
    if not shared:
        raise DescriptionError(f"layer {name}: shares layer {spec.share!r}, which has no parameter of its kind before it")
    return left
