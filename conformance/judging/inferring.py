"""What a function that claims nothing seems to do: asked a few small networks, claims are inferred.

A function that was written for one kind of network does not read the description: it answers a
question about gelu as it answers one about tanh. To call that wrong would be absurd. So it is asked
the same numbers under every head and every hidden activation. What it reports the declared loss
for, it does; what it raises on, or answers with the very number that it gave for something it does,
it does not do, and it is left out. What it answers in some third way it tries to do, and it is
asked about it as before: that is how a wrong forward pass is found.

Nothing is inferred where no declared loss agrees. What is inferred is said, as the decorator to
write, and the run holds the function to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from ..plug.limits import TookTooLong
from ..plug.subject import Subject
from ..properties.claims import EVERYTHING, Claims, Head, activation
from ..properties.strategies import TARGETS, chain, in_dtype
from ..record.notes import Note, NoteKind
from ..reference import LOSSES, Case, backprop, forward
from ..reference.losses import factor
from .asking import question
from .inferring_steps import of_steps
from .smoke import FITS

# (units, batch), twice with several outputs and twice with one: reductions differ between them
SEVERAL, SINGLE = ((3, 2), (2, 5)), ((1, 2), (1, 5))
INPUTS = 3
Fit = tuple[str, float]


class Inferred(NamedTuple):
    """The claims to hold the function to, notes, and how many questions it refused.

    What it refused was left out: it is no reason to say that the function is wrong, nor that it
    conforms.
    """

    claims: Claims
    notes: list[Note]
    refused: int = 0


def inferred(subject: Subject) -> Inferred:
    """What a function that claims nothing seems to do; its claims as they are where it claims."""
    if subject.stepping is not None and subject.claims.explored:
        return Inferred(*of_steps(subject))
    if subject.claims != EVERYTHING:
        return Inferred(subject.claims, [])
    asking = _Asking(subject)
    try:
        found = asking.claims()
    except TookTooLong:
        found = None
    if found is None or unfitted(found) == EVERYTHING:
        return Inferred(EVERYTHING, [])
    text = f"nothing is claimed; it looks like this, and was held to it: {decorator(found)}"
    return Inferred(found, [Note(text, NoteKind.INFERRED)], asking.refused)


# --- the question ---------------------------------------------------------------------------------


class Shape(NamedTuple):
    """What a question is about, but for the head: hidden activations, biases, units, dtype."""

    hidden: tuple[Any, ...] = ()
    biases: tuple[bool, ...] = (True,)
    sizes: tuple[tuple[int, int], ...] = SEVERAL
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
        self.refused = 0

    def losses(self, head: Head, shape: Shape) -> Said:
        """What is reported for the sizes of the shape, and which reductions it fits."""
        cases = [question_of(head, shape, *size) for size in shape.sizes]
        try:
            found = tuple(float(question(self.engine, case).loss) for case in cases)
        except TookTooLong:
            raise
        except Exception:
            return Said(None)
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
                      bias=self.bias(first, start, hidden), dtypes=self.dtypes(first, start),
                      explored=True)

    def start(self) -> Shape | None:
        """The first shape for which some head fits: one layer, or two where it has always two."""
        for shape in shapes():
            if any(self.losses(head, shape).fits for head in EVERYTHING.heads):
                return shape
        return None

    def heads(self, shape: Shape) -> tuple[Head, ...]:
        """The heads that fit, and those that it tries."""
        said = {head: self.losses(head, shape) for head in EVERYTHING.heads}
        self.refused += sum(each.losses is None for each in said.values())
        return tuple(self.fitted(head, said[head], shape) for head in chosen(said))

    def fitted(self, head: Head, said: Said, shape: Shape) -> Head:
        """The head with the reduction that it reports, and the targets that it takes."""
        outputs = (1, None) if shape.sizes == SEVERAL else (1, 1)
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
        said = {name: self.losses(head, deeper(shape, (name,))) for name in EVERYTHING.hidden}
        if not any(each.fits for each in said.values()):
            return ()
        self.refused += sum(each.losses is None for each in said.values())
        return tuple(chosen(said))

    def depth(self, head: Head, shape: Shape, hidden: Sequence[Any]) -> tuple[int, int | None]:
        """From the least depth that it answers on; to no end where it answers three layers."""
        if not hidden:
            return 1, 1
        three = any(self.losses(head, deeper(shape, (name, name))).fits for name in hidden)
        return len(shape.biases), None if three else 2

    def bias(self, head: Head, shape: Shape, hidden: Sequence[Any]) -> str:
        """Whether layers may have no bias: all of them, or one as it comes."""
        if not any(shape.biases):
            return "never"
        none = shape._replace(biases=(False,) * len(shape.biases))
        if not self.losses(head, none).fits:
            return "always"
        if not hidden:
            return "any"
        mixed = deeper(shape, tuple(hidden[:1]))._replace(biases=(True, False))
        return "any" if self.losses(head, mixed).fits else "all_or_none"

    def dtypes(self, head: Head, shape: Shape) -> tuple[str, ...]:
        return tuple(dtype for dtype in EVERYTHING.dtypes
                     if self.losses(head, shape._replace(dtype=dtype)).fits)


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
    return bool(abs(got - wanted) <= {"float64": 1e-7, "float32": 1e-3}[dtype] * abs(wanted))


# --- in words -------------------------------------------------------------------------------------


def decorator(claims: Claims) -> str:
    """The decorator that claims this, less what is so by default."""
    plain = Claims()
    given = {f.name: getattr(claims, f.name) for f in fields(Claims) if f.name != "explored"
             and getattr(claims, f.name) != getattr(plain, f.name)}
    said = {name: listed(map(written, value)) if name in ("heads", "hidden", "dtypes")
            else quoted(value) for name, value in given.items()}
    return f"@implementation({', '.join(f'{name}={value}' for name, value in said.items())})"


def listed(each: Iterable[str]) -> str:
    return f"[{', '.join(each)}]"


def written(value: Any) -> str:
    """A name, or a head, as one writes it."""
    if not isinstance(value, Head):
        return f'"{value}"' if isinstance(value, str) else repr(value)
    plain = Head(value.activation, value.loss)
    more = [f"{f.name}={quoted(getattr(value, f.name))}" for f in fields(Head)
            if getattr(value, f.name) != getattr(plain, f.name)]
    return f"Head({', '.join([quoted(value.activation), quoted(value.loss), *more])})"


def quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
