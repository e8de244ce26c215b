#!/bin/sh
# Training and encoding against faiss-cpu, by turns: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/quantizers.py" "$@"
