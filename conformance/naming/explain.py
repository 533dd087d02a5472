"""What is wrong and what is right on a case, in words: the ratio with its name, and the table of two losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..judging.judge import Failure, Judge
from ..properties import own_loss
from ..properties.agreement import Disagreement, differing, disagreements, measured
from ..properties.identities import Reply, levels
from ..properties.tolerance import Spread, spread
from ..reference import Answer, Case, infer
from .diagnosis import factor, variations
from .symptoms import Seen, said

RATIOS: dict[str, Callable[[Case], float]] = {
    "-1": lambda c: -1.0,
    "2": lambda c: 2.0,
    "1/2": lambda c: 0.5,
    "n_outputs": lambda c: float(_outputs(c)),
    "1/n_outputs": lambda c: 1.0 / _outputs(c),
    "N": lambda c: float(c.batch),
    "1/N": lambda c: 1.0 / c.batch,
    "N n_outputs": lambda c: float(c.batch * _outputs(c)),
    "1/(N n_outputs)": lambda c: 1.0 / (c.batch * _outputs(c)),
    "depth": lambda c: float(len(levels(c.network))),
    "1/depth": lambda c: 1.0 / len(levels(c.network)),
    "2/n_outputs": lambda c: 2.0 / _outputs(c),
    "n_outputs/2": lambda c: _outputs(c) / 2.0,
    "2 N": lambda c: 2.0 * c.batch,
    "2/N": lambda c: 2.0 / c.batch,
    "N/2": lambda c: c.batch / 2.0,
}
MEANING = {"N": "N is the batch size", "n_outputs": "the number of output units", "depth": "the number of dense layers"}


def _outputs(case: Case) -> int:
    return infer(case.network).output[-1]


# --- ratios -----------------------------------------------------------------------------------------------------


def ratio(left: Sequence[Any], right: Sequence[Any], tolerance: Sequence[Any]) -> float | None:
    """k where left = k right for every entry, within the tolerance; None where there is no such number."""
    a, b, t = (np.concatenate([np.ravel(x).astype(float) for x in xs]) for xs in (left, right, tolerance))
    k = factor(a, b) if np.any(np.abs(b) > t) else None
    return k if k is not None and np.all(np.abs(a - k * b) <= (1.0 + abs(k)) * t + 1e-9 * np.abs(a)) else None


def gradient_ratio(reply: Reply, truth: Answer, names: Iterable[str]) -> float | None:
    """The one ratio of the subject's gradients of these parameters to the truth."""
    chosen = list(names)
    if not chosen:
        return None
    return ratio([reply[n].value for n in chosen], [truth.gradients[n] for n in chosen],
                 [reply[n].tolerance for n in chosen])


def sharp(reply: Reply, truth: Answer, name: str) -> bool:
    """Whether the largest entry of a gradient is known well enough to tell a ratio from its neighbours."""
    true = np.ravel(truth.gradients[name])
    at = int(np.argmax(np.abs(true)))
    least = 1e-7 if reply.case.dtype == "float64" else 1e-3
    return bool(np.ravel(reply[name].tolerance)[at] <= least * abs(float(true[at])))


def named(pairs: Sequence[tuple[Case, float]]) -> str:
    """What a ratio seen on these cases equals: "n_outputs", or the number where it is one; "" where it is neither."""
    for name, of in RATIOS.items():
        if all(np.isfinite(k) and abs(k - of(case)) <= 1e-6 * abs(k) for case, k in pairs):
            return name
    middle = float(np.median([k for _, k in pairs]))
    return f"{middle:.5g}" if all(abs(k - middle) <= 1e-4 * abs(middle) for _, k in pairs) else ""


def here(name: str, k: float) -> str:
    """" (n_outputs = 2 on this case)": what a named ratio is here; nothing for a plain number."""
    symbol = next((word for word in ("n_outputs", "depth") if word in name), "N" if "N" in name else "")
    if not symbol or abs(k) < 1e-12:
        return ""
    return f" ({name} = {k:.6g} on this case; {MEANING[symbol]})"


# --- the loss table ---------------------------------------------------------------------------------------------


