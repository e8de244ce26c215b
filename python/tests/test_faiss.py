"""Scripts written for FAISS run after changing their import, and find the same."""

import numpy as np
import pytest
import tessera.faiss as own

peer = pytest.importorskip("faiss")

random = np.random.default_rng(11)
ROWS = random.standard_normal((3000, 32), dtype=np.float32)
QUERIES = random.standard_normal((50, 32), dtype=np.float32)


def flat(faiss):
    index = faiss.IndexFlatL2(32)
    index.add(ROWS[:1000])
    index.add(ROWS[1000:])
    assert index.ntotal == 3000 and index.is_trained and index.d == 32
    D, I = index.search(QUERIES, 6)
    lims, DR, IR = index.range_search(QUERIES[:5], 40.0)
    inner = faiss.index_factory(32, "Flat", faiss.METRIC_INNER_PRODUCT)
    inner.add(ROWS)
    rows = ROWS.copy()
    faiss.normalize_L2(rows)
    return {
        "D": D, "I": I, "lims": lims, "IR": [set(IR[lims[q]:lims[q + 1]]) for q in range(5)],
        "inner": inner.search(QUERIES, 6)[1], "row": index.reconstruct(7),
        "rows": index.reconstruct_n(3, 5), "knn": faiss.knn(QUERIES, ROWS, 3)[1],
        "unit": rows, "padded": padded(faiss),
    }


def padded(faiss):
    index = faiss.IndexFlatIP(32)
    index.add(ROWS[:2])
    return index.search(QUERIES, 4)[1]


def test_exact_scripts_find_the_same():
    got, want = flat(own), flat(peer)
    for name in ("I", "inner", "row", "rows", "knn", "padded", "lims"):
        assert (got[name] == want[name]).all(), name
    assert got["IR"] == want["IR"]
    np.testing.assert_allclose(got["D"], want["D"], rtol=1e-4)
    np.testing.assert_allclose(got["unit"], want["unit"], rtol=1e-5)


def lists(faiss, spec):
    index = faiss.index_factory(32, spec, faiss.METRIC_L2)
    index.train(ROWS)
    index.add(ROWS)
    found = []
    for nprobe in (1, 8):
        index.nprobe = nprobe
        found.append(index.search(QUERIES, 10)[1])
    return found


@pytest.mark.parametrize("spec", ["IVF32,Flat", "IVF32,SQ8", "IVF16,PQ8x8"])
def test_scripts_with_lists_find_as_much(spec):
    truth = peer.knn(QUERIES, ROWS, 10)[1]

    def recall(ids):
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth)])

    for got, want in zip(lists(own, spec), lists(peer, spec)):
        assert recall(got) > recall(want) - 0.1


def changed(faiss, spec):
    """A script that adds, removes and adds again; what it finds after each."""
    index = faiss.index_factory(32, spec, faiss.METRIC_L2)
    assert index.is_trained == (spec in ("Flat", "IDMap,Flat"))
    if not index.is_trained:
        index.train(ROWS[:2000])
    assert index.is_trained and index.ntotal == 0
    own = spec.startswith("IDMap")
    # One array that is filled again and again, as from a file.
    chunk = np.empty((500, 32), np.float32)
    found = []
    for start in range(0, 3000, 500):
        chunk[:] = ROWS[start:start + 500]
        if own:
            index.add_with_ids(chunk, np.arange(start, start + 500))
        else:
            index.add(chunk)
    chunk[:] = 0
    if "IVF" in spec:
        index.nprobe = 32
    found.append(index.search(QUERIES, 6)[1])
    removed = [index.remove_ids(np.unique(found[0][:, 0])),
               index.remove_ids(faiss.IDSelectorRange(1000, 1100)),
               index.remove_ids(faiss.IDSelectorBatch(np.array([5, 6, 7_000])))]
    found.append(index.search(QUERIES, 6)[1])
    if own or "IVF" in spec:
        index.add_with_ids(QUERIES, np.arange(50) + 9000)
    else:
        index.add(QUERIES)
    found.append(index.search(QUERIES, 6)[1])
    return removed, index.ntotal, found


@pytest.mark.parametrize("spec", ["Flat", "IVF32,Flat", "IDMap,Flat"])
def test_scripts_that_change_an_index_find_the_same(spec):
    got, want = changed(own, spec), changed(peer, spec)
    assert got[:2] == want[:2]
    for one, other in zip(got[2], want[2]):
        assert (one == other).all()


