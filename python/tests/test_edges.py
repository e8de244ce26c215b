"""Calls at the edge of what has a meaning: each is done, or is an error with a sentence. One that ended the
process would end these tests. `TesseraCTests` has the calls that have to be errors."""

import itertools
from ctypes import byref, c_void_p

import numpy as np
import pytest
from tessera import _library as library

lib = library.lib
MOST = 2**63 - 1
NUMBERS = np.random.default_rng(0).standard_normal((300, 8), dtype=np.float32)
HUGE = np.full((300, 8), 3e38, np.float32)
ZEROS = np.zeros((300, 8), np.float32)
IDS, SCORES = np.zeros(10_000, np.int64), np.zeros(10_000, np.float32)
CENTROIDS = np.zeros((400, 8), np.float32)


def rows(count=300, dimension=8, values=NUMBERS):
    return library.Rows(values.ctypes.data if count else None, 0, count, dimension, 0)


def done(status):
    """Tells whether a call was done; otherwise it has to say what was wrong."""
    assert 0 <= status <= 18
    if status:
        assert len(lib.tessera_last_error()) > 10
    return status == 0


def made(call, *arguments):
    """Returns a handle, or nothing after an error."""
    out = c_void_p()
    if not done(call(*arguments, byref(out))):
        assert not out.value
        return None
    return library.Handle.taking(out)


DEVICE = library.Handle(lib.tessera_device_open, b"cpu", None)


def wrapped(points):
    return library.Handle(lib.tessera_vectors_wrap, byref(points), None, None)


def ask(search, queries, k, **options):
    return done(
        lib.tessera_search_nearest(
            search.value, byref(queries), k, byref(library.SearchOptions(**options)), None,
            IDS.ctypes.data, SCORES.ctypes.data, None))


def within(search, queries, score):
    out = c_void_p()
    if done(lib.tessera_search_within(
            search.value, byref(queries), score, None, None, byref(out), None)):
        library.Handle.taking(out)


NOTHING = rows(0)


@pytest.mark.parametrize("metric", [0, 1, 2])
@pytest.mark.parametrize("points", [rows(), NOTHING, rows(1), rows(values=HUGE), rows(values=ZEROS)])
def test_vectors(points, metric):
    vectors = wrapped(points)
    search = made(lib.tessera_search_vectors, vectors.value, metric, DEVICE.value)
    for queries, k in ((rows(2), 5), (rows(3), 2000), (NOTHING, 5), (NOTHING, MOST),
                       (rows(2, values=HUGE), 3), (rows(2, values=ZEROS), 3)):
        ask(search, queries, k)
        for score in (np.nan, np.inf, -np.inf, 0):
            within(search, queries, score)


SPECIFICATIONS = [
    "Flat", "IVF4,Flat", "IVF1,PQ2x4", "IVF300,Flat", "SQ8", "PQ4x8", "IVF4,RaBitQ4", "RaBitQ",
    "IVF4,PQ4x4fs,RFlat", "PCA2,IVF2,Flat", "L2norm,Flat", "OPQ2_4,IVF4,PQ2x4"]


