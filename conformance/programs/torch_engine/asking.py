"""A program of PyTorch asked: called, differentiated by autograd, and watched while it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from ..trial import Reply, Trial, output
from .guarded import Guards
from .tensors import Tensor, name_of, numbers_of, same_bits, tensor_of

Array = Any
Function = Callable[..., Any]


class NoTensorError(TypeError):
    """What a program gave back is no tensor, and no tuple, list or dict of tensors."""


@dataclass
class Call:
    """One call of a function: the tensors it was given, as they are and as they were."""

    inputs: dict[str, Tensor | None]
    before: dict[str, Tensor | None]
    outputs: list[Tensor | None]

    def leaves(self, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: each for name in names if (each := self.inputs[name]) is not None}

    def takes(self, cotangents: Sequence[Tensor | None]) -> bool:
        """Whether the outputs are as many as the cotangents, and of their shapes."""
        return len(self.outputs) == len(cotangents) and all(
            out is None or each is None or out.shape == each.shape
            for out, each in zip(self.outputs, cotangents, strict=True))

    def pairs(self, cotangents: Sequence[Tensor | None]) -> list[tuple[Tensor, Tensor]]:
        """The outputs that have a gradient and are used, each with its cotangent."""
        return [(out, cotangent) for out, cotangent in zip(self.outputs, cotangents, strict=False)
                if out is not None and cotangent is not None and out.requires_grad]


def flat(outputs: Any) -> list[Tensor | None]:
    """The outputs one after another, of a tensor, None, or a tuple, list or dict of these.

    Raises NoTensorError for anything else.
    """
    if outputs is None or isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    if isinstance(outputs, tuple | list):
        return [tensor for each in outputs for tensor in flat(each)]
    raise NoTensorError(f"output: wanted a tensor, or a tuple, list or dict of tensors; received "
                        f"{type(outputs).__name__}")


def called(function: Function, trial: Trial, device: str = "cpu",
           dtype: torch.dtype | None = None, guards: Guards | None = None) -> Call:
    """The function called with the trial's inputs as leaves; dtype: in that instead of their own.
    """
    inputs = {name: None if value is None else tensor_of(value, device, dtype)
              for name, value in trial.inputs.items()}
    for name in trial.wanted:
        tensor = inputs[name]
        assert tensor is not None
        inputs[name] = tensor.detach().requires_grad_()
    if guards is not None:
        inputs = {name: guards.around(name, each) for name, each in inputs.items()}
    before = {name: None if each is None else each.detach().clone()
              for name, each in inputs.items()}
    with nullcontext() if guards is None else guards.memory:
        outputs = function(*inputs.values(), **trial.options)
    return Call(inputs, before, flat(outputs))


def pulled(call: Call, trial: Trial, cotangents: Sequence[Tensor | None],
           keep: bool = False) -> dict[str, Tensor | None]:
    """The gradients of the inputs that are wanted; None where autograd has none."""
    pairs, leaves = call.pairs(cotangents), list(call.leaves(trial.wanted).values())
    if not pairs or not leaves:
        return dict.fromkeys(trial.wanted)
    outs, given = zip(*pairs, strict=True)
    found = torch.autograd.grad(outs, leaves, given, allow_unused=True, retain_graph=keep)
    return dict(zip(trial.wanted, found, strict=True))


def accumulated(call: Call, trial: Trial, cotangents: Sequence[Tensor | None],
                keep: bool = False) -> dict[str, Tensor | None]:
    """The same, as a training step gets them: `.grad` of the inputs after a backward.

    Checkpoints that run a part again accept no other way.
    """
    pairs, leaves = call.pairs(cotangents), call.leaves(trial.wanted)
    for leaf in leaves.values():
        leaf.grad = None
    if pairs and leaves:
        outs, given = zip(*pairs, strict=True)
        torch.autograd.backward(outs, given, retain_graph=keep)
    return {name: leaf.grad for name, leaf in leaves.items()}


def cotangents_of(trial: Trial, device: str = "cpu",
                  dtype: torch.dtype | None = None) -> list[Tensor | None]:
    return [None if value is None else tensor_of(value, device, dtype)
            for value in trial.cotangents]


def shapes(function: Function, trial: Trial, dtype: torch.dtype | None = torch.float64
           ) -> list[tuple[int, ...] | None]:
    """The shape of every output that takes a cotangent, else None."""
    call = called(function, trial, dtype=dtype)
    return [tuple(each.shape) if each is not None and each.dtype.is_floating_point
            and (each.requires_grad or not trial.wanted) else None for each in call.outputs]


def answered(function: Function, trial: Trial, device: str = "cpu") -> Reply:
    """What the program answers, called as often as the trial says."""
    guards = Guards(trial.poison)
    given = [guards.around(f"cotangent {i}", each)
             for i, each in enumerate(cotangents_of(trial, device))]
    as_given = [None if each is None else each.clone() for each in given]
    call = called(function, trial, device, guards=guards)
    if not call.takes(given):  # there is nothing to differentiate; the outputs tell why
        return Reply([numbers_of(each) for each in call.outputs], {}, _dtypes(call, {}))
    with guards.memory:
        gradients = accumulated(call, trial, given, keep=trial.twice)
    reply = Reply([numbers_of(each) for each in call.outputs],
                  {name: numbers_of(each) for name, each in gradients.items()},
                  _dtypes(call, gradients))
    if trial.twice:
        reply.second = _again(call, trial, given)
    reply.touched = (*_touched(call, given, as_given), *guards.told())
    for _ in range(trial.repeats - 1):
        other = called(function, trial, device)
        _differ(reply, call.outputs, gradients, other,
                accumulated(other, trial, cotangents_of(trial, device)))
    return reply


def _dtypes(call: Call, gradients: Mapping[str, Tensor | None]) -> dict[str, str]:
    outputs = {output(i): name_of(each) for i, each in enumerate(call.outputs)}
    return outputs | {name: name_of(each) for name, each in gradients.items()}


def _again(call: Call, trial: Trial, given: Sequence[Tensor | None]) -> Any:
    """A second backward over the same forward: its gradients, or what it raised."""
    try:
        second = accumulated(call, trial, given)
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    return {name: numbers_of(each) for name, each in second.items()}


def _touched(call: Call, given: Sequence[Tensor | None],
             before: Sequence[Tensor | None]) -> Iterator[str]:
    """What the call has changed of what it was given."""
    for name, now in call.inputs.items():
        was = call.before[name]
        if now is not None and was is not None and not same_bits(now.detach(), was):
            yield name
    for i, (now, was) in enumerate(zip(given, before, strict=True)):
        if now is not None and was is not None and not same_bits(now, was):
            yield f"cotangent {i}"


def _differ(reply: Reply, outputs: Sequence[Tensor | None], gradients: Mapping[str, Tensor | None],
            other: Call, others: Mapping[str, Tensor | None]) -> None:
    """Note by key how far a repeated call is off, where its bits are not the same."""
    first = {output(i): each for i, each in enumerate(outputs)} | dict(gradients)
    second = {output(i): each for i, each in enumerate(other.outputs)} | dict(others)
    for key, one in first.items():
        again = second.get(key)
        if one is None or again is None or same_bits(one.detach(), again.detach()):
            continue
        far = (one.detach().double() - again.detach().double()).abs().max()
        reply.differing[key] = max(reply.differing.get(key, 0.0), float(far.nan_to_num(torch.inf)))
