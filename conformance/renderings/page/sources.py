"""Where a mistake was seen: issues of GitHub as links, where it is known whose repository it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .markup import Markup, join, tag

ISSUE = re.compile(r"(?<![\w./-])(?:([\w-]{1,39})/)?([\w.-]{1,100})#(\d{1,7})(?!\w)", re.ASCII)
# Whose a repository is that is well known by its name alone.
OWNERS = {
    "micrograd": "karpathy", "pytorch": "pytorch", "scikit-learn": "scikit-learn",
    "mlpack": "mlpack", "mxnet": "apache", "tvm": "apache", "systemds": "apache",
    "chainer": "chainer", "nnabla": "sony", "triton": "triton-lang", "candle": "huggingface",
    "burn": "tracel-ai", "axon": "elixir-nx", "matconvnet": "vlfeat", "tt-metal": "tenstorrent",
    "flash-attention": "Dao-AILab", "flash-linear-attention": "fla-org",
    "Liger-Kernel": "linkedin", "TransformerEngine": "NVIDIA", "apex": "NVIDIA",
    "unsloth": "unslothai", "Toy-Neural-Network-JS": "CodingTrain",
}


def sources(text: str) -> Markup:
    """The text with its issues as links; one of a repository whose owner is not known is text."""
    return join(_parts(text))


def _parts(text: str) -> Iterator[object]:
    done = 0
    for found in ISSUE.finditer(text):
        owner = found[1] or OWNERS.get(found[2])
        if owner and set(found[2]) != {"."}:
            yield text[done:found.start()]
            where = f"https://github.com/{owner}/{found[2]}/issues/{found[3]}"
            yield tag("a", found[0], href=where, rel="noopener noreferrer")
            done = found.end()
    yield text[done:]
