"""Layers that move numbers, in PyTorch."""

from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer


def flatten(here: Here, x: Any) -> Any:
    return torch.flatten(x, 1)


def reshape(here: Here, x: Any) -> Any:
    return x.reshape(x.shape[0], *here.spec.options["shape"])


def pad(here: Here, x: Any) -> Any:
    """F.pad takes the last axis first."""
    return F.pad(x, list(chain.from_iterable(reversed(here.spec.options["amounts"]))))


def upsample(here: Here, x: Any) -> Any:
    return F.interpolate(x, scale_factor=here.spec.options["factor"], mode="nearest")


LAYERS = {"flatten": Layer(flatten, ()), "reshape": Layer(reshape, ("shape",)),
          "pad": Layer(pad, ("amounts",)), "upsample": Layer(upsample, ("factor",))}
