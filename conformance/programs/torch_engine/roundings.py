"""Roundings that are drawn: a number from -1 to 1 for every entry of a tensor, by its digits.

A rounding is no fresh noise: the same number, rounded in the same operation, is rounded the same
way, and sixteen times the number as the number. An expanded cotangent or a constant row therefore
has roundings that add up and do not average out, in a real program as here: the draw is a hash of
the significand, of the operation's number in the run, and of the seed.
"""

from __future__ import annotations

import torch

# Digits beyond these are float64's own roundings: numbers that differ by them alone are equal.
KEPT = 40
_FIRST, _SECOND, _THIRD = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA24BAED4963EE407


def signed(number: int) -> int:
    """An integer modulo 2**64 as the int64 of the same bits."""
    return (number + 2**63) % 2**64 - 2**63


def salt(seed: int, number: int) -> int:
    """What tells one operation of one run from all others."""
    return signed(seed * _SECOND + number * _THIRD + _FIRST)


def drawn(values: torch.Tensor, salt: int) -> torch.Tensor:
    """From 1/2 to 1, or from -1 to -1/2, for every entry of a float64 tensor by its significand.

    Roundings are smaller too, but a run without any error teaches nothing: in so few runs every
    one has to show.
    """
    digits = values.view(torch.int64) + (1 << 51 - KEPT)
    digits.bitwise_left_shift_(12).bitwise_right_shift_(64 - KEPT)
    found = _mixed(digits, salt)
    return found.add_(torch.sgn(found)).mul_(0.5)


def by_position(count: int, salt: int) -> torch.Tensor:
    """From -1 to 1 for every position."""
    return _mixed(torch.arange(count), salt)


def _mixed(integers: torch.Tensor, salt: int) -> torch.Tensor:
    """Two rounds of multiplying and folding, in place, as in the finalisers of hash functions."""
    integers.add_(salt).mul_(signed(_FIRST))
    integers.bitwise_xor_(integers >> 32)
    integers.mul_(signed(_SECOND))
    return integers.to(torch.float64).mul_(2.0**-63)
