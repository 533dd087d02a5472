"""Published operations with backward passes of their own, beside their plain forms: what is said.

    python tests/benchmarks/program_packages.py                     all of them, a row each
    python tests/benchmarks/program_packages.py --only pysdtw       one package
    python tests/benchmarks/program_packages.py --only torch.gelu,conv  or those that begin so
    python tests/benchmarks/program_packages.py --install           bring the packages first
    python tests/benchmarks/program_packages.py --table             the last results again

A package lies in a folder of its own (BACKPROOF_REAL, by default ~/.cache/backproof-real), in the
version of tests/programs/real/packages.toml; one that is not there is "not available". The causes
stand in tests/programs/real/causes.toml: they were established by hand, each by a second way.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
REAL = Path(__file__).parents[1] / "programs" / "real"
sys.path.insert(0, str(REAL))

from package_shelf import SHELF, folder, version  # noqa: E402

Row = dict[str, Any]
PACKAGES: dict[str, Row] = tomllib.loads((REAL / "packages.toml").read_text())
CAUSES: dict[str, Row] = tomllib.loads((REAL / "causes.toml").read_text())
KEPT = SHELF / "programs"
TITLES = ("package", "operation", "dtype", "claim", "trials", "verdict", "strictest claim met",
          "worst error over s", "finding", "cause")
EACH, SECONDS = 40, 30.0


# --- one file, in a process of its own ------------------------------------------------------------


def programs(file: str) -> Iterator[tuple[str, Any]]:
    """The programs of a file by name, those of one operation in several dtypes one by one."""
    from backproof.programs.program import Program

    module = importlib.import_module(file.removesuffix(".py"))
    for name, value in list(vars(module).items()):
        several = value.values() if isinstance(value, dict) else [value]
        if all(isinstance(each, Program) for each in several):
            yield from ((name, each) for each in several)


def judge_file(file: str, only: str, seconds: float) -> None:
    """A line of JSON for every program."""
    if file not in PACKAGES["jax"]["files"]:
        importlib.import_module("torch._dynamo")  # PyTorch does at its first use, within an answer
    for name, each in programs(file):
        if name.startswith(tuple(only.split(","))) and not is_elsewhere(each, file):
            for row in judged(name, each, seconds):
                print("row", json.dumps(row), flush=True)


def is_elsewhere(program: Any, file: str) -> bool:
    """Whether it was imported from another file."""
    where = getattr(program.engine, "__code__", None)
    return where is not None and Path(where.co_filename).parent == REAL and (
        Path(where.co_filename).name not in (file, "eager.py"))


def judged(name: str, program: Any, seconds: float) -> Iterator[Row]:
    """What verify says, of every dtype by itself."""
    from dataclasses import replace

    from backproof import verify
    from backproof.programs.precise import name as name_of_claim

    for dtype in program.asked.dtypes:
        one = replace(program, claims=replace(program.asked, dtypes=(dtype,)))
        start = time.monotonic()
        report = verify(one, examples=EACH, seconds=seconds)
        by = report.figures.get("compared", {}).get(dtype, {})
        yield {"operation": name, "dtype": dtype, "claim": name_of_claim(one.asked.claim(dtype)),
               "trials": report.networks, "verdict": report.verdict.replace("_", " "),
               "reason": report.reason, "met": report.figures.get("strictest", {}).get(dtype, ""),
               "worst": max((each.get("over_s", 0.0) for each in by.values()), default=0.0),
               "findings": [each.explanation.splitlines()[0] for each in report.findings],
               "seconds": round(time.monotonic() - start, 1)}


# --- all of them ----------------------------------------------------------------------------------


def files_of(package: str) -> list[str]:
    how = PACKAGES[package]
    return how.get("files") or [how.get("file", f"with_{package}.py")]


def called(*command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def install() -> None:
    """Every package that is not there, without what it depends on."""
    for package, how in PACKAGES.items():
        if "pip" in how and not folder(package).is_dir():
            print(f"{package} ...", file=sys.stderr, flush=True)
            called(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target",
                   str(folder(package)), how["pip"])


def is_there(package: str) -> bool:
    needs = [package, *PACKAGES[package].get("needs", ())]
    return all(version(each) for each in needs)


def ask(package: str, only: str, seconds: float) -> list[Row]:
    """The rows of a package; none where it is not available, one with a reason where it broke."""
    rows = []
    for file in files_of(package):
        told = called(sys.executable, "-W", "ignore", __file__, "--file", file, "--operation", only,
                      "--seconds", str(seconds))
        rows += [json.loads(line[4:]) for line in told.stdout.splitlines()
                 if line.startswith("row ")]
        if told.returncode:
            rows.append({"operation": file, "dtype": "", "verdict": "not judged", "findings": [],
                         "reason": (told.stderr.strip().splitlines() or [""])[-1]})
    return rows


def kept(package: str) -> Path:
    """Where the last results of a package lie."""
    return KEPT / f"{package}.json"


def results(package: str) -> list[Row]:
    found: list[Row] = json.loads(kept(package).read_text()) if kept(package).exists() else []
    return found


def keep(package: str, rows: list[Row]) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    kept(package).write_text(json.dumps(rows, indent=1))


# --- the table ------------------------------------------------------------------------------------


def line(package: str, row: Row) -> str:
    known = CAUSES.get(f"{package}.{row['operation']}", {})
    applies = row["dtype"] in known.get("dtypes", [row["dtype"]])
    cause = known["cause"] if applies and known and row["verdict"] != "conforms" else ""
    found = "; ".join(dict.fromkeys(row["findings"])) or row.get("reason", "")
    cells = (f"{package} {version(package)}", row["operation"], row["dtype"], row.get("claim", ""),
             row.get("trials", 0), row["verdict"], row.get("met", ""), f"{row.get('worst', 0):.1f}",
             found, cause)
    return "| " + " | ".join(str(each).replace("|", "\\|") for each in cells) + " |"


def table(found: dict[str, list[Row]], chosen: list[str]) -> str:
    """The rows of the packages, and beneath them what they come to."""
    lines = ["| " + " | ".join(TITLES) + " |", "|" + " --- |" * len(TITLES)]
    for package in chosen:
        lines += ([line(package, row) for row in found[package]] if package in found else
                  [f"| {package} {version(package)} | not available |" + " |" * (len(TITLES) - 2)])
    return "\n".join([*lines, "", counted(found, chosen)])


def counted(found: dict[str, list[Row]], chosen: list[str]) -> str:
    rows = [(package, row) for package in chosen for row in found.get(package, [])]
    wrong = [(package, row) for package, row in rows if row["verdict"] == "does not conform"]
    open_ = [row for package, row in wrong if f"{package}.{row['operation']}" not in CAUSES]
    return (f"{len({package for package, _ in rows})} packages, "
            f"{len({(package, row['operation']) for package, row in rows})} operations, "
            f"{len(rows)} rows: {sum(row['verdict'] == 'conforms' for _, row in rows)} conform, "
            f"{len(wrong)} do not, {len(open_)} of these without a cause.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a package, or package.operation")
    parser.add_argument("--install", action="store_true", help="bring what is not there")
    parser.add_argument("--table", action="store_true", help="print the last results again")
    parser.add_argument("--missing", action="store_true", help="only packages without a result")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a row")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--operation", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.file:
        judge_file(args.file, args.operation, args.seconds)
        return
    if args.install:
        install()
    package, _, only = args.only.partition(".")
    whole = [each for each, how in PACKAGES.items() if not how.get("part")]
    chosen = [package] if package in whole else [
        each for each in whole if each.startswith(package)]
    for each in chosen:
        if args.table or not is_there(each) or (args.missing and kept(each).exists()):
            continue
        rows = ask(each, only, args.seconds)
        keep(each, [row for row in results(each) if only and not row["operation"].startswith(tuple(only.split(",")))]
             + rows)
        print(f"{each}: {len(rows)} rows", file=sys.stderr, flush=True)
    print(table({each: results(each) for each in chosen if kept(each).exists()}, chosen))


if __name__ == "__main__":
    main()
