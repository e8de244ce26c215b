"""The part of FAISS's Python interface that means the same here: `import tessera.faiss as faiss`.

| name | what differs |
|---|---|
| `IndexFlat`, `IndexFlatL2`, `IndexFlatIP` | ties go to the lower id |
| `index_factory` | the strings that Tessera reads; others are refused by name |
| `train`, `add`, `add_with_ids`, `ntotal`, `d`, `is_trained`, `metric_type` | an index that is not trained learns from the rows that were added before its first use; no two rows have one id, and rows without get the next after the highest there was; rows added later are all looked at until there are many |
| `remove_ids`, `IDSelectorRange`, `IDSelectorBatch`, `IDSelectorArray`, `IDSelectorBitmap` | as there: without lists and `IDMap` the rows behind move up |
| `reset` | what was trained stays, and ids begin at 0 again |
| `search`, `range_search`, `reconstruct`, `reconstruct_n` | scores that are missing are infinite |
| `SearchParameters`, `SearchParametersIVF` | `sel` and `nprobe`, for any index; where few rows are selected all of them are looked at, so that hits are never fewer than there |
| `nprobe` | 1 at first, as there |
| `read_index`, `write_index` | files of FAISS are read whatever their name, and written where it ends in .faiss |
| `knn`, `normalize_L2`, `Kmeans` | k-means++ starts, and the same bits on every device |
"""

from __future__ import annotations

import os

import numpy as np

from . import _engine as engine
from ._arrays import taken
from ._library import TesseraError, lib

METRIC_INNER_PRODUCT = 0
METRIC_L2 = 1
_METRICS = {METRIC_INNER_PRODUCT: "ip", METRIC_L2: "l2"}


# Parts of a factory string that learn nothing.
_UNTRAINED = {"Flat", "IDMap", "IDMap2", "L2norm", "RFlat"}


def _rows(x, copy: bool = False) -> np.ndarray:
    """Returns rows as FAISS takes them: whatever they were, as float32, row after row."""
    return np.array(taken(x, "x"), np.float32, order="C", copy=copy or None)


def _metric(number: int) -> str:
    if number not in _METRICS:
        raise TesseraError(f"metric {number} is neither METRIC_L2 nor METRIC_INNER_PRODUCT")
    return _METRICS[number]


class _Index(engine.Index):
    """An index under FAISS's names."""

    def __init__(self, spec: str, dim: int, metric: str, **options):
        super().__init__(spec, dim, metric, **options)
        self.nprobe = 1
        parts = spec.split(",")
        # Ids are places, and change when rows before are removed.
        self._are_places = not any(part.startswith(("IVF", "IDMap")) for part in parts)
        self._learns = not _UNTRAINED.issuperset(parts)

    @classmethod
    def _of(cls, living, device, threads) -> "_Index":
        own = super()._of(living, device, threads)
        own._are_places &= own._next_id == own.ntotal
        return own

    @property
    def is_trained(self) -> bool:
        return not self._learns or super().is_trained

    @property
    def metric_type(self) -> int:
        return METRIC_L2 if self.metric == "l2" else METRIC_INNER_PRODUCT

    def train(self, x, **options) -> None:
        """Trains on rows, which are not added."""
        super().train(_rows(x), **options)

    def add(self, x) -> None:
        """Adds copies of rows."""
        # Rows that wait for the index to be built are not copied else.
        super().add(_rows(x, copy=self._living is None))

    def add_with_ids(self, x, ids) -> None:
        """Adds copies of rows with ids of their own."""
        if self._are_places:
            raise TesseraError(
                f'add_with_ids: ids of "{self.spec}" are places; make "IDMap,{self.spec}"', 4,
                "unsupported")
        super().add_with_ids(_rows(x, copy=self._living is None), np.array(ids))

    def remove_ids(self, x) -> int:
        """Removes the rows with these ids (an array, or a selector), and returns how many there were."""
        if isinstance(x, np.ndarray) and x.dtype == np.bool_:
            x = np.flatnonzero(x)
        with self._lock:
            removed = super().remove_ids(x)
            if removed and self._are_places:
                self._replace(lib.tessera_index_renumber, control_at=None, large=False)
        return removed

    def reset(self) -> None:
        """Removes all rows; what was trained stays."""
        with self._lock:
            if self._living is None:
                self._waiting, self.ntotal, self._next_id = [], 0, 0
                return
            super().remove_ids(range(-(2**63), 2**63 - 1))
            self._replace(lib.tessera_index_renumber, control_at=None, large=False)

    def search(self, x, k, *, params=None, **options):
        """Returns `(D, I)` of the k nearest rows."""
        return super().search(_rows(x), k, **_given(params), **options)

    def range_search(self, x, thresh, *, params=None, **options):
        """Returns `(lims, D, I)` of all rows nearer than `thresh`."""
        return super().range_search(_rows(x), thresh, **_given(params), **options)

    def reconstruct_n(self, n0: int = 0, ni: int = -1):
        """Returns the rows n0 to n0 + ni."""
        return self.reconstruct(np.arange(n0, self.ntotal if ni < 0 else n0 + ni))


