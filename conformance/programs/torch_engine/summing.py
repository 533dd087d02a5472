"""Sums and products of matrices: their partial sums are rounded, in whatever order they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .rows import rows
from .widening import Arguments, Options

if TYPE_CHECKING:
    from .perturbed_run import PerturbedRun

Tensor = torch.Tensor
ELEMENTARY = 8.0  # units of an exponential or a logarithm


def sizes(value: Any) -> Any:
    """Absolute values, of tensors and of factors."""
    if isinstance(value, Tensor):
        return value.abs() if value.dtype == torch.float64 else value
    return abs(value) if type(value) is float else value


def of_sizes(func: Any, args: Arguments, kwargs: Options) -> Any:
    """The same operation on absolute values."""
    return func(*map(sizes, args), **{name: sizes(each) for name, each in kwargs.items()})


def total(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A sum over axes, a mean, a norm."""
    result = func(*args, **kwargs)
    count = args[0].numel() / max(result.numel(), 1)
    return run.summed(result, of_sizes(func, args, kwargs), count)


def running(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A sum or a product that is given at every place."""
    length = args[0].shape[args[1]] if args[0].dim() else 1
    return run.summed(func(*args, **kwargs), of_sizes(func, args, kwargs), length)


def running_exponentials(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The logarithm of a running sum of exponentials: off by units of 1 and of the largest."""
    length = args[0].shape[args[1]] if args[0].dim() else 1
    sizes = 1.0 + torch.cummax(args[0].abs().nan_to_num(0.0, 0.0, 0.0), args[1])[0]
    return run.summed(func(*args, **kwargs), ELEMENTARY * sizes, length)


def product(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A product of vectors and matrices, the last two of the tensors; one before them is added."""
    args = narrowed(run, args)
    tensors = [each for each in args if isinstance(each, Tensor)]
    count = tensors[-2].shape[-1] + len(tensors) - 2
    found = run.summed(func(*args, **kwargs), of_sizes(func, args, kwargs), count)
    return run.note_product(found, count)


def convolution(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A convolution, transposed or not."""
    args = narrowed(run, args)
    weight = args[1]
    count = weight.numel() / max(weight.shape[1 if args[6] else 0], 1)
    found = run.summed(func(*args, **kwargs), of_sizes(func, args, kwargs), count)
    return run.note_product(found, count)


def convolution_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The three gradients of a convolution: of its input, its weight and its bias."""
    args = narrowed(run, args)
    gradient, _, weight = args[:3]
    places = gradient.numel() / max(gradient.shape[1], 1)
    counts = (weight.numel() / max(weight.shape[1], 1), places, places)
    found = zip(func(*args, **kwargs), of_sizes(func, args, kwargs), counts, strict=True)
    return tuple(each if each is None else run.summed(each, size, count)
                 for each, size, count in found)


def narrowed(run: PerturbedRun, args: Arguments) -> Arguments:
    """The operands of a product as the arithmetic takes them: tf32 keeps ten bits of fraction."""
    unit = run.claim.products.unit
    if unit <= run.claim.operations.unit or not run.unit:
        return args
    return tuple(run.off(each, unit) if isinstance(each, Tensor) else each for each in args)


def scattered(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Numbers added at places that indices tell, or that windows share: as many as come together.
    """
    result, size = func(*args, **kwargs), of_sizes(func, args, kwargs)
    if not result.numel():
        return result
    ones = [torch.ones_like(each) if isinstance(each, Tensor) and each.dtype == torch.float64
            else each for each in args]
    count = float(func(*ones, **kwargs).abs().max())
    return run.summed(result, size, count)


def put(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Numbers put at places, added to what is there or in its stead."""
    adds = kwargs.get("accumulate", args[3] if len(args) > 3 else False)
    return scattered(run, func, args, kwargs) if adds else func(*args, **kwargs)


RULES = (
    rows("sum mean nansum linalg_vector_norm norm prod trace", total)
    | rows("cumsum cumprod", running)
    | rows("logcumsumexp", running_exponentials)
    | rows("mm bmm mv dot vdot addmm baddbmm addmv addbmm", product)
    | rows("convolution", convolution) | rows("convolution_backward", convolution_backward)
    | rows("index_put _index_put_impl put _unsafe_index_put", put)
    | rows("""
        _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d
        _adaptive_avg_pool3d_backward adaptive_max_pool2d_backward avg_pool1d avg_pool2d
        avg_pool2d_backward avg_pool3d avg_pool3d_backward col2im embedding_backward
        embedding_dense_backward im2col index_add max_pool2d_with_indices_backward
        max_pool3d_with_indices_backward reflection_pad1d_backward reflection_pad2d_backward
        reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward
        replication_pad3d_backward scatter_add unfold_backward upsample_nearest1d_backward
        upsample_nearest2d_backward upsample_nearest3d_backward upsample_bilinear2d
        upsample_bilinear2d_backward""", scattered)
)
