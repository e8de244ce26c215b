"""What `import tessera` offers."""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass

import numpy as np

from . import _library as library
from ._arrays import METRICS, address, as_ids, as_matrix, as_rows, metric_number
from ._library import Handle, TesseraError, check, lib, run

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


def _options(only, probes, recall) -> tuple[library.SearchOptions | None, Handle | None]:
    filter = _filter(only)
    if filter is None and not probes and not recall:
        return None, None
    options = library.SearchOptions(
        filter=filter.value if filter else None, probes=probes or 0, recall=recall or 0)
    return options, filter


def _nearest(search: Handle, queries, k, rows, only, probes, recall, progress, timeout):
    queries = as_matrix(queries, "queries")
    count, dimension = queries.shape
    if k < 1:
        raise TesseraError(f"search: k is {k}, it must be at least 1")
    # A k beyond all rows would be memory for nothing; what is missing is padded below.
    ids = np.empty((count, k), np.int64)
    scores = np.empty((count, k), np.float32)
    options, _keeps = _options(only, probes, recall)
    run(
        lib.tessera_search_nearest, search.value, byref(as_rows(queries)), k,
        byref(options) if options else None, None, address(ids), address(scores), None,
        control_at=4, progress=progress, timeout=timeout, large=count * dimension * rows > _LARGE)
    return scores, ids


def _within(search: Handle, queries, score, only, probes, recall, progress, timeout):
    queries = as_matrix(queries, "queries")
    hits = c_void_p()
    options, _keeps = _options(only, probes, recall)
    run(
        lib.tessera_search_within, search.value, byref(as_rows(queries)), score,
        byref(options) if options else None, None, byref(hits), None,
        control_at=4, progress=progress, timeout=timeout, large=True)
    owner = Handle.taking(hits)
    count = c_int64()
    check(lib.tessera_hits_count(owner.value, None, byref(count)))
    starts = np.empty(len(queries) + 1, np.int64)
    ids = np.empty(count.value, np.int64)
    scores = np.empty(count.value, np.float32)
    check(
        lib.tessera_hits_copy(
            owner.value, address(starts), address(ids), address(scores)))
    return starts, scores, ids


class Vectors:
    """Rows that are searched exactly; made ready once, for many searches.

    `rows` is an array, which is used where it is and must not be changed meanwhile, or the path of a
    file (.npy, .fvecs, .bvecs, .fbin, ...), which is mapped.
    """

    def __init__(self, rows, metric: str = "ip", device: str | None = "auto", threads: int = 0):
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
            lib.tessera_search_vectors, self._vectors.value, number,
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


