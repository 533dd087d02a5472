"""Shape inference: what a network's parameters are, and which networks cannot be."""

from __future__ import annotations

from .chain import shapes
from .description import DescriptionError, Network
from .layers.rule import Shapes
from .tables import TABLES, Tables


def infer(network: Network, tables: Tables = TABLES) -> Shapes:
    """The network's output shape and the shape of every parameter, constant and state, by global name.

    Raises DescriptionError for a network that cannot be: layers that do not fit, a loss outside its domain.
    """
    result = shapes(network.layers, "", network.input_shape, tables)
    low, high = output_range(network, tables)
    loss = tables.losses[network.loss.kind]
    if low < loss.domain[0] or high > loss.domain[1]:
        raise DescriptionError(
            f"loss {network.loss.kind}: wants outputs in {loss.domain}, but the last layer gives values in {(low, high)}"
        )
    return result


def output_range(network: Network, tables: Tables = TABLES) -> tuple[float, float]:
    """The interval that holds every output: the last activation's range, or all numbers."""
    last = network.layers[-1] if network.layers else None
    if last is None or last.kind != "activation":
        return (-float("inf"), float("inf"))
    return tables.activations[last.options["function"]].range
