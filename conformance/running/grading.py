"""`grade`: a submission is verified once, and every row of a points file gets what it has earned.

    hints = "layer"                 # none, symptom, layer, mistake or line

    [claims]                        # what it is asked, whatever it claims itself
    hidden = ["tanh"]
    heads = [{activation = "identity", loss = "squared_error"}]

    [[row]]
    name = "gradients of biases"
    points = 3
    gradients = ["bias"]            # or activations, losses, layers, dtypes, doors, properties

A row's points are shared among what it lists; each of these is earned whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..properties.catalogue import catalogue
from ..properties.claims import Claims
from ..properties.structures import STRUCTURES
from ..record.coverage import matrix
from ..record.features import FACETS
from ..record.grades import HINTS, Grade, Scored, hints
from ..record.reading import Run, read
from ..record.report import Finding
from ..reference import ACTIVATIONS, LOSSES
from ..reference.arrays import DTYPES
from ..reference.checks import BackproofError, DescriptionError, one_of, refuse_unknown
from .api import Names, PlanError, judge, plan_of, positive, subject_for, whole

if TYPE_CHECKING:
    from ..judging.plan import Plan
    from ..plug.subject import Subject

LOSS = "loss_value"
GRADIENTS = ("loss", "weight", "bias", "inputs")
DOORS = ("function", "layers", "training step")
# what a row may list: the facet of the features, or how it is looked up; and all that there is
COVERS: dict[str, tuple[str, Callable[[], tuple[str, ...]]]] = {
    "gradients": ("", lambda: GRADIENTS),
    "properties": ("", lambda: tuple(catalogue())),
    "activations": ("activation", lambda: tuple(ACTIVATIONS)),
    "losses": ("loss", lambda: tuple(LOSSES)),
    "layers": ("layer", lambda: tuple(STRUCTURES)),
    "dtypes": ("dtype", lambda: DTYPES),
    "doors": ("door", lambda: DOORS),
}
assert {facet for facet, _ in COVERS.values() if facet} <= set(FACETS)
FILE = ("hints", "claims", "examples", "seconds", "row")
ROW = ("name", "points", "hints", *COVERS)


class PointsError(BackproofError):
    """A points file that cannot be; the message is one line."""


@dataclass(frozen=True)
class Row:
    """A row of a points file: what it covers, as (one of COVERS, name), and its points."""

    name: str
    points: float
    covers: tuple[tuple[str, str], ...]
    hints: str


@dataclass(frozen=True)
class Points:
    """A points file; claims None where a submission's own are asked."""

    rows: tuple[Row, ...]
    claims: Claims | None = None
    examples: int | None = None
    seconds: float | None = None


# --- the points file ------------------------------------------------------------------------------


