"""The tests of the targets that a session names: a collector a target, an item a property."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..plug.targets import is_file, split
from .asked import Asked, property_names
from .outcome import judged, show
from .session import MODULE, Session, session

NAME = "backproof-collecting"


class Collecting:
    """The hooks that put the tests of the targets among the others."""

    def __init__(self, here: Session):
        self.here = here

    def pytest_pycollect_makemodule(self, module_path: Path, parent: Any) -> Any:
        """With targets, their tests in the place of the module that says that there are none."""
        return subjects(parent) if self.here.settings.targets and module_path == MODULE else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session,
                                      items: list[pytest.Item]) -> None:
        """The tests of the targets after all others, unless they were collected by name."""
        named = any(isinstance(item, Conformance) for item in items)
        if self.here.settings.targets and not named:
            items += session.genitems(subjects(session))


def start(config: pytest.Config) -> None:
    """The session of this configuration, and the tests of its targets."""
    if config.pluginmanager.get_plugin(NAME) is None:
        config.pluginmanager.register(Collecting(session(config)), NAME)


def subjects(parent: Any) -> pytest.Collector:
    collector: pytest.Collector = Subjects.from_parent(parent, path=MODULE, nodeid="backproof")
    return collector


class Subjects(pytest.File):
    """All targets: backproof."""

    def collect(self) -> Iterator[pytest.Collector]:
        for target in session(self.config).settings.targets:
            yield Subject.from_parent(self, name=target)


class Subject(pytest.Collector):
    """One target: backproof::my_file.py:backprop."""

    def collect(self) -> Iterator[pytest.Item]:
        for name in property_names():
            item = Conformance.from_parent(self, name=name)
            if self.config.pluginmanager.hasplugin("xdist"):
                item.add_marker(pytest.mark.xdist_group(self.name))
            yield item


class Conformance(pytest.Item):
    """One property of one target: backproof::my_file.py:backprop::reference."""

    def runtest(self) -> None:
        target, above = self._target(), f"{_parent(self).nodeid}::"
        asked = Asked(target, _parent(self).name, {}, lambda name: above + name, _parent(self).name)
        show(self.name, asked, judged(asked, self), self)

    def _target(self) -> str:
        return resolved(_parent(self).name, self.config)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """In the target's file, where it is one."""
        where, _ = split(_parent(self).name)
        file = self.config.invocation_params.dir / where
        path = file if is_file(where) and file.is_file() else self.config.rootpath / "backproof"
        return path, None, f"{_parent(self).name} {self.name}"


def resolved(target: str, config: pytest.Config) -> str:
    """The target, wherever the process has gone since it was started."""
    where, name = split(target)
    if not is_file(where):
        return target
    return f"{config.invocation_params.dir / where}{':' * bool(name)}{name}"


def _parent(item: pytest.Item) -> pytest.Collector:
    assert isinstance(item.parent, pytest.Collector)
    return item.parent
