"""Tessera: exact vector search, indexes, k-means and quantizers, the same bits on every device.

    import numpy as np, tessera

    scores, ids = tessera.search(base, queries, k=10)          # base: float32, float16, int8 or uint8

    index = tessera.Index("IVF1024,Flat", base.shape[1], "ip")
    index.add(base)
    scores, ids = index.search(queries, 10, recall=0.95)
    index.add(more)                                            # at any time; also update, remove_ids
"""

from ._engine import (
    Clusters, Device, Index, Quantizer, Vectors, convert, devices, kmeans, merge_top_k,
    search, search_shard, version,
)
from ._machines import (
    KMeansStep, Shard, kmeans_merge, kmeans_partial, kmeans_start, kmeans_start_rows, kmeans_step,
    shard_bounds, shards_left,
)
from ._library import TesseraError

__version__ = version()
__all__ = [
    "Clusters", "Device", "Index", "KMeansStep", "Quantizer", "Shard", "TesseraError", "Vectors",
    "convert", "devices", "kmeans", "kmeans_merge", "kmeans_partial", "kmeans_start",
    "kmeans_start_rows", "kmeans_step", "merge_top_k", "search", "search_shard", "shard_bounds",
    "shards_left", "version",
]
