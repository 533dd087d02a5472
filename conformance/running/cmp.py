"""`cmp`: one gradient beside another, in a cell or a script."""

from __future__ import annotations

import sys
from typing import Any

from ..naming.comparing import Comparison, compared
from .notebook import in_notebook


def cmp(name: str, mine: Any, theirs: Any, rows: int | None = None) -> Comparison:
    """Say whether your gradient is theirs, and if not, what the difference is.

        cmp("dW", dW, W.grad)

    mine, theirs: arrays of NumPy or JAX, tensors of PyTorch (with or without history), lists.
    rows: how many examples the batch has, so that a factor of it is known as N. A notebook shows
    the comparison, a script prints it, and it is returned: `.kind`, `.digits`, `.factor`,
    `.right`. Raises DescriptionError, in one line, for what is no array of numbers.
    """
    found = compared(name, mine, theirs, rows)
    if in_notebook():
        return _shown(found)
    if not hasattr(sys, "ps1"):  # a prompt shows what it is given
        print(found)
    return found


class _InCell(Comparison):
    """A comparison that its cell has shown: being the cell's last value, it is not shown again."""

    def _ipython_display_(self) -> None:
        if self.__dict__.pop("shown", False):
            return
        show = sys.modules["IPython.display"]
        show.display(show.HTML(self._repr_html_()))


def _shown(found: Comparison) -> Comparison:
    kept = _InCell(**vars(found))
    kept._ipython_display_()
    kept.__dict__["shown"] = True
    return kept
