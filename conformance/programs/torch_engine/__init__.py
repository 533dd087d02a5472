"""PyTorch: a program asked, its plain form differentiated, perturbed and mutated."""

from __future__ import annotations

from .engine import TorchEngine

ENGINE = TorchEngine()
