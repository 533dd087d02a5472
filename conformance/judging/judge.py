"""One network after another: ask the subject, judge its answers, remember what failed."""

from __future__ import annotations

import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .. import oracles
from ..plug.contract import BrokenContract, Declined
from ..plug.limits import limit
from ..plug.subject import Subject
from ..properties import agreement, exact, own_loss
from ..properties.agreement import Disagreement, differing, disagreements, kind_of, measured
from ..properties.claims import Claims
from ..properties.identities import PROPERTIES, Reply
from ..properties.measured import Measured
from ..properties.strategies import cases, rounded
from ..properties.tolerance import SLACK, Spread, spread
from ..reference import Answer, Case, Engine
from .plan import drawn

QUESTION_SECONDS = 10.0
PER_NETWORK = 5
KEPT = 16
OTHERS, OTHERS_SEED = 40, 7
VALUE_PROPERTIES = {
    "contract": "every gradient is there, of the right shape and dtype",
    "untouched_arguments": "the arrays handed over come back as they were",
    "answers": "every question inside the claims is answered",
    "reference": "every gradient equals the reference's, within the computed tolerance",
    "loss_value": "the loss reported is the declared one",
    "own_loss": "the gradient is that of the loss reported: differences along three directions",
    "line_integral": "the gradient integrated along a line is the difference of the loss",
    "exact_integers": "integer networks come out exact, to the last bit",
    "torch": "every gradient equals PyTorch's",
    "jax": "every gradient equals JAX's",
    "differences": "every gradient equals central differences, within their own error estimate",
    "complex_step": "every gradient equals the complex step",
    "arbiter": "every gradient equals the high-precision one",
}
FAMILIES = {"contract": "contract", "untouched_arguments": "contract", "answers": "answers", "loss_value": "loss",
            "own_loss": "own_loss", "line_integral": "own_loss"}


def family(name: str) -> str:
    """The family of a property: one mistake usually breaks one family first."""
    if name in PROPERTIES:
        return "state" if PROPERTIES[name].family == "state" else "identity"
    return FAMILIES.get(name, "value")


class EndedProgram(Exception):  # noqa: N818 - about the subject, not an error of ours
    """The subject called sys.exit, or raised what is no Exception."""


