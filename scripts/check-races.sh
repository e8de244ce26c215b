#!/bin/sh
# Searches and changes an index at once under the thread sanitizer for TESSERA_STRESS_SECONDS, then runs
# the other tests of work that is shared. `make stress` runs it; any race makes it fail.
set -eu
cd "$(dirname "$0")/.."

flags="--scratch-path .build/thread --sanitize=thread -Xcc -O2"
swift build --build-tests $flags
clang -O2 -Wall -Werror -shared -fPIC scripts/mutex-for-tsan.c -o .build/thread/mutex-for-tsan.so

# Runs the tests that a pattern names, and fails if there are none.
check() {
  echo "check-races: $1"
  LD_PRELOAD="$PWD/.build/thread/mutex-for-tsan.so" TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}" \
    TESSERA_TEST_SUBJECTS=cpu TESSERA_STRESS_SECONDS="${TESSERA_STRESS_SECONDS:-60}" \
    swift test --skip-build $flags --filter "$1"
}
check LivingStressTests
check 'ConcurrentSearchTests.(many|nested)|WorkerPoolTests|StopSignalTests|LivingIndexTests'
