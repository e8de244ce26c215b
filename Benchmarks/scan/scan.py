"""Search among codes, Tessera's and faiss-cpu's by turns. Product codes are the same on both sides."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from struct import unpack

import faiss
import numpy as np

import datasets
import machine

# Truth is computed for as many queries.
CHECKED = 50


def wordnet(_):
    data = datasets.wordnet()
    truth = np.load(datasets.real("wordnet-minilm/truth_ip_top100.i32.npy"))
    return data, 2000, truth, ["PQ48x4fs", "PQ96x4fs", "PQ48x8", "SQ8", "SQ4", "RaBitQ", "RaBitQ4"]


def clustered(tessera):
    data = datasets.generated(
        tessera, "clustered", "l2", 1_000_000, 96, clusters=10_000, query_count=500)
    return data, 500, None, ["PQ24x4fs", "PQ24x8"]


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (5)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="CPU threads (all)")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--only", nargs="+", help="names with one of these texts")
    parser.add_argument("--out", help="the page to write instead of results/<date>-scan-...")
    return parser.parse_args()


class Tessera:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder

    def run(self, *words):
        command = [
            self.options.tessera, "quantizer", *map(str, words), "--device", "cpu", "--threads",
            str(self.options.threads), "--json", "--quiet"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: status {done.returncode}")
        return json.loads(done.stdout)

    def train(self, spec, rows):
        self.book, self.codes = f"{self.folder}/book.safetensors", f"{self.folder}/codes.npy"
        trained = self.run("train", "--spec", spec, "--input", rows, "--out", self.book)
        self.run("encode", "--book", self.book, "--input", rows, "--out", self.codes)
        return trained["variant"]

    def codewords(self):
        content = Path(self.book).read_bytes()
        length = unpack("<Q", content[:8])[0]
        entry = json.loads(content[8 : 8 + length])["codewords"]
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + length + begin : 8 + length + end], np.float32)
        return values.reshape(entry["shape"])

    def search(self, queries, k, metric, one_by_one):
        """Seconds of the first search of a new process, and the ids."""
        out = f"{self.folder}/found"
        found = self.run(
            "search", "--book", self.book, "--codes", self.codes, "--queries", queries, "-k", k,
            "--metric", metric, "--out", out, *(["--batch", 1] if one_by_one else []))
        return statistics.median(found["seconds"]["search"]), np.load(f"{out}.ids.npy"), found


class Faiss:
    """The codebook and codes of another: 4 bits as a fast scan, 8 bits as they are."""

    def __init__(self, codewords, codes, bits, metric):
        kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        parts, _, width = codewords.shape
        index = faiss.IndexPQ(parts * width, parts, bits, kind)
        faiss.copy_array_to_vector(codewords.ravel().copy(), index.pq.centroids)
        index.is_trained = True
        index.add_sa_codes(codes)
        self.index = faiss.IndexPQFastScan(index) if bits == 4 else index

    @classmethod
    def trained(cls, spec, rows, metric):
        """A quantizer of its own."""
        kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        made = cls.__new__(cls)
        made.index = faiss.index_factory(rows.shape[1], spec, kind)
        made.index.train(rows)
        made.index.add(rows)
        return made

    def search(self, queries, k, one_by_one):
        start = time.perf_counter()
        if one_by_one:
            ids = np.concatenate([self.index.search(query[None], k)[1] for query in queries])
        else:
            ids = self.index.search(queries, k)[1]
        return time.perf_counter() - start, ids


def merits(codewords, numbers, query, metric):
    """Every code's score in Float64, negated distances for l2."""
    parts, _, width = codewords.shape
    own = query.astype(np.float64).reshape(parts, 1, width)
    words = codewords.astype(np.float64)
    tables = (own * words).sum(2) if metric == "ip" else -((own - words) ** 2).sum(2)
    return tables[np.arange(parts), numbers].sum(1)


def exactness(ids, all_merits, k):
    """The share of hits whose score is that of one of the k best, but for the rounding of sums."""
    good = 0
    for found, scores in zip(ids, all_merits):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        good += (scores[found] >= least - 1e-5 * np.abs(scores).max()).sum()
    return good / (k * len(all_merits))


def recall(ids, truth):
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth)]))


