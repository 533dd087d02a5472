"""Forty-nine wrong backward passes, each modelled once on one that people had, as its author wrote it."""

from . import attention, convolution, embedding, gated, losses, norms, recurrence
from .bug import Bug

BUGS = {each.name: each for family in (norms, losses, embedding, attention, recurrence, convolution, gated)
        for each in family.BUGS}

__all__ = ["BUGS", "Bug"]
