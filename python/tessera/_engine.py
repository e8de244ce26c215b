"""What `import tessera` offers."""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass

import numpy as np

from . import _library as library
from ._arrays import METRICS, address, as_ids, as_matrix, as_rows, metric_number, taken_rows
from ._library import Handle, TesseraError, check, lib, run

_search_nearest = lib.tessera_search_nearest

_empty, _INT64, _FLOAT32 = np.empty, np.dtype(np.int64), np.dtype(np.float32)
# An array of no characters where an array of NumPy is, which calls take as its address.
_place = (ctypes.c_char * 0).from_buffer

# A call of more multiply-adds than this is worth a thread that Ctrl-C can stop: about 10 ms.
_LARGE = 200_000_000


@dataclass(frozen=True)
class Device:
    """A device of this machine, as `devices()` lists it."""

    identifier: str
    kind: str
    name: str
    driver: str
    variant: str
    memory_bytes: int
    compute_units: int

    @classmethod
    def _of(cls, info: library.DeviceInfo) -> "Device":
        return cls(
            *(getattr(info, name).decode() for name, _ in info._fields_[:5]),
            info.memory_bytes, info.compute_units)


def version() -> str:
    """Returns the version of the library."""
    return lib.tessera_version().decode()


def devices() -> list[Device]:
    """Returns every device of this machine. Loads the OpenCL drivers."""
    count = c_int64()
    check(lib.tessera_devices(None, 0, byref(count)))
    infos = (library.DeviceInfo * count.value)()
    check(lib.tessera_devices(infos, count.value, byref(count)))
    return [Device._of(info) for info in infos[: count.value]]


_open: dict[tuple[str | None, int], Handle] = {}
_lock = threading.Lock()


def _device(name: str | None, threads: int = 0) -> Handle:
    """Opens a device once."""
    key = (name, threads)
    known = _open.get(key)
    if known is None:
        with _lock:
            known = _open.get(key)
            if known is None:
                known = Handle(
                    lib.tessera_device_open, name.encode() if name else None,
                    byref(library.DeviceOptions(threads=threads)))
                _open[key] = known
    return known


