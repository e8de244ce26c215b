"""k-means and exact search of a set that lies on many machines. The engine is yours: Dask, Ray, or a list.

Each function is given functions that ask your machines; it sends small values and merges what comes back. The
results are, byte for byte, those of one machine that has all rows (`tessera.kmeans` with the same `chunk_rows`,
`tessera.search`), whoever had which rows. docs/many-machines.md shows both with Dask and with Ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._arrays import as_matrix
from ._engine import merge_top_k
from ._library import TesseraError
from ._machines import (
    KMeansStep, kmeans_merge, kmeans_start, kmeans_start_rows, kmeans_step, shard_bounds, shards_left,
)


@dataclass(frozen=True, eq=False)
class SharedClusters:
    """What k-means found: `centroids` (k x dimension), the `counts` of rows that each is nearest to, and how it
    went: `iterations` are the updates that changed them. Labels are where the rows are: `tessera.kmeans(rows, k, init=centroids, iterations=0).labels`."""

    centroids: np.ndarray
    counts: np.ndarray
    objective: float
    iterations: int
    converged: bool


def kmeans(row_count, k, *, rows, partials, metric="l2", iterations=20, seed=1234, init="k-means++",
           device="auto", threads=0) -> SharedClusters:
    """Groups rows that lie on many machines into k clusters.

    `rows(numbers)` returns the rows that have these numbers among all, in this order: a few thousand, once, or
    none where `init` is an array of centroids. `partials(centroids)` returns what `kmeans_partial` makes of all
    rows, in any grouping, after `kmeans_merge` of some of them or not.
    """
    if isinstance(init, str):
        numbers = kmeans_start_rows(row_count, k, seed=seed, init=init)
        centroids = kmeans_start(
            rows(numbers), row_count, k, seed=seed, init=init, metric=metric, device=device,
            threads=threads)
    else:
        centroids = as_matrix(init, "init")

    def compared() -> KMeansStep:
        return kmeans_step(kmeans_merge(partials(centroids)), row_count, centroids)

    step, updates = compared(), 0
    while step.repaired or (updates < iterations and not step.converged):
        updates += not step.repaired
        centroids = step.centroids
        step = compared()
    return SharedClusters(centroids, step.counts, step.objective, updates, step.converged)


@dataclass(frozen=True, eq=False)
class ShardHits:
    """The hits of all shards, and their certificate: a shard that was not `searched` (queries x shards) has a
    bound worse than the query's last hit. `certified` says so for each query."""

    scores: np.ndarray
    ids: np.ndarray
    searched: np.ndarray
    certified: np.ndarray


def search(shards, queries, k, ask) -> ShardHits:
    """Finds the k nearest rows of all `shards` to every query, and leaves out those that cannot hold any.

    `ask(tasks)` returns for each task, which is the number of a shard and some queries, what `search_shard` finds
    among the shard's rows for the same k. It is called twice at most: for the shard nearest to each query, and
    then for all that may hold a better row.
    """
    shards, queries = list(shards), as_matrix(queries, "queries")
    if k < 1:
        raise TesseraError(f"search: k is {k}, it must be at least 1")
    bounds = shard_bounds(shards, queries)
    metric = shards[0].metric
    smallest_first = metric == "l2"
    nearest = bounds.argmin(axis=1) if smallest_first else bounds.argmax(axis=1)
    turn = nearest[:, None] == np.arange(len(shards))
    searched = np.zeros_like(turn)
    scores = np.full((len(queries), k), np.inf if smallest_first else -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    while turn.any():
        own = {shard: np.flatnonzero(turn[:, shard]) for shard in np.flatnonzero(turn.any(axis=0))}
        found = ask([(int(shard), queries[some]) for shard, some in own.items()])
        for some, hits in zip(own.values(), found, strict=True):
            scores[some], ids[some] = merge_top_k([(scores[some], ids[some]), hits], k, metric)
        searched |= turn
        turn = shards_left(bounds, scores, metric, searched)
    return ShardHits(scores, ids, searched, ~turn.any(axis=1))
