"""What can be said of a case in a number, a yes or a name: a row for each, the plainest first.

A condition ("where the batch is larger than 4") speaks of one of these traits. Rows of one kind
stand in the order in which a reader would think of them: where two traits part the same networks,
the first one is told.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

from ..faults.behaviour import largest
from ..properties.inside import hidden_activations, output_activation
from ..properties.structures import structures_of
from ..reference import Case, Trace, forward

Value = float | bool | frozenset[str]


class Kind(Enum):
    """What a trait's value is."""

    WHOLE = "a whole number"
    REAL = "a number that varies by little steps"
    FLAG = "a yes or a no"
    NAMES = "a set of names"


class Seen:
    """A case with what several traits look at, computed once."""

    def __init__(self, case: Case):
        self.case = case

    @cached_property
    def trace(self) -> Trace:
        return forward(self.case)

    @cached_property
    def units(self) -> list[int]:
        """The units of every layer that has some, in the order of the forward."""
        return [spec.units for _, spec in self.case.network.walk() if spec.units is not None]

    @cached_property
    def weights(self) -> list[Any]:
        return [v for name, v in self.case.parameters.items() if v.ndim == 2 and "." in name]

    @cached_property
    def biases(self) -> list[Any]:
        return [v for v in self.case.parameters.values() if v.ndim == 1]

    @cached_property
    def sums(self) -> list[Any]:
        """z: what functions that are not affine were taken of, and outputs that are sums."""
        bare = output_activation(self.case.network) is None
        return [*self.trace.arguments, *([self.trace.outputs] if bare else [])]

    @cached_property
    def hidden(self) -> frozenset[str]:
        return frozenset(str(spec.function) for spec in hidden_activations(self.case.network))

    @cached_property
    def output(self) -> str:
        return self.case.network.head[0]

    @cached_property
    def examples(self) -> Any:
        """The inputs, a row an example."""
        return self.case.inputs.reshape(self.case.batch, -1)


class Trait(NamedTuple):
    """One thing that can be said: what it is for a case."""

    kind: Kind
    of: Callable[[Seen], Any]


def repeated(rows: Any) -> bool:
    """Whether two of the rows are equal."""
    return len({row.tobytes() for row in rows + 0.0}) < len(rows)


def same_bias(seen: Seen) -> bool:
    """Whether two layers have the same biases."""
    return any(a.shape == b.shape and bool((a == b).all())
               for a, b in combinations(seen.biases, 2))


TRAITS: dict[str, Trait] = {
    "batch": Trait(Kind.WHOLE, lambda s: s.case.batch),
    "units": Trait(Kind.WHOLE, lambda s: max(s.units, default=0)),
    "depth": Trait(Kind.WHOLE, lambda s: s.case.network.depth),
    "outputs": Trait(Kind.WHOLE, lambda s: s.units[-1] if s.units else 0),
    "hidden units": Trait(Kind.WHOLE, lambda s: max(s.units[:-1], default=0)),
    "inputs": Trait(Kind.WHOLE, lambda s: s.case.network.input_shape[-1]
                    if s.case.network.real else s.case.network.input_kind["index"]),
    "side": Trait(Kind.WHOLE, lambda s: max((max(w.shape) for w in s.weights), default=0)),
    "shorter side": Trait(Kind.WHOLE, lambda s: max((min(w.shape) for w in s.weights), default=0)),
    "rows of a weight": Trait(
        Kind.WHOLE, lambda s: max((w.shape[0] for w in s.weights), default=0)),
    "dtype": Trait(Kind.NAMES, lambda s: frozenset({s.case.dtype})),
    "loss": Trait(Kind.NAMES, lambda s: frozenset({s.case.network.loss.kind})),
    "reduction": Trait(Kind.NAMES, lambda s: frozenset({s.case.network.loss.reduction})),
    "hidden activation": Trait(Kind.NAMES, lambda s: s.hidden),
    "output activation": Trait(Kind.NAMES, lambda s: frozenset({s.output})),
    "activation": Trait(Kind.NAMES, lambda s: s.hidden | {s.output}),
    "structure": Trait(Kind.NAMES, lambda s: frozenset(structures_of(s.case.network))),
    "square weight": Trait(
        Kind.FLAG, lambda s: any(w.shape[0] == w.shape[1] > 1 for w in s.weights)),
    "square weight or 1 x 1": Trait(
        Kind.FLAG, lambda s: any(w.shape[0] == w.shape[1] for w in s.weights)),
    "batch as wide as a layer": Trait(Kind.FLAG, lambda s: s.case.batch in s.units),
    "equal biases": Trait(Kind.FLAG, lambda s: any(repeated(b[:, None]) for b in s.biases)),
    "one bias all over": Trait(
        Kind.FLAG, lambda s: any(len(b) > 1 and bool((b == b[0]).all()) for b in s.biases)),
    "equal bias vectors": Trait(Kind.FLAG, same_bias),
    "zero bias": Trait(Kind.FLAG, lambda s: any(not b.all() for b in s.biases)),
    "no bias": Trait(Kind.FLAG, lambda s: len(s.biases) < len(s.units)),
    "equal rows": Trait(Kind.FLAG, lambda s: repeated(s.examples)),
    "zero input": Trait(Kind.FLAG, lambda s: not s.examples.all()),
    "zero column": Trait(Kind.FLAG, lambda s: not s.examples.any(axis=0).all()),
    "zero row": Trait(Kind.FLAG, lambda s: not s.examples.any(axis=1).all()),
    "zero weight": Trait(Kind.FLAG, lambda s: any(not w.all() for w in s.weights)),
    "|x|": Trait(Kind.REAL, lambda s: largest([s.case.inputs])),
    "|z|": Trait(Kind.REAL, lambda s: largest(s.sums)),
    "hidden |z|": Trait(Kind.REAL, lambda s: largest(s.sums[:-1])),
    "z": Trait(Kind.REAL, lambda s: max((float(z.max()) for z in s.sums), default=0.0)),
    "-z": Trait(Kind.REAL, lambda s: max((float(-z.min()) for z in s.sums), default=0.0)),
    "|weight|": Trait(Kind.REAL, lambda s: largest(s.weights)),
    "|bias|": Trait(Kind.REAL, lambda s: largest(s.biases)),
    "|target|": Trait(Kind.REAL, lambda s: largest([s.case.targets])),
    "|output|": Trait(Kind.REAL, lambda s: largest([s.trace.outputs])),
}


class Traits(dict[str, Any]):
    """The traits of a case by name, each worked out when it is first asked for."""

    def __init__(self, case: Case):
        super().__init__()
        self.seen = Seen(case)

    def __missing__(self, name: str) -> Any:
        value = self[name] = TRAITS[name].of(self.seen)
        return value
