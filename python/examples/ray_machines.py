"""k-means and exact search on Ray Data: parts of a file of vectors are read by tasks of Ray, and what is found has
the bytes of one process that has all rows. Needs `pip install "ray[data]"`.

    python ray_machines.py
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import ray
import tessera
from tessera import machines

CHUNK = 1000  # rows that are added up together, the same everywhere
PART = 3 * CHUNK
ONE = {"device": "cpu", "threads": 1}


def read(path: str, part: dict) -> np.ndarray:
    return np.load(path, mmap_mode="r")[part["first"]:part["first"] + part["count"]]


def kmeans(parts: ray.data.Dataset, path: str, count: int, k: int, **options):
    def partials(centroids):
        def compare(part):
            return {"bytes": tessera.kmeans_partial(
                read(path, part), part["first"], centroids, chunk_rows=CHUNK, **ONE)}

        return [part["bytes"] for part in parts.map(compare).take_all()]

    return machines.kmeans(
        count, k, rows=lambda numbers: np.load(path, mmap_mode="r")[numbers], partials=partials,
        **options)


def search(parts: ray.data.Dataset, path: str, queries: np.ndarray, k: int, metric: str):
    def measure(part):
        shard = tessera.Shard.of(read(path, part), part["first"], metric)
        return {"first": shard.first_id, "count": shard.count, "center": shard.center,
                "radius": shard.radius}

    shards = [
        tessera.Shard(one["first"], one["count"], metric, one["center"], one["radius"])
        for one in sorted(parts.map(measure).take_all(), key=lambda one: one["first"])]

    def ask(tasks):
        def look(task):
            shard, asked = tasks[task["task"]]
            part = {"first": shards[shard].first_id, "count": shards[shard].count}
            scores, ids = tessera.search_shard(
                read(path, part), asked, k, part["first"], metric, **ONE)
            return {"task": task["task"], "scores": scores, "ids": ids}

        # Rows of Ray Data come back in any order.
        found = ray.data.from_items([{"task": task} for task in range(len(tasks))]).map(look)
        return [
            (one["scores"], one["ids"])
            for one in sorted(found.take_all(), key=lambda one: one["task"])]

    return machines.search(shards, queries, k, ask)


def main() -> None:
    random = np.random.default_rng(3)
    middles = 6 * random.standard_normal((5, 32))
    # Rows that are near to each other lie together, as of one source or month.
    rows = np.repeat(middles, PART, axis=0)[:14_500] + random.standard_normal((14_500, 32))
    rows = rows.astype(np.float32)
    queries = (middles + random.standard_normal((5, 32))).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.npy")
        np.save(path, rows)
        ray.init(num_cpus=2, include_dashboard=False, logging_level="warning")
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        parts = ray.data.from_items([
            {"first": first, "count": min(PART, len(rows) - first)}
            for first in range(0, len(rows), PART)])
        clusters = kmeans(parts, path, len(rows), 24, iterations=5)
        found = {metric: search(parts, path, queries, 10, metric) for metric in ("l2", "cosine")}
        ray.shutdown()

    one = tessera.kmeans(rows, 24, iterations=5, chunk_rows=CHUNK, device="cpu")
    assert clusters.centroids.tobytes() == one.centroids.tobytes()
    assert (clusters.objective, clusters.iterations) == (one.objective, one.iterations)
    print(f"k-means on Ray {ray.__version__}: {clusters.iterations} updates, the bytes of one process")
    for metric, hits in found.items():
        scores, ids = tessera.search(rows, queries, 10, metric=metric, device="cpu")
        assert hits.ids.tobytes() == ids.tobytes() and hits.scores.tobytes() == scores.tobytes()
        print(
            f"search by {metric}: {hits.searched.sum()} of {hits.searched.size} times a shard was looked at, "
            f"the bytes of one process, certified: {hits.certified.all()}")


if __name__ == "__main__":
    main()
