"""The embedding in PyTorch: F.embedding, whose padding row gets no gradient."""

from typing import Any

import torch.nn.functional as F  # noqa: N812

from ..chain import Here, Layer


def embedding(here: Here, x: Any) -> Any:
    return F.embedding(x, here.parameter("weight"), padding_idx=here.spec.options["padding_index"])


LAYERS = {"embedding": Layer(embedding, ("units", "padding_index"))}
