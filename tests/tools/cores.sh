#!/usr/bin/env bash
# cores.sh COMMAND...: runs the command with OpenBLAS as it chooses its kernels by itself, then with
# those for Haswell (AVX2) and for SkylakeX (AVX-512), each where this processor has the
# instructions. Kernels sum in other orders and raise other floating-point flags, so tests that pass
# with one may fail with another. The exit status is 1 if the command failed anywhere.
set -uo pipefail

CPUINFO=${CPUINFO:-/proc/cpuinfo}
failed=0

has() { grep -qsw "$1" "$CPUINFO"; }

with() { # NAME, then what env is given
  echo "== OPENBLAS_CORETYPE: $1"
  shift
  env "$@" || failed=1
}

with unset -u OPENBLAS_CORETYPE "$@"
for core in Haswell:avx2 SkylakeX:avx512f; do
  if has "${core#*:}"; then
    with "${core%:*}" OPENBLAS_CORETYPE="${core%:*}" "$@"
  else
    echo "== OPENBLAS_CORETYPE: ${core%:*}: not on this processor"
  fi
done
exit $failed
