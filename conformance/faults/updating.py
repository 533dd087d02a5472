"""Known mistakes of update rules: what becomes of the gradient once it is there.

A wrong update is another rule, or the same rule with other rows, so that none copies the loop
around it. It is told from a wrong gradient by several steps: the first step of most rules is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..properties.updating import Change
from ..reference.training import (
    UPDATES,
    Arrays,
    Kept,
    Options,
    Row,
    Rule,
    is_weight,
    keeping,
    plain,
)

Wrong = Callable[[Rule], Change]


class WrongUpdate(NamedTuple):
    """One known mistake of an update.

    `rows`: those that a rule must have for it. `symptom`, `wrong`, `right` and `seen` are as in a
    fault. `change(rule)` is the wrong rule in place of the right one, and `more` are other forms of
    the same mistake.
    """

    rows: tuple[str, ...]
    symptom: str
    wrong: str
    right: str
    seen: str
    change: Wrong
    more: tuple[Wrong, ...] = ()

    def changes(self, rule: Rule) -> list[Change]:
        """Its forms, for a rule that it concerns."""
        return [change(rule) for change in (self.change, *self.more)]

    @property
    def numbers(self) -> dict[str, float]:
        """None has a number of its own: the rule has them."""
        return {}

    @property
    def place(self) -> dict[str, str]:
        """They are everywhere."""
        return {}

    def concerns(self, rule: Rule) -> bool:
        """Whether the rule has all the rows it needs."""
        return all(name in rule for name in self.rows)


# --- ways to be wrong -----------------------------------------------------------------------------


def row(name: str, line: Any) -> Wrong:
    """One row with another line."""
    return lambda rule: Change(rule, {**UPDATES, name: UPDATES[name]._replace(line=line)})


def given(name: str, **options: Any) -> Wrong:
    """One row with other options."""
    def change(rule: Rule) -> Change:
        whole = UPDATES[name].numbers(name, rule[name])
        return Change({**rule, name: {**whole, **options}})

    return change


def as_another(name: str, other: str) -> Wrong:
    """Another row in its place, with the same numbers where both have them."""
    def change(rule: Rule) -> Change:
        whole = UPDATES[name].numbers(name, rule[name])
        rest = {key: value for key, value in rule.items() if key != name}
        return Change({**rest, other: {key: value for key, value in whole.items()
                                       if key in UPDATES[other].options}})

    return change


def without(name: str) -> Wrong:
    """The rule less one row."""
    return lambda rule: Change({key: value for key, value in rule.items() if key != name})


def first(line: Any) -> Wrong:
    """One more line before all others."""
    return lambda rule: Change({"mistake": {}, **rule}, {"mistake": Row(line, {}), **UPDATES})


def last(line: Any) -> Wrong:
    """One more line after all others."""
    return lambda rule: Change({**rule, "mistake": {}}, {**UPDATES, "mistake": Row(line, {})})


def moved(name: str, before: str) -> Wrong:
    """One row at another place of the order: before the row of that name."""
    def change(rule: Rule) -> Change:
        rows = {key: each for key, each in UPDATES.items() if key != name}
        order: dict[str, Row] = {}
        for key, each in rows.items():
            order |= {name: UPDATES[name]} if key == before else {}
            order[key] = each
        return Change(rule, order)

    return change


def undivided_decay(rule: Rule) -> Change:
    """The decay is taken off at the end, past the rate."""
    decay = UPDATES["decay"].numbers("decay", rule["decay"])["decay"]
    rest = {key: value for key, value in rule.items() if key != "decay"}
    taken = Row(plain(lambda d, p, o: d - o["decay"] * p, is_weight), {"decay": None})
    return Change({**rest, "mistake": decay}, {**UPDATES, "mistake": taken})


def elementwise(formula: Callable[[Any, Any, Options], Any]) -> Any:
    return plain(formula)


def norm_of_each(d: Arrays, p: Arrays, kept: Kept, o: Options) -> tuple[Arrays, Kept]:
    """Each array clipped to the limit by itself."""
    def scaled(g: Any) -> Any:
        norm = float(np.sqrt((g * g).sum()))
        return g * (o["limit"] / norm) if norm > o["limit"] else g

    return {name: scaled(g) for name, g in d.items()}, kept


def counted(order: Callable[[list[str]], list[str]], by_layer: bool = False) -> Any:
    """Adam's t counts the arrays, or layers, that are updated, and not the updates."""
    def line(d: Arrays, p: Arrays, kept: Kept, o: Options) -> tuple[Arrays, Kept]:
        found, arrays, t, layer = {}, {}, kept.updates, ""
        for name in order(list(d)):
            t += not by_layer or layer != layer_of(name)
            layer = layer_of(name)
            before = kept.arrays.get(name, (np.zeros_like(d[name]),) * 2)
            found[name], *after = of_adam(d[name], t, o, *before)
            arrays[name] = tuple(after)
        return found, Kept(t, arrays)

    return line


