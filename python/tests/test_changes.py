"""Tests of indexes that change, in files and in memory, and of shards."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import tessera

random = np.random.default_rng(17)
BASE = random.standard_normal((500, 24), dtype=np.float32)
MORE = random.standard_normal((80, 24), dtype=np.float32)
QUERIES = random.standard_normal((9, 24), dtype=np.float32)


class Model:
    """What an index should hold, and find."""

    def __init__(self, rows, ids):
        self.rows = dict(zip(ids, rows))

    def search(self, k):
        ids = np.array(sorted(self.rows))
        rows = np.stack([self.rows[i] for i in ids]).astype(np.float64)
        keys = ((QUERIES[:, None].astype(np.float64) - rows[None]) ** 2).sum(-1)
        return ids[np.argsort(keys, axis=1, kind="stable")[:, :k]]

    def agrees(self, index, k=6):
        assert index.ntotal == len(index) == len(self.rows)
        assert (index.search(QUERIES, k, recall=1)[1] == self.search(k)).all()


def change(index, model):
    """Changes an index in every way, with what is found after each."""
    model.agrees(index)
    index.add(MORE)
    model.rows.update(zip(range(500, 580), MORE))
    model.agrees(index)
    index.add_with_ids(QUERIES, np.arange(9) + 10_000)
    model.rows.update(zip(range(10_000, 10_009), QUERIES))
    model.agrees(index)
    assert (index.reconstruct([10_003, 579]) == [QUERIES[3], MORE[79]]).all()
    assert index.remove_ids([10_000, 10_001, 3, 77_777]) == 3
    assert index.remove_ids(range(100, 160)) == 60
    for gone in [10_000, 10_001, 3, *range(100, 160)]:
        del model.rows[gone]
    model.agrees(index)
    index.update(QUERIES[:2], [7, 8])
    model.rows.update({7: QUERIES[0], 8: QUERIES[1]})
    model.agrees(index)
    index.compact()
    model.agrees(index)
    index.add(MORE[:1])
    model.rows[10_009] = MORE[0]
    model.agrees(index)


@pytest.mark.parametrize("spec", ["Flat", "IVF8,Flat"])
@pytest.mark.parametrize("way", ["added", "trained", "loaded"])
def test_an_index_in_memory_changes(spec, way, tmp_path):
    index = tessera.Index(spec, 24, "l2")
    if way == "trained":
        index.train(BASE[::-1][:300].copy())
        assert index.is_trained and index.ntotal == 0
    index.add(BASE[:200])
    index.add(BASE[200:])
    if way == "loaded":
        index.save(tmp_path / "x.index")
        index = tessera.Index.load(tmp_path / "x.index")
    model = Model(BASE, range(500))
    change(index, model)
    index.save(tmp_path / "y.index")
    model.agrees(tessera.Index.load(tmp_path / "y.index"))
    if way == "loaded":
        assert len(tessera.Index.load(tmp_path / "x.index")) == 500


def test_an_index_in_a_file_changes(tmp_path):
    path = tmp_path / "x.index"
    built = tessera.Index("IVF8,Flat", 24, "l2")
    built.add(BASE)
    built.save(path)
    model = Model(BASE, range(500))
    with tessera.Index.open(path) as index:
        reader = tessera.Index.open(path, write=False)
        change(index, model)
        index.verify()
        # A reader sees what was changed when it asks.
        assert len(reader) == 500
        reader.refresh()
        model.agrees(reader)
        with pytest.raises(tessera.TesseraError, match="writing") as caught:
            reader.add(MORE)
        assert caught.value.name == "invalidArgument"
        with pytest.raises(tessera.TesseraError) as caught:
            tessera.Index.open(path)
        assert caught.value.name == "busy"
        with pytest.raises(tessera.TesseraError, match="compact"):
            tessera.Index.load(path)
    with pytest.raises(tessera.TesseraError, match="closed"):
        index.search(QUERIES, 1)
    # Another process has it now, with every change.
    script = (
        f"import tessera; index = tessera.Index.open({str(path)!r}); index.compact(); "
        f"print(index.remove_ids([7]), len(index))")
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    del model.rows[7]
    assert done.stdout.split() == ["1", str(len(model.rows))]
    with tessera.Index.open(path) as index:
        model.agrees(index)


def test_many_added_rows_get_lists_by_themselves():
    index = tessera.Index("IVF8,Flat", 24, "l2")
    index.add(BASE[:100])
    index.build()
    index.add(BASE[100:])
    index.search(QUERIES, 3, probes=1)
    info = tessera._library.LivingInfo()
    tessera._library.check(
        tessera._library.lib.tessera_living_describe(index._living.value, tessera._engine.byref(info)))
    assert info.added_count == 0 and info.count == 500


@pytest.mark.parametrize("call, status", [
    (lambda index: index.add(MORE[:, :3].copy()), "invalidShape"),
    (lambda index: index.add(MORE * np.float32(np.nan)), "nonFinite"),
    (lambda index: index.add_with_ids(MORE, np.arange(80)), "invalidArgument"),
    (lambda index: index.add_with_ids(MORE, np.arange(79) + 900), "invalidShape"),
    (lambda index: index.add_with_ids(MORE[:2], [900, 900]), "invalidArgument"),
    (lambda index: index.update(MORE[:1], [900]), "invalidArgument"),
    (lambda index: index.update(MORE[:2], [1]), "invalidShape"),
    (lambda index: index.remove_ids([[1, 2]]), "invalidShape"),
    (lambda index: index.reconstruct(900), "invalidArgument"),
])
def test_what_is_refused_changes_nothing(call, status):
    index = tessera.Index("IVF8,Flat", 24, "l2")
    index.add(BASE)
    before = index.search(QUERIES, 5)
    with pytest.raises(tessera.TesseraError) as caught:
        call(index)
    assert caught.value.name == status and len(str(caught.value)) > 10
    after = index.search(QUERIES, 5)
    assert (before[1] == after[1]).all() and len(index) == 500


def test_searches_go_on_while_an_index_changes():
    index = tessera.Index("IVF8,Flat", 24, "l2")
    index.add(BASE)
    index.build()
    done, wrong = threading.Event(), []

    def search():
        while not done.is_set():
            hits = (index.search(QUERIES, 1, recall=1)[1][:, 0] >= 500).sum()
            # Each change adds or removes all queries at once.
            if hits not in (0, 9):
                wrong.append(hits)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        first = index._next_id
        index.add(QUERIES)
        index.remove_ids(range(first, first + 9))
    index.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_shards_merged_in_any_grouping_are_the_whole(metric):
    # Rows that repeat, so that ids break ties in and between shards.
    rows, k = np.concatenate([BASE[:60], BASE[:60]]), 7
    want = tessera.search(rows, QUERIES, k, metric=metric)
    for _ in range(25):
        cuts = [0, *np.sort(random.integers(0, 121, 4)), 120]
        parts = [
            tessera.search_shard(rows[a:b], QUERIES, k, a, metric) for a, b in zip(cuts, cuts[1:])]
        while len(parts) > 1:
            random.shuffle(parts)
            some = random.integers(2, len(parts) + 1)
            parts[:some] = [tessera.merge_top_k(parts[:some], k, metric)]
        assert all(one.tobytes() == other.tobytes() for one, other in zip(parts[0], want))


def test_merging_pads_and_refuses():
    narrow = tessera.search(BASE[:2], QUERIES, 2, metric="l2")
    wide = tessera.search_shard(BASE[2:5], QUERIES, 8, 2, "l2")
    scores, ids = tessera.merge_top_k([narrow, wide], 6, "l2")
    assert (np.sort(ids[:, :5]) == np.arange(5)).all()
    assert (ids[:, 5] == -1).all() and np.isposinf(scores[:, 5]).all()
    for parts, k in (([], 3), ([narrow], 0), ([narrow, (wide[0][:1], wide[1][:1])], 3)):
        with pytest.raises(tessera.TesseraError):
            tessera.merge_top_k(parts, k, "l2")
    with pytest.raises(tessera.TesseraError, match="not a number"):
        tessera.merge_top_k([(narrow[0] * np.float32(np.nan), narrow[1])], 2, "l2")


class Lent:
    """An array of another library, which has DLPack and nothing else."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