class Explainer:
    """What is wrong and what is right on one case; every number is asked anew."""

    def __init__(self, judge: Judge):
        self.judge = judge

    def reply(self, case: Case) -> tuple[Reply, Answer] | None:
        """The subject's answer on a case with its tolerances, and the truth; None where it gives none."""
        got = self.answered(case)
        return (measured(case, *got), got[1].truth) if got else None

    def answered(self, case: Case) -> tuple[Answer, Spread] | None:
        """The subject's answer on a case and its spread; None where it gives none."""
        try:
            return self.judge.question(case), spread(case)
        except Exception:
            return None

    def wrong(self, case: Case) -> list[Disagreement]:
        """The gradients that differ from the truth."""
        got = self.reply(case)
        return disagreements(*got) if got else []

    def loss_wrong(self, case: Case) -> Disagreement | None:
        """The loss, where it is checkable and differs from the declared one."""
        got = self.reply(case)
        return differing("loss", got[0].loss, got[1].loss) if got and not self.judge.clipped(case) else None

    def ratios(self, failures: list[Failure]) -> list[tuple[Case, float]] | None:
        """The ratio, on each failing case, of the gradients that are wrong there; None where one has none."""
        found: list[tuple[Case, float]] = []
        for failure in failures:
            got = self.reply(failure.case)
            if got and (wrong := [d.parameter for d in disagreements(*got) if sharp(*got, d.parameter)]):
                k = gradient_ratio(got[0], got[1], wrong)
                if k is None:
                    return None
                found.append((failure.case, k))
        return found

    def seen(self, case: Case) -> Seen | None:
        """What the symptoms look at; None where there is no answer, or nothing wrong."""
        got = self.answered(case)
        wrong = tuple(d.parameter for d in disagreements(measured(case, *got), got[1].truth)) if got else ()
        return Seen(case, *got, wrong) if got and wrong else None

    def symptoms(self, case: Case) -> list[str]:
        """What can be said of a wrong gradient that no known mistake matches."""
        looks = [self.seen(each) for each in (case, *variations(case))]
        return list(said([look for look in looks if look])) if looks[0] else []

    def headline(self, case: Case, wrong: list[str], failures: list[Failure]) -> str:
        """The ratio with its name where there is one; else that the gradient is wrong."""
        got = self.reply(case)
        if got and not all(np.isfinite(got[0][name].value).all() for name in wrong):
            return f"the gradient of {names(wrong)} is not finite"
        k = gradient_ratio(got[0], got[1], wrong) if got else None
        if k is None or got is None:
            return f"the gradient of {names(wrong)} is wrong"
        if abs(k - 1) < 1e-6:
            return f"the gradient of {names(wrong)} is slightly wrong"
        if abs(k) < 1e-12:
            return f"the gradient of {names(wrong)} is 0 where it should not be"
        pairs = self.ratios(failures)
        name = named([*pairs, (case, k)]) if pairs else ""
        if not name:
            return f"the gradient of {names(wrong)} is wrong"
        everything = len(wrong) == len(got[0].gradients)
        whose = "the gradient" if everything else f"the gradient of {names(wrong)}"
        own = self.own_ratio(case)
        if everything and own is not None and abs(own - k) <= 1e-3 * abs(k):
            return f"{whose} is {name} times the gradient of its own loss{here(name, k)}"
        return f"{whose} is {name} times what it should be{here(name, k)}"

    def own_ratio(self, case: Case) -> float | None:
        """<g, d> over the derivative of the loss the subject reports; None where there is nothing to difference."""
        got = self.reply(case)
        if not got or case.dtype != "float64" or self.judge.clipped(case):
            return None
        rng = np.random.default_rng(0)
        for _ in range(3):
            try:
                pair = own_loss.slope(got[0], self.judge.question, own_loss._direction(got[0], rng))
            except Exception:
                return None
            if pair and abs(pair[0].value) > 1e3 * pair[0].tolerance:
                return float(pair[1].value / pair[0].value)
        return None

    def sides(self, case: Case, wrong: list[str]) -> str:
        """Which parameters are wrong and which right."""
        got = self.reply(case)
        right = [n for n in got[0].gradients if n not in wrong] if got else []
        return f"wrong: {names(wrong)}; right: {names(right) if right else 'none'}"

    def loss_lines(self, case: Case, wrong: list[str]) -> list[str]:
        """The row of the table of two losses."""
        got = self.reply(case)
        if not got:
            return []
        if self.judge.clipped(case):
            return ["the loss is not checkable here: it is clipped"]
        worst = differing("loss", got[0].loss, got[1].loss)
        if worst is None:
            elsewhere = ("loss", "loss") in self.judge.tally.failures
            return [f"the loss reported is the declared one{' here, but not on other networks' if elsewhere else ''}"]
        k = worst.got / worst.wanted if worst.wanted else float("nan")
        kg = gradient_ratio(got[0], got[1], got[0].gradients)
        if kg is not None and abs(kg - k) <= 1e-6 * abs(k) and abs(k - 1) > 1e-3 and abs(k) > 1e-12:
            return [f"loss and gradient are both {k:.6g} times the declared ones: claim that reduction or scale"]
        return [f"the loss reported is {worst.got:.9g}, the declared one {worst.wanted:.9g}"]


# --- words ------------------------------------------------------------------------------------------------------


def names(parameters: Iterable[str]) -> str:
    """"0.bias, 2.bias and inputs"."""
    listed = list(dict.fromkeys(parameters))
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def numbers(d: Disagreement) -> str:
    """Where, got, wanted, error and tolerance."""
    at = "[" + ", ".join(map(str, d.where)) + "]" if d.where else ""
    return (f"{d.parameter}{at}: got {d.got:.9g}, wanted {d.wanted:.9g} "
            f"(error {d.error:.2g}, tolerance {d.tolerance:.2g})")


def describe(case: Case) -> str:
    """"on a network 2 -> 2, identity, squared_error (mean); batch 1, float64"."""
    after, loss = case.network.head
    middle = f", hidden {', '.join(case.network.hidden)}" if case.network.hidden else ""
    sizes = " -> ".join(map(str, case.network.sizes))
    return (f"on a network {sizes}{middle}, output {after}, loss {loss} ({case.network.loss.reduction}); "
            f"batch {case.batch}, {case.dtype}")
