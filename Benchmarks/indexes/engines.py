"""Those who search an index: Tessera's command, and faiss-cpu and rabitqlib in this process.

Each has `name`, `spec`, `build_seconds`, `sizes` in bytes and `search`, which times itself.
"""

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import faiss
import numpy as np
import rabitqlib


# Of a specification of rabitqlib: with the faster look-up tables, not those it takes by itself.
PLAIN = ", 8-bit tables"


@dataclass
class Found:
    seconds: float  # of the search that counts
    ids: np.ndarray
    details: dict = field(default_factory=dict)


@dataclass
class Queries:
    """The same queries as an array of Float32, and as a file for the command."""

    values: np.ndarray
    path: str


def by_turns(engines: list, rounds: int, k: int, queries: Queries, probes: int,
             one_by_one: bool = False) -> dict[str, list[Found]]:
    """One unmeasured search of each engine, then rounds that ask each in turn."""
    found = {engine.name: [] for engine in engines}
    for number in range(rounds + 1):
        for engine in engines:
            result = engine.search(queries, k, probes, one_by_one)
            if number > 0:
                found[engine.name].append(result)
    return found


class Tessera:
    """The command: a new process for each measurement, with one search or more."""

    def __init__(self, options, folder: str, spec: str, rows: str, metric: str, repeat: int = 1):
        self.options, self.repeat = options, repeat
        self.name, self.spec = f"tessera {spec}", spec
        self.folder = tempfile.mkdtemp(dir=folder)
        self.index = f"{self.folder}/tessera.index"
        self.built = self.run(
            "build", "--spec", spec, "--base", rows, "--metric", metric, "--out", self.index)
        self.build_seconds = self.built["seconds"]["train"] + self.built["seconds"]["add"]
        self.sizes = {"file": os.path.getsize(self.index)}

    def run(self, *words):
        command = [
            self.options.tessera, *map(str, words), "--device", "cpu", "--threads",
            str(self.options.threads), "--json", "--quiet"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: status {done.returncode}")
        return json.loads(done.stdout)

    def search(self, queries, k, probes, one_by_one) -> Found:
        """Where it searches more than once, the median of all but the first search counts."""
        out = f"{self.folder}/found"
        details = self.run(
            "search", "--index", self.index, "--queries", queries.path, "-k", k, "--probes", probes,
            "--repeat", self.repeat, "--out", out, *(["--batch", 1] if one_by_one else []))
        self.sizes["memory"] = details["residentBytes"]
        searches = details["seconds"]["search"]
        seconds = statistics.median(searches[1:] or searches)
        return Found(seconds, np.load(f"{out}.ids.npy"), details)


class Faiss:
    def __init__(self, spec: str, rows: np.ndarray, metric: str):
        self.name, self.spec = f"faiss {spec}", spec
        start = time.perf_counter()
        self.index = faiss.index_factory(rows.shape[1], spec, faiss_metric(metric))
        self.index.train(rows)
        self.train_seconds = time.perf_counter() - start
        self.index.add(rows)
        self.build_seconds = time.perf_counter() - start
        if isinstance(self.index, faiss.IndexRefine):
            # As many hits are scored again as Tessera does by default.
            self.index.k_factor = 4

    @property
    def sizes(self):
        return {"memory": faiss.serialize_index(self.index).nbytes}

    def search(self, queries, k, probes, one_by_one) -> Found:
        faiss.ParameterSpace().set_index_parameter(self.index, "nprobe", probes)
        start = time.perf_counter()
        if one_by_one:
            ids = np.concatenate([self.index.search(query[None], k)[1] for query in queries.values])
        else:
            ids = self.index.search(queries.values, k)[1]
        return Found(time.perf_counter() - start, ids)


class Lists:
    """Clusters of rows, as rabitqlib makes them: its indexes of several bits share them."""

    def __init__(self, count: int, rows: np.ndarray, metric: str, threads: int):
        start = time.perf_counter()
        # Its guide says spherical for the inner product of normalized rows.
        self.clusters = rabitqlib.RaBitQKMeans(
            rows.shape[1], count, num_threads=threads, spherical=metric == "ip",
            final_assignment=rabitqlib.FinalAssignmentMode.Exact)
        self.clusters.train(rows)
        self.seconds = time.perf_counter() - start
        self.count, self.rows, self.metric, self.threads = count, rows, metric, threads


class Rabitqlib:
    """An `IvfIndex` of some bits a number; the threads are those of its own pool."""

    def __init__(self, lists: Lists, bits: int):
        self.name, self.spec = f"rabitqlib {bits} bits", f"IVF{lists.count}, {bits} bits"
        self.threads, self.high_accuracy = lists.threads, None
        count, dimension = lists.rows.shape
        start = time.perf_counter()
        self.index = rabitqlib.IvfIndex(dimension, count, lists.count, bits, lists.metric)
        self.index.build(
            lists.rows, lists.clusters.centroids, lists.clusters.assignments, self.threads)
        self.build_seconds = lists.seconds + time.perf_counter() - start

    def plain(self) -> "Rabitqlib":
        """The same index with 8-bit look-up tables: faster and less exact than its own choice."""
        other = copy.copy(self)
        other.name, other.spec = self.name + PLAIN, self.spec + PLAIN
        other.high_accuracy = False
        return other

    @property
    def sizes(self):
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(f"{folder}/index")
            return {"memory": os.path.getsize(f"{folder}/index")}

    def search(self, queries, k, probes, one_by_one) -> Found:
        arguments = k, probes, self.high_accuracy, self.threads
        start = time.perf_counter()
        if one_by_one:
            ids = np.concatenate(
                [self.index.search(query[None], *arguments)[0] for query in queries.values])
        else:
            ids = self.index.search(queries.values, *arguments)[0]
        return Found(time.perf_counter() - start, ids.astype(np.int64))


def faiss_metric(metric: str) -> int:
    return faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2


def recall(ids, truth):
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth)]))


def exact(rows, queries, metric, k):
    index = faiss.IndexFlat(rows.shape[1], faiss_metric(metric))
    index.add(rows)
    return index.search(queries, k)[1]
