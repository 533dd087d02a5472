"""The backward pass of a plain form as a graph whose edges can be changed.

Backward is linear in what flows: where an edge carries h instead of g, the gradients of the inputs
are off by what h - g alone gives. So a change of one edge costs the backward of what is below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from ..trial import Arrays, Trial, output
from . import recording
from .asking import cotangents_of, flat
from .recording import Call, Edits, Operand, Tensor
from .tensors import numbers_of, tensor_of

Array = Any
Function = Callable[..., Any]
Change = Callable[[Array], Array]
IMPOSSIBLE = (RuntimeError, IndexError, ValueError, TypeError)


class Graph:
    """A plain form recorded for a trial, in float64 on the CPU.

    leaves: the inputs whose gradients are wanted. gradients: those, by input, once the one that
    made the graph has asked `backward` for them.
    """

    def __init__(self, plain: Function, trial: Trial, edits: Edits | None = None) -> None:
        self.trial = trial
        self.inputs = {name: None if value is None else tensor_of(value, dtype=torch.float64)
                       for name, value in trial.inputs.items()}
        self.leaves = {name: each.requires_grad_() for name in trial.wanted
                       if (each := self.inputs[name]) is not None}
        recorder, result = recording.recorded(plain, self.inputs, dict(trial.options), edits)
        self.calls = recorder.calls
        self.made = recorder.made
        self.outputs = flat(result)
        self.cotangents = cotangents_of(trial, dtype=torch.float64)
        self.gradients: Arrays = {}
        self._open: Any = None

    def block(self, edge: Any) -> None:
        """From now on nothing flows through the edge, but what is sent into that very edge."""
        edge.node.register_prehook(_hook(
            edge.output_nr, lambda given: given if self._open is edge else np.zeros_like(given)))

    def pairs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The outputs that are used and have a gradient, with their cotangents."""
        for i, (out, cotangent) in enumerate(zip(self.outputs, self.cotangents, strict=False)):
            if out is not None and cotangent is not None and out.requires_grad:
                yield i, out, cotangent

    def backward(self, beside: Sequence[Any] = ()) -> tuple[Arrays, list[Array | None]]:
        """The gradients of the leaves, and what flows through further edges."""
        pairs = [(out, cotangent) for _, out, cotangent in self.pairs()]
        names, wanted = list(self.leaves), [*self.leaves.values(), *beside]
        if not pairs or not names:
            return {}, [None] * len(beside)
        outs, given = zip(*pairs, strict=True)
        found = torch.autograd.grad(outs, wanted, given, retain_graph=True, allow_unused=True)
        arrays = [_array(each) for each in found]
        return self._filled(dict(zip(names, arrays, strict=False))), arrays[len(names):]

    def _filled(self, gradients: Mapping[str, Array | None]) -> Arrays:
        """Zeros where autograd has no gradient."""
        return {name: np.zeros(tuple(self.leaves[name].shape)) if each is None else each
                for name, each in gradients.items()}

    def answers(self) -> Arrays:
        """Outputs and gradients by key."""
        outputs = {output(i): numbers_of(each) for i, each in enumerate(self.outputs)
                   if each is not None and each.dtype.is_floating_point}
        return outputs | self.backward()[0]

    def flow(self, edge: Any, difference: Array) -> Arrays:
        """By input that it reaches, by how much the gradient is off where an edge's is so much off.
        """
        names, self._open = list(self.leaves), edge
        given = torch.from_numpy(np.array(difference, order="C"))
        found = torch.autograd.grad([edge], list(self.leaves.values()), [given],
                                    retain_graph=True, allow_unused=True)
        self._open = None
        return {name: numbers_of(each) for name, each in zip(names, found, strict=True)
                if each is not None}

    def changed(self, changes: Sequence[tuple[Any, Change]]) -> Arrays:
        """The gradients where several edges carry something else, each a function of what it would.
        """
        with ExitStack() as stack:
            for edge, change in changes:
                handle = edge.node.register_prehook(_hook(edge.output_nr, change))
                stack.callback(handle.remove)
            return self.backward()[0]


def _array(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else tensor.detach().numpy()


def _hook(number: int, change: Change) -> Callable[[Any], Any]:
    """Before a node of autograd runs: one of the gradients that flow into it is changed."""
    def hook(given: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        old = given[number]
        if old is None:
            return given
        new = torch.from_numpy(np.array(change(old.detach().numpy())))
        return (*given[:number], new, *given[number + 1:])
    return hook


def again(call: Call, operand: Operand, upstreams: Sequence[Array | None],
          others: Mapping[tuple[Any, ...], Any]) -> Array | None:
    """What flows to an operand of the call, made again with other arguments at some places.

    None where the call cannot be made so, or nothing flows.
    """
    try:
        return _again(call, operand, upstreams, others)
    except IMPOSSIBLE:
        return None


def _again(call: Call, operand: Operand, upstreams: Sequence[Array | None],
           others: Mapping[tuple[Any, ...], Any]) -> Array | None:
    given = {place: torch.from_numpy(np.array(each)) if isinstance(each, np.ndarray) else each
             for place, each in others.items()}
    leaf = given.get(operand.place, operand.tensor).detach().clone().requires_grad_()
    written = recording.in_place(call.name)
    with torch.enable_grad():
        given[operand.place] = leaf * 1 if written and operand.place == (0, 0) else leaf
        args, kwargs = recording.replaced((call.arguments, call.options), given)
        if written and operand.place != (0, 0):
            args = (args[0].clone(), *args[1:])
        result = call.run(*args, **kwargs)
        results = [each for _, each in recording.tensors(args[0] if result is None else result)
                   if each.dtype.is_floating_point]
    pairs = [(each, torch.from_numpy(np.array(upstream, order="C")))
             for each, upstream in zip(results, upstreams, strict=True)
             if upstream is not None and each.requires_grad]
    if not pairs:
        return None
    outs, flowing = zip(*pairs, strict=True)
    (found,) = torch.autograd.grad(outs, leaf, flowing, allow_unused=True)
    return _array(found)
