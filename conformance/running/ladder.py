"""The ladder of a new adapter: its claims cut down to the smallest, then one thing more a rung.

A rung is a short run. The first that fails ends the climb: it shows its finding, and what it had
that the rung below had not is where to look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..plug.subject import Subject
from ..properties.claims import Claims, Head
from ..properties.structures import PLAIN
from ..record.report import EXITS, Report
from ..reference.checks import DescriptionError
from .api import ALONE, judge, plan_of

EXAMPLES, SECONDS, ORACLES = 4, 10.0, "differences"
DEEP = 3  # layers, where one activation or one loss is looked at
PASSED, FAILED, NEXT = "passed", "FAILED", "next"


@dataclass(frozen=True)
class Rung:
    """One rung: what it is called, what its networks have, and the claims cut down to that."""

    name: str
    says: str
    claims: Claims


def rungs(claims: Claims) -> list[Rung]:
    """The rungs inside the claims, the smallest first, all that is claimed last."""
    found: list[Rung] = []
    for name, says, changes in [*_sizes(claims), *_kinds(claims), ("all", "all of it", {})]:
        try:
            cut = replace(claims, **changes)
        except DescriptionError:  # these claims cannot be cut in this way
            continue
        if all(cut != rung.claims for rung in found):
            found.append(Rung(name, says, cut))
    return found


Cut = tuple[str, str, dict[str, Any]]


def _sizes(claims: Claims) -> Iterator[Cut]:
    """From the smallest network on: a bias, units, examples, layers."""
    if claims.networks:
        return
    head, (depth, _), (batch, _) = claims.heads[0].several, claims.depth, claims.batch
    outputs = head.outputs[0]
    bias = "never" if claims.bias in ("any", "all_or_none", "never") else claims.bias
    small: dict[str, Any] = {
        "heads": (replace(head, outputs=(outputs, outputs)),), "bias": bias,
        "batch": (batch, batch), "depth": (depth, depth),
        "hidden": claims.hidden[:1] if depth > 1 else (),
        "dtypes": claims.dtypes[:1], "l2": 0.0, "l2_on": "weights", "l2_reduction": "sum",
        "layers": (PLAIN,) if PLAIN in claims.layers else claims.layers}
    least = replace(claims, **small).least_parameters(small["heads"][0])
    yield "smallest", f"{_layers(depth)}, as small as can be", {**small, "max_parameters": least}
    if bias != claims.bias:
        bias = "always"
        room = least + depth - 1 + outputs
        yield "bias", "and a bias", {**small, "bias": bias, "max_parameters": room}
    small |= {"bias": bias, "heads": (head,), "max_parameters": claims.max_parameters}
    yield "units", "several inputs and outputs", dict(small)
    small["batch"] = claims.batch
    yield "batch", "several examples", dict(small)
    small |= {"depth": claims.depth, "hidden": claims.hidden[:1], "bias": claims.bias}
    yield "depth", f"several layers, hidden {_name(claims.hidden[:1])}", dict(small)


def _kinds(claims: Claims) -> Iterator[Cut]:
    """Each activation, then each head, then each dtype that the rungs before had not."""
    if claims.networks:
        return
    small: dict[str, Any] = {"heads": claims.heads[:1], "dtypes": claims.dtypes[:1], "l2": 0.0,
                             "l2_on": "weights", "l2_reduction": "sum",
                             "layers": (PLAIN,) if PLAIN in claims.layers else claims.layers}
    least, most = claims.depth
    shallow = (least, max(least, min(DEEP, most or DEEP)))
    for each in claims.hidden[1:]:
        yield ("activation", f"hidden {_name((each,))}",
               {**small, "hidden": (each,), "depth": shallow})
    heads = {(head.activation, head.loss): head for head in claims.heads}
    for head in [*heads.values()][1:]:
        yield "loss", _of(head), {**small, "heads": (head,), "depth": shallow}
    for dtype in claims.dtypes[1:]:
        yield "dtype", dtype, {**small, "dtypes": (dtype,)}


def _layers(depth: int) -> str:
    return "one layer" if depth == 1 else f"{depth} layers"


def _name(hidden: tuple[Any, ...]) -> str:
    return ", ".join(each if isinstance(each, str) else str(each["function"]) for each in hidden)


def _of(head: Head) -> str:
    reduction = "" if head.reduction == "reported" else f" ({head.reduction})"
    return f"{head.activation} + {head.loss}{reduction}"


class Ladder:
    """A climb: iterate over its lines; `status` is then 0, 1 where a rung failed, 2 where one could
    not be judged.
    """

    def __init__(self, subject: Subject, seed: int = 0):
        self.subject, self.seed, self.status = subject, seed, 0
        self.rungs = rungs(subject.claims)

    def __iter__(self) -> Iterator[str]:
        """A line for each rung as it is climbed; for the one that fails its finding too."""
        yield _line(PASSED, "hello", f"{self.subject.name} answers {self.subject.claims.answers}")
        for i, rung in enumerate(self.rungs):
            report = self._asked(rung)
            why = _why(report)
            yield _line(FAILED if why else PASSED, rung.name,
                        f"{rung.says}{'' if why else f': {report.networks} networks'}")
            if why:
                self.status = report.exit or EXITS["incomplete"]
                yield from ["", *(f"    {line}" for line in why), ""]
                yield from (_line(NEXT, up.name, up.says) for up in self.rungs[i + 1:i + 2])
                return
        yield f"all {len(self.rungs)} rungs passed; next: verify without --ladder"

    def _asked(self, rung: Rung) -> Report:
        plan = plan_of(EXAMPLES, SECONDS, self.seed, ORACLES)
        return judge(replace(self.subject, claims=rung.claims), plan, None, True, ALONE)


def _why(report: Report) -> list[str]:
    """Why a rung is not passed, a line each; nothing where it is."""
    if report.findings:
        finding = report.findings[0]
        more = len(report.findings) - 1
        return [*finding.text.split("\n"), *([f"and {more} more"] if more else [])]
    if report.verdict in ("not_judged", "does_not_conform"):
        return [report.reason or report.headline]
    if report.ended or report.reason == "interrupted" or not report.total("passed"):
        declined = report.total("declined")
        return [f"nothing was judged: {declined} questions were unsupported" if declined
                else report.ended or report.reason]
    return []


def _line(word: str, name: str, says: str) -> str:
    return f"  {word:7} {name:11} {says}"
