"""The kill matrix: every fault before every judge, as a table and a picture.

`python -m backproof matrix` shows it.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from html import escape
from itertools import islice
from pathlib import Path

from ..faults import FAULTS, Fault, Faults, load, shows
from ..faults.behaviour import asked
from ..faults.showing import structures_in
from ..judging.judge import Judge
from ..judging.plan import drawn
from ..oracles import ORACLES, When, available
from ..plug.subject import Subject
from ..plug.undisturbed import undisturbed
from ..properties.catalogue import codes
from ..properties.claims import EVERYTHING, Claims
from ..properties.strategies import cases
from ..properties.structures import STRUCTURES
from ..properties.tolerance import Spread, spread
from ..reference import Case
from ..reference.checks import one_of
from ..reference.network import STATED

NETWORKS, SEEDS, LONGEST, SHARE = 48, 10, 300, 300


@cache
def claims(family: str = "") -> Claims:
    """Everything the reference has, every structure and each reduction stated.

    family: of a fault; where that is about some structures, every network has one of them, for it
    shows nowhere else.
    """
    heads = tuple(replace(h, reduction=r) for h in EVERYTHING.heads for r in STATED)
    layers = structures_in(family) or tuple(STRUCTURES)
    return replace(EVERYTHING, heads=heads, layers=layers, explored=False)


@dataclass(frozen=True)
class Row:
    """One fault: how many of its checks each judge failed, on how many networks.

    until: networks until the first failure, seed by seed. share: on how many of the networks that
    are drawn the fault is visible. family: the headline it is listed under.
    """

    fault: str
    kills: Mapping[str, int]
    networks: int
    until: tuple[int, ...]
    share: float
    family: str = ""

    @property
    def judges(self) -> list[str]:
        """Who killed it."""
        return [judge for judge in codes() if self.kills.get(judge)]


def subject(name: str, fault: Fault) -> Subject:
    """The fault as a subject, behind the contract."""
    return Subject(name, claims(fault.family), asked(fault), fresh=lambda: asked(fault))


@lru_cache(maxsize=64)
def _networks(seed: int, count: int, family: str) -> list[Case]:
    return list(islice(drawn(cases(claims(family)), seed), count))


def judged(name: str, fault: Fault, networks: int) -> dict[str, int]:
    """By judge, on how many networks it failed the fault."""
    names = [n for n in available() if n in ORACLES]
    of = fault.family if structures_in(fault.family) else ""
    judge = Judge(subject(name, fault), claims(of), names, lambda **_: None, 0)
    for i, case in enumerate(_networks(0, networks, of)):
        judge.network(case)
        if i % 4 == 0:
            judge.structure([case])
    failed = {n: by.get("failed", 0) + by.get("errored", 0) for n, by in judge.tally.counts.items()}
    return {code: sum(failed.get(n, 0) for n in names_) for code, names_ in codes().items()}


def witnesses_at_once() -> list[str]:
    """The witnesses at hand that are asked about every network."""
    return [name for name in available()
            if ORACLES[name].witness and ORACLES[name].when is When.EVERY]


def until_killed(name: str, fault: Fault, seed: int) -> int:
    """Networks until the first failure, LONGEST + 1 where there is none."""
    mine = claims(fault.family)
    judge = Judge(subject(name, fault), mine, witnesses_at_once(), lambda **_: None, seed)
    for i, case in enumerate(islice(drawn(cases(mine), 100 + seed), LONGEST), 1):
        judge.network(case)
        if judge.tally.failing:
            return i
    return LONGEST + 1


def share(fault: Fault) -> float:
    """Of the networks that are drawn, on how many the fault shows; of its structure's, if any."""
    of = fault.family if structures_in(fault.family) else ""
    return sum(shows(fault, case, s)
               for case, s in zip(_networks(0, SHARE, of), _spreads(of), strict=True)) / SHARE


@lru_cache(maxsize=4)
def _spreads(family: str) -> list[Spread]:
    return [spread(case) for case in _networks(0, SHARE, family)]


@cache
def _table(more: str) -> Faults:
    """The fault table and a module's own, loaded in each process: functions do not travel."""
    return {**FAULTS, **(load(more) if more else {})}


def _row(job: tuple[str, str, int, int]) -> Row:
    name, more, networks, seeds = job
    fault = _table(more)[name]
    with undisturbed():
        return Row(name, judged(name, fault, networks), networks,
                   tuple(until_killed(name, fault, seed) for seed in range(seeds)), share(fault),
                   fault.family)


def matrix(names: Sequence[str] = (), networks: int = NETWORKS, seeds: int = SEEDS,
           listen: Callable[[Row], None] = lambda row: None, more: str = "") -> list[Row]:
    """A row for every fault (or the named ones), in order; more: a module with further faults.

    Raises DescriptionError for an unknown name, and for a module `faults.load` refuses.
    """
    table = _table(more)
    jobs = [(one_of("fault", name, table), more, networks, seeds) for name in (names or table)]
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(_row, jobs):
            listen(row)
            rows.append(row)
    return rows


