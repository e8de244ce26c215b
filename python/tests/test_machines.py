"""Tests of k-means and search of sets that lie on many machines: the bytes are those of one."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tessera
from tessera import machines

random = np.random.default_rng(23)
CHUNK = 100
MIDDLES = 5 * random.standard_normal((7, 12))
# Rows that are near to each other lie together; the last chunk is short.
ROWS = (np.repeat(MIDDLES, 150, axis=0) + random.standard_normal((1050, 12))).astype(np.float32)
QUERIES = (MIDDLES + random.standard_normal((7, 12))).astype(np.float32)


def on_many(k, cuts, metric="l2", weights=None, **options):
    """Shares rows out at the given chunks, and merges what the machines say in any grouping."""
    def partials(centroids):
        parts = [
            tessera.kmeans_partial(
                ROWS[a:b], a, centroids, chunk_rows=CHUNK, metric=metric,
                weights=None if weights is None else weights[a:b])
            for a, b in zip(cuts, cuts[1:])]
        random.shuffle(parts)
        return [tessera.kmeans_merge(parts[:2]), *parts[2:]]

    assert weights is None or options["init"] is not None
    return machines.kmeans(
        len(ROWS), k, rows=lambda numbers: ROWS[numbers], partials=partials, metric=metric, **options)


def same(many, one):
    return (
        many.centroids.tobytes() == one.centroids.tobytes()
        and (many.counts == one.counts).all() and many.objective == one.objective
        and many.iterations == one.iterations and many.converged == one.converged)


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_kmeans_is_that_of_one_process(metric, init):
    one = tessera.kmeans(ROWS, 9, metric=metric, init=init, seed=5, chunk_rows=CHUNK)
    for cuts in ([0, 1050], [0, 100, 900, 1000, 1050], [*range(0, 1050, 100), 1050]):
        assert same(on_many(9, cuts, metric, init=init, seed=5), one)


def test_weights_and_clusters_without_rows_make_no_difference():
    weights = random.random(1050).astype(np.float32)
    start = ROWS[::60][:15].copy()
    start[3:9] = 1e5
    one = tessera.kmeans(ROWS, 15, init=start, weights=weights, chunk_rows=CHUNK)
    assert (one.counts > 0).all()
    assert same(on_many(15, [0, 300, 400, 1050], init=start, weights=weights), one)


def test_partial_results_are_bytes_that_merge_in_any_grouping():
    parts = [
        tessera.kmeans_partial(ROWS[a:a + CHUNK], a, QUERIES, chunk_rows=CHUNK)
        for a in range(0, 1050, CHUNK)]
    want = tessera.kmeans_merge(parts)
    assert isinstance(want, bytes) and pickle.loads(pickle.dumps(want)) == want
    for _ in range(20):
        left = list(parts)
        while len(left) > 1:
            random.shuffle(left)
            some = random.integers(2, len(left) + 1)
            left[:some] = [tessera.kmeans_merge(left[:some])]
        assert left == [want]
    step = tessera.kmeans_step(want, 1050, QUERIES)
    labels = tessera.kmeans(ROWS, 7, init=QUERIES, iterations=0).labels
    assert (step.counts == np.bincount(labels, minlength=7)).all()
    means = [ROWS[labels == cluster].astype(np.float64).mean(0) for cluster in range(7)]
    np.testing.assert_allclose(step.centroids, means, rtol=1e-6)
    assert not step.repaired and not step.converged


def test_the_codebook_of_a_subspace_is_made_of_columns():
    # Columns are taken where they are.
    part = ROWS[:, 4:8]
    want = tessera.kmeans(part, 16, iterations=4, chunk_rows=CHUNK)
    made = machines.kmeans(
        len(ROWS), 16, iterations=4, rows=lambda numbers: part[numbers],
        partials=lambda centroids: [
            tessera.kmeans_partial(part[a:a + 200], a, centroids, chunk_rows=CHUNK)
            for a in range(0, 1050, 200)])
    assert same(made, want)


def test_what_does_not_fit_together_is_refused():
    part = tessera.kmeans_partial(ROWS[:200], 0, QUERIES, chunk_rows=CHUNK)
    later = tessera.kmeans_partial(ROWS[400:500], 400, QUERIES, chunk_rows=CHUNK)
    wrong = [
        (lambda: tessera.kmeans_partial(ROWS[:50], 50, QUERIES, chunk_rows=CHUNK), "chunk"),
        (lambda: tessera.kmeans_partial(ROWS, 0, QUERIES, chunk_rows=0), "chunk"),
        (lambda: tessera.kmeans_partial(ROWS, 0, QUERIES[:, :3].copy(), chunk_rows=CHUNK), "12"),
        (lambda: tessera.kmeans_merge([part, part]), "chunk 0"),
        (lambda: tessera.kmeans_merge([]), "no partial"),
        (lambda: tessera.kmeans_merge([part[:-1]]), "no partial result"),
        (lambda: tessera.kmeans_step(tessera.kmeans_merge([part, later]), 300, QUERIES), "row 200"),
        (lambda: tessera.kmeans_step(part, 200, QUERIES + 1), "other centroids"),
        (lambda: tessera.kmeans_start(ROWS[:9], 1050, 3), "1050"),
        (lambda: tessera.kmeans_start_rows(1050, 3, init="k-means||"), "k-means"),
        (lambda: tessera.kmeans(ROWS, 3, chunk_rows=-1), "-1"),
        (lambda: tessera.shard_bounds([], QUERIES), "at least one"),
        (lambda: tessera.Shard.of(ROWS, 0, "hamming"), "bits"),
        (lambda: tessera.shards_left(np.zeros((2, 3)), np.zeros((3, 1))), "queries"),
    ]
    for call, text in wrong:
        with pytest.raises(tessera.TesseraError, match=text):
            call()


def sharded(rows, cuts, metric, queries, k):
    shards = [tessera.Shard.of(rows[a:b], a, metric) for a, b in zip(cuts, cuts[1:])]
    asked = []

    def ask(tasks):
        asked.append(len(tasks))
        return [
            tessera.search_shard(rows[cuts[s]:cuts[s + 1]], own, k, cuts[s], metric)
            for s, own in tasks]

    hits = machines.search(pickle.loads(pickle.dumps(shards)), queries, k, ask)
    assert len(asked) <= 2
    return shards, hits


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_shards_that_are_left_out_hold_nothing_better(metric):
    cuts = [*range(0, 1050, 75), 1050]
    shards, hits = sharded(ROWS, cuts, metric, QUERIES, 6)
    scores, ids = tessera.search(ROWS, QUERIES, 6, metric=metric)
    assert hits.scores.tobytes() == scores.tobytes() and hits.ids.tobytes() == ids.tobytes()
    # The certificate holds, and says something: shards were left out, and their rows are worse.
    assert hits.certified.all() and not hits.searched.all()
    assert metric != "l2" or hits.searched.mean() < 0.4
    bounds = tessera.shard_bounds(shards, QUERIES)
    assert not tessera.shards_left(bounds, hits.scores, metric, hits.searched).any()
    for query, shard in np.argwhere(~hits.searched):
        best = tessera.search(
            ROWS[cuts[shard]:cuts[shard + 1]], QUERIES[query:query + 1], 1, metric=metric)[0][0, 0]
        last, bound = hits.scores[query, -1], bounds[query, shard]
        assert last < bound <= best if metric == "l2" else last > bound >= best


def test_ties_between_shards_and_few_rows_are_looked_at():
    rows = np.concatenate([ROWS[:8]] * 4)
    _, hits = sharded(rows, [0, 8, 16, 24, 32], "l2", rows[:8], 3)
    want = tessera.search(rows, rows[:8], 3, metric="l2")
    assert (hits.ids == want[1]).all() and (hits.ids == np.arange(8)[:, None] + [0, 8, 16]).all()
    # With fewer rows than hits every shard is looked at, also one without rows.
    _, hits = sharded(ROWS[:5], [0, 2, 2, 5], "ip", QUERIES, 9)
    assert hits.searched.all() and (np.sort(hits.ids)[:, -5:] == np.arange(5)).all()


def test_the_example_on_dask():
    pytest.importorskip("distributed")
    example = Path(__file__).parent.parent / "examples" / "dask_machines.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    assert "k-means on 2 workers" in done.stdout and done.stdout.count("certified") == 3
