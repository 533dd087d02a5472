"""Shape inference: what a network's parameters are, and which networks cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .chain import shapes
from .checks import DescriptionError
from .kinds import INFINITY, Indices, Shape, Shapes, Tables
from .network import COTANGENT, WEIGHTED, LayerSpec, Network, walk
from .tables import TABLES


def infer(network: Network, tables: Tables = TABLES) -> Shapes:
    """The network's output shape and the shape of every array its layers read, by global name.

    Raises DescriptionError for a network that cannot be: layers that do not fit, a share without
    an owner, indices where real numbers are wanted, a loss outside its domain.
    """
    check_inputs(network.layers, "real" if network.real else "index", tables)
    result = shapes(network.layers, "", entry(network), tables)
    low, high = output_range(network, tables)
    loss = tables.losses[network.loss.kind]
    if low < loss.domain[0] or high > loss.domain[1]:
        raise DescriptionError(
            f"loss {network.loss.kind}: wants outputs in {loss.domain}, "
            f"but the last layer gives values in {(low, high)}"
        )
    masks = dict(result.masks)
    if network.loss.reduction == WEIGHTED:
        masks[COTANGENT] = result.output if loss.per == "element" else result.output[:-1]
    return result._replace(parameters=unshared(network.layers, result.parameters), masks=masks)


def entry(network: Network) -> Shape:
    """The shape of an example that the first layer is given."""
    if network.real:
        return network.input_shape
    return Indices(network.input_shape, network.input_kind["index"])


def given(network: Network, tables: Tables = TABLES) -> list[Shape]:
    """The shape of an example that each layer of the network is given, and that of its output.

    Raises DescriptionError where the layers do not fit.
    """
    found = [entry(network)]
    for i, spec in enumerate(network.layers):
        found.append(tables.layers[spec.kind].shapes(spec, found[-1], tables, str(i)).output)
    return found


def check_inputs(layers: Iterable[LayerSpec], kind: str, tables: Tables) -> None:
    """The first layer, of every branch, takes what the network is given."""
    first = next(iter(layers), None)
    if first is None:
        if kind != "real":
            raise DescriptionError("network: indices reach the loss: "
                                   "a layer that takes indices must come first")
    elif first.branches:
        for branch in first.branches:
            check_inputs(branch, kind, tables)
    elif tables.layers[first.kind].takes != kind:
        raise DescriptionError(f"network: its inputs are {kind}, but its first layer "
                               f"({first.kind}) takes {tables.layers[first.kind].takes}")


def unshared(layers: Iterable[LayerSpec], parameters: Mapping[str, Shape]) -> dict[str, Shape]:
    """The parameters less those that belong to another layer.

    Raises DescriptionError by name for one that does not fit.
    """
    kept: dict[str, Shape] = {}
    for name, spec in walk(layers):
        if not spec.branches:
            own = {k: size for k, size in parameters.items() if k.rpartition(".")[0] == name}
            kept.update(own if spec.share is None else _left(name, spec, own, kept))
    return kept


def _left(name: str, spec: LayerSpec, own: dict[str, Shape],
          known: dict[str, Shape]) -> dict[str, Shape]:
    """What a sharing layer keeps for itself."""
    left = {}
    for full, size in own.items():
        owner = f"{spec.share}.{full.removeprefix(name + '.')}"
        if owner not in known or (spec.transpose and len(known[owner]) != 2):
            left[full] = size
        elif (known[owner][::-1] if spec.transpose else known[owner]) != size:
            raise DescriptionError(f"layer {name}: shares {owner} of shape {known[owner]}, "
                                   f"but needs {size}")
    if len(left) == len(own):
        raise DescriptionError(f"layer {name}: shares layer {spec.share!r}, "
                               "which has no parameter of its kind before it")
    return left


def output_range(network: Network, tables: Tables = TABLES) -> tuple[float, float]:
    """The interval that holds every output: the last activation's range, or all numbers."""
    last = network.layers[-1].function if network.layers else None
    return (-INFINITY, INFINITY) if last is None else tables.activations[last].range
