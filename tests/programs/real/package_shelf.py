"""Where the packages of this benchmark lie, outside the repository, and how a file here finds them.

Each package has a folder of its own, without what it needs besides, so that PyTorch and JAX stay
those of the environment: `python tests/benchmarks/program_packages.py --install` fills them.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import distributions
from pathlib import Path

SHELF = Path(os.environ.get("BACKPROOF_REAL") or Path.home() / ".cache" / "backproof-real")


def folder(package: str) -> Path:
    """The folder that holds this package and nothing else."""
    return SHELF / package


def use(*packages: str) -> None:
    """Let `import` find the packages; one that is not there is looked for in the environment."""
    for package in packages:
        if folder(package).is_dir() and str(folder(package)) not in sys.path:
            sys.path.append(str(folder(package)))


def version(package: str) -> str:
    """Its version on the shelf, or in the environment; "" where it is in neither."""
    for places in ([str(folder(package))], sys.path):
        for found in distributions(path=places):
            if found.name.lower().replace("_", "-") == package.lower().replace("_", "-"):
                return found.version
    return ""
