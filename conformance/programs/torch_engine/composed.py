"""Operations that are several at once, as single ones: what cancels inside them is rounded too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .widening import Arguments, Options

if TYPE_CHECKING:
    from .perturbed_run import PerturbedRun

Tensor = torch.Tensor
aten = torch.ops.aten


def softmax(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """exp(x - max) / sum."""
    x, axis = args[:2]
    if not x.numel():
        return func(*args, **kwargs)
    e = run(aten.exp.default, run(aten.sub.Tensor, x, x.amax([axis], True)))
    return run(aten.div.Tensor, e, run(aten.sum.dim_IntList, e, [axis], True))


def softmax_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """y (g - sum(g y)): two products that cancel, each of them rounded."""
    gradient, y, axis = args[:3]
    weighed = run(aten.mul.Tensor, gradient, y)
    whole = run(aten.sum.dim_IntList, weighed, [axis], True)
    return run(aten.sub.Tensor, weighed, run(aten.mul.Tensor, y, whole))


def log_softmax(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """(x - max) - log(sum(exp(x - max))), or in every other run x - (max + log(...))."""
    x, axis = args[:2]
    if not x.numel():
        return func(*args, **kwargs)
    most = x.amax([axis], True)
    shifted = run(aten.sub.Tensor, x, most)
    whole = run(aten.sum.dim_IntList, run(aten.exp.default, shifted), [axis], True)
    if run.run % 2:
        return run(aten.sub.Tensor, x, run(aten.add.Tensor, most, run(aten.log.default, whole)))
    return run(aten.sub.Tensor, shifted, run(aten.log.default, whole))


def log_softmax_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """g - exp(y) sum(g)."""
    gradient, y, axis = args[:3]
    whole = run(aten.sum.dim_IntList, gradient, [axis], True)
    return run(aten.sub.Tensor, gradient,
               run(aten.mul.Tensor, run(aten.exp.default, y), whole))


def logsumexp(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """max + log(sum(exp(x - max)))."""
    x, axes = args[:2]
    keeps = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    axes = [axes] if isinstance(axes, int) else list(axes)
    if not x.numel():
        return func(*args, **kwargs)
    most = x.amax(axes, True)
    most = torch.where(most.isfinite(), most, torch.zeros_like(most))
    e = run(aten.exp.default, run(aten.sub.Tensor, x, most))
    whole = run(aten.log.default, run(aten.sum.dim_IntList, e, axes, True))
    found = run(aten.add.Tensor, whole, most)
    return found if keeps else found.squeeze(axes)


def variance(run: PerturbedRun, x: Tensor, axes: Any, correction: float | None,
             keeps: bool) -> tuple[Tensor, Tensor]:
    """The mean of the squares about the mean, and the mean."""
    axes = list(range(x.dim())) if not axes else list(axes)
    mean = run(aten.mean.dim, x, axes, True)
    far = run(aten.sub.Tensor, x, mean)
    whole = run(aten.sum.dim_IntList, run(aten.mul.Tensor, far, far), axes, True)
    count = x.numel() / max(mean.numel(), 1) - (1 if correction is None else correction)
    found = run(aten.div.Tensor, whole, max(count, 0))
    return (found, mean) if keeps else (found.squeeze(axes), mean.squeeze(axes))


def _variance(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options
              ) -> tuple[Tensor, Tensor]:
    given = dict(zip((each.name for each in func._schema.arguments), args, strict=False)) | kwargs
    correction = given.get("correction", int(given.get("unbiased", True)))
    return variance(run, given["self"], given.get("dim"), correction, given.get("keepdim", False))


def var(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    return _variance(run, func, args, kwargs)[0]


def var_mean(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    return _variance(run, func, args, kwargs)


def std(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    return run(aten.sqrt.default, _variance(run, func, args, kwargs)[0])


def std_mean(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    found, mean = _variance(run, func, args, kwargs)
    return run(aten.sqrt.default, found), mean


def silu(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    return run(aten.mul.Tensor, args[0], run(aten.sigmoid.default, args[0]))


def silu_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """g s (1 + x (1 - s)), s the sigmoid."""
    gradient, x = args
    s = run(aten.sigmoid.default, x)
    inner = run(aten.add.Tensor, run(aten.mul.Tensor, x, run(aten.rsub.Scalar, s, 1)), 1)
    return run(aten.mul.Tensor, gradient, run(aten.mul.Tensor, s, inner))


def sigmoid_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """g (1 - y) y."""
    gradient, y = args
    return run(aten.mul.Tensor, gradient,
               run(aten.mul.Tensor, run(aten.rsub.Scalar, y, 1), y))


def tanh_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """g (1 - y y)."""
    gradient, y = args
    return run(aten.mul.Tensor, gradient,
               run(aten.rsub.Scalar, run(aten.mul.Tensor, y, y), 1))


def softplus(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """(max(b x, 0) + log(1 + exp(-|b x|))) / b, and x itself where b x is beyond a threshold."""
    x, slope, threshold = _of_softplus(args)
    scaled = run(aten.mul.Tensor, x, slope)
    rest = run(aten.log1p.default, run(aten.exp.default, -scaled.abs()))
    whole = run(aten.add.Tensor, scaled.clamp(min=0), rest)
    return torch.where(scaled > threshold, x, run(aten.div.Tensor, whole, slope))


def softplus_backward(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """g times the sigmoid of b x, and g itself beyond the threshold."""
    gradient, (x, slope, threshold) = args[0], _of_softplus(args[1:])
    scaled = run(aten.mul.Tensor, x, slope)
    found = run(aten.mul.Tensor, gradient, run(aten.sigmoid.default, scaled))
    return torch.where(scaled > threshold, gradient, found)


def _of_softplus(args: Arguments) -> tuple[Tensor, float, float]:
    """What it is taken of, the factor b and the threshold."""
    return (args[0], args[1] if len(args) > 1 else 1.0, args[2] if len(args) > 2 else 20.0)


def fused_product(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """x + v a b."""
    x, one, other = args[:3]
    value = kwargs.get("value", 1)
    found = run(aten.mul.Tensor, one, other)
    return run(aten.add.Tensor, x, found if value == 1 else run(aten.mul.Tensor, found, value))


def fused_quotient(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """x + v a / b."""
    x, one, other = args[:3]
    value = kwargs.get("value", 1)
    found = run(aten.div.Tensor, one, other)
    return run(aten.add.Tensor, x, found if value == 1 else run(aten.mul.Tensor, found, value))


RULES = {
    "_softmax": softmax, "_softmax_backward_data": softmax_backward, "_log_softmax": log_softmax,
    "_log_softmax_backward_data": log_softmax_backward, "logsumexp": logsumexp, "var": var,
    "var_mean": var_mean, "std": std, "std_mean": std_mean, "silu": silu,
    "silu_backward": silu_backward, "sigmoid_backward": sigmoid_backward,
    "tanh_backward": tanh_backward, "softplus": softplus, "softplus_backward": softplus_backward,
    "addcmul": fused_product,
    "addcdiv": fused_quotient,
}
