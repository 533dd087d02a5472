"""Recurrent layers: one cell at every time step, and the gradient by backpropagation through time.

x: (batch, time, n); h_t, the state after step t, and every gate: (batch, m), m = `units`. σ is the
logistic function, * the product entry by entry. W is `weight` (n, k m), U `recurrent_weight`
(m, k m), k blocks of columns side by side, one for each gate; b is `bias`, d `recurrent_bias`.

    rnn     h_t = f(x_t W + b + h_{t-1} U + d)                    Elman, 1990
    lstm    i, f, o = σ(x_t W + b + h_{t-1} U + d), g = tanh(the same)
            c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)
    gru     r, z = σ(x_t W + b + h_{t-1} U + d)
            n = tanh(x_t W + b + (r * h_{t-1}) U)                 reset "before" the product
            n = tanh(x_t W + b + r * (h_{t-1} U + d))             reset "after" it, as cuDNN has it
            h_t = (1 - z) * n + z * h_{t-1}

The blocks of an lstm are i, f, g, o; those of a gru r, z, n. With `peephole` P (3, m), the lstm's
gates i and f see P * c_{t-1} too, and o sees P * c_t, with a row of P for i, f and o. `coupled`:
i = 1 - f, so that the blocks are f, g, o and P has the rows f, o. Hochreiter & Schmidhuber (1997);
the forget gate: Gers, Schmidhuber, Cummins (2000); peepholes: Gers, Schraudolph, Schmidhuber
(2002); all variants: Greff et al., LSTM: A Search Space Odyssey (2017). The gru: Cho et al. (2014).

The state before the first step is zero, or `initial_state` (batch, m) and `initial_cell`, which
have gradients. `reverse`: the steps are taken from the last to the first; the output of step t
stays at place t. `returns`: h_t of every step ("sequence") or the state after the last step taken
("last"), which with `reverse` is that at place 0.

`mask` (batch, time) holds 1 where an example has a step, and 0 where it has none. A masked step
hands the state on unchanged, and in a sequence its output is the state handed on. So an example of
length 0 gives its initial state, and the gradient goes through a masked step unchanged.

The gradient: Werbos, Backpropagation through time: what it does and how to do it (1990). From the
last step to the first, the error of a state is what its own output is told, plus what the step
after it hands back. A parameter is used at every step, so its gradient is the sum over the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..chain import accumulate
from ..checks import DescriptionError
from ..kinds import UNITS, Kink, Option, Parse, Rule, Scope, Shape, Shapes, Site, Tables, flag
from ..network import LayerSpec

Array = Any
State = tuple[Array, ...]
Gradients = dict[str, Array]
Change = Callable[[Array], Array]


class Cell(NamedTuple):
    """One step of a recurrent layer.

    forward(p, x, state) -> (new state, saved); x: (batch, n), each part of a state: (batch, m).
    backward(lines, p, saved, error of the new state) -> (dx, error of the state before, gradients).
    `lines` are those formulas of the way back that are the cell's own; gates(spec) are the blocks
    of columns of W; `states` the options that give the parts of the state before the first step.
    `arguments(saved)`: what the functions in it were taken of.
    """

    forward: Callable[[Scope, Array, State], tuple[State, Any]]
    backward: Callable[[Any, Scope, Any, State], tuple[Array, State, Gradients]]
    lines: Any
    gates: Callable[[LayerSpec], str]
    states: tuple[str, ...]
    arguments: Callable[[Any], Iterable[Array]]


# --- what the cells have in common ----------------------------------------------------------------


def sites(spec: LayerSpec) -> tuple[Site, Site]:
    """x W + b and h U + d."""
    b, d = spec.options["bias"], spec.options["recurrent_bias"]
    return (Site("weight", "bias" if b else "", gives="state"),
            Site("recurrent_weight", "recurrent_bias" if d else "", reads="state", gives="state"))


def affine(p: Scope, x: Array, h: Array) -> Array:
    """x W + b + h U + d: (batch, k m)."""
    of_x, of_h = sites(p.spec)
    return p.affine(of_x, x) + p.affine(of_h, h)


def affine_backward(p: Scope, x: Array, h: Array, da: Array,
                    du: Array) -> tuple[Array, Array, Gradients]:
    """dx, dh and the gradients of W, b, U and d, from the errors of x W + b and of h U + d."""
    of_x, of_h = sites(p.spec)
    dx, for_x = p.affine_backward(of_x, x, da)
    dh, for_h = p.affine_backward(of_h, h, du)
    return dx, dh, {**for_x, **for_h}


def function(p: Scope, name: str, z: Array) -> Array:
    return p.tables.activations[name].f(z)


def derivative(p: Scope, name: str, z: Array, y: Array, dy: Array) -> Array:
    """The error of z, y = f(z)."""
    return p.tables.activations[name].backward(z, y, dy)


def blocks(p: Scope, z: Array) -> list[Array]:
    """(batch, k m) as k blocks (batch, m)."""
    m = p.options["units"]
    return [z[:, at:at + m] for at in range(0, z.shape[-1], m)]


# --- the simple cell ------------------------------------------------------------------------------


class RnnStep(NamedTuple):
    x: Array
    h_: Array  # the state before
    z: Array
    h: Array


def rnn_forward(p: Scope, x: Array, state: State) -> tuple[State, RnnStep]:
    z = affine(p, x, state[0])
    h = function(p, p.options["function"], z)
    return (h,), RnnStep(x, state[0], z, h)


def rnn_backward(lines: None, p: Scope, s: RnnStep,
                 dstate: State) -> tuple[Array, State, Gradients]:
    dz = derivative(p, p.options["function"], s.z, s.h, dstate[0])
    dx, dh_, gradients = affine_backward(p, s.x, s.h_, dz, dz)
    return dx, (dh_,), gradients


# --- long short-term memory -----------------------------------------------------------------------


class LstmStep(NamedTuple):
    x: Array
    h_: Array  # the state before
    c_: Array
    z: dict[str, Array]  # by gate, what its function is taken of
    y: dict[str, Array]  # by gate, what it gives; i = 1 - f where they are coupled
    c: Array
    t: Array  # tanh(c)


class LstmLines(NamedTuple):
    """The error of what each gate gives, and of tanh(c), c and c_{t-1}.

    dh and dc are the errors of the new state; `through` takes the error of tanh(c) to that of c.
    `seen` is the cell that a gate's peephole P looks at, `peep` what it hands down to that cell.
    """

    o: Callable[[LstmStep, Array], Array] = lambda s, dh: dh * s.t
    t: Callable[[LstmStep, Array], Array] = lambda s, dh: dh * s.y["o"]
    c: Callable[[Array, Array, Change], Array] = lambda dc, dt, through: dc + through(dt)
    i: Callable[[LstmStep, Array], Array] = lambda s, dc: dc * s.y["g"]
    f: Callable[[LstmStep, Array], Array] = lambda s, dc: dc * s.c_
    g: Callable[[LstmStep, Array], Array] = lambda s, dc: dc * s.y["i"]
    c_: Callable[[LstmStep, Array], Array] = lambda s, dc: dc * s.y["f"]
    seen: Callable[[LstmStep, str], Array] = lambda s, gate: s.c if gate == "o" else s.c_
    peep: Callable[[Array, Array], Array] = lambda dz, P: dz * P


FUNCTION = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}


def lstm_gates(spec: LayerSpec) -> str:
    return "fgo" if spec.options["coupled"] else "ifgo"


def peeping(spec: LayerSpec) -> str:
    """The gates that have a row of the peepholes, in order."""
    return lstm_gates(spec).replace("g", "") if spec.options["peephole"] else ""


def peep(p: Scope, gate: str) -> Array:
    """The gate's row of the peepholes, as a row: (1, m)."""
    at = peeping(p.spec).index(gate)
    return p["peephole"][at:at + 1]


