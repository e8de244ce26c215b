"""What codes of so many bytes lose: recall of RaBitQ beside faiss-cpu's, and the error of low-rank
codes beside product codes of as many bytes, Tessera's and faiss-cpu's. Times nothing."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import faiss
import numpy as np

import datasets
import machine

NEAREST = 10
QUERIES = 1000


def wordnet():
    base = np.load(datasets.real("wordnet-minilm/base.f16.npy")).astype(np.float32)
    queries = np.load(datasets.real("wordnet-minilm/queries.f16.npy")).astype(np.float32)
    truth = np.load(datasets.real("wordnet-minilm/truth_ip_top100.i32.npy"))
    return base, queries[:QUERIES], truth[:QUERIES, :NEAREST], "ip"


def sift():
    """Every fifth row is a query; the others are searched."""
    rows = np.load(datasets.real("sift5k/base.u8.npy")).astype(np.float32)
    chosen = np.arange(len(rows)) % 5 == 4
    base, queries = rows[~chosen], rows[chosen]
    wide = base.astype(np.float64)
    truth = [
        np.argsort(((wide - query) ** 2).sum(1), kind="stable")[:NEAREST]
        for query in queries.astype(np.float64)]
    return base, queries, np.array(truth), "l2"


# How it is read, and the dimensions that each byte of a low-rank or product code stands for.
SETS = {"wordnet-minilm": (wordnet, [32, 16, 8]), "sift5k": (sift, [16, 8, 4])}
BITS = (1, 2, 4, 8)


def recall(found, truth):
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth)]))


def error(rows, decoded):
    """Mean squared distance, summed in Float64 a block at a time."""
    total = 0.0
    for start in range(0, len(rows), 8192):
        block = rows[start : start + 8192].astype(np.float64)
        total += ((block - decoded[start : start + 8192]) ** 2).sum()
    return total / len(rows)


class Tessera:
    def __init__(self, program, folder, base, queries, truth, metric):
        self.program, self.folder, self.metric = program, Path(folder), metric
        self.queries = queries
        for name, rows in [("base", base), ("queries", queries), ("truth", truth.astype(np.int32))]:
            np.save(self.folder / f"{name}.npy", rows)
        self.book = self.folder / "book.safetensors"

    def run(self, *words):
        command = [
            self.program, "quantizer", *map(str, words), "--device", "cpu", "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)

    def train(self, spec):
        return self.run(
            "train", "--spec", spec, "--input", self.folder / "base.npy", "--out", self.book)

    def encode(self, name):
        codes = self.folder / "codes.npy"
        self.run(
            "encode", "--book", self.book, "--input", self.folder / f"{name}.npy", "--out", codes)
        return codes

    def recall(self, spec):
        size = self.train(spec)["codeBytes"]
        found = self.run(
            "search", "--book", self.book, "--codes", self.encode("base"), "--queries",
            self.folder / "queries.npy", "--truth", self.folder / "truth.npy", "-k", NEAREST,
            "--metric", self.metric, "--batch", 500)
        return size, found["recall"]

    def errors(self, spec):
        """Of the rows it was trained on, and of the queries, which it has not seen."""
        trained = self.train(spec)
        decoded = self.folder / "decoded.npy"
        self.run(
            "decode", "--book", self.book, "--input", self.encode("queries"), "--out", decoded)
        return {
            "name": trained["specification"], "bytes": trained["codeBytes"],
            "bookBytes": trained["bookBytes"], "error": trained["meanSquaredError"],
            "unseen": error(self.queries, np.load(decoded))}


def faiss_recall(spec, base, queries, truth, metric):
    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    index = faiss.index_factory(base.shape[1], spec, kind)
    index.train(base)
    index.add(base)
    return index.sa_code_size(), recall(index.search(queries, NEAREST)[1], truth)


def faiss_product(base, queries, parts):
    quantizer = faiss.ProductQuantizer(base.shape[1], parts, 8)
    # It warns about few points otherwise, once for every part.
    quantizer.cp.min_points_per_centroid = 1
    quantizer.train(base)
    errors = [error(rows, quantizer.decode(quantizer.compute_codes(rows)))
              for rows in (base, queries)]
    return {
        "name": f"faiss PQ{parts}x8", "bytes": quantizer.code_size,
        "bookBytes": 4 * quantizer.centroids.size(), "error": errors[0], "unseen": errors[1]}


def rabitq(name, ours, base, queries, truth, metric):
    dimension = base.shape[1]
    for bits in BITS:
        spec = "RaBitQ" if bits == 1 else f"RaBitQ{bits}"
        size, own = ours.recall(spec)
        their_size, plain = faiss_recall(spec, base, queries, truth, metric)
        _, rotated = faiss_recall(f"RR{dimension},{spec}", base, queries, truth, metric)
        yield {
            "data": name, "metric": metric, "rows": len(base), "queries": len(queries),
            "bits": bits, "tessera": own, "bytes": size, "faiss": plain, "faissRotated": rotated,
            "faissBytes": their_size, "lessBest": own - max(plain, rotated)}


def low_rank(name, lengths, ours, base, queries):
    for length in lengths:
        parts = base.shape[1] // length
        product = ours.errors(f"PQ{parts}x8")
        cells = [ours.errors(f"LRVQ{length}x8")]
        # So many latent numbers that the codebook, parts * latent * (256 + dimension) numbers and
        # the mean, is no larger than a product quantizer's, 256 * dimension numbers.
        dimension = base.shape[1]
        latent = max(1, (255 * dimension) // (parts * (256 + dimension)))
        if cells[0]["name"] != f"LRVQ{length}_{latent}x8":
            cells.append(ours.errors(f"LRVQ{length}_{latent}x8"))
        for cell in [*cells, product, faiss_product(base, queries, parts)]:
            assert cell["bytes"] == parts
            yield {
                "data": name, **cell, "ofProduct": cell["error"] / product["error"],
                "ofProductUnseen": cell["unseen"] / product["unseen"]}


RECALL_HEAD = """| data | metric | queries | bits | tessera | bytes | faiss | faiss, rotated | bytes | \
tessera less best faiss |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"""
ERROR_HEAD = """| data | bytes | quantizer | error | of PQ | unseen | of PQ | codebook bytes |
|---|---:|---|---:|---:|---:|---:|---:|"""


def recall_line(cell):
    return (
        f"| {cell['data']} | {cell['metric']} | {cell['queries']} | {cell['bits']} | "
        f"{100 * cell['tessera']:.2f} % | {cell['bytes']} | {100 * cell['faiss']:.2f} % | "
        f"{100 * cell['faissRotated']:.2f} % | {cell['faissBytes']} | "
        f"{100 * cell['lessBest']:+.2f} points |")


def error_line(cell):
    return (
        f"| {cell['data']} | {cell['bytes']} | {cell['name']} | {cell['error']:.6g} | "
        f"{cell['ofProduct']:.3f} | {cell['unseen']:.6g} | {cell['ofProductUnseen']:.3f} | "
        f"{cell['bookBytes']} |")


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=sorted(SETS), help="one set")
    parser.add_argument("--part", choices=["rabitq", "lowrank"], help="one part")
    parser.add_argument("--out", help="write PREFIX.md and .json; results/<date>-codes")
    return parser.parse_args()


def main():
    options = arguments()
    recalls, errors = [], []
    for name, (read, lengths) in SETS.items():
        if options.only not in (None, name):
            continue
        try:
            base, queries, truth, metric = read()
        except datasets.Missing as reason:
            print(f"{name}: left out, {reason}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            ours = Tessera(options.tessera, folder, base, queries, truth, metric)
            if options.part != "lowrank":
                for cell in rabitq(name, ours, base, queries, truth, metric):
                    recalls.append(cell)
                    print(recall_line(cell), flush=True)
            if options.part != "rabitq":
                for cell in low_rank(name, lengths, ours, base, queries):
                    errors.append(cell)
                    print(error_line(cell), flush=True)
    write(options, recalls, errors)


def write(options, recalls, errors):
    day = datetime.now(timezone.utc).date()
    results = Path(__file__).resolve().parent.parent / "results"
    path = Path(options.out or results / f"{day}-codes")
    versions = machine.versions()
    page = path.with_name(path.name + ".md")
    page.write_text(
        f"""# What codes lose, {day}