def test_arrays_of_dlpack_are_taken_where_they_are():
    from tessera._arrays import as_matrix

    assert np.shares_memory(as_matrix(Lent(BASE), "rows"), BASE)
    want = tessera.search(BASE, QUERIES, 5, metric="l2")
    found = tessera.search(Lent(BASE), Lent(QUERIES), 5, metric="l2")
    assert (found[1] == want[1]).all() and (found[0] == want[0]).all()
    index = tessera.Index("IVF8,Flat", 24, "l2")
    index.add(Lent(BASE))
    assert (index.search(Lent(QUERIES), 5, recall=1)[1] == want[1]).all()
    index.add(Lent(MORE))
    assert len(index) == 580
    assert tessera.kmeans(Lent(BASE), 3).counts.sum() == 500
    small = (BASE * 20).astype(np.int8)
    assert np.shares_memory(as_matrix(Lent(small), "rows"), small)
    with pytest.raises(tessera.TesseraError, match="float64"):
        tessera.search(Lent(BASE.astype(np.float64)), QUERIES, 1)


def test_the_array_behind_dlpack_lives_as_long_as_it_is_searched():
    import gc

    vectors = tessera.Vectors(Lent(BASE.copy()), "l2")
    gc.collect()
    junk = [np.full((500, 24), 9, np.float32) for _ in range(20)]
    assert (vectors.search(BASE[:3], 1)[1][:, 0] == [0, 1, 2]).all() and junk


@pytest.mark.parametrize("kind, word", [(2, "CUDA"), (10, "ROCm"), (8, "Metal"), (99, "99")])
def test_arrays_on_devices_are_refused_with_the_remedy(kind, word):
    for call in (
        lambda x: tessera.search(x, QUERIES, 1), lambda x: tessera.search(BASE, x, 1),
        lambda x: tessera.Index("Flat", 24).add(x), lambda x: tessera.kmeans(x, 2)):
        with pytest.raises(tessera.TesseraError, match=word) as caught:
            call(Lent(BASE, (kind, 0)))
        assert caught.value.name == "wrongDevice" and ".cpu()" in str(caught.value)


def test_dlpack_that_numpy_does_not_take_is_an_error():
    class Broken(Lent):
        def __dlpack__(self, **options):
            raise BufferError("it has gradients")

    with pytest.raises(tessera.TesseraError, match="gradients"):
        tessera.search(Broken(BASE), QUERIES, 1)