def main():
    options = arguments()
    faiss.omp_set_num_threads(options.threads)
    idle, others = machine.wait_until_idle(5), machine.Others()
    lines, samples, variant = [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        for make in (wordnet, clustered):
            try:
                data, count, truth, specs = make(options.tessera)
            except datasets.Missing as reason:
                print(f"{make.__name__}: left out, {reason}")
                continue
            for spec in specs:
                if options.only and not any(text in f"{data.name} {spec}" for text in options.only):
                    continue
                for cell in measure(options, folder, data, count, truth, spec):
                    samples.append(cell)
                    lines.append(line(cell))
                    variant = cell["variant"]
                    print(lines[-1], flush=True)
    write(options, lines, samples, variant, idle, others.busy_cores())


def measure(options, folder, data, count, truth, spec):
    # Both are given Float32.
    rows, queries = f"{folder}/rows.npy", f"{folder}/queries.npy"
    np.save(rows, data.base().astype(np.float32))
    wanted = np.ascontiguousarray(data.queries(count), dtype=np.float32)
    np.save(queries, wanted)
    np.save(f"{folder}/few.npy", wanted[:200])
    ours = Tessera(options, folder)
    variant, all_merits = ours.train(spec, rows), None
    codes = np.load(ours.codes)
    if spec.startswith("PQ"):
        bits, codewords = 4 if spec.endswith("fs") else 8, ours.codewords()
        theirs = Faiss(codewords, codes, bits, data.metric)
        numbers = codes
        if bits == 4:
            numbers = np.stack([codes & 15, codes >> 4], 2).reshape(len(codes), -1)
        all_merits = [merits(codewords, numbers, query, data.metric) for query in wanted[:CHECKED]]
    else:
        theirs = Faiss.trained(spec, np.load(rows), data.metric)
    for k in options.k:
        # Other codes are meant for many queries at once.
        for one_by_one in (False, True) if all_merits else (False,):
            asked = wanted[:200] if one_by_one else wanted
            path = f"{folder}/few.npy" if one_by_one else queries
            seconds = {"tessera": [], "faiss": []}
            for number in range(options.rounds + 1):
                time_taken, found, details = ours.search(path, k, data.metric, one_by_one)
                other, their_ids = theirs.search(asked, k, one_by_one)
                if number > 0:
                    seconds["tessera"].append(time_taken)
                    seconds["faiss"].append(other)
            cell = {
                "data": data.name, "rows": len(codes), "codes": spec, "bytes": codes.shape[1],
                "k": k, "queries": len(asked), "oneByOne": one_by_one, "seconds": seconds,
                "variant": variant,
                "candidatesPerQuery": details["candidatesPerQuery"],
                "rescoredPerQuery": details["rescoredPerQuery"]}
            if all_merits:
                cell["exact"] = exactness(found, all_merits, k)
                cell["faissExact"] = exactness(their_ids, all_merits, k)
                if cell["exact"] < 1:
                    sys.exit(f"{spec}, k {k}: a hit of tessera is not one of the k best")
            if truth is not None and k <= truth.shape[1]:
                cell["recall"] = recall(found, truth[: len(asked), :k])
                cell["faissRecall"] = recall(their_ids, truth[: len(asked), :k])
            yield cell


def line(cell):
    ours, theirs = (statistics.median(cell["seconds"][name]) for name in ("tessera", "faiss"))
    count = cell["queries"]
    how = "one by one" if cell["oneByOne"] else f"{count} at once"
    exact = (
        f"{100 * cell['exact']:.2f} % | {100 * cell['faissExact']:.2f} %" if "exact" in cell
        else " | ")
    recalls = (
        f"{cell['recall']:.4f} | {cell['faissRecall']:.4f}" if "recall" in cell else " | ")
    return (
        f"| {cell['data']}, {cell['rows']:,} | {cell['codes']} | {cell['k']} | {how} | "
        f"{count / ours:,.0f} | {count / theirs:,.0f} | {theirs / ours:.2f} | "
        f"{exact} | {recalls} |")


def write(options, lines, samples, variant, idle, busy):
    day = datetime.now(timezone.utc).date()
    results = Path(__file__).resolve().parent.parent / "results"
    page = Path(options.out or results / f"{day}-scan-{variant}.md")
    about, versions = machine.describe(), machine.versions()
    page.write_text(
        f"""# Search among codes against faiss-cpu, {day}

`Benchmarks/scan/run.sh --rounds {options.rounds} --threads {options.threads}`: queries a second, by
the medians of {options.rounds} measurements by turns after an unmeasured one; the ratio is how many
times as fast Tessera is. Of `PQ`, both have the same codebook and the same codes, and FAISS is asked by
`IndexPQFastScan` for 4 bits and `IndexPQ` for 8; of the others each has its own. FAISS is warm and in
the driver's process; Tessera starts anew each time and reports its first search. Tables are made
within the time of both. Exact: hits that are among the k best codes by Float64 sums of {CHECKED}
queries. Recall: hits that are among the k true neighbors.

{about['cpu']}, {options.threads} threads of {about['cores']} cores, {about['system']}; tessera
{versions['tessera']} ({variant}), faiss-cpu {versions['faiss-cpu']} ({versions['faissCompileOptions']}).
Load at the start {idle['loadAtStart']}; {busy} cores were busy with other processes during the run.

| data, rows | codes | k | queries | Tessera/s | FAISS/s | ratio | exact | FAISS | recall | FAISS |
|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|
"""
        + "\n".join(lines) + "\n")
    page.with_suffix(".json").write_text(json.dumps(samples, indent=1) + "\n")
    print(f"wrote {os.path.relpath(page)}")


main()