def layer_of(name: str) -> str:
    """"0.weight" -> "0"."""
    return name.rpartition(".")[0]


def weights_first(names: list[str]) -> list[str]:
    """All weights, then all biases."""
    return sorted(names, key=lambda name: not is_weight(name))


def last_layer_first(names: list[str]) -> list[str]:
    """The layers backwards, the weight before the bias in each."""
    layers = list(dict.fromkeys(map(layer_of, names)))
    return sorted(names, key=lambda name: -layers.index(layer_of(name)))


def of_adam(g: Any, t: int, o: Options, m: Any, s: Any, *, corrected: tuple[bool, bool] =
            (True, True), root: bool = True, inside: bool = False, of_mean: bool = False
            ) -> tuple[Any, ...]:
    """Adam, less its corrections of mean and square, its root, or with epsilon inside the root."""
    m = o["beta1"] * m + (1.0 - o["beta1"]) * g
    h = m if of_mean else g
    s = o["beta2"] * s + (1.0 - o["beta2"]) * h * h
    mean = m / (1.0 - o["beta1"]**t) if corrected[0] else m
    square = s / (1.0 - o["beta2"]**t) if corrected[1] else s
    if not root:
        return mean / (square + o["epsilon"]), m, s
    below = np.sqrt(square + o["epsilon"]) if inside else np.sqrt(square) + o["epsilon"]
    return mean / below, m, s


def of_rmsprop(g: Any, t: int, o: Options, s: Any, *, root: bool = True, inside: bool = False,
               summed: bool = False) -> tuple[Any, ...]:
    """RMSProp, less its root, with epsilon inside it, or with a sum of squares."""
    s = s + g * g if summed else o["rho"] * s + (1.0 - o["rho"]) * g * g
    if not root:
        return g / (s + o["epsilon"]), s
    return g / (np.sqrt(s + o["epsilon"]) if inside else np.sqrt(s) + o["epsilon"]), s


def ball(formula: Callable[[Any, Any, float], tuple[Any, Any]]) -> Any:
    """A line of momentum: formula(d, v, momentum) -> (step, v)."""
    return keeping(1, lambda d, t, o, v: formula(d, v, o["momentum"]))


adam = partial(partial, of_adam)
rmsprop = partial(partial, of_rmsprop)


# --- the table ------------------------------------------------------------------------------------

VELOCITY = "v = momentum * v - rate * dW; W += v"
DECAYED = "W -= rate * (dW + decay * W); b -= rate * db"
CLIPPED = "norm = sqrt(sum((g**2).sum() for g in gradients)); g *= limit / norm where norm > limit"
CORRECTED = "W -= rate * (m / (1 - beta1**t)) / (sqrt(s / (1 - beta2**t)) + epsilon)"
DIVIDED = "W -= rate * dW / (sqrt(s) + epsilon)"

