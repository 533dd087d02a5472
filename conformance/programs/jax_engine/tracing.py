"""A function of JAX as a list of steps: its jaxpr, with the calls inside it written out.

JAX's own interpreter compiles each operation for each shape, some 10 ms a time; a list of steps is
computed by NumPy instead (`computing.py`), and each step can be watched, perturbed or changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from ..sources import Position
from ..trial import Array, Line
from .lines import Spot, is_library, spot_of

Function = Callable[..., Any]
# The calls that are only names for the equations inside, and the parameter that holds those.
INLINE = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
          "checkpoint": "jaxpr", "remat": "jaxpr", "remat2": "jaxpr", "custom_lin": "call_jaxpr"}
# Calls with a derivative of their own: inlined where no derivative is taken any more.
RULED = {"custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr",
         "custom_vjp_call_jaxpr": "fun_jaxpr"}
TURNS = 48  # the longest scan that is written out
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
    spot: Spot
    number: int
    bodies: tuple[Traced, ...] = ()

    @property
    def name(self) -> str:
        return str(self.equation.primitive.name)

    @property
    def line(self) -> Line:
        return self.spot.line

    @property
    def position(self) -> Position:
        return self.spot.position

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


def trace(function: Function, *arguments: Any, home: str = "", forward: bool = False) -> Traced:
    """The steps of a function for arguments of these shapes and dtypes.

    home: the file whose lines are told. forward: of a function that is still to be differentiated:
    a call with a derivative of its own stays one step, and short scans are written out. Raises
    TypeError where the function branches on the values of its arrays.
    """
    try:
        closed = jax.make_jaxpr(function)(*arguments)
    except jax.errors.ConcretizationTypeError:
        raise TypeError("the plain form branches on, or converts, the value of an array, so that "
                        "JAX cannot trace it; write jnp.where or lax.cond instead") from None
    return steps_of(closed, home, forward)


def steps_of(closed: Any, home: str = "", forward: bool = False) -> Traced:
    """The steps of a closed jaxpr."""
    writer = _Writer(home, INLINE, TURNS) if forward else _Writer(home, INLINE | RULED, 0)
    return writer.whole(closed)


class _Writer:
    """Writes one trace: numbers the slots and the steps."""

    def __init__(self, home: str, inline: dict[str, str], turns: int) -> None:
        self.home = home
        self.inline = inline
        self.turns = turns
        self.count = 0

    def whole(self, closed: Any, around: Spot | None = None) -> Traced:
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
              around: Spot | None) -> tuple[int, ...]:
        """Appends the equations; `slots` has the arguments. Gives the slots of the results."""
        jaxpr, consts = closed.jaxpr, closed.consts
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            slots[var] = self.constant(traced, value)

        def read(atom: Any) -> int:
            return self.constant(traced, atom.val) if isinstance(atom, Literal) else slots[atom]

        for equation in jaxpr.eqns:
            inputs = tuple(map(read, equation.invars))
            spot = spot_of(equation, self.home, around)
            if equation.primitive.name in self.inline:
                outputs = self.call(traced, equation, inputs, spot, around)
            elif self.unrolls(equation):
                outputs = self.unrolled(traced, equation, inputs, spot, around)
            else:
                outputs = self.step(traced, equation, inputs, spot)
            slots.update(zip(equation.outvars, outputs, strict=True))
        return tuple(map(read, jaxpr.outvars))

    def call(self, traced: Traced, equation: Any, inputs: tuple[int, ...], spot: Spot,
             around: Spot | None) -> tuple[int, ...]:
        """Writes out the equations of a call; of a library's function all on the caller's line."""
        inner = _closed(equation.params[self.inline[equation.primitive.name]])
        file = getattr(inner.jaxpr.debug_info, "func_filename", None)
        theirs = around is None and (file is None or is_library(file))
        slots = dict(zip(inner.jaxpr.invars, inputs, strict=True))
        return self.write(traced, inner, slots, spot if theirs else around)

    def unrolls(self, equation: Any) -> bool:
        """Whether the equation is a loop that is written out turn by turn."""
        return (self.turns > 0 and equation.primitive.name == "scan"
                and equation.params["length"] <= self.turns)

    def unrolled(self, traced: Traced, equation: Any, inputs: tuple[int, ...], spot: Spot,
                 around: Spot | None) -> tuple[int, ...]:
        """Writes out a scan: each turn takes its rows, and what the turns make is stacked."""
        params = equation.params
        fixed, carried, length = params["num_consts"], params["num_carry"], params["length"]
        state, rows = inputs[fixed:fixed + carried], inputs[fixed + carried:]
        kinds = [var.aval for var in equation.invars[fixed + carried:]]
        made: dict[int, tuple[int, ...]] = {}
        for i in range(length)[::-1 if params["reverse"] else 1]:
            taken = self.glue(traced, lambda *xs, i=i: [x[i] for x in xs], kinds, rows, spot)
            inner = _closed(params["jaxpr"])
            slots = dict(zip(inner.jaxpr.invars, (*inputs[:fixed], *state, *taken), strict=True))
            found = self.write(traced, inner, slots, around)
            state, made[i] = found[:carried], found[carried:]
        columns = zip(*(made[i] for i in range(length)), strict=True)
        results = [var.aval for var in equation.outvars[carried:]]
        return (*state, *(self.stacked(traced, kind, column, spot)
                          for kind, column in zip(results, columns, strict=True)))

    def stacked(self, traced: Traced, kind: Any, column: Sequence[int], spot: Spot) -> int:
        """The rows that the turns of a scan have made as one array."""
        row = _kind(kind.shape[1:], kind.dtype)
        slot, = self.glue(traced, lambda *ys: [jnp.stack(ys)], [row] * len(column), column, spot)
        return slot

    def glue(self, traced: Traced, function: Function, kinds: Sequence[Any],
             inputs: Sequence[int], spot: Spot) -> tuple[int, ...]:
        """Steps of our own between those of the function."""
        closed = jax.make_jaxpr(function)(*(_kind(k.shape, k.dtype) for k in kinds))
        slots = dict(zip(closed.jaxpr.invars, inputs, strict=True))
        return self.write(traced, closed, slots, spot)

    def step(self, traced: Traced, equation: Any, inputs: tuple[int, ...],
             spot: Spot) -> tuple[int, ...]:
        self.count += 1
        number = self.count
        outputs = tuple(self.slot(traced) for _ in equation.outvars)
        bodies = tuple(self.whole(_closed(body)) for body in _bodies(equation))
        traced.steps.append(Step(equation, inputs, outputs, spot, number, bodies))
        return outputs


def _kind(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


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
    if hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.extended):
        return value  # a key of random numbers
    array = np.asarray(value)
    return array.astype(np.float64) if jnp.issubdtype(array.dtype, np.floating) else array
