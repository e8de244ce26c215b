"""Pure functions for sets that lie on many machines: an engine such as Dask or Ray runs them where and as
often as it likes. `tessera.machines` puts them together."""

from __future__ import annotations

from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass

import numpy as np

from . import _library as library
from ._arrays import address, as_matrix, as_rows, metric_number
from ._engine import _STARTS, _device, _named
from ._library import Handle, TesseraError, check, lib, run


def _options(metric="l2", init="k-means++", seed=1234, chunk_rows=0, weights=None, count=0):
    """Returns options of k-means, and what has to stay alive as long as they do."""
    options = library.KMeansOptions(
        metric=metric_number(metric), start=_named(_STARTS, init, "init"), seed=seed,
        chunk_rows=chunk_rows)
    if weights is not None:
        weights = np.ascontiguousarray(weights, np.float32)
        if weights.shape != (count,):
            raise TesseraError(
                f"k-means: {weights.size} weights for {count} rows", 2, "invalidShape")
        options.weights = address(weights)
    return options, weights


def kmeans_start_rows(row_count, k, *, seed=1234, init="k-means++") -> np.ndarray:
    """Returns the numbers of the rows that centroids start from, of `row_count` rows: the seed alone
    decides."""
    options, _ = _options(init=init, seed=seed)
    count = c_int64()
    arguments = (row_count, k, byref(options))
    check(lib.tessera_kmeans_start_rows(*arguments, None, 0, byref(count)))
    rows = np.empty(count.value, np.int64)
    check(lib.tessera_kmeans_start_rows(*arguments, address(rows), rows.size, byref(count)))
    return rows


def kmeans_start(rows, row_count, k, *, seed=1234, init="k-means++", metric="l2", weights=None,
                 device="auto", threads=0, progress=None, timeout=None) -> np.ndarray:
    """Returns the centroids to start from: those that `kmeans` of all rows starts from. `rows` are those
    that `kmeans_start_rows` names, in its order, and `weights` theirs."""
    rows = as_matrix(rows, "rows")
    options, _keeps = _options(metric, init, seed, 0, weights, len(rows))
    if not 1 <= k <= len(rows):
        raise TesseraError(f"k-means: {k} clusters of {len(rows)} rows", 2, "invalidShape")
    centroids = np.empty((k, rows.shape[1]), np.float32)
    run(
        lib.tessera_kmeans_start_centroids, byref(as_rows(rows)), row_count, k, byref(options),
        _device(device, threads).value, None, address(centroids),
        control_at=5, progress=progress, timeout=timeout, large=True)
    return centroids


def kmeans_partial(rows, first_row, centroids, *, chunk_rows, metric="l2", weights=None,
                   device="auto", threads=0, progress=None, timeout=None) -> bytes:
    """Returns what rows say about centroids, as bytes to be sent, stored and merged.

    `rows` are whole chunks of `chunk_rows` rows, only the last of all may be shorter; `first_row` is the
    number of the first of them among all, a multiple of `chunk_rows`.
    """
    rows, centroids = as_matrix(rows, "rows"), as_matrix(centroids, "centroids")
    options, _keeps = _options(metric, chunk_rows=chunk_rows, weights=weights, count=len(rows))
    out = c_void_p()
    run(
        lib.tessera_kmeans_partial, byref(as_rows(rows)), first_row, byref(as_rows(centroids)),
        byref(options), _device(device, threads).value, None, byref(out),
        control_at=5, progress=progress, timeout=timeout, large=True)
    return _bytes(Handle.taking(out))


def _bytes(handle: Handle) -> bytes:
    data, size = c_void_p(), c_int64()
    check(lib.tessera_bytes_get(handle.value, byref(data), byref(size)))
    return library.string_at(data, size.value)


def kmeans_merge(parts) -> bytes:
    """Returns one partial result of several, in whatever order and grouping they come; the bytes are the
    same."""
    parts = [bytes(part) for part in parts]
    addresses = (library.c_char_p * len(parts))(*parts)
    sizes = np.array([len(part) for part in parts], np.int64)
    return _bytes(Handle(lib.tessera_kmeans_merge, addresses, address(sizes), len(parts)))


