"""From failures to findings: one reduced case, what is wrong and what is right on it, and the ratio with its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .judge import Failure, Judge, kinds_of, last_line
from .plug import BrokenContract
from .properties import exact, own_loss
from .properties.agreement import Disagreement, differing, disagreements, kind_of, measured
from .properties.identities import PROPERTIES, Reply, levels
from .properties.tolerance import spread
from .reduce import reduce
from .reference import Answer, Case, infer
from .report import Finding

REDUCE_SECONDS = 5.0
ORDER = ("contract", "answers", "state", "value", "loss", "own_loss", "identity")
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
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or not np.any(np.abs(b) > t):
        return None
    k = float(a @ b / (b @ b))
    return k if np.all(np.abs(a - k * b) <= (1.0 + abs(k)) * t + 1e-9 * np.abs(a)) else None


def gradient_ratio(reply: Reply, truth: Answer, names: Iterable[str]) -> float | None:
    """The one ratio of the subject's gradients of these parameters to the truth."""
    chosen = list(names)
    if not chosen:
        return None
    return ratio([reply[n].value for n in chosen], [truth.gradients[n] for n in chosen],
                 [reply[n].tolerance for n in chosen])


def named(pairs: Sequence[tuple[Case, float]]) -> str:
    """What a ratio seen on these cases equals: "n_outputs", or the number where no name fits them all."""
    for name, of in RATIOS.items():
        if all(abs(k - of(case)) <= 1e-6 * abs(k) for case, k in pairs):
            return name
    return f"{pairs[0][1]:.6g}"


def here(name: str, k: float) -> str:
    """" (n_outputs = 2 on this case)": what a named ratio is here; nothing for a plain number."""
    symbol = next((word for word in ("n_outputs", "depth") if word in name), "N" if "N" in name else "")
    if not symbol or abs(k) < 1e-12:
        return ""
    return f" ({name} = {k:.6g} on this case; {MEANING[symbol]})"


# --- the loss table ---------------------------------------------------------------------------------------------


