"""A comparison for a terminal, for the job summary of CI, and as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import groupby

from ..record import harmless
from ..record.comparison import KINDS, Change, Compared
from ..record.reading import Run
from .markdown import text as _plain


def text(compared: Compared) -> str:
    """For a terminal: what got worse, then what got better."""
    lines = [_headline(compared), *(f"  {name}: {_about(run)}" for name, run in _both(compared)),
             *(f"  note: {note}" for note in compared.notes)]
    for title, changes in _parts(compared):
        lines += ["", f"{title}:"]
        lines += [f"  {KINDS[change.kind]}: {line}" for change, line in _lines(changes)]
    return "\n".join(map(harmless.line, lines))


def markdown(compared: Compared) -> str:
    """The same for a job summary of CI."""
    lines = [f"### {_plain(_headline(compared))}", "",
             *(f"- {name}: {_plain(_about(run))}" for name, run in _both(compared)),
             *(f"- note: {_plain(note)}" for note in compared.notes)]
    for title, changes in _parts(compared):
        lines += ["", f"**{title}**", "",
                  *(f"- {KINDS[change.kind]}: {_plain(line)}" for change, line in _lines(changes))]
    return "\n".join(lines)


def as_json(compared: Compared) -> str:
    """The changes one by one, every cell of its own."""
    whole = {"old": compared.old.report.subject, "new": compared.new.report.subject,
             "notes": compared.notes, "worse": list(map(asdict, compared.worse)),
             "better": list(map(asdict, compared.better))}
    return harmless.defused_json(json.dumps(harmless.short(whole), indent=1))


FORMS: dict[str, Callable[[Compared], str]] = {"text": text, "markdown": markdown, "json": as_json}


def _headline(compared: Compared) -> str:
    better = "BETTER than before" if compared.better else "as before"
    said = "WORSE than before" if compared.worse else better
    return f"{compared.new.report.subject}: {said}"


def _both(compared: Compared) -> Iterator[tuple[str, Run]]:
    yield from (("old", compared.old), ("new", compared.new))


def _about(run: Run) -> str:
    report = run.report
    return (f"{report.says}, {report.networks} {report.of}, seed {report.seed}, "
            f"{run.header.get('started') or 'no date'}")


def _parts(compared: Compared) -> Iterator[tuple[str, list[Change]]]:
    parts = ("worse", compared.worse), ("better", compared.better)
    yield from ((title, changes) for title, changes in parts if changes)


def _lines(changes: list[Change]) -> Iterator[tuple[Change, str]]:
    """A line for every change; one for all the cells of a feature."""
    for _, group in groupby(changes, key=lambda c: (c.kind, c.name, bool(c.judge))):
        same = list(group)
        first = same[0]
        judges = ", ".join(change.judge for change in same)
        yield first, f"{first.name}, judged by {judges}" if first.judge else _line(first)


def _line(change: Change) -> str:
    if change.kind.endswith("_finding"):
        return f"{change.name}: {change.now if change.kind.startswith('failing') else change.was}"
    name = "" if change.name == "verdict" else f"{change.name}: "
    return f"{name}{change.was} -> {change.now}"