class Index:
    """An index by its factory string, such as "IVF1024,Flat" or "IVF1024,PQ48x4fs,RFlat".

    Rows are added first; the index is built of all of them when it is first used, and built anew when
    rows are added after that. What it is trained on are the added rows.
    """

    def __init__(self, spec: str, dim: int, metric: str = "ip", *, device: str | None = "auto",
                 threads: int = 0, seed: int = 1234, training_limit: int = 0):
        metric_number(metric)
        self.spec, self.d, self.metric = spec, int(dim), metric
        self._device = _device(device, threads)
        self._seed, self._training_limit = seed, training_limit
        self._rows: list[np.ndarray] = []
        self._ids: list[np.ndarray | None] = []
        self._index: Handle | None = None
        self._search: Handle | None = None
        self._lock = threading.RLock()
        self.ntotal = 0
        # Looked at where no probes are given: as many lists as held this share of the neighbors.
        self.recall = 0.95
        self.nprobe: int | None = None

    @classmethod
    def load(cls, path, *, device: str | None = "auto", threads: int = 0) -> "Index":
        """Opens the index in a file of Tessera's, or of FAISS."""
        handle = Handle(lib.tessera_index_open, os.fsencode(path))
        info = library.IndexInfo()
        check(lib.tessera_index_describe(handle.value, byref(info)))
        metric = tuple(METRICS)[info.metric]
        own = cls(info.specification.decode(), info.dimension, metric, device=device,
                  threads=threads)
        own._index, own.ntotal = handle, info.count
        return own

    is_trained = True

    def train(self, rows) -> None:
        """Does nothing but check the rows: an index is trained on the rows that are added."""
        self._checked(rows)

    def add(self, rows) -> None:
        """Adds rows, whose ids go on from the last. Arrays are kept, not copied."""
        self._add(rows, None)

    def add_with_ids(self, rows, ids) -> None:
        """Adds rows with ids of their own."""
        self._add(rows, as_ids(ids))

    def _checked(self, rows) -> np.ndarray:
        rows = as_matrix(rows, "rows")
        if rows.shape[1] != self.d:
            raise TesseraError(
                f"rows of {rows.shape[1]} dimensions, the index has {self.d}", 2, "invalidShape")
        return rows

    def _add(self, rows, ids) -> None:
        rows = self._checked(rows)
        if ids is not None and len(ids) != len(rows):
            raise TesseraError(f"{len(ids)} ids for {len(rows)} rows", 2, "invalidShape")
        with self._lock:
            if self._rows and self._rows[0].dtype != rows.dtype:
                raise TesseraError(
                    f"rows of {rows.dtype} cannot be added to rows of {self._rows[0].dtype}")
            if self._index is not None and not self._rows:
                raise TesseraError(
                    "an index that was loaded cannot take more rows in this version; build it anew", 4,
                    "unsupported")
            if self._rows and (self._ids[0] is None) != (ids is None):
                raise TesseraError("rows with ids and rows without do not go together")
            self._rows.append(rows)
            self._ids.append(ids)
            self.ntotal += len(rows)
            self._index = self._search = None

    def build(self, *, progress=None, timeout=None) -> "Index":
        """Builds the index now, and not when it is first used."""
        with self._lock:
            if self._index is None:
                self._build(progress, timeout)
        return self

    def _build(self, progress, timeout) -> None:
        if not self._rows:
            rows = np.empty((0, self.d), np.float32)
        else:
            rows = self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)
            self._rows = [rows]
        ids = None
        if self._ids and self._ids[0] is not None:
            ids = np.concatenate(self._ids)
            self._ids = [ids]
        elif self._ids:
            self._ids = [None]
        vectors = Handle(lib.tessera_vectors_wrap, byref(as_rows(rows)), None, None, keeps=rows)
        out = c_void_p()
        run(
            lib.tessera_index_build, self.spec.encode(), vectors.value,
            metric_number(self.metric), address(ids) if ids is not None else None,
            len(ids) if ids is not None else 0,
            byref(
                library.IndexOptions(seed=self._seed, training_limit=self._training_limit)),
            self._device.value, None, byref(out),
            control_at=7, progress=progress, timeout=timeout, large=True)
        self._index = Handle.taking(out)
        self._index.keeps = vectors

    def _ready(self, progress=None, timeout=None) -> Handle:
        search = self._search
        if search is None:
            with self._lock:
                if self._search is None:
                    self.build(progress=progress, timeout=timeout)
                    self._search = Handle(
                        lib.tessera_search_index, self._index.value, self._device.value,
                        keeps=self._index)
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
        self.build()
        rows = np.empty((listed.size, self.d), np.float32)
        check(
            lib.tessera_index_reconstruct(
                self._index.value, address(listed), listed.size, self._device.value,
                address(rows)))
        return rows[0] if np.ndim(ids) == 0 else rows

    def save(self, path) -> None:
        """Writes the whole file, or nothing; for FAISS where the name ends in .faiss."""
        self.build()
        check(lib.tessera_index_save(self._index.value, os.fsencode(path)))

    def measure(self) -> None:
        """Measures what share of the neighbors lists hold, which files of FAISS do not say."""
        self.build()
        out = c_void_p()
        run(
            lib.tessera_index_measure, self._index.value, self._device.value, None, byref(out),
            control_at=2, large=True)
        measured = Handle.taking(out)
        measured.keeps = self._index
        self._index, self._search = measured, None

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
           weights=None, device="auto", threads=0, progress=None, timeout=None) -> Clusters:
    """Groups points into k clusters; equal arguments give equal bits on every device. The seed 0 stands
    for 1234.

    `init` is "k-means++", "random", "k-means||", or an array of k centroids to start from, which
    `iterations=0` leaves where they are.
    """
    points = as_matrix(points, "points")
    options = library.KMeansOptions(
        metric=metric_number(metric), algorithm=_named(_ALGORITHMS, algorithm, "algorithm"),
        iterations=iterations, restarts=restarts, batch_size=batch_size,
        training_limit=training_limit, seed=seed, tolerance=tolerance)
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
