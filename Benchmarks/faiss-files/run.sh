#!/bin/sh
# FAISS's files, read and written by Tessera and by faiss-cpu: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/faiss_files.py" "$@"
