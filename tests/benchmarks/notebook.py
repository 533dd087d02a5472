"""How long a fresh notebook takes until the first finding, with its picture, is on the screen.

    python tests/benchmarks/notebook.py [TARGET]

It starts a kernel, imports backproof in one cell and verifies a wrong perceptron in the next, and reads the clock at
every message that the notebook shows. It needs nbclient and ipykernel: pip install nbclient ipykernel. The bar: 5 s from
the import to a card with a picture.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

WRONG = "tests/examples/mlp_layers_wrong.py:mlp"
ROOT = Path(__file__).resolve().parents[2]
BAR = 5.0
SHOWS = ("display_data", "update_display_data", "execute_result")


def shown(target: str, examples: int = 20) -> list[tuple[float, str]]:
    """Every HTML that the cell of `verify` showed, with its seconds since the cell was begun."""
    import nbformat
    from nbclient import NotebookClient

    sources = ("import backproof", f"backproof.verify({target!r}, examples={examples})")
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    started: list[float] = []
    seen: list[tuple[float, str]] = []

    class Watched(NotebookClient):  # type: ignore[misc]
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["header"]["msg_type"] == "execute_input":
                started.append(time.monotonic())
            if msg["header"]["msg_type"] in SHOWS:
                html = msg["content"]["data"].get("text/html", "")
                seen.append((time.monotonic() - started[-1], html))
            return super().process_message(msg, cell, cell_index)

    notebook = nbformat.v4.new_notebook(cells=cells)
    Watched(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    return seen


def main() -> None:
    seen = shown(*sys.argv[1:2] or [WRONG])
    first = next(seconds for seconds, html in seen if "<svg" in html)
    print(f"first sign of life {seen[0][0]:.1f} s, first finding with its picture {first:.1f} s (bar {BAR:g} s), "
          f"whole run {seen[-1][0]:.1f} s, {len(seen)} changes of the screen")


if __name__ == "__main__":
    main()
