"""Recurrent layers: what is not handed back in time, counted once, or taken of another gate.

Mistakes that any recurrent layer may have are listed under "rnn", and are made in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...reference import Case, Pass, Tables
from ...reference.kinds import Array, Rule, Scope
from ...reference.layers.recurrent import (
    CELLS,
    At,
    Cell,
    Gradients,
    LstmLines,
    OverTime,
    State,
    one_step_back,
)
from ...reference.wiring import Place
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import Line, at_some, per_case, with_entries, with_lines

KINDS = ("rnn", "lstm", "gru")
Back = tuple[Array, State, Gradients]
Through = tuple[Array, Gradients]
Wrong = Callable[[OverTime, Scope, list[At], Array], Through]

rnn, lstm, gru = (partial(Fault, kind) for kind in KINDS)
both_ways = partial(Fault, "bidirectional")
numbered = partial(core.numbered, "rnn")


# --- ways to be wrong -----------------------------------------------------------------------------


def over_time(rule: Rule, kind: str) -> OverTime:
    """How a rule goes over time: its own way, or the right one where something else wraps it."""
    own = getattr(rule.backward, "__self__", None)
    return own if isinstance(own, OverTime) else OverTime(CELLS[kind])


def goes(change: Callable[[OverTime], OverTime], *kinds: str) -> Make:
    """The layers of these kinds going over time in a changed way."""
    def row(kind: str) -> Callable[[Rule], Rule]:
        return lambda rule: rule._replace(backward=change(over_time(rule, kind)).backward)

    return with_entries("layers", {kind: row(kind) for kind in kinds or KINDS})


def back(wrong: Wrong, *kinds: str) -> Make:
    """wrong(over_time, p, tape, dy) in place of the whole way back through a layer."""
    def row(kind: str) -> Callable[[Rule], Rule]:
        return lambda rule: rule._replace(backward=partial(wrong, over_time(rule, kind)))

    return with_entries("layers", {kind: row(kind) for kind in kinds or KINDS})


def lines(kind: str, **wrong: Any) -> Make:
    """Other lines in the cell: a field of its lines, and a formula in its place."""
    def change(over: OverTime) -> OverTime:
        return over._replace(cell=over.cell._replace(lines=over.cell.lines._replace(**wrong)))

    return goes(change, kind)


def saved(change: Callable[[Any, list[At]], Any], *kinds: str) -> Make:
    """The right way back, from other numbers: change(a step's, the tape) -> what it is taken for.
    """
    def wrong(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
        taken = [at._replace(saved=change(at.saved, tape)) for at in tape]
        return over.backward(p, taken, dy)

    return back(wrong, *kinds)


def places(local: str) -> Callable[[Sequence[Place]], Iterable[Place]]:
    """The recurrent layers' sites whose weight has this name."""
    def chosen(found: Sequence[Place]) -> list[Place]:
        over = {place.layer for place in found if place.site.weight == "recurrent_weight"}
        return [place for place in found if place.layer in over and place.site.weight == local]

    return chosen


def new_state(s: Any) -> Array:
    """The state after a step."""
    return s.h if hasattr(s, "h") else s.y["o"] * s.t


def last_state(tape: list[At]) -> Array:
    """The state in the end; an example without the last step has it from the one before."""
    at = tape[-1]
    state = new_state(at.saved)
    return state if at.live is None else np.where(at.live, state, at.saved.h_)


def sequence(p: Scope) -> bool:
    return bool(p.options["returns"] == "sequence")


# --- not handed back ------------------------------------------------------------------------------


def without_hidden(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    """No step hears of later ones; the first one still hands the error to the initial state."""
    def step(cell: Cell, p: Scope, at: At, dstate: State) -> Back:
        dx, (dh, *rest), gradients = over.one_step_back(cell, p, at, dstate)
        return dx, (dh if at is tape[0] else 0.0 * dh, *rest), gradients

    return over._replace(one_step_back=step).backward(p, tape, dy)


def among(dx: Array, part: list[At], steps: int) -> Array:
    """dx of some steps that follow each other, 0 at all others."""
    first, last = min(at.t for at in part), max(at.t for at in part)
    return np.pad(dx, ((0, 0), (first, steps - 1 - last), (0, 0)))


def through_part(over: OverTime, p: Scope, tape: list[At], part: list[At], dy: Array) -> Through:
    """Back through some of the steps only; the initial state hears of it from the first one."""
    dx, gradients = over.backward(p, part, dy)
    if part[0] is not tape[0]:
        gradients |= {name: 0.0 * g for name, g in gradients.items() if name in over.cell.states}
    return among(dx, part, len(tape)), gradients


def total(parts: Iterable[Through]) -> Through:
    """The sums of what several ways back give."""
    (dx, gradients), *more = parts
    for other, others in more:
        dx, gradients = dx + other, {name: g + others[name] for name, g in gradients.items()}
    return dx, gradients


def window(steps: float) -> Make:
    """The error of every output goes back through so many steps."""
    def wrong(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
        if not sequence(p):
            return through_part(over, p, tape, tape[-round(steps):], dy)
        one = Scope(p.tables, p.values, p.name, p.spec.but(returns="last"))
        return total(through_part(over, one, tape, tape[max(0, i + 1 - round(steps)):i + 1],
                                  dy[:, tape[i].t]) for i in range(len(tape)))

    return back(wrong)


def detached(steps: float) -> Make:
    """No error goes from one stretch of so many steps to the one before."""
    def wrong(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
        k = round(steps)
        parts = [tape[i:i + k] for i in range(0, len(tape), k)]
        none = np.zeros_like(dy)
        return total(through_part(over, p, tape, part,
                                  dy if sequence(p) or part is parts[-1] else none)
                     for part in parts)

    return back(wrong)


def last_steps(steps: float) -> Make:
    """The loop over the steps ends after the last ones, whatever the others gave.

    What is left in the end is taken for the error of the initial state.
    """
    def wrong(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
        part = tape[-round(steps):]
        dx, gradients = over.backward(p, part, dy)
        return among(dx, part, len(tape)), gradients

    return back(wrong)


def steps_kept(engine: Callable[[float], Make], usual: float = 2.0) -> Number:
    return Number("steps", usual, engine, 1.0, 50.0, whole=True)


def last_output_only(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    if not sequence(p):
        return over.backward(p, tape, dy)
    kept = np.zeros_like(dy)
    at = tape[-1].t
    parts = [kept[:, :at], dy[:, at:at + 1], kept[:, at + 1:]]
    return over.backward(p, tape, np.concatenate(parts, axis=1))


def without_states(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    dx, gradients = over.backward(p, tape, dy)
    return dx, {name: 0.0 * g if name in over.cell.states else g for name, g in gradients.items()}


# --- in time --------------------------------------------------------------------------------------


def without_masks(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    return over.backward(p, [at._replace(live=None) for at in tape], dy)


def past_the_end(cell: Cell, p: Scope, at: At, dstate: State) -> Back:
    """A masked step hands the error on, and puts its part into the gradients all the same."""
    dx, before, gradients = one_step_back(cell, p, at, dstate)
    if at.live is not None:
        dx, _, gradients = cell.backward(cell.lines, p, at.saved, dstate)
    return dx, before, gradients


def inputs_reversed(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    dx, gradients = over.backward(p, tape, dy)
    return (np.flip(dx, axis=1) if p.options["reverse"] else dx), gradients


def errors_reversed(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    turned = p.options["reverse"] and sequence(p)
    return over.backward(p, tape, np.flip(dy, axis=1) if turned else dy)


# --- counted once ---------------------------------------------------------------------------------


def at_first_step(names: Callable[[str], bool]) -> Make:
    """db = ... where db += ... is meant: of the loop backward the first step's part is left."""
    def wrong(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
        dx, gradients = over.backward(p, tape, dy)
        first: Gradients = {}

        def step(cell: Cell, p: Scope, at: At, dstate: State) -> Back:
            found = over.one_step_back(cell, p, at, dstate)
            if at is tape[0]:
                first.update(found[2])
            return found

        over._replace(one_step_back=step).backward(p, tape, dy)
        return dx, {name: first[name] if names(name) and name in first else g
                    for name, g in gradients.items()}

    return back(wrong)


def is_bias(name: str) -> bool:
    return name in ("bias", "recurrent_bias")


def averaged_biases(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    dx, gradients = over.backward(p, tape, dy)
    return dx, {name: g * (1.0 / len(tape)) if is_bias(name) else g
                for name, g in gradients.items()}


# --- the matrix U and the gates -------------------------------------------------------------------


def not_transposed(s: Pass, right: Array) -> Array:
    """du U, block by block: the columns of U that belong to one gate are a square matrix."""
    m = s.x.shape[-1]
    if s.W.shape[1] % m:
        return right
    parts = [s.delta[:, at:at + m] @ s.W[:, at:at + m] for at in range(0, s.W.shape[1], m)]
    return sum(parts[1:], parts[0])


def swapped(array: Array, a: int, b: int, m: int) -> Array:
    """The columns with two blocks of m of them exchanged."""
    parts = [array[..., at:at + m] for at in range(0, array.shape[-1], m)]
    parts[a], parts[b] = parts[b], parts[a]
    return np.concatenate(parts, axis=-1)


def at_gates(kind: str, names: Sequence[str], change: Callable[[Array, int, int], Array]) -> Make:
    """At both sites of a kind the lines `names` of a changed delta: change(delta, m, gates)."""
    def lines_of(case: Case, tables: Tables) -> Tables:
        units = {name: spec.options["units"] for name, spec in case.network.walk()
                 if spec.kind == kind}

        def line(name: str) -> Line:
            right_line = getattr(tables.affine, name)

            def wrong(s: Pass, right: Array) -> Array:
                m = units.get(s.layer)
                if m is None or s.weight not in ("weight", "recurrent_weight"):
                    return right
                delta = change(s.delta, m, s.W.shape[1] // m)
                return right_line(s._replace(delta=delta))

            return wrong

        return with_lines(tables, {name: line(name) for name in names})

    return per_case(lines_of)


def gates_exchanged(delta: Array, m: int, gates: int) -> Array:
    """i and f, where there are both."""
    return swapped(delta, 0, 1, m) if gates == 4 else delta


def of_input_gate(delta: Array, m: int, gates: int) -> Array:
    """The delta of f is that of i, where there are both."""
    return np.concatenate([delta[:, :m], delta[:, :m], delta[:, 2 * m:]], axis=-1) if gates == 4 \
        else delta


def bias_inside_reset(over: OverTime, p: Scope, tape: list[At], dy: Array) -> Through:
    dx, gradients = over.backward(p, tape, dy)
    if "recurrent_bias" in gradients and "bias" in gradients:
        gradients = {**gradients, "recurrent_bias": gradients["bias"]}
    return dx, gradients


def coupled_one_path(s: Any, dc: Array) -> Array:
    right = LstmLines().i(s, dc)
    return right if "i" in s.z else 0.0 * right


def without_reset(s: Any, tape: list[At]) -> Any:
    """The product's own input taken for the state."""
    return s._replace(q=s.h_)


def halves_exchanged(right: Rule) -> Rule:
    """The two directions get each other's error where their outputs stand side by side."""
    def wrong(p: Scope, tapes: Any, dy: Array) -> Through:
        kinds = [[layer.kind for layer in branch] for branch in p.spec.branches]
        if p.options["combine"] == "concatenate" and len(kinds) == 2 and \
                kinds[0] == kinds[1] and kinds[0][:1] in [[kind] for kind in KINDS]:
            dy = swapped(dy, 0, 1, dy.shape[-1] // 2)
        return right.backward(p, tapes, dy)

    return right._replace(backward=wrong)


# --- the table ------------------------------------------------------------------------------------

HANDED = "dh = dy[t] + dh_next"
ADDED = "dW += x[t].T @ dz; dU += h[t - 1].T @ dz; db += dz.sum(axis=0)"
CLASSES = "recurrent classes written by hand"

FAULTS: Faults = {
    # any recurrent layer
    "recurrent-path-dropped": rnn(
        "what a step does to later ones is left out: its gradients know of its own output only",
        "dh = dy[t]", HANDED, f"axon#646; {CLASSES}", back(without_hidden)),
    "recurrent-weight-not-transposed": rnn(
        "the gradients are right with a single step, and wrong in all earlier ones: errors go back "
        "in time by U where they should go by its transpose",
        "dh_next = dz @ U", "dh_next = dz @ U.T", "vzhou842/rnn-from-scratch, and many others",
        at_some(places("recurrent_weight"), dx=not_transposed)),
    "truncated-bptt": numbered(
        "the error of an output goes back through a fixed number of steps only, and what came "
        "earlier learns nothing from it",
        "for s in range(t, t - steps, -1): ...", "for s in range(t, -1, -1): ...",
        "WildML's recurrent network (bptt_truncate), copied into many",
        steps_kept(window)),
    "bptt-between-detached-stretches": numbered(
        "the sequence is cut into stretches of a fixed number of steps, and no error goes from one "
        "to the one before",
        "if t % steps == 0: dh_next = 0", HANDED,
        "truncated backpropagation through time: h = h.detach() every so many steps",
        steps_kept(detached)),
    "bptt-of-last-steps": numbered(
        "the way back ends after a fixed number of steps, and all steps before are left out",
        "for t in reversed(range(T - steps, T)): ...", "for t in reversed(range(T)): ...",
        f"{CLASSES}, with a limit on the loop", steps_kept(last_steps)),
    "only-last-output-counts": rnn(
        "of a sequence of outputs only the last one's error is taken, and the others are lost",
        "dh = dy[-1] if t == T - 1 else dh_next", HANDED,
        "programs for one output, used for a sequence", back(last_output_only)),
    "recurrent-gradients-overwritten": rnn(
        "every parameter of the layer has the gradient of the first step alone",
        "dW = x[t].T @ dz; dU = h[t - 1].T @ dz; db = dz.sum(axis=0)", ADDED,
        f"{CLASSES}: = for +=", at_first_step(lambda name: True)),
    "recurrent-bias-of-one-step": rnn(
        "the bias is counted once where it is used at every step; the matrices are right",
        "db = dz.sum(axis=0)", "db += dz.sum(axis=0)", f"{CLASSES}: = for += in one line",
        at_first_step(is_bias)),
    "recurrent-bias-averaged-over-steps": rnn(
        "the bias gradient is 1/T of what it should be, T the number of steps",
        "db = dz_sum / T", "db = dz_sum", "biases counted once per time step",
        back(averaged_biases)),
    "recurrent-weight-gradient-of-last-state": rnn(
        "only the recurrent matrix is wrong: at every step its gradient is made with the last "
        "state",
        "dU += h.T @ dz", "dU += h[t - 1].T @ dz", f"{CLASSES} that keep one h",
        saved(lambda s, tape: s._replace(h_=last_state(tape)), "rnn", "lstm")),
    "recurrent-weight-gradient-of-new-state": rnn(
        "only the recurrent matrix is wrong: its gradient is made with the state after the step, "
        "not with the one before",
        "dU += h[t].T @ dz", "dU += h[t - 1].T @ dz", f"{CLASSES}: an index off by one",
        saved(lambda s, tape: s._replace(h_=new_state(s)), "rnn", "lstm")),
    "initial-state-gradient-zero": rnn(
        "the initial state learns nothing, because its gradient is zero",
        "dh0 = 0", "dh0 = dh_next", f"{CLASSES} that begin with zeros", back(without_states)),
    "mask-forgotten-backward": rnn(
        "the errors of masked steps go into the gradients, as if every example had every step",
        "dh_next = dz @ U.T", "dh_next = where(mask[:, t], dz @ U.T, dh)",
        "masks in the forward pass only", back(without_masks)),
    "masked-delta-not-zeroed": rnn(
        "masked steps hand the state's error on, but put it into the gradients of the parameters "
        "too",
        "dz = dh * f'(z)", "dz = dh * f'(z) * mask[:, t]",
        "padded batches: the delta is not set to 0 past the end",
        goes(lambda over: over._replace(one_step_back=past_the_end))),
    "reversed-inputs-gradient-not-turned-back": rnn(
        "below a layer that goes backwards in time every gradient belongs to another step",
        "return dx", "return dx[:, ::-1]", "bidirectional layers made by reversing the inputs",
        back(inputs_reversed)),
    "reversed-outputs-gradient-not-turned": rnn(
        "a layer that goes backwards in time takes the errors of its outputs in the wrong order",
        "dh = dy[t] + dh_next", "dh = dy[T - 1 - t] + dh_next",
        "bidirectional layers made by reversing the inputs", back(errors_reversed)),
    # long short-term memory
    "lstm-cell-error-overwritten": lstm(
        "the cell's error is that of its own output alone: what the next step hands back is lost",
        "dc = dh * o * (1 - np.tanh(c)**2)", "dc = dc_next + dh * o * (1 - np.tanh(c)**2)",
        f"kann 3c158af: copied where it should add; {CLASSES}",
        lines("lstm", c=lambda dc, dt, through: through(dt) + 0.0 * dc)),
    "lstm-cell-path-dropped": lstm(
        "the cell hands nothing back to the step before: only the hidden state does",
        "dc_next = 0", "dc_next = dc * f", CLASSES,
        lines("lstm", c_=lambda s, dc: 0.0 * dc)),
    "lstm-cell-tanh-derivative-missing": lstm(
        "the error goes from the hidden state to the cell without the derivative of the tanh",
        "dc = dc_next + dh * o", "dc = dc_next + dh * o * (1 - np.tanh(c)**2)", CLASSES,
        lines("lstm", c=lambda dc, dt, through: dc + dt)),
    "lstm-output-gate-of-cell": lstm(
        "the output gate's error is made with the cell in place of its tanh",
        "do = dh * c", "do = dh * np.tanh(c)", CLASSES,
        lines("lstm", o=lambda s, dh: dh * s.c)),
    "lstm-forget-gate-of-new-cell": lstm(
        "the forget gate's error is made with the new cell, where it multiplied the old one",
        "df = dc * c[t]", "df = dc * c[t - 1]", f"{CLASSES}: an index off by one",
        lines("lstm", f=lambda s, dc: dc * s.c)),
    "lstm-output-peephole-of-old-cell": lstm(
        "the output gate's peephole has the gradient of the old cell, where it looks at the new",
        "dp_o += (dz_o * c[t - 1]).sum(axis=0)", "dp_o += (dz_o * c[t]).sum(axis=0)",
        "peepholes that are all written alike", lines("lstm", seen=lambda s, gate: s.c_)),
    "lstm-peepholes-not-handed-down": lstm(
        "the gates' errors do not reach the cells that their peepholes look at",
        "dc_next = dc * f", "dc_next = dc * f + dz_i * p_i + dz_f * p_f",
        "peepholes added to a program that was finished",
        lines("lstm", peep=lambda dz, P: 0.0 * dz)),
    "lstm-gates-exchanged": lstm(
        "input gate and forget gate have each other's gradients",
        "dz = concatenate([dz_f, dz_i, dz_g, dz_o])", "dz = concatenate([dz_i, dz_f, dz_g, dz_o])",
        "gate orders of other libraries, in one direction only",
        at_gates("lstm", ("dW", "db", "dx"), gates_exchanged)),
    "lstm-bias-of-another-gate": lstm(
        "the forget gate's bias has the gradient of the input gate's; the matrices are right",
        "db_f += dz_i.sum(axis=0)", "db_f += dz_f.sum(axis=0)", "hanbt/learn_dl#53",
        at_gates("lstm", ("db",), of_input_gate)),
    "lstm-coupled-gate-by-one-path": lstm(
        "the gate that is both forget and input gate learns from what it forgets only",
        "df = dc * c[t - 1]", "df = dc * (c[t - 1] - g)",
        "coupled gates made from a program with both", lines("lstm", i=coupled_one_path)),
    # gated recurrent units
    "gru-direct-path-missing": gru(
        "the state's error does not go back through the update gate's product with it",
        "dh_prev = dz @ U.T", "dh_prev = dh * z + dz @ U.T", f"{CLASSES}: one of four paths",
        lines("gru", h_=lambda s, dh: 0.0 * dh)),
    "gru-reset-gate-path-missing": gru(
        "the weights of the reset gate never change",
        "dr = 0", "dr = dq * h[t - 1]", CLASSES,
        lines("gru", r=lambda other, dq: 0.0 * dq)),
    "gru-reset-not-applied-backward": gru(
        "the error that goes back through the candidate is not multiplied by the reset gate",
        "dh_prev += dq", "dh_prev += dq * r", CLASSES,
        lines("gru", past=lambda s, dq: dq)),
    "gru-update-gate-sign": gru(
        "the update gate's gradients have the wrong sign",
        "dz = dh * (n - h[t - 1])", "dz = dh * (h[t - 1] - n)",
        "papers that exchange z and 1 - z, mixed", lines("gru", z=lambda s, dh: dh * (s.n - s.h_))),
    "gru-candidate-without-update-gate": gru(
        "the candidate's error is not multiplied by 1 - z",
        "dn = dh", "dn = dh * (1 - z)", CLASSES, lines("gru", n=lambda s, dh: dh)),
    "gru-candidate-weight-gradient-without-reset": gru(
        "only the candidate's recurrent matrix is wrong: its gradient is made with the state, "
        "where it multiplied the reset state",
        "dU_n += h[t - 1].T @ dz_n", "dU_n += (r * h[t - 1]).T @ dz_n", CLASSES,
        back(lambda over, p, tape, dy: over.backward(p, [at._replace(
            saved=without_reset(at.saved, tape)) for at in tape], dy)
            if p.options["reset"] == "before" else over.backward(p, tape, dy), "gru")),
    "gru-recurrent-bias-outside-reset": gru(
        "both biases have one gradient, though the reset gate multiplies the second",
        "dd_n = dz_n.sum(axis=0)", "dd_n = (r * dz_n).sum(axis=0)",
        "taken over from rnn and lstm, where both are equal", back(bias_inside_reset, "gru")),
    # two directions
    "bidirectional-errors-exchanged": both_ways(
        "each direction gets the error of the other one's output",
        "d_reverse, d_forward = np.split(dy, 2, axis=-1)",
        "d_forward, d_reverse = np.split(dy, 2, axis=-1)", "mxnet#18203, another overwriting",
        with_entries("layers", {"parallel": halves_exchanged})),
}
