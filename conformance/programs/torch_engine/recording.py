"""What a plain form does: every call of PyTorch, where it was made, and the edges between calls.

An operand is handed on as an alias, so that every use of a tensor is an edge of its own, through
which a gradient of its own flows.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from .. import sources
from ..sources import Position
from ..trial import Line
from .expansions import EXPANSIONS
from .widening import wide

Tensor = torch.Tensor
Place = tuple[Any, ...]
Edit = Callable[["Call", tuple[Any, ...], dict[str, Any]], Any]
Edits = dict[Any, Edit]
OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent))
LOWER = {"float", "half", "bfloat16", "double"}
BESIDES = {"backward", "register_hook", "requires_grad_", "retain_grad", "item", "tolist", "numpy",
           "__repr__", "__format__", "__len__", "__bool__", "__iter__"}


@dataclass(eq=False)
class Operand:
    """A tensor that a call takes. place: where among the arguments; source: see `Made`."""

    place: Place
    tensor: Tensor
    edge: Any = None
    source: int | str | None = None


@dataclass(eq=False)
class Call:
    """One call. run: the same again, of other arguments. position: where in the plain form; inner:
    where in `expansions`, for a part of a composite function. whole: that function's name, else "".
    results: float tensors that it gave; values: their numbers then; edges: where gradients flow in.
    """

    name: str
    run: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    position: Position
    inner: Position
    whole: str
    occurrence: int = 0
    number: int = 0
    operands: list[Operand] = field(default_factory=list)
    results: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    edges: list[Any] = field(default_factory=list)

    @cached_property
    def line(self) -> Line:
        operation = f"{self.name} in {self.whole}" if self.whole else self.name
        return Line(self.position.file, self.position.first, sources.text_of(self.position),
                    operation)

    @property
    def spot(self) -> tuple[Any, ...]:
        """Equal for the same call in another turn of a loop."""
        return self.position, self.name, self.whole, self.number


def tensors(given: Any, place: Place = ()) -> Iterator[tuple[Place, Tensor]]:
    """The tensors among arguments, each with its place; lists and tuples are looked into."""
    if isinstance(given, torch.Tensor):
        yield place, given
    elif isinstance(given, dict):
        for key, each in given.items():
            yield from tensors(each, (*place, key))
    elif isinstance(given, tuple | list):
        for i, each in enumerate(given):
            yield from tensors(each, (*place, i))


def replaced(given: Any, others: dict[Place, Any], place: Place = ()) -> Any:
    """The arguments with what is at some places replaced."""
    if place in others:
        return others[place]
    if isinstance(given, dict):
        return {key: replaced(each, others, (*place, key)) for key, each in given.items()}
    if type(given) in (tuple, list):
        return type(given)(replaced(each, others, (*place, i)) for i, each in enumerate(given))
    return given


def position(beyond: tuple[str, ...] = OURS) -> Position:
    """Where the innermost frame is that belongs neither to PyTorch nor to this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(beyond):
        frame = frame.f_back
    places = list(frame.f_code.co_positions())
    first, last, begin, end = places[frame.f_lasti // 2]
    line = frame.f_lineno if first is None else first
    return Position(frame.f_code.co_filename, line, line if last is None else last, begin, end)


def in_place(name: str) -> bool:
    """Whether a function writes into its first argument."""
    return (name.endswith("_") and not name.endswith("__")) or name.startswith("__i") or (
        name == "__setitem__")


def widened(given: Any) -> Any:
    """Arguments in which every floating dtype is float64: the truth is not rounded on the way."""
    if isinstance(given, torch.dtype):
        return torch.float64 if given.is_floating_point else given
    if type(given) in (tuple, list):
        return type(given)(map(widened, given))
    if type(given) is dict:
        return {key: widened(each) for key, each in given.items()}
    return given


class Recorder(TorchFunctionMode):
    """Records the calls of a plain form while it is active.

    edits: by the spot of a call, what is done in its stead, of the call and its arguments.
    inputs: the tensors that the plain form is given, by name.
    """

    def __init__(self, inputs: dict[str, Tensor], edits: Edits | None = None) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.edits = edits or {}
        self.made: dict[int, tuple[Tensor, int | str]] = {
            id(each): (each, name) for name, each in inputs.items()}
        self.seen: Counter[Any] = Counter()
        self.whole: list[str] = []
        self.numbers: list[int] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        args, kwargs = widened(args), widened(kwargs or {})
        if name in LOWER and isinstance(getattr(function, "__objclass__", None), type):
            function, name = torch.Tensor.double, "double"
        if name in BESIDES:
            return function(*args, **kwargs)
        if name in EXPANSIONS and not self.whole:
            return self._expanded(name, function, args, kwargs)
        return self._called(name, function, args, kwargs)

    def _expanded(self, name: str, function: Any, args: Any, kwargs: Any) -> Any:
        """A composite function as a whole, and by its parts, all of which stand where it stands."""
        try:
            inspect.signature(EXPANSIONS[name]).bind(*args, **kwargs)
        except TypeError:
            return self._called(name, function, args, kwargs)
        at = position()
        call = Call(name, function, args, kwargs, at, at, "")
        given = self._operands(call)
        if call.spot in self.edits:
            found = self.edits[call.spot](call, *given)
        else:
            found = self._parts(name, *given)
        if found is NotImplemented:
            return self._called(name, function, args, kwargs)
        self._note(call, found)
        return found

    def _parts(self, name: str, args: Any, kwargs: Any) -> Any:
        """What the function is, its calls recorded; NotImplemented where it is left whole."""
        self.whole.append(name)
        self.numbers.append(0)
        try:
            with self:
                return EXPANSIONS[name](*args, **kwargs)
        finally:
            self.whole.pop()
            self.numbers.pop()

    def _called(self, name: str, function: Any, args: Any, kwargs: Any) -> Any:
        at = position()
        call = Call("getattr" if name == "__get__" else name, function, args, kwargs, at,
                    position((*OURS[:1], __file__)) if self.whole else at,
                    self.whole[-1] if self.whole else "")
        if self.numbers:
            call.number = self.numbers[-1]
            self.numbers[-1] += 1
        given = self._operands(call)
        if call.operands and call.spot in self.edits:
            result = self.edits[call.spot](call, *given)
        else:
            result = function(*given[0], **given[1])
        if result is None and call.name == "__setitem__":
            self._note(call, args[0])
            return None
        result = _wide(result)
        self._note(call, result)
        return result

    def _operands(self, call: Call) -> tuple[Any, Any]:
        """The arguments, with an alias for every tensor that has a gradient."""
        aliases: dict[Place, Any] = {}
        both = (call.arguments, call.options)
        values = {}
        for place, tensor in tensors(both):
            values[place] = tensor.detach().clone()
            operand = Operand(place, values[place], None, self._source(tensor))
            if tensor.requires_grad and torch.is_grad_enabled():
                written = in_place(call.name) and place == (0, 0)
                alias = tensor if written else tensor.view_as(tensor)
                operand.edge = None if alias.grad_fn is None else get_gradient_edge(alias)
                aliases[place] = alias
            call.operands.append(operand)
        given: tuple[Any, Any] = replaced(both, aliases)
        call.arguments, call.options = replaced(both, values)
        return given

    def _source(self, tensor: Tensor) -> int | str | None:
        known = self.made.get(id(tensor))
        return known[1] if known is not None and known[0] is tensor else None

    def _note(self, call: Call, result: Any) -> None:
        results = [each for _, each in tensors(result) if each.dtype.is_floating_point]
        if not call.operands or not results:
            return
        call.results = results
        call.values = [each.detach().clone() for each in results]
        call.edges = [get_gradient_edge(each) if each.requires_grad and each.grad_fn is not None
                      else None for each in results]
        call.occurrence = self.seen[call.spot]
        self.seen[call.spot] += 1
        for each in results:
            self.made[id(each)] = (each, len(self.calls))
        self.calls.append(call)


def _wide(result: Any) -> Any:
    """Results in float64, where a function has made them in the default dtype."""
    if isinstance(result, torch.Tensor):
        lower = result.dtype.is_floating_point and result.dtype != torch.float64
        return result.double() if lower else result
    return result


def recorded(function: Callable[..., Any], inputs: dict[str, Tensor | None],
             options: dict[str, Any], edits: Edits | None = None
             ) -> tuple[Recorder, Any]:
    """The function called once: what it did, and what it gave."""
    known = {name: each for name, each in inputs.items() if each is not None}
    recorder = Recorder(known, edits)
    with wide(), torch.enable_grad(), recorder:
        result = function(*inputs.values(), **options)
    return recorder, result


def uses(calls: Sequence[Call], source: int | str) -> list[tuple[int, Operand]]:
    """Every use of an input, or of the result of a call, by the index of the call that uses it."""
    return [(i, operand) for i, call in enumerate(calls) for operand in call.operands
            if operand.source == source and operand.edge is not None]
