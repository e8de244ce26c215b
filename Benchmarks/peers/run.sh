#!/bin/sh
# Tessera and its peers side by side, in one run: run.sh [quick|full|curve] [options]
# Builds what is missing; `run.sh --help` lists the options. See ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
package=$here/../..

if [ ! -x "$here/.venv/bin/python" ] && ! python3 -m venv "$here/.venv"; then
  rm -rf "$here/.venv"
  echo "run.sh: no Python environment; install Python 3.11 or newer with its venv module" \
    "(Debian: apt-get install python3-venv)" >&2
  exit 69
fi
"$here/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"

swift build --package-path "$package" -c release --product tessera >&2
bin=$(swift build --package-path "$package" -c release --show-bin-path)

exec "$here/.venv/bin/python" "$here/driver.py" --tessera "$bin/tessera" "$@"