def points_of(path: str | os.PathLike[str], hints: str | None = None) -> Points:
    """The points file; `hints` is in the place of what it says of hints.

    Raises PointsError, in one line, where there is none, and for an unknown name in it.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return _points(data, hints)
    except OSError as error:
        raise PointsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PointsError(f"{path}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise PointsError(f"{path}: is not TOML: {error}") from error
    except (DescriptionError, PlanError) as error:
        raise PointsError(f"{path}: {error}") from error


def _points(data: Mapping[str, Any], level: str | None) -> Points:
    refuse_unknown("points", data, FILE)
    rows = data.get("row")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DescriptionError("points: no row; wanted at least one [[row]] with name, points and "
                               f"one of {', '.join(COVERS)}")
    usual = one_of("hints", data.get("hints", "symptom"), HINTS)
    found = tuple(_row(f"row {i}", row, usual, level) for i, row in enumerate(rows, 1))
    names = [row.name for row in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DescriptionError(f"points: two rows are called {twice!r}")
    for name, check in (("examples", lambda n, v: whole(n, v, 1)), ("seconds", positive)):
        if name in data:
            check(name, data[name])
    claims = Claims.from_json(data["claims"]) if "claims" in data else None
    return Points(found, claims, data.get("examples"), data.get("seconds"))


def _row(what: str, data: Mapping[str, Any], usual: str, level: str | None) -> Row:
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise DescriptionError(f"{what}: name is {name!r}, wanted a text")
    what = f"{what} ({name})"
    refuse_unknown(what, data, ROW)
    positive(f"{what}: points", data.get("points"))
    covers = tuple((kind, one_of(f"{what}: {kind}", each, names()))
                   for kind, (_, names) in COVERS.items()
                   for each in _list(f"{what}: {kind}", data.get(kind, [])))
    if not covers:
        raise DescriptionError(f"{what}: it covers nothing; wanted one of {', '.join(COVERS)}")
    own = level or one_of(f"{what}: hints", data.get("hints", usual), HINTS)
    return Row(name, float(data["points"]), tuple(dict.fromkeys(covers)), own)


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise DescriptionError(f"{what} is {value!r}, wanted a list of names")
    return value


# --- the grade ------------------------------------------------------------------------------------


def grade(
    target: Callable[..., Any] | Subject | str,
    points: str | os.PathLike[str] | Points,
    *,
    hints: str | None = None,
    secret: str = "",
    examples: int | None = None,
    seconds: float | None = None,
    oracles: Names | None = None,
    apart: bool = False,
) -> Grade:
    """The grade of a submission, by the rows of a points file; it prints nothing.

    hints: "none", "symptom", "layer", "mistake" or "line", in the place of what the file says.
    secret: a text that the seed is made from, which no grade shows. examples, seconds and oracles
    are those of `verify`, and default to the file's, then to those of its quick profile; apart too.

    A submission that cannot be had or called has no points, and is told why. Raises PointsError for
    a points file and PlanError for an option that cannot be.
    """
    if hints is not None and hints not in HINTS:
        raise PlanError(f"hints: unknown {hints!r}; there is {', '.join(HINTS)}")
    rubric = points if isinstance(points, Points) else points_of(points, hints)
    plan = plan_of(examples or rubric.examples, seconds or rubric.seconds, seed_of(secret), oracles,
                   profile="quick")
    with ExitStack() as stack:
        try:
            subject = stack.enter_context(subject_for(target, apart))
        except BackproofError as error:
            return _nothing(str(target), rubric, str(error))
        return _graded(subject, rubric, plan)


def _graded(subject: Subject, rubric: Points, plan: Plan) -> Grade:
    """The points of a submission that was had."""
    if rubric.claims is not None:
        subject = replace(subject, claims=rubric.claims)
    with tempfile.TemporaryDirectory(prefix="backproof-") as folder:
        report = judge(subject, plan, folder, quiet=True)
        run = read(folder)
    if report.verdict == "not_judged":
        return replace(_nothing(subject.name, rubric, f"not judged: {report.reason}"),
                       report=report, seconds=report.seconds)
    rows = tuple(_scored(row, run) for row in rubric.rows)
    return Grade(subject.name, rows, report.seconds, report)


def seed_of(secret: str) -> int:
    """A seed that nobody guesses from the grade; 0 without a secret."""
    return int(hashlib.sha256(secret.encode()).hexdigest()[:8], 16) if secret else 0


def _nothing(name: str, rubric: Points, why: str) -> Grade:
    return Grade(name, tuple(Scored(row.name, 0.0, row.points, (why,)) for row in rubric.rows))


def _scored(row: Row, run: Run) -> Scored:
    """The row's points: an equal share for each of what it covers that nothing is wrong with."""
    why = {cover: missing(cover, run) for cover in row.covers}
    lost = {cover: said for cover, said in why.items() if said}
    points = round(row.points * (len(why) - len(lost)) / len(why), 2)
    if not lost:
        return Scored(row.name, points, row.points)
    findings = [f for f in run.report.findings if any(_touches(f, cover) for cover in lost)]
    said = [f"{name}: {text}" for (_, name), text in lost.items()]
    told = [] if row.hints == "none" else [*said, *hints(findings, row.hints)]
    return Scored(row.name, points, row.points, tuple(told))


def missing(cover: tuple[str, str], run: Run) -> str:
    """Why there are no points for this; "" where nothing is wrong with it."""
    kind, name = cover
    if kind == "properties":
        return _of_counts(run.report.counts.get(name, {}))
    if kind == "gradients":
        return _of_gradient(name, run)
    facet = COVERS[kind][0]
    found = [f.status for f in matrix(run)
             if f.facet == facet and f.name.partition(" (")[0] == name]
    worst = next((status for status in found if status != "passed"), "")
    return SAYS.get(worst, worst) if found else SAYS["not_claimed"]


SAYS = {"failed": "wrong", "errored": "it raises an error", "not_claimed": "not there",
        "declined": "declined", "too_few": "hardly tried", "inconclusive": "not decided",
        "not_available": "not tried"}


def _of_counts(counts: Mapping[str, int]) -> str:
    worst = next((outcome for outcome in ("failed", "errored", "declined") if counts.get(outcome)),
                 "" if counts.get("passed") else "not_available")
    return SAYS[worst] if worst else ""


def _of_gradient(name: str, run: Run) -> str:
    if name == "loss":
        return _of_counts(run.report.counts.get(LOSS, {}))
    if any(_touches(finding, ("gradients", name)) for finding in run.report.findings):
        return SAYS["failed"]
    seen = any(name in kinds for kinds in run.report.resolution.values())
    return "" if seen else SAYS["not_claimed"]


def _touches(finding: Finding, cover: tuple[str, str]) -> bool:
    """Whether a finding is about what is covered; one that names no gradient is about them all."""
    kind, name = cover
    if kind != "gradients":
        return kind != "properties" or name in (finding.property, *finding.also)
    if name == "loss":
        return LOSS in (finding.property, *finding.also)
    names = finding.wrong or tuple(filter(None, [finding.parameter]))
    return not names or any(each.rpartition(".")[2].endswith(name) for each in names)