@dataclass(frozen=True, eq=False)
class KMeansStep:
    """What follows from the rows of all machines: the `centroids` to go on with, and of the old ones the
    `counts` of their rows and the `objective`.

    `repaired` says that clusters without rows were moved to rows far from theirs, and nothing else was done:
    rows are to be compared with the new centroids before this counts as an update. `converged` says that the
    centroids are the same.
    """

    centroids: np.ndarray
    counts: np.ndarray
    objective: float
    repaired: bool
    converged: bool


def kmeans_step(part, row_count, centroids) -> KMeansStep:
    """Returns the centroids that follow from what all rows, 0 to `row_count - 1`, say about `centroids`."""
    centroids, part = as_matrix(centroids, "centroids"), bytes(part)
    following = np.empty(centroids.shape, np.float32)
    counts = np.empty(len(centroids), np.int64)
    report = library.KMeansStepReport()
    check(lib.tessera_kmeans_step(
        part, len(part), row_count, byref(as_rows(centroids)), address(following), address(counts),
        byref(report)))
    return KMeansStep(
        following, counts, report.objective, bool(report.repaired), bool(report.converged))


@dataclass(frozen=True, eq=False)
class Shard:
    """A part of a set that others search: which ids it has, and a ball that holds all of its rows, under the
    cosine at unit length. Some numbers, to be sent to whoever shares searches out."""

    first_id: int
    count: int
    metric: str
    center: np.ndarray
    radius: float

    @classmethod
    def of(cls, rows, first_id, metric="ip") -> "Shard":
        """Measures the ball, where the rows are. Row i has the id `first_id + i`."""
        rows = as_matrix(rows, "rows")
        center, radius = np.empty(rows.shape[1], np.float32), np.empty(1, np.float32)
        run(
            lib.tessera_shard_ball, byref(as_rows(rows)), metric_number(metric), None,
            address(center), address(radius), control_at=2, large=rows.size > 10_000_000)
        return cls(int(first_id), len(rows), metric, center, float(radius[0]))


def shard_bounds(shards, queries) -> np.ndarray:
    """Returns a score for each query and shard (queries x shards) that no row of the shard is better than, by
    the triangle inequality."""
    shards, queries = list(shards), as_matrix(queries, "queries")
    if not shards or any(shard.metric != shards[0].metric for shard in shards):
        raise TesseraError("shards: give at least one, and of one metric")
    if any(shard.center.shape != queries.shape[1:] for shard in shards):
        raise TesseraError(
            f"shards: queries have {queries.shape[1]} dimensions, a shard has others", 2, "invalidShape")
    centers = np.stack([np.asarray(shard.center, np.float32) for shard in shards])
    radii = np.array([shard.radius for shard in shards], np.float32)
    bounds = np.empty((len(queries), len(shards)), np.float32)
    check(lib.tessera_shard_bounds(
        byref(as_rows(centers)), address(radii), metric_number(shards[0].metric),
        byref(as_rows(queries)), address(bounds)))
    return bounds


def shards_left(bounds, scores, metric="ip", searched=None) -> np.ndarray:
    """Tells (queries x shards) which shards may still hold a row that belongs to the hits.

    `bounds` are those of `shard_bounds`, `scores` (queries x k) those of the hits so far, and `searched`, as
    this returns them, says which shards these are of. No True for a query proves that its hits are those of
    all rows.
    """
    bounds, scores = (np.ascontiguousarray(given, np.float32) for given in (bounds, scores))
    if bounds.ndim != 2 or scores.ndim != 2 or len(bounds) != len(scores):
        raise TesseraError(
            "shards: bounds are queries x shards, and scores queries x k", 2, "invalidShape")
    if searched is not None:
        searched = np.ascontiguousarray(searched, np.uint8)
        if searched.shape != bounds.shape:
            raise TesseraError("shards: give a flag for each bound", 2, "invalidShape")
    left = np.empty(bounds.shape, np.bool_)
    check(lib.tessera_shards_left(
        address(bounds), None if searched is None else address(searched), *bounds.shape,
        address(scores), scores.shape[1], metric_number(metric), address(left), None))
    return left
