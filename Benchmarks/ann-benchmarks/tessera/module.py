"""Tessera for ann-benchmarks: copy this folder to ann_benchmarks/algorithms/, the wheel beside it."""

import numpy as np
import tessera

from ..base.module import BaseANN

_METRICS = {"angular": "cosine", "euclidean": "l2"}


class Tessera(BaseANN):
    """An index by its factory string, searched with so many probes."""

    def __init__(self, metric, specification):
        self._metric = _METRICS[metric]
        self._specification = specification
        self._probes = None
        self.name = f"Tessera({specification})"

    def fit(self, X):
        rows = np.ascontiguousarray(X, np.float32)
        self._index = tessera.Index(
            self._specification, rows.shape[1], self._metric, device="cpu")
        self._index.add(rows)
        self._index.build()

    def set_query_arguments(self, probes):
        self._probes = probes
        self.name = f"Tessera({self._specification}, probes={probes})"

    def query(self, q, n):
        return self._hits(np.asarray(q, np.float32)[None], n)[0]

    def batch_query(self, X, n):
        self.res = self._hits(np.ascontiguousarray(X, np.float32), n)

    def _hits(self, queries, n):
        return self._index.search(queries, n, probes=self._probes)[1]


class TesseraExact(Tessera):
    """All rows, exactly."""

    def __init__(self, metric):
        super().__init__(metric, "Flat")
