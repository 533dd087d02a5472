"""Compiled programs on disk, so that the next process need not compile them again.

They lie in `backproof/` of the user's cache folder, in a folder for this JAX and this processor.
JAX keeps no program that compiled within a second unless it is told to, so it is told: within the
blocks where this oracle compiles, and nowhere else. Afterwards its settings are as they were.

What lies there is run, so a folder that anybody else could have written to is not used. Where there
is none to be used, or BACKPROOF_CACHE is "off", programs are compiled in every process.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

VARIABLE = "BACKPROOF_CACHE"  # "off", or the folder to use in the place of the user's cache folder
MOST = 256 * 2**20  # bytes: beyond, the oldest go
SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


@contextmanager
def stored() -> Iterator[None]:
    """What is compiled in this block is looked up on disk, and kept there."""
    place = folder(os.environ.get(VARIABLE, ""))
    if place is None:
        yield
        return
    settings = {**SETTINGS, "jax_compilation_cache_dir": str(place)}
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        with warnings.catch_warnings():  # a program that cannot be read or kept is compiled
            warnings.simplefilter("ignore")
            _configure(settings)
            yield
    finally:
        _configure(before)


def _configure(settings: dict[str, object]) -> None:
    """JAX opens its folder once, and again after a reset."""
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    compilation_cache.reset_cache()


@lru_cache(maxsize=4)
def folder(asked: str) -> Path | None:
    """Where programs are kept; None where they are not."""
    if asked == "off" or not hasattr(os, "getuid"):  # where owners cannot be told, nothing is kept
        return None
    try:
        place = (Path(asked or _cache_folder()).resolve() / "backproof"
                 / f"jax-{jax.__version__}-{processor()}")
        for each in (place.parents[1], place.parent, place):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (private(place) and os.access(place, os.W_OK)):
            return None
        trim(place, MOST)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where home is
        return None
    return place


def _cache_folder() -> str:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return given if os.path.isabs(given) else str(Path.home() / ".cache")


def processor() -> str:
    """A name for what this processor can do: machine code for another may not run on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    abilities = {line for line in lines if line.startswith(("flags", "Features"))}
    told = "\n".join([platform.machine(), platform.processor(), *sorted(abilities)])
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def private(place: Path) -> bool:
    """Whether nobody but its owner, who runs this, can write to the folder or put another there.

    A path with links in it may lead elsewhere the next time.
    """
    above = [each.stat() for each in place.parents]
    own = place.stat()
    return (place == place.resolve() and own.st_uid == os.getuid()
            and not own.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and all(map(_kept_safe, above)))


def _kept_safe(above: os.stat_result) -> bool:
    """Whether no other user can replace what lies in a folder; in a sticky one they cannot."""
    others = above.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not above.st_mode & stat.S_ISVTX
    return above.st_uid in (0, os.getuid()) and not others


def trim(place: Path, most: int) -> None:
    """Remove the oldest programs until half of so many bytes are left, if there are more."""
    kept = sorted(((file.stat().st_mtime, file.stat().st_size, file)
                   for file in place.iterdir()), reverse=True)
    if sum(size for _, size, _ in kept) <= most:
        return
    total = 0
    for _, size, file in kept:
        total += size
        if total > most // 2:
            file.unlink(missing_ok=True)