class Explainer:
    """Turns a judge's failures into findings; every number in them is asked anew on the reduced case."""

    def __init__(self, judge: Judge, store: Callable[[Case], str]):
        self.judge, self.store = judge, store

    def reply(self, case: Case) -> tuple[Reply, Answer] | None:
        """The subject's answer on a case with its tolerances, and the truth; None where it gives none."""
        s = spread(case)
        try:
            return measured(case, self.judge.question(case), s), s.truth
        except Exception:
            return None

    def findings(self) -> list[Finding]:
        """One finding for each distinct mistake seen, the most telling family first."""
        failures = self.judge.tally.failures
        keys = sorted(failures, key=lambda key: (ORDER.index(key[0]), -len(failures[key]), key[1]))
        families = {family for family, _ in keys}
        found: list[Finding] = []
        seen: set[tuple[str, ...]] = set()
        for key in keys:
            if not self.consequence(key[0], families) and not any(part_of(key, other) for other in keys):
                finding, signature = self.finding(key, failures[key])
                if signature not in seen:
                    seen.add(signature)
                    found.append(finding)
        return found

    def consequence(self, family: str, families: set[str]) -> bool:
        """Whether a family only follows from another that broke too."""
        causes = {"identity": {"state", "value", "contract"}, "own_loss": {"state", "value", "loss"},
                  "value": {"state"}, "loss": {"state"}}
        return bool(causes.get(family, set()) & families)

    def also(self, finding: str) -> tuple[str, ...]:
        names = {name for broken in self.judge.tally.broken.values() for name in broken}
        return tuple(sorted(names - {finding}))

    def finding(self, key: tuple[str, str], failures: list[Failure]) -> tuple[Finding, tuple[str, ...]]:
        """Reduce the smallest failing case and explain what is left."""
        explain = {"contract": self.contract, "answers": self.contract, "state": self.state, "loss": self.loss}
        return explain.get(key[0], self.value)(key[1], failures)

    def reduced(self, case: Case, fails: Callable[[Case], bool], exact_only: bool = False) -> Case:
        valid = exact.certified if exact_only else None
        return reduce(case, fails, self.judge.claims, REDUCE_SECONDS, valid)

    def build(self, name: str, case: Case, text: str, worst: Disagreement | None, outcome: str = "failed") -> Finding:
        nan = float("nan")
        d = worst or Disagreement("", (), nan, nan, nan, nan)
        return Finding(name, d.parameter, d.where, d.got, d.wanted, d.error, d.tolerance, self.store(case), text,
                       outcome, self.also(name))

    # --- each family ----------------------------------------------------------------------------------------

    def contract(self, kind: str, failures: list[Failure]) -> tuple[Finding, tuple[str, ...]]:
        """A broken contract, a declined question, a crash: the message on the smallest case that has it."""
        first = min(failures, key=lambda f: sum(v.size for v in f.case.parameters.values()))
        case = self.reduced(first.case, lambda c: self.trouble(c)[0] == kind)
        message = self.trouble(case)[1] or first.message
        outcome = "errored" if first.property == "answers" and kind != "declined" else "failed"
        head = {"errored": "raised an exception or hung"}.get(outcome, first.property.replace("_", " "))
        finding = self.build(first.property, case, f"{head}: {message}\n{describe(case)}", None, outcome)
        return finding, (first.property, kind)

    def trouble(self, case: Case) -> tuple[str, str]:
        """The kind and the message of what the subject does instead of answering."""
        try:
            self.judge.question(case)
        except BrokenContract as error:
            return error.kind, error.message
        except Exception as error:
            declined = type(error).__name__ in ("Declined", "NotImplementedError")
            return ("declined" if declined else type(error).__name__), last_line(error)
        return "", ""

    def state(self, kind: str, failures: list[Failure]) -> tuple[Finding, tuple[str, ...]]:
        """An answer that depends on what was asked before."""
        first = failures[0]
        found = self.state_found(first.property, first.case) or list(first.disagreements)
        case = self.reduced(first.case, lambda c: bool(self.state_found(first.property, c)))
        found = self.state_found(first.property, case) or found
        text = (f"state: {PROPERTIES[first.property].says}, but {names(d.parameter for d in found)} did: "
                f"{numbers(found[0])}\n"
                "likely: gradients that accumulate between calls, or a cache kept from an earlier batch\n"
                f"{describe(case)}")
        return self.build(first.property, case, text, found[0]), ("state",)

    def state_found(self, name: str, case: Case) -> list[Disagreement]:
        asked = PROPERTIES[name].ask(case, self.judge.claims, self.judge.rng)
        try:
            replies = [measured(c, self.judge.question(c), spread(c)) for c in asked or []]
        except Exception:
            return []
        return [d for d in (differing(*e) for e in PROPERTIES[name].judge(replies)) if d] if replies else []

    def loss(self, kind: str, failures: list[Failure]) -> tuple[Finding, tuple[str, ...]]:
        """The gradient is right, the loss is not."""
        case = self.reduced(failures[0].case, lambda c: self.loss_wrong(c) is not None)
        worst = self.loss_wrong(case) or failures[0].disagreements[0]
        pairs = [(f.case, f.disagreements[0].got / f.disagreements[0].wanted)
                 for f in failures if f.disagreements[0].wanted]
        k = worst.got / worst.wanted if worst.wanted else None
        name = named(pairs) if pairs else ""
        text = f"the loss reported is {worst.got:.9g}, the declared one {worst.wanted:.9g}"
        if k is not None and name in RATIOS:
            text = f"the loss reported is {name} times the declared one{here(name, k)}\n{text}"
        right = not any(family == "value" for family, _ in self.judge.tally.failures)
        text += "\nthe gradient is right" if right else ""
        return self.build("loss_value", case, f"{text}\n{describe(case)}", worst), ("loss",)

    def loss_wrong(self, case: Case) -> Disagreement | None:
        got = self.reply(case)
        return differing("loss", got[0].loss, got[1].loss) if got and not self.judge.clipped(case) else None

    def value(self, kind: str, failures: list[Failure]) -> tuple[Finding, tuple[str, ...]]:
        """A wrong gradient: which parameters, which ratio, what the loss says of it."""
        first = min(failures, key=telling)
        if kind in ("loss", "state"):
            return self.own(first)
        only_exact = first.property == "exact_integers"
        case = self.reduced(first.case, lambda c: kinds_of(self.wrong(c)) == kind, only_exact)
        found = self.wrong(case) or list(first.disagreements)
        worst = max(found, key=lambda d: d.error / d.tolerance if d.tolerance else np.inf)
        wrong = [d.parameter for d in found]
        lines = [self.headline(case, wrong, failures), self.sides(case, wrong), numbers(worst),
                 *self.loss_lines(case, wrong), *([first.message] if "digits" in first.message else []), describe(case)]
        name = first.property if first.property in ("reference", "exact_integers") else "reference"
        return self.build(name, case, "\n".join(filter(None, lines)), worst), ("value", kind)

    def wrong(self, case: Case) -> list[Disagreement]:
        got = self.reply(case)
        return disagreements(*got) if got else []

    def own(self, first: Failure) -> tuple[Finding, tuple[str, ...]]:
        """Loss and gradient agree with the declared ones, but not with each other."""
        d = first.disagreements[0]
        text = f"the gradient is not that of the loss reported: {d.got:.9g} along a line, {d.wanted:.9g} by differences"
        return self.build(first.property, first.case, f"{text}\n{describe(first.case)}", d), ("own_loss",)

    def ratios(self, failures: list[Failure], kinds: set[str]) -> list[tuple[Case, float]]:
        """The gradient's ratio on each failing case, where all parameters of the wrong kinds have one."""
        found = []
        for failure in failures:
            got = self.reply(failure.case)
            if got:
                k = gradient_ratio(got[0], got[1], [n for n in got[0].gradients if kind_of(n) in kinds])
                found.append((failure.case, k))
        return [(c, k) for c, k in found if k is not None] if all(k is not None for _, k in found) else []

    def headline(self, case: Case, wrong: list[str], failures: list[Failure]) -> str:
        """The ratio with its name where there is one; else that the gradient is wrong."""
        got = self.reply(case)
        k = gradient_ratio(got[0], got[1], wrong) if got else None
        if k is None or got is None:
            return f"the gradient of {names(wrong)} is wrong"
        if abs(k - 1) < 1e-5:
            return f"the gradient of {names(wrong)} is slightly wrong"
        if abs(k) < 1e-12:
            return f"the gradient of {names(wrong)} is 0 where it should not be"
        kinds = {kind_of(w) for w in wrong}
        pairs = self.ratios(failures, kinds)
        name = named([*pairs, (case, k)])
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
            pair = own_loss.slope(got[0], self.judge.question, own_loss._direction(got[0], rng))
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
            return ["the loss reported is the declared one"]
        k = worst.got / worst.wanted if worst.wanted else float("nan")
        kg = gradient_ratio(got[0], got[1], got[0].gradients)
        if kg is not None and abs(kg - k) <= 1e-6 * abs(k):
            return [f"loss and gradient are both {k:.6g} times the declared ones: claim that reduction or scale"]
        return [f"the loss reported is {worst.got:.9g}, the declared one {worst.wanted:.9g}"]


def part_of(key: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether a value failure's kinds of parameter are some of another's: one mistake, hidden in part on some cases."""
    return key[0] == other[0] == "value" and set(key[1].split(",")) < set(other[1].split(","))


def telling(failure: Failure) -> tuple[bool, bool, int]:
    """Small and plain first: float64, random rather than exact, few parameters."""
    size = sum(v.size for v in failure.case.parameters.values())
    return failure.case.dtype != "float64", failure.property == "exact_integers", size


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
