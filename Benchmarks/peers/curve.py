"""Curve mode: exact search against HNSW at recall 0.95, over growing generated sets."""

import argparse
import gc
import sys
from collections.abc import Iterator

import faiss
import numpy as np

import datasets
from peers import Faiss, Tessera, flat
from rounds import measure
from truth import Truth

ROWS = [10_000, 30_000, 100_000, 300_000, 1_000_000, 4_000_000]
DIMENSION, CLUSTERS, QUERIES, K = 96, 1000, 1000, 10
RECALL, WIDEST = 0.95, 4096


def run(options: argparse.Namespace, skipped: list[str]) -> Iterator[dict]:
    """The cells one by one, as they are measured; why some are missing goes into `skipped`."""
    for rows in options.rows or ROWS:
        data = datasets.generated(
            options.tessera, "clustered", "l2", rows, DIMENSION, CLUSTERS, QUERIES)
        base, queries = data.base(), data.queries(QUERIES)
        truth = Truth(data, base, queries, K, QUERIES)
        print(f"{rows} rows: building HNSW32", file=sys.stderr)
        graph = Faiss("HNSW32", lambda d: faiss.IndexHNSWFlat(d, 32), base)
        width = tune(graph, queries, truth)
        if width is None:
            skipped.append(
                f"HNSW32 of {rows} rows: recall below {RECALL} even with efSearch {WIDEST}")
        else:
            graph.note = f"efSearch {width}"
        competitors = [flat(data, base), Tessera(options.tessera, data, options.threads)]
        competitors += [graph] if width else []
        yield {
            "data": data.name, "metric": data.metric, "rows": rows, "dimension": DIMENSION,
            "element": base.dtype.name, "queries": QUERIES, "oneByOne": False, "k": K,
            "truth": truth.source,
            **measure(competitors, truth, queries, K, False, options.rounds)}
        del graph, competitors, base
        gc.collect()  # graphs of gigabytes


def tune(graph: Faiss, queries: np.ndarray, truth: Truth) -> int | None:
    """Sets the smallest efSearch, found by bisection, that reaches the recall.

    FAISS takes no efSearch below k for less than k.
    """

    def reaches(width: int) -> bool:
        graph.index.hnsw.efSearch = width
        return truth.judge(graph.search(queries, K, False).ids).recall >= RECALL

    low = high = K
    while not reaches(high):
        if high >= WIDEST:
            return None
        low, high = high, min(2 * high, WIDEST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    graph.index.hnsw.efSearch = high
    return high
