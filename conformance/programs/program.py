"""The door: a program beside its plain form, and what it takes and claims.

    @program(plain=plain_layer_norm, inputs={"x": ("N", "D"), "weight": ("D",)},
             dtypes=["float32", "bfloat16"], arithmetic="float32")
    def fused_layer_norm(x, weight):
        return FusedLayerNorm.apply(x, weight)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..plug.subject import Subject, source_of
from ..reference.checks import DescriptionError
from .claim import Claim
from .formats import ARITHMETIC, STORAGE
from .inputs import Input, read
from .parameters import beside
from .shapes import Symbols
from .taken import Taken, as_function
from .trial import Reply

Function = Callable[..., Any]
DTYPES = ("float32",)


@dataclass(frozen=True)
class ProgramClaims:
    """What a program claims, as data: its inputs, sizes, storage, arithmetic and behaviour.

    deterministic: the same call gives the same bits. double_backward: its gradients can be
    differentiated again. batch: the symbol of its rows, where no row touches another; "" without.
    """

    inputs: tuple[Input, ...]
    dtypes: tuple[str, ...]
    arithmetic: str = ""
    accumulate: str = ""
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    framework: str = "torch"
    deterministic: bool = True
    double_backward: bool = False
    batch: str = ""

    explored = False   # nothing of it was guessed
    answers = "program"

    def claim(self, dtype: str) -> Claim:
        """The claim for one storage dtype.

        Without another word everything is float32 inside, and float64 where that is stored.
        """
        arithmetic = self.arithmetic or ("float64" if dtype == "float64" else "float32")
        sums = "float32" if arithmetic in ("tf32", "float16", "bfloat16") else arithmetic
        return Claim(dtype, arithmetic, self.accumulate or sums)

    def to_json(self) -> dict[str, Any]:
        """What the header of a record says."""
        return {"answers": self.answers, "framework": self.framework,
                "inputs": {each.name: each.to_json() for each in self.inputs},
                "dtypes": list(self.dtypes), "arithmetic": self.arithmetic,
                "accumulate": self.accumulate,
                "options": {name: list(values) for name, values in self.options.items()},
                "sizes": {name: list(size) if isinstance(size, tuple | range) else size
                          for name, size in self.sizes.items()},
                "where": self.where, "deterministic": self.deterministic,
                "double_backward": self.double_backward, "batch": self.batch}


@dataclass(frozen=True)
class Program(Subject):
    """A Subject that no Network describes; calling it calls its function.

    engine is its function, None where there is only a plain form (the task of a benchmark). plain:
    None without one. symbols: its sizes. answer: who is asked instead of its function, a process of
    its own.
    """

    plain: Function | None = None
    symbols: Symbols | None = None
    answer: Callable[..., Reply] | None = None

    @property
    def asked(self) -> ProgramClaims:
        """Its claims, which are a program's."""
        found: Any = self.claims
        assert isinstance(found, ProgramClaims)
        return found

    def hosting(self) -> Any:
        """Who answers for it in a process of its own."""
        from .hosting import hosted

        return hosted(self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.engine(*arguments, **options)


def program(
    function: Any = None,
    *,
    plain: Function | None = None,
    inputs: Mapping[str, Any] | None = None,
    dtypes: Sequence[str] | str = DTYPES,
    arithmetic: str = "",
    accumulate: str = "",
    options: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Any] | None = None,
    where: str = "",
    framework: str = "",
    deterministic: bool = True,
    double_backward: bool = False,
    batch: str = "",
) -> Any:
    """A Program of a function of torch or JAX; without a function, a decorator that makes one.

    function: called with the inputs by position in their order, and the options by name; it may be
    a torch.autograd.Function, an nn.Module, an Equinox or Flax module, whose parameters are inputs
    by name as well. plain: the same in a few lines that autograd differentiates; it is the truth,
    in float64. inputs: name to shape, a tuple of symbols and sizes, or a dict with "shape" and
    "index" (integers below it), "dtype" ("bool"), "optional", "values", "grad". dtypes: what its
    tensors are stored in. arithmetic: what it computes in ("float32" without another word);
    accumulate: what its long sums are kept in. options: name to a list of values. sizes: what
    symbols may be, (least, most), a list, or a text like "2 * D"; where: a condition on them.
    deterministic=False claims that bits may differ from call to call. double_backward claims that
    its gradients may be differentiated. batch="N" claims that the rows along N do not touch each
    other.

    Raises DescriptionError, in one line, for what cannot be.
    """
    given = {"plain": plain, "inputs": inputs, "dtypes": dtypes, "arithmetic": arithmetic,
             "accumulate": accumulate, "options": options, "sizes": sizes, "where": where,
             "framework": framework, "deterministic": deterministic,
             "double_backward": double_backward, "batch": batch}
    if function is None:
        return _Later(given)
    return _program(function, given)


