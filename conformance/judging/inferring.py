"""What a function that claims nothing seems to do: asked a few small networks, claims are inferred.

A function that was written for one kind of network does not read the description: it answers a
question about gelu as it answers one about tanh. To call that wrong would be absurd. So it is asked
the same numbers under every head and every hidden activation. What it reports the declared loss
for, it does; what it raises on, or answers with the very number that it gave for something it does,
it does not do, and it is left out. What it answers in some third way it tries to do, and it is
asked about it as before: that is how a wrong forward pass is found.

Nothing is inferred where no declared loss agrees: what reads the description is then asked
everything, and what does not is not judged. What is inferred is said, as the decorator to write,
and the run holds the function to it. The loss alone is looked at: a gradient may be wrong in any
way, also in its shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..plug.contract import BrokenContract
from ..plug.implementing import OF_DOORS
from ..plug.limits import TookTooLong
from ..plug.subject import Subject
from ..properties.claims import EVERYTHING, Claims, Head, activation
from ..properties.strategies import TARGETS, chain, in_dtype
from ..record.notes import Note, NoteKind
from ..reference import LOSSES, Case, backprop, forward
from ..reference.losses import factor
from .as_written import listed, quoted
from .asking import loss_of, question
from .clock import TimeIsUp
from .inferring_steps import of_steps
from .smoke import FITS, NotJudged

Sizes = tuple[tuple[int, int], ...]
Range = tuple[int, int | None]
# (units, batch), twice each: reductions differ between them. Several outputs, one output, and one
# example at a time, with the outputs and the batch that are claimed where these are answered.
SEVERAL: Sizes = ((3, 2), (2, 5))
SINGLE: Sizes = ((1, 2), (1, 5))
ALONE: Sizes = ((3, 1), (2, 1))
REACH: dict[Sizes, tuple[Range, Range]] = {
    SEVERAL: ((1, None), (1, None)), SINGLE: ((1, 1), (1, None)), ALONE: ((1, None), (1, 1))}
# What one output is asked for is binary: of one class the one-hot target is always 1.
ASKED_FOR: dict[Sizes, tuple[str, ...]] = {
    SEVERAL: ("one_hot", "index", "sign"), SINGLE: ("binary", "sign"),
    ALONE: ("one_hot", "index", "sign")}
DEPTHS = (1, 2, 3, 4)
INPUTS = 3
NEAR = {"float64": 1e-7, "float32": 3e-5}
Fit = tuple[str, float]
NO_SUCH_LOSS = ("it claims nothing, and the loss that it reports is none that backproof knows, "
                "whatever the activations: write what it does above it, such as "
                '@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")]), '
                "from `backproof list losses` and `backproof list activations`")
NO_TIME = ("it claims nothing, and was too slow to find out what it does: write that above it, "
           'as @implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")]) does, '
           "or give it more --seconds")
LOOKS = "nothing is claimed; it looks like this, and was held to it; to paste above it:"
IMPORT = "from backproof import Head, implementation"
WIDTH = 100


class Inferred(NamedTuple):
    """The claims to hold the function to, notes, and how many questions it refused.

    What it refused was left out: it is no reason to say that the function is wrong, nor that it
    conforms.
    """

    claims: Claims
    notes: list[Note]
    refused: int = 0


def inferred(subject: Subject) -> Inferred:
    """What a function that claims nothing seems to do; its claims as they are where it claims.

    Raises NotJudged where it reads no description and reports a loss that is not known.
    """
    try:
        if subject.stepping is not None and subject.claims.explored:
            return Inferred(*of_steps(subject))
        return _inferred(subject)
    except TimeIsUp as error:
        raise NotJudged(NO_TIME) from error


def _inferred(subject: Subject) -> Inferred:
    if subject.claims != EVERYTHING:
        return Inferred(subject.claims, [])
    asking = _Asking(subject)
    try:
        found = asking.claims()
    except TookTooLong:
        found = None
    if found is None or unfitted(found) == EVERYTHING:
        return Inferred(EVERYTHING, [])
    text = "\n".join([LOOKS, IMPORT, *decorator(found)])
    return Inferred(found, [Note(text, NoteKind.INFERRED)], asking.refused)


# --- the question ---------------------------------------------------------------------------------


class Shape(NamedTuple):
    """What a question is about, but for the head: hidden activations, biases, units, dtype."""

    hidden: tuple[Any, ...] = ()
    biases: tuple[bool, ...] = (True,)
    sizes: Sizes = SEVERAL
    targets: str = "one_hot"
    dtype: str = "float64"


def question_of(head: Head, shape: Shape, units: int, batch: int) -> Case:
    """The same numbers whatever the head and the hidden activations."""
    rng = np.random.default_rng(units)
    levels = [INPUTS, *[2] * len(shape.hidden), units]
    network = chain(levels, shape.biases, list(map(activation, shape.hidden)), head)
    names = [i for i, spec in enumerate(network.layers) if spec.units is not None]
    parameters = {}
    for name, n, m, bias in zip(names, levels, levels[1:], shape.biases, strict=False):
        numbers = rng.standard_normal((n + 1, m))
        parameters[f"{name}.weight"] = numbers[:-1]
        parameters |= {f"{name}.bias": numbers[-1]} if bias else {}
    inputs = rng.standard_normal((batch, INPUTS))
    case = Case(network, parameters, inputs, TARGETS[shape.targets](rng, batch, units))
    return in_dtype(case, shape.dtype)


class Said(NamedTuple):
    """The losses reported, None where it raised, and the reductions that each of them fits."""

    losses: tuple[float, ...] | None
    fits: tuple[Fit, ...] = ()

    def same(self, other: Said) -> bool:
        """Whether the same numbers were reported."""
        return self.losses is not None and other.losses is not None and bool(
            np.allclose(self.losses, other.losses, rtol=1e-12, atol=0.0))


# --- the answers ----------------------------------------------------------------------------------


class _Asking:
    """One subject, asked a few small networks. Raises TookTooLong where it does not answer."""

    def __init__(self, subject: Subject):
        self.engine = subject.engine
        self.refused, self.broken = 0, False

    def loss(self, case: Case) -> float:
        """The loss of its reply, whatever the gradients in it are."""
        return loss_of(self.engine, case)

    def losses(self, head: Head, shape: Shape) -> Said:
        """What is reported for the sizes of the shape, and which reductions it fits."""
        cases = [question_of(head, shape, *size) for size in shape.sizes]
        try:
            found = tuple(question(self.loss, case) for case in cases)
        except TookTooLong:
            raise
        except Exception as error:
            self.broken = self.broken or isinstance(error, BrokenContract)
            return Said(None)
        if shape.targets == "index" and "index" not in LOSSES[head.loss].targets:
            return Said(found)
        wanted = list(map(declared, cases))
        fits = tuple(fit for fit in FITS if all(
            near(loss, each[fit], shape.dtype) for each, loss in zip(wanted, found, strict=True)))
        return Said(found, fits)

    def claims(self) -> Claims | None:
        """The claims that fit; None where no declared loss agrees with what is reported."""
        start = self.start()
        if start is None:
            return None
        heads = self.heads(start)
        first = next(head for head in heads if head.reduction != "reported")
        hidden = self.hidden(first, start)
        depth = self.depth(first, start, hidden)
        alike = depth[1] is None and len(hidden) > 1 and not self.losses(
            first, deeper(start, (hidden[0], hidden[1]))).fits
        return Claims(hidden=hidden, heads=heads, depth=depth, same_hidden=alike,
                      batch=REACH[start.sizes][1], bias=self.bias(first, start, hidden),
                      dtypes=self.dtypes(first, start), explored=True)

    def start(self) -> Shape | None:
        """The first shape for which some head fits.

        A function that does not read the description answers any head and any activation, if only
        the arrays are those it wants: these are looked for first. Where it answers and nothing
        fits, it is not looked for among fewer outputs and fewer examples: there a mistake would
        hide. Raises NotJudged where nothing fits what it says without a look at the description.
        """
        told, blind = set[tuple[Any, ...]](), 0
        for shape in plain():
            key = (shape.dtype, shape.biases, shape.targets)
            if blind and len(shape.biases) > blind:
                break
            if key in told or not self.answers(shape):
                continue
            told.add(key)
            found = next(filter(self.fits, as_hidden(shape)), None)
            if found is not None:
                biased = found._replace(biases=(True,) * len(found.biases))
                return biased if self.fits(biased) else found
            blind = len(shape.biases) if self.blind(shape) else 0
        if blind:
            raise NotJudged(NO_SUCH_LOSS)
        if self.broken and not told:
            return None
        return next(filter(self.fits, shapes()), None)

    def answers(self, shape: Shape) -> bool:
        """Whether these arrays are answered, under the first of all heads."""
        return self.losses(EVERYTHING.heads[0], shape).losses is not None

    def fits(self, shape: Shape) -> bool:
        """Whether some head fits what is reported for the shape."""
        return any(self.losses(head, shape).fits for head in EVERYTHING.heads)

    def blind(self, shape: Shape) -> bool:
        """Whether every head has the same answer."""
        first, *others = (self.losses(head, shape) for head in EVERYTHING.heads)
        return all(first.same(other) for other in others)

    def heads(self, shape: Shape) -> tuple[Head, ...]:
        """The heads that fit, and those that it tries."""
        said = {head: self.losses(head, shape) for head in EVERYTHING.heads}
        self.refused += sum(each.losses is None for each in said.values())
        return tuple(self.fitted(head, said[head], shape) for head in chosen(said))

    def fitted(self, head: Head, said: Said, shape: Shape) -> Head:
        """The head with the reduction that it reports, and the targets that it takes."""
        outputs, _ = REACH[shape.sizes]
        if not said.fits:
            return replace(head, outputs=outputs)
        reduction, scale = said.fits[0]
        found = replace(head, reduction=reduction, scale=scale, outputs=outputs)
        kinds = LOSSES[head.loss].targets
        taken = [kind for kind in kinds
                 if said.fits[0] in self.losses(head, shape._replace(targets=kind)).fits]
        return found if len(taken) == len(kinds) or not taken else replace(found, targets=taken[0])

    def hidden(self, head: Head, shape: Shape) -> tuple[Any, ...]:
        """The hidden activations that fit, and those that it tries."""
        layers = max(1, len(shape.hidden))
        said = {name: self.losses(head, deeper(shape, (name,) * layers))
                for name in EVERYTHING.hidden}
        if not any(each.fits for each in said.values()):
            return ()
        self.refused += sum(each.losses is None for each in said.values())
        return tuple(chosen(said))

    def depth(self, head: Head, shape: Shape, hidden: Sequence[Any]) -> Range:
        """From the least depth that it answers on; to no end where it answers two more."""
        first = last = len(shape.biases)
        more = [any(self.losses(head, deeper(shape, (name,) * (depth - 1))).fits for name in hidden)
                for depth in (first + 1, max(first + 1, 3))]
        if all(more) and hidden:
            return first, None
        return first, last + any(more)

    def bias(self, head: Head, shape: Shape, hidden: Sequence[Any]) -> str:
        """Whether layers may have no bias: all of them, or one as it comes."""
        if not any(shape.biases):
            return "never"
        none = shape._replace(biases=(False,) * len(shape.biases))
        if not self.losses(head, none).fits:
            return "always"
        if not hidden:
            return "any"
        layers = max(1, len(shape.hidden))
        mixed = deeper(shape, tuple(hidden[:1]) * layers)._replace(biases=(True, False) * layers)
        return "any" if self.losses(head, mixed).fits else "all_or_none"

    def dtypes(self, head: Head, shape: Shape) -> tuple[str, ...]:
        return tuple(dtype for dtype in EVERYTHING.dtypes
                     if self.losses(head, shape._replace(dtype=dtype)).fits)


def plain() -> Iterator[Shape]:
    """The arrays that a function may want: dtype, depth, biases, sizes, targets."""
    for dtype, depth, biased, sizes in product(EVERYTHING.dtypes, DEPTHS, (False, True), REACH):
        hidden = EVERYTHING.hidden[:1] * (depth - 1)
        for targets in ASKED_FOR[sizes]:
            yield Shape(hidden, (biased,) * depth, sizes, targets, dtype)


def as_hidden(shape: Shape) -> Iterator[Shape]:
    """The shape with each hidden activation, where it has hidden layers."""
    if not shape.hidden:
        yield shape
        return
    yield from (shape._replace(hidden=(name,) * len(shape.hidden)) for name in EVERYTHING.hidden)


def shapes() -> Iterator[Shape]:
    """One layer, or two with some hidden activation; with biases or without; outputs."""
    for biased in (True, False):
        for sizes in (SEVERAL, SINGLE):
            yield Shape((), (biased,), sizes)
            for name in EVERYTHING.hidden:
                yield Shape((name,), (biased, biased), sizes)


def deeper(shape: Shape, hidden: tuple[Any, ...]) -> Shape:
    """The shape with these hidden activations."""
    return shape._replace(hidden=hidden, biases=(any(shape.biases),) * (len(hidden) + 1))


def unfitted(claims: Claims) -> Claims:
    """The claims before any reduction was read off."""
    heads = tuple(replace(head, reduction="reported", scale=1.0) for head in claims.heads)
    return replace(claims, heads=heads)


def chosen(said: dict[Any, Said]) -> Iterator[Any]:
    """What fits, and what is answered in another way than what fits.

    Where it does not read the description, what fits is there once: two heads that declare the same
    loss (a sigmoid before the loss, and in it) both fit its one.
    """
    fitting = {name: each for name, each in said.items() if each.fits}
    ignored = [name for name, each in said.items() if not each.fits
               and any(each.same(other) for other in fitting.values())]
    taken: list[Said] = []
    for name, each in said.items():
        again = bool(ignored) and any(each.same(other) for other in taken)
        if each.losses is not None and name not in ignored and not again:
            taken.append(each)
            yield name


def declared(case: Case) -> dict[Fit, float]:
    """The loss of a case under every reduction and scale."""
    wide, kind = case.astype("float64"), case.network.loss.kind
    summed = replace(case.network, loss=replace(case.network.loss, reduction="sum", scale=1.0))
    trace = forward(wide)
    whole = float(backprop.loss(wide.but(network=summed), trace._replace(scale=1.0)))
    return {(reduction, scale): whole * scale * factor(reduction, LOSSES[kind].per,
                                                       trace.outputs.shape)
            for reduction, scale in FITS}


def near(got: float, wanted: float, dtype: str) -> bool:
    return bool(abs(got - wanted) <= NEAR[dtype] * abs(wanted))


# --- in words -------------------------------------------------------------------------------------


def decorator(claims: Claims) -> list[str]:
    """The decorator that claims this, less what is so by default, on as few lines as it takes."""
    plain = Claims()
    given = {f.name: getattr(claims, f.name) for f in fields(Claims) if f.name not in OF_DOORS
             and getattr(claims, f.name) != getattr(plain, f.name)}
    said = [f"{name}={listed(map(quoted, value))}" if name in ("heads", "hidden", "dtypes")
            else f"{name}={quoted(value)}" for name, value in given.items()]
    whole = f"@implementation({', '.join(said)})"
    if len(whole) <= WIDTH:
        return [whole]
    return ["@implementation(", *(f"    {each}," for each in said), ")"]
