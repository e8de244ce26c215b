#!/bin/sh
# Compares the ARM kernels with the portable ones under an emulator, on a processor with dot
# products of bytes and on one without. `make check-neon` runs it.
set -eu
cd "$(dirname "$0")/.."

for tool in clang qemu-aarch64 aarch64-linux-gnu-gcc; do
  if ! command -v $tool >/dev/null; then
    echo "check-neon: skipped, $tool is missing (apt install qemu-user gcc-aarch64-linux-gnu)"
    exit 0
  fi
done
headers=/usr/aarch64-linux-gnu/include
if [ ! -e $headers/stdio.h ]; then
  echo "check-neon: skipped, $headers is missing (apt install libc6-dev-arm64-cross)"
  exit 0
fi

objects="$(mktemp -d)"
trap 'rm -rf "$objects"' EXIT
for source in Sources/CSIMD/*.c Sources/CSIMD/*/*.c Tests/NeonCheck/main.c; do
  clang --target=aarch64-linux-gnu -isystem $headers -O2 -std=gnu2x -Wall -Werror \
    -ISources/CSIMD/include -c "$source" -o "$objects/$(basename "$source").o"
done
aarch64-linux-gnu-gcc -static "$objects"/*.o -lm -o "$objects/check"
qemu-aarch64 -cpu max "$objects/check" neon neondot
qemu-aarch64 -cpu cortex-a53 "$objects/check" neon