# --- the table and the picture --------------------------------------------------------------------


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    """The matrix as a Markdown table, and networks until the first kill beside it."""
    yield (f"| fault | {' | '.join(codes())} | judges | "
           "networks until the first kill: median, worst | visible on |")
    yield f"| --- |{' ---: |' * len(codes())} ---: | ---: | ---: |"
    for row in rows:
        cells = " | ".join(str(row.kills.get(judge) or "") for judge in codes())
        median = statistics.median(row.until) if row.until else float("nan")
        until = f"{median:g}, {max(row.until, default=0)}"
        yield f"| {row.fault} | {cells} | {len(row.judges)} | {until} | {row.share:.1%} |"


# The picture: a cell's width and height, and how wide a letter of 12 pixels is at most.
WIDE, HIGH, LETTER, EDGE = 34, 22, 7.2, 14
SLANT = 0.866, 0.5   # sine and cosine of 60 degrees
LEGEND = "A number: mistakes that the judge kills; stronger: more of the family."
STYLE = """
svg { font-family: system-ui, sans-serif; font-size: 12px; --ink: #1b1f24; --soft: #59636e;
  --paper: #ffffff; --line: #d5dae0; --full: #8b1a1a; --on: #ffffff; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6e8eb; --soft: #a2abb5; --paper: #14171a;
  --line: #39414a; --full: #b5443c; --on: #ffffff; } }
.paper { fill: var(--paper); }
text { fill: var(--ink); }
.soft { fill: var(--soft); }
.cell { fill: var(--full); stroke: var(--line); }
.most { fill: var(--on); }
"""


def families(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by family, in the order in which families come first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.family, []).append(row)
    return found


def svg(rows: Sequence[Row]) -> str:
    """The matrix as a picture: a row a family, a column a judge that kills anything.

    A cell says how many of the family's mistakes the judge kills, and is stronger the more of them.
    """
    by = families(rows)
    judges = [judge for judge in codes() if any(row.kills.get(judge) for row in rows)]
    names = [f"{family or 'others'} ({len(all_)})".replace("_", " ") for family, all_ in by.items()]
    longest = max(map(len, judges), default=0) * LETTER
    left = EDGE + max(map(len, names), default=0) * LETTER
    top = EDGE + longest * SLANT[0] + 16
    width = EDGE + max(left + WIDE * len(judges) + longest * SLANT[1], LETTER * len(LEGEND))
    height = top + HIGH * len(by) + 34
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" role="img" '
             f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
             "<title>How many of the known mistakes of each family each judge kills</title>"
             f"<style>{STYLE}</style>",
             f'<rect width="{width:.0f}" height="{height:.0f}" class="paper"/>']
    for j, judge in enumerate(judges):
        x = left + WIDE * j + WIDE / 2 + 4
        parts.append(f'<text transform="translate({x:.1f},{top - 6:.1f}) rotate(-60)">'
                     f"{escape(judge)}</text>")
    for i, (name, all_) in enumerate(zip(names, by.values(), strict=True)):
        y = top + HIGH * i
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 15:.1f}" text-anchor="end">'
                     f"{escape(name)}</text>")
        parts += [_cell(left + WIDE * j, y, name, all_, judge) for j, judge in enumerate(judges)]
    parts.append(f'<text x="{EDGE}" y="{height - 12:.1f}" class="soft">{LEGEND}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _cell(x: float, y: float, name: str, rows: Sequence[Row], judge: str) -> str:
    killed = sum(bool(row.kills.get(judge)) for row in rows)
    share = killed / len(rows)
    shade = 0.12 + 0.88 * share if killed else 0.0
    said = f"{name} before {judge}: {killed} of {len(rows)} killed"
    on = "most" if shade > 0.6 else "few"
    number = (f'<text x="{x + WIDE / 2 - 1:.1f}" y="{y + 15:.1f}" text-anchor="middle" '
              f'class="{on}">{killed}</text>')
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDE - 2}" height="{HIGH - 2}" rx="2" '
            f'class="cell" fill-opacity="{shade:.2f}"><title>{escape(said)}</title></rect>'
            f"{number if killed else ''}")


def write(rows: Sequence[Row], folder: Path) -> None:
    """kill-matrix.md and kill-matrix.svg in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    table = "\n".join([*_head(rows), *markdown(rows), ""])
    (folder / "kill-matrix.md").write_text(table, encoding="utf-8")
    (folder / "kill-matrix.svg").write_text(svg(rows), encoding="utf-8")


def _head(rows: Sequence[Row]) -> Iterator[str]:
    alone = [row.fault for row in rows if len(row.judges) < 2]
    yield "# The kill matrix\n"
    yield (f"{len(rows)} faults, {len(codes())} judges; how many checks of each judge failed on "
           f"{rows[0].networks if rows else 0} networks.")
    yield ("Made by `python -m backproof matrix --out docs`. Judges share no code; "
           "the reference, the arbiter,")
    yield ("differences and the complex step count as one. "
           "The last column is the share of the drawn networks on")
    yield f"which the fault is visible, of {SHARE}.\n"
    yield "![how many mistakes of each family each judge kills](kill-matrix.svg)\n"
    yield (f"Killed by fewer than two: {', '.join(alone) if alone else 'none'}; "
           "see [limits.md](limits.md).\n")