@pytest.mark.parametrize("specification", SPECIFICATIONS)
@pytest.mark.parametrize("metric", [0, 1, 2])
def test_indexes(specification, metric):
    own = np.arange(300) - 150
    own[0], own[1] = -2**63, MOST
    cases = [
        (rows(), None, {}), (NOTHING, None, {}), (rows(1), None, {}),
        (rows(), None, {"training_limit": 1}), (rows(), own, {}), (rows(values=HUGE), None, {}),
        (rows(), None, {"iterations": MOST, "training_limit": MOST, "seed": 2**64 - 1})]
    for points, ids, options in cases:
        vectors = wrapped(points)
        index = made(
            lib.tessera_index_build, specification.encode(), vectors.value, metric,
            ids.ctypes.data if ids is not None else None, 300 if ids is not None else 0,
            byref(library.IndexOptions(**options)), DEVICE.value, None)
        if index is None:
            continue
        search = made(lib.tessera_search_index, index.value, DEVICE.value)
        for k, effort in ((1, {}), (400, {}), (5, {"probes": MOST}), (5, {"recall": 1e-300}),
                          (5, {"recall": 1.0})):
            ask(search, rows(2), k, **effort)
        ask(search, NOTHING, MOST)
        within(search, rows(2), np.nan)
        within(search, rows(2), np.inf)
        words = np.full(1, 2**64 - 1, np.uint64)
        filters = [
            made(lib.tessera_filter_range, -2**63, MOST),
            made(lib.tessera_filter_bitmap, words.ctypes.data, 1, -2**63),
            made(lib.tessera_filter_bitmap, words.ctypes.data, 1, MOST),
            made(lib.tessera_filter_ids, None, 0)]
        for filter in filters:
            ask(search, rows(2), 5, filter=filter.value)
        wild = np.array([MOST, -2**63], np.int64)
        done(
            lib.tessera_index_reconstruct(
                index.value, wild.ctypes.data, 2, DEVICE.value, SCORES.ctypes.data))


def cluster(points, k, **options):
    return done(
        lib.tessera_kmeans(
            byref(points), k, byref(library.KMeansOptions(**options)), DEVICE.value, None,
            CENTROIDS.ctypes.data, None, None, None))


def test_clusters():
    for algorithm, start in itertools.product(range(4), range(3)):
        cluster(rows(), 5, algorithm=algorithm, start=start, batch_size=MOST)
        cluster(rows(300, 1), 5, algorithm=algorithm, start=start, training_limit=MOST)
    for metric, values in itertools.product(range(3), (NUMBERS, HUGE, ZEROS)):
        cluster(rows(values=values), 3, metric=metric, iterations=MOST)
    for points, k in ((NOTHING, 1), (rows(1), 1), (rows(), 300)):
        cluster(points, k)
    cluster(rows(), 5, tolerance=np.inf)
    cluster(rows(), 5, training_limit=5)
    assert cluster(rows(2), 300, start=3, flags=1, centroids=rows(300))
    cluster(NOTHING, 3, start=3, flags=1, centroids=rows(3))
    for weight in (0, np.inf, -1, 3e38):
        weights = np.full(300, weight, np.float32)
        cluster(rows(), 3, weights=weights.ctypes.data)


@pytest.mark.parametrize(
    "specification",
    ["PQ2x4", "PQ4x8", "OPQ2,PQ2x4", "SQ8", "SQ4", "SQ6", "SQfp16", "RQ2x4", "PRQ2x2x4", "RaBitQ",
     "RaBitQ4", "PQ8x16", "PQ1x1", "LR4"])
def test_quantizers(specification):
    for points in (rows(), NOTHING, rows(1), rows(values=HUGE), rows(300, 1)):
        out = c_void_p()
        if not done(lib.tessera_quantizer_train(
                specification.encode(), byref(points), DEVICE.value, None, byref(out), None)):
            continue
        quantizer = library.Handle.taking(out)
        info = library.QuantizerInfo()
        library.check(lib.tessera_quantizer_describe(quantizer.value, byref(info)))
        # Bytes that no vector may have as its code.
        codes = np.full(info.code_bytes * 5, 255, np.uint8)
        nothing, own = rows(0, info.dimension), rows(2, info.dimension)
        done(
            lib.tessera_quantizer_decode(
                quantizer.value, codes.ctypes.data, 5, DEVICE.value, None, SCORES.ctypes.data))
        done(lib.tessera_quantizer_decode(quantizer.value, None, 0, DEVICE.value, None, None))
        done(
            lib.tessera_quantizer_encode(quantizer.value, byref(nothing), DEVICE.value, None, None))
        for count, metric in itertools.product((0, 5), range(3)):
            search = made(
                lib.tessera_search_codes, quantizer.value, codes.ctypes.data, count, metric,
                DEVICE.value)
            if search is not None:
                ask(search, own, 7)
                ask(search, nothing, MOST)
