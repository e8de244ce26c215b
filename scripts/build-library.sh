#!/bin/sh
# Builds libtessera.so: the C interface with Swift's runtime inside, only tessera_* visible.
# Usage: build-library.sh OUT    writes OUT/libtessera.so.VERSION and its two links.
set -eu
cd "$(dirname "$0")/.."
out=$1
version=$(sed -n 's/.*static let current = "\(.*\)"/\1/p' Sources/TesseraCompute/TesseraVersion.swift)
abi=${version%%.*}

# A folder of its own: these options are no other build's. The linker is lld, because gold leaves
# names of Swift's in the table of symbols. The library is never unloaded: Swift's runtime cannot be.
flags="-c release --scratch-path .build/lib --product TesseraC
  -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
  -Xlinker --version-script=$PWD/cmake/tessera.map -Xlinker -soname=libtessera.so.$abi
  -Xlinker -z -Xlinker nodelete"
# shellcheck disable=SC2086
swift build $flags
# shellcheck disable=SC2086
built=$(swift build $flags --show-bin-path)/libTesseraC.so

mkdir -p "$out"
rm -f "$out"/libtessera.so*
strip --strip-unneeded -o "$out/libtessera.so.$version" "$built"
ln -s "libtessera.so.$version" "$out/libtessera.so.$abi"
ln -s "libtessera.so.$abi" "$out/libtessera.so"
