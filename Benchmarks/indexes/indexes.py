"""Indexes of the same specification, Tessera's and faiss-cpu's by turns: recall and queries a second."""

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

import faiss
import numpy as np

import datasets
import machine


def wordnet(_):
    data = datasets.wordnet()
    truth = np.load(datasets.real("wordnet-minilm/truth_ip_top100.i32.npy"))
    return data, 2000, truth, [
        ("IVF1024,Flat", [16, 64]), ("IVF1024,PQ96x4fs,RFlat", [64]), ("IVF1024,RaBitQ4", [64]),
        ("IVF1024,SQ8", [64])]


def mnist(_):
    data = datasets.mnist()
    truth = np.load(datasets.real("mnist/truth_l2_top100.i32.npy"))
    return data, 2000, truth, [("IVF256,Flat", [8, 32]), ("IVF256,SQ8", [32])]


def clustered(tessera):
    data = datasets.generated(
        tessera, "clustered", "l2", 1_000_000, 96, clusters=10_000, query_count=1000)
    return data, 1000, None, [("IVF1024,Flat", [8, 32])]


SETS = {"wordnet": wordnet, "mnist": mnist, "clustered": clustered}


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (5)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="CPU threads (all)")
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--only", nargs="+", help="specifications with one of these texts")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--out", help="the page to write instead of results/<date>-indexes-...")
    return parser.parse_args()


class Tessera:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.index = f"{folder}/tessera.index"

    def run(self, *words):
        command = [
            self.options.tessera, *map(str, words), "--device", "cpu", "--threads",
            str(self.options.threads), "--json", "--quiet"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: status {done.returncode}")
        return json.loads(done.stdout)

    def build(self, spec, rows, metric):
        return self.run(
            "build", "--spec", spec, "--base", rows, "--metric", metric, "--out", self.index)

    def search(self, queries, k, probes, one_by_one):
        """The first search of a new process, and what it found."""
        out = f"{self.folder}/found"
        found = self.run(
            "search", "--index", self.index, "--queries", queries, "-k", k, "--probes", probes,
            "--out", out, *(["--batch", 1] if one_by_one else []))
        return found["seconds"]["search"][0], np.load(f"{out}.ids.npy"), found


class Faiss:
    def __init__(self, spec, rows, metric):
        kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        start = time.perf_counter()
        self.index = faiss.index_factory(rows.shape[1], spec, kind)
        self.index.train(rows)
        self.trained = time.perf_counter() - start
        self.index.add(rows)
        self.built = time.perf_counter() - start
        if isinstance(self.index, faiss.IndexRefine):
            # As many hits are scored again as Tessera does by default.
            self.index.k_factor = 4

    def search(self, queries, k, probes, one_by_one):
        faiss.ParameterSpace().set_index_parameter(self.index, "nprobe", probes)
        start = time.perf_counter()
        if one_by_one:
            ids = np.concatenate([self.index.search(query[None], k)[1] for query in queries])
        else:
            ids = self.index.search(queries, k)[1]
        return time.perf_counter() - start, ids


def recall(ids, truth):
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth)]))


def exact(rows, queries, metric, k):
    index = faiss.IndexFlat(
        rows.shape[1], faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2)
    index.add(rows)
    return index.search(queries, k)[1]


