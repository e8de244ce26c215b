#!/usr/bin/env bash
# Makes a folder that runs on a bare machine with a GPU: build.sh [FOLDER]
#
# The folder (by default .bundle beside this script) holds the command, with Swift linked in, and
# run.sh. The machine needs a glibc no older than this one's symbols, a shell and a
# GPU's driver: no Swift, no OpenCL loader, no network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$here/../..
bundle=${1:-$here/.bundle}

scratch=$package/.build/gpu
mkdir -p "$bundle/lib"
swift build --package-path "$package" --scratch-path "$scratch" \
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
