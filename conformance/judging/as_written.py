"""Claims as one writes them: names in double quotes, without what is so by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..plug.layouts import Layout
from ..properties.claims import Head


def listed(each: Iterable[str]) -> str:
    return f"[{', '.join(each)}]"


def named(values: Mapping[str, Any]) -> list[str]:
    """`name=value` of each."""
    return [f"{name}={quoted(value)}" for name, value in values.items()]


def quoted(value: Any) -> str:
    """A value as one writes it: a text, a list, a head, a layout, or what Python makes of it."""
    if isinstance(value, Head):
        plain = Head(value.activation, value.loss)
        first = [quoted(value.activation), quoted(value.loss)]
        return f"Head({', '.join([*first, *named(_given(value, plain))])})"
    if isinstance(value, Layout):
        return f"Layout({', '.join(named(_given(value, Layout())))})"
    if isinstance(value, list):
        return listed(map(quoted, value))
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _given(value: Any, plain: Any) -> dict[str, Any]:
    """The fields that are not as they are by default."""
    return {f.name: each for f in fields(value)
            if (each := getattr(value, f.name)) != getattr(plain, f.name)}
