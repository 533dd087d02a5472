"""One page that needs nothing else: no network, no script to be read, dark and light, for a screen or a printer.

Its own style and script are the only ones that run in it: the policy in its head names them by their hashes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources

from ..reading import Run
from .page import evidence, findings, grid, provenance, verdict
from .page.markup import Markup, join, section, tag

PARTS = {"findings": ("Findings", findings.findings), "matrix": ("Conformance matrix", grid.grid),
         "error": ("Error against tolerance", evidence.errors), "digits": ("Digits reached", evidence.digits),
         "properties": ("Checks by property", evidence.properties),
         "untested": ("What was not tested", provenance.untested), "run": ("The run", provenance.provenance)}


def render(run: Run) -> str:
    """The whole page."""
    style, script = _own("page.css"), _own("page.js")
    head = tag("head", tag("meta", charset="utf-8"), _policy(style, script),
               tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"), tag("link", rel="icon", href="data:,"),
               tag("title", f"{verdict.word(run)}: {run.report.subject}"), tag("style", style))
    return f"<!doctype html>\n{tag('html', head, tag('body', *_body(run), tag('script', script)), lang='en')}\n"


def _own(name: str) -> Markup:
    return Markup(resources.files(f"{__package__}.page").joinpath(name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> Markup:
    """Nothing is loaded, sent or run but these two."""
    rules = ["default-src 'none'", f"style-src {_hash(style)}", f"script-src {_hash(script)}", "img-src data:",
             "base-uri 'none'", "form-action 'none'"]
    return tag("meta", http_equiv="Content-Security-Policy", content="; ".join(rules))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _body(run: Run) -> Iterator[Markup]:
    parts = {name: (title, inside) for name, (title, make) in PARTS.items() if (inside := make(run))}
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, (title, _) in parts.items()]
    yield tag("a", "Skip to the verdict", href="#main", class_="skip")
    yield tag("header", tag("p", "backproof ", tag("span", "report"), class_="brand"),
              tag("nav", tag("ul", *links), aria_label="Sections"), class_="top")
    yield tag("main", verdict.verdict(run), *(section(name, title, inside) for name, (title, inside) in parts.items()),
              id="main", tabindex="-1")
    yield tag("footer", tag("p", _last(run)), class_="bottom")


def _last(run: Run) -> Markup:
    whole = "whole" if run.complete else "incomplete"
    return join([f"Made from a record of {run.results:,} results, which is {whole}. "
                 "Nothing on this page is loaded from anywhere else."])
