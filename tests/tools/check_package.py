"""What the sdist and the wheel hold: `python tests/tools/check_package.py DIST SITE`, from the root of the repository.

The wheel has every file of the four folders that git does not ignore, and nothing else; nothing of it is installed
under a bare name (`reference`, `oracles`, ...); it runs from where it is installed. The sdist has them too, and the
tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HOME = {"conformance": "backproof", "reference": "backproof/reference", "oracles": "backproof/oracles",
        "properties": "backproof/properties"}


def of_git(*folders: str) -> set[str]:
    """The files there that git tracks or would."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
                            capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and Path(name).is_file()}


def installed(name: str) -> str:
    """Where the wheel has a file of the repository."""
    folder, _, rest = name.partition("/")
    return f"{HOME[folder]}/{rest}"


def in_wheel(names: Iterable[str], sources: Iterable[str], version: str) -> Iterator[str]:
    """What is wrong with the names in a wheel."""
    wanted, there = {installed(name) for name in sources}, set(names)
    info = f"backproof-{version}.dist-info/"
    package = {name for name in there if not name.startswith(info)}
    yield from (f"the wheel lacks {name}" for name in sorted(wanted - package))
    yield from (f"the wheel has {name}, which is not in the repository" for name in sorted(package - wanted))
    yield from (f"the wheel lacks {name}" for name in (f"{info}entry_points.txt", f"{info}licenses/LICENSE")
                if name not in there)


def in_sdist(names: Iterable[str], sources: Iterable[str]) -> Iterator[str]:
    """What is wrong with the names in an sdist, its own folder taken off."""
    yield from (f"the sdist lacks {name}" for name in sorted(set(sources) - set(names)))


def elsewhere(site: Path) -> Iterator[str]:
    """The installed wheel runs in another folder, and is what runs there."""
    code = "import backproof, sys; from backproof.__main__ import main; print(backproof.__file__); main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, "list", "layers"], capture_output=True, text=True, check=False,
                          cwd=site.anchor, env={**os.environ, "PYTHONPATH": str(site)})
    if done.returncode or not done.stdout.startswith(str(site)) or "dense" not in done.stdout:
        yield f"the installed wheel does not run in {site.anchor}: {done.stdout}{done.stderr}"


def main(dist: Path, site: Path) -> int:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    version = wheel.name.split("-")[1]
    sources = of_git(*HOME)
    with zipfile.ZipFile(wheel) as archive:
        wrong = list(in_wheel(archive.namelist(), sources, version))
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers()]
    more = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt", *of_git("tests")}
    wrong += [*in_sdist(names, sources | more), *elsewhere(site.resolve())]
    for line in wrong or [f"{wheel.name}: {len(sources)} files; {sdist.name}: {len(names)} entries: all there"]:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