def lstm_forward(p: Scope, x: Array, state: State) -> tuple[State, LstmStep]:
    h_, c_ = state
    z = dict(zip(lstm_gates(p.spec), blocks(p, affine(p, x, h_)), strict=True))
    z |= {gate: z[gate] + peep(p, gate) * c_ for gate in peeping(p.spec) if gate != "o"}
    y = {gate: function(p, FUNCTION[gate], z[gate]) for gate in z if gate != "o"}
    y.setdefault("i", 1.0 - y["f"])
    c = y["f"] * c_ + y["i"] * y["g"]
    if p.options["peephole"]:
        z["o"] = z["o"] + peep(p, "o") * c
    y["o"], t = function(p, FUNCTION["o"], z["o"]), function(p, "tanh", c)
    h = y["o"] * t
    return (h, c), LstmStep(x, h_, c_, z, y, c, t)


def lstm_backward(lines: LstmLines, p: Scope, s: LstmStep,
                  dstate: State) -> tuple[Array, State, Gradients]:
    (dh, dc), dz = dstate, {}
    dz["o"] = derivative(p, "sigmoid", s.z["o"], s.y["o"], lines.o(s, dh))
    dc = lines.c(dc, lines.t(s, dh), lambda dt: derivative(p, "tanh", s.c, s.t, dt))
    if p.options["peephole"]:
        dc = dc + lines.peep(dz["o"], peep(p, "o"))
    dy = {"g": lines.g(s, dc), "f": lines.f(s, dc)}
    if p.options["coupled"]:
        dy["f"] = dy["f"] - lines.i(s, dc)
    else:
        dy["i"] = lines.i(s, dc)
    dz |= {gate: derivative(p, FUNCTION[gate], s.z[gate], s.y[gate], dy[gate]) for gate in dy}
    dc_ = lines.c_(s, dc)
    for gate in peeping(p.spec)[:-1]:
        dc_ = dc_ + lines.peep(dz[gate], peep(p, gate))
    da = np.concatenate([dz[gate] for gate in lstm_gates(p.spec)], axis=-1)
    dx, dh_, gradients = affine_backward(p, s.x, s.h_, da, da)
    if p.options["peephole"]:
        gradients["peephole"] = np.stack(
            [(dz[gate] * lines.seen(s, gate)).sum(axis=0) for gate in peeping(p.spec)])
    return dx, (dh_, dc_), gradients


