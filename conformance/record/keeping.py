"""The lines of a record in memory, compressed: some 200 KB for a run of 300 networks."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, TextIO

MOST = 2**27  # letters of all lines: a run of many thousands of networks has a tenth of that


class Kept:
    """A record without a folder: `Recorder` writes it, `lines` gives it back.

    Beyond `most` letters nothing is kept, and `whole` is False: memory is bounded.
    """

    def __init__(self, most: int = MOST):
        self.left = most
        self._packer: Any = zlib.compressobj(3, wbits=31)
        self._packed = b""

    @property
    def whole(self) -> bool:
        """Whether every line is there."""
        return self.left >= 0

    def write(self, text: str) -> None:
        """One more line; it is ASCII, as all lines of a record are."""
        self.left -= len(text)
        self._packed = self._packed + self._packer.compress(text.encode()) if self.whole else b""

    def close(self) -> None:
        """Nothing is written any more, and `lines` may be asked."""
        if self._packer is not None:
            self._packed += self._packer.flush()
            self._packer = None

    def lines(self) -> TextIO:
        """All lines, one after another."""
        return gzip.open(io.BytesIO(self._packed), "rt", encoding="utf-8")
