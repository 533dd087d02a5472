"""Compiled programs on disk: a second process finds them, nobody else can plant one, no setting is changed."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from backproof.oracles import load

stored = vars(import_module(f"{load('jax').__name__}.stored"))
folder, private, trim, within = (stored[name] for name in ("folder", "private", "trim", "stored"))
SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs",
            "jax_persistent_cache_min_entry_size_bytes", "jax_enable_compilation_cache")

# Three structures, each by the plain program and several at a time, and one padded program.
PROCESS = """
import json, sys, warnings
warnings.simplefilter("error")
import jax
from backproof.oracles import load
from backproof.properties.strategies import Style, build
from backproof.reference import parse

heard = []
jax.monitoring.register_event_listener(lambda event, **_: heard.append(event.rpartition("/")[2]))
oracle = load("jax")
oracle.compiling.compiler_options()
networks = [parse.network({"format": 1, "input_shape": [3], "loss": {"kind": "squared_error"}, "layers": [
    {"kind": "dense", "units": units}, {"kind": "activation", "function": "tanh"}]}) for units in (2, 3, 4)]
cases = [build(network, 2, "real", Style(), 0, "float64") for network in networks]
losses = [[float(oracle.answer(case).loss), float(oracle.answers([case] * 2)[1].loss)] for case in cases]
if "padded" in sys.argv:
    losses += [[float(answer.loss)] for answer in oracle.padded(cases)]
print(json.dumps([heard.count("cache_hits"), heard.count("cache_misses"), losses]))
"""


def process(cache, *more, cwd=None):
    """Cache hits, misses, and the losses that a process of its own got."""
    done = subprocess.run([sys.executable, "-c", PROCESS, *more], capture_output=True, text=True, check=True,
                          cwd=cwd, env={**os.environ, "BACKPROOF_CACHE": str(cache)})
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_a_second_process_compiles_nothing(tmp_path):
    hits, misses, losses = process(tmp_path, "padded")
    assert (hits, misses) == (0, 7)
    assert process(tmp_path, "padded", cwd=tmp_path) == [7, 0, losses]
    [place] = (tmp_path / "backproof").iterdir()
    for each in (place, place.parent):
        assert each.stat().st_mode & 0o777 == 0o700


def test_it_can_be_switched_off(tmp_path):
    assert process("off")[:2] == [0, 0]
    assert folder("off") is None


def test_a_program_that_cannot_be_read_is_compiled(tmp_path):
    *_, losses = process(tmp_path)
    for file in tmp_path.rglob("*-cache"):
        file.write_bytes(file.read_bytes()[:-9])
    hits, _, again = process(tmp_path)
    assert (hits, again) == (0, losses)


# --- where ------------------------------------------------------------------------------------------------------


def test_the_folder_is_in_the_cache_folder_of_the_user(monkeypatch, tmp_path):
    folder.cache_clear()
    for name, value, parent in [("XDG_CACHE_HOME", str(tmp_path / "xdg"), tmp_path / "xdg"),
                                ("XDG_CACHE_HOME", "not/absolute", tmp_path / "home/.cache")]:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv(name, value)
        place = folder("")
        assert place.parent == parent / "backproof"
        assert place.name.startswith(f"jax-{jax.__version__}-")
        folder.cache_clear()


def test_it_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        place = folder(str(tmp_path / "new"))
    finally:
        os.umask(before)
    assert place is not None
    assert private(place)


def test_a_folder_that_others_can_write_is_not_used(tmp_path):
    place = folder(str(tmp_path))
    assert private(place)
    for of, mode in [(place, 0o770), (place, 0o707), (place.parent, 0o770), (place.parent, 0o777)]:
        of.chmod(mode)
        folder.cache_clear()
        assert not private(place)
        assert folder(str(tmp_path)) is None
        of.chmod(0o700)
    place.parent.chmod(0o1777)  # in a sticky folder, as /tmp is, nobody replaces what others have
    assert private(place)


def test_a_link_is_not_used(tmp_path):
    for of in (lambda place: place, lambda place: place.parent):
        folder.cache_clear()
        place = folder(str(tmp_path))
        moved = of(place).rename(tmp_path / "elsewhere")
        of(place).symlink_to(moved)
        folder.cache_clear()
        assert folder(str(tmp_path)) is None
        of(place).unlink()
        shutil.rmtree(moved)


def test_a_link_to_the_cache_folder_is_followed_once(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert folder(str(tmp_path / "link")).parent == tmp_path / "real" / "backproof"


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    place = folder(str(tmp_path))
    for of in (place, place.parent):
        os.chown(of, 12345, 12345)
        assert not private(place)
        os.chown(of, 0, 0)


def test_where_no_folder_can_be_made_nothing_is_kept(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    assert folder(str(tmp_path / "file")) is None
    monkeypatch.delattr(os, "getuid")
    folder.cache_clear()
    assert folder(str(tmp_path)) is None
    folder.cache_clear()


def test_the_oldest_programs_go(tmp_path):
    for i in range(10):
        file = tmp_path / f"{i}-cache"
        file.write_bytes(b"x" * 100)
        os.utime(file, (i, i))
    trim(tmp_path, 1000)
    assert len(list(tmp_path.iterdir())) == 10
    trim(tmp_path, 999)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{i}-cache" for i in (6, 7, 8, 9)]


# --- manners ----------------------------------------------------------------------------------------------------


def settings():
    return {name: getattr(jax.config, name) for name in SETTINGS}


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("BACKPROOF_CACHE", str(tmp_path / "ours"))
    folder.cache_clear()
    yield tmp_path / "ours"
    folder.cache_clear()


def kept(place):
    return len(list(Path(place).rglob("*-cache")))


def compiled(n):
    """A program of somebody else, another one for every n."""
    jax.jit(lambda x: jnp.tanh(x * n).sum())(jnp.ones(n)).block_until_ready()


def test_settings_are_as_they_were(elsewhere):
    before = settings()
    with within():
        assert settings() != before
        compiled(41)
    assert kept(elsewhere) > 0
    assert settings() == before
    with pytest.raises(KeyError), within():
        raise KeyError
    assert settings() == before


def test_programs_of_others_are_not_kept_in_our_folder(elsewhere):
    with within():
        compiled(42)
    before = kept(elsewhere)
    compiled(43)
    assert kept(elsewhere) == before


def test_the_folder_of_a_user_stays_the_users(elsewhere, tmp_path):
    theirs = tmp_path / "theirs"
    jax.config.update("jax_compilation_cache_dir", str(theirs))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    stored["compilation_cache"].reset_cache()
    try:
        compiled(44)
        before = kept(theirs)
        assert before > 0
        with within():
            compiled(45)
        assert kept(theirs) == before
        compiled(46)
        assert kept(theirs) > before
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
        stored["compilation_cache"].reset_cache()
