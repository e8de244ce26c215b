"""k-means and exact search on Dask: the rows lie on worker processes, and what is found has the bytes of one
process that has all rows. Needs `pip install dask distributed`.

    python dask_machines.py
"""

import numpy as np
import tessera
from dask.distributed import Client, LocalCluster, wait
from tessera import machines

CHUNK = 1000  # rows that are added up together, the same everywhere
ONE = {"device": "cpu", "threads": 1}  # Dask's workers are the threads


def make_rows(first: int, count: int) -> np.ndarray:
    """Stands for the reading of rows where they lie. Those of a part are alike, as of one source or month."""
    random = np.random.default_rng(first)
    middle = 6 * random.standard_normal(32)
    return (middle + random.standard_normal((count, 32))).astype(np.float32)


class Rows:
    """Rows that lie on the workers of a Dask cluster, part after part, each of whole chunks."""

    def __init__(self, client: Client, counts: list[int], make):
        self.client = client
        self.firsts = [sum(counts[:part]) for part in range(len(counts))]
        self.count = sum(counts)
        self.parts = client.map(make, self.firsts, counts)

    def kmeans(self, k: int, **options) -> machines.SharedClusters:
        def rows(numbers):
            places = np.searchsorted(self.firsts, numbers, side="right") - 1
            taken = {
                part: self.client.submit(
                    np.take, self.parts[part], numbers[places == part] - self.firsts[part], axis=0)
                for part in np.unique(places)}
            found = np.empty((len(numbers), 32), np.float32)
            for part, values in self.client.gather(taken).items():
                found[places == part] = values
            return found

        def partials(centroids):
            made = self.client.map(
                tessera.kmeans_partial, self.parts, self.firsts, centroids=centroids,
                chunk_rows=CHUNK, **ONE)
            # Workers merge some, so that less is sent; which ones leaves no trace in the bytes.
            return self.client.gather([
                self.client.submit(tessera.kmeans_merge, made[start::2]) for start in range(2)])

        return machines.kmeans(self.count, k, rows=rows, partials=partials, **options)

    def search(self, queries: np.ndarray, k: int, metric: str) -> machines.ShardHits:
        shards = self.client.gather(
            self.client.map(tessera.Shard.of, self.parts, self.firsts, metric=metric))

        def ask(tasks):
            return self.client.gather([
                self.client.submit(
                    tessera.search_shard, self.parts[shard], asked, k, self.firsts[shard], metric,
                    **ONE)
                for shard, asked in tasks])

        return machines.search(shards, queries, k, ask)


def main() -> None:
    # Only the last part, and of it the last chunk, may be short.
    counts = [2000, 3000, 1000, 4000, 2000, 2500]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        rows = Rows(client, counts, make_rows)
        wait(rows.parts)
        workers = {worker for held in client.who_has(rows.parts).values() for worker in held}
        clusters = rows.kmeans(24, iterations=10)
        queries = np.concatenate([make_rows(first, 1) for first in rows.firsts])
        found = {metric: rows.search(queries, 10, metric) for metric in ("l2", "ip", "cosine")}

    every = np.concatenate([make_rows(*part) for part in zip(rows.firsts, counts)])
    one = tessera.kmeans(every, 24, iterations=10, chunk_rows=CHUNK, device="cpu")
    assert clusters.centroids.tobytes() == one.centroids.tobytes()
    assert (clusters.objective, clusters.iterations) == (one.objective, one.iterations)
    assert (clusters.counts == one.counts).all()
    print(f"k-means on {len(workers)} workers: {clusters.iterations} updates, the bytes of one process")
    for metric, hits in found.items():
        scores, ids = tessera.search(every, queries, 10, metric=metric, device="cpu")
        assert hits.ids.tobytes() == ids.tobytes() and hits.scores.tobytes() == scores.tobytes()
        assert hits.certified.all()
        print(
            f"search by {metric}: {hits.searched.sum()} of {hits.searched.size} times a shard was looked at, "
            "the bytes of one process, certified")
    # Parts that lie apart are told apart.
    assert found["l2"].searched.mean() < 0.5 and len(workers) == 2


if __name__ == "__main__":
    main()
