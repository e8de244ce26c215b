#!/bin/sh
# Times training against PyTorch, by turns: run.sh [options]
# Makes an environment with PyTorch (some gigabytes) and builds the programs first, where they are missing;
# `run.sh --help` lists the options.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
package=$here/../..
if [ ! -x "$here/.venv/bin/python" ]; then
  python3 -m venv "$here/.venv"
  "$here/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi
for product in tessera Studies; do
  swift build --package-path "$package" -c release --product "$product" >&2
done
bin=$(swift build --package-path "$package" -c release --show-bin-path)
exec "$here/.venv/bin/python" "$here/training.py" --tessera "$bin/tessera" --studies "$bin/Studies" "$@"
