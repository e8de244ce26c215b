#!/usr/bin/env bash
# Makes a folder that runs on a bare machine with a GPU: build.sh [FOLDER]
#
# The folder (by default .bundle beside this script) holds the command, with Swift and OpenBLAS
# linked in, and run.sh. The machine needs a glibc no older than this one's symbols, a shell and a
# GPU's driver: no Swift, no OpenCL loader, no OpenBLAS, no network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$here/../..
bundle=${1:-$here/.bundle}

archive=$(gcc -print-file-name=libopenblas.a)
if [ ! -f "$archive" ]; then
  echo "build.sh: libopenblas.a is not installed; apt-get install libopenblas-dev" >&2
  exit 69
fi

scratch=$package/.build/gpu
mkdir -p "$scratch/openblas" "$bundle/lib"
# A folder with the archive alone, so that the linker has no shared library to prefer.
ln -sf "$(readlink -f "$archive")" "$scratch/openblas/libopenblas.a"
gcc -O2 -c "$here/fortran.c" -o "$scratch/openblas/fortran.o"
ar rcs "$scratch/openblas/libfortran-string.a" "$scratch/openblas/fortran.o"
cat > "$scratch/openblas/openblas.pc" << END
Name: openblas
Description: OpenBLAS, linked in
Version: 0
Libs: -L$scratch/openblas -lopenblas -lfortran-string
Cflags: $(pkg-config --cflags openblas)
END
PKG_CONFIG_PATH=$scratch/openblas swift build --package-path "$package" --scratch-path "$scratch" \
  -c release --static-swift-stdlib --product tessera >&2

install -m 755 "$scratch/release/tessera" "$bundle/tessera"
strip "$bundle/tessera"
for library in libstdc++.so.6 libgcc_s.so.1; do
  install -m 644 "$(gcc -print-file-name=$library)" "$bundle/lib/$library"
done
install -m 755 "$here/run.sh" "$bundle/run.sh"
install -m 644 "$here/peer.py" "$bundle/peer.py"

echo "$bundle: $(du -sm "$bundle" | cut -f1) MiB; the command needs"
ldd "$bundle/tessera" | awk '{ print "  " $1 }'
objdump -T "$bundle/tessera" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1
