"""Indexes of FAISS in Tessera, and of Tessera in FAISS: equal hits, and equal bytes."""

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import faiss
import numpy as np

import datasets
import machine

SPECIFICATIONS = [
    "Flat", "IDMap,Flat", "IVF64,Flat", "IDMap2,IVF64,Flat", "SQ8", "SQ4", "SQfp16", "IVF64,SQ8",
    "PQ24x8np", "IVF64,PQ48x4np", "IVF64,PQ24x8np,RFlat", "PCA64,Flat", "PCAR64,IVF64,SQ8",
    "RR128,L2norm,Flat", "OPQ16_64,IVF64,PQ16x4np,RFlat", "RaBitQ", "RR384,RaBitQ4",
    "RR384,IVF64,RaBitQ", "RR384,IVF64,RaBitQ4", "IVF64,RaBitQ8",
]
HERE = [
    "Flat", "IVF64,Flat", "SQ8", "IVF64,SQ6", "IVF64,PQ48x4fs", "IVF64,PQ48x4,RFlat", "PCA64,IVF64,Flat",
    "RR128,SQ8", "Center,L2norm,Flat", "IVF64,RaBitQ", "IVF64,RaBitQ4",
]
TRAINING_ROWS = 2000
METRICS = {"ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}
K = 10
PROBES = 8
# Scores are sums of 384 Float32 numbers in another order.
TOLERANCE = 1e-5


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=5000, help="rows of wordnet-minilm (5000)")
    parser.add_argument("--queries", type=int, default=200, help="queries (200)")
    parser.add_argument("--out", help="the page to write instead of results/<date>-faiss-files.md")
    return parser.parse_args()


def tessera(options, *words):
    command = [options.tessera, *map(str, words), "--json", "--quiet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}")
    return json.loads(done.stdout)


def searched(options, index, queries, folder):
    out = f"{folder}/found"
    tessera(
        options, "search", "--index", index, "--queries", queries, "-k", K, "--probes", PROBES,
        "--device", "cpu", "--out", out)
    return np.load(f"{out}.ids.npy"), np.load(f"{out}.scores.npy")


def parts(index):
    """The index and those inside it."""
    index = faiss.downcast_index(index)
    yield index
    for name in ("index", "base_index"):
        if hasattr(index, name):
            yield from parts(getattr(index, name))


def found_by_faiss(index, queries):
    for part in parts(index):
        if isinstance(part, faiss.IndexIVF):
            part.nprobe = PROBES
        if hasattr(part, "qb"):
            part.qb = 0  # by default FAISS rounds queries to four bits before it compares signs
        if isinstance(part, faiss.IndexRefine):
            part.k_factor = 4  # Tessera's default
    scores, ids = index.search(queries, K)
    return ids, scores


def compare(ours, theirs):
    """Queries whose ids are equal in order; those that differ by more than what scores alike; and the
    largest difference of scores, relative to the scores' size."""
    (ids, scores), (their_ids, their_scores) = ours, theirs
    size = np.maximum(1, np.abs(their_scores))
    gap = np.abs(scores - their_scores) / size
    equal = (ids == their_ids).all(axis=1)
    # Where scores agree at every place, ids can only differ among rows that score alike.
    other = ~equal & (gap.max(axis=1) > TOLERANCE)
    return int(equal.sum()), int(other.sum()), float(gap.max())


def there_to_here(options, rows, queries, queries_file, folder):
    for metric, number in METRICS.items():
        for spec in SPECIFICATIONS:
            index = faiss.index_factory(rows.shape[1], spec, number)
            index.train(rows[:TRAINING_ROWS])
            if spec.startswith("IDMap"):
                index.add_with_ids(rows, np.arange(len(rows), dtype="int64") * 3 + 1_000_000_007)
            else:
                index.add(rows)
            path = f"{folder}/there.faiss"
            theirs = found_by_faiss(index, queries)
            faiss.write_index(index, path)
            tessera(options, "convert", path, f"{folder}/again.faiss")
            same = filecmp.cmp(path, f"{folder}/again.faiss", shallow=False)
            ours = searched(options, path, queries_file, folder)
            yield metric, spec, compare(ours, theirs), same


def here_to_there(options, rows_file, queries, queries_file, folder):
    for metric in METRICS:
        for spec in HERE:
            index, path = f"{folder}/here.index", f"{folder}/here.faiss"
            tessera(
                options, "build", "--spec", spec, "--base", rows_file, "--metric", metric,
                "--device", "cpu", "--out", index)
            tessera(options, "convert", index, path)
            theirs = found_by_faiss(faiss.read_index(path), queries)
            # Reading it there and writing it there gives Tessera's bytes.
            again = f"{folder}/again.faiss"
            faiss.write_index(faiss.read_index(path), again)
            same = filecmp.cmp(path, again, shallow=False)
            ours = searched(options, index, queries_file, folder)
            yield metric, spec, compare(ours, theirs), same


def table(title, results, count):
    lines = [
        f"## {title}", "",
        "| metric | index | equal ids | others that differ | largest score difference | equal bytes |",
        "|---|---|---:|---:|---:|---|"]
    for metric, spec, (equal, other, gap), same in results:
        lines.append(
            f"| {metric} | {spec} | {equal} of {count} | {other} | {gap:.1e} | "
            f"{'yes' if same else 'NO'} |")
        print(lines[-1], file=sys.stderr)
    return lines + [""]


def main():
    options = arguments()
    data = datasets.real("wordnet-minilm")
    with tempfile.TemporaryDirectory() as folder:
        rows = np.load(f"{data}/base.f16.npy", mmap_mode="r")[:options.rows].astype("float32")
        queries = np.load(f"{data}/queries.f16.npy")[:options.queries].astype("float32")
        rows_file, queries_file = f"{folder}/rows.npy", f"{folder}/queries.npy"
        np.save(rows_file, rows)
        np.save(queries_file, queries)
        today = date.today().isoformat()
        facts = machine.versions()
        page = [
            f"# Files of FAISS, {today}", "",
            f"`Benchmarks/faiss-files/run.sh --rows {options.rows} --queries {options.queries}`: the first "
            f"{len(rows):,} rows of wordnet-minilm, {len(queries)} queries, k = {K}, {PROBES} lists; RaBitQ "
            "with queries as they are (qb = 0). "
            f"Tessera {facts['tessera']}, faiss-cpu {facts['faiss-cpu']}.", "",
            "*Equal ids*: queries with the same ids in the same order. *Others that differ*: queries "
            f"whose scores differ too, at any place, by more than {TOLERANCE:.0e} of their size (or of "
            "1); all the rest differ among rows that score alike within rounding. *Equal bytes*: what "
            "was read and written again, untouched, is the same file.", ""]
        page += table(
            "Written by FAISS, searched and written again by Tessera",
            there_to_here(options, rows, queries, queries_file, folder), len(queries))
        page += table(
            "Built and written by Tessera, searched and written again by FAISS",
            here_to_there(options, rows_file, queries, queries_file, folder), len(queries))
    out = options.out or Path(__file__).parent.parent / "results" / f"{today}-faiss-files.md"
    Path(out).write_text("\n".join(page).rstrip() + "\n")
    print(out)


if __name__ == "__main__":
    main()