WRONG_UPDATES: dict[str, WrongUpdate] = {
    "update-wrong-sign": WrongUpdate(
        (), "the parameters go up the gradient, and the loss grows",
        "W += rate * dW", "W -= rate * dW", "code written for target - output, and then turned",
        last(elementwise(lambda d, p, o: -d))),
    "update-gradients-accumulate": WrongUpdate(
        (), "the second step is made with the sum of both gradients: they were not set to zero",
        "self.dW += x.T @ delta", "self.dW = x.T @ delta", "loops without zero_grad",
        first(keeping(1, lambda g, t, o, s: (s + g, s + g)))),
    "update-of-the-step-before": WrongUpdate(
        (), "each step is made with the gradient of the step before it",
        "W -= rate * self.dW; self.dW = dW", "W -= rate * dW", "queues of gradients",
        first(keeping(1, lambda g, t, o, s: (s, g)))),
    "update-of-the-first-gradient": WrongUpdate(
        (), "every step is made with the gradient of the first: it was kept",
        "self.dW = self.dW if self.dW is not None else dW", "self.dW = dW",
        "gradients that are cached",
        first(keeping(1, lambda g, t, o, s: (s, s) if t > 1 else (g, g)))),
    "biases-not-updated": WrongUpdate(
        (), "the weights learn, and the biases stay as they are",
        "for layer in layers: layer.W -= rate * layer.dW",
        "for layer in layers: layer.W -= rate * layer.dW; layer.b -= rate * layer.db",
        "Mazur's step by step example, as published",
        last(plain(lambda d, p, o: 0.0 * d, lambda name: not is_weight(name)))),
    "velocity-multiplied": WrongUpdate(
        ("momentum",), "the velocity is multiplied with the gradient where it is added to it: from "
        "rest nothing ever moves", "v = momentum * v * rate * dW", VELOCITY,
        "networks written by hand",
        row("momentum", ball(lambda d, v, m: (m * v * d, m * v * d)))),
    "momentum-averages": WrongUpdate(
        ("momentum",), "the velocity is an average, so every step is 1 - momentum times as large",
        "v = momentum * v - (1 - momentum) * rate * dW", VELOCITY, "PyTorch's dampening",
        row("momentum", ball(lambda d, v, m: (m * v + (1.0 - m) * d,) * 2))),
    "momentum-forgotten": WrongUpdate(
        ("momentum",), "every step is one of plain descent: the velocity is not kept",
        "v = np.zeros_like(W); v = momentum * v - rate * dW", VELOCITY,
        "velocities made anew inside the loop", without("momentum")),
    "momentum-of-last-gradient": WrongUpdate(
        ("momentum",), "only the last gradient is remembered, not the last step",
        "W -= rate * (dW + momentum * last_dW)", VELOCITY, "networks written by hand",
        row("momentum", ball(lambda d, v, m: (m * v + d, d)))),
    "momentum-wrong-sign": WrongUpdate(
        ("momentum",), "the velocity is taken off where it should be added: steps turn back",
        "v = momentum * v + rate * dW; W -= v; v = -v", VELOCITY, "updates with two signs",
        row("momentum", ball(lambda d, v, m: (d - m * v,) * 2))),
    "momentum-is-nesterov": WrongUpdate(
        ("momentum",), "the steps are those of Nesterov's momentum",
        "v = momentum * v - rate * dW; W += momentum * v - rate * dW", VELOCITY,
        "two update rules that are taken for one", as_another("momentum", "nesterov")),
    "nesterov-is-momentum": WrongUpdate(
        ("nesterov",), "the steps are those of plain momentum", VELOCITY,
        "v = momentum * v - rate * dW; W += momentum * v - rate * dW",
        "two update rules that are taken for one", as_another("nesterov", "momentum")),
    "decay-on-biases": WrongUpdate(
        ("decay",), "the biases decay too",
        "for p in parameters: p -= rate * (g + decay * p)", DECAYED,
        "optimisers that are given all parameters alike", given("decay", of="all")),
    "decay-wrong-sign": WrongUpdate(
        ("decay",), "the weights grow where they should decay",
        "W -= rate * (dW - decay * W)", DECAYED, "updates with two signs",
        row("decay", plain(lambda d, p, o: d - o["decay"] * p, is_weight))),
    "decay-forgotten": WrongUpdate(
        ("decay",), "the weights do not decay", "W -= rate * dW", DECAYED,
        "options that nobody reads", without("decay")),
    "decay-doubled": WrongUpdate(
        ("decay",), "the weights decay twice as fast: it is the gradient of decay W², not of half",
        "W -= rate * (dW + 2 * decay * W)", DECAYED, "penalties with and without their half",
        row("decay", plain(lambda d, p, o: d + 2.0 * o["decay"] * p, is_weight))),
    "decay-without-rate": WrongUpdate(
        ("decay", "rate"), "the decay is not multiplied by the rate",
        "W -= rate * dW + decay * W", DECAYED, "updates in two lines", undivided_decay),
    "adam-decay-not-decoupled": WrongUpdate(
        ("adam", "decoupled_decay"), "the decay goes through Adam, and hardly decays large weights",
        "g = dW + decay * W; m = beta1 * m + (1 - beta1) * g", "W -= rate * decay * W, beside Adam",
        "Adam with weight_decay, taken for AdamW", as_another("decoupled_decay", "decay")),
    "clip-by-value-for-norm": WrongUpdate(
        ("clip_norm",), "every entry is clipped by itself, which turns the direction",
        "g = np.clip(g, -limit, limit)", CLIPPED, "the two clips taken for one",
        as_another("clip_norm", "clip_value")),
    "clip-norm-of-each-array": WrongUpdate(
        ("clip_norm",), "every array is clipped to the limit by itself, which turns the direction",
        "g *= limit / norm(g) where norm(g) > limit", CLIPPED, "Keras's clipnorm",
        row("clip_norm", norm_of_each)),
    "clip-forgotten": WrongUpdate(
        ("clip_norm",), "large gradients are not clipped", "W -= rate * dW", CLIPPED,
        "clips whose result nobody takes", without("clip_norm")),
    "clip-always-scales": WrongUpdate(
        ("clip_norm",), "small gradients are scaled up to the limit, too",
        "g *= limit / norm", CLIPPED, "clips without their condition",
        row("clip_norm", lambda d, p, kept, o: (
            {name: g * (o["limit"] / max(1e-300, float(np.sqrt(sum((h * h).sum()
             for h in d.values()))))) for name, g in d.items()}, kept))),
    "clip-after-decay": WrongUpdate(
        ("clip_norm", "decay"), "the penalty is clipped with the gradient",
        "g = clip(dW + decay * W)", "g = clip(dW) + decay * W", "two lines in another order",
        moved("clip_norm", "rmsprop")),
    "adam-bias-correction-missing": WrongUpdate(
        ("adam",), "the first steps are far off: neither mean is corrected for its start at zero",
        "W -= rate * m / (sqrt(s) + epsilon)", CORRECTED, "Adam in ten lines",
        row("adam", keeping(2, adam(corrected=(False, False))))),
    "adam-only-mean-corrected": WrongUpdate(
        ("adam",), "the mean of squares is not corrected for its start at zero",
        "W -= rate * (m / (1 - beta1**t)) / (sqrt(s) + epsilon)", CORRECTED, "Adam in ten lines",
        row("adam", keeping(2, adam(corrected=(True, False))))),
    "adam-only-square-corrected": WrongUpdate(
        ("adam",), "the mean of gradients is not corrected for its start at zero",
        "W -= rate * m / (sqrt(s / (1 - beta2**t)) + epsilon)", CORRECTED, "Adam in ten lines",
        row("adam", keeping(2, adam(corrected=(False, True))))),
    "adam-t-counts-arrays": WrongUpdate(
        ("adam",), "the first array of the first step is right: t goes up once for every array",
        "for p in parameters: self.t += 1; ...", "self.t += 1; for p in parameters: ...",
        "Adam in a loop over layers", row("adam", counted(list)),
        (row("adam", counted(weights_first)), row("adam", counted(last_layer_first)),
         row("adam", counted(list, True)), row("adam", counted(last_layer_first, True)))),
    "adam-root-missing": WrongUpdate(
        ("adam",), "the step is divided by the mean of squares, not by its root",
        "W -= rate * mean / (square + epsilon)", CORRECTED, "Adam in ten lines",
        row("adam", keeping(2, adam(root=False)))),
    "adam-epsilon-inside-root": WrongUpdate(
        ("adam",), "epsilon is under the root, and 1e-8 there is 1e-4",
        "W -= rate * mean / sqrt(square + epsilon)", CORRECTED, "Adam from other papers",
        row("adam", keeping(2, adam(inside=True)))),
    "adam-square-of-mean": WrongUpdate(
        ("adam",), "the mean of squares is made of the mean of gradients, not of the gradients",
        "s = beta2 * s + (1 - beta2) * m**2", "s = beta2 * s + (1 - beta2) * dW**2",
        "Adam in ten lines", row("adam", keeping(2, adam(of_mean=True)))),
    "rmsprop-root-missing": WrongUpdate(
        ("rmsprop",), "the step is divided by the mean of squares, not by its root",
        "W -= rate * dW / (s + epsilon)", DIVIDED, "networks written by hand",
        row("rmsprop", keeping(1, rmsprop(root=False)))),
    "rmsprop-epsilon-inside-root": WrongUpdate(
        ("rmsprop",), "epsilon is under the root, and 1e-8 there is 1e-4",
        "W -= rate * dW / sqrt(s + epsilon)", DIVIDED, "TensorFlow's RMSProp",
        row("rmsprop", keeping(1, rmsprop(inside=True)))),
    "rmsprop-sums-squares": WrongUpdate(
        ("rmsprop",), "the squares are summed, as AdaGrad does, and steps only get smaller",
        "s += dW**2", "s = rho * s + (1 - rho) * dW**2", "AdaGrad taken for RMSProp",
        row("rmsprop", keeping(1, rmsprop(summed=True)))),
}


def consistent(change: Change, agrees: Callable[[Change], bool],
               table: Mapping[str, WrongUpdate] = WRONG_UPDATES) -> dict[str, WrongUpdate]:
    """The wrong updates that a program agrees with, of those that its rule can have."""
    return {name: wrong for name, wrong in table.items()
            if wrong.concerns(change.rule) and any(map(agrees, wrong.changes(change.rule)))}
