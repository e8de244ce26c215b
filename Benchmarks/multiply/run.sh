#!/usr/bin/env bash
# The kernels' Float32 product against OpenBLAS: run.sh [VARIANT]. Prints a table.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# clang takes the same flags as the package's C targets.
clang -O2 -std=gnu2x -Wall -Werror -ISources/CSIMD/include -ISources/COpenBLAS/include \
  Sources/CSIMD/*.c Sources/CSIMD/*/*.c Sources/COpenBLAS/open.c Benchmarks/multiply/multiply.c -lm -ldl -lpthread \
  -o "$scratch/multiply"
"$scratch/multiply" "$@"
