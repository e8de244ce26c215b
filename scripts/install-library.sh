#!/bin/sh
# Installs what build-library.sh made: the library, its headers, and what CMake and pkg-config read.
# Usage: install-library.sh LIBRARY PREFIX    the folder PREFIX can be moved as a whole afterwards.
set -eu
library=$(cd "$1" && pwd)
mkdir -p "$2"
prefix=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n 's/.*static let current = "\(.*\)"/\1/p' Sources/TesseraCompute/TesseraVersion.swift)

fill() {
  sed -e "s/@VERSION@/$version/g" -e "s/@ABI@/${version%%.*}/g" "cmake/$1" >"$prefix/$2"
}

mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/Tessera"
install -m 644 Sources/CTessera/include/tessera.h Sources/CTessera/include/tessera.hpp \
  "$prefix/include"
install -m 755 "$library/libtessera.so.$version" "$prefix/lib"
ln -sf "libtessera.so.$version" "$prefix/lib/libtessera.so.${version%%.*}"
ln -sf "libtessera.so.${version%%.*}" "$prefix/lib/libtessera.so"
fill TesseraConfig.cmake.in lib/cmake/Tessera/TesseraConfig.cmake
fill TesseraConfigVersion.cmake.in lib/cmake/Tessera/TesseraConfigVersion.cmake
fill tessera.pc.in lib/pkgconfig/tessera.pc