# --- the gated recurrent unit ---------------------------------------------------------------------


class GruStep(NamedTuple):
    x: Array
    h_: Array  # the state before
    z: tuple[Array, Array, Array]  # of r, z and n, what the function is taken of
    r: Array
    u: Array  # the update gate, z in the equations
    n: Array
    q: Array  # reset "before": r * h_{t-1}, "after": h_{t-1} U + d, of the block of n


class GruLines(NamedTuple):
    """The errors of n, z and h_{t-1} from dh = dL/dh_t, and those that go through the reset gate.

    `r`: of what the gate gives, `past`: of what it is multiplied with, both from the error dq of
    the product; `other` is the other factor.
    """

    n: Callable[[GruStep, Array], Array] = lambda s, dh: dh * (1.0 - s.u)
    z: Callable[[GruStep, Array], Array] = lambda s, dh: dh * (s.h_ - s.n)
    h_: Callable[[GruStep, Array], Array] = lambda s, dh: dh * s.u
    r: Callable[[Array, Array], Array] = lambda other, dq: dq * other
    past: Callable[[GruStep, Array], Array] = lambda s, dq: dq * s.r


def halves(p: Scope) -> tuple[Array, Array]:
    """U of r and z (m, 2m), and U of n (m, m)."""
    U, m = p["recurrent_weight"], p.options["units"]
    return U[:, :2 * m], U[:, 2 * m:]


def gru_forward(p: Scope, x: Array, state: State) -> tuple[State, GruStep]:
    (of_x, of_h), (h_,), before = sites(p.spec), state, p.options["reset"] == "before"
    U = halves(p)[0] if before else p["recurrent_weight"]
    a, u = blocks(p, p.affine(of_x, x)), blocks(p, p.affine(of_h, h_, U))
    zr, zz = a[0] + u[0], a[1] + u[1]
    r, z = function(p, "sigmoid", zr), function(p, "sigmoid", zz)
    q = r * h_ if before else u[2]
    zn = a[2] + (p.affine(of_h, q, halves(p)[1]) if before else r * q)
    n = function(p, "tanh", zn)
    return ((1.0 - z) * n + z * h_,), GruStep(x, h_, (zr, zz, zn), r, z, n, q)


