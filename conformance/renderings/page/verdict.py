"""The top of the page: the verdict, its reason, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from ...record.reading import Run
from ...record.report import OUTCOMES
from .markup import Markup, code, tag

MARKS = {"conforms": "✓", "does_not_conform": "✗", "not_judged": "?", "incomplete": "!"}
SAYS = {
    "conforms": "No check failed, and enough sharp comparisons were made of every kind of "
                "parameter and dtype.",
    "does_not_conform": "A gradient, a loss or an answer was found wrong. Each mistake is shown "
                        "below, with the smallest network that has it.",
    "not_judged": "The adapter is broken, or the command: the gradient was not looked at.",
    "incomplete": "Nothing can be concluded: not enough was seen to say that it conforms.",
}


def word(run: Run) -> str:
    """"does not conform"; "conforms, after 8 of 150 networks (time limit)"."""
    return run.report.says


def verdict(run: Run) -> Markup:
    """The verdict in words, never by colour alone."""
    report = run.report
    mark = tag("span", MARKS[report.verdict], class_="mark", aria_hidden="true")
    title = tag("h1", tag("span", mark, word(run).capitalize(), class_="word"), " ",
                tag("span", report.subject, class_="subject"), id="verdict-title")
    reason = tag("p", report.reason, class_="reason") if report.reason and run.complete else ""
    says = tag("p", SAYS[report.verdict], class_="lead") if run.complete else ""
    return tag("section", *_banner(run), title, says, reason, _figures(run), _copied(run),
               id="verdict",
               class_=f"verdict {report.verdict}", aria_labelledby="verdict-title")


def _banner(run: Run) -> Iterator[Markup]:
    if run.complete and run.report.verdict != "incomplete":
        return
    says = "This is no verdict. The run ended, but what it saw is not enough for one."
    if not run.complete:
        says = ("This is no verdict. The run that wrote this record was cut off: all that follows "
                "is what had been seen until then.")
    missing = run.report.reason and not run.complete
    reason = [tag("p", "What is missing: ", run.report.reason)] if missing else []
    yield tag("div", tag("p", tag("strong", "Incomplete. "), says), *reason, class_="banner",
              role="note", aria_label="Incomplete")


def _copied(run: Run) -> Markup:
    """The result in one line; the script shows the button, which copies it."""
    if not run.complete:
        return Markup("")
    button = tag("button", "Copy", type="button", id="copy", hidden=True)
    return tag("p", code(run.report.line), " ", button, class_="result", id="result")


def _of(run: Run) -> str:
    """" of 150", where fewer networks were asked than planned."""
    plan = run.header.get("plan", {}).get("examples")
    planned = run.report.planned or (plan if type(plan) is int else 0)
    return f" of {planned:,}" if planned > run.report.networks else ""


def _figures(run: Run) -> Markup:
    figures = _counts(run)
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value), class_=class_ or None)
                       for name, value, class_ in figures), class_="figures")


def _counts(run: Run) -> Iterator[tuple[str, str, str]]:
    report = run.report
    yield report.of, f"{report.networks:,}{_of(run)}", ""
    yield "checks passed", f"{report.total('passed'):,}", ""
    yield "checks failed", f"{report.total('failed'):,}", "bad" if report.total("failed") else ""
    for outcome in OUTCOMES[2:]:
        if found := report.total(outcome):
            yield outcome.replace("_", " "), f"{found:,}", "bad" if outcome == "errored" else ""
    if run.complete:
        yield "time", f"{report.seconds:.1f} s", ""
    yield "seed", str(report.seed), ""
