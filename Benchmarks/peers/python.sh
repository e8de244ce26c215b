#!/bin/sh
# Runs a benchmark written in Python on the release build: python.sh SCRIPT [options]
# Makes the environment of requirements.txt and builds the command first, where they are missing.
set -eu
peers=$(cd "$(dirname "$0")" && pwd)
package=$peers/../..

if [ ! -x "$peers/.venv/bin/python" ] && ! python3 -m venv "$peers/.venv"; then
  rm -rf "$peers/.venv"
  echo "python.sh: no Python environment; install Python 3.11 or newer with its venv module" \
    "(Debian: apt-get install python3-venv)" >&2
  exit 69
fi
"$peers/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$peers/requirements.txt"

swift build --package-path "$package" -c release --product tessera >&2
bin=$(swift build --package-path "$package" -c release --show-bin-path)

script=$1
shift
PYTHONPATH=$peers exec "$peers/.venv/bin/python" "$script" --tessera "$bin/tessera" "$@"
