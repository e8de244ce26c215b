"""Prints what a call from Python costs beside the same call from C, and checks that it is little."""

import ctypes
import sys
import time

import numpy as np
import tessera
from tessera import _library as library

base = np.random.default_rng(1).standard_normal((64, 8), dtype=np.float32)
query = base[:1].copy()
vectors = tessera.Vectors(base, "ip", device="cpu")
ids, scores = np.empty((1, 1), np.int64), np.empty((1, 1), np.float32)
rows = library.Rows(query.ctypes.data, 0, 1, 8, 0)
arguments = (
    vectors._search.value, ctypes.byref(rows), 1, None, None, ids.ctypes.data, scores.ctypes.data,
    None)


def microseconds(call, repeats=500):
    """Returns the least mean of several rounds of this thread's time on a processor, so that what else
    the machine does counts little."""
    rounds = []
    for _ in range(20):
        start = time.thread_time()
        for _ in range(repeats):
            call()
        rounds.append((time.thread_time() - start) / repeats * 1e6)
    return min(rounds)


plain = microseconds(lambda: library.lib.tessera_search_nearest(*arguments))
whole = microseconds(lambda: vectors.search(query, 1))
empty = microseconds(lambda: library.lib.tessera_handle_count())
print(
    f"a search of 64 rows: {whole:.1f} us from Python, {plain:.1f} us by its C call; "
    f"the package adds {whole - plain:.1f} us, an empty call takes {empty:.2f} us")
if whole - plain > 50:
    sys.exit("overhead: the Python package adds more than 50 microseconds to a call")
