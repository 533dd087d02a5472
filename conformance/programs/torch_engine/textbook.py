"""Functions that a plain form spells out, and programs differentiate by a formula of their own.

A sigmoid may be written 1 / (1 + exp(-x)), and is differentiated as y (1 - y) nearly everywhere:
where it saturates that cancels, and the plain form's own backward pass does not. A softmax is
differentiated as y (g - sum(g y)), attention with the sum of g times its output. No program is
wrong for that. So each result of the plain form is compared, by its numbers, with what the
functions of `FUNCTIONS` give for what was there before; in some of the perturbed runs such a result
is made by the function itself, which is differentiated by the textbook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from .widening import ATTENTION, attention

Tensor = torch.Tensor
Function = Callable[..., Any]
CLOSE, CLOSE_TO_LARGEST = 1e-10, 1e-13
PROBED = 16  # entries that are looked at first
# What is not looked at twice: results of the functions themselves.
NAMED = frozenset({"sigmoid", "tanh", "softmax", "log_softmax", "silu", "gelu", "softplus",
                   "logsigmoid", "_safe_softmax", "_safe_softmax.default"})


# By name: a function that torch differentiates by the textbook, entry by entry.
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "gelu of tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "softplus": torch.nn.functional.softplus,
    "logsigmoid": torch.nn.functional.logsigmoid,
    "one minus sigmoid": lambda x: 1 - torch.sigmoid(x),
}


# The same along an axis. Where all is masked a softmax is 0 here; by hand it may be not a number.
ALONG: dict[str, Callable[[Tensor, int], Tensor]] = {
    "softmax": torch.ops.aten._safe_softmax,
    "log softmax": torch.log_softmax,
}


class Attention(torch.autograd.Function):
    """softmax(scores) @ values, whose backward takes the sum of g y from the output.

    As in Dao, Fu, Ermon, Rudra, Ré, FlashAttention, 2022, appendix B.4.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, values: Tensor) -> Tensor:
        weights = ALONG["softmax"](scores, -1)
        out = weights @ values
        ctx.save_for_backward(weights, values, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        weights, values, out = ctx.saved_tensors
        of_weights = gradient @ values.transpose(-1, -2)
        whole = (gradient * out).sum(-1, keepdim=True)
        return weights * (of_weights - whole), weights.transpose(-1, -2) @ gradient


class Rewritten(NamedTuple):
    """A call whose result is a function of earlier tensors: its name, and their places in the run.

    axis: along which, of a softmax or its logarithm.
    """

    name: str
    of: tuple[int, ...]
    axis: int = 0

    def made(self, tensors: list[Tensor]) -> Tensor:
        """What the function gives."""
        given = [tensors[i] for i in self.of]
        if self.name == "attention":
            return Attention.apply(*given)  # type: ignore[no-any-return,no-untyped-call]
        if self.name in ALONG:
            return ALONG[self.name](given[0], self.axis)
        return FUNCTIONS[self.name](*given)


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same but for float64's roundings."""
    if one.shape != other.shape or not one.numel():
        return False
    allowed = CLOSE * one.abs() + CLOSE_TO_LARGEST * one.abs().nan_to_num(0, 0, 0).max()
    same = (one == other).logical_or_(one.isnan() & other.isnan())
    return bool(same.logical_or_((one - other).abs() <= allowed).all())


class Calls(TorchFunctionMode):
    """The tensors of a run in the order in which calls gave them, the inputs first."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []

    def around(self, plain: Function) -> Function:
        """The function with the mode on, told of its inputs."""
        def function(*inputs: Any, **options: Any) -> Any:
            self.tensors[:] = filter(_plain, inputs)
            with self:
                return plain(*inputs, **options)

        return function

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is ATTENTION:
            with self:
                return attention(*args, **(kwargs or {}))
        given = func(*args, **(kwargs or {}))
        if isinstance(given, tuple | list):
            self.tensors += filter(_plain, given)
        return self.called(func, given) if _plain(given) else given

    def called(self, func: Any, given: Tensor) -> Tensor:
        """What the call is to give; the result is one of the tensors from here on."""
        self.tensors.append(given)
        return given


def _plain(given: Any) -> bool:
    return isinstance(given, Tensor) and given.dtype == torch.float64 and given.dim() > 0


class Finding(Calls):
    """A run that finds which results may be textbook functions, by the place of the result.

    found: all that a result may be; nothing of a result that has no entries.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, list[Rewritten]] = {}
        self.softmaxes: dict[int, list[int]] = {}

    def called(self, func: Any, given: Tensor) -> Tensor:
        if given.numel():
            with torch.no_grad(), _disable_current_modes():
                self._look(len(self.tensors), getattr(func, "__name__", ""), given.detach())
        return super().called(func, given)

    def _look(self, at: int, name: str, given: Tensor) -> None:
        along = list(self._along(given))
        if name not in NAMED:
            self.found[at] = [*along, *self._attention(given), *self._elementwise(given)]
        scores = [row.of[0] for row in along if row.name == "softmax" and row.axis == -1]
        if scores:
            self.softmaxes[at] = scores

    def _alike(self, given: Tensor) -> Iterator[tuple[int, Tensor]]:
        for i, each in enumerate(self.tensors):
            if each.shape == given.shape:
                yield i, each.detach()

    def _elementwise(self, given: Tensor) -> Iterator[Rewritten]:
        step = max(given.numel() // PROBED, 1)
        few = given.reshape(-1)[::step]
        for i, each in self._alike(given):
            probe = each.reshape(-1)[::step]
            for name, function in FUNCTIONS.items():
                if close(few, function(probe)) and close(given, function(each)):
                    yield Rewritten(name, (i,))

    def _along(self, given: Tensor) -> Iterator[Rewritten]:
        """Softmax and its logarithm: along an axis, the sum of the exponentials is 1, or all are 0.
        """
        for axis in range(-given.dim(), 0):
            for name, exponentials in ("softmax", given), ("log softmax", given.exp()):
                whole = exponentials.sum(axis)
                if close(torch.ones_like(whole), torch.where(whole == 0, 1.0, whole)):
                    yield from (Rewritten(name, (i,), axis) for i, each in self._alike(given)
                                if close(given, ALONG[name](each, axis)))

    def _attention(self, given: Tensor) -> Iterator[Rewritten]:
        """The product of a softmax and of values."""
        for weights, scores in self.softmaxes.items():
            for i, values in enumerate(self.tensors):
                if _fits(self.tensors[weights], values, given) and close(
                        given, self.tensors[weights].detach() @ values.detach()):
                    yield from (Rewritten("attention", (each, i)) for each in scores)


def _fits(one: Tensor, other: Tensor, product: Tensor) -> bool:
    """Whether shapes are those of a product of matrices, or of as many matrices."""
    return (one.dim() == other.dim() == product.dim() >= 2 and one.shape[-1] == other.shape[-2]
            and product.shape == (*one.shape[:-1], other.shape[-1])
            and one.shape[:-2] == other.shape[:-2])


@dataclass
class Spelt:
    """What a plain form spells out: what a result may be in all of some calls.

    On small shapes results are a function of others by chance, so that one call is not enough.
    """

    calls: int = 0
    may: dict[int, list[Rewritten]] = field(default_factory=dict)

    def look(self, call: Callable[[Function], Any], plain: Function) -> None:
        """Look at one call: `call` calls a function in float64."""
        mode = Finding()
        call(mode.around(plain))
        for at, rows in mode.found.items():
            self.may[at] = [row for row in self.may.get(at, rows) if row in rows]
        self.calls += 1

    @property
    def found(self) -> dict[int, Rewritten]:
        """By the place of the result, the function of the earliest tensors that it is."""
        return {at: min(rows, key=lambda row: row.of) for at, rows in self.may.items() if rows}


class Rewriting(Calls):
    """A run in which those results are made by the functions."""

    def __init__(self, found: dict[int, Rewritten]):
        super().__init__()
        self.found = found

    def called(self, func: Any, given: Tensor) -> Tensor:
        row = self.found.get(len(self.tensors))
        if row is not None:
            made = row.made(self.tensors)
            given = made if made.shape == given.shape else given
        return super().called(func, given)


def rewriting(plain: Function, found: dict[int, Rewritten]) -> Function:
    """The plain form with the functions in the place of what spells them out."""
    return lambda *inputs, **options: Rewriting(found).around(plain)(*inputs, **options)
