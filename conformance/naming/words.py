"""All the words of a finding, made from its data at the very end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..properties.agreement import Disagreement
from ..properties.structures import PLAIN, structures_of
from ..record.shown import at_worst
from ..record.written import written
from ..reference import Case, LayerSpec
from .ratios import RATIOS, Symbol
from .symptoms import Kind, Symptom


def names(parameters: Iterable[str]) -> str:
    """"0.bias, 2.bias and inputs"."""
    listed = list(dict.fromkeys(parameters))
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def numbers(d: Disagreement) -> str:
    """Where, got, wanted, error and tolerance."""
    return at_worst(d)


def sides(wrong: Iterable[str], right: Iterable[str], zero: Iterable[str] = ()) -> str:
    """Which parameters are wrong and which right; a true zero is neither."""
    neither = names(zero)
    return (f"wrong: {names(wrong)}; right: {names(right) or 'none'}"
            + (f"; 0 in truth, so neither: {neither}" if neither else ""))


def here(name: str, k: float) -> str:
    """" (n_outputs = 2 on this case)": what a named ratio is here; nothing for a plain number."""
    symbol = RATIOS[name].symbol if name in RATIOS else Symbol.NONE
    if symbol is Symbol.NONE or abs(k) < 1e-12:
        return ""
    return f" ({name} = {k:.6g} on this case; {symbol.value})"


# --- networks -------------------------------------------------------------------------------------


def describe(case: Case) -> str:
    """"on a network 2 -> 2, output identity, loss squared_error (mean); batch 1, float64"."""
    network = case.network
    _, loss = network.head
    shape = _chain(case) if structures_of(network) == [PLAIN] else _layers(case)
    about = ", ".join([network.loss.reduction, *network.loss.beside])
    return (f"on a network {shape}, loss {loss} ({about}); "
            f"batch {case.batch}, {case.dtype}")


def _chain(case: Case) -> str:
    network = case.network
    after, _ = network.head
    middle = f", hidden {', '.join(network.hidden)}" if network.hidden else ""
    return f"{' -> '.join(map(str, network.sizes))}{middle}, output {after}"


def _layers(case: Case) -> str:
    network = case.network
    shape = " x ".join(map(str, network.input_shape))
    if not network.real:
        below = f"below {network.input_kind['index']}"
        shape = f"{shape} indices {below}" if shape else f"an index {below}"
    return f"{shape} -> {', '.join(map(layer, case.network.layers))}"


def layer(spec: LayerSpec) -> str:
    """The kind with its units, and what it shares: "tanh", "parallel add (tanh | as it is)"."""
    if spec.function is not None:
        return spec.function
    units = "" if spec.units is None else f" {spec.units}"
    turned = " transposed" if spec.transpose else ""
    shared = "" if spec.share is None else f" sharing {spec.share}{turned}"
    if not spec.branches:
        return f"{spec.kind}{units}{shared}"
    inside = " | ".join(", ".join(map(layer, branch)) or "as it is" for branch in spec.branches)
    return f"{spec.kind} {spec.options.get('combine', '')} ({inside})"


# --- symptoms -------------------------------------------------------------------------------------


def _ratios(s: Symptom) -> str:
    each = ", ".join(f"{name} is {written(k, 6)} times"
                     for name, k in zip(s.parameters, s.numbers, strict=True))
    return f"on this network {each} what it should be"


def _digits(s: Symptom) -> str:
    count = int(s.numbers[0])
    like = f", as {s.like} keeps" if s.like else ""
    return f"the wrong gradients agree to about {count} digit{'s' * (count != 1)}{like}"


def _derivative(s: Symptom) -> str:
    times = "" if s.numbers[0] == 1 else f"{s.numbers[0]:.6g} times "
    form = f"({s.like})" if times and s.like != "f'(z)" else s.like
    return (f"the derivative used for {s.layers[0]} is {times}{form}, "
            f"where z is what {s.layers[0]} is taken of and a is its value")


SENTENCES: dict[Kind, Callable[[Symptom], str]] = {
    Kind.ONLY_INPUTS: lambda s: "only the gradient of the inputs is wrong: "
                                "look at what the first layer hands down",
    Kind.LAST_LAYER: lambda s: "going back from the loss, the last layer with parameters, "
                               f"layer {s.layers[0]}, is wrong already",
    Kind.FIRST_WRONG: lambda s: f"going back from the loss, layer {s.layers[0]} is right and "
                                f"layer {s.layers[1]} is the first that is wrong",
    Kind.TRANSPOSED: lambda s: f"the gradient of {names(s.parameters)} is the transpose "
                               "of what it should be",
    Kind.ANOTHERS: lambda s: f"the gradient of {s.parameters[0]} is that of {s.parameters[1]}",
    Kind.ONE_EXAMPLE: lambda s: f"the gradient is that of example {s.numbers[0]:g} "
                                "of the batch alone",
    Kind.DETACHED: lambda s: f"the gradient is that of a network detached at or above layer "
                             f"{s.layers[0]} ({s.like}): nothing is handed down",
    Kind.SKIPPED: lambda s: f"the gradient is that of a way back without layer {s.layers[0]} "
                            f"({s.like})",
    Kind.DERIVATIVE: _derivative,
    Kind.RATIOS: _ratios,
    Kind.DIGITS: _digits,
}


def sentence(symptom: Symptom) -> str:
    """A symptom in words."""
    return SENTENCES[symptom.kind](symptom)
