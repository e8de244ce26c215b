#!/bin/sh
# RaBitQ against faiss-cpu's, low-rank against product codes: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/codes.py" "$@"
