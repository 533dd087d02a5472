"""What each operation of PyTorch's dispatcher owes: a rule for every name.

A rule does one operation of a perturbed run. An operation that has no row here is taken apart by
PyTorch's own decompositions into some that have; where there is none, its operands owe a rounding
each, and its result is off by the largest of its entries.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch._decomp import decomposition_table

from . import composed, deciding, summing
from .rows import rows
from .widening import Arguments, Options

if TYPE_CHECKING:
    from .perturbed_run import PerturbedRun

Tensor = torch.Tensor
Rule = Callable[["PerturbedRun", Any, Arguments, Options], Any]


def exact(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Nothing is rounded: numbers are moved, chosen, negated, compared."""
    return func(*args, **kwargs)


def each_entry(units: float) -> Rule:
    """An operation entry by entry that owes so many units."""
    def rule(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
        args = tuple(run.constant(each) if type(each) is float else each for each in args)
        return run.rounded(func(*args, **kwargs), units)
    return rule


def elementary(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """An elementary function, of which libraries have the last digits in different ways."""
    args = tuple(run.constant(each) if type(each) is float else each for each in args)
    return run.off(func(*args, **kwargs), run.elementary)


def scaled(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A product or quotient, exact where the other operand is a power of two."""
    other = args[1] if len(args) > 1 else None
    if isinstance(other, int | float) and other and abs(other) == 2.0 ** round_log2(other):
        return func(*args, **kwargs)
    return each_entry(1.0)(run, func, args, kwargs)


def round_log2(number: float) -> int:
    return int(torch.tensor(float(number), dtype=torch.float64).abs().log2().round())


def added(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A sum of two, the second times a factor that owes a rounding of its own.

    What is added to a product of matrices may be what its sum starts with, and then is as large as
    every partial sum.
    """
    alpha = kwargs.pop("alpha", args[2] if len(args) > 2 else 1)
    other = args[1] if alpha == 1 else run(torch.ops.aten.mul.Tensor, args[1], alpha)
    count = max(map(run.addends, args[:2]))
    if count == 1:
        return each_entry(1.0)(run, func, (args[0], other), kwargs)
    result = func(args[0], other, **kwargs)
    return run.summed(result, result.abs(), count)


POWERS = {1.0: 0.0, 2.0: 1.0, 3.0: 2.0, 0.5: 1.0, -0.5: 2.0, -1.0: 1.0, -2.0: 2.0}


def power(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """A power: a few products where the exponent is one of `POWERS`."""
    exponent = args[1]
    if isinstance(exponent, int | float) and float(exponent) in POWERS:
        return run.rounded(func(*args, **kwargs), POWERS[float(exponent)])
    return elementary(run, func, args, kwargs)


def unknown(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """Backward stable is what is asked: operands off by a rounding each, and the result by units of
    the largest entry of each of its matrices.
    """
    result = func(*(run.rounded(each) if _is_real(each) else each for each in args), **kwargs)
    if isinstance(result, tuple | list):
        return type(result)(_normwise(run, each) for each in result)
    return _normwise(run, result)


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64


def _normwise(run: PerturbedRun, result: Any) -> Any:
    if not _is_real(result) or not result.numel():
        return result
    axes = tuple(range(-min(result.dim(), 2), 0))
    size = result.abs().amax(axes, keepdim=True) if axes else result.abs()
    return torch.addcmul(result, run.drawn(result), size, value=run.elementary)


def taken_apart(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """By PyTorch's decomposition, whose operations come back to the mode."""
    with run:
        return decomposition_table[func](*args, **kwargs)


def composite(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """By what the dispatcher itself makes of it."""
    with run:
        return func.decompose(*args, **kwargs)


def in_place(run: PerturbedRun, func: Any, args: Arguments, kwargs: Options) -> Any:
    """The operation that makes a new tensor, copied into the one that is to change."""
    target = kwargs.pop("out", args[0] if args else None)
    return target.copy_(run(beside(func), *args, **kwargs))


@cache
def beside(func: Any) -> Any:
    """The operation that makes a new tensor of what this one changes; None where there is none."""
    name = func._schema.name.split("::")[1].removesuffix("_")
    packet = getattr(torch.ops.aten, name, None)
    overloads = [getattr(packet, each) for each in packet.overloads()] if packet else []
    return next((each for each in overloads if not each._schema.is_mutable
                 and _takes(each) == _takes(func)), None)


def _takes(func: Any) -> list[tuple[str, str]]:
    return [(each.name, str(each.type)) for each in func._schema.arguments if each.name != "out"]


EXACT = rows("""
_conj _conj_physical _efficientzerotensor _local_scalar_dense _pin_memory _reshape_alias
_reshape_copy _to_copy _unsafe_index _unsafe_masked_index _unsafe_view abs absolute alias alias_copy
all allclose any argwhere as_strided as_strided_copy as_strided_scatter bernoulli bitwise_and
bitwise_not bitwise_or bitwise_xor broadcast_in_dim broadcast_to bucketize cat channel_shuffle chunk
clone conj conj_physical constant_pad_nd convert_element_type copy copysign count_nonzero detach
device_put diag diag_embed diagonal diagonal_copy diagonal_scatter embedding empty empty_like
empty_strided eq equal expand expand_copy fill flip full_like gather imag index index_copy
index_fill index_select is_nonzero isfinite isinf isnan isneginf isposinf lift lift_fresh
lift_fresh_copy logical_and logical_not logical_or logical_xor masked_fill masked_scatter
masked_select max_unpool2d max_unpool3d movedim nan_to_num narrow narrow_copy ne neg new_empty
new_empty_strided new_full new_ones new_zeros nextafter nonzero nonzero_static ones_like permute
permute_copy pixel_shuffle pixel_unshuffle positive put rand_like randint_like randn_like real
reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave
replication_pad1d replication_pad2d replication_pad3d reshape resize resize_as roll rot90 scatter
searchsorted select select_backward select_copy select_scatter set signbit slice slice_backward
slice_copy slice_scatter split split_copy split_with_sizes split_with_sizes_copy squeeze
squeeze_copy stack sym_numel sym_size sym_stride sym_storage_offset t t_copy take tensor_split
transpose transpose_copy tril triu unbind unbind_copy unfold unfold_copy unique_consecutive
unique_dim unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_copy
upsample_nearest1d upsample_nearest2d upsample_nearest3d value_selecting_reduction_backward
view view_as view_as_complex view_as_real view_copy view_of where zero zeros_like
""", exact)
RULES: dict[str, Rule] = (
    EXACT
    | rows("hypot reciprocal rsub sqrt", each_entry(1.0)) | rows("rsqrt", each_entry(2.0))
    | rows("mul div true_divide", scaled) | rows("add sub", added) | rows("pow", power)
    | rows("""
acos acosh asin asinh atan atan2 atanh cos cosh digamma erf erfc erfinv exp exp2 expm1 float_power
i0 igamma igammac lgamma log log10 log1p log2 logaddexp logaddexp2 mvlgamma polygamma sigmoid
sin sinc sinh special_bessel_j0 special_bessel_j1 special_entr special_erfcx special_i0e special_i1
special_i1e special_log_ndtr special_ndtr special_ndtri special_xlog1py special_zeta tan tanh xlogy
""", elementary)
    | deciding.RULES | summing.RULES | composed.RULES
)


@cache
def rule_of(func: Any) -> Rule:
    """The rule of an overload of the dispatcher."""
    name = func._schema.name.split("::")[1]
    if func.is_view:
        return exact
    if func._schema.is_mutable:
        rule = RULES.get(name.removesuffix("_"))
        return exact if rule is exact or beside(func) is None else in_place
    if name in RULES:
        return RULES[name]
    if func in decomposition_table:
        return taken_apart
    return composite if func._can_decompose() else unknown

