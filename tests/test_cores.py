"""tests/tools/cores.sh runs a command once for every kind of processor that this one can be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CORES = Path(__file__).parent / "tools" / "cores.sh"
SAYS = ("sh", "-c", "echo ${OPENBLAS_CORETYPE-none}")
ABSENT = "not on this processor"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")


def ran(folder, flags, *command):
    """What the script does where the processor has these flags; no file of flags for None."""
    given = folder / "cpuinfo"
    if flags is not None:
        given.write_text(f"model name : x\nflags\t\t: fpu {flags} sse\n", encoding="utf-8")
    return subprocess.run([CORES, *command], capture_output=True, text=True, check=False, env={
        **os.environ, "CPUINFO": str(given), "OPENBLAS_CORETYPE": "Zen"})


@pytest.mark.parametrize(("flags", "said"), [
    ("avx2 avx512f avx512dq", ["unset", "none", "Haswell", "Haswell", "SkylakeX", "SkylakeX"]),
    ("avx avx2", ["unset", "none", "Haswell", "Haswell", ABSENT]),
    ("avx avx2x xavx512f", ["unset", "none", ABSENT, ABSENT]),
    (None, ["unset", "none", ABSENT, ABSENT]),
])
def test_every_kind_that_the_processor_can_be(tmp_path, flags, said):
    done = ran(tmp_path, flags, *SAYS)
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == said
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("core", ["none", "Haswell", "SkylakeX"])
def test_one_failure_is_the_exit_status_and_the_others_run(tmp_path, core):
    command = f'echo ran; test "${{OPENBLAS_CORETYPE-none}}" != {core}'
    done = ran(tmp_path, "avx2 avx512f", "sh", "-c", command)
    assert (done.returncode, done.stdout.count("ran")) == (1, 3)
