"""Estimators for scikit-learn, 1.6 or newer: exact nearest neighbors, and k-means."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._engine import Vectors, kmeans

_METRICS = {"euclidean": "l2", "cosine": "cosine"}


class NearestNeighbors(BaseEstimator):
    """Finds the nearest rows exactly, as scikit-learn's class of this name does by brute force.

    `metric` is "euclidean" or "cosine"; distances are float32, and ties go to the lower row.
    """

    def __init__(self, n_neighbors=5, *, metric="euclidean", device="auto"):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.device = device

    def fit(self, X, y=None):
        """Takes the rows that are searched."""
        X = validate_data(self, X, dtype=np.float32, order="C")
        if self.metric not in _METRICS:
            raise ValueError(f"metric {self.metric!r} is unknown; choose euclidean or cosine")
        self._rows = X
        self.n_samples_fit_ = len(X)
        self._vectors = Vectors(X, _METRICS[self.metric], self.device)
        return self

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        """Returns `(distances, indices)` of the nearest rows of each row of X, nearest first; without X
        of each fitted row, itself left out."""
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        own = X is None
        limit = self.n_samples_fit_ - own
        if not 1 <= k <= limit:
            raise ValueError(
                f"Expected n_neighbors <= n_samples_fit, and at least 1: n_neighbors = {k}, "
                f"n_samples_fit = {limit}")
        rows = self._rows if own else validate_data(
            self, X, dtype=np.float32, order="C", reset=False)
        scores, ids = self._vectors.search(rows, k + own)
        if own:
            # Where a row has equals of lower number, it may not be among its own neighbors.
            keep = ids != np.arange(len(rows))[:, None]
            keep[keep.all(axis=1), -1] = False
            scores, ids = (all[keep].reshape(len(rows), k) for all in (scores, ids))
        if not return_distance:
            return ids
        return np.sqrt(scores) if self.metric == "euclidean" else 1 - scores, ids

    def __getstate__(self):
        state = super().__getstate__().copy()
        state.pop("_vectors", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_rows" in state:
            self._vectors = Vectors(self._rows, _METRICS[self.metric], self.device)


class KMeans(TransformerMixin, ClusterMixin, BaseEstimator):
    """Groups rows into clusters: equal rows, parameters and random states give equal bits everywhere.

    Numbers are float32. A `random_state` of None is drawn anew for each fit.
    """

    def __init__(self, n_clusters=8, *, init="k-means++", n_init=1, max_iter=300, tol=1e-4,
                 random_state=None, device="auto"):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def fit(self, X, y=None, sample_weight=None):
        """Finds the clusters of the rows."""
        X = validate_data(self, X, dtype=np.float32, order="C")
        if len(X) < self.n_clusters:
            raise ValueError(f"n_samples={len(X)} should be >= n_clusters={self.n_clusters}")
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float32)
        found = kmeans(
            X, self.n_clusters, iterations=self.max_iter, init=self.init, restarts=self.n_init,
            tolerance=self.tol, weights=weights, device=self.device,
            seed=int(check_random_state(self.random_state).randint(1, 2**31 - 1)))
        self.cluster_centers_ = found.centroids
        self.labels_ = found.labels
        self.inertia_ = found.objective
        self.n_iter_ = max(1, found.iterations)
        self._n_features_out = self.n_clusters
        return self

    def predict(self, X):
        """Returns the nearest cluster of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        return kmeans(
            X, len(self.cluster_centers_), init=self.cluster_centers_, iterations=0,
            device=self.device).labels

    def transform(self, X):
        """Returns the distance of each row to every cluster."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        scores, ids = Vectors(self.cluster_centers_, "l2", self.device).search(
            X, len(self.cluster_centers_))
        distances = np.empty_like(scores)
        np.put_along_axis(distances, ids, np.sqrt(scores), axis=1)
        return distances
