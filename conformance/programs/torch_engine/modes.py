"""A dispatch mode that imports no compiler."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """PyTorch's own base, which wraps `__torch_dispatch__` so that torch.compile leaves it alone.

    At its first call that imports the compiler, which takes seconds, for code that is not compiled.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
