"""What the process around a run may have switched on does not reach into it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep a verdict from depending on the process around it.

    Its `np.seterr(all="raise")`, -W error and filterwarnings do not count inside.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
