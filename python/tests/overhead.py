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


def microseconds(*calls, rounds=400, repeats=25):
    """Returns for each call the least mean of many short rounds of this thread's time on a processor. The
    calls take turns, so that what else the machine does counts little, and for all alike."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for place, call in enumerate(calls):
            start = time.thread_time()
            for _ in range(repeats):
                call()
            least[place] = min(least[place], (time.thread_time() - start) / repeats * 1e6)
    return least


index = tessera.Index("Flat", 8, "ip", device="cpu")
index.add(base)
plain, whole, indexed, empty = microseconds(
    lambda: library.lib.tessera_search_nearest(*arguments), lambda: vectors.search(query, 1),
    lambda: index.search(query, 1), lambda: library.lib.tessera_handle_count())
print(
    f"a search of 64 rows: {whole:.1f} us from Python, {plain:.1f} us by its C call; "
    f"the package adds {whole - plain:.1f} us, an empty call takes {empty:.2f} us; "
    f"a search of an index of them takes {indexed:.1f} us")
if whole - plain > 25:
    sys.exit("overhead: the Python package adds more than 25 microseconds to a call")
