"""Hypothesis strategies for networks and cases, inside the claims, biased to where mistakes hide.

    from hypothesis import given
    from backproof import cases

    @given(cases())
    def test_mine(case): ...

Hypothesis draws the structure (so a failure shrinks to a smaller network); the values come from a
drawn seed, in a drawn style. What a case must not be (on a kink, overflowing in its dtype) is
mended, never filtered away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ...reference import Case, Network
from ..claims import EVERYTHING, Claims, Head
from ..exact import exact_case
from ..structure import Choose
from ..structures import PLAIN, STRUCTURES
from .chains import chain, count, head_of, within
from .draft import STYLED, Draft, draft_inside
from .grown import least, network_inside
from .mending import in_dtype, mended
from .values import TARGETS, Style, build

STYLES = st.builds(Style, **{name: st.sampled_from(options) for name, options in STYLED.items()})
# Small numbers only: into larger ones Hypothesis mixes constants that it finds in whatever modules
# are loaded, and the same seed would draw other networks beside another program.
SEEDS = st.lists(st.integers(0, 99), min_size=5, max_size=5)

EXACT_HIDDEN = ("identity", "relu", "relu6", "hard_tanh", "abs")
EXACT_LOSSES = ("squared_error", "absolute_error", "inner_product", "huber", "hinge",
                "squared_hinge")


def chooser(draw: Any) -> Choose:
    """Hypothesis as the source of choices."""
    def choose(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options))

    return choose


@st.composite
def networks(draw: Any, claims: Claims = EVERYTHING, *, head: Head | None = None) -> Network:
    """Networks inside `claims`, with one head or any; depth 1 to 20, widths 1 to 8, some wider."""
    choose = chooser(draw)
    return network_inside(choose, claims, head or head_of(choose, claims))


@st.composite
def drafts(draw: Any, claims: Claims = EVERYTHING, *, network: Network | None = None,
           dtype: str | None = None) -> Draft:
    """Cases inside `claims` before their numbers are made."""
    return draft_inside(chooser(draw), claims, lambda: draw(STYLES), lambda: draw(SEEDS),
                        network=network, dtype=dtype)


def cases(claims: Claims = EVERYTHING, *, network: Network | None = None,
          dtype: str | None = None) -> st.SearchStrategy[Case]:
    """Cases inside `claims`: network, batch, targets, values in a style; all finite, all smooth."""
    return drafts(claims, network=network, dtype=dtype).map(lambda draft: draft.case)


def exactable(claims: Claims) -> Claims | None:
    """The part of the claims whose arithmetic can be exact: None where there is none."""
    if claims.networks:
        return None
    layers = tuple(each for name, each in zip(claims.structures, claims.layers, strict=True)
                   if STRUCTURES[name].exact)
    hidden = tuple(name for name in claims.hidden if name in EXACT_HIDDEN)
    heads = tuple(head for head in claims.heads if exact_head(head)
                  and (not claims.same_output or head.activation in hidden))
    if not heads or not layers or claims.l2 or (claims.depth[0] > 1 and not hidden):
        return None
    most = 4 if claims.depth[1] is None else min(4, claims.depth[1])
    depth = (claims.depth[0], max(most, claims.depth[0]))
    return replace(claims, heads=heads, hidden=hidden, depth=depth, layers=layers)


def exact_head(head: Head) -> bool:
    """Whether the loss and gradient of the head can be exact; large logits are what it may have."""
    powers = all(abs(math.frexp(by)[0]) == 0.5 for by in (head.scale, head.gradient_scale))
    return (head.activation in EXACT_HIDDEN and head.loss in EXACT_LOSSES and powers
            and float(head.delta).is_integer() and head.logits is None)


@st.composite
def exact_cases(draw: Any, claims: Claims = EVERYTHING) -> Case | None:
    """Integer networks whose float32 arithmetic is exact in any order, kinks included.

    None where the claims hold none, or the network drawn is too large for it.
    """
    inside = exactable(claims)
    if inside is None:
        return None
    choose = chooser(draw)
    head = head_of(choose, inside)
    network = draw(networks(inside, head=head))
    kinds = [kind for kind in head.target_kinds if kind != "soft"]
    batch = choose(within((1, 2, 4, 8), claims.batch))
    seed, dtype = draw(SEEDS), choose(claims.dtypes)
    return exact_case(network, batch, choose(kinds), seed, dtype) if kinds else None


__all__ = ["PLAIN", "STYLES", "TARGETS", "Draft", "Style", "build", "cases", "chain", "count",
           "drafts", "exact_cases", "exactable", "in_dtype", "least", "mended", "networks"]
