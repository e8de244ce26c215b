"""The estimators keep what scikit-learn expects of estimators."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.neighbors import NearestNeighbors as Peer  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from tessera.sklearn import KMeans, NearestNeighbors  # noqa: E402


# Starts are drawn among rows, however they weigh, so a row of weight 2 is not two rows; nor is it in
# scikit-learn's own k-means.
REPEATS = {"check_sample_weight_equivalence_on_dense_data": "repeated rows are drawn more often"}


@parametrize_with_checks(
    [KMeans(n_clusters=3, random_state=0), NearestNeighbors()],
    expected_failed_checks=lambda estimator: REPEATS if isinstance(estimator, KMeans) else {})
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbors_are_those_of_scikit_learn(metric):
    rows = np.random.default_rng(3).standard_normal((200, 12), dtype=np.float32)
    own = NearestNeighbors(4, metric=metric).fit(rows)
    peer = Peer(n_neighbors=4, metric=metric, algorithm="brute").fit(rows)
    for queries in (rows[:20] + 0.01, None):
        distances, ids = own.kneighbors(queries)
        want, want_ids = peer.kneighbors(queries)
        assert (ids == want_ids).all()
        np.testing.assert_allclose(distances, want, rtol=1e-3, atol=1e-3)
