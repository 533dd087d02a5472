"""One network after another: ask the subject, judge its answers, remember what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np

from .. import oracles
from ..oracles import ORACLES, How, Oracle, When
from ..plug.contract import AdapterError, BrokenContract, Declined
from ..plug.saying import name_of, reason
from ..plug.subject import Subject
from ..properties import exact, own_loss
from ..properties.agreement import Disagreement, differing, disagreements, kind_of, measured
from ..properties.catalogue import family, state_probes
from ..properties.claims import Claims
from ..properties.directed import directed, halving
from ..properties.identities import PROPERTIES, Question, Reply
from ..properties.identities.state import other_numbers
from ..properties.identity import bare
from ..properties.large_line import large_line
from ..properties.membership import covers, kept
from ..properties.strategies import in_dtype
from ..properties.strategies.counted import draft_at
from ..properties.subtraction import carried
from ..properties.tolerance import SLACK, Spread, rounding, spread
from ..record.notes import Note, NoteKind
from ..reference import Answer, Case, Engine
from . import stepping
from .against import Sides, directions, entries, several
from .asking import last_line, question
from .clock import TimeIsUp
from .confirming import Cases, Confirming, kinds_of
from .plan import all_large
from .smoke import Attempt, NotJudged
from .tally import Failure, Tally

PER_NETWORK = 5
OTHERS, OTHERS_SEED = 40, 7
EIGHT = 8
MEASURED = 90  # comparisons of a dtype and kind of parameter
EARLY = 40     # networks
TURNS = 8      # of an identity
REPEATED, BETWEEN = "repeated_question", "another_case_between"


def _broken(asked: Question, replies: Sequence[Reply]) -> tuple[list[Any], list[Disagreement]]:
    """The equations of an identity, and how they are broken."""
    equations = list(asked.equations([bare(reply) for reply in replies]))
    return equations, [d for d in (differing(*equation) for equation in equations) if d]


def valid(s: Spread) -> bool:
    """Whether right programs agree on the case in its dtype: it is finite, and on no kink."""
    return s.finite and not s.unclear


class Judge:
    """Asks one subject; `record(property=..., outcome=..., ...)` gets every result as it comes.

    `entrywise`: ask the oracles that go along directions for every entry, on every network.
    """

    def __init__(self, subject: Subject, claims: Claims, names: Sequence[str],
                 record: Callable[..., None], seed: int, entrywise: bool = False):
        self.subject, self.claims, self.names, self.record = subject, claims, names, record
        self.engine: Engine = subject.engine
        self.entrywise = entrywise
        self.tally = Tally()
        self.confirming = Confirming(names, subject.made_of, claims)
        self.seed, self.part = seed, 0  # part: of a run in shards, the number of the structure
        self.suspects, self.wrong_losses, self.roundings = Cases(), Cases(), Cases()
        self.agreement: dict[str, tuple[float, float, float]] = {}
        self.unmeasured = False
        self.raised: Exception | None = None  # what came out of a question last
        self.located: list[str] = []  # where halving led to, of large networks
        self.deadline = float("inf")
        self.per_network = PER_NETWORK
        self.planned, self.ended = 0, ""

    @cached_property
    def others(self) -> list[Case]:
        """Further cases of the claims, to tell mistakes apart; drawn on the first finding."""
        if all_large(self.claims):
            return []
        return [draft_at(self.claims, OTHERS_SEED, number).case for number in range(OTHERS)]

    def drawing(self, name: str) -> np.random.Generator:
        """What a judge of this name draws from, on the network at hand; it disturbs no other."""
        which = (self.part, crc32(name.encode()), self.tally.networks)
        return np.random.default_rng((self.seed, *which))

    # --- asking -----------------------------------------------------------------------------------

    @property
    def asked(self) -> int:
        """How many questions the subject was asked; 0 where nobody counts."""
        return int(getattr(self.engine, "count", 0))

    def question(self, case: Case) -> Answer:
        """The engine's answer; raises what `question` raises."""
        try:
            return question(self.engine, case)
        except Exception as error:
            self.raised = error
            raise

    def raised_by_it(self, error: Exception, case: Case) -> None:
        """Judge what was raised while more was asked about a network.

        Raises it again where it is not the subject's, but was raised in our own lines.
        """
        if error is not self.raised:
            raise error
        self.refused(case, error)

    def spread(self, case: Case) -> Spread:
        """The truth and how far the subject may lie apart, with what its claims cost in digits."""
        return carried(case, spread(case), self.claims.rate)

    def ask(self, case: Case) -> Reply | None:
        """The answer with its tolerances, its values checked, if it has any.

        None where there is none, or where the case is not valid: on a kink, or not finite. Once it
        is known how sharp comparisons are, an answer that agrees to the rounding of a number needs
        no samples, and has that rounding for its tolerance.
        """
        cheap = None if self.measuring(case) else rounding(case)
        if not valid(cheap or spread(case)):
            return None
        try:
            answer = self.question(case)
        except Exception as error:
            self.refused(case, error)
            return None
        if cheap is not None and answer.gradients and (reply := self.at_once(case, answer, cheap)):
            return reply
        s = spread(case)
        return self.heard(case, answer, s) if valid(s) else None

    def measuring(self, case: Case) -> bool:
        """Whether it is measured how sharp the comparison is: at first, then of one in eight."""
        few = min((len(self.tally.sharpness.get((case.dtype, kind_of(name)), ()))
                   for name in case.parameters), default=0) < MEASURED
        return few or self.unmeasured or self.asked % EIGHT == 0

    def at_once(self, case: Case, answer: Answer, cheap: Spread) -> Reply | None:
        """The reply, where it agrees with the truth to the rounding of a number."""
        reply = measured(case, answer, cheap)
        loss_agrees = self.clipped(case) or not differing("loss", reply.loss, cheap.truth.loss)
        if not loss_agrees or disagreements(reply, cheap.truth):
            return None
        self.roundings.add(case)
        self.passed(case)
        return reply

    def passed(self, case: Case, times: int = 1) -> None:
        """Count what a right answer to the case passes, or as many answers of one structure."""
        for name in ("contract", "answers", "reference"):
            self.count(name, "passed", case, times)
        if not self.clipped(case):
            self.count("loss_value", "passed", case, times)

    def sampled(self, reply: Reply) -> Reply:
        """The reply with the tolerance of samples, whatever it had."""
        if reply.case not in self.roundings:
            return reply
        s = self.spread(reply.case)
        gradients = {name: replace(g, tolerance=SLACK * s.gradients[name])
                     for name, g in reply.gradients.items()}
        return replace(reply, loss=replace(reply.loss, tolerance=np.asarray(SLACK * s.loss)),
                       gradients=gradients)

    def heard(self, case: Case, answer: Answer, s: Spread) -> Reply:
        """An answer that was given, with its tolerances, its values checked."""
        self.count("contract", "passed", case)
        self.count("answers", "passed", case)
        reply = measured(case, answer, carried(case, s, self.claims.rate))
        if answer.gradients:
            self.check_values(reply, answer, s)
        return reply

    def smoked(self, attempts: Iterable[Attempt]) -> None:
        """Judge what was asked in the smoke like all else; a wrong answer is asked for again.

        But for networks that are smaller than any that is claimed.
        """
        for case, s, answer, error in attempts:
            if not covers(self.claims, case):
                continue
            if error is not None:
                self.refused(case, error)
            elif answer is not None and valid(s):
                reply = self.heard(case, answer, s)
                if case in self.suspects or case in self.wrong_losses:
                    self.some(state_probes(), len(state_probes()), reply)

    def refused(self, case: Case, error: Exception) -> None:
        """No answer: a broken contract, a declined question, a crash or a hang, each by name.

        Raises NotJudged where what was said of the subject does not fit it.
        """
        if isinstance(error, AdapterError):
            raise NotJudged(str(error)) from error
        if isinstance(error, BrokenContract):
            name = "untouched_arguments" if error.kind == "mutated" else "contract"
            self.fail(name, error.kind, case, error.message)
        elif isinstance(error, Declined | NotImplementedError):
            self.declined(case, reason(error))
        else:
            self.count("answers", "errored", case)
            kind = name_of(type(error))
            self.tally.remember(Failure("answers", kind, case, last_line(error)))

    def declined(self, case: Case, why: str) -> None:
        """Allowed where nothing was claimed, a failure where it was."""
        if self.claims.explored:
            self.count("answers", "declined", case)
            self.tally.notes[Note(f"declined: {why}", NoteKind.DECLINED)] = None
        else:
            self.fail("answers", "declined", case, f"declines what it claims: {why}")

    def count(self, name: str, outcome: str, case: Case, times: int = 1, **more: Any) -> None:
        """Count and record one outcome, or as many of one structure."""
        self.tally.counts[name][outcome] += times
        if times > 1:
            more["times"] = times
        if name == "reference" and self.agreement:
            more["agreement"], self.agreement = self.agreement, {}
        self.record(property=name, outcome=outcome, network=self.tally.networks, case=case, **more)

    def fail(self, name: str, kind: str, case: Case, message: str = "",
             found: Iterable[Disagreement] = (), asked: Sequence[Case] = (),
             loses_digits: bool = False) -> None:
        """Count a failure and remember it under its family and kind."""
        self.count(name, "failed", case, kind=kind)
        failure = Failure(name, kind, case, message, tuple(found), tuple(asked), loses_digits)
        self.tally.remember(failure)

    # --- the values -------------------------------------------------------------------------------

    def check_values(self, reply: Reply, answer: Answer, s: Spread) -> None:
        """Loss and gradients against the truth."""
        found = disagreements(reply, s.truth)
        self.sharpen(reply, s)
        if found:
            self.suspects.add(reply.case)
            self.suspect(reply.case, answer, found)
        else:
            self.count("reference", "passed", reply.case)
        if not self.clipped(reply.case):
            self.check_loss(reply, answer, s)

    def check_loss(self, reply: Reply, answer: Answer, s: Spread) -> None:
        """The loss reported against the declared one."""
        wrong = differing("loss", reply.loss, s.truth.loss)
        if wrong and self.confirming.loss(reply.case, answer):
            self.wrong_losses.add(reply.case)
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
                key = reply.case.dtype, kind_of(name)
                self.tally.sharpness[key].append((allowed / size, error / size))
                if self.unmeasured:
                    self.agreement[name] = error, allowed, size
        self.unmeasured = False

    def suspect(self, case: Case, answer: Answer, found: list[Disagreement]) -> None:
        """A disagreement with the reference: confirmed, or of kinds that were confirmed before."""
        if self.confirming.known(kinds_of(found)):
            self.fail("reference", kinds_of(found), case, found=found)
            return
        judgement = self.confirming.gradients(case, answer)
        if judgement.outcome == "failed":
            self.fail("reference", kinds_of(judgement.disagreements), case, judgement.why,
                      judgement.disagreements, loses_digits=judgement.loses_digits)
            return
        self.count("reference", judgement.outcome, case, why=judgement.why)
        if judgement.outcome == "inconclusive":
            row = self.tally.row(case)
            if row is not None:
                row.unsure = True
            note = Note(f"inconclusive: {judgement.why}", NoteKind.INCONCLUSIVE)
            self.tally.notes[note] = None

    def clipped(self, case: Case) -> bool:
        """Whether the loss cannot be checked: the head's log floor is active, or there is none."""
        return own_loss.unchecked(case, self.claims)

    # --- one network ------------------------------------------------------------------------------

    def first(self, case: Case) -> Reply | None:
        """The first question about a network, measured; one that is not valid is only counted.

        None where there is no reply.
        """
        if not valid(spread(case)):
            self.tally.invalid += 1
            return None
        self.tally.networks += 1
        self.suspects.clear()
        self.wrong_losses.clear()
        self.roundings.clear()
        self.unmeasured = True
        self.tally.begin(case, self.asked + 1)
        try:
            reply = self.ask(case)
        except TimeIsUp:
            self.tally.end(judged=False)
            self.tally.networks -= 1
            raise
        self.tally.end(reply is not None)
        return reply

    def network(self, case: Case) -> None:
        """Everything there is to ask about one network."""
        first = self.first(case)
        if first is None:
            return
        if case.large:
            self.large(first)
            return
        if self.subject.stepping is not None:
            stepping.judged(self, self.subject.stepping, first)
        if not first.gradients:
            return
        self.identities(first)
        for name in self.names:
            if self.due(ORACLES[name], case):
                self.oracle(name, first)
        if case.dtype == "float64" and not self.clipped(case) and time.monotonic() < self.deadline:
            try:
                self.along_lines(first)
            except Exception as error:
                self.raised_by_it(error, case)

    def large(self, first: Reply) -> None:
        """What is asked of a large network, beside the answer as a whole.

        Whether the same question has the same answer; on every fourth network also whether it has
        after another case. PyTorch's gradients, entry by entry. Differences along two directions of
        each array. On every second network the line integral, of a smooth one in float64. No other
        identity, no complex step, no JAX, no arbiter.
        """
        self.repeated(REPEATED, first)
        other = other_numbers(first.case)
        if self.tally.networks % 4 == 2 and kept(self.claims, other):
            self.repeated(BETWEEN, first, other)
        if "torch" in self.names and time.monotonic() < self.deadline:
            self.oracle("torch", first)
        if "differences" in self.names and time.monotonic() < self.deadline:
            self.directed(first)
        line = self.tally.networks % 2 == 1 and first.case.dtype == "float64"
        if line and not self.clipped(first.case) and time.monotonic() < self.deadline:
            try:
                found = large_line(first, self.question, self.drawing("line_integral"))
                self.equations("line_integral", found, first)
            except Exception as error:
                self.raised_by_it(error, first.case)

    def repeated(self, name: str, first: Reply, *between: Case) -> None:
        """The same question again: the same bits are the same answer, others are looked at."""
        try:
            for case in between:
                self.question(case)
            again = self.question(first.case).gradients
        except Exception as error:
            self.refused(first.case, error)
            return
        if all(np.array_equal(again[each], g.value) for each, g in first.gradients.items()):
            self.count(name, "passed", first.case)
        else:
            self.some([name], 1, first)

    def directed(self, first: Reply) -> None:
        """Differences along directions of each array; a wrong one is halved to see where."""
        case, truth = first.case, spread(first.case).truth
        found = list(directed(first, truth, self.drawing("differences"), halving))
        apart = [each.found for each in found if each.found is not None]
        if apart and case in self.suspects:
            says = "; ".join(each.says for each in found if each.says)
            self.located += [says] if says else []
            self.fail("differences", kinds_of(apart), case, says, found=apart)
        elif apart or any(each.outcome == "diverged" for each in found):
            self.count("differences", "inconclusive", case, why="between the tolerances")
        elif all(each.outcome == "inconclusive" for each in found):
            self.count("differences", "inconclusive", case, why="a kink is too near")
        else:
            self.count("differences", "passed", case)

    def due(self, oracle: Oracle, case: Case) -> bool:
        """Whether an oracle is asked about the network at hand."""
        kinds = {spec.kind for _, spec in case.network.walk()}
        if oracle.kinds and not kinds & set(oracle.kinds):
            return False
        eighth = oracle.when is When.EIGHTH and self.tally.networks % EIGHT == 1
        return oracle.when is When.EVERY or eighth

    def along_lines(self, first: Reply) -> None:
        """Loss and gradient against each other: on every second network, later on every eighth.

        Raises what the subject raises.
        """
        if self.tally.networks > EARLY and self.tally.networks % 16 not in (1, 15):
            return
        if self.tally.networks % 4 == 1:
            found = own_loss.directional(first, self.question, self.drawing("own_loss"))
            self.equations("own_loss", found, first)
        elif self.tally.networks % 4 == 3:
            rng = self.drawing("line_integral")
            lines = own_loss.line_integral(first, self.question, self.spread, rng)
            self.equations("line_integral", lines, first)

    # --- identities -------------------------------------------------------------------------------

    def identities(self, first: Reply) -> None:
        """The state probes, then the five identities that apply and have had the fewest turns.

        One, once each that applies has had its turns.
        """
        def times_run(name: str) -> int:
            return sum(self.tally.counts.get(name, {}).values())

        state = state_probes()
        others = sorted((name for name in PROPERTIES if name not in state), key=times_run)
        rare = [name for name in others if times_run(name) < TURNS]
        self.some(state, len(state), first)
        if self.some(rare, self.per_network, first) == 0:
            self.some(others[len(rare):], 1, first)

    def some(self, names: Iterable[str], most: int, first: Reply) -> int:
        """As many of these identities as there may be, of those that apply; how many were asked."""
        done = 0
        for name in names:
            if done == most or time.monotonic() > self.deadline:
                break
            rng = self.drawing(name)
            asked = PROPERTIES[name].question(first.case, self.claims, rng)
            if asked is not None and all(kept(self.claims, case) for case in asked.cases):
                self.identity(name, first, asked)
                done += 1
        return done

    def identity(self, name: str, first: Reply, asked: Question) -> None:
        """Ask what the identity needs and judge its equations."""
        replies: list[Reply] = []
        for case in asked.cases:
            given = case if case is first.case else in_dtype(case, case.dtype)
            reply = first if given is first.case and not replies else self.ask(given)
            if reply is None:
                return
            replies.append(reply)
        if not all(reply.gradients for reply in replies):
            return
        equations, found = _broken(asked, replies)
        if found and any(reply.case in self.roundings for reply in replies):
            if not all(valid(spread(reply.case)) for reply in replies):
                return
            equations, found = _broken(asked, [self.sampled(reply) for reply in replies])
        if not equations:
            why = "it speaks of an answer that is not given"
            self.count(name, "not_claimed", first.case, why=why)
        elif not found:
            self.count(name, "passed", first.case)
        elif family(name) == "state" or any(reply.case in self.suspects for reply in replies):
            kind = "state" if family(name) == "state" else kind_of(found[0].parameter)
            self.fail(name, kind, first.case, found=found, asked=asked.cases)
        else:
            why = "broken, though every answer agrees with the reference"
            self.count(name, "inconclusive", first.case, why=why)

    def equations(self, name: str, equations: Iterable[tuple[str, Any, Any]] | None,
                  first: Reply) -> None:
        """Judge equations that need no witness: the subject's numbers against each other."""
        if equations is None:
            self.count(name, "not_claimed", first.case)
            return
        found = [d for d in (differing(*equation) for equation in equations) if d]
        if found:
            self.fail(name, "loss", first.case, found=found)
        else:
            self.count(name, "passed", first.case)

    # --- oracles ----------------------------------------------------------------------------------

    def oracle(self, name: str, reply: Reply) -> None:
        """The subject's answer against an oracle's, both with their tolerance.

        Along directions where that is how the oracle is asked, and nothing is suspicious here.
        """
        s = spread(reply.case)
        along = ORACLES[name].how is How.DIRECTIONS and not self.entrywise
        try:
            if along and reply.case not in self.suspects:
                self.against(name, directions(name, reply, s, self.drawing(name)), reply)
            else:
                self.against(name, entries(name, reply, s), reply)
        except oracles.Unsupported:
            self.count(name, "not_claimed", reply.case)

    def against(self, name: str, sides: Sides, reply: Reply) -> None:
        """Compare, and never blame the subject for an oracle that is apart from the truth."""
        apart = [d for k in sides.mine if k in sides.theirs
                 and (d := differing(k, sides.mine[k], sides.theirs[k]))]
        if not apart and (wrong := self.loss_apart(sides, reply)):
            self.fail(name, "loss", reply.case, found=[wrong])
        elif not apart:
            self.count(name, "passed", reply.case)
        elif any(differing(k, theirs, sides.true[k]) for k, theirs in sides.theirs.items()):
            self.count(name, "inconclusive", reply.case, why="oracle divergence")
            self.tally.divergences.append(f"oracle divergence: {name} and the reference differ "
                                          f"on case {reply.case.id}")
        elif reply.case in self.suspects:
            self.fail(name, kinds_of(apart), reply.case, found=apart)
        else:
            self.count(name, "inconclusive", reply.case, why="between the tolerances")

    def loss_apart(self, sides: Sides, reply: Reply) -> Disagreement | None:
        """A loss that is not the oracle's either, where it is not the declared one."""
        if reply.case not in self.wrong_losses or sides.loss is None:
            return None
        return differing("loss", reply.loss, sides.loss)

    def structure(self, cases: Sequence[Case]) -> None:
        """Several cases of one structure before the oracles that compile one program for all.

        They are asked where there is no such oracle, too: the same seed asks the same questions.
        """
        replies = [reply for reply in map(self.ask, cases) if reply is not None and reply.gradients]
        for name in self.names if replies else ():
            if ORACLES[name].when is When.STRUCTURES:
                self.many(name, replies)

    def many(self, name: str, replies: Sequence[Reply]) -> None:
        """Several replies for one structure against one oracle."""
        try:
            sides = several(name, replies, [spread(reply.case) for reply in replies])
        except oracles.Unsupported:
            self.count(name, "not_claimed", replies[0].case)
            return
        for reply, each in zip(replies, sides, strict=True):
            self.against(name, each, reply)

    # --- exact integers ---------------------------------------------------------------------------

    def exact(self, case: Case | None) -> None:
        """Integer arithmetic leaves no tolerance, but for a convention: the slope at a kink."""
        if case is None:
            return
        try:
            answer = self.question(case)
        except Exception as error:
            self.refused(case, error)
            return
        if not answer.gradients:
            return
        result = exact.compare(case, answer, self.tally.slopes, self.claims.rate)
        if result.kinds:
            self.fail("slope_at_kinks", ",".join(result.kinds), case, found=result.found)
            return
        if result.outcome == "failed":
            self.suspects.add(case)
            self.fail("exact_integers", kinds_of(result.found), case, found=result.found)
            return
        self.count("exact_integers", result.outcome, case, why=result.why)
        if result.why:
            self.tally.notes[Note(result.why, NoteKind.EXACTNESS)] = None
