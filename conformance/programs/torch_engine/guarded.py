"""Memory that tells who wrote where they should not, and who read what they never wrote.

A guarded tensor lies inside a larger buffer, between zones that nobody has a right to write to.
The zones are full of one bits: NaN in every format of floating point, so that a number read from
them shows as well. Memory that is handed out unwritten is guarded in the same way, and full of NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from .modes import Mode

LEAST, MOST = 2**12, 2**20  # bytes of a zone: as long as the tensor itself, between these
ONES = 0xFF                 # every byte of a zone
PLACES = "before its start", "between its entries", "past its end"
Tensor = torch.Tensor
Check = Callable[[], str]
Placed = tuple[Tensor, Tensor]  # a buffer, and the tensor that lies in it
_USED: list[Placed] = []     # in the call before
_clone = Tensor.clone       # as it is before anybody else is imported


def guarded(tensor: Tensor, keep: Callable[[Placed], None] = lambda _: None,
            used: list[Placed] | None = None, front: bool = True) -> tuple[Tensor, Check]:
    """The same numbers with the same strides, between guard zones; and who looks at the zones.

    keep hears of the buffer that it lies in, and of the tensor; used: such pairs, one of which it
    may be; front: whether there is a zone before it, so that it begins within its storage. The
    check returns "" where they are as they were, else the first of PLACES that was
    written to. What is no plain strided tensor on a device with memory comes back as it is.
    """
    if not _can_be(tensor):
        return tensor, _nothing
    buffer, inside = placed = _placed(tensor, [] if used is None else used, front)
    keep(placed)
    start = _zone(tensor) if front else 0
    end = start + _extent(tensor) * tensor.element_size()
    with torch.no_grad():
        spread = inside.as_strided(*_once(tensor))
        spread.copy_(tensor.detach().as_strided(*_once(tensor), tensor.storage_offset()))
    inside.requires_grad_(tensor.requires_grad)
    before = _held(buffer)
    entries = _entries(tensor, start, len(before))

    def check() -> str:
        if inside.untyped_storage().nbytes() != len(before):  # resized: nobody knows what is whose
            return ""
        return _written(before, _held(buffer), entries, start, end)

    return inside, check


class poisoned(Mode):  # noqa: N801 - a context
    """Within it torch.empty and its like hand out memory that is full of NaN, and guarded.

    Integers are the largest there are, booleans True. check() returns whose zones were written to,
    as "torch.empty (past its end)"; "" for none. Memory that NumPy hands out, or an operation of
    C++ to itself, is as it comes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._checks: list[tuple[str, Check]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in FACTORIES or not isinstance(made, Tensor):
            return made
        own = made.numel() > 0 and "out" not in (kwargs or {})  # an empty one is often resized
        # PyTorch's own backward of a slice that was assigned to takes its memory to begin at 0
        filled, check = guarded(made, front=False) if own else (made, _nothing)
        _poison(filled)
        self._checks.append((f"torch.{name}", check))
        return filled

    def check(self) -> str:
        """The first buffer beyond which somebody wrote."""
        found = ((name, check()) for name, check in self._checks)
        return next((f"{name} ({place})" for name, place in found if place), "")


class Guards:
    """Everything of one call that is guarded: what it is given, and the memory it asks for.

    memory: the context that the call runs in. told() says what was written beyond, one after
    another: "x (past its end)", "torch.empty (before its start)".
    """

    def __init__(self, poison: bool):
        self.memory: Any = poisoned() if poison else nullcontext()
        self._checks: list[tuple[str, Check]] = []
        self._placed: list[Placed] = []

    def around(self, name: str, tensor: Tensor | None) -> Tensor | None:
        """The tensor, guarded under that name; None for None.

        It is a tensor of the call before, if one was like it, with other numbers in it: whoever
        takes an object or an address for a name of what is in it is found out.
        """
        if tensor is None:
            return None
        inside, check = guarded(tensor, self._placed.append, _USED)
        self._checks.append((name, check))
        return inside

    def told(self) -> list[str]:
        """Each that somebody wrote beyond, with the place; what is guarded is not used after it."""
        found = [f"{name} ({place})" for name, check in self._checks if (place := check())]
        beyond = self.memory.check() if isinstance(self.memory, poisoned) else ""
        _USED[:] = self._placed
        return [*found, *([beyond] if beyond else [])]


FACTORIES = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
             "new_empty_strided"}