def selected(faiss, spec):
    """A script that searches some rows only, each way that there is to name them."""
    index = faiss.index_factory(32, spec, faiss.METRIC_L2)
    index.train(ROWS)
    index.add(ROWS)
    flags = np.zeros(3000, bool)
    flags[random_ids] = True
    selectors = [
        faiss.IDSelectorRange(500, 900), faiss.IDSelectorBatch(random_ids),
        faiss.IDSelectorArray(random_ids),
        faiss.IDSelectorBitmap(np.packbits(flags, bitorder="little"))]
    found = []
    for sel in selectors:
        if spec.startswith("IVF"):
            params = faiss.SearchParametersIVF(sel=sel, nprobe=32)
        else:
            params = faiss.SearchParameters(sel=sel)
        found.append(index.search(QUERIES, 6, params=params)[1])
        lims, _, ids = index.range_search(QUERIES[:4], 45.0, params=params)
        found.append([set(ids[lims[query]:lims[query + 1]]) for query in range(4)])
    if spec.startswith("IVF"):
        index.nprobe = 32
        found.append(index.search(QUERIES, 6, params=faiss.SearchParametersIVF(nprobe=1))[1])
    return found


random_ids = np.unique(random.integers(0, 3000, 700))


def test_selected_rows_are_found_alike():
    for got, want in zip(selected(own, "Flat"), selected(peer, "Flat"), strict=True):
        assert np.all(got == want)
    got, want = selected(own, "IVF32,Flat"), selected(peer, "IVF32,Flat")
    for one, other in zip(got[:-1], want[:-1], strict=True):
        assert np.all(one == other)
    assert (got[-1] != got[0]).any()


def again(faiss, spec):
    """A script that fills an index, empties it, and fills it again."""
    index = faiss.index_factory(32, spec, faiss.METRIC_L2)
    index.reset()
    if "IVF" in spec:
        index.train(ROWS[:2000])
        index.nprobe = 16
    index.add(ROWS[:1000])
    found = [index.search(QUERIES, 6)[1]]
    index.reset()
    assert index.ntotal == 0 and index.is_trained
    found.append(index.search(QUERIES, 2)[1])
    index.add(ROWS[1000:2500])
    assert index.ntotal == 1500
    found.append(index.search(QUERIES, 6)[1])
    return found


@pytest.mark.parametrize("spec", ["Flat", "IVF16,Flat"])
def test_an_index_begins_anew(spec):
    for one, other in zip(again(own, spec), again(peer, spec), strict=True):
        assert (one == other).all()


def test_ids_that_are_places_are_nobody_s_to_choose():
    with pytest.raises(own.TesseraError, match="IDMap"):
        own.IndexFlatL2(32).add_with_ids(ROWS, np.arange(3000))


def test_an_index_of_a_file_takes_rows(tmp_path):
    path = str(tmp_path / "x.faiss")
    index = peer.index_factory(32, "IVF16,Flat", peer.METRIC_L2)
    index.train(ROWS)
    index.add(ROWS[:2000])
    peer.write_index(index, path)
    ours = own.read_index(path)
    for faiss in (index, ours):
        faiss.add(ROWS[2000:])
        faiss.remove_ids(np.arange(100))
        faiss.nprobe = 16
    assert (ours.search(QUERIES, 8)[1] == index.search(QUERIES, 8)[1]).all()
    own.write_index(ours, path)
    again = peer.read_index(path)
    again.nprobe = 16
    assert again.ntotal == 2900 and (again.search(QUERIES, 8)[1] == index.search(QUERIES, 8)[1]).all()


def test_files_go_both_ways(tmp_path):
    for source, target in ((own, peer), (peer, own)):
        index = source.index_factory(32, "IVF16,Flat", source.METRIC_L2)
        index.train(ROWS)
        index.add(ROWS)
        index.nprobe = 4
        path = str(tmp_path / f"{source.__name__}.faiss")
        source.write_index(index, path)
        again = target.read_index(path)
        again.nprobe = 4
        assert again.ntotal == 3000
        assert (again.search(QUERIES, 5)[1] == index.search(QUERIES, 5)[1]).mean() > 0.99


def test_clusters_are_as_good():
    got, want = own.Kmeans(32, 20, niter=20), peer.Kmeans(32, 20, niter=20)
    got.train(ROWS)
    want.train(ROWS)
    assert got.centroids.shape == want.centroids.shape
    assert got.obj[-1] < want.obj[-1] * 1.02
    distances, ids = got.assign(QUERIES)
    assert distances.shape == ids.shape == (50,)
