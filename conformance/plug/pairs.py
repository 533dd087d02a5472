"""Pairs of functions as layers: the one gives (y, cache), the other takes (dy, cache).

    layers(dense=pair(affine_forward, affine_backward, "weight", "bias"),
           relu=pair(relu_forward, relu_backward),
           softmax_cross_entropy=pair(softmax_loss))
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .layer_rows import OURS, Layer
from .layouts import Layout

Function = Callable[..., Any]


class _Pair:
    """Makes the object whose methods the functions are; it keeps nothing."""

    def __init__(self, forward: Function, backward: Function | None):
        self.methods = {_name(forward, "forward"): forward}
        if backward is not None:
            self.methods[_name(backward, "backward")] = backward
        self.names = tuple(self.methods)
        self.__name__ = self.names[0].removesuffix("_forward")
        self.__wrapped__ = forward  # where its source is

    def __call__(self) -> SimpleNamespace:
        return SimpleNamespace(**self.methods)


def _name(function: Function, otherwise: str) -> str:
    name = str(getattr(function, "__name__", otherwise))
    return name if name.isidentifier() else otherwise


def pair(forward: Function, backward: Function | None = None, *arrays: str, forwards: str = "",
         backwards: str = "", layout: Layout = OURS, own_loss: bool = True,
         averages: bool = False) -> Layer:
    """A layer of two functions; one function alone is a loss, which gives (loss, dL/dp).

    `arrays` are the layer's arrays ("weight", "bias") in the order in which forward takes them
    behind x, and backward returns their gradients behind dx. Where that is otherwise, `forwards`
    and `backwards` say it, "(x, weight) -> y" for forward and "(dy, x, weight) -> dx, weight" for
    backward: without a cache backward is given what it names, among x, y, dy, the arrays, and
    whatever forward returned. The rest is as in `Layer`.
    """
    made = _Pair(forward, backward)
    if backward is None:
        return Layer(make=made, arguments=(), layout=layout, own_loss=own_loss,
                     forward=f"{made.names[0]}{forwards or '(p, t) -> loss, dp'}")
    forwards = forwards or _written(("x", *arrays), ("y", "cache"))
    backwards = backwards or _written(("dy", "cache"), ("dx", *arrays))
    return Layer(make=made, arguments=(), layout=layout, own_loss=own_loss, averages=averages,
                 forward=made.names[0] + forwards, backward=made.names[-1] + backwards)


def _written(takes: tuple[str, ...], gives: tuple[str, ...]) -> str:
    return f"({', '.join(takes)}) -> {', '.join(gives)}"
