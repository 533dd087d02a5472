"""A Subject from the text of a target: a ready-made name, `file.py:name` or `module:name`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .ending import Ended, Going
from .executed import Announce, executed
from .found_classes import found_class
from .libraries import imported_first
from .limits import Interrupts, TookTooLong, limit, pressed
from .protocol import COMMAND
from .refused import TargetError as TargetError
from .saying import disguised, message, name_of, said_by, shortly, whole
from .subjects import SUBJECTS
from .wanted import WANTED, candidates, check_framework

if TYPE_CHECKING:
    from .subject import Subject

SECONDS = 10.0
GUARD = "put training under `if __name__ == '__main__'`"
FORMS = "a subject of `backproof list subjects`, file.py:name or package.module:name"


def load(text: str, announce: Announce | None = None) -> Subject:
    """The Subject of a target, which knows its text; TargetError where there is none.

    A file without a name is its one function that can be meant. announce hears, while it is
    imported, that a file is executed which takes long or prints much.
    """
    with _looking(text):
        subject, target = _loaded(text, announce)
    return replace(subject, target=target)


def named(text: str, announce: Announce | None = None) -> Any:
    """What a target names, as it is; TargetError where there is no such thing."""
    with _looking(text):
        return _named(text, announce)[0]


@contextmanager
def _looking(text: str) -> Iterator[None]:
    """Whatever somebody's objects do when they are looked at becomes a TargetError.

    An import has its own limit in here; errors that say what is wrong come out as they are.
    """
    from ..reference import DescriptionError

    with Interrupts() as interrupts, Going() as going:
        try:
            yield
        except (TargetError, DescriptionError):
            raise
        except BaseException as error:
            if issubclass(type(error), KeyboardInterrupt) and (interrupts.seen or pressed()):
                raise
            raise TargetError(f"{text}: {said_by(error)}") from error
        if going.said:
            raise TargetError(f"{text}: {going.said} would have ended the process: {GUARD}")


def _loaded(text: str, announce: Announce | None) -> tuple[Subject, str]:
    if text in SUBJECTS:
        return _ready_made(text), text
    if text.startswith(COMMAND):
        from .protocol.command import command

        return command(text.removeprefix(COMMAND)), text
    target, shown, full = _named(text, announce)
    return _subject(target, shown), full


def _named(text: str, announce: Announce | None) -> tuple[Any, str, str]:
    """What a target names, how it is called in a message, and the target with its name."""
    where, name = split(text)
    if not is_file(where):
        return _look_up(_module(where, text, name), where, name), text, text
    imported_first(Path(where))
    with executed(Path(where).name, announce):
        module = _file(Path(where))
    name, file = name or _only(module, where), Path(where).name
    return _look_up(module, file, name), f"{file}:{name}", f"{where}:{name}"


def _only(module: ModuleType, where: str) -> str:
    """The name of the one function that can be meant; TargetError, with all of them, where not."""
    values = vars(module)
    claimed = [name for name, value in values.items() if _is_claimed(value)]
    own = {name: value for name, value in values.items() if _is_own(name, value, module)}
    classes = [name for name, value in values.items() if _is_own(name, value, module, classes=True)]
    for names in (claimed, list(candidates(own)), [*own], [] if own else classes):
        if len(names) == 1:
            return names[0]
        if names:
            break
    raise TargetError(f"{where}: which function? {_choices(where, module)}")


def split(text: str) -> tuple[str, str]:
    """Where and name, at the last colon that an identifier path follows.

    The colon of C:\\dir\\file.py is none.
    """
    where, colon, name = text.rpartition(":")
    drive = len(where) == 1 and where.isalpha() and name.endswith(".py")
    if not colon or drive or not all(part.isidentifier() for part in name.split(".")):
        return text.removesuffix(":"), ""
    return where, name


def is_file(where: str) -> bool:
    """Whether the text is meant as a path."""
    return where.endswith((".py", ".ipynb")) or "/" in where or "\\" in where


# --- ready-made -----------------------------------------------------------------------------------


def _ready_made(name: str) -> Subject:
    from ..reference import DescriptionError
    from .subjects import load as load_subject

    try:
        return load_subject(name)
    except DescriptionError as error:
        raise TargetError(str(error)) from error
    except Exception as error:
        raise TargetError(f"subject {name} cannot be loaded: {_said(error)}") from error


# --- modules --------------------------------------------------------------------------------------


def _module(where: str, text: str, name: str) -> ModuleType:
    if not name:
        raise TargetError(f"unknown subject {text!r}{_close(text, SUBJECTS)}; wanted {FORMS}")
    if not all(part.isidentifier() for part in where.split(".")):
        raise TargetError(f"{text!r} is no target; wanted {FORMS}")
    if os.getcwd() not in map(os.path.abspath, sys.path):
        sys.path.insert(0, os.getcwd())
    with _importing(where, None):
        return importlib.import_module(where)


def _file(path: Path) -> ModuleType:
    """The file as a module, imported as `python file.py` would.

    Its directory stays at the front of sys.path. Raises TargetError where it is no Python file.
    """
    if not path.is_file() or path.suffix != ".py":
        raise TargetError(_no_file(path))
    path = path.resolve()
    if str(path.parent) not in sys.path[:1]:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(_free_name(path), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importing(path.name, path, spec.name):
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a directory; wanted {FORMS}"
    if path.exists():
        return f"{path} is no Python file; wanted {FORMS}"
    there = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    return f"no file {path}{_close(path.name, there)}"


def _free_name(path: Path) -> str:
    """The file's stem, unless that is the name of another module."""
    stem = path.stem
    try:
        known = (sys.modules[stem].__spec__ if stem in sys.modules
                 else importlib.util.find_spec(stem))
    except (ImportError, ValueError):
        known = None
    taken = (stem in sys.modules if known is None
             else known.origin is None or not _same(known.origin, path))
    return f"_backproof_target_{stem}" if taken or not stem.isidentifier() else stem


