#!/bin/sh
# Tessera and its peers side by side, in one run: run.sh [quick|full|curve] [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/python.sh" "$here/driver.py" "$@"