def question(engine: Engine, case: Case) -> Answer:
    """The engine's answer; raises whatever it raises, TookTooLong after ten seconds, EndedProgram for a SystemExit."""
    try:
        with limit(QUESTION_SECONDS, f"no answer within {QUESTION_SECONDS:g} s"):
            return engine(case)
    except SystemExit as error:
        raise EndedProgram(f"sys.exit({error.code!r}) inside the subject") from error
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EndedProgram(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Failure:
    """One failed check: what broke, on which case, and the message or the numbers."""

    property: str
    kind: str
    case: Case
    message: str = ""
    disagreements: tuple[Disagreement, ...] = ()
    asked: tuple[Case, ...] = ()


@dataclass
class Tally:
    """What a run has seen: outcomes by property, failures by (family, kind), sharpness by dtype and kind, notes."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[tuple[str, str], list[Failure]] = field(default_factory=lambda: defaultdict(list))
    sharpness: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    broken: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    notes: dict[str, None] = field(default_factory=dict)
    divergences: list[str] = field(default_factory=list)
    slopes: dict[str, set[float]] = field(default_factory=dict)
    last: dict[tuple[str, str], int] = field(default_factory=dict)
    networks: int = 0
    failing: int = 0
    last_failing: int = -1
    first: int | None = None


class Judge:
    """Asks one subject; `record(property=..., outcome=..., ...)` gets every result as it comes."""

    def __init__(self, subject: Subject, claims: Claims, names: Sequence[str], record: Callable[..., None], seed: int):
        self.subject, self.claims, self.names, self.record = subject, claims, names, record
        self.engine: Engine = subject.engine
        self.tally = Tally()
        self.rng = np.random.default_rng(seed)
        self.spreads: dict[int, tuple[Case, Spread]] = {}
        self.suspects: set[int] = set()
        self.wrong_losses: set[int] = set()
        self.agreement: dict[str, tuple[float, float, float]] = {}
        self.unmeasured = False
        self.confirmed: Counter[str] = Counter()
        self.at_hand: dict[str, Any] | None = None
        self.deadline = float("inf")
        self.per_network = PER_NETWORK

    @cached_property
    def others(self) -> list[Case]:
        """Further cases of the claims, to tell mistakes apart; drawn on the first finding."""
        return list(islice(drawn(cases(self.claims), OTHERS_SEED), OTHERS))

    # --- asking ---------------------------------------------------------------------------------------------

    def spread(self, case: Case) -> Spread:
        """The case's truth and spread, computed once per network."""
        if id(case) not in self.spreads:
            self.spreads[id(case)] = (case, spread(case))
        return self.spreads[id(case)][1]

    def question(self, case: Case) -> Answer:
        """The engine's answer; raises what `question` raises."""
        return question(self.engine, case)

    def ask(self, case: Case) -> Reply | None:
        """The answer with its tolerances, its values checked; None where there is none or the case is not valid."""
        s = self.spread(case)
        if s.unclear or not s.finite:
            return None
        try:
            answer = self.question(case)
        except Exception as error:
            self.refused(case, error)
            return None
        self.count("contract", "passed", case)
        self.count("answers", "passed", case)
        reply = measured(case, answer, s)
        self.check_values(reply, answer, s)
        return reply

    def refused(self, case: Case, error: Exception) -> None:
        """No answer: a broken contract, a declined question, a crash or a hang, each under its own name."""
        if isinstance(error, BrokenContract):
            name = "untouched_arguments" if error.kind == "mutated" else "contract"
            self.fail(name, error.kind, case, error.message)
        elif isinstance(error, Declined | NotImplementedError):
            if self.claims.explored:
                self.count("answers", "declined", case)
                self.tally.notes[f"declined: {error or type(error).__name__}"] = None
            else:
                self.fail("answers", "declined", case, f"declines what it claims: {error or type(error).__name__}")
        else:
            self.count("answers", "errored", case)
            kind = type(error).__name__
            self.remember("answers", kind, Failure("answers", kind, case, last_line(error)))

    def count(self, name: str, outcome: str, case: Case, **more: Any) -> None:
        self.tally.counts[name][outcome] += 1
        if name == "reference" and self.agreement:
            more["agreement"], self.agreement = self.agreement, {}
        self.record(property=name, outcome=outcome, network=self.tally.networks, case=case, **more)

    def fail(self, name: str, kind: str, case: Case, message: str = "", found: Iterable[Disagreement] = (),
             asked: Sequence[Case] = ()) -> None:
        """Count a failure and remember it under its family and kind."""
        self.count(name, "failed", case, kind=kind)
        self.remember(name, kind, Failure(name, kind, case, message, tuple(found), tuple(asked)))

    def remember(self, name: str, kind: str, failure: Failure) -> None:
        if self.tally.last_failing != self.tally.networks:
            self.tally.last_failing = self.tally.networks
            self.tally.failing += 1
            self.tally.first = self.tally.first or self.tally.networks
        key = ("loss" if kind == "loss" and family(name) == "value" else family(name), kind)
        self.tally.broken[key].add(name)
        kept = self.tally.failures[key]
        if len(kept) < KEPT and self.tally.last.get(key) != self.tally.networks:
            self.tally.last[key] = self.tally.networks
            kept.append(failure)

    # --- the values -----------------------------------------------------------------------------------------

    def check_values(self, reply: Reply, answer: Answer, s: Spread) -> None:
        """Loss and gradients against the truth."""
        found = disagreements(reply, s.truth)
        self.sharpen(reply, s)
        if found:
            self.suspects.add(id(reply.case))
            self.suspect("reference", reply.case, answer, found)
        else:
            self.count("reference", "passed", reply.case)
        if not self.clipped(reply.case):
            wrong = differing("loss", reply.loss, s.truth.loss)
            if wrong and (self.confirmed["loss"] >= 2 or not agreement.loss_agrees(reply.case, answer)):
                self.confirmed["loss"] += 1
                self.wrong_losses.add(id(reply.case))
                self.fail("loss_value", "loss", reply.case, found=[wrong])
            else:
                self.count("loss_value", "passed", reply.case)

    def sharpen(self, reply: Reply, s: Spread) -> None:
        """Note how sharp the comparison was: tolerance and error over the gradient's largest entry.

        The first of a network's is recorded too, as (error, tolerance, largest entry) by parameter.
        """
        for name, gradient in reply.gradients.items():
            size = float(np.abs(s.truth.gradients[name]).max(initial=0.0))
            if size > 0 and np.isfinite(gradient.value).all():
                error = float(np.abs(gradient.value - s.truth.gradients[name]).max())
                allowed = float(gradient.tolerance.max())
                self.tally.sharpness[reply.case.dtype, kind_of(name)].append((allowed / size, error / size))
                if self.unmeasured:
                    self.agreement[name] = error, allowed, size
        self.unmeasured = False

    def suspect(self, name: str, case: Case, answer: Answer, found: list[Disagreement]) -> None:
        """A disagreement: confirmed with the cold path twice per kind of parameter, then taken as the same mistake."""
        kinds = kinds_of(found).split(",")
        if all(self.confirmed[kind] >= 2 for kind in kinds):
            self.count(name, "failed", case, kind=",".join(kinds))
            self.remember(name, ",".join(kinds), Failure(name, ",".join(kinds), case, "", tuple(found)))
            return
        judgement = agreement.confirm(case, answer, self.independent())
        if judgement.outcome != "failed":
            self.count(name, judgement.outcome, case, why=judgement.why)
            if judgement.outcome == "inconclusive":
                self.tally.notes[f"inconclusive: {judgement.why}"] = None
            return
        kinds = kinds_of(judgement.disagreements).split(",")
        self.count(name, "failed", case, kind=",".join(kinds))
        self.confirmed.update(kinds)
        together = ",".join(kinds)
        self.remember(name, together, Failure(name, together, case, judgement.why, judgement.disagreements))

    def independent(self) -> dict[str, Any]:
        """The witnesses at hand, loaded on the first suspicion."""
        if self.at_hand is None:
            self.at_hand = agreement.witnesses(self.names, self.subject.made_of)
        return self.at_hand

    def clipped(self, case: Case) -> bool:
        """Whether the head's log floor is active on this case: then its loss is not checkable."""
        return own_loss.clipped(case, self.claims)

    # --- the properties -------------------------------------------------------------------------------------

    def network(self, case: Case) -> None:
        """Everything there is to ask about one network."""
        self.tally.networks += 1
        self.spreads.clear()
        self.suspects.clear()
        self.wrong_losses.clear()
        self.unmeasured = True
        first = self.ask(case)
        if first is None:
            return
        self.identities(first)
        for name in ("torch", "differences", "complex_step"):
            if name in self.names:
                self.oracle(name, first)
        if "arbiter" in self.names and self.tally.networks % 8 == 1:
            self.oracle("arbiter", first)
        if case.dtype == "float64" and not self.clipped(case) and time.monotonic() < self.deadline:
            try:
                self.along_lines(first)
            except Exception as error:
                self.refused(case, error)

    def along_lines(self, first: Reply) -> None:
        """Loss and gradient against each other, on every second network; raises what the subject raises."""
        if self.tally.networks % 4 == 1:
            self.equations("own_loss", own_loss.directional(first, self.question, self.rng), first)
        elif self.tally.networks % 4 == 3:
            found = own_loss.line_integral(first, self.question, self.spread, self.rng)
            self.equations("line_integral", found, first)

    def identities(self, first: Reply) -> None:
        """The state probes, then the five identities that apply and have had the fewest turns."""
        def turns(name: str) -> int:
            return sum(self.tally.counts.get(name, {}).values())

        state = [name for name in PROPERTIES if family(name) == "state"]
        left = len(state) + self.per_network
        for name in state + sorted((name for name in PROPERTIES if name not in state), key=turns):
            if time.monotonic() > self.deadline:
                return
            asked = PROPERTIES[name].ask(first.case, self.claims, self.rng)
            if asked is not None:
                self.identity(name, first, asked)
                left -= 1
            if not left:
                return

    def identity(self, name: str, first: Reply, asked: list[Case]) -> None:
        """Ask what the identity needs and judge its equations."""
        asked = [case if case is first.case else rounded(case, case.dtype) for case in asked]
        replies = []
        for i, case in enumerate(asked):
            reply = first if i == 0 and case is first.case else self.ask(case)
            if reply is None:
                return
            replies.append(reply)
        equations = list(PROPERTIES[name].judge(replies))
        found = [d for d in (differing(*equation) for equation in equations) if d]
        if not equations:
            self.count(name, "not_claimed", first.case, why="it speaks of an answer that is not given")
        elif not found:
            self.count(name, "passed", first.case)
        elif family(name) == "state" or any(id(case) in self.suspects for case in asked):
            kind = "state" if family(name) == "state" else kind_of(found[0].parameter)
            self.fail(name, kind, first.case, found=found, asked=asked)
        else:
            self.count(name, "inconclusive", first.case, why="broken, though every answer agrees with the reference")

    def equations(self, name: str, equations: Iterable[tuple[str, Any, Any]] | None, first: Reply) -> None:
        """Judge equations that need no witness: the subject's numbers against each other."""
        if equations is None:
            self.count(name, "not_claimed", first.case)
            return
        found = [d for d in (differing(*equation) for equation in equations) if d]
        if found:
            self.fail(name, "loss", first.case, found=found)
        else:
            self.count(name, "passed", first.case)

    def oracle(self, name: str, reply: Reply) -> None:
        """The subject's answer against an oracle's, both with their tolerance."""
        try:
            if name == "differences":
                answer, error = oracles.load(name).estimate(
                    reply.case, agreement.loss_noise(reply.case, self.spread(reply.case)))
            else:
                answer, error = oracles.load(name).answer(reply.case), {}
                if name == "complex_step":
                    error = dict.fromkeys(answer.gradients, oracles.load(name).noise(answer))
        except oracles.Unsupported:
            self.count(name, "not_claimed", reply.case)
            return
        self.against(name, answer, error, reply)

    def against(self, name: str, answer: Answer, error: dict[str, Any], reply: Reply) -> None:
        """Compare, and never blame the subject for an oracle that is apart from the truth."""
        s = self.spread(reply.case)
        theirs = {k: Measured(np.asarray(g, dtype=float), SLACK * (s.gradients[k] + error.get(k, 0.0)))
                  for k, g in answer.gradients.items()}
        apart = [d for k in reply.gradients if (d := differing(k, reply[k], theirs[k]))]
        if not apart and (wrong := self.loss_apart(answer, reply, s)):
            self.fail(name, "loss", reply.case, found=[wrong])
        elif not apart:
            self.count(name, "passed", reply.case)
        elif [d for k in theirs if (d := differing(k, theirs[k], s.truth.gradients[k]))]:
            self.count(name, "inconclusive", reply.case, why="oracle divergence")
            self.tally.divergences.append(f"oracle divergence: {name} and the reference differ on case {reply.case.id}")
        elif id(reply.case) in self.suspects:
            self.fail(name, kinds_of(apart), reply.case, found=apart)
        else:
            self.count(name, "inconclusive", reply.case, why="between the tolerances")

    def loss_apart(self, answer: Answer, reply: Reply, s: Spread) -> Disagreement | None:
        """A loss that is not the oracle's either, where it is not the declared one."""
        if id(reply.case) not in self.wrong_losses:
            return None
        return differing("loss", reply.loss, Measured(np.asarray(answer.loss, dtype=float), SLACK * s.loss))

    def many(self, name: str, cases: Sequence[Case]) -> None:
        """Several cases of one structure against an oracle that compiles: one program for all."""
        replies = [r for r in map(self.ask, cases) if r is not None]
        if not replies:
            return
        try:
            answers = oracles.load(name).answers([r.case for r in replies])
        except oracles.Unsupported:
            self.count(name, "not_claimed", cases[0])
            return
        for reply, answer in zip(replies, answers, strict=True):
            self.against(name, answer, {}, reply)

    # --- exact integers -------------------------------------------------------------------------------------

    def exact(self, case: Case | None) -> None:
        """Integer arithmetic leaves no tolerance; the slope at a kink is a convention, fitted once per kind."""
        if case is None:
            return
        try:
            answer = self.question(case)
        except Exception as error:
            self.refused(case, error)
            return
        result = exact.compare(case, answer, self.tally.slopes)
        if result.outcome == "failed":
            self.suspects.add(id(case))
            self.fail("exact_integers", kinds_of(result.found), case, found=result.found)
        else:
            self.count("exact_integers", result.outcome, case, why=result.why)
            if result.why:
                self.tally.notes[result.why] = None


def kinds_of(found: Iterable[Disagreement]) -> str:
    """"bias,weight": the kinds of parameter that disagree."""
    return ",".join(sorted({kind_of(d.parameter) for d in found}))


def last_line(error: BaseException) -> str:
    """"ValueError: ... (file.py:12)", the innermost frame that is not ours."""
    ours = str(Path(__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__cause__.__traceback__ if error.__cause__ else error.__traceback__)
              if not f.filename.startswith(ours) or "subjects" in f.filename]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    try:
        first = (str(error).strip() or "no message").splitlines()[0]
    except Exception:
        first = "its message cannot be read"
    return f"{type(error).__name__}: {first}{where}"
