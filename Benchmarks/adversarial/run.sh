#!/bin/sh
# The CPU's choice of filter against its plainest, on data made to mislead it: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/adversarial.py" "$@"
