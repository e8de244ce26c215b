#!/bin/sh
# Indexes in a quarter of their rows' memory, against those in memory: memory.sh [options]
# Needs no FAISS, only a built command; `memory.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/memory.py" "$@"
