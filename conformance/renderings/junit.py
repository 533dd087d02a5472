"""JUnit XML of a record: a test case for every property, the diagnosis in the failures.

A check that was not made is skipped, one that raised is an error, an inconclusive one is skipped:
none looks passed. A failure holds the line that replays it.
"""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as Xml

from ..record import harmless
from ..record.coverage import counted
from ..record.reading import Run
from ..record.report import Finding
from . import replay_line


def render(run: Run) -> str:
    """One suite; its `verdict` case says what the run as a whole is."""
    report = run.report
    cases = [verdict(run),
             *(of_property(run, name, outcomes) for name, outcomes in report.counts.items())]
    kinds = [child.tag for case in cases for child in case]
    counts = {"tests": len(cases), **{key: kinds.count(tag) for key, tag in TAGS.items()}}
    about = {"name": clean(f"backproof {report.subject}"), "time": f"{report.seconds:.3f}"}
    suite = Xml.Element("testsuite", about | {key: str(n) for key, n in counts.items()})
    suite.extend(cases)
    Xml.SubElement(suite, "system-out").text = clean("\n".join(report.notes))
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


TAGS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def case(run: Run, name: str) -> Xml.Element:
    return Xml.Element("testcase", {"classname": clean(run.report.subject), "name": clean(name)})


def verdict(run: Run) -> Xml.Element:
    """Passed only where the verdict is "conforms"; incomplete and not judged are errors."""
    made, report = case(run, "verdict"), run.report
    said = report.says + (f": {report.reason}" if report.reason else "")
    if report.verdict != "conforms":
        told(made, "failure" if report.verdict == "does_not_conform" else "error", said, said)
    else:
        Xml.SubElement(made, "system-out").text = clean(said)
    return made


def of_property(run: Run, name: str, outcomes: dict[str, int]) -> Xml.Element:
    made, mine = case(run, name), [f for f in run.report.findings if f.property == name]
    failed, errored = outcomes.get("failed", 0), outcomes.get("errored", 0)
    if failed or errored or mine:
        count = f"{failed + errored} of {sum(outcomes.values())} checks failed"
        causes = [f.headline for f in run.report.findings if name in f.also]
        message = mine[0].headline if mine else "; ".join([count, *causes])
        text = "\n\n".join(shown(run, f) for f in mine) or message
        told(made, "failure" if failed or not errored else "error", message, text)
    elif not outcomes.get("passed") or outcomes.get("inconclusive"):
        told(made, "skipped", counted(Counter(outcomes)) or "not exercised", "")
    return made


def shown(run: Run, finding: Finding) -> str:
    return f"{finding.text}\n{replay_line(run, finding)}"


def told(made: Xml.Element, tag: str, message: str, text: str) -> None:
    Xml.SubElement(made, tag, {"message": clean(message)}).text = clean(text)


def clean(value: str) -> str:
    """Every line visible and harmless: so there is nothing left that no XML may hold."""
    return harmless.lines(value)
