#!/bin/sh
# Runs every kernel inside Oclgrind, once looking for data races and once for uninitialised reads
# (together, a missing barrier would be reported as the latter). Out-of-bounds accesses and
# divergent barriers are always looked for. Fails if a kernel is wrong or Oclgrind reports anything.
# Usage: check-kernels.sh PROGRAM, the built KernelCheck; `make check-kernels` builds it.
set -eu
cd "$(dirname "$0")/.."

if ! command -v oclgrind >/dev/null; then
  echo "check-kernels: skipped, oclgrind is not installed (apt install oclgrind)"
  exit 0
fi

program=$1
logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT

# Oclgrind is an OpenCL runtime of its own, which it loads into the program; no other is to be used.
export TESSERA_OPENCL_LIBRARY=liboclgrind-rt.so

# Oclgrind reports on the error stream, where the program itself writes nothing. Its own log file is
# only written out when the last object is released, which a program may end without.
status=0
for check in data-races uninitialized; do
  reports="$logs/$check"
  if ! oclgrind "--$check" --max-errors 20 "$program" >"$logs/output" 2>"$reports"; then
    echo "check-kernels: --$check: the program failed"
    grep -v '^ok' "$logs/output" || true
    status=1
  fi
  if [ -s "$reports" ]; then
    echo "check-kernels: --$check: Oclgrind reports"
    cat "$reports"
    status=1
  fi
  echo "check-kernels: --$check: $(tail -n 1 "$logs/output")"
done
exit $status
