#!/usr/bin/env bash
# Runs the OpenCL subjects of the conformance suite, and the tests of the OpenCL backend, on every
# driver that can be had here besides PoCL, which `make test` uses (opencl-drivers.sh), and says which
# ran, which were skipped and why. Fails if a test fails on a driver that ran.
# Usage: check-drivers.sh SWIFT-TEST-FLAGS ..., after the tests were built with them.
#
# Each driver has a limit of TESSERA_DRIVER_SECONDS (600); one that needs longer is said to be
# unfinished and counts as a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
limit=${TESSERA_DRIVER_SECONDS:-600}
work=$root/.build/drivers/check
rm -rf "$work"
mkdir -p "$work"
# What programs compiled before is not looked at.
export TESSERA_CACHE=$work/cache TESSERA_TEST_PROGRAMS=$work/cache

ran=() skipped=() failed=()

# Installs a driver; if it cannot be had, notes it under NAME.
has() {
  local driver=$1 name=${2:-$1} reason
  scripts/opencl-drivers.sh install "$driver" > "$work/$driver-install" 2>&1 && return
  reason=$(tail -n 1 "$work/$driver-install")
  skipped+=("$name: ${reason#opencl-drivers: }")
  return 1
}

# check DRIVER FILTER SWIFT-TEST-FLAGS ...
check() {
  local driver=$1 filter=$2 status=0 start=$SECONDS
  shift 2
  timeout "$limit" scripts/opencl-drivers.sh run "$driver" \
    swift test --skip-build "$@" --filter "$filter" > "$work/$driver" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    ran+=("$driver: $(grep -o 'Test run with.*' "$work/$driver" | tail -n 1), $((SECONDS - start)) s")
  else
    [ "$status" -ne 124 ] || echo "check-drivers: $driver: not done after $limit s"
    grep -E 'recorded an issue|error:|Fatal|failed after' "$work/$driver" | tail -n 30 || true
    failed+=("$driver: status $status, see $work/$driver")
  fi
}

# Searches on rusticl and on the CPU, with more rounds of loops than rusticl gives a work item: the
# files must be the same.
check_long_loops() {
  local command=$1 folder=$work/loops start=$SECONDS name
  mkdir -p "$folder"
  if ! {
    "$command" generate --rows 20000 --dimension 64 --clusters 200 "$folder/base.npy" &&
      "$command" generate --rows 500 --skip 20000 --dimension 64 --clusters 200 \
        "$folder/queries.npy" &&
      "$command" search --base "$folder/base.npy" --queries "$folder/queries.npy" -k 10 \
        --device cpu --out "$folder/cpu" &&
      timeout "$limit" scripts/opencl-drivers.sh run rusticl \
        "$command" search --base "$folder/base.npy" --queries "$folder/queries.npy" -k 10 \
        --device opencl --out "$folder/rusticl" &&
      for name in ids scores; do cmp "$folder/cpu.$name.npy" "$folder/rusticl.$name.npy" || false; done
  } > "$work/rusticl-search" 2>&1; then
    tail -n 5 "$work/rusticl-search"
    failed+=("rusticl, search: see $work/rusticl-search")
    return
  fi
  ran+=("rusticl: a search of 20,000 rows has the CPU's ids and scores, $((SECONDS - start)) s")
}

command=$(swift build "$@" --show-bin-path)/tessera
export TESSERA_TEST_SUBJECTS=opencl
if has intel; then
  TESSERA_TEST_WORK=3000000 check intel 'DeviceConformanceTests|TesseraOpenCLTests' "$@"
fi
if has rusticl; then
  # Its compiler takes a minute for a tile and half of one for a product, so the wide bodies of all else
  # run, on the smallest cases, without the deadline for launches.
  export TESSERA_OPENCL_TIMEOUT=0
  TESSERA_TEST_SUBJECTS='opencl:0 wide-item' TESSERA_TEST_WORK=3000 \
    check rusticl 'DeviceConformanceTests|DiscoveryTests/unseenLimit' "$@" \
    --skip 'MultiplyTests|InnerProductsTests'
  check_long_loops "$command"
  unset TESSERA_OPENCL_TIMEOUT
fi
# A platform without a device beside one with a device: it is named, and the other is used.
if has clover pocl,clover && has pocl pocl,clover; then
  if timeout 60 scripts/opencl-drivers.sh run pocl,clover "$command" devices > "$work/clover" 2>&1 &&
    grep -q 'Clover has no device' "$work/clover" && grep -q '^opencl:0 .*Portable' "$work/clover"; then
    ran+=("pocl,clover: the platform without a device is named, and PoCL is used")
  else
    failed+=("pocl,clover: see $work/clover")
  fi
fi

for line in "${ran[@]/#/ran      }" "${skipped[@]/#/skipped  }" "${failed[@]/#/failed   }"; do
  echo "check-drivers: $line"
done
[ ${#failed[@]} -eq 0 ]
