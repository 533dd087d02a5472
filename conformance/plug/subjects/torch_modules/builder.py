"""From the description to a tree of nn.Modules that has the network's parameters.

Every parameter of the network is one leaf tensor, in the description's own layout. A module of
torch.nn has another: it is called with views of the leaves (torch.func.functional_call), so that
loss.backward() leaves each gradient in the leaf, a sum where several layers use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ....reference import LayerSpec

Array = Any
# makes the module of one layer: (builder, its description, its name)
Make = Callable[["Builder", LayerSpec, str], nn.Module]


class Called(nn.Module):
    """A module called with these tensors in the place of its own parameters and buffers."""

    def __init__(self, module: nn.Module, tensors: Mapping[str, Tensor]):
        super().__init__()
        self.module, self.tensors = module, dict(tensors)

    def forward(self, *inputs: Any) -> Any:
        return functional_call(self.module, self.tensors, inputs)


class Builder:
    """Makes the modules of a network by the rows of its layer kinds.

    values: NumPy arrays by global name. trained: which of them have a gradient; the others are
    constants. Each is a leaf in `tensors`.
    """

    def __init__(self, rows: Mapping[str, Make], values: Mapping[str, Array],
                 trained: Iterable[str]):
        self.rows, self.trained = rows, set(trained)
        self.tensors = {name: torch.from_numpy(np.ascontiguousarray(value)).requires_grad_(
            name in self.trained) for name, value in values.items()}

    def chain(self, layers: Iterable[LayerSpec], prefix: str = "") -> nn.Sequential:
        """The layers one after another."""
        return nn.Sequential(*(self.rows[spec.kind](self, spec, f"{prefix}{i}")
                               for i, spec in enumerate(layers)))

    def tensor(self, spec: LayerSpec, name: str, local: str) -> Tensor | None:
        """The layer's own tensor, or the one it shares, transposed where it says so; or None."""
        own = self.tensors.get(f"{name}.{local}")
        if own is not None or spec.share is None:
            return own
        shared = self.tensors.get(f"{spec.share}.{local}")
        return shared.T if shared is not None and spec.transpose else shared

    def gradients(self) -> dict[str, Array]:
        """What backward left in .grad, by global name."""
        return {name: tensor.grad.numpy() for name, tensor in self.tensors.items()
                if name in self.trained and tensor.grad is not None}
