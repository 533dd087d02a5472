"""A function of JAX as a list of steps: its jaxpr, with the calls inside it written out.

JAX's own interpreter compiles each operation for each shape, some 10 ms a time; a list of steps is
computed by NumPy instead (`computing.py`), and each step can be watched, perturbed or changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from ..trial import Array, Line
from .lines import home_of, is_library, line_of

Function = Callable[..., Any]
# The calls that are only names for the equations inside, and the parameter that holds those.
INLINE = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
          "checkpoint": "jaxpr", "remat": "jaxpr", "remat2": "jaxpr", "custom_lin": "call_jaxpr"}
# Calls with a derivative of their own: inlined where no derivative is taken any more.
RULED = {"custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr",
         "custom_vjp_call_jaxpr": "fun_jaxpr"}
BODIES = {"cond": ("branches",), "while": ("cond_jaxpr", "body_jaxpr"), "scan": ("jaxpr",)}


@dataclass(eq=False)
class Step:
    """One equation: what is computed from which slots into which, and the line it stands on.

    bodies: the lists of steps inside a cond, a while or a scan. number: counts all steps of a
    trace, those in bodies too.
    """

    equation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    line: Line
    number: int
    bodies: tuple[Traced, ...] = ()

    @property
    def name(self) -> str:
        return str(self.equation.primitive.name)

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.equation.params
        return params


@dataclass(eq=False)
class Traced:
    """The steps of a function in order. Slots are counted from 0; constants: slots filled before.

    inputs and outputs: the slots of arguments and results.
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    constants: dict[int, Array] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    slots: int = 0


def trace(function: Function, *arguments: Any, home: str = "", rules: bool = False) -> Traced:
    """The steps of a function for arguments of these shapes and dtypes.

    home: the file whose lines are told. rules: whether a call with a derivative of its own stays
    one step. Raises TypeError where the function branches on the values of its arrays.
    """
    try:
        closed = jax.make_jaxpr(function)(*arguments)
    except jax.errors.ConcretizationTypeError:
        raise TypeError("the plain form branches on, or converts, the value of an array, so that "
                        "JAX cannot trace it; write jnp.where or lax.cond instead") from None
    return steps_of(closed, home, rules)


def steps_of(closed: Any, home: str = "", rules: bool = False) -> Traced:
    """The steps of a closed jaxpr."""
    return _Writer(home, INLINE if rules else INLINE | RULED).whole(closed)


class _Writer:
    """Writes one trace: numbers the slots and the steps."""

    def __init__(self, home: str, inline: dict[str, str]) -> None:
        self.home = home
        self.inline = inline
        self.count = 0

    def whole(self, closed: Any, around: Line | None = None) -> Traced:
        traced = Traced()
        jaxpr = closed.jaxpr
        slots = {var: self.slot(traced) for var in jaxpr.invars}
        traced.inputs = tuple(slots[var] for var in jaxpr.invars)
        traced.outputs = self.write(traced, closed, slots, around)
        return traced

    def slot(self, traced: Traced) -> int:
        traced.slots += 1
        return traced.slots - 1

    def constant(self, traced: Traced, value: Any) -> int:
        slot = self.slot(traced)
        traced.constants[slot] = as_numpy(value)
        return slot

    def write(self, traced: Traced, closed: Any, slots: dict[Any, int],
              around: Line | None) -> tuple[int, ...]:
        """Appends the equations; `slots` has the arguments. Gives the slots of the results."""
        jaxpr, consts = closed.jaxpr, closed.consts
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            slots[var] = self.constant(traced, value)

        def read(atom: Any) -> int:
            return self.constant(traced, atom.val) if isinstance(atom, Literal) else slots[atom]

        for equation in jaxpr.eqns:
            inputs = tuple(map(read, equation.invars))
            line = line_of(equation, self.home, around)
            if equation.primitive.name in self.inline:
                outputs = self.call(traced, equation, inputs, line, around)
            else:
                outputs = self.step(traced, equation, inputs, line)
            slots.update(zip(equation.outvars, outputs, strict=True))
        return tuple(map(read, jaxpr.outvars))

    def call(self, traced: Traced, equation: Any, inputs: tuple[int, ...], line: Line,
             around: Line | None) -> tuple[int, ...]:
        """Writes out the equations of a call; of a library's function all on the caller's line."""
        inner = _closed(equation.params[self.inline[equation.primitive.name]])
        file = getattr(inner.jaxpr.debug_info, "func_filename", None)
        theirs = around is None and (file is None or is_library(file))
        slots = dict(zip(inner.jaxpr.invars, inputs, strict=True))
        return self.write(traced, inner, slots, line if theirs else around)

    def step(self, traced: Traced, equation: Any, inputs: tuple[int, ...],
             line: Line) -> tuple[int, ...]:
        self.count += 1
        number = self.count
        outputs = tuple(self.slot(traced) for _ in equation.outvars)
        bodies = tuple(self.whole(_closed(body)) for body in _bodies(equation))
        traced.steps.append(Step(equation, inputs, outputs, line, number, bodies))
        return outputs


def _bodies(equation: Any) -> Sequence[Any]:
    found: list[Any] = []
    for name in BODIES.get(equation.primitive.name, ()):
        body = equation.params[name]
        found.extend(body if isinstance(body, tuple) else [body])
    return found


def _closed(jaxpr: Any) -> Any:
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, ())


def as_numpy(value: Any) -> Array:
    """The value as NumPy computes with it here: every real number in float64."""
    if hasattr(value, "dtype") and jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended):
        return value  # a key of random numbers
    array = np.asarray(value)
    return array.astype(np.float64) if jax.dtypes.issubdtype(array.dtype, np.floating) else array


__all__ = ["Step", "Traced", "as_numpy", "home_of", "steps_of", "trace"]