def gru_backward(lines: GruLines, p: Scope, s: GruStep,
                 dstate: State) -> tuple[Array, State, Gradients]:
    (dh,), backward = dstate, {"before": reset_before, "after": reset_after}[p.options["reset"]]
    dzz = derivative(p, "sigmoid", s.z[1], s.u, lines.z(s, dh))
    dzn = derivative(p, "tanh", s.z[2], s.n, lines.n(s, dh))
    dx, dh_, gradients = backward(lines, p, s, dzz, dzn)
    return dx, (lines.h_(s, dh) + dh_,), gradients


def reset_before(lines: GruLines, p: Scope, s: GruStep, dzz: Array,
                 dzn: Array) -> tuple[Array, Array, Gradients]:
    of_x, of_h = sites(p.spec)
    dq, for_n = p.affine_backward(of_h, s.q, dzn, halves(p)[1])
    dzr = derivative(p, "sigmoid", s.z[0], s.r, lines.r(s.h_, dq))
    dh_, for_rz = p.affine_backward(of_h, s.h_, np.concatenate([dzr, dzz], axis=-1), halves(p)[0])
    dx, gradients = p.affine_backward(of_x, s.x, np.concatenate([dzr, dzz, dzn], axis=-1))
    dU = [each["recurrent_weight"] for each in (for_rz, for_n)]
    gradients["recurrent_weight"] = np.concatenate(dU, axis=-1)
    return dx, dh_ + lines.past(s, dq), gradients


def reset_after(lines: GruLines, p: Scope, s: GruStep, dzz: Array,
                dzn: Array) -> tuple[Array, Array, Gradients]:
    dzr = derivative(p, "sigmoid", s.z[0], s.r, lines.r(s.q, dzn))
    da = np.concatenate([dzr, dzz, dzn], axis=-1)
    du = np.concatenate([dzr, dzz, lines.past(s, dzn)], axis=-1)
    return affine_backward(p, s.x, s.h_, da, du)


# --- through time ---------------------------------------------------------------------------------


class At(NamedTuple):
    """One step taken: its place in time, which examples have it (None: all), and the cell's own."""

    t: int
    live: Any
    saved: Any


def one_step_back(cell: Cell, p: Scope, at: At, dstate: State) -> tuple[Array, State, Gradients]:
    """dx, the error of the state before, and the step's part of the gradients.

    An example without this step hands the error on as it is.
    """
    if at.live is None:
        return cell.backward(cell.lines, p, at.saved, dstate)
    new = tuple(np.where(at.live, d, np.zeros_like(d)) for d in dstate)
    dx, before, gradients = cell.backward(cell.lines, p, at.saved, new)
    kept = (np.where(at.live, np.zeros_like(d), d) for d in dstate)
    return dx, tuple(a + b for a, b in zip(before, kept, strict=True)), gradients


class OverTime(NamedTuple):
    """A cell over the steps of a sequence, forward and back."""

    cell: Cell
    one_step_back: Callable[..., tuple[Array, State, Gradients]] = one_step_back

    def initial(self, p: Scope, x: Array) -> State:
        """The state before the first step."""
        zero = np.broadcast_to(np.zeros_like(x[:, 0, :1]), (x.shape[0], p.options["units"]))
        return tuple(p[name] if p.options[name] else zero for name in self.cell.states)

    def forward(self, p: Scope, x: Array) -> tuple[Array, list[At]]:
        state, tape, h = self.initial(p, x), [], {}
        for t in order(p.spec, x.shape[1]):
            new, saved = self.cell.forward(p, x[:, t], state)
            live = p["mask"][:, t:t + 1] > 0 if p.options["mask"] else None
            state = new if live is None else tuple(
                np.where(live, a, b) for a, b in zip(new, state, strict=True))
            tape.append(At(t, live, saved))
            h[t] = state[0]
        last = p.options["returns"] == "last"
        return state[0] if last else np.stack([h[t] for t in sorted(h)], axis=1), tape

    def backward(self, p: Scope, tape: list[At], dy: Array) -> tuple[Array, Gradients]:
        last, gradients, dx = p.options["returns"] == "last", Gradients(), {}
        none = np.zeros_like(dy if last else dy[:, 0])
        dstate: State = (dy if last else none, *(none for _ in self.cell.states[1:]))
        for at in reversed(tape):
            if not last:
                dstate = (dstate[0] + dy[:, at.t], *dstate[1:])
            dx[at.t], dstate, more = self.one_step_back(self.cell, p, at, dstate)
            accumulate(gradients, more)
        given = zip(self.cell.states, dstate, strict=True)
        gradients |= {name: d for name, d in given if p.options[name]}
        return np.stack([dx[t] for t in sorted(dx)], axis=1), gradients


