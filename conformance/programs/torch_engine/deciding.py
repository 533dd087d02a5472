"""Operations that choose, done on numbers that `Choices` may have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .rows import rows
from .widening import Arguments, Options

if TYPE_CHECKING:
    from .perturbed_run import PerturbedRun

Tensor = torch.Tensor
aten = torch.ops.aten


def _real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64


def compared(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Greater or less: by the difference."""
    if not any(map(_real, args)):
        return func(*args, **kwargs)
    one, other = args
    difference = run.choices.moved(torch.as_tensor(one - other))
    return getattr(func, "overloadpacket", func)(difference.nan_to_num(0.0), 0.0)


def side(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A step: the sign of a number, the integer below it."""
    on = (run.choices.moved(args[0]),) if _real(args[0]) else args[:1]
    return func(*on, *args[1:], **kwargs)


def relu(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The backward pass sees by the result what was chosen: above 0, if only just."""
    numbers = args[0]
    if not _real(numbers):
        return func(*args, **kwargs)
    above = run.choices.moved(numbers) > 0
    return torch.where(above, numbers.clamp(min=torch.finfo(torch.float64).tiny),
                       torch.zeros_like(numbers))


def threshold_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """For relu by its result, which is 0 wherever it is not chosen: that is exact."""
    gradient, on, threshold = args
    by = on if threshold == 0 else run.choices.moved(on)
    return torch.where(by > threshold, gradient, torch.zeros_like(gradient))


def backward_of_sides(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The derivative of a piecewise function, at a number that may be on either side."""
    gradient, on, *others = args
    return run.rounded(func(gradient, run.choices.moved(on), *others, **kwargs))


def largest(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The largest or smallest along an axis, and where it is."""
    if not _real(args[0]):
        return func(*args, **kwargs)
    axis = args[1] % max(args[0].dim(), 1)
    _, where = func(run.choices.moved(args[0], among=True), *args[1:], **kwargs)
    kept = where if (len(args) > 2 and args[2]) or kwargs.get("keepdim") else (
        where.unsqueeze(axis) if args[0].dim() else where)
    values = args[0].gather(axis, kept)
    return values.view(where.shape), where


def ordered(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Numbers in order, or the first of them, and where they were."""
    if not _real(args[0]):
        return func(*args, **kwargs)
    _, where = func(run.choices.moved(args[0], among=True), *args[1:], **kwargs)
    return args[0].gather(_axis(func, args, kwargs), where) if args[0].dim() else args[0], where


def _axis(func: Any, args: Arguments, kwargs: Options) -> int:
    names = [each.name for each in func._schema.arguments]
    at = names.index("dim")
    given: int = args[at] if len(args) > at else kwargs.get("dim", -1)
    return given


def where_largest(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Where the largest or smallest is."""
    on = run.choices.moved(args[0], among=True) if _real(args[0]) else args[0]
    return func(on, *args[1:], **kwargs)


def value_of_largest(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The largest or smallest without its place: the backward pass finds it by its value."""
    numbers = args[0]
    if not _real(numbers) or not run.choices.direction:
        run.choices.moved(numbers, among=True)
        return func(*args, **kwargs)
    moved = run.choices.moved(numbers, among=True)
    axes = args[1] if len(args) > 1 and args[1] else list(range(numbers.dim()))
    chosen = moved == moved.amax(axes, True) if "max" in func._schema.name else (
        moved == moved.amin(axes, True))
    other = -torch.inf if "max" in func._schema.name else torch.inf
    return func(torch.where(chosen, numbers, other), *args[1:], **kwargs)


def pooled(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The largest of every window, and where it is."""
    if not _real(args[0]):
        return func(*args, **kwargs)
    values, where = func(run.choices.moved(args[0], among=True), *args[1:], **kwargs)
    planes = values.dim() - (3 if "3d" in func._schema.name else 2)
    found = args[0].flatten(planes).gather(planes, where.flatten(planes))
    return found.view(values.shape), where


def chosen(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The larger of two, numbers held within bounds: the backward pass compares again."""
    return func(*args, **kwargs)


def extreme(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """`max` and `min`: of all, of two, or along an axis."""
    along = (len(args) > 1 and isinstance(args[1], int)) or "dim" in kwargs
    if along:
        return largest(run, func, args, kwargs)
    return (value_of_largest if len(args) == 1 else chosen)(run, func, args, kwargs)


RULES = (
    rows("gt lt ge le greater less greater_equal less_equal", compared)
    | rows("sign sgn floor ceil round trunc heaviside", side)
    | rows("relu", relu) | rows("threshold_backward", threshold_backward)
    | rows("hardtanh_backward hardshrink_backward softshrink_backward", backward_of_sides)
    | rows("sort topk", ordered) | rows("argmax argmin argsort", where_largest)
    | rows("amax amin", value_of_largest) | rows("max min", extreme)
    | rows("max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d "
           "adaptive_max_pool3d", pooled)
    | rows("maximum minimum fmax fmin clamp clamp_min clamp_max hardtanh threshold", chosen)
)
