"""The record of a run: `report.jsonl` as it goes, `cases/<id>.json`, and `report.json` at the end.

    {"type": "header", "schema": 2, "subject": ..., "plan": ..., "seed": ..., "environment": ...,
     "started": ...}
    {"type": "features", "id": 0, "layer": ["dense"], "activation": ["tanh"], "loss": [...],
     "dtype": ["float64"]}
    {"type": "result", "property": "torch", "outcome": "passed", "network": 1, "batch": 4,
     "features": 0}
    {"type": "result", "property": "torch", "outcome": "passed", "network": 129, "times": 64, ...}
    {"type": "finding", ..., "example": the reduced case}
    {"type": "footer", "verdict": ...}

Schemas of a line, of the summary and of a case are in `schemas/`.

Without its footer a record is of a run that did not end. It is strict JSON: numbers that are not
finite are strings. One run writes into a folder at a time, and removes what an earlier one left
there, but for its cases; it follows no link.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from . import harmless
from .folder import LINES, SUMMARY, taken
from .folder import RecordError as RecordError
from .keeping import Kept
from .notes import Note, NoteKind
from .quoting import quoted
from .report import SCHEMA, Report

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from ..plug.subject import Subject
    from ..reference import Case
    from .expectations import Expecting
    from .features import Exercising

MOST_NUMBERS = 2_500_000  # parameters of a case that is written: some 60 MB of text
HEADED = ("schema", "subject", "environment", "seed")
PACKAGES = ("backproof", "numpy", "hypothesis", "python-flint", "torch", "jax", "scikit-learn",
            "autograd", "micrograd")


def environment() -> dict[str, str]:
    """What the run ran on: Python, platform, processors and versions; no paths, no host names."""
    here = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count() or "unknown"),
    }
    return here | {name: found for name in PACKAGES if (found := version(name))}


def version(package: str = "backproof") -> str:
    """The version that is installed; "" where none is."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def here(text: str) -> str:
    """file:line or file:name below the folder the run was started in, else the file's name alone.

    No path of a machine goes into a record. What names no file stays as it is.
    """
    file, _, rest = text.rpartition(":")
    if not Path(file).is_absolute():
        return text
    try:
        path, folder = Path(file).resolve(), Path.cwd()
    except OSError:  # the current folder is gone
        return f"{Path(file).name}:{rest}"
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    return f"{name}:{rest}"


def plain(value: Any) -> Any:
    """The value as strict JSON, from numbers, arrays, tuples, sets and dataclasses.

    NaN and infinity become text.
    """
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else str(float(value))
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        in_order = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(v) for v in in_order]
    return _object(value)


def _object(value: Any) -> Any:
    for method in ("to_json", "tolist"):
        if hasattr(value, method):
            return plain(getattr(value, method)())
    data = is_dataclass(value) and not isinstance(value, type)
    return plain(asdict(value)) if data else str(value)


def to_text(value: Any, indent: int | None = None) -> str:
    """`plain(value)` as JSON text."""
    return json.dumps(plain(value), allow_nan=False, indent=indent)


def write_whole(path: Path, text: str) -> None:
    """The file is there with all of the text, or as it was before; a link is replaced."""
    temporary = path.with_name(path.name + ".part")
    temporary.unlink(missing_ok=True)
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


