"""k-means of tessera and of faiss-cpu in turn: A B A B ..., from the same centroids."""

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

import numpy as np

import datasets
import machine

TOLERANCE = 0.005
TOLERATED_CORES = 0.1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of both")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("-k", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--wait", type=float, default=5, help="minutes to wait for an idle machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results")
    return parser.parse_args()


class Tessera:
    """A new process each time; what it reports begins with the rows as they lie in the file."""

    name = "tessera"

    def __init__(self, options, path: Path, folder: Path):
        self.options, self.path, self.folder = options, path, folder

    def cluster(self, start: np.ndarray) -> tuple[float, np.ndarray, dict]:
        init, out = self.folder / "start.npy", self.folder / "centroids.npy"
        np.save(init, start)
        process = subprocess.run(
            [self.options.tessera, "kmeans", "--input", self.path, "-k", str(len(start)),
             "--iterations", str(self.options.iterations), "--init", init, "--out", out,
             "--device", "cpu", "--threads", str(self.options.threads), "--json", "--quiet"],
            stdout=subprocess.PIPE, check=True)
        details = json.loads(process.stdout)
        return details["seconds"]["cluster"], np.load(out), details


class Faiss:
    """In this process, warm, with the rows as Float32 in memory; trained on all of them."""

    name = "faiss Kmeans"

    def __init__(self, options, rows: np.ndarray):
        self.options, self.rows = options, rows

    def cluster(self, start: np.ndarray) -> tuple[float, np.ndarray, dict]:
        import faiss

        kmeans = faiss.Kmeans(
            self.rows.shape[1], len(start), niter=self.options.iterations,
            max_points_per_centroid=len(self.rows), min_points_per_centroid=1)
        before = time.perf_counter()
        kmeans.train(self.rows, init_centroids=start)
        seconds = time.perf_counter() - before
        return seconds, kmeans.centroids, {"iterations": len(kmeans.iteration_stats)}


def objective(rows: np.ndarray, centroids: np.ndarray) -> float:
    """The sum of squared distances to the nearest centroid, those in Float64."""
    total = 0.0
    squares = (centroids.astype(np.float64) ** 2).sum(1)
    for first in range(0, len(rows), 8192):
        block = rows[first : first + 8192]
        labels = (squares[None] - 2 * (block @ centroids.T)).argmin(1)
        total += ((block.astype(np.float64) - centroids[labels]) ** 2).sum()
    return total


def measure(options, data, k: int, folder: Path) -> dict:
    rows = data.base().astype(np.float32)
    start = rows[np.random.default_rng(k).choice(len(rows), k, replace=False)]
    competitors = [Tessera(options, data.base_path, folder), Faiss(options, rows)]
    cell = {"data": data.name, "rows": len(rows), "dimension": rows.shape[1], "k": k,
            "competitors": {c.name: {"seconds": []} for c in competitors}}
    for turn in range(options.rounds + 1):
        for competitor in competitors:
            seconds, centroids, details = competitor.cluster(start)
            figures = cell["competitors"][competitor.name]
            if turn == 0:
                figures["objective"] = objective(rows, centroids)
                figures["details"] = details
                figures["first"] = seconds
            else:
                figures["seconds"].append(seconds)
            print(f"k={k} {competitor.name}: {seconds:.2f} s", file=sys.stderr)
    for figures in cell["competitors"].values():
        figures["median"] = statistics.median(figures["seconds"])
    ours, theirs = (cell["competitors"][c.name] for c in competitors)
    cell["times"] = theirs["median"] / ours["median"]
    cell["objectiveOverPeer"] = ours["objective"] / theirs["objective"]
    return cell


def markdown(result: dict) -> str:
    machine_, versions, load = result["machine"], result["versions"], result["load"]
    quiet = (f"load average {load['loadAtStart']} at the start; other processes kept "
             f"{load['coresBusyWithOthers']} cores busy on average")
    if not load["wasIdleAtStart"] or (load["coresBusyWithOthers"] or 0) > TOLERATED_CORES:
        quiet += ". **The machine was not idle: read the spreads**"
    lines = [
        f"    {result['command']}", "",
        f"- {result['date']}, {result['rounds']} rounds: one unmeasured run of both, then both in "
        "turn; medians, and the least and most",
        f"- {machine_['cpu']}, {machine_['cores']} cores, {machine_['memoryGiB']} GiB, "
        f"{machine_['system']}; {result['threads']} threads each",
        f"- tessera {versions['tessera']}, instruction set {result['variant']}; "
        f"faiss-cpu {versions['faiss-cpu']} ({versions['faissCompileOptions']})",
        f"- {quiet}",
        f"- {result['iterations']} iterations from the same random rows; tessera assigns once more, "
        "to the centroids it returns",
        "- objective: the sum of squared distances to the final centroids, computed alike for both",
        "", "| data | k | competitor | s | least .. most | over tessera | objective |",
        "|---|---|---|---|---|---|---|"]
    for cell in result["cells"]:
        for name, figures in cell["competitors"].items():
            over = figures["median"] / cell["competitors"]["tessera"]["median"]
            lines.append(
                f"| {cell['data']} {cell['rows']:,} x {cell['dimension']} | {cell['k']} | {name} | "
                f"{figures['median']:.3g} | {min(figures['seconds']):.3g} .. "
                f"{max(figures['seconds']):.3g} | {over:.2f} | {figures['objective']:.6g} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    options = arguments()
    # Read when the libraries are loaded, so before they are.
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]:
        os.environ[name] = str(options.threads)
    import faiss

    faiss.omp_set_num_threads(options.threads)
    try:
        data = datasets.wordnet()
    except datasets.Missing as reason:
        print(reason, file=sys.stderr)
        return 66
    idle = machine.wait_until_idle(options.wait)
    others = machine.Others()
    started = datetime.now(timezone.utc)
    with tempfile.TemporaryDirectory() as folder:
        cells = [measure(options, data, k, Path(folder)) for k in options.k]
    hidden = sys.argv.index("--tessera")
    words = ["Benchmarks/kmeans/run.sh", *sys.argv[1:hidden], *sys.argv[hidden + 2 :]]
    result = {
        "command": " ".join(words), "date": started.isoformat(timespec="seconds"),
        "threads": options.threads, "rounds": options.rounds, "iterations": options.iterations,
        "machine": machine.describe(), "versions": machine.versions(),
        "variant": cells[0]["competitors"]["tessera"]["details"]["variant"],
        "load": {**idle, "coresBusyWithOthers": others.busy_cores()}, "cells": cells,
    }
    stem = f"{started.date()}-kmeans-{result['variant']}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = markdown(result)
    (options.out / f"{stem}.md").write_text(text)
    print(text)
    worse = [c["k"] for c in cells if c["objectiveOverPeer"] > 1 + TOLERANCE]
    if worse:
        print(f"the objective at k = {worse} is more than 0.5 % worse than faiss's", file=sys.stderr)
    return 70 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
