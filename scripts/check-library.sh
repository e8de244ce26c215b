#!/bin/sh
# Prints and checks what a built libtessera.so is: its size, the libraries it needs, what it shows.
# Usage: check-library.sh LIBRARY HEADER
set -eu
library=$1
header=$2
fail() {
  echo "check-library: $*" >&2
  exit 1
}

size=$(wc -c <"$library")
echo "size: $size bytes, $(gzip -9c "$library" | wc -c) compressed"
[ "$size" -lt 16000000 ] || fail "the library is larger than 16 MB"

needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
echo "needs: $needed"
for name in $needed; do
  case $name in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | libstdc++.so.6 | ld-linux-x86-64.so.2) ;;
    *) fail "$name is not on every machine" ;;
  esac
done

path=$(readelf -d "$library" | sed -n 's/.*(R[A-Z]*PATH).*\[\(.*\)\]/\1/p')
echo "run path: ${path:-none}"
case $path in '' | '$ORIGIN') ;; *) fail "the run path leads to this machine's folders" ;; esac

shown=$(nm -D --defined-only "$library" | awk '{print $3}' | sort)
declared=$(sed -n 's/^\(tessera_status\|const char \*\|int32_t\|int64_t\) *\(tessera_[a-z_]*\)(.*/\2/p' "$header" | sort)
echo "shows: $(echo "$shown" | wc -l) names"
[ "$shown" = "$declared" ] || {
  echo "$shown" >"${TMPDIR:-/tmp}/shown.$$"
  echo "$declared" | diff "${TMPDIR:-/tmp}/shown.$$" - >&2 || true
  rm -f "${TMPDIR:-/tmp}/shown.$$"
  fail "what the library shows is not what the header declares"
}
