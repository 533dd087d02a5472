"""Pooling in PyTorch. Where entries of a window are equal, the gradient goes to the first."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer

MAX, MEAN = {1: F.max_pool1d, 2: F.max_pool2d}, {1: F.avg_pool1d, 2: F.avg_pool2d}
GLOBAL: dict[tuple[str, int], Callable[..., Any]] = {
    ("max", 3): F.adaptive_max_pool1d, ("max", 4): F.adaptive_max_pool2d,
    ("mean", 3): F.adaptive_avg_pool1d, ("mean", 4): F.adaptive_avg_pool2d}
OPTIONS = ("function", "window", "stride", "padding", "count_padding", "ceil")


def pool(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    if o["function"] == "max":
        return MAX[axes](x, o["window"], o["stride"], o["padding"], ceil_mode=o["ceil"])
    return MEAN[axes](x, o["window"], o["stride"], o["padding"], o["ceil"], o["count_padding"])


def global_pool(here: Here, x: Any) -> Any:
    return GLOBAL[here.spec.options["function"], x.ndim](x, 1).flatten(1)


def subsample(here: Here, x: Any) -> Any:
    coefficient, bias = (here.parameter(name)[:, None, None] for name in ("coefficient", "bias"))
    return F.avg_pool2d(x, here.spec.options["window"]) * coefficient + bias


LAYERS = {**{f"pool{axes}d": Layer(partial(pool, axes), OPTIONS) for axes in MAX},
          "global_pool": Layer(global_pool, ("function",)),
          "subsample2d": Layer(subsample, ("window",))}
