#!/usr/bin/env bash
# Writes the seeds in Corpus with Tessera's own writers, and .npy, .fvecs and .bin files with NumPy.
# Those of FAISS are Tests/TesseraIndexTests/Fixtures/FAISS, which the real library wrote.
# Usage: make_seeds.sh TESSERA, the built command
set -euo pipefail
tessera=$(realpath "$1")
cd "$(dirname "$0")"
mkdir -p Corpus/{numpy,vectors,ids,json,safetensors,quantizer,index,journal,partial}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() { "$tessera" "$@" --quiet >/dev/null; }

quietly generate --rows 20 --dimension 8 "$work/base.npy"
quietly generate --rows 3 --dimension 8 "$work/more.npy"
quietly generate --rows 300 --dimension 8 "$work/many.npy"
quietly generate --rows 300 --dimension 4 "$work/narrow.npy"
quietly generate --rows 20 --dimension 4 --element u1 "$work/bits.npy"
for element in f4 f2 i1 u1; do
  quietly generate --rows 3 --dimension 4 --element $element "Corpus/numpy/$element.npy"
done

python3 - "$work" <<'END'
import sys
import numpy as np
work = sys.argv[1]
ids = np.array([[3, 1, 39], [0, 2, 7]])
np.save("Corpus/ids/int64.npy", ids)
np.save("Corpus/ids/int32.npy", ids.astype(np.int32))
np.save("Corpus/ids/flags.npy", (np.arange(40) % 3 == 0).astype(np.uint8))
np.save("Corpus/ids/far.npy", np.array([0, 1 << 34]))
np.save(f"{work}/three.npy", np.array([1, 8, 21]))
np.save(f"{work}/ids.npy", np.arange(100, 120)[::-1].copy())
rows = np.arange(12, dtype=np.float32).reshape(3, 4)
np.save("Corpus/numpy/double.npy", rows.astype(np.float64))
np.save("Corpus/numpy/fortran.npy", np.asfortranarray(rows))
np.lib.format.write_array(open("Corpus/numpy/version2.npy", "wb"), rows, version=(2, 0))
np.save("Corpus/numpy/fields.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i8", (2,))]))
for ending, kind in [("fvecs", np.float32), ("bvecs", np.uint8)]:
    with open(f"Corpus/vectors/rows.{ending}", "wb") as file:
        for row in rows:
            file.write(np.int32(4).tobytes() + row.astype(kind).tobytes())
for ending, kind in [("fbin", np.float32), ("f16bin", np.float16), ("u8bin", np.uint8), ("i8bin", np.int8)]:
    with open(f"Corpus/vectors/rows.{ending}", "wb") as file:
        file.write(np.array([3, 4], dtype=np.uint32).tobytes() + rows.astype(kind).tobytes())
with open("Corpus/ids/rows.ivecs", "wb") as file:
    for row in ids.astype(np.int32):
        file.write(np.int32(3).tobytes() + row.tobytes())
counts = np.array([2, 3], dtype=np.uint32).tobytes()
open("Corpus/ids/rows.ibin", "wb").write(counts + ids.astype(np.int32).tobytes())
open("Corpus/ids/truth.bin", "wb").write(
    counts + ids.astype(np.int32).tobytes() + rows[:2, :3].tobytes())

# Partial results of k-means, of 2 clusters and chunks of 4 rows: (first chunk, chunks, rows of each cluster).
import struct, zlib
parts = {
    "one": [(0, 1, [3, 1])], "empty": [(0, 2, [8, 0]), (2, 1, [4, 0])], "short": [(5, 1, [1, 1])]}
for name, blocks in parts.items():
    far = [(3, 2.5, [1.5, -2.0])] if name == "empty" else []
    body = struct.pack("<7q", 2, 2, 0, 4, 7, len(blocks), len(far))
    for first, count, counts in blocks:
        body += struct.pack("<2qd2q2d", first, count, 1.25, *counts, *counts)
        body += struct.pack("<4d", 1.0, 2.0, 0.5 * counts[1], 0.5 * counts[1])
    for row, distance, values in far:
        body += struct.pack("<qd2f", row, distance, *values)
    open(f"Corpus/partial/{name}.bin", "wb").write(
        b"TKMEANS1" + struct.pack("<Q", zlib.crc32(body)) + body)
END
printf '%s' '{"a":[1,-2.5e3,true,false,null],"b\\u00e9\\n":{"c":"\\ud83d\\ude00"}}' >Corpus/json/all.json
printf '%s' '{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"k":"v"}}' \
  >Corpus/json/header.json

# Files whose checksums of arrays are left out: new files made of them are refused by those alone else.
plain() {
  python3 - "$1" "$2" <<'END'
import json, re, struct, sys, zlib
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
about = header["__metadata__"]
for name in [name for name in about if name.startswith("checksum.")]:
    del about[name]
about["checksum"] = "crc32:00000000"
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-(8 + len(text)) % 64)
text = text.replace(b"crc32:00000000", b"crc32:%08x" % zlib.crc32(text))
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])
END
}
for spec in PQ2x4 OPQ2,PQ2x4 RQ2x4 PRQ2x2x4 SQ8 SQ6 SQ4 SQfp16 SQbf16 RaBitQ RaBitQ4 LRVQ2x4; do
  quietly quantizer train --spec $spec --input "$work/narrow.npy" --device cpu --out "$work/book"
  plain "$work/book" "Corpus/quantizer/$spec"
done
cp "$work/book" Corpus/safetensors/book

build() {
  quietly build --device cpu --out "$work/index" "${@:2}"
  plain "$work/index" "Corpus/index/$1"
}
build flat --spec Flat --base "$work/base.npy"
build ids --spec IVF2,Flat --base "$work/base.npy" --ids "$work/ids.npy" --metric l2
build cosine --spec IVF2,Flat --base "$work/base.npy" --metric cosine
build sq --spec IVF2,SQ8,RFlat --base "$work/base.npy"
build pq --spec IVF2,PQ2x4fs --base "$work/base.npy"
build opq --spec OPQ2_4,IVF2,PQ2x4 --base "$work/many.npy"
build pca --spec PCA4,IVF2,Flat --base "$work/base.npy" --metric l2
build norm --spec RR4,L2norm,Center,Flat --base "$work/base.npy"
build rabitq --spec IVF2,RaBitQ4 --base "$work/base.npy"
build rq --spec IVF2,RQ2x4 --base "$work/base.npy"
build bits --spec BIVF2 --base "$work/bits.npy"
build jaccard --spec BFlat --base "$work/bits.npy" --metric jaccard

# A journal, and the index that every journal is read with.
quietly build --spec IVF2,Flat --base "$work/base.npy" --device cpu --out "$work/living"
cp "$work/living" Corpus/index/whole
cp "$work/living" journal.index
quietly add "$work/living" --base "$work/more.npy"
quietly remove "$work/living" --ids 3:7
quietly add "$work/living" --base "$work/more.npy" --ids "$work/three.npy" --update
quietly add "$work/living" --base "$work/more.npy"
cp "$work/living.journal" Corpus/journal/changes
head -c 64 Corpus/journal/changes >Corpus/journal/none
head -c 700 Corpus/journal/changes >Corpus/journal/cut
