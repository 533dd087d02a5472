"""Convolutions in PyTorch: its own functions, whose layout of the weight is ours."""

from functools import partial
from typing import Any

import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer

CONV = {1: F.conv1d, 2: F.conv2d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
OPTIONS = ("filters", "window", "stride", "padding", "dilation", "groups", "bias")


def bias(here: Here, form: str) -> Any:
    return here.parameter("bias") if here.spec.options["bias"] == form else None


def conv(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    y = CONV[axes](x, here.parameter("weight"), bias(here, "channel"), o["stride"], o["padding"],
                   o["dilation"], o["groups"])
    untied = bias(here, "untied")
    return y if untied is None else y + untied


def transposed(axes: int, here: Here, x: Any) -> Any:
    o = here.spec.options
    y = TRANSPOSED[axes](x, here.parameter("weight"), bias(here, "channel"), o["stride"],
                         o["padding"], 0, o["groups"], o["dilation"])
    untied = bias(here, "untied")
    return y if untied is None else y + untied


LAYERS = {**{f"conv{axes}d": Layer(partial(conv, axes), OPTIONS) for axes in CONV},
          **{f"conv_transpose{axes}d": Layer(partial(transposed, axes), OPTIONS)
             for axes in TRANSPOSED}}
