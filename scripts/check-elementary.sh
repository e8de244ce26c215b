#!/bin/sh
# Every elementary function over all Float32 numbers, on every CPU variant of this machine: equal bits,
# and the largest error. `make check-elementary` runs it; arguments go to the program
# (Tests/ElementaryCheck/main.c), such as `--every 1001 exp`.
set -eu
cd "$(dirname "$0")/.."
folder=.build/elementary
mkdir -p "$folder"
clang -O2 -std=gnu2x -Wall -Werror -ISources/CSIMD/include Sources/CSIMD/*.c Sources/CSIMD/*/*.c \
  Tests/ElementaryCheck/*.c -lm -lpthread -o "$folder/check-elementary"
exec "$folder/check-elementary" "$@"