class _Later:
    """A decorator; what it was given is a task where it is asked for without a function."""

    def __init__(self, given: Mapping[str, Any]):
        self.given = given

    def __call__(self, function: Any) -> Program:
        return _program(function, self.given)

    def task(self) -> Program:
        """The Program that has a plain form and no function yet."""
        return _program(None, self.given)


def _program(function: Any, given: Mapping[str, Any]) -> Program:
    plain = given["plain"]
    if plain is not None and not callable(plain):
        raise DescriptionError(f"plain: wanted a function, received {plain!r}")
    taken = as_function(function if function is not None else plain, given["framework"])
    declared = dict(given["inputs"] or {})
    if not declared:
        raise DescriptionError('inputs: wanted a dict from names to shapes, {"x": ("N", "D")}: '
                               "nothing is guessed")
    own = {name: declared.pop(name, shape) for name, shape in taken.parameters.items()}
    ins = read({**declared, **own})
    dtypes = _dtypes(given["dtypes"])
    _check_formats(given["arithmetic"], given["accumulate"])
    sizes = dict(given["sizes"] or {})
    symbols = Symbols([each.shape for each in ins] + [(each.index,) for each in ins
                                                     if each.index is not None],
                      sizes, given["where"])
    claims: Any = ProgramClaims(ins, dtypes, given["arithmetic"], given["accumulate"],
                                _options(given["options"]), sizes, given["where"],
                                taken.framework, given["deterministic"],
                                given["double_backward"], _batch(given["batch"], ins))
    name = getattr(function, "__qualname__", "") or type(function).__name__
    return Program(name if function is not None else "task", claims,
                   taken.function if function is not None else None,  # type: ignore[arg-type]
                   made_of=frozenset({taken.framework}),
                   source=source_of(function if function is not None else plain), door="program",
                   plain=_plain(plain, taken),
                   symbols=symbols)


def _plain(plain: Function | None, taken: Taken) -> Function | None:
    """The plain form as it is called beside what was taken."""
    if plain is None:
        return None
    found = as_function(plain, taken.framework)
    return beside(found.function, found.parameters, tuple(taken.parameters))


def _batch(batch: Any, inputs: Sequence[Input]) -> str:
    """The symbol of the rows; DescriptionError where no input has it."""
    symbols = dict.fromkeys(size for each in inputs for size in each.shape if isinstance(size, str))
    if batch != "" and batch not in symbols:
        raise DescriptionError(f"batch: {batch!r}; allowed: {', '.join(symbols) or 'nothing'} "
                               '(symbols of inputs), or ""')
    return str(batch)


def _dtypes(dtypes: Sequence[str] | str) -> tuple[str, ...]:
    names = (dtypes,) if isinstance(dtypes, str) else tuple(map(name_of_dtype, dtypes))
    for name in names:
        if name not in STORAGE:
            raise DescriptionError(f"dtypes: {name!r}; allowed: {', '.join(STORAGE)}")
    if not names:
        raise DescriptionError(f"dtypes: none; allowed: {', '.join(STORAGE)}")
    return names


def name_of_dtype(dtype: Any) -> str:
    """"bfloat16" of torch.bfloat16, jnp.bfloat16 and the text alike."""
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or str(dtype)
    return str(name).rpartition(".")[2]


def _check_formats(arithmetic: str, accumulate: str) -> None:
    for what, name in (("arithmetic", arithmetic), ("accumulate", accumulate)):
        if name and name not in ARITHMETIC:
            raise DescriptionError(f"{what}: {name!r}; allowed: {', '.join(ARITHMETIC)}")


def _options(options: Mapping[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    """Every option with its values; one that is no list has one."""
    return {name: tuple(values) if isinstance(values, list | tuple) else (values,)
            for name, values in (options or {}).items()}
