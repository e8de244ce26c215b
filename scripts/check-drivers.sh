#!/usr/bin/env bash
# Runs the OpenCL subjects of the conformance suite, and the tests of the OpenCL backend, on every
# driver that can be had here (opencl-drivers.sh), and says which ran, which were skipped and why.
# Fails if a test fails on a driver that ran.
# Usage: check-drivers.sh SWIFT-TEST-FLAGS ..., after the tests were built with them.
#
# Each driver has a limit of TESSERA_DRIVER_SECONDS (240); one that needs longer is said to be
# unfinished and counts as a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
limit=${TESSERA_DRIVER_SECONDS:-240}
logs=$root/.build/drivers/logs
mkdir -p "$logs"

ran=() skipped=() failed=()

# check DRIVER LARGEST-WORK FILTER
check() {
  local driver=$1 work=$2 filter=$3 status=0 start=$SECONDS reason
  shift 3
  if ! scripts/opencl-drivers.sh install "$driver" > "$logs/$driver-install" 2>&1; then
    reason=$(tail -n 1 "$logs/$driver-install")
    skipped+=("$driver: ${reason#opencl-drivers: }")
    return 0
  fi
  TESSERA_CACHE=$root/.build/drivers/cache TESSERA_TEST_SUBJECTS=opencl TESSERA_TEST_WORK=$work \
    timeout "$limit" scripts/opencl-drivers.sh run "$driver" \
    swift test --skip-build "$@" --filter "$filter" > "$logs/$driver" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    ran+=("$driver: $(grep -o 'Test run with.*' "$logs/$driver" | tail -n 1), $((SECONDS - start)) s")
  else
    [ "$status" -ne 124 ] || echo "check-drivers: $driver: not done after $limit s"
    grep -E 'recorded an issue|error:|Fatal|failed after' "$logs/$driver" | tail -n 30 || true
    failed+=("$driver: status $status, see $logs/$driver")
  fi
}

check intel 100000000 'DeviceConformanceTests|TesseraOpenCLTests' "$@"
check rusticl 100000 'DeviceConformanceTests|DiscoveryTests' "$@"
# A platform without a device beside one with a device: it is named, and the other is used.
command=$(swift build "$@" --show-bin-path)/tessera
if ! scripts/opencl-drivers.sh install clover > "$logs/clover-install" 2>&1; then
  skipped+=("pocl,clover: $(tail -n 1 "$logs/clover-install")")
elif timeout 60 scripts/opencl-drivers.sh run pocl,clover "$command" devices > "$logs/clover" 2>&1 &&
  grep -q 'Clover has no device' "$logs/clover" && grep -q '^opencl:0 .*pthread' "$logs/clover"; then
  ran+=("pocl,clover: the platform without a device is named, and PoCL is used")
else
  failed+=("pocl,clover: see $logs/clover")
fi

for line in "${ran[@]/#/ran      }" "${skipped[@]/#/skipped  }" "${failed[@]/#/failed   }"; do
  echo "check-drivers: $line"
done
[ ${#failed[@]} -eq 0 ]
