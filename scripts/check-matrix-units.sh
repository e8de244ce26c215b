#!/usr/bin/env bash
# Compiles the matrix kernels for GPUs that need not be here, and looks at what comes out: NVIDIA's
# assembler must take the PTX, matrix instructions must be in the code, and registers must not spill
# to memory. `make check-matrix-units` runs it. What the units compute is tested by their emulation:
# Tests/TesseraOpenCLTests/MatrixUnitTests.swift.
set -euo pipefail
cd "$(dirname "$0")/.."

# The newest clang that can compile for a target, or nothing.
compiler_for() {
  local clang
  for clang in clang clang-{21,20,19,18,17,16,15}; do
    if command -v "$clang" > /dev/null && "$clang" --print-targets | grep -qw "$1"; then
      echo "$clang"
      return
    fi
  done
}

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
(cd Kernels/cl && cat common.cl search/search_{common,places}.cl \
  matrix_units/{matrix_units{,_nvidia,_amd,_intel,_dot},search_matrix}.cl) > "$work/kernel.cl"

failures=0
fail() {
  echo "check-matrix-units: $1"
  failures=$((failures + 1))
}

# compile CLANG OUTPUT OPTION...: to assembly.
compile() {
  local clang=$1 output=$2
  shift 2
  "$clang" -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -O3 -Werror -include Tests/MatrixUnitCheck/library.h \
    -DBODY_TILE=1 -DGROUP=256 -S "$@" "$work/kernel.cl" -o "$output"
}

# Tiles as MatrixTile.swift makes them, for 256 work items: large ones, then flat ones.
tiles() {
  local groups=$((256 / $1)) down=2
  [ "$groups" -lt 16 ] || down=4
  echo "-DTILE_QUERIES=128 -DTILE_ROWS=128 -DSUBGROUPS_DOWN=$down -DSUBGROUPS_ACROSS=$((groups / down))"
  echo "-DTILE_QUERIES=32 -DTILE_ROWS=256 -DSUBGROUPS_DOWN=1 -DSUBGROUPS_ACROSS=$groups"
}

# An NVIDIA kernel. NAME INSTRUCTION OPTION...
nvidia() {
  local name=$1 instruction=$2 report architecture
  shift 2
  if ! compile "$nvptx" "$work/kernel.ptx" -target nvptx64-nvidia-nvcl -march=sm_80 "$@"; then
    fail "$name: does not compile"
    return
  fi
  grep -q "$instruction" "$work/kernel.ptx" || fail "$name: has no $instruction"
  for architecture in sm_80 sm_90; do
    if ! report="$("$ptxas" -arch=$architecture -v "$work/kernel.ptx" -o /dev/null 2>&1)"; then
      fail "$name: ptxas refuses it: $report"
      continue
    fi
    echo "$name, $architecture: $(grep -o 'Used .* smem' <<< "$report"), $(grep -o '[0-9]* bytes spill stores' <<< "$report")"
    grep -q ' 0 bytes spill stores, 0 bytes spill loads' <<< "$report" || fail "$name: spills registers"
  done
}

# An AMD kernel. NAME PROCESSOR INSTRUCTION SCRATCH OPTION..., SCRATCH being the bytes it may take.
amd() {
  local name=$1 processor=$2 instruction=$3 allowed=$4
  shift 4
  if ! compile "$amdgcn" "$work/kernel.s" -target amdgcn-amd-amdhsa -mcpu="$processor" -nogpulib "$@"; then
    fail "$name: does not compile"
    return
  fi
  local registers scratch count
  count=$(grep -c "$instruction" "$work/kernel.s" || true)
  registers=$(sed -n 's/^; NumVgprs: //p' "$work/kernel.s" | sort -n | tail -n 1)
  scratch=$(sed -n 's/^; ScratchSize: //p' "$work/kernel.s" | sort -n | tail -n 1)
  echo "$name: $count $instruction, $registers vector registers, $scratch bytes of scratch"
  [ "$count" -gt 0 ] || fail "$name: has no $instruction"
  [ "$scratch" -le "$allowed" ] || fail "$name: spills registers"
}

# ptxas from the wheel of NVIDIA's compiler, in a virtual environment that is kept.
environment=.build/matrix-units
ptxas="$(command -v ptxas || true)"
if [ -z "$ptxas" ]; then
  if [ ! -x $environment/bin/python ] && ! python3 -m venv $environment > /dev/null 2>&1; then
    echo "check-matrix-units: no virtual environment for ptxas (apt install python3-venv)"
  elif ! $environment/bin/python -m pip install -q 'nvidia-cuda-nvcc-cu12==12.9.*' > /dev/null 2>&1; then
    echo "check-matrix-units: the wheel nvidia-cuda-nvcc-cu12 is not to be had"
  else
    ptxas="$(find $environment -name ptxas -type f | head -n 1)"
  fi
fi

nvptx="$(compiler_for nvptx64)"
if [ -z "$nvptx" ]; then
  echo "check-matrix-units: NVIDIA skipped, no clang compiles for nvptx64 (apt install clang-15)"
elif [ -z "$ptxas" ]; then
  echo "check-matrix-units: NVIDIA skipped, there is no ptxas"
else
  for bytes in 2 1; do
    while read -r tile; do
      nvidia "nvidia, $bytes bytes, ${tile%% -DSUB*}" mma.sync -DUNIT=1 -DBYTES=$bytes $tile
      nvidia "nvidia, $bytes bytes, selected, ${tile%% -DSUB*}" mma.sync -DUNIT=1 -DBYTES=$bytes -DSELECTED=1 $tile
    done < <(tiles 32)
  done
  while read -r tile; do
    nvidia "nvidia, dot products, ${tile%% -DSUB*}" dp4a -DUNIT=6 -DBYTES=1 -DDOT_PRODUCT_PTX=1 $tile
  done < <(tiles 32)
fi

amdgcn="$(compiler_for amdgcn)"
if [ -z "$amdgcn" ]; then
  echo "check-matrix-units: AMD skipped, no clang compiles for amdgcn (apt install clang-15)"
else
  for bytes in 2 1; do
    while read -r tile; do
      for processor in gfx90a gfx940; do
        amd "$processor, $bytes bytes, ${tile%% -DSUB*}" $processor v_mfma 0 -DUNIT=2 -DBYTES=$bytes $tile
      done
    done < <(tiles 64)
    # clang 15 gives gfx11 half of its 256 registers, and spills a few addresses.
    while read -r tile; do
      amd "gfx1100, $bytes bytes, ${tile%% -DSUB*}" gfx1100 v_wmma 128 -DUNIT=3 -DBYTES=$bytes $tile
    done < <(tiles 32)
  done
fi

[ $failures -eq 0 ] || exit 1
echo "check-matrix-units: done"
