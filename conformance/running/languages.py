"""The languages that a command to start from is written in: its file, and how it is built and run.

Each is a whole network of dense layers in one file of `templates/adapters`, without a dependency.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple


class Language(NamedTuple):
    """One language. In `build` and `run` {file} is the file and {program} what is built of it.

    ending: of a file's name. template: the file to start from. build: "" where nothing is built.
    """

    title: str
    ending: str
    template: str
    build: str
    run: str

    def commands(self, path: str) -> tuple[str, str]:
        """How this file is built, "" where it is not, and how it is run, as lines of a shell."""
        program = str(Path(path).with_suffix(""))
        if program == Path(program).name:
            program = f"./{program}"
        file = f"./{path}" if path.startswith("-") else path
        named = {"file": shlex.quote(file), "program": shlex.quote(program)}
        return self.build.format(**named), self.run.format(**named)


LANGUAGES = {
    "javascript": Language("JavaScript", ".js", "my_net.js", "", "node {file}"),
    "c": Language("C", ".c", "my_net.c", "cc -O2 -o {program} {file} -lm", "{program}"),
    "rust": Language("Rust", ".rs", "my_net.rs", "rustc --edition 2021 -O -o {program} {file}",
                     "{program}"),
    "java": Language("Java", ".java", "MyNet.java", "", "java {file}"),
    "perl": Language("Perl", ".pl", "my_net.pl", "", "perl {file}"),
    "tcl": Language("Tcl", ".tcl", "my_net.tcl", "", "tclsh {file}"),
}


def language_of(path: str) -> str | None:
    """The language that the ending of a file's name tells, where it tells one."""
    return next((name for name, row in LANGUAGES.items() if path.endswith(row.ending)), None)
