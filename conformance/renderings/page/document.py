"""A document that needs nothing else: by its policy only its own style and script run."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources

from .markup import Markup, tag


def own(name: str) -> str:
    """The text of page.css or page.js."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def document(title: str, body: Iterator[Markup], style: str, script: str = "") -> str:
    """The whole page, from its doctype on."""
    head = tag("head", tag("meta", charset="utf-8"),
               tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
               tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"),
               tag("link", rel="icon", href="data:,"),
               tag("title", title), tag("style", Markup(style)))
    last = [tag("script", Markup(script))] if script else []
    return f"<!doctype html>\n{tag('html', head, tag('body', *body, *last), lang='en')}\n"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, sent or run but these, named by their hashes."""
    scripts = [f"script-src {_hash(script)}"] if script else []
    rules = ["default-src 'none'", f"style-src {_hash(style)}", *scripts,
             "img-src data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(rules)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
