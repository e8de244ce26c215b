#!/bin/sh
# The OpenCL device against faiss-cpu and OpenBLAS, its start-up, and what tuning gains:
# run.sh [options]. Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/opencl.py" "$@"
