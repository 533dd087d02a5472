"""The process of a kernel that a benchmark judges: `python -m backproof.programs.worker KERNEL`.

The hello says which framework it is of, which files are hidden from it and what it may not call.
Of the task it has nothing but the trials that it is asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from ..plug.protocol.frames import Frame
from ..plug.protocol.worker import main
from ..plug.subject import source_of
from ..plug.targets import named
from .attempts import OPERATIONS, Attempts
from .hosting import ProgramHost
from .messages import Json
from .program import Program
from .taken import as_function

Say = Callable[[dict[str, Json]], None]


class Judged(ProgramHost):
    """A kernel whose answers count only as long as it has tried nothing that it may not."""

    def __init__(self, function: Any, rules: Mapping[str, Json], attempts: Attempts,
                 told: Mapping[str, Json]):
        super().__init__(function, rules["framework"], told)
        self.attempts = attempts
        self.operations = {name.removeprefix(OPERATIONS) for name in rules["forbid"]
                           if name.startswith(OPERATIONS)}
        if rules["framework"] == "torch":
            from .torch_engine.exact import exact

            self.function = exact(self.function)

    def answered(self, frame: Frame) -> dict[str, Json]:
        """The reply, or what it tried."""
        with self._without():
            reply = super().answered(frame)
        return {"tried": self.attempts.said} if self.attempts.said else reply

    def _without(self) -> Any:
        if not self.operations:
            return nullcontext()
        from .torch_engine.exact import without

        return without(self.operations,
                       lambda name: self.attempts.refuse(f"called {OPERATIONS}{name}"))


def loaded(text: str, say: Say, hello: dict[str, Json]) -> Judged:
    """The kernel, imported after all that it may not do is forbidden."""
    rules, attempts = hello["judged"], Attempts()
    for name in rules["forbid"]:
        if not name.startswith(OPERATIONS):
            attempts.forbid(name)
    attempts.hide(rules["hidden"])
    kernel = named(text, lambda line: say({"progress": line}))
    function = (kernel.engine if isinstance(kernel, Program)
                else as_function(kernel, rules["framework"]).function)
    name = getattr(kernel, "__qualname__", None) or getattr(kernel, "name", text)
    return Judged(function, rules, attempts, {"name": name, "source": source_of(function)})


if __name__ == "__main__":
    main(sys.argv[1:], loaded)
