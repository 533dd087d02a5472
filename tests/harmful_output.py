"""The commands that read a record, and what their output must not have: whatever a hostile hand wrote into the record."""

import json
import shlex
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from backproof.renderings import RENDERINGS

LONGEST = 2_100  # characters of a line


def commands_on(folder, other):
    """All that reads a record."""
    yield from (["report", folder, "--format", name, "--out", "-"] for name in RENDERINGS)
    yield ["report", folder, "--format", "html"]
    yield ["compare", folder, other]
    yield ["compare", other, folder, "--format", "markdown"]
    yield ["compare", other, folder, "--format", "json"]
    yield ["scoreboard", folder, other, "--out", "-"]
    yield ["expect", folder, "--file", "known.txt"]
    yield ["expect", folder, "--file", "fixed.txt", "--fix"]
    yield ["replay", Path(folder) / "cases" / "case.json"]


class Elements(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.names = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.names |= {f"{tag} {name}" for name, _ in attrs if name.startswith("on")}


def wrong_with(words, status, out, err, pages):
    """(kind, what) of all that a command's output has and must not have."""
    if status not in (0, 1, 2, 3):
        yield "trouble", str(status)
    if "Traceback" in err or "trouble inside" in err:
        yield "trouble", err[:300]
    if (status == 2) != err.startswith("backproof: ") and words[0] not in ("verify", "replay"):
        yield "trouble", f"exit {status}, said {err[:100]!r}"
    form = words[words.index("--format") + 1] if "--format" in words else ""
    for line in (out + "\n" + err).split("\n"):
        if not line.replace("\t", "").isprintable():
            yield "injection", f"not visible: {line[:200]!r}"
        if line.lstrip().startswith("::") and form != "annotations":
            yield "injection", f"a workflow command: {line[:200]!r}"
        if any(each in line for each in ("##[", "##vso[", "##teamcity[")):
            yield "injection", f"a command to a log: {line[:200]!r}"
        if form in ("", "text") and "scoreboard" not in words and len(line) > LONGEST:
            yield "injection", f"a line of {len(line)} characters"
        if line.lstrip().startswith("python -m backproof replay") and not _is_command(line):
            yield "injection", f"other words: {line[:200]!r}"
    if status == 0 and "-" in words:
        yield from wrong_form(form or words[0], out, pages)


def _is_command(line):
    """Whether a shell reads as many words as there are meant to be."""
    try:
        return len(shlex.split(line)) in (6, 7)
    except ValueError:
        return False


def wrong_form(form, out, pages):
    """The same, of one format."""
    if form in ("html", "scoreboard") and not Elements(out).names <= pages:
        yield "injection", f"elements {Elements(out).names - pages}"
    if form == "junit":
        tags = {each.tag for each in ElementTree.fromstring(out).iter()}
        if not tags <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"}:
            yield "injection", f"elements {tags}"
    if form in ("json", "badge"):
        json.loads(out)
    if form == "annotations" and any(line and not line.startswith("::") for line in out.split("\n")):
        yield "injection", "a line that is no annotation"
    if form == "markdown":
        outside = "".join(part for i, part in enumerate(out.split("\n```")) if i % 2 == 0)
        for each in ("<script", "<img", "<style", "](", "@all", "http://", "www."):
            if each in outside.replace("\\]", ""):
                yield "injection", f"{each} in Markdown"