def IDSelectorRange(imin: int, imax: int) -> range:
    """Selects the ids imin to imax - 1."""
    return range(imin, imax)


def IDSelectorBatch(ids) -> np.ndarray:
    """Selects the ids listed."""
    return np.asarray(ids)


IDSelectorArray = IDSelectorBatch


def IDSelectorBitmap(bitmap) -> np.ndarray:
    """Selects id i where bit i % 8 of byte i // 8 is set."""
    return np.unpackbits(np.asarray(bitmap, np.uint8), bitorder="little").astype(np.bool_)


class SearchParameters:
    """What one search differs in: `sel`, a selector of the rows that may be hits."""

    def __init__(self, sel=None):
        self.sel = sel


class SearchParametersIVF(SearchParameters):
    """What one search of an index with lists differs in; it looks at `nprobe` of them."""

    def __init__(self, sel=None, nprobe: int = 1):
        super().__init__(sel)
        self.nprobe = nprobe


def _given(params) -> dict:
    """Returns options of a search that are given as parameters."""
    if params is None:
        return {}
    return {"only": params.sel, "probes": getattr(params, "nprobe", None)}


def index_factory(d: int, description: str, metric: int = METRIC_L2) -> _Index:
    """Makes an index by its factory string."""
    return _Index(description, d, _metric(metric))


def IndexFlat(d: int, metric: int = METRIC_L2) -> _Index:
    """Makes an index that keeps rows and searches them exactly."""
    return index_factory(d, "Flat", metric)


def IndexFlatL2(d: int) -> _Index:
    """Makes an exact index of squared distances."""
    return IndexFlat(d, METRIC_L2)


def IndexFlatIP(d: int) -> _Index:
    """Makes an exact index of inner products."""
    return IndexFlat(d, METRIC_INNER_PRODUCT)


def read_index(path) -> _Index:
    """Opens a file of FAISS, or of Tessera."""
    return _Index.load(path)


def write_index(index: engine.Index, path) -> None:
    """Writes a file of FAISS where the name ends in .faiss, else one of Tessera."""
    index.save(os.fspath(path))


def knn(xq, xb, k: int, metric: int = METRIC_L2):
    """Returns `(D, I)` of the k rows of `xb` nearest to each row of `xq`."""
    return engine.search(
        _rows(xb), _rows(xq), k, _metric(metric))


def normalize_L2(x: np.ndarray) -> None:
    """Scales rows to unit length, where they are; rows without length stay."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    np.divide(x, lengths, out=x, where=lengths > 0)


class Kmeans:
    """Groups rows into k clusters: `train`, then `centroids`, `obj` and `index`."""

    def __init__(self, d: int, k: int, niter: int = 25, nredo: int = 1, seed: int = 1234,
                 spherical: bool = False, verbose: bool = False):
        self.d, self.k, self.niter, self.nredo = d, k, niter, nredo
        self.seed, self.spherical = seed, spherical
        self.centroids: np.ndarray | None = None
        self.obj: np.ndarray | None = None
        self.index: _Index | None = None

    def train(self, x, weights=None) -> float:
        """Finds the centroids; returns the sum of distances to them."""
        found = engine.kmeans(
            _rows(x), self.k, iterations=self.niter, seed=self.seed,
            restarts=self.nredo, weights=weights, metric="cosine" if self.spherical else "l2")
        self.centroids, self.obj = found.centroids, np.array([found.objective])
        self.index = IndexFlatIP(self.d) if self.spherical else IndexFlatL2(self.d)
        self.index.add(self.centroids)
        return found.objective

    def assign(self, x):
        """Returns `(D, I)`: the distance to the nearest centroid of each row, and which it is."""
        if self.index is None:
            raise TesseraError("Kmeans: train it first")
        distances, ids = self.index.search(x, 1)
        return distances.ravel(), ids.ravel()