def _filter(only) -> Handle | None:
    """Makes a filter of a range, flags (one for each row) or ids."""
    if only is None:
        return None
    if isinstance(only, range):
        if only.step == 1:
            first, end = (min(max(at, -(2**63)), 2**63 - 1) for at in (only.start, only.stop))
            return Handle(lib.tessera_filter_range, first, max(first, end))
        only = np.fromiter(only, np.int64)
    only = np.asarray(only)
    if only.dtype == np.bool_:
        words = np.zeros((only.size + 63) // 64, np.uint64)
        packed = np.packbits(only.ravel(), bitorder="little")
        words.view(np.uint8)[: packed.size] = packed
        return Handle(lib.tessera_filter_bitmap, address(words), words.size, 0)
    ids = as_ids(only, "only")
    return Handle(lib.tessera_filter_ids, address(ids), ids.size)


# Options of searches without a filter, by probes and recall.
_efforts: dict = {(None, None): None}


def _options(only, probes, recall):
    """Returns options to pass on, and the filter that they need."""
    if only is None:
        key = (probes, recall)
        options = _efforts.get(key, key)
        if options is not key:
            return options, None
    filter = _filter(only)
    options = byref(library.SearchOptions(
        filter=filter.value if filter else None, probes=probes or 0, recall=recall or 0))
    if filter is None and len(_efforts) < 1000:
        _efforts[key] = options
    return options, filter


def _nearest(search: Handle, queries, k, rows, only, probes, recall, progress, timeout):
    # The queries stay alive as long as the call.
    queries, asked, count, dimension = taken_rows(queries, "queries")
    if k < 1:
        raise TesseraError(f"search: k is {k}, it must be at least 1")
    shape = (count, k)
    ids, scores = _empty(shape, _INT64), _empty(shape, _FLOAT32)
    options = filter = None
    if only is not None or probes is not None or recall is not None:
        options, filter = _options(only, probes, recall)
    if progress is None and timeout is None and 0 < count * dimension * rows < _LARGE:
        # The commonest call by the shortest way.
        status = _search_nearest(
            search.value, asked, k, options, None, _place(ids), _place(scores), None)
        if status:
            raise library.failure(status)
    else:
        run(
            _search_nearest, search.value, asked, k, options, None, address(ids),
            address(scores), None,
            control_at=4, progress=progress, timeout=timeout,
            large=count * dimension * rows >= _LARGE)
    return scores, ids


def _within(search: Handle, queries, score, only, probes, recall, progress, timeout):
    queries, asked, count, _ = taken_rows(queries, "queries")
    hits = c_void_p()
    options, _keeps = _options(only, probes, recall)
    run(
        lib.tessera_search_within, search.value, asked, score,
        options, None, byref(hits), None,
        control_at=4, progress=progress, timeout=timeout, large=True)
    owner = Handle.taking(hits)
    found = c_int64()
    check(lib.tessera_hits_count(owner.value, None, byref(found)))
    starts = np.empty(count + 1, np.int64)
    ids = np.empty(found.value, np.int64)
    scores = np.empty(found.value, np.float32)
    check(
        lib.tessera_hits_copy(
            owner.value, address(starts), address(ids), address(scores)))
    return starts, scores, ids


class Vectors:
    """Rows that are searched exactly; made ready once, for many searches.

    `rows` is an array, which is used where it is and must not be changed meanwhile, or the path of a
    file (.npy, .fvecs, .bvecs, .fbin, ...), which is mapped. Row i has the id `first_id + i`.
    """

    def __init__(self, rows, metric: str = "ip", device: str | None = "auto", threads: int = 0, *,
                 first_id: int = 0):
        number = metric_number(metric)
        if isinstance(rows, (str, os.PathLike)):
            self._vectors = Handle(lib.tessera_vectors_open, os.fsencode(rows))
        else:
            array = as_matrix(rows, "rows")
            self._vectors = Handle(
                lib.tessera_vectors_wrap, byref(as_rows(array)), None, None, keeps=array)
        described = library.Rows()
        check(lib.tessera_vectors_rows(self._vectors.value, byref(described)))
        self.ntotal, self.d, self.metric = described.count, described.dimension, metric
        self._search = Handle(
            lib.tessera_search_shard, self._vectors.value, first_id, number,
            _device(device, threads).value, keeps=self._vectors)

    def search(self, queries, k, *, only=None, progress=None, timeout=None):
        """Returns `(scores, ids)` of the k nearest rows to every query, best first.

        `only` selects the rows that may be hits: a range, an array of bool, or ids. Where there are
        fewer than k hits, ids are -1. `progress(stage, share)` hears of the search, and ends it by
        returning False; `timeout` is in seconds.
        """
        return _nearest(
            self._search, queries, k, self.ntotal, only, None, None, progress, timeout)

    def range_search(self, queries, score, *, only=None, progress=None, timeout=None):
        """Returns `(starts, scores, ids)` of all rows with a better score: query q has those at
        `starts[q]` up to `starts[q + 1]`."""
        return _within(self._search, queries, score, only, None, None, progress, timeout)

    def __len__(self) -> int:
        return self.ntotal

    def __repr__(self) -> str:
        return f"tessera.Vectors({self.ntotal} x {self.d}, metric={self.metric!r})"


def search(base, queries, k, metric="ip", device="auto", *, only=None, threads=0, progress=None,
           timeout=None):
    """Returns `(scores, ids)` of the k rows of `base` that are nearest to each query, exactly.

    `base` may be the path of a file. To search the same rows again, keep a `Vectors`.
    """
    return Vectors(base, metric, device, threads).search(
        queries, k, only=only, progress=progress, timeout=timeout)


def search_shard(rows, queries, k, first_id, metric="ip", device="auto", *, threads=0,
                 progress=None, timeout=None):
    """Returns `(scores, ids)` of the k nearest rows of a part of a set, whose row i has the id
    `first_id + i` there. A pure function, for engines that share a search out; `merge_top_k` makes the
    set's hits of what it returns."""
    return Vectors(rows, metric, device, threads, first_id=first_id).search(
        queries, k, progress=progress, timeout=timeout)


def merge_top_k(parts, k, metric="ip"):
    """Returns `(scores, ids)` of the k best of several `(scores, ids)` of the same queries, ties by lower
    id. Merging some parts first gives the same bytes; with disjoint parts of at least k hits each, they
    are those of a search of all rows."""
    parts = [(np.asarray(scores, np.float32), np.asarray(ids, np.int64)) for scores, ids in parts]
    number = metric_number(metric)
    if not parts:
        raise TesseraError("merge: there are no parts", 2, "invalidShape")
    count = len(parts[0][1])
    if any(ids.ndim != 2 or ids.shape != scores.shape or len(ids) != count for scores, ids in parts):
        raise TesseraError(
            "merge: parts are scores and ids, both queries x hits, of the same queries", 2,
            "invalidShape")
    width = max(1, max(ids.shape[1] for _, ids in parts))
    worst = np.inf if metric in ("l2", "hamming", "jaccard") else -np.inf
    all_ids = np.full((len(parts), count, width), -1, np.int64)
    all_scores = np.full((len(parts), count, width), worst, np.float32)
    for part, (scores, ids) in enumerate(parts):
        all_ids[part, :, : ids.shape[1]], all_scores[part, :, : ids.shape[1]] = ids, scores
    if k < 1:
        raise TesseraError(f"merge: k is {k}, it must be at least 1")
    best_ids, best_scores = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    check(lib.tessera_merge_top_k(
        address(all_ids), address(all_scores), len(parts), count, width, number, k,
        address(best_ids), address(best_scores)))
    return best_scores, best_ids


class Index:
    """An index by its factory string, such as "IVF1024,Flat" or "IVF1024,PQ48x4fs,RFlat".

    It is trained on the rows given to `train`, or else on those that were added before it is first used.
    Rows may be added, changed and removed at any time. Those that are added once it is built are all looked
    at by every search, until `compact` puts them into lists and codes; an index in memory does so by itself
    when they are more than a quarter of its rows.

    Changes are in memory alone, but for an index that `open` has opened: those are in its file, or the
    journal beside it, when the call returns.
    """

    def __init__(self, spec: str, dim: int, metric: str = "ip", *, device: str | None = "auto",
                 threads: int = 0, seed: int = 1234, training_limit: int = 0):
        metric_number(metric)
        self.spec, self.d, self.metric = spec, int(dim), metric
        self._device = _device(device, threads)
        self._seed, self._training_limit = seed, training_limit
        # Rows that wait for the index to be built, with ids of their own or the first of theirs.
        self._waiting: list[tuple[np.ndarray, np.ndarray | int]] = []
        self._next_id = 0
        self._living: Handle | None = None
        self._search: Handle | None = None
        self._stored = self._closed = False
        # Rows that no list holds yet.
        self._loose = 0
        self._lock = threading.RLock()
        self.ntotal = 0
        # Looked at where no probes are given: as many lists as held this share of the neighbors.
        self.recall = 0.95
        self.nprobe: int | None = None

    @classmethod
    def load(cls, path, *, device: str | None = "auto", threads: int = 0) -> "Index":
        """Reads the index in a file of Tessera's, or of FAISS; the file stays as it is."""
        index = Handle(lib.tessera_index_open, os.fsencode(path))
        return cls._of(Handle(lib.tessera_living_create, index.value), device, threads)

    @classmethod
    def open(cls, path, *, write: bool = True, device: str | None = "auto",
             threads: int = 0) -> "Index":
        """Opens the index in a file of Tessera's to change it, which one at a time may do; others get an
        error named "busy". With `write=False` it is searched, and `refresh` sees what others change."""
        living = Handle(lib.tessera_living_open, os.fsencode(path), 1 if write else 0)
        own = cls._of(living, device, threads)
        own._stored = True
        return own

    @classmethod
    def _of(cls, living: Handle, device, threads) -> "Index":
        info = library.LivingInfo()
        check(lib.tessera_living_describe(living.value, byref(info)))
        own = cls(info.specification.decode(), info.dimension, tuple(METRICS)[info.metric],
                  device=device, threads=threads)
        own._take(living)
        return own

    def close(self) -> None:
        """Gives back the file of an index that was opened, and what is in memory."""
        with self._lock:
            self._living = self._search = None
            self._waiting, self._closed = [], True

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def is_trained(self) -> bool:
        """True once the index has what rows need to be put in."""
        return self._living is not None

    def train(self, rows, *, progress=None, timeout=None) -> None:
        """Trains on rows, which are not added. An index that is trained already stays as it is."""
        rows = self._checked(rows)
        with self._lock:
            if self._living is None:
                self._require_open()
                index = self._made(lib.tessera_index_train, rows, (), 5, progress, timeout)
                self._take(Handle(lib.tessera_living_create, index.value))

    def add(self, rows) -> None:
        """Adds rows, whose ids go on from the highest there was. Until the index is built, arrays are
        kept and not copied."""
        self._add(rows, None)

    def add_with_ids(self, rows, ids) -> None:
        """Adds rows with ids of their own, which no row may have yet."""
        self._add(rows, as_ids(ids))

    def update(self, rows, ids) -> None:
        """Puts rows in the places of those that have the same ids, all at once."""
        rows, ids = self._checked(rows), as_ids(ids)
        with self._lock:
            check(lib.tessera_living_update(
                self._own().value, byref(as_rows(rows)), address(ids), ids.size))
            self._count()

    def remove_ids(self, ids) -> int:
        """Removes the rows with these ids (a range, or an array), and returns how many there were."""
        removed = c_int64()
        with self._lock:
            living = self._own().value
            if isinstance(ids, range):
                filter = _filter(ids)
                check(lib.tessera_living_remove_selected(living, filter.value, byref(removed)))
            else:
                ids = as_ids(ids)
                check(lib.tessera_living_remove(living, address(ids), ids.size, byref(removed)))
            self._count()
        return removed.value

    def compact(self, *, progress=None, timeout=None) -> None:
        """Puts all changes into lists and codes, and the file where there is one. Centroids and codebooks
        stay as they are."""
        with self._lock:
            run(
                lib.tessera_living_compact, self._own().value, self._device.value, None,
                control_at=2, progress=progress, timeout=timeout, large=True)
            self._count()

    def refresh(self) -> None:
        """Sees what others have changed in the file since."""
        with self._lock:
            check(lib.tessera_living_refresh(self._own().value))
            self._count()

    def verify(self) -> None:
        """Compares every checksum of the file and its journal."""
        check(lib.tessera_living_verify(self._own().value))

    def _checked(self, rows) -> np.ndarray:
        rows = as_matrix(rows, "rows")
        if rows.shape[1] != self.d:
            raise TesseraError(
                f"rows of {rows.shape[1]} dimensions, the index has {self.d}", 2, "invalidShape")
        return rows

    def _require_open(self) -> None:
        if self._closed:
            raise TesseraError("the index was closed; open it again")

    def _add(self, rows, ids) -> None:
        rows = self._checked(rows)
        if ids is not None and len(ids) != len(rows):
            raise TesseraError(f"{len(ids)} ids for {len(rows)} rows", 2, "invalidShape")
        with self._lock:
            if self._living is not None:
                check(lib.tessera_living_add(
                    self._living.value, byref(as_rows(rows)),
                    None if ids is None else address(ids), 0 if ids is None else ids.size, None))
                self._count()
                return
            self._require_open()
            if self._waiting and self._waiting[0][0].dtype != rows.dtype:
                raise TesseraError(
                    f"rows of {rows.dtype} cannot be added to rows of {self._waiting[0][0].dtype}")
            self._waiting.append((rows, self._next_id if ids is None else ids))
            self.ntotal += len(rows)
            self._next_id = max(
                self._next_id, self._next_id + len(rows) if ids is None
                else int(ids.max(initial=-1)) + 1)

    def build(self, *, progress=None, timeout=None) -> "Index":
        """Builds the index now, and not when it is first used."""
        with self._lock:
            if self._living is None:
                self._build(progress, timeout)
        return self

    def _made(self, call, rows, ids, control_at, progress, timeout) -> Handle:
        """Makes an index of rows."""
        vectors = Handle(lib.tessera_vectors_wrap, byref(as_rows(rows)), None, None, keeps=rows)
        out = c_void_p()
        run(
            call, self.spec.encode(), vectors.value, metric_number(self.metric), *ids,
            byref(library.IndexOptions(seed=self._seed, training_limit=self._training_limit)),
            self._device.value, None, byref(out),
            control_at=control_at, progress=progress, timeout=timeout, large=True)
        made = Handle.taking(out)
        made.keeps = vectors
        return made

    def _build(self, progress, timeout) -> None:
        self._require_open()
        parts = [rows for rows, _ in self._waiting]
        if not parts:
            parts = [np.empty((0, self.d), np.float32)]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        ids = None
        if any(isinstance(own, np.ndarray) for _, own in self._waiting):
            ids = np.concatenate([
                own if isinstance(own, np.ndarray) else np.arange(own, own + len(part))
                for part, own in self._waiting])
        given = (None, 0) if ids is None else (address(ids), ids.size)
        index = self._made(lib.tessera_index_build, rows, given, 7, progress, timeout)
        living = Handle(lib.tessera_living_create, index.value)
        # The index may look at these rows as long as it lives.
        living.keeps = index.keeps
        self._waiting = []
        self._take(living)

    def _take(self, living: Handle) -> None:
        """Goes on with an index, and adds the rows that waited for it."""
        self._living, self._search = living, None
        try:
            for rows, ids in self._waiting:
                self._add(rows, ids if isinstance(ids, np.ndarray) else None)
        except TesseraError:
            # The rows go on waiting.
            self._living = None
            raise
        self._waiting = []
        self._count()

    def _count(self) -> None:
        info = library.LivingInfo()
        check(lib.tessera_living_describe(self._living.value, byref(info)))
        self.ntotal, self._loose, self._next_id = info.count, info.added_count, info.next_id

    def _own(self) -> Handle:
        living = self._living
        if living is None:
            living = self.build()._living
        return living

    def _is_loose(self) -> bool:
        """Tells whether so many rows are in no list that a search has to put them there."""
        return 4 * self._loose > self.ntotal and not self._stored

    def _ready(self, progress=None, timeout=None) -> Handle:
        search = self._search
        if search is None or self._is_loose():
            with self._lock:
                living = self.build(progress=progress, timeout=timeout)._living
                if self._is_loose():
                    self.compact(progress=progress, timeout=timeout)
                if self._search is None:
                    self._search = Handle(
                        lib.tessera_search_living, living.value, self._device.value, keeps=living)
                search = self._search
        return search

    def _effort(self, probes, recall):
        if probes is None and recall is None:
            return (self.nprobe, None) if self.nprobe else (None, self.recall)
        return probes, recall

    def search(self, queries, k, *, probes=None, recall=None, only=None, progress=None,
               timeout=None):
        """Returns `(scores, ids)` of the k nearest rows to every query, best first; ids are -1 where
        there are fewer.

        Looks at `probes` lists (or `nprobe`), or at as many as held the share `recall` of the true
        neighbors when the index was built; 1 looks at all.
        """
        probes, recall = self._effort(probes, recall)
        return _nearest(
            self._ready(progress, timeout), queries, k, self.ntotal, only, probes, recall, progress,
            timeout)

    def range_search(self, queries, score, *, probes=None, recall=None, only=None, progress=None,
                     timeout=None):
        """Returns `(starts, scores, ids)` of all rows with a better score: query q has those at
        `starts[q]` up to `starts[q + 1]`."""
        probes, recall = self._effort(probes, recall)
        return _within(
            self._ready(progress, timeout), queries, score, only, probes, recall, progress, timeout)

    def reconstruct(self, ids):
        """Returns the row of an id, or the rows of many: as they were given, or decoded."""
        listed = as_ids(np.atleast_1d(ids))
        living = self._own()
        rows = np.empty((listed.size, self.d), np.float32)
        check(
            lib.tessera_living_reconstruct(
                living.value, address(listed), listed.size, self._device.value, address(rows)))
        return rows[0] if np.ndim(ids) == 0 else rows

    def _whole(self) -> Handle:
        """An index of all rows there are now."""
        living, out = self._own(), c_void_p()
        run(
            lib.tessera_living_index, living.value, self._device.value, None, byref(out),
            control_at=2, large=True)
        index = Handle.taking(out)
        index.keeps = living.keeps
        return index

    def _replace(self, call, *arguments, **options) -> None:
        """Goes on with another form of the index, in memory."""
        with self._lock:
            index = self._whole()
            out = c_void_p()
            run(call, index.value, *arguments, byref(out), **options)
            changed = Handle.taking(out)
            living = Handle(lib.tessera_living_create, changed.value)
            living.keeps = index.keeps
            self._take(living)

    def save(self, path) -> None:
        """Writes the whole file, or nothing; for FAISS where the name ends in .faiss."""
        index = self._whole()
        check(lib.tessera_index_save(index.value, os.fsencode(path)))

    def measure(self) -> None:
        """Measures what share of the neighbors lists hold, which files of FAISS do not say."""
        if self._stored:
            raise TesseraError("measure: an index in a file of Tessera's is measured when it is built")
        self._replace(
            lib.tessera_index_measure, self._device.value, None, control_at=2, large=True)

    def __len__(self) -> int:
        return self.ntotal

    def __repr__(self) -> str:
        return f"tessera.Index({self.spec!r}, {self.d}, {self.metric!r}, ntotal={self.ntotal})"


@dataclass(frozen=True)
class Clusters:
    """What k-means found: `centroids` (k x dimension), the `labels` of the points, the `counts` of the
    clusters, and how it went."""

    centroids: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    objective: float
    iterations: int
    converged: bool

    def __repr__(self) -> str:
        rows, columns = self.centroids.shape
        return f"tessera.Clusters({rows} x {columns}, objective={self.objective:.6g})"


_ALGORITHMS = {"lloyd": 0, "minibatch": 1, "hierarchical": 2, "exact1d": 3}
_STARTS = {"k-means++": 0, "random": 1, "k-means||": 2}


def _named(names, name, what):
    try:
        return names[name]
    except (KeyError, TypeError):
        raise TesseraError(f"k-means: {what} {name!r} is unknown; choose {', '.join(names)}") from None


def kmeans(points, k, *, metric="l2", iterations=20, seed=1234, init="k-means++",
           algorithm="lloyd", restarts=1, batch_size=0, training_limit=0, tolerance=0.0,
           weights=None, chunk_rows=0, device="auto", threads=0, progress=None, timeout=None) -> Clusters:
    """Groups points into k clusters; equal arguments give equal bits on every device. The seed 0 stands
    for 1234.

    `init` is "k-means++", "random", "k-means||", or an array of k centroids to start from, which
    `iterations=0` leaves where they are. With `chunk_rows`, sums are taken of so many points at a time, as
    many machines take them (`kmeans_partial`), and the bits are those of these.
    """
    points = as_matrix(points, "points")
    options = library.KMeansOptions(
        metric=metric_number(metric), algorithm=_named(_ALGORITHMS, algorithm, "algorithm"),
        iterations=iterations, restarts=restarts, batch_size=batch_size,
        training_limit=training_limit, seed=seed, tolerance=tolerance, chunk_rows=chunk_rows)
    start = None
    if isinstance(init, str):
        options.start = _named(_STARTS, init, "init")
        if iterations == 0:
            raise TesseraError("k-means: 0 iterations need centroids as init")
    else:
        start = as_matrix(init, "init")
        options.start, options.centroids = 3, as_rows(start)
        options.flags = 1 if iterations == 0 else 0
    if weights is not None:
        weights = np.ascontiguousarray(weights, np.float32)
        if weights.shape != (len(points),):
            raise TesseraError(
                f"k-means: {weights.size} weights for {len(points)} points", 2, "invalidShape")
        options.weights = address(weights)
    if not 1 <= k <= max(len(points), len(start) if start is not None else 0):
        raise TesseraError(f"k-means: {k} clusters of {len(points)} points", 2, "invalidShape")
    centroids = np.empty((k, points.shape[1]), np.float32)
    labels = np.empty(len(points), np.int32)
    counts = np.empty(k, np.int64)
    report = library.KMeansReport()
    run(
        lib.tessera_kmeans, byref(as_rows(points)), k, byref(options),
        _device(device, threads).value, None, address(centroids), address(labels),
        address(counts), byref(report),
        control_at=4, progress=progress, timeout=timeout, large=True)
    return Clusters(
        centroids, labels, counts, report.objective, report.iterations, bool(report.converged))


class Quantizer:
    """Short codes of vectors, by a factory string such as "PQ48x8", "SQ8" or "RaBitQ4"."""

    def __init__(self, spec: str, *, device: str | None = "auto", threads: int = 0):
        self.spec = spec
        self._device = _device(device, threads)
        self._quantizer: Handle | None = None
        self.d = self.code_size = 0

    def _take(self, handle: Handle) -> None:
        info = library.QuantizerInfo()
        check(lib.tessera_quantizer_describe(handle.value, byref(info)))
        self._quantizer, self.d, self.code_size = handle, info.dimension, info.code_bytes
        self.spec = info.specification.decode()

    def _trained(self) -> c_void_p:
        if self._quantizer is None:
            raise TesseraError(f"quantizer {self.spec}: train it first, or load one")
        return self._quantizer.value

    def train(self, points, *, progress=None, timeout=None) -> float:
        """Trains on points; returns their mean squared error."""
        points = as_matrix(points, "points")
        out, error = c_void_p(), ctypes.c_double()
        run(
            lib.tessera_quantizer_train, self.spec.encode(), byref(as_rows(points)),
            self._device.value, None, byref(out), byref(error),
            control_at=3, progress=progress, timeout=timeout, large=True)
        self._take(Handle.taking(out))
        return error.value

    @classmethod
    def load(cls, path, *, device: str | None = "auto", threads: int = 0) -> "Quantizer":
        own = cls("", device=device, threads=threads)
        own._take(Handle(lib.tessera_quantizer_open, os.fsencode(path)))
        return own

    def save(self, path) -> None:
        """Writes the whole file, or nothing."""
        check(lib.tessera_quantizer_save(self._trained(), os.fsencode(path)))

    def encode(self, rows):
        """Returns a code of each row: uint8, rows x `code_size`."""
        quantizer = self._trained()
        rows = as_matrix(rows, "rows")
        codes = np.empty((len(rows), self.code_size), np.uint8)
        run(
            lib.tessera_quantizer_encode, quantizer, byref(as_rows(rows)), self._device.value, None,
            address(codes), control_at=3, large=True)
        return codes

    def _codes(self, codes) -> np.ndarray:
        codes = np.ascontiguousarray(codes)
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != self.code_size:
            raise TesseraError(
                f"codes: give uint8, rows x {self.code_size}", 2, "invalidShape")
        return codes

    def decode(self, codes):
        """Returns what codes stand for: float32, rows x dimension."""
        quantizer = self._trained()
        codes = self._codes(codes)
        rows = np.empty((len(codes), self.d), np.float32)
        run(
            lib.tessera_quantizer_decode, quantizer, address(codes), len(codes),
            self._device.value, None, address(rows), control_at=4, large=True)
        return rows

    def search(self, codes, queries, k, metric="ip", *, only=None, progress=None, timeout=None):
        """Returns `(scores, ids)` of the k codes that are nearest to each query."""
        quantizer = self._trained()
        codes = self._codes(codes)
        search = Handle(
            lib.tessera_search_codes, quantizer, address(codes), len(codes),
            metric_number(metric), self._device.value)
        return _nearest(search, queries, k, len(codes), only, None, None, progress, timeout)

    def __repr__(self) -> str:
        state = f"{self.d} -> {self.code_size} bytes" if self._quantizer else "not trained"
        return f"tessera.Quantizer({self.spec!r}, {state})"


def convert(input, output, *, device: str | None = "auto") -> None:
    """Reads an index and writes it for FAISS (.faiss) or Tessera, as `tessera convert` does."""
    run(
        lib.tessera_index_convert, os.fsencode(input), os.fsencode(output), _device(device).value,
        None, control_at=3, large=True)