def _nothing() -> str:
    return ""


def _poison(tensor: Tensor) -> None:
    """NaN, the largest integer, True; what cannot be filled stays."""
    if not _can_be(tensor):
        return
    with torch.no_grad():
        if tensor.dtype.is_floating_point or tensor.dtype.is_complex:
            tensor.fill_(float("nan"))
        else:
            tensor.fill_(True if tensor.dtype == torch.bool else torch.iinfo(tensor.dtype).max)


def _can_be(tensor: Tensor) -> bool:
    return (type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout == torch.strided
            and tensor.device.type in ("cpu", "cuda") and not tensor.is_quantized)


def _placed(tensor: Tensor, used: list[Placed], front: bool) -> Placed:
    """A buffer of ones, and in it a tensor of the same shape and strides, whatever its numbers are.

    It is no view of the buffer, for autograd: a leaf like any other.
    """
    width, zone = tensor.element_size(), _zone(tensor)
    size = (1 + front) * zone + _rounded(_extent(tensor) * width)
    for i, (buffer, inside) in enumerate(used):
        if buffer.numel() == size and _is_in(inside, buffer) and _alike(inside, tensor):
            inside.grad = None
            buffer.fill_(ONES)
            return used.pop(i)
    buffer = torch.full((size,), ONES, dtype=torch.uint8, device=tensor.device)
    inside = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    at = zone // width if front else 0
    inside.set_(buffer.untyped_storage(), at, tensor.shape, tensor.stride())
    return buffer, inside


def _is_in(inside: Tensor, buffer: Tensor) -> bool:
    """Whether it still lies in the buffer, and that is as long as it was."""
    storage = inside.untyped_storage()
    return (storage.data_ptr() == buffer.untyped_storage().data_ptr()
            and storage.nbytes() == buffer.numel())


def _alike(inside: Tensor, tensor: Tensor) -> bool:
    """Whether the one that was used can be the other."""
    return (inside.is_leaf and inside.storage_offset() * tensor.element_size() == _zone(tensor)
            and all(getattr(inside, what) == getattr(tensor, what)
                    for what in ("shape", "dtype", "device", "requires_grad"))
            and inside.stride() == tensor.stride())


def _zone(tensor: Tensor) -> int:
    """How many bytes lie before it, and as many behind it."""
    return min(max(LEAST, _rounded(_extent(tensor) * tensor.element_size())), MOST)


def _extent(tensor: Tensor) -> int:
    """How many entries lie from the first to the last one in memory."""
    if tensor.numel() == 0:
        return 0
    return 1 + sum((n - 1) * step
                   for n, step in zip(tensor.shape, tensor.stride(), strict=True))


def _rounded(size: int) -> int:
    """To a multiple of 64 bytes, which every allocation begins at."""
    return -(-size // 64) * 64


def _once(tensor: Tensor) -> tuple[list[int], list[int]]:
    """Shape and strides in which an expanded axis, all of which is one entry, is there once."""
    steps = list(tensor.stride())
    shape = [1 if step == 0 and n else n for n, step in zip(tensor.shape, steps, strict=True)]
    return shape, steps


def _held(buffer: Tensor) -> Any:
    """A copy of all its bytes, as NumPy has them; memory that NumPy shares cannot be resized."""
    return _clone(buffer).cpu().numpy()


def _entries(tensor: Tensor, start: int, size: int) -> Any:
    """Which bytes of the buffer are the tensor's own, as a mask."""
    own, width = np.zeros(size, bool), tensor.element_size()
    shape, steps = _once(tensor)
    inside = own[start:start + max(_extent(tensor), 0) * width]
    if inside.size:
        np.lib.stride_tricks.as_strided(inside, (*shape, width),
                                        (*(step * width for step in steps), 1))[...] = True
    return own


def _written(before: Any, after: Any, entries: Any, start: int, end: int) -> str:
    """The first of PLACES at which bytes that are not the tensor's own have changed."""
    changed = np.flatnonzero((before != after) & ~entries)
    if not changed.size:
        return ""
    first, last = int(changed[0]), int(changed[-1])
    return PLACES[0] if first < start else PLACES[2] if last >= end else PLACES[1]