def main():
    options = arguments()
    faiss.omp_set_num_threads(options.threads)
    idle, others = machine.wait_until_idle(5), machine.Others()
    builds, lines, samples, variant = [], [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        for name in options.data:
            try:
                data, count, truth, specs = SETS[name](options.tessera)
            except datasets.Missing as reason:
                print(f"{name}: left out, {reason}")
                continue
            base = np.ascontiguousarray(data.base(), dtype=np.float32)
            queries = np.ascontiguousarray(data.queries(count), dtype=np.float32)
            if truth is None:
                truth = exact(base, queries, data.metric, options.k)
            rows = f"{folder}/rows.npy"
            np.save(rows, base)
            np.save(f"{folder}/many.npy", queries)
            np.save(f"{folder}/few.npy", queries[:200])
            for spec, probe_counts in specs:
                if options.only and not any(text in spec for text in options.only):
                    continue
                ours = Tessera(options, folder)
                theirs = Faiss(spec, base, data.metric)
                built = ours.build(spec, rows, data.metric)
                variant = built["variant"]
                taken = built["seconds"]["train"] + built["seconds"]["add"]
                builds.append(
                    f"| {data.name} | {spec} | {taken:.2f} | {theirs.built:.2f} | "
                    f"{theirs.built / taken:.2f} | {built['listImbalance']:.2f} |")
                print(builds[-1], flush=True)
                samples.append(
                    {"data": data.name, "spec": spec, "build": built["seconds"],
                     "faissTrain": theirs.trained, "faissBuild": theirs.built})
                for probes in probe_counts:
                    for one_by_one in (False, True):
                        cell = measure(
                            options, ours, theirs, folder, queries, truth, probes, one_by_one)
                        cell |= {"data": data.name, "spec": spec, "probes": probes}
                        samples.append(cell)
                        lines.append(line(cell))
                        print(lines[-1], flush=True)
    write(options, builds, lines, samples, variant, idle, others.busy_cores())


def measure(options, ours, theirs, folder, queries, truth, probes, one_by_one):
    asked = queries[:200] if one_by_one else queries
    path = f"{folder}/{'few' if one_by_one else 'many'}.npy"
    seconds = {"tessera": [], "faiss": []}
    for number in range(options.rounds + 1):
        taken, found, details = ours.search(path, options.k, probes, one_by_one)
        other, their_ids = theirs.search(asked, options.k, probes, one_by_one)
        if number > 0:
            seconds["tessera"].append(taken)
            seconds["faiss"].append(other)
    expected = truth[: len(asked), : options.k]
    return {
        "queries": len(asked), "oneByOne": one_by_one, "seconds": seconds,
        "recall": recall(found, expected), "faissRecall": recall(their_ids, expected),
        "stages": details["seconds"]["stages"], "rowsPerQuery": details["rowsPerQuery"],
        "candidatesPerQuery": details["candidatesPerQuery"]}


def line(cell):
    ours, theirs = (statistics.median(cell["seconds"][name]) for name in ("tessera", "faiss"))
    count = cell["queries"]
    how = "one by one" if cell["oneByOne"] else f"{count} at once"
    return (
        f"| {cell['data']} | {cell['spec']} | {cell['probes']} | {how} | {count / ours:,.0f} | "
        f"{count / theirs:,.0f} | {theirs / ours:.2f} | {cell['recall']:.4f} | "
        f"{cell['faissRecall']:.4f} |")


def write(options, builds, lines, samples, variant, idle, busy):
    day = datetime.now(timezone.utc).date()
    results = Path(__file__).resolve().parent.parent / "results"
    page = Path(options.out or results / f"{day}-indexes-{variant}.md")
    about, versions = machine.describe(), machine.versions()
    page.write_text(
        f"""# Indexes against faiss-cpu, {day}

`Benchmarks/indexes/run.sh --rounds {options.rounds} --threads {options.threads} --data
{' '.join(options.data)}`: queries a second, by the medians of {options.rounds} measurements by turns
after an unmeasured one, k = {options.k}; the ratio is how many times as fast Tessera is. Each has
centroids and codes of its own, of the same specification. FAISS is warm and in the driver's process;
Tessera starts anew each time and reports its first search. Refined indexes score 4 k hits again on
both sides. Builds: seconds to train and add, measured once.

{about['cpu']}, {options.threads} threads of {about['cores']} cores, {about['system']}; tessera
{versions['tessera']} ({variant}), faiss-cpu {versions['faiss-cpu']} ({versions['faissCompileOptions']}).
Load at the start {idle['loadAtStart']}; {busy} cores were busy with other processes during the run.

| data | index | build s | FAISS s | ratio | imbalance |
|---|---|---:|---:|---:|---:|
"""
        + "\n".join(builds)
        + """

| data | index | probes | queries | Tessera/s | FAISS/s | ratio | recall | FAISS |
|---|---|---:|---|---:|---:|---:|---:|---:|
"""
        + "\n".join(lines) + "\n")
    page.with_suffix(".json").write_text(json.dumps(samples, indent=1) + "\n")
    print(f"wrote {os.path.relpath(page)}")


main()
