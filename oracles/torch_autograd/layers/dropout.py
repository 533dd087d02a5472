"""Dropout in PyTorch, with a mask that is given: F.dropout would draw its own."""

from typing import Any

import torch

from ..chain import Here, Layer


def dropout(here: Here, x: Any) -> Any:
    kept = here.parameter("mask") > 0
    return torch.where(kept, x, torch.zeros_like(x)) / (1 - here.spec.options["rate"])


LAYERS = {"dropout": Layer(dropout, ("rate",))}
