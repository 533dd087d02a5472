"""What right programs choose differently: where a function has no derivative, or several.

A `Convention` is a row of a file in `conventions/`: the choices that programs make at one kind of
kink, and the entry of the tables that makes each. On networks of exact integers, which meet kinks,
the choice of a program is found out; it is reported, and nobody fails for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..reference import Activation, LayerSpec, Network, Tables
from ..reference.activations import elementwise


class Convention(NamedTuple):
    """The choices at one kind of kink.

    `table` is "activations", "losses" or "layers", `entry` the name in it; change(right entry,
    choice) -> the entry that makes the choice. Of most kinks the choices are slopes: every number
    between the least and the largest is right, and these are the ones that programs take. Where
    they are no slopes, `names` says each in words, "a tie in max pooling goes to ...", and only
    those are right. `wrong`, likewise, are choices that no right program makes. `of` tells the
    layers that have the kink from others of their kind.
    """

    table: str
    entry: str
    choices: tuple[float, ...]
    change: Callable[[Any, float], Any]
    names: Mapping[float, str] = {}
    wrong: Mapping[float, str] = {}
    of: Callable[[LayerSpec], bool] = lambda spec: True

    @property
    def slope(self) -> bool:
        """Whether the choices are slopes."""
        return not self.names

    def has(self, network: Network) -> bool:
        """Whether a network has the entry."""
        if self.table == "losses":
            return network.loss.kind == self.entry
        return any(self.entry == (spec.kind if self.table == "layers" else spec.function)
                   and self.of(spec) for _, spec in network.walk())

    def made(self, tables: Tables, choice: float) -> Tables:
        """The tables with the choice made."""
        entries = getattr(tables, self.table)
        whole: dict[str, Any] = {
            self.table: {**entries, self.entry: self.change(entries[self.entry], choice)}}
        return tables._replace(**whole)

    def says(self, kind: str, choice: float) -> str:
        """A choice in words."""
        place = "" if kind != self.entry else " at its kink"
        return f"slope of {kind}{place} is {choice:g}" if self.slope else self.names[choice]


def at_point(entry: str, point: float, *choices: float) -> Convention:
    """The slope of an elementwise activation at one of its kinks."""
    def change(row: Activation, slope: float) -> Activation:
        def df(x: Any, y: Any, **options: Any) -> Any:
            assert row.df is not None
            return np.where(x == point, slope + 0.0 * x, row.df(x, y, **options))

        return elementwise(row.f, df, kinks=row.kinks, range=row.range, options=row.options)

    return Convention("activations", entry, choices, change)
