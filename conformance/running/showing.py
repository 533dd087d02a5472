"""What shows a report in more than text: the record that its run kept, and the renderings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..record.keeping import Kept


@dataclass(frozen=True)
class Shown:
    """The card and the page of a run; directory: where it left its record as well, if anywhere."""

    kept: Kept
    directory: str | os.PathLike[str] | None = None

    def card(self) -> str:
        """For the output of a cell."""
        from ..record.reading import kept
        from ..renderings.card import render

        return render(kept(self.kept, self.directory))

    def page(self) -> str:
        """For a file."""
        from ..record.reading import kept
        from ..renderings.html import render

        return render(kept(self.kept, self.directory))
