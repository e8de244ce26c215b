#!/usr/bin/env bash
# Gives made-up files to every reader of files, guided by what code they reach, under the address
# sanitizer: no crash, hang, over-read, or memory beyond a small multiple of the file.
# Usage: fuzz.sh [SECONDS [TARGET...]], 60 seconds for each target without; RUNS=N sets the number of
# files for each instead. What new files reach is kept in .build/fuzz/corpus; a finding is named there
# and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
if [ $# -gt 0 ]; then targets=("$@"); else
  targets=(numpy vectors ids json safetensors quantizer index journal faiss partial)
fi

library=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
library=$(find -L "$library/clang" "$library/../clang" -name 'libclang_rt.fuzzer_no_main*.a' \
  -path "*linux*" 2>/dev/null | grep -m 1 "$(uname -m)" || true)
if [ -z "$library" ]; then
  echo "fuzz: skipped, this Swift toolchain has no libclang_rt.fuzzer_no_main for $(uname -m)"
  exit 0
fi

build=.build/fuzz
flags=(-c release --scratch-path "$build" --product Fuzz --sanitize=address -Xswiftc -DFUZZING
  -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp
  -Xlinker "$library" -Xlinker -lstdc++)
swift build "${flags[@]}" 2>&1 | grep -v 'Cannot export local symbol' || test "${PIPESTATUS[0]}" = 0
program=$(swift build "${flags[@]}" --show-bin-path)/Fuzz

# A refused allocation is an answer too; what one file may take is checked in the program.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0:quarantine_size_mb=32
export SWIFT_BACKTRACE=enable=no
for target in "${targets[@]}"; do
  corpus=$build/corpus/$target
  mkdir -p "$corpus" "$build/findings"
  options=(-rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=10 -max_len=8192 -print_final_stats=1
    -verbosity=1 "-artifact_prefix=$build/findings/$target-")
  if [ -n "${RUNS:-}" ]; then options+=("-runs=$RUNS"); else options+=("-max_total_time=$seconds"); fi
  [ ! -f "Tests/Fuzz/Dictionaries/$target" ] || options+=("-dict=Tests/Fuzz/Dictionaries/$target")
  seeds=("Tests/Fuzz/Corpus/$target")
  # Files that the real library wrote, which other tests read too.
  [ "$target" != faiss ] || seeds=(Tests/TesseraIndexTests/Fixtures/FAISS)
  [ ! -d "Tests/Fuzz/Regressions/$target" ] || seeds+=("Tests/Fuzz/Regressions/$target")
  log=$build/$target.log
  if ! "$program" "$target" "${options[@]}" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target: a finding; the file is named above, the log is $log"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  echo "fuzz: $target: $runs files, $rate a second, none read wrongly"
done
