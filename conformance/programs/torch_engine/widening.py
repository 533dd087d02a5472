"""A plain form computes in float64, whatever casts to lower precision it contains.

`x.float()`, `softmax(..., dtype=torch.float32)`, `torch.zeros(n)`, `torch.tensor(0.1)`: written
for the program's own dtype, they would round the truth. Under `Wide` they give float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .modes import Mode

Arguments = tuple[Any, ...]
Options = dict[str, Any]

NARROW = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
                    torch.float8_e5m2})
# Functions of Python numbers or arrays, which no operation of the dispatcher sees as such.
MAKERS = frozenset({torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy,
                    torch.Tensor.new_tensor})

ATTENTION = torch.nn.functional.scaled_dot_product_attention


def widened(value: Any) -> Any:
    """float64 for a narrower dtype; anything else as it is."""
    return torch.float64 if isinstance(value, torch.dtype) and value in NARROW else value


@cache
def _makes(operation: Any) -> bool:
    """Whether it makes a tensor of none, in a dtype that it can be told."""
    arguments = operation._schema.arguments
    takes = any("Tensor" in str(each.type) for each in arguments)
    return not takes and any(each.name == "dtype" for each in arguments)


class Wide(Mode):
    """The operations of a plain form and of its backward, in float64."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Arguments = (),
                           kwargs: Options | None = None) -> Any:
        args = tuple(map(widened, args))
        kwargs = {name: widened(value) for name, value in (kwargs or {}).items()}
        if not _makes(func):
            return self.done(func, args, kwargs)
        made = func(*args, **kwargs)
        narrow = isinstance(made, torch.Tensor) and made.dtype in NARROW
        return self.made(func(*args, **kwargs | {"dtype": torch.float64}) if narrow else made)

    def done(self, func: Any, args: Arguments, kwargs: Options) -> Any:
        """The result of one operation."""
        return func(*args, **kwargs)

    def made(self, tensor: Any) -> Any:
        """A tensor that was made of Python numbers."""
        return tensor


class WideMakers(TorchFunctionMode):
    """The same for what the dispatcher does not see: tensors of Python numbers, fused attention.

    mode: what is told of the tensors that are made.
    """

    def __init__(self, mode: Wide):
        super().__init__()
        self.mode = mode

    def __torch_function__(self, func: Any, types: Any, args: Arguments = (),
                           kwargs: Options | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in MAKERS:
            return self._made(func, args, kwargs)
        if func is ATTENTION:
            return attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _made(self, func: Callable[..., Any], args: Arguments, kwargs: Options) -> Any:
        if "dtype" in kwargs:
            kwargs["dtype"] = widened(kwargs["dtype"])
        made = func(*args, **kwargs)
        if made.dtype not in NARROW:
            return made
        if func is torch.from_numpy:
            return made.to(torch.float64)
        return self.mode.made(func(*args, **kwargs | {"dtype": torch.float64}))


def attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
              is_causal: bool = False, *, scale: float | None = None,
              enable_gqa: bool = False) -> Any:
    """Scaled dot-product attention of single operations, as torch's documentation has it."""
    if enable_gqa:
        group = query.shape[-3] // key.shape[-3]
        key, value = (each.repeat_interleave(group, -3) for each in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = torch.ops.aten._safe_softmax(scores, -1)
    return (torch.dropout(weights, dropout_p, True) if dropout_p else weights) @ value


@contextmanager
def wide(mode: Wide | None = None) -> Iterator[Wide]:
    """Both modes; the state of torch's random numbers is as before afterwards."""
    mode = Wide() if mode is None else mode
    with torch.random.fork_rng(devices=[]), mode, WideMakers(mode):
        yield mode
