"""Convolutions of sequences and of images, and transposed ones."""

from __future__ import annotations

from ..images import DRAWS, grow, of_kind
from ..structure import Structure

SAYS = {"conv1d": (1, "convolutions of sequences: (batch, channels, length)"),
        "conv2d": (2, "convolutions of images: (batch, channels, height, width)"),
        "conv_transpose1d": (1, "transposed convolutions of sequences"),
        "conv_transpose2d": (2, "transposed convolutions of images")}

STRUCTURES = {kind: Structure(says, grow(axes, kind, DRAWS[axes][kind]), of_kind(kind), even=False)
              for kind, (axes, says) in SAYS.items()}
