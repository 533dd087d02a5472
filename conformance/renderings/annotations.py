"""GitHub workflow commands: each finding at the file and line of the subject.

https://docs.github.com/actions: `::error file={},line={},title={}::{message}`; ten of a kind are
shown for a step.
"""

from __future__ import annotations

from ..record import harmless
from ..record.reading import Run

MOST = 10
LEVELS = {"conforms": "notice", "does_not_conform": "error", "not_judged": "error",
          "incomplete": "warning"}


def render(run: Run) -> str:
    """A line for each finding; one for the verdict where that is not all there is to say."""
    report = run.report
    lines = [command("error", run, finding.headline, finding.text)
             for finding in report.findings[:MOST]]
    left = len(report.findings) - len(lines)
    if not lines or left or report.verdict != "does_not_conform":
        verdict = report.says
        more = f"and {left} findings more" if left else ""
        said = "; ".join(filter(None, [verdict, report.reason, more]))
        lines.append(command(LEVELS[report.verdict], run, f"{report.subject}: {verdict}", said))
    return "\n".join(lines) + "\n"


def command(level: str, run: Run, title: str, message: str) -> str:
    file, _, line = str(run.header.get("source", "")).rpartition(":")
    where = {"file": file, "line": line} if file and line.isdigit() else {}
    properties = ",".join(f"{key}={value_of(value)}"
                          for key, value in {**where, "title": title}.items())
    return f"::{level} {properties}::{data(message)}"


def data(text: str) -> str:
    """As the runner unescapes it."""
    return harmless.lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value_of(text: str) -> str:
    return data(harmless.line(text)).replace(":", "%3A").replace(",", "%2C")
