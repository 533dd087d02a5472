"""How a function is called, and what to write where it wants to be called in another way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .refused import TargetError

ARGUMENTS = ("network", "parameters", "inputs", "targets")
CALL = f"({', '.join(ARGUMENTS)})"
WANTED = f"backprop{CALL} -> (loss, gradients)"


def to_fill_in(call: str) -> list[str]:
    """Lines that plug a program in, with the place where it is called."""
    return [
        "from backproof import Head, implementation",
        "",
        '@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])',
        f"def backprop{CALL}:",
        "    W, b = network.unpack(parameters)   # weights (in, units), biases (units,), by layer",
        f"    loss, dW, db = ...                  # {call}",
        "    return loss, network.pack(dW, db)",
    ]


def check_called(target: Any, name: str) -> None:
    """TargetError, with lines to fill in, where the function cannot be called as one is here."""
    why = next((says(target) for is_so, says in OTHERWISE if is_so(target)), "")
    if why:
        short = name.rpartition(":")[2].rpartition(".")[2]
        raise TargetError(f"{name} {why}; wanted {WANTED}", to_fill_in(f"yours: {short}(...)"))


def fits(target: Any) -> bool:
    """Whether it can be called with the four arguments, as far as can be told."""
    signature = signature_of(target)
    if signature is None:
        return True
    try:
        signature.bind(*ARGUMENTS)
    except TypeError:
        return False
    return True


def signature_of(target: Any) -> inspect.Signature | None:
    """The signature, None where Python has none of it."""
    try:
        return inspect.signature(target, follow_wrapped=False)  # the wrapper is called
    except (TypeError, ValueError):
        return None


def names_of(target: Any) -> list[str]:
    """The names of its arguments; none where they are not known."""
    signature = signature_of(target)
    return [] if signature is None else list(signature.parameters)


def _is(*kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def found(target: Any) -> bool:
        call = vars(type(target)).get("__call__", target)
        return any(kind(each) for kind in kinds for each in (target, call))

    return found


def _is_method(target: Any) -> bool:
    return inspect.isfunction(target) and names_of(target)[:1] == ["self"]


def _method(target: Any) -> str:
    made = target.__qualname__.rpartition(".")[0] or "MyClass"
    return (f"is a method, which wants an object: write `mine = {made}(...).{target.__name__}` "
            "below the class, and verify mine")


def _arguments(target: Any) -> str:
    return f"takes {signature_of(target)}"


# What cannot be, in words: the first that is so is said.
OTHERWISE: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (_is(inspect.iscoroutinefunction, inspect.isasyncgenfunction),
     lambda _: "is an async function, and what it gives is a promise: take the async away"),
    (_is(inspect.isgeneratorfunction),
     lambda _: "is a generator: it has a yield, where a return is wanted"),
    (_is_method, _method),
    (lambda target: not fits(target), _arguments),
)


# --- classes of frameworks ------------------------------------------------------------------------


def in_torch(call: str) -> list[str]:
    """Lines that verify what PyTorch differentiates."""
    return [
        "import torch",
        "from backproof import Head, implementation",
        "",
        '@implementation(hidden=["tanh"], heads=[Head("identity", "squared_error")])',
        f"def backprop{CALL}:",
        "    leaves = {name: torch.tensor(value, requires_grad=True)",
        "              for name, value in parameters.items()}",
        "    W, b = network.unpack(leaves)       # weights (in, units), biases (units,), by layer",
        f"    loss = ...                          # {call} of torch.tensor(inputs), W, b",
        "    loss.backward()",
        "    return loss.item(), {name: leaf.grad.numpy() for name, leaf in leaves.items()}",
    ]


# module and class below which a class stands, and how its forward is called
FRAMEWORKS = (
    ("torch.autograd", "Function", "torch.autograd.Function", "{}.apply(...)"),
    ("torch.nn", "Module", "PyTorch module", "{}(...)"),
    ("keras", "Layer", "Keras layer", "{}(...)"),
)


def check_framework(cls: type, name: str) -> None:
    """TargetError, with lines to fill in, for a class that a framework calls."""
    for module, base, says, call in FRAMEWORKS:
        if any(each.__module__.startswith(module) and each.__name__ == base
               for each in cls.__mro__):
            torch = module.startswith("torch")
            lines = [*beside_plain(cls.__name__), *in_torch(call.format(cls.__name__))] if (
                torch) else []
            beside = "beside its plain form (docs/programs.md), or " if torch else ""
            raise TargetError(
                f"{name} is a {says}, which is verified {beside}inside a function that returns its "
                f"loss and gradients; wanted {WANTED}", lines)


def beside_plain(name: str) -> list[str]:
    """Lines to fill in: an operation beside its plain form."""
    return ["", "from backproof import program", "",
            f"fused = program({name}, plain=..., "
            'inputs={"x": ("N", "D"), "weight": ("D",)})', "",
            "# or, in a network:"]


def candidates(values: dict[str, Any]) -> Iterator[str]:
    """The names of those that can be called as a function to verify is."""
    for name, value in values.items():
        if not any(is_so(value) for is_so, _ in OTHERWISE):
            yield name
