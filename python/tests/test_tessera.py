"""Tests of the Python package: results against NumPy, what is refused, and calls that are ended."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tessera

random = np.random.default_rng(7)
BASE = random.standard_normal((500, 24), dtype=np.float32)
QUERIES = random.standard_normal((9, 24), dtype=np.float32)


def truth(base, queries, k, metric):
    base, queries = base.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    if metric == "l2":
        keys = ((queries[:, None] - base[None]) ** 2).sum(-1)
    else:
        keys = -(queries @ base.T)
    ids = np.argsort(keys, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(keys, ids, 1)
    return (scores if metric == "l2" else -scores), ids


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint8])
def test_search_is_exact(metric, dtype):
    scale = 1 if np.dtype(dtype).kind == "f" else 20
    shift = 100 if dtype == np.uint8 else 0
    base = (BASE * scale + shift).astype(dtype)
    queries = (QUERIES * scale + shift).astype(dtype)
    scores, ids = tessera.search(base, queries, 4, metric=metric)
    want_scores, want = truth(base, queries, 4, metric)
    assert scores.dtype == np.float32 and ids.dtype == np.int64
    np.testing.assert_allclose(scores, want_scores, rtol=1e-5)
    if np.dtype(dtype).kind == "f":
        assert (ids == want).all()


@pytest.mark.parametrize("metric", ["hamming", "jaccard"])
def test_bits_are_compared(metric, tmp_path):
    base, queries = (random.integers(0, 256, (count, 5), dtype=np.uint8) for count in (200, 7))
    bits, asked = np.unpackbits(base, axis=1), np.unpackbits(queries, axis=1)
    differing = (asked[:, None] != bits[None]).sum(-1)
    united = np.maximum(1, (asked[:, None] | bits[None]).sum(-1))
    distances = differing if metric == "hamming" else differing / united
    want = np.argsort(distances, axis=1, kind="stable")[:, :6]
    scores, ids = tessera.search(base, queries, 6, metric=metric)
    assert (ids == want).all()
    np.testing.assert_allclose(scores, np.take_along_axis(distances, want, 1), rtol=1e-6)
    index = tessera.Index("BIVF4", 5, metric)
    index.add(base)
    assert (index.search(queries, 6, recall=1)[1] == want).all()
    index.save(str(tmp_path / "bits.index"))
    loaded = tessera.Index.load(str(tmp_path / "bits.index"))
    assert loaded.metric == metric
    assert (loaded.search(queries, 6, recall=1)[1] == want).all()
    with pytest.raises(tessera.TesseraError, match="uint8"):
        tessera.search(BASE, QUERIES, 3, metric=metric)


def test_rows_apart_are_taken_where_they_are():
    wide = np.zeros((500, 40), np.float32)
    wide[:, :24] = BASE
    view = wide[::2, :24]
    _, ids = tessera.search(view, QUERIES, 3)
    assert (ids == truth(BASE[::2], QUERIES, 3, "ip")[1]).all()


def test_changed_columns_are_refused_with_a_word():
    with pytest.raises(tessera.TesseraError, match="ascontiguousarray"):
        tessera.search(np.asfortranarray(BASE), QUERIES, 3)
    with pytest.raises(tessera.TesseraError, match="ascontiguousarray"):
        tessera.search(BASE[:, ::-1], QUERIES, 3)


@pytest.mark.parametrize(
    "call, status",
    [
        (lambda: tessera.search(BASE, QUERIES, 0), "invalidArgument"),
        (lambda: tessera.search(BASE, QUERIES[:, :3].copy(), 1), "invalidShape"),
        (lambda: tessera.search(BASE, QUERIES, 1, metric="manhattan"), "invalidArgument"),
        (lambda: tessera.search(BASE, QUERIES, 1, device="toaster"), "invalidArgument"),
        (lambda: tessera.search(BASE.astype(np.float64), QUERIES, 1), "invalidArgument"),
        (lambda: tessera.search(BASE[0], QUERIES, 1), "invalidShape"),
        (lambda: tessera.search(BASE * np.float32(np.nan), QUERIES, 1), "nonFinite"),
        (lambda: tessera.search("/nowhere.npy", QUERIES, 1), "inputNotFound"),
        (lambda: tessera.Index("HNSW32", 24).build(), "invalidArgument"),
        (lambda: tessera.Index.load("/nowhere.index"), "inputNotFound"),
        (lambda: tessera.kmeans(BASE, 0), "invalidShape"),
        (lambda: tessera.kmeans(BASE, 501), "invalidShape"),
        (lambda: tessera.kmeans(BASE, 3, init="here"), "invalidArgument"),
        (lambda: tessera.Quantizer("PQ4x8").encode(BASE), "invalidArgument"),
        (lambda: tessera.Quantizer("XX").train(BASE), "invalidArgument"),
    ],
)
def test_what_is_wrong_is_an_error_with_the_library_s_text(call, status):
    with pytest.raises(tessera.TesseraError) as caught:
        call()
    assert caught.value.name == status and len(str(caught.value)) > 10


@pytest.mark.parametrize(
    "only", [range(40, 90), np.arange(40, 90), (np.arange(500) >= 40) & (np.arange(500) < 90)]
)
def test_filters(only):
    _, ids = tessera.Vectors(BASE, "ip").search(QUERIES, 5, only=only)
    assert (ids == truth(BASE[40:90], QUERIES, 5, "ip")[1] + 40).all()


def test_fewer_hits_than_asked_are_padded():
    scores, ids = tessera.search(BASE[:2], QUERIES, 4, metric="l2")
    assert (ids[:, 2:] == -1).all() and np.isposinf(scores[:, 2:]).all()


def test_range_search():
    vectors = tessera.Vectors(BASE, "l2")
    limit = 30.0
    starts, scores, ids = vectors.range_search(QUERIES, limit)
    keys = ((QUERIES[:, None].astype(np.float64) - BASE[None]) ** 2).sum(-1)
    for query in range(len(QUERIES)):
        own = ids[starts[query]: starts[query + 1]]
        assert set(own) == set(np.flatnonzero(keys[query] < limit))
    assert (scores < limit).all()


def test_index(tmp_path):
    index = tessera.Index("IVF8,Flat", 24, "ip")
    index.train(BASE)
    index.add(BASE[:300])
    index.add(BASE[300:])
    assert index.ntotal == len(index) == 500
    _, ids = index.search(QUERIES, 5, recall=1)
    assert (ids == truth(BASE, QUERIES, 5, "ip")[1]).all()
    assert (index.reconstruct(17) == BASE[17]).all()
    assert (index.reconstruct([3, 499]) == BASE[[3, 499]]).all()
    index.save(tmp_path / "x.index")
    again = tessera.Index.load(tmp_path / "x.index")
    assert again.spec == "IVF8,Flat" and again.metric == "ip" and again.ntotal == 500
    for effort in ({}, {"probes": 2}, {"recall": 1.0}):
        one, other = index.search(QUERIES, 5, **effort), again.search(QUERIES, 5, **effort)
        assert (one[0] == other[0]).all() and (one[1] == other[1]).all()


def test_index_with_ids_of_its_own():
    index = tessera.Index("Flat", 24, "l2")
    index.add_with_ids(BASE[:100], np.arange(1000, 1100))
    index.add_with_ids(BASE[100:], np.arange(5000, 5400))
    _, ids = index.search(BASE[[5, 200]], 1)
    assert ids[:, 0].tolist() == [1005, 5100]
    # Ids of rows that bring none go on from the highest there was, also before the index is built.
    late = tessera.Index("Flat", 24, "l2")
    late.add_with_ids(BASE[:100], np.arange(1000, 1100))
    for own in (index, late):
        own.add(BASE[100:102] + 1)
    assert index.search(BASE[[100]] + 1, 1)[1] == 5400 and late.search(BASE[[101]] + 1, 1)[1] == 1101


def test_conversion_to_faiss_and_back(tmp_path):
    index = tessera.Index("IVF8,Flat", 24, "ip")
    index.add(BASE)
    index.save(tmp_path / "a.index")
    tessera.convert(tmp_path / "a.index", tmp_path / "a.faiss")
    tessera.convert(tmp_path / "a.faiss", tmp_path / "b.index")
    one, other = (
        tessera.Index.load(tmp_path / name).search(QUERIES, 3, probes=2)
        for name in ("a.index", "b.index"))
    assert (one[1] == other[1]).all()


def test_kmeans():
    found = tessera.kmeans(BASE, 6, seed=3)
    distances = ((BASE[:, None].astype(np.float64) - found.centroids[None]) ** 2).sum(-1)
    assert (found.labels == distances.argmin(1)).all()
    assert found.counts.sum() == 500
    np.testing.assert_allclose(found.objective, distances.min(1).sum(), rtol=1e-6)
    assert (tessera.kmeans(BASE, 6, seed=3).centroids == found.centroids).all()
    assigned = tessera.kmeans(QUERIES, 6, init=found.centroids, iterations=0)
    assert (assigned.centroids == found.centroids).all() and assigned.iterations == 0


def test_quantizer(tmp_path):
    quantizer = tessera.Quantizer("SQ8")
    error = quantizer.train(BASE)
    codes = quantizer.encode(BASE)
    decoded = quantizer.decode(codes)
    assert codes.shape == (500, quantizer.code_size)
    np.testing.assert_allclose(((decoded - BASE) ** 2).sum(1).mean(), error, rtol=1e-3)
    quantizer.save(tmp_path / "q")
    again = tessera.Quantizer.load(tmp_path / "q")
    assert (again.encode(BASE) == codes).all()
    _, ids = quantizer.search(codes, QUERIES, 3, "l2")
    assert (ids == truth(decoded, QUERIES, 3, "l2")[1]).all()


def test_devices():
    names = [device.identifier for device in tessera.devices()]
    assert names[0] == "cpu" and "reference" in names


def test_threads_share_a_search():
    vectors = tessera.Vectors(BASE, "ip")
    want = vectors.search(QUERIES, 5)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(vectors.search(QUERIES, 5)))
        for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all((found[1] == want[1]).all() for found in results)


LARGE = random.standard_normal((60_000, 64), dtype=np.float32)


def test_the_interpreter_is_not_blocked():
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.005):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    tessera.kmeans(LARGE, 200, iterations=3)
    done.set()
    thread.join()
    assert len(ticks) > 5


def test_ctrl_c_ends_a_call():
    # Shells start what runs in the background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = time.monotonic()
        timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            tessera.kmeans(LARGE, 2000, iterations=1000)
        assert time.monotonic() - started < 5
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_and_what_it_throws():
    heard = []
    tessera.kmeans(BASE, 5, progress=lambda stage, share: heard.append((stage, share)))
    assert heard[-1][1] == 1 and all(0 <= share <= 1 for _, share in heard)
    with pytest.raises(tessera.TesseraError) as caught:
        tessera.kmeans(BASE, 5, progress=lambda stage, share: False)
    assert caught.value.name == "cancelled"

    def fails(stage, share):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tessera.kmeans(BASE, 5, progress=fails)


def test_timeout():
    with pytest.raises(tessera.TesseraError) as caught:
        tessera.kmeans(LARGE, 2000, iterations=1000, timeout=0.2)
    assert caught.value.name == "deadlineExceeded"


def test_nothing_is_left_behind():
    import gc

    from tessera._library import lib

    tessera.search(BASE, QUERIES, 1)
    gc.collect()
    before = lib.tessera_handle_count()
    for _ in range(3):
        tessera.search(BASE, QUERIES, 1, only=range(5))
        index = tessera.Index("Flat", 24)
        index.add(BASE)
        index.search(QUERIES, 1)
        del index
    gc.collect()
    assert lib.tessera_handle_count() == before


def test_nothing_is_written_that_was_not_asked_for(tmp_path):
    cache = tmp_path / "cache"
    script = (
        "import numpy, tessera\n"
        "rows = numpy.ones((3000, 64), numpy.float32)\n"
        "tessera.search(rows, rows[:500], 3)\n"
        "tessera.kmeans(rows, 2)\n")
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "TESSERA_CACHE": str(cache)})
    assert not cache.exists()


def test_a_forked_child_works():
    script = (
        "import os, numpy, tessera\n"
        "rows = numpy.random.default_rng(0).standard_normal((9000, 32), dtype=numpy.float32)\n"
        "vectors = tessera.Vectors(rows)\n"
        "want = vectors.search(rows[:200], 3)[1]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    found = vectors.search(rows[:200], 3)[1]\n"
        "    os._exit(0 if (found == want).all() else 3)\n"
        "os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n")
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
