"""Time and error of quantizers, Tessera's and faiss-cpu's by turns on the same rows."""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import faiss
import numpy as np

import datasets
import machine

# Tessera's name, FAISS's name, and whether FAISS is slow enough to be asked once.
CELLS = {
    "wordnet-minilm": [
        ("PQ48x8", "PQ48x8", False),
        ("PQ48x4", "PQ48x4", False),
        ("SQ8", "SQ8", False),
        ("OPQ48,PQ48x8", "OPQ48,PQ48x8", True),
        ("RQ8x8", "RQ8x8", True),
    ],
    "sift5k": [
        ("PQ8x8", "PQ8x8", False),
        ("PQ16x8", "PQ16x8", False),
        ("PQ32x8", "PQ32x8", False),
        ("SQ4", "SQ4", False),
        ("OPQ16,PQ16x8", "OPQ16,PQ16x8", False),
        ("RQ8x8", "RQ8x8", False),
        ("PRQ4x2x8", "PRQ4x2x8", False),
    ],
}
FILES = {"wordnet-minilm": "base.f16.npy", "sift5k": "base.u8.npy"}


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (3)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="CPU threads (all)")
    parser.add_argument(
        "--only", nargs="+", help="names with one of these texts: a data set, a quantizer or both")
    parser.add_argument("--out", help="the page to write instead of results/<date>-quantizers-...")
    return parser.parse_args()


def error(rows, decoded):
    """Mean squared distance, summed in Float64 a block at a time."""
    total = 0.0
    for start in range(0, len(rows), 8192):
        block = rows[start : start + 8192].astype(np.float64)
        total += ((block - decoded[start : start + 8192]) ** 2).sum()
    return total / len(rows)


class Faiss:
    def __init__(self, name, rows):
        self.index = None
        self.name, self.rows = name, rows

    def measure(self):
        index = faiss.index_factory(self.rows.shape[1], self.name)
        start = time.perf_counter()
        index.train(self.rows)
        trained = time.perf_counter()
        codes = index.sa_encode(self.rows)
        encoded = time.perf_counter()
        return {
            "train": trained - start, "encode": encoded - trained,
            "error": error(self.rows, index.sa_decode(codes)), "bytes": codes.shape[1]}


class Tessera:
    def __init__(self, program, name, path, threads, folder):
        self.program, self.name, self.path = program, name, path
        self.threads, self.folder = threads, folder

    def run(self, *options):
        command = [
            self.program, "quantizer", *options, "--device", "cpu", "--threads",
            str(self.threads), "--json", "--quiet"]
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return json.loads(text)

    def measure(self):
        book, codes = f"{self.folder}/book.safetensors", f"{self.folder}/codes.npy"
        trained = self.run("train", "--spec", self.name, "--input", self.path, "--out", book)
        encoded = self.run("encode", "--book", book, "--input", self.path, "--out", codes)
        return {
            "train": trained["seconds"]["train"], "encode": encoded["seconds"]["work"],
            "error": trained["meanSquaredError"], "bytes": trained["codeBytes"],
            "variant": trained["variant"]}


def same_codes(name, rows, tessera):
    """The share of equal codes when FAISS encodes with the codebook that Tessera trained."""
    from struct import unpack

    if "," in name or not name.startswith("PQ"):
        return None
    content = Path(tessera.folder, "book.safetensors").read_bytes()
    length = unpack("<Q", content[:8])[0]
    entry = json.loads(content[8 : 8 + length])["codewords"]
    begin, end = entry["data_offsets"]
    words = np.frombuffer(content[8 + length + begin : 8 + length + end], np.float32)
    index = faiss.index_factory(rows.shape[1], name)
    index.train(rows[:: max(1, len(rows) // 4096)])
    faiss.copy_array_to_vector(words.copy(), index.pq.centroids)
    index.is_trained = True
    theirs = index.sa_encode(rows)
    ours = np.load(Path(tessera.folder, "codes.npy"))
    return float((theirs == ours).mean())


def main():
    options = arguments()
    faiss.omp_set_num_threads(options.threads)
    idle = machine.wait_until_idle(5)
    others = machine.Others()
    lines, variant = [], ""
    with tempfile.TemporaryDirectory() as folder:
        for data, cells in CELLS.items():
            try:
                path = datasets.real(f"{data}/{FILES[data]}")
            except datasets.Missing as reason:
                print(f"{data}: left out, {reason}")
                continue
            rows = np.ascontiguousarray(np.load(path), dtype=np.float32)
            # Both are given Float32.
            given = f"{folder}/{data}.npy"
            np.save(given, rows)
            for ours, theirs, slow in cells:
                if options.only and not any(text in f"{data} {ours}" for text in options.only):
                    continue
                competitors = [
                    ("tessera", Tessera(options.tessera, ours, given, options.threads, folder)),
                    ("faiss", Faiss(theirs, rows))]
                samples = {name: [] for name, _ in competitors}
                for turn in range(options.rounds):
                    for name, competitor in competitors:
                        if not (slow and turn and name == "faiss"):
                            samples[name].append(competitor.measure())
                same = same_codes(ours, rows, competitors[0][1])
                lines.append(line(data, ours, samples, same))
                variant = samples["tessera"][0]["variant"]
                print(lines[-1], flush=True)
    write(options, lines, variant, idle, others.busy_cores())


def line(data, name, samples, same):
    def median(who, what):
        return statistics.median(sample[what] for sample in samples[who])

    def pair(what):
        ours, theirs = median("tessera", what), median("faiss", what)
        return f"{ours:.3f} | {theirs:.3f} | {theirs / ours:.2f}"

    errors = f"{median('tessera', 'error'):.6g} | {median('faiss', 'error'):.6g}"
    codes = "" if same is None else f"{100 * same:.4f} %"
    return (
        f"| {data} | {name} | {samples['tessera'][0]['bytes']} | {pair('train')} | "
        f"{pair('encode')} | {errors} | {codes} |")


def write(options, lines, variant, idle, busy):
    day = datetime.now(timezone.utc).date()
    results = Path(__file__).resolve().parent.parent / "results"
    page = Path(options.out or results / f"{day}-quantizers-{variant}.md")
    about, versions = machine.describe(), machine.versions()
    page.write_text(
        f"""# Quantizers against faiss-cpu, {day}

`Benchmarks/quantizers/run.sh --rounds {options.rounds} --threads {options.threads}`: medians of
{options.rounds} measurements by turns (FAISS's slow ones once), seconds; the ratio is how many times
as fast Tessera is. The error is the mean squared distance of all rows from what their codes stand
for. Same codes: numbers equal to FAISS's when it encodes with Tessera's codebook.

{about['cpu']}, {options.threads} threads of {about['cores']} cores, {about['system']}; tessera
{versions['tessera']} ({variant}), faiss-cpu {versions['faiss-cpu']}. Load at the start
{idle['loadAtStart']}; {busy} cores were busy with other processes during the run.

| data | quantizer | bytes | train | FAISS | ratio | encode | FAISS | ratio | error | FAISS | same codes |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
        + "\n".join(lines) + "\n")
    print(f"wrote {os.path.relpath(page)}")


main()
