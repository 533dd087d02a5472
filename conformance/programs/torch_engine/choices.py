"""Choices that rounding can turn: which entry is the largest, on which side of a kink a number is.

A right program may choose otherwise than the plain form, where two numbers are closer than their
roundings, and its gradient is then another one. The first half of the runs tells how far roundings
move every number that a choice is made on; in the second half all choices within `REACH` times
that are made otherwise: upwards in one run, downwards in the next, at random in the others.
"""

from __future__ import annotations

import torch

from .roundings import by_position, salt

Tensor = torch.Tensor
REACH = 4.0
# Of largest entries only two at random are told apart, so the reach is wider.
REACH_AMONG = 16.0


class Choices:
    """The numbers that choices were made on, by the number of the choice in a run.

    direction: of the run that goes on: 0 looks only; 1 and -1 move everything alike; others, in
    pairs of a number and its opposite, move every position at random.
    """

    def __init__(self) -> None:
        self.low: list[Tensor] = []
        self.high: list[Tensor] = []
        self.start(0)

    def start(self, direction: int) -> None:
        """A run begins."""
        self.direction, self.number = direction, 0

    def moved(self, on: Tensor, among: bool = False) -> Tensor:
        """The numbers to choose by. among: the choice is of one among these, not of a side."""
        number, self.number = self.number, self.number + 1
        if not self.direction:
            self._look(number, on)
            return on
        far = self._spread(number, on)
        if far is None:
            return on
        return on + far * self._sign(on, among)

    def _look(self, number: int, on: Tensor) -> None:
        on = on.detach()
        if number == len(self.low):
            self.low.append(on.clone())
            self.high.append(on.clone())
        elif self.low[number].shape == on.shape:
            self.low[number] = torch.minimum(self.low[number], on)
            self.high[number] = torch.maximum(self.high[number], on)

    def _spread(self, number: int, on: Tensor) -> Tensor | None:
        if number >= len(self.low) or self.low[number].shape != on.shape:
            return None
        return torch.nan_to_num(self.high[number] - self.low[number], 0.0, 0.0, 0.0)

    def _sign(self, on: Tensor, among: bool) -> Tensor | float:
        if abs(self.direction) == 1 and not among:
            return REACH * self.direction
        side = 1.0 if self.direction > 0 else -1.0
        drawn = by_position(on.numel(), salt(abs(self.direction), 0)).view(on.shape)
        return (REACH_AMONG if among else REACH) * side * (drawn if among else drawn.sign())