class Recorder:
    """Writes a record under a directory, which is made, and into memory, where it is `kept`.

    Without either it writes nothing. `expecting` hears every result. Close it, or use `with`. The
    directory is where it was when this was made, whatever folder is current later, and nobody else
    writes into it meanwhile.

    Raises RecordError where it cannot be begun. Where the disk fails later, the record ends there,
    without its last line, `lost` says why, and so does a note of the report.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None, kept: Kept | None = None,
                 expecting: Expecting | None = None):
        self.named = directory
        self.directory = None if directory is None else Path(directory)
        self.lost = ""
        self.kept, self.expecting = kept, expecting
        self.lines: TextIO | None = None
        self.lock: BaseFileLock | None = None
        self.known: set[str] = set()
        self.cases: dict[str, Case] = {}
        self.features: dict[str, int] = {}
        if self.directory is not None:
            try:
                self.directory = self.directory.absolute()
                self._open(self.directory)
            except RecordError:
                raise
            except (OSError, ValueError) as error:
                raise self._failed(error) from error

    def _open(self, directory: Path) -> None:
        self.lock = taken(directory, self.named)
        path = directory / LINES
        self.lines = open(path, "x", encoding="utf-8", newline="\n")  # noqa: SIM115

    def _failed(self, error: BaseException) -> RecordError:
        why = getattr(error, "strerror", None) or type(error).__name__
        return RecordError(f"report: {self.named} cannot be written: {why}")

    def _try(self, do: Any, *arguments: Any) -> None:
        """Do it, unless the record is lost already; where the disk does not let it, it is now."""
        if self.lost:
            return
        try:
            do(*arguments)
        except OSError as error:
            self.lose(self._failed(error))

    def lose(self, error: RecordError) -> None:
        """From here on nothing is written to the directory, and the record has no last line."""
        self.lost = str(error)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def writes(self) -> bool:
        """Whether a line goes anywhere."""
        return self.lines is not None or self.kept is not None

    def close(self) -> None:
        """End the writing; a record without a footer stays incomplete."""
        if self.kept is not None:
            self.kept.close()
        if self.lines is not None:
            with suppress(OSError):  # what a full disk did not take
                self.lines.close()
        if self.lock is not None:
            self.lock.release()

    def header(self, subject: Subject, plan: Any) -> None:
        """The first line: who is asked what, with which versions."""
        if self.writes:
            from .features import unclaimed

            started = datetime.now(UTC).isoformat(timespec="seconds")
            self._line(type="header", schema=SCHEMA, subject=subject.name, door=subject.door,
                       target=_typed(here(subject.target)), needs=list(subject.needs),
                       source=here(subject.source), code=quoted(subject.source),
                       claims=subject.claims,
                       unclaimed=unclaimed(subject.claims), plan=plan, seed=plan.seed,
                       environment=environment(),
                       started=started)

    def result(self, case: Case | Exercising | None = None, **fields: Any) -> None:
        """One line, on the disk when this returns; of a case, its batch and what it exercises."""
        if self.writes or self.expecting is not None:
            from .features import features

            about = {} if case is None else {"batch": case.batch, "features": features(case)}
            self.line_of(**fields, **about)

    def line_of(self, **fields: Any) -> None:
        """The same, of a result whose features were found elsewhere."""
        if self.expecting is not None:
            self.expecting.saw(**fields)
        if self.writes:
            if "features" in fields:
                fields["features"] = self._features(fields["features"])
            self._line(type="result", **fields)

    def _features(self, found: Mapping[str, Any]) -> int:
        """The number of what a case exercises; a line says it the first time."""
        key = repr(found)
        if key not in self.features:
            self.features[key] = len(self.features)
            self._line(type="features", id=self.features[key], **found)
        return self.features[key]

    def case(self, case: Case) -> str:
        """The case's id; its file is written the first time, if it is not too large to be read."""
        if self.writes and case.size <= MOST_NUMBERS and case.id not in self.known:
            self.known.add(case.id)
            self.cases[case.id] = case
            if self.directory is not None:
                self._try(write_whole, self.directory / "cases" / f"{case.id}.json", to_text(case))
        return case.id

    def footer(self, report: Report) -> None:
        """A line for each finding, the last line, and the summary `report.json`."""
        if self.writes:
            for finding in report.findings:
                case = self.cases.get(finding.case)
                example = None if case is None or case.large else case
                self._line(type="finding", **finding.to_json(), example=example)
            rest = {key: value for key, value in report.to_json().items() if key not in HEADED}
            self._line(type="footer", **rest | {"findings": len(report.findings)})
        if self.directory is not None:
            self._try(write_whole, self.directory / SUMMARY, summary(report))
        if self.lost:
            report.notes.append(Note(f"the record is lost: {self.lost}", NoteKind.LOST))

    def _line(self, **fields: Any) -> None:
        text = to_text(fields)
        if len(text) > harmless.LONGEST:
            text = json.dumps(harmless.short(json.loads(text)))
        if self.kept is not None:
            self.kept.write(text + "\n")
        if self.lines is not None:
            self._try(self._write, self.lines, text + "\n")

    def _write(self, lines: TextIO, text: str) -> None:
        lines.write(text)
        lines.flush()


def summary(report: Report) -> str:
    """`report.json`: the whole report, its texts no longer than anybody reads."""
    return json.dumps(harmless.short(plain(report)), allow_nan=False, indent=1)


def _typed(target: str) -> str:
    return target if harmless.may_be_typed(target) else ""
