"""The job of Tests/Consumers/README.md in Python: consumer.py BASE QUERIES OUT."""

import sys

import numpy as np
import tessera

base, queries = (np.load(path) for path in sys.argv[1:3])

exact = tessera.Vectors(base, "ip", device="cpu")
index = tessera.Index("IVF16,Flat", base.shape[1], "ip", device="cpu")
index.add(base)
clusters = tessera.kmeans(base, 8, device="cpu")
# The same clusters of rows that two machines have: one update from the centroids above.
parts = [
    tessera.kmeans_partial(base[a:b], a, clusters.centroids, chunk_rows=500, device="cpu")
    for a, b in ((0, 1000), (1000, len(base)))]
step = tessera.kmeans_step(tessera.kmeans_merge(parts), len(base), clusters.centroids)
# What the second half may hold at best.
bounds = tessera.shard_bounds([tessera.Shard.of(base[1000:], 1000, "ip")], queries)

found = [
    exact.search(queries, 5), exact.search(queries, 5, only=range(100)),
    index.search(queries, 5, probes=4)]
# The queries become rows, which are found, and are removed again.
index.add(queries)
found.append(index.search(queries, 5, probes=4))
index.compact()
found.append(index.search(queries, 5, probes=4))
assert index.remove_ids(range(len(base), len(base) + len(queries))) == len(queries)
found.append(index.search(queries, 5, probes=4))

with open(sys.argv[3], "wb") as out:
    for scores, ids in found:
        out.write(ids.tobytes() + scores.tobytes())
    out.write(clusters.centroids.tobytes() + clusters.labels.tobytes())
    out.write(step.centroids.tobytes() + bounds.tobytes())