def order(spec: LayerSpec, steps: int) -> range:
    """The places in time, in the order in which the steps are taken."""
    return range(steps - 1, -1, -1) if spec.options["reverse"] else range(steps)


# --- the rules ------------------------------------------------------------------------------------


def shapes_of(cell: Cell) -> Callable[[LayerSpec, Shape, Tables, str], Shapes]:
    def shapes(spec: LayerSpec, shape: Shape, tables: Tables, where: str) -> Shapes:
        if len(shape) != 2:
            raise DescriptionError(f"layer {where} ({spec.kind}): wants inputs (time, features), "
                                   f"but an example has the shape {shape}")
        (steps, n), m, o = shape, spec.options["units"], spec.options
        columns = m * len(cell.gates(spec))
        parameters: dict[str, Shape] = {
            "weight": (n, columns), "recurrent_weight": (m, columns)}
        parameters |= {b: (columns,) for b in ("bias", "recurrent_bias") if o[b]}
        if o.get("peephole"):
            parameters["peephole"] = (len(peeping(spec)), m)
        return Shapes((m,) if o["returns"] == "last" else (steps, m), parameters,
                      masks={"mask": (steps,)} if o["mask"] else {},
                      states={name: (m,) for name in cell.states if o[name]})

    return shapes


def kinks(p: Scope, tape: list[At]) -> Iterator[Kink]:
    """Those of the simple cell's function, at the steps that the examples have."""
    if points := p.tables.activations[p.options.get("function", "tanh")].points():
        z = [at.saved.z if at.live is None else
             np.where(at.live, at.saved.z, np.ones_like(at.saved.z)) for at in tape]
        yield Kink(p.name, points, np.stack(z, axis=1))


def any_of(*names: str) -> Option:
    return Option(lambda value: isinstance(value, str) and value in names,
                  f"one of {', '.join(names)}", names[0])


def no_second_bias(where: str, options: dict[str, Any], parse: Parse) -> dict[str, Any]:
    """A gru that resets before the product adds h U to x W + b: no place for another bias."""
    if options["recurrent_bias"] and options["reset"] == "before":
        raise DescriptionError(f'{where}: recurrent_bias is true, wanted false with reset "before"')
    return options


COMMON = {"units": UNITS, "bias": flag(True), "recurrent_bias": flag(False),
          "returns": any_of("sequence", "last"), "reverse": flag(False),
          "initial_state": flag(False), "mask": flag(False)}

CELLS = {
    "rnn": Cell(rnn_forward, rnn_backward, None, lambda spec: "h", ("initial_state",),
                lambda s: (s.z,)),
    "lstm": Cell(lstm_forward, lstm_backward, LstmLines(), lstm_gates,
                 ("initial_state", "initial_cell"), lambda s: (*s.z.values(), s.c)),
    "gru": Cell(gru_forward, gru_backward, GruLines(), lambda spec: "rzn", ("initial_state",),
                lambda s: s.z),
}


def rule(over_time: OverTime, **more: Any) -> Rule:
    """The layer that has this cell."""
    cell = over_time.cell
    return Rule(over_time.forward, over_time.backward, shapes_of(cell), sites=sites,
                arguments=lambda p, tape: (z for at in tape for z in cell.arguments(at.saved)),
                mixes_steps=True, axes=2, **more)


LAYERS = {
    "rnn": rule(OverTime(CELLS["rnn"]), kinks=kinks,
                options={**COMMON, "function": any_of("tanh", "relu", "sigmoid")}),
    "lstm": rule(OverTime(CELLS["lstm"]),
                 options={**COMMON, "peephole": flag(False), "coupled": flag(False),
                          "initial_cell": flag(False)}),
    "gru": rule(OverTime(CELLS["gru"]), finish=no_second_bias,
                options={**COMMON, "reset": any_of("before", "after")}),
}
