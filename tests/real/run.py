"""Verify implementations that other people published, and print what was said beside the truth.

    python tests/real/run.py                      all of them, about an hour on two free cores
    python tests/real/run.py --only synaptic      the rows whose name begins so
    python tests/real/run.py --table              print the last results again, verify nothing
    python tests/real/run.py --docs               and write the table into docs/bugs-found.md

Other options go to `verify`: --profile quick, --seconds 120.

What is missing is installed into a folder outside the repository (BACKPROOF_REAL, by default
~/.cache/backproof-real), in the version of libraries.toml. The truth of each row stands in
truth.toml and was established before the first run, by establish.py and by reading the source.
A row whose library cannot be had is printed as "not available".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from ctypes.util import find_library
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "adapters"))
from shelf import SHELF, folder  # noqa: E402

Row = dict[str, Any]
LIBRARIES: dict[str, Row] = tomllib.loads((HERE / "libraries.toml").read_text())
PAGE = HERE.parents[1] / "docs" / "bugs-found.md"
MARKED = re.compile(r"(<!-- table of tests/real/run.py -->\n).*?(<!-- end of the table -->)", re.S)
TITLES = ("library", "what", "truth", "verdict", "said", "right?", "seconds")


def rows() -> list[Row]:
    """The rows of truth.toml: each an adapter, and what is true of it."""
    found: list[Row] = tomllib.loads((HERE / "truth.toml").read_text())["row"]
    return found


# --- setting up -----------------------------------------------------------------------------------


def called(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def installed(library: str) -> bool:
    """Whether the library is there, brought if it was not."""
    how = LIBRARIES[library]
    if "subject" in how:
        return True  # the run itself says what it needs
    if "apt" in how:
        return bool(find_library("doublefann") or called("apt-get", "install", "-y", how["apt"]))
    if folder(library).is_dir():
        return "npm" not in how or shutil.which("node") is not None
    if "pip" in how:
        return called(sys.executable, "-m", "pip", "install", "--no-deps", "--target",
                      str(folder(library)), how["pip"])
    folder(library).mkdir(parents=True)
    got = shutil.which("npm") is not None and called(
        "npm", "install", "--prefix", str(folder(library)), "--no-package-lock", "--no-audit",
        "--no-fund", "--ignore-scripts", how["npm"])
    if not got:
        shutil.rmtree(folder(library))
    return got


def version(library: str) -> str:
    how = LIBRARIES[library]
    if "subject" in how:
        from importlib.metadata import version as there
        try:
            return there(library)
        except ModuleNotFoundError:
            return "not installed"
    return str(how.get("version") or re.split("==|@(?=[0-9])", how.get("pip") or how["npm"])[-1])


# --- one row --------------------------------------------------------------------------------------


def verified(row: Row, options: list[str]) -> Row:
    """What verify says of the adapter: its verdict, each finding's name and words, the seconds."""
    out = SHELF / "reports" / row["name"]
    shutil.rmtree(out, ignore_errors=True)
    target = row.get("subject") or str(HERE / "adapters" / row["target"])
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "backproof", "verify", target, "--report", str(out),
                    *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return reported(out, time.monotonic() - start)


def reported(out: Path, seconds: float) -> Row:
    """What stands in the report of a run; without one nothing was judged."""
    try:
        report = json.loads((out / "report.json").read_text())
    except OSError:
        return {"verdict": "not_judged", "findings": [], "seconds": seconds}
    return {"verdict": report["verdict"], "seconds": seconds, "networks": report["networks"],
            "findings": [{"faults": each["faults"], "words": each["explanation"]}
                         for each in report["findings"]]}


def judged(row: Row, got: Row) -> Row:
    """Whether verdict and names are right: names of findings that are not true are `false`."""
    wrong = row["truth"] != "right"
    leads = [each["faults"][0] for each in got["findings"] if each["faults"]]
    unnamed = [each["words"] for each in got["findings"] if not each["faults"]]
    says = row.get("says")
    described = bool(says) and any(re.search(says, words) for words in unnamed)
    wanted = "does_not_conform" if wrong else "conforms"
    return {"verdict": got["verdict"] == wanted,
            "named": wrong and (any(name in row.get("names", []) for name in leads) or described),
            "false": [name for name in leads if name not in row.get("names", [])]}


# --- the table ------------------------------------------------------------------------------------


def said(got: Row) -> str:
    """The name of every finding, or the first line of what describes it."""
    return "; ".join(each["faults"][0] if each["faults"] else each["words"].splitlines()[0]
                     for each in got["findings"]) or "-"


def outcome(row: Row, got: Row) -> str:
    how = judged(row, got)
    if not how["verdict"]:
        return "**wrong verdict**"
    if how["false"]:
        return f"**false name**: {', '.join(how['false'])}"
    return "yes" if row["truth"] == "right" or how["named"] else "not named"


def line(row: Row, got: Row | None) -> str:
    where = f"{row['library']} {version(row['library'])}"
    if got is None:
        cells = [where, row["what"], row["truth"], "not available", "", "", ""]
    else:
        cells = [where, row["what"], row["truth"], got["verdict"].replace("_", " "), said(got),
                 outcome(row, got), f"{got['seconds']:.0f}"]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def counted(results: dict[str, Row]) -> str:
    """The figures under the table."""
    there = [row for row in rows() if row["name"] in results]
    how = [(row, judged(row, results[row["name"]])) for row in there]
    bugs = [(row, each) for row, each in how if row["truth"] != "right"]
    named = sum(each["named"] and not each["false"] for _, each in bugs)
    return (f"{len({row['library'] for row in there})} libraries, {len(there)} implementations: "
            f"{len(there) - len(bugs)} right, {len(bugs)} wrong. "
            f"Wrong verdicts: {sum(not each['verdict'] for _, each in how)}. "
            f"Bugs named: {named} of {len(bugs)}. "
            f"False names: {sum(bool(each['false']) for _, each in how)}.")


def table(chosen: list[Row], results: dict[str, Row]) -> str:
    """The rows, and the figures under them."""
    there = {row["name"]: results[row["name"]] for row in chosen if row["name"] in results}
    return "\n".join(["| " + " | ".join(TITLES) + " |", "|" + " --- |" * len(TITLES),
                      *(line(row, results.get(row["name"])) for row in chosen),
                      "", counted(there)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the rows whose name begins so")
    parser.add_argument("--table", action="store_true", help="print the last results again")
    parser.add_argument("--docs", action="store_true", help="write it into docs/bugs-found.md")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--missing", action="store_true", help="only rows without a result")
    args, options = parser.parse_known_args()
    SHELF.mkdir(parents=True, exist_ok=True)
    kept = SHELF / "results.json"
    results: dict[str, Row] = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = [row for row in rows() if row["name"].startswith(args.only)]

    def do(row: Row) -> None:
        if args.missing and row["name"] in results:
            return
        if installed(row["library"]):
            results[row["name"]] = verified(row, options)
            kept.write_text(json.dumps(results, indent=1))
            print(row["name"], outcome(row, results[row["name"]]), file=sys.stderr, flush=True)

    if not args.table:
        for library in {row["library"] for row in chosen}:
            installed(library)
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(do, chosen))
    text = table(chosen, results)
    print(text)
    if args.docs:
        PAGE.write_text(MARKED.sub(lambda found: found[1] + text + "\n" + found[2],
                                   PAGE.read_text()))


if __name__ == "__main__":
    main()
