"""The part of FAISS's Python interface that means the same here: `import tessera.faiss as faiss`.

| name | what differs |
|---|---|
| `IndexFlat`, `IndexFlatL2`, `IndexFlatIP` | ties go to the lower id |
| `index_factory` | the strings that Tessera reads; others are refused by name |
| `train`, `add`, `add_with_ids`, `ntotal`, `d`, `is_trained`, `metric_type` | an index is built of all added rows when it is first used; `train` only checks |
| `search`, `range_search`, `reconstruct`, `reconstruct_n` | scores that are missing are infinite |
| `nprobe` | 1 at first, as there |
| `read_index`, `write_index` | files of FAISS are read whatever their name, and written where it ends in .faiss |
| `knn`, `normalize_L2`, `Kmeans` | k-means++ starts, and the same bits on every device |
"""

from __future__ import annotations

import os

import numpy as np

from . import _engine as engine
from ._library import TesseraError

METRIC_INNER_PRODUCT = 0
METRIC_L2 = 1
_METRICS = {METRIC_INNER_PRODUCT: "ip", METRIC_L2: "l2"}


def _metric(number: int) -> str:
    if number not in _METRICS:
        raise TesseraError(f"metric {number} is neither METRIC_L2 nor METRIC_INNER_PRODUCT")
    return _METRICS[number]


class _Index(engine.Index):
    """An index under FAISS's names."""

    def __init__(self, spec: str, dim: int, metric: str, **options):
        super().__init__(spec, dim, metric, **options)
        self.nprobe = 1

    @property
    def metric_type(self) -> int:
        return METRIC_L2 if self.metric == "l2" else METRIC_INNER_PRODUCT

    def search(self, x, k, **options):
        """Returns `(D, I)` of the k nearest rows."""
        return super().search(np.ascontiguousarray(x, np.float32), k, **options)

    def range_search(self, x, thresh, **options):
        """Returns `(lims, D, I)` of all rows nearer than `thresh`."""
        return super().range_search(np.ascontiguousarray(x, np.float32), thresh, **options)

    def reconstruct_n(self, n0: int = 0, ni: int = -1):
        """Returns the rows n0 to n0 + ni."""
        return self.reconstruct(np.arange(n0, self.ntotal if ni < 0 else n0 + ni))


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
        np.ascontiguousarray(xb, np.float32), np.ascontiguousarray(xq, np.float32), k,
        _metric(metric))


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
            np.ascontiguousarray(x, np.float32), self.k, iterations=self.niter, seed=self.seed,
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
