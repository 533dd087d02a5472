"""Values as tensors: of a dtype, on a device, and in the layout that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..trial import Value

Array = Any
Tensor = torch.Tensor
PAD = 3  # numbers before an offset tensor, and after each row of a padded one


def _offset(tensor: Tensor) -> Tensor:
    flat = tensor.new_empty(tensor.numel() + PAD)
    flat[PAD:] = tensor.reshape(-1)
    return flat[PAD:].view(tensor.shape)


def _every_other(tensor: Tensor) -> Tensor:
    wide = tensor.new_zeros((*tensor.shape[:-1], 2 * tensor.shape[-1]))
    wide[..., ::2] = tensor
    return wide[..., ::2]


def _padded(tensor: Tensor) -> Tensor:
    wide = tensor.new_full((*tensor.shape[:-1], tensor.shape[-1] + PAD), 7)
    wide[..., :tensor.shape[-1]] = tensor
    return wide[..., :tensor.shape[-1]]


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)


def _expanded(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1)[:1].reshape((1,) * tensor.dim()).clone().expand(tensor.shape)


# The rows of `layouts.LAYOUTS`, as PyTorch makes them.
LAID: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda tensor: tensor,
    "transposed": _transposed,
    "every other": _every_other,
    "offset": _offset,
    "padded rows": _padded,
    "channels last": lambda tensor: tensor.contiguous(memory_format=torch.channels_last),
    "expanded": _expanded,
    "expanded rows": lambda tensor: tensor[:1].clone().expand(tensor.shape),
}


def tensor_of(value: Value, device: str = "cpu", dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of the value's numbers, in its own dtype and layout; dtype: contiguous, in that."""
    numbers = torch.from_numpy(np.array(value.numbers))
    if dtype is not None:
        return numbers.to(dtype) if value.is_real else numbers
    made = numbers.to(dtype_of(value.dtype)).to(device)
    return LAID[value.layout](made)


def dtype_of(name: str) -> torch.dtype:
    """torch.bfloat16 of "bfloat16"."""
    found: torch.dtype = getattr(torch, name)
    return found


def numbers_of(tensor: Tensor | None) -> Array:
    """A tensor's numbers as NumPy has them, real ones in float64; None for None."""
    if tensor is None:
        return None
    plain = tensor.detach().cpu()
    if plain.is_sparse:
        plain = plain.to_dense()
    if plain.dtype.is_floating_point:
        return plain.to(torch.float64).numpy().copy()
    return plain.resolve_conj().numpy().copy()


def name_of(tensor: Tensor | None) -> str:
    """"bfloat16"; "None" where there is no tensor."""
    return "None" if tensor is None else str(tensor.dtype).removeprefix("torch.")


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one dtype are the same, NaN included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    equal = one == other
    if one.dtype.is_floating_point:
        equal |= one.isnan() & other.isnan()
    return bool(equal.all())
