"""Those who search: each has a name, `prepare_seconds` and `search`.

A peer gets the rows as Float32, or as the file has them where it computes in that type. It is
handed them before the clock starts; making its index ready is timed apart from searching.
"""

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import faiss
import numpy as np
import usearch.index
from usearch.index import MetricKind, ScalarKind

from datasets import DataSet


@dataclass
class Found:
    seconds: float
    ids: np.ndarray
    scores: np.ndarray | None = None
    details: dict = field(default_factory=dict)


class Tessera:
    """The command, which measures itself: loading and preparing are not part of searching."""

    name = "tessera"
    note = (
        "a new process for each measurement, whose first search counts (seconds.search of --json)")
    is_slow = False

    def __init__(self, binary: str, data: DataSet, threads: int):
        self.binary, self.data, self.threads = binary, data, threads
        self.prepare_seconds = None  # known after each search

    def arguments(self, k: int, one_by_one: bool) -> list[str]:
        return (
            ["--metric", self.data.metric, "-k", str(k), "--device", "cpu",
             "--threads", str(self.threads), "--repeat", "1", "--json", "--quiet"]
            + (["--batch", "1"] if one_by_one else []))

    def search(self, queries: np.ndarray, k: int, one_by_one: bool) -> Found:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "found"
            process = subprocess.run(
                [self.binary, "search", "--base", self.data.base_path,
                 "--queries", self.data.queries_path, "--limit", str(len(queries)), "--out", out,
                 *self.arguments(k, one_by_one)], stdout=subprocess.PIPE, check=True)
            ids, scores = np.load(f"{out}.ids.npy"), np.load(f"{out}.scores.npy")
        details = json.loads(process.stdout)
        return Found(details["seconds"]["search"][0], ids, scores, details)


class Faiss:
    """A FAISS index, built from Float32 rows."""

    def __init__(self, name: str, make: Callable[[int], faiss.Index], base: np.ndarray,
                 note: str = "", is_slow: bool = False):
        self.name, self.note, self.is_slow = f"faiss {name}", note, is_slow
        start = time.perf_counter()
        self.index = make(base.shape[1])
        if not self.index.is_trained:
            self.index.train(base)
        self.index.add(base)
        self.prepare_seconds = time.perf_counter() - start

    def search(self, queries: np.ndarray, k: int, one_by_one: bool) -> Found:
        queries = queries.astype(np.float32)
        start = time.perf_counter()
        if one_by_one:
            found = [self.index.search(queries[i : i + 1], k)[1] for i in range(len(queries))]
        else:
            found = [self.index.search(queries, k)[1]]
        seconds = time.perf_counter() - start
        return Found(seconds, np.concatenate(found))


class USearch:
    """usearch's exact search, which has no index to build, in the element type of the file."""

    is_slow = True
    prepare_seconds = 0.0
    types = {"float16": ScalarKind.F16, "float32": ScalarKind.F32, "uint8": ScalarKind.U8}

    def __init__(self, data: DataSet, base: np.ndarray, threads: int):
        self.base, self.threads = base, threads
        self.metric = {"ip": MetricKind.IP, "l2": MetricKind.L2sq}[data.metric]
        self.type = self.types[base.dtype.name]
        self.name = f"usearch exact {self.type.name.lower()}"
        self.note = "no index; the rows as the file has them"

    def search(self, queries: np.ndarray, k: int, one_by_one: bool) -> Found:
        queries = queries.astype(self.base.dtype)
        start = time.perf_counter()
        if one_by_one:
            found = [self._keys(query, k)[None] for query in queries]
        else:
            found = [self._keys(queries, k)]
        seconds = time.perf_counter() - start
        return Found(seconds, np.concatenate(found))

    def _keys(self, queries: np.ndarray, k: int) -> np.ndarray:
        return usearch.index.search(
            self.base, queries, k, self.metric, exact=True, threads=self.threads, dtype=self.type
        ).keys.astype(np.int64)


def flat(data: DataSet, rows: np.ndarray) -> Faiss:
    if data.metric == "ip":
        return Faiss("IndexFlatIP", faiss.IndexFlatIP, rows)
    return Faiss("IndexFlatL2", faiss.IndexFlatL2, rows)


def exact_peers(data: DataSet, base: np.ndarray, threads: int) -> list:
    """The flat index first: ratios of the summary are against it."""
    rows = base.astype(np.float32, copy=False)
    dimension = base.shape[1]
    peers = [flat(data, rows)]
    if data.metric == "ip":
        peers.append(factory("FlatIPPanorama8", faiss.METRIC_INNER_PRODUCT, rows))
    if data.metric == "l2":
        peers.append(factory(f"PCA{dimension},FlatL2Panorama8", faiss.METRIC_L2, rows))
    elif data.has_unit_length:
        peers.append(factory(
            f"PCA{dimension},FlatL2Panorama8", faiss.METRIC_L2, rows,
            "asked for l2, which ranks rows of unit length alike"))
    if base.dtype == np.uint8:
        direct = faiss.ScalarQuantizer.QT_8bit_direct
        peers.append(Faiss(
            "ScalarQuantizer 8bit_direct",
            lambda d: faiss.IndexScalarQuantizer(d, direct, faiss.METRIC_L2), rows,
            "keeps the bytes as they are", is_slow=True))
    return peers + [USearch(data, base, threads)]


def factory(name: str, metric: int, rows: np.ndarray, note: str = "") -> Faiss:
    return Faiss(name, lambda d: faiss.index_factory(d, name, metric), rows, note, is_slow=True)
