#!/bin/sh
# Everything worth knowing about a GPU, from the folder that build.sh made: run.sh
#
# Writes JSON and logs into $OUT (by default results beside this script), and a line for each step
# into $OUT/steps.jsonl. A step that fails is recorded, and the others still run; the status is 1
# if any failed, and 2 if a device found other bytes than the CPU.
#
#   DEVICE         what to compare with the CPU (opencl:0)
#   ROWS DIMENSION QUERIES K   of the set that is searched (1000000 128 10000 100)
#   CLUSTERS       of k-means (1024), ITERATIONS of it (10)
#   SIZES          of the benchmark (small,medium,large,huge)
#   CPU_SIZES      of the CPU's benchmark (small,medium,large)
#   TUNE           budget of the tuning; 0 leaves it out (60s)
#   LIMIT          seconds a step may take (300)
#   PYTHON         for the GPU's own peer, PyTorch, where it is installed (python3)
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
device=${DEVICE:-opencl:0}
rows=${ROWS:-1000000} dimension=${DIMENSION:-128} queries=${QUERIES:-10000} k=${K:-100}
clusters=${CLUSTERS:-1024} iterations=${ITERATIONS:-10}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# Kept apart from whatever this machine's user has, so that the first call is really the first.
export TESSERA_CACHE="$work/cache" HOME="${HOME:-$work}"
: > "$out/steps.jsonl"
failed=0
differing=0

# step NAME COMMAND...: standard output goes to $OUT/NAME.json, the rest to $OUT/NAME.log.
step() {
  name=$1
  shift
  echo "$name: $*"
  start=$(date +%s.%N)
  timeout "${LIMIT:-300}" "$@" > "$out/$name.json" 2> "$out/$name.log"
  status=$?
  seconds=$(echo "$start $(date +%s.%N)" | awk '{ printf "%.3f", $2 - $1 }')
  printf '{"step": "%s", "status": %d, "seconds": %s}\n' "$name" "$status" "$seconds" \
    >> "$out/steps.jsonl"
  if [ "$status" -ne 0 ]; then
    failed=1
    echo "  failed with status $status: $(tail -n 1 "$out/$name.log")"
  fi
  [ -s "$out/$name.log" ] || rm -f "$out/$name.log"
  return "$status"
}

# same NAME FILE FILE: whether two devices wrote the same bytes.
same() {
  if cmp -s "$2" "$3"; then answer=true; else answer=false differing=1; fi
  printf '{"step": "%s", "sameBytes": %s}\n' "$1" "$answer" >> "$out/steps.jsonl"
  echo "$1: same bytes: $answer"
}

tessera=$here/tessera
# A machine without a C++ runtime gets the one that came along.
"$tessera" --version > /dev/null 2>&1 ||
  export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
nvidia-smi > "$out/nvidia-smi.txt" 2>&1 || rm -f "$out/nvidia-smi.txt"
step devices "$tessera" devices --json
step doctor "$tessera" doctor --json
if ! grep -q "\"$device\"" "$out/devices.json"; then
  echo "run.sh: there is no $device on this machine; $out/doctor.json says what is missing" >&2
  exit 69
fi

step generate-base "$tessera" generate --rows "$rows" --dimension "$dimension" \
  --clusters $((rows / 100 + 1)) "$work/base.npy"
step generate-queries "$tessera" generate --rows "$queries" --skip "$rows" \
  --dimension "$dimension" --clusters $((rows / 100 + 1)) "$work/queries.npy"

# What people wait for: the first process builds programs, the second does not.
"$tessera" generate --quiet --rows 100 --dimension 16 "$work/tiny.npy"
for time in first second third; do
  step "start-$time" "$tessera" search --base "$work/tiny.npy" --queries "$work/tiny.npy" -k 3 \
    --device "$device" --json
done

for metric in ip l2; do
  for where in "$device" cpu; do
    step "search-$metric-${where%:*}" "$tessera" search --base "$work/base.npy" \
      --queries "$work/queries.npy" -k "$k" --metric $metric --device "$where" --repeat 3 \
      --out "$work/$metric-${where%:*}" --json --quiet
  done
  same "search-$metric-ids" "$work/$metric-${device%:*}.ids.npy" "$work/$metric-cpu.ids.npy"
  same "search-$metric-scores" "$work/$metric-${device%:*}.scores.npy" \
    "$work/$metric-cpu.scores.npy"
done

for where in "$device" cpu; do
  step "kmeans-${where%:*}" "$tessera" kmeans --input "$work/base.npy" -k "$clusters" \
    --iterations "$iterations" --start random --device "$where" \
    --out "$work/centroids-${where%:*}.npy" --assignments "$work/labels-${where%:*}.npy" \
    --json --quiet
done
same kmeans-centroids "$work/centroids-${device%:*}.npy" "$work/centroids-cpu.npy"
same kmeans-labels "$work/labels-${device%:*}.npy" "$work/labels-cpu.npy"

step "bench-${device%:*}" "$tessera" bench --device "$device" \
  --sizes "${SIZES:-small,medium,large,huge}" --json --quiet --html "$out/bench-${device%:*}.html"
step bench-cpu "$tessera" bench --device cpu --sizes "${CPU_SIZES:-small,medium,large}" --json \
  --quiet
if [ "${TUNE:-60s}" != 0 ]; then
  step tune "$tessera" tune --device "$device" --budget "${TUNE:-60s}" --json --quiet
  step "search-ip-${device%:*}-tuned" "$tessera" search --base "$work/base.npy" \
    --queries "$work/queries.npy" -k "$k" --device "$device" --repeat 3 --out "$work/tuned" \
    --json --quiet
  same search-tuned-ids "$work/tuned.ids.npy" "$work/ip-cpu.ids.npy"
fi

python=${PYTHON:-python3}
if "$python" -c 'import torch' 2> "$work/torch.log"; then
  step peer "$python" "$here/peer.py" "$work/base.npy" "$work/queries.npy" "$k" \
    "$work/ip-cpu.ids.npy"
else
  reason=$(tail -n 1 "$work/torch.log" | tr -d '"\\')
  printf '{"step": "peer", "skipped": "no PyTorch: %s"}\n' "$reason" >> "$out/steps.jsonl"
  echo "peer: left out, no PyTorch: $reason"
fi

echo "results are in $out"
[ "$differing" -eq 0 ] || exit 2
exit "$failed"