`Benchmarks/codes/run.sh`; tessera {versions['tessera']}, faiss-cpu {versions['faiss-cpu']}. Nothing
here depends on the machine's speed.

## RaBitQ: recall@{NEAREST} from codes alone

Flat, no re-ranking. FAISS's `RaBitQ`, `RaBitQ2` ... as its factory makes it, and behind a random
rotation (`RR<d>,RaBitQ`), which Tessera's does itself. Bytes are of a code. sift5k: every fifth row
is a query, the others are searched.

{RECALL_HEAD}
"""
        + "\n".join(map(recall_line, recalls))
        + f"""

## Low-rank codes: mean squared error at equal bytes

Trained on all rows searched above. `error` is over those rows, `unseen` over the queries above, with
which nothing was trained. `of PQ` is the ratio to Tessera's product quantizer of as many bytes. Of
the low-rank quantizers the first has the latent numbers that are estimated before training, the
second as many as leave the codebook no larger than the product quantizer's. Codebook bytes are those
of the safetensors file; of FAISS, of the centroids alone.

{ERROR_HEAD}
"""
        + "\n".join(map(error_line, errors)) + "\n")
    about = {"date": str(day), **machine.describe(), **versions}
    path.with_name(path.name + ".json").write_text(
        json.dumps({"about": about, "recall": recalls, "error": errors}, indent=1) + "\n")
    print(f"wrote {os.path.relpath(page)}")


main()
