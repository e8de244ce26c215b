#!/bin/sh
# What OpenCL costs before and beside the work: until a second process is ready, and for waiting with
# a deadline: run.sh [--device opencl] [--rounds 15]. Builds what is missing; needs Python 3 alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
package=$here/../..

swift build --package-path "$package" -c release --product tessera >&2
bin=$(swift build --package-path "$package" -c release --show-bin-path)

exec python3 "$here/overhead.py" --tessera "$bin/tessera" "$@"
