"""One test session: its targets, their tests, where records go, and what workers share.

The controller reads the options once and hands them to its workers. A run is made by the worker
that first needs it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ..plug.targets import is_file, split
from .asked import Outcome
from .options import OPTIONS, PATHS, by_name, lines

NAME = "backproof-session"
MODULE = Path(__file__).parent.with_name("test_conformance.py")


@dataclass(frozen=True)
class Settings:
    """What a session is asked to do, from the command line and the ini-file.

    targets: as a user would type them, in the folder that pytest was started in. options: those of
    `verify`. report: a folder, or "". shared: the folder of the workers of this session, or ""
    where there are none. apart: the name of a worker that shares nothing.
    """

    targets: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    report: str = ""
    shared: str = ""
    apart: str = ""


def session(config: pytest.Config) -> Session:
    """The one of this configuration; pytest.UsageError for an option that cannot be."""
    found = config.pluginmanager.get_plugin(NAME)
    if found is None:
        found = Session(config, settings(config))
        config.pluginmanager.register(found, NAME)
    assert isinstance(found, Session)
    return found


# --- options --------------------------------------------------------------------------------------


def settings(config: pytest.Config) -> Settings:
    """What was asked for; a worker has it from its controller."""
    if hasattr(config, "workerinput"):
        return Settings(**config.workerinput.get("backproof", {}))
    options = {name: value for name in OPTIONS if (value := _option(config, name)) is not None}
    report = options.pop("report", "")
    if options:
        _check(options)
    return Settings(_targets(config), options, report)


def _option(config: pytest.Config, name: str) -> Any:
    """From the command line, else from the ini-file; None where neither has it."""
    kind, typed = OPTIONS[name][0], config.getoption(f"backproof_{name}")
    written = str(config.getini(f"backproof_{name}")) if typed is None else ""
    if name in PATHS:
        if written:
            return _at_home(config, written)
        return typed and str(config.invocation_params.dir / typed)
    if not written:
        return typed
    try:
        return kind(written)
    except ValueError:
        error = f"backproof_{name}: wanted a number; received {written!r}"
        raise pytest.UsageError(error) from None


def _check(options: dict[str, Any]) -> None:
    from ..running.api import PlanError, plan_of

    try:
        plan_of(**{name: value for name, value in options.items() if name not in PATHS})
    except PlanError as error:
        raise pytest.UsageError(f"backproof: {error}") from error


def _targets(config: pytest.Config) -> list[str]:
    """Those of the command line, and of the ini-file unless only some tests are asked for."""
    written = config.getini("backproof") if _whole(config) else []
    at_home = (_relative(config, text) for text in written)
    return list(dict.fromkeys([*config.getoption("backproof"), *at_home]))


def _whole(config: pytest.Config) -> bool:
    """Whether all tests are asked for, or this package's: no paths, or `--pyargs backproof`."""
    return by_name(config) or config.args_source is not pytest.Config.ArgsSource.ARGS


def _at_home(config: pytest.Config, path: str) -> str:
    """A path of the ini-file is one from its folder."""
    return str((config.inipath.parent if config.inipath else config.rootpath) / path)


def _relative(config: pytest.Config, target: str) -> str:
    """A target of the ini-file, from the folder that pytest was started in."""
    where, name = split(target)
    if not is_file(where):
        return target
    return f"{shown(Path(_at_home(config, where)), config)}{':' * bool(name)}{name}"


def shown(path: Path, config: pytest.Config) -> str:
    """The path from the folder that pytest was started in, where it is on the same disk."""
    try:
        return Path(os.path.relpath(path, config.invocation_params.dir)).as_posix()
    except ValueError:
        return path.as_posix()


# --- the session ----------------------------------------------------------------------------------


class Session:
    """The hooks of a session with targets, or with workers."""

    def __init__(self, config: pytest.Config, settings: Settings):
        self.config, self.settings = config, settings
        self.made = ""
        # By options and target: a name, or the identity of an object, which is kept with the
        # outcome so that no other object gets that identity.
        self.outcomes: dict[tuple[Any, str], tuple[Any, Outcome]] = {}

    def pytest_report_header(self) -> str | None:
        if not self.settings.targets:
            return None
        chosen = "".join(f"; {name} {value}" for name, value in self.settings.options.items())
        folder = self.settings.report
        report = f"; report in {shown(Path(folder), self.config)}" if folder else ""
        return f"backproof: verifies {', '.join(self.settings.targets)}{chosen}{report}"

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Of this package, nothing but that module holds tests, whatever its files are called."""
        inside = MODULE.parent in collection_path.parents and collection_path != MODULE
        return True if inside and by_name(self.config) else None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A target that nobody verified is no silence."""
        if not self.config.option.collectonly:
            for target in self.unseen(list(lines(terminalreporter.stats))):
                terminalreporter.write_line(f"backproof: {target}: not run")

    def unseen(self, said: list[str]) -> Iterator[str]:
        yield from (name for name in self.settings.targets
                    if not any(line.startswith(f"{name}: ") for line in said))

    # --- workers ----------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker's settings; with --dist each, every worker makes its own run."""
        self.made = self.made or tempfile.mkdtemp(prefix="backproof-")
        each = self.config.option.dist == "each"
        own = {"apart": node.gateway.id} if each else {"shared": self.made}
        node.workerinput["backproof"] = asdict(self.settings) | own

    def pytest_unconfigure(self) -> None:
        if self.made:
            shutil.rmtree(self.made, ignore_errors=True)

    # --- records ----------------------------------------------------------------------------------

    @property
    def shared(self) -> Path | None:
        """The folder of all workers on this machine; None where a run is for this process alone."""
        folder = Path(self.settings.shared)
        return folder if self.settings.shared and folder.is_dir() else None

    def record(self, name: str) -> Path | None:
        """Where a subject's record goes: --backproof-report, pytest's cache, or nowhere."""
        if self.settings.report:
            report = Path(self.settings.report)
            own = report if self.settings.targets == [name] else report / folder(name)
            return own / self.settings.apart
        cache = getattr(self.config, "cache", None)
        try:
            return cache.mkdir("backproof") / folder(name) / self.settings.apart if cache else None
        except OSError:
            return None


def folder(name: str) -> str:
    """A name for a folder that no other subject has."""
    plain = re.sub(r'[^A-Za-z0-9_.]+', '-', name).strip('-.')
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
