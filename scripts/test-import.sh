#!/bin/sh
# Tests that other projects can import Tessera: installs the library into a folder of its own, moves the
# folder, builds one job in C, C++ and Swift and the wheel, and compares what all of them find.
# Usage: test-import.sh LIBRARY    LIBRARY is a folder that build-library.sh filled.
set -eu
cd "$(dirname "$0")/.."
package=$PWD
library=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tessera-import.XXXXXX")
trap 'rm -rf "$work"' EXIT
step() { echo "== $*"; }

step "library"
scripts/check-library.sh "$library/libtessera.so" Sources/CTessera/include/tessera.h

step "python environment"
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check numpy pytest
tools=$work/tools/bin
if ! command -v cmake >/dev/null; then
  "$tools/pip" install --quiet --disable-pip-version-check cmake
fi
PATH=$PATH:$tools
export PATH

step "install, and move what was installed"
scripts/install-library.sh "$library" "$work/first"
mv "$work/first" "$work/prefix"
prefix=$work/prefix

"$tools/python" - "$work" <<'PYTHON'
import sys
import numpy as np

random = np.random.default_rng(5)
np.save(sys.argv[1] + "/base.npy", random.standard_normal((2000, 48), dtype=np.float32))
np.save(sys.argv[1] + "/queries.npy", random.standard_normal((40, 48), dtype=np.float32))
PYTHON
consume() { "$@" "$work/base.npy" "$work/queries.npy" "$work/$name.out"; }

compilers="gcc:g++"
command -v clang >/dev/null && compilers="$compilers clang:clang++"
for pair in $compilers; do
  cc=${pair%%:*}
  cxx=${pair##*:}
  for language in c cpp; do
    name=$language-$cc
    step "$name, by CMake"
    CC=$cc CXX=$cxx cmake -S "Tests/Consumers/$language" -B "$work/$name" \
      -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" || { cat "$work/log" >&2; exit 1; }
    cmake --build "$work/$name" >"$work/log" || { cat "$work/log" >&2; exit 1; }
    consume "$work/$name/consumer"
  done
done

step "another version is refused"
mkdir "$work/newer"
sed 's/Tessera 0.1 /Tessera 0.2 /' Tests/Consumers/c/CMakeLists.txt >"$work/newer/CMakeLists.txt"
cp Tests/Consumers/c/consumer.c "$work/newer"
if cmake -S "$work/newer" -B "$work/newer/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
  echo "test-import: version 0.2 was found, and there is none" >&2
  exit 1
fi

if command -v pkg-config >/dev/null; then
  step "c, by pkg-config, with the address sanitizer"
  name=c-pkg-config
  flags=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs tessera)
else
  step "c, with the address sanitizer"
  name=c-sanitized
  flags="-I$prefix/include -L$prefix/lib -ltessera"
fi
# shellcheck disable=SC2086
gcc -std=c99 -g -fsanitize=address,undefined -Wall -Wextra -Werror Tests/Consumers/c/consumer.c -o \
  "$work/$name" $flags -Wl,-rpath,"$prefix/lib"
# Swift's runtime keeps some memory until the process ends.
ASAN_OPTIONS=detect_leaks=0 consume "$work/$name"

# The examples of the README between lines ```LANGUAGE and the next ```, one after the other.
example() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" README.md | sed '/^```/d'; }

step "c, the example of the README"
example c >"$work/example.c"
gcc -std=c99 -Wall -Wextra -Werror "$work/example.c" -o "$work/example" -I"$prefix/include" \
  -L"$prefix/lib" -ltessera -Wl,-rpath,"$prefix/lib"
(cd "$work" && ./example)

# The three programs of the Swift consumer, in a folder of built ones.
run_swift() {
  consume "$1/Consumer"
  "$1/Names"
  "$1/Collection" "$work/base.npy" "$work/queries.npy" "$work/$name.collection"
}

step "swift, by path"
name=swift
flags="--package-path Tests/Consumers/swift --scratch-path .build/consumer -c release"
# shellcheck disable=SC2086
swift build $flags >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
# shellcheck disable=SC2086
run_swift "$(swift build $flags --show-bin-path)"

# What was committed, under a version number that no run before has used: a version never changes. A
# debug build, because it takes a part of the time.
if git rev-parse --quiet --verify HEAD >/dev/null; then
  step "swift, by URL"
  name=swift-url
  rm -rf .build/consumer-clone
  git clone --quiet . .build/consumer-clone/tessera
  git -C .build/consumer-clone/tessera tag "0.1.$(date +%s)"
  cp -r Tests/Consumers/swift "$work/consumer"
  rm -f "$work/consumer/Package.resolved"
  TESSERA_URL=file://$package/.build/consumer-clone/tessera
  export TESSERA_URL
  flags="--package-path $work/consumer --scratch-path .build/consumer-url -Xcc -O2"
  flags="$flags --cache-path .build/consumer-cache --security-path $work/security"
  # shellcheck disable=SC2086
  swift build $flags >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
  # shellcheck disable=SC2086
  run_swift "$(swift build $flags --show-bin-path)"
else
  echo "swift, by URL: skipped, there is no git repository"
fi

step "wheel"
python/build_wheel.py "$library" "$work/dist"
python3 -m venv "$work/clean"
"$work/clean/bin/pip" install --quiet --disable-pip-version-check "$work"/dist/*.whl pytest \
  scikit-learn faiss-cpu dask distributed
# Without a compiler, Swift, or anything of this folder on the way.
# FAISS spins where other processes want its processors.
clean() { env -i OMP_NUM_THREADS=1 HOME="$work" PATH="$work/clean/bin:/usr/bin:/bin" "$@"; }
cd "$work"
name=python
consume clean "$work/clean/bin/python" "$package/python/tests/consumer.py"
clean "$work/clean/bin/python" -m pytest -q -p no:cacheprovider "$package/python/tests"
clean "$work/clean/bin/python" "$package/python/tests/overhead.py"
cd "$package"
example python >"$work/example.py"
(cd "$work" && clean "$work/clean/bin/python" example.py)

step "what all found"
for file in "$work"/*.out; do
  cmp "$work/python.out" "$file"
  echo "equal: $(basename "$file" .out)"
done