def _same(origin: str, path: Path) -> bool:
    return os.path.exists(origin) and os.path.samefile(origin, path)


# --- importing ------------------------------------------------------------------------------------


@contextmanager
def _importing(where: str, path: Path | None, name: str = "") -> Iterator[None]:
    """Whatever an import does becomes a TargetError; argv is what a program would see."""
    argv, sys.argv = sys.argv, [str(path)] if path else sys.argv[:1]
    try:
        with limit(SECONDS, where):
            yield
    except BaseException as error:
        sys.modules.pop(name, None)
        if issubclass(type(error), KeyboardInterrupt) and pressed():
            raise
        raise TargetError(_why(where, path, error)) from error
    finally:
        sys.argv = argv


def _why(where: str, path: Path | None, error: BaseException) -> str:
    at = _at(where, path, error)
    if disguised(error):
        return f"{at}: {said_by(error)}"
    if isinstance(error, TookTooLong):
        return (f"{at}: the import still runs after {error.seconds:.0f} s"
                f"{_line_of(path, error)}: {GUARD}")
    if isinstance(error, Ended):
        return f"{at}: the import ends the process with {message(error)}: {GUARD}"
    if isinstance(error, SystemExit):
        return f"{at}: the import ends the program with sys.exit({shortly(error.code)}): {GUARD}"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{where}.".startswith(f"{missing}."):
        return f"no module {where!r}" + (f": no {missing!r}" if missing != where else "")
    relative = "relative import" in message(error)
    hint = "; for a file in a package: package.module:name" if relative else ""
    return f"{at}: {_said(error)}{hint}"


def _said(error: BaseException) -> str:
    """Type and message, on one line."""
    text = str(error.msg) if isinstance(error, SyntaxError) else whole(error)
    text = " ".join(text.split())
    short = text[:300] + "..." if len(text) > 300 else text
    return f"{name_of(type(error))}: {short}".removesuffix(": ")


def _at(where: str, path: Path | None, error: BaseException) -> str:
    """file:line of a syntax error, or of the last line of the user's own that ran; else `where`."""
    if not disguised(error) and isinstance(error, SyntaxError) and error.filename:
        return f"{os.path.basename(error.filename)}:{error.lineno or 1}"
    frame = _frame(path, error)
    return f"{os.path.basename(frame.filename)}:{frame.lineno}" if frame else where


def _frame(path: Path | None, error: BaseException) -> traceback.FrameSummary | None:
    """The last frame in the file's folder; for a module, the last that is not of the import."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_theirs(f.filename)]
    mine = [f for f in frames if path and f.filename.startswith(str(path.parent))
            and "site-packages" not in f.filename]
    return next(reversed(mine or frames), None)


def _is_theirs(filename: str) -> bool:
    ours = os.path.dirname(os.path.dirname(__file__))
    machinery = (ours, os.path.dirname(importlib.__file__), "<frozen importlib")
    return not filename.startswith(machinery)


def _line_of(path: Path | None, error: BaseException) -> str:
    frame = _frame(path, error)
    line = linecache.getline(frame.filename, frame.lineno or 0).strip() if frame else ""
    return f" at `{line}`" if line else ""


# --- names in a module ----------------------------------------------------------------------------


def _subject(target: Any, shown: str) -> Subject:
    from ..reference import DescriptionError
    from .subject import Subject as SubjectType
    from .subject import subject_of

    if isinstance(target, SubjectType):
        return target
    if inspect.isclass(target):
        check_framework(target, shown)
        target = found_class(target, shown)
    elif not callable(target):
        raise TargetError(f"{shown} is not callable, but of type {type(target).__name__}; "
                          f"wanted {WANTED}, or layers(...) over classes")
    else:
        check_framework(type(target), shown)
    try:
        return subject_of(target, shown)
    except DescriptionError as error:
        raise TargetError(f"{shown}: {error}") from error


def _look_up(module: ModuleType, where: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            with limit(SECONDS, f"no answer within {SECONDS:g} s to what {part!r} is"):
                found = getattr(found, part)
        except AttributeError:
            close = _close(part, dir(found))
            raise TargetError(f"no {part!r} in {where}{close}; "
                              f"{_choices(where, module)}") from None
        except Exception as error:
            raise TargetError(f"{where}:{name}: {_said(error)}") from error
    return found


def _choices(where: str, module: ModuleType) -> str:
    """The functions claimed to be implementations; where none is, the module's own functions."""
    claimed = [n for n, value in vars(module).items() if _is_claimed(value)]
    names = claimed or [n for n, value in vars(module).items() if _is_own(n, value, module)]
    shown = [f"{where}:{n}" for n in names[:10]] + ["..."] * (len(names) > 10)
    return f"there is {', '.join(shown)}" if shown else f"there is no function in {where}"


def _is_claimed(value: Any) -> bool:
    """Whether it says of itself what it does: a function by its claims, a Subject as it is."""
    from .implementing import claims_of
    from .subject import Subject

    if isinstance(value, Subject):
        return True
    return callable(value) and not claims_of(value).explored


def _is_own(name: str, value: Any, module: ModuleType, classes: bool = False) -> bool:
    own = getattr(value, "__module__", None) == module.__name__
    return (own and not name.startswith("_") and callable(value)
            and inspect.isclass(value) == classes)


def _close(word: str, names: Any) -> str:
    found = difflib.get_close_matches(word, [n for n in names if not n.startswith("_")], 3)
    return f" (did you mean {' or '.join(found)}?)" if found else ""
