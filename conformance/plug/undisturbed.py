"""What the process around a run has switched on does not reach into it; nor the other way round."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep a verdict from depending on the process around it.

    Its `np.seterr(all="raise")`, -W error and filterwarnings do not count inside, and what is
    switched on inside ends with it.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def untouched() -> Iterator[None]:
    """The random numbers that a process goes on with, and its environment, are afterwards the same.
    """
    python, legacy, environment = random.getstate(), np.random.get_state(), dict(os.environ)
    torch: Any = sys.modules.get("torch")
    rng = torch.random.get_rng_state() if hasattr(torch, "random") else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        if rng is not None:
            torch.random.set_rng_state(rng)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
