#!/bin/sh
# What a reader of reduced token sequences still knows: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/python.sh" "$here/probe.py" "$@"
