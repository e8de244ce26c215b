#!/bin/sh
# k-means side by side with faiss-cpu, in one run: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/kmeans.py" "$@"
