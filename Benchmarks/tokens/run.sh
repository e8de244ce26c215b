#!/bin/sh
# What a reader of reduced token sequences still knows: run.sh [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
peers=$here/../peers
package=$here/../..

if [ ! -x "$peers/.venv/bin/python" ] && ! python3 -m venv "$peers/.venv"; then
  rm -rf "$peers/.venv"
  echo "run.sh: no Python environment; install Python 3.11 or newer with its venv module" \
    "(Debian: apt-get install python3-venv)" >&2
  exit 69
fi
"$peers/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$peers/requirements.txt"

swift build --package-path "$package" -c release --product tessera >&2
bin=$(swift build --package-path "$package" -c release --show-bin-path)

PYTHONPATH=$peers exec "$peers/.venv/bin/python" "$here/probe.py" --tessera "$bin/tessera" "$@"
