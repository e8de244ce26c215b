"""Writes the FAISS files that the tests read, and what FAISS finds in them: NAME.faiss and NAME.json.

    pip install faiss-cpu==1.15.1 numpy
    python Tests/TesseraIndexTests/Fixtures/make.py
"""

import json
import pathlib

import faiss
import numpy as np

HERE = pathlib.Path(__file__).parent / "FAISS"
DIMENSION = 8
METRICS = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}
K = 5


def points(count, seed):
    """Whole numbers divided by 4: all products are exact, so scores are equal bits."""
    generator = np.random.default_rng(seed)
    return (generator.integers(-32, 33, (count, DIMENSION)) / 4).astype("float32")


ROWS = points(60, 1)
QUERIES = points(6, 2)
IDS = np.random.default_rng(3).permutation(60).astype("int64") * 7 - 40


def coarse(metric):
    return faiss.IndexFlat(DIMENSION, METRICS[metric])


def factory(specification, metric="l2"):
    return faiss.index_factory(DIMENSION, specification, METRICS[metric])


def scalar(kind, metric="l2"):
    return faiss.IndexScalarQuantizer(DIMENSION, kind, METRICS[metric])


def lists_of_scalars(kind, by_residual, metric="l2"):
    return faiss.IndexIVFScalarQuantizer(
        coarse(metric), DIMENSION, 4, kind, METRICS[metric], by_residual)


def sparse_lists():
    """Ten lists, of which rows fill at most a half."""
    index = faiss.IndexIVFFlat(coarse("l2"), DIMENSION, 10, faiss.METRIC_L2)
    index.train(ROWS)
    index.add(ROWS[:4])
    index.nprobe = 3
    return index


def centered(metric):
    return faiss.IndexPreTransform(faiss.CenteringTransform(DIMENSION), coarse(metric))


def mapped(kind):
    index = factory("IVF4,Flat")
    index.train(ROWS)
    index.add(ROWS)
    index.set_direct_map_type(kind)
    return index


def fill(index, ids=None, rows=ROWS):
    if not index.is_trained:
        index.train(rows)
    if index.ntotal == 0:
        if ids is None:
            index.add(rows)
        else:
            index.add_with_ids(rows, ids)
    return index


def rotated(specification):
    """The rotation is trained with codes of 8 bits, which takes more rows."""
    index = factory(specification)
    index.train(points(300, 4))
    return index


def residuals(specification):
    index = factory(specification)
    index.by_residual = True
    return index


def exact_queries(specification, metric="l2"):
    """Queries are not rounded: FAISS rounds them to four bits by default."""
    index = factory(specification, metric)
    index.qb = 0
    return index


def refined(index):
    fill(index)
    index.k_factor = 12  # all rows are scored again
    return index


WHOLE = np.abs(ROWS * 4).astype("float32")

INDEXES = {
    "flat-l2": lambda: fill(factory("Flat")),
    "flat-ip": lambda: fill(factory("Flat", "ip")),
    "flat-empty": lambda: factory("Flat"),
    "map-flat": lambda: fill(factory("IDMap,Flat"), IDS),
    "map2-flat-ip": lambda: fill(factory("IDMap2,Flat", "ip"), IDS),
    "ivf-flat-l2": lambda: fill(factory("IVF4,Flat"), IDS),
    "ivf-flat-ip": lambda: fill(factory("IVF4,Flat", "ip")),
    "ivf-flat-sparse": sparse_lists,
    "ivf-flat-array-map": lambda: mapped(faiss.DirectMap.Array),
    "ivf-flat-hash-map": lambda: mapped(faiss.DirectMap.Hashtable),
    "map-ivf-flat": lambda: fill(factory("IDMap,IVF4,Flat"), IDS),
    "sq8": lambda: fill(factory("SQ8")),
    "sq6": lambda: fill(factory("SQ6")),
    "sq4-ip": lambda: fill(factory("SQ4", "ip")),
    "sqfp16": lambda: fill(factory("SQfp16")),
    "sqbf16": lambda: fill(factory("SQbf16")),
    "sq8-uniform": lambda: fill(scalar(faiss.ScalarQuantizer.QT_8bit_uniform)),
    "sq4-uniform": lambda: fill(scalar(faiss.ScalarQuantizer.QT_4bit_uniform)),
    "sq8-direct": lambda: fill(scalar(faiss.ScalarQuantizer.QT_8bit_direct), rows=WHOLE),
    "ivf-sq8": lambda: fill(factory("IVF4,SQ8"), IDS),
    "ivf-sq8-ip": lambda: fill(factory("IVF4,SQ8", "ip")),
    "ivf-sqfp16-rows": lambda: fill(
        lists_of_scalars(faiss.ScalarQuantizer.QT_fp16, False)),
    "ivf-sq8-direct-rows": lambda: fill(
        lists_of_scalars(faiss.ScalarQuantizer.QT_8bit_direct, False), rows=WHOLE),
    "pq4": lambda: fill(factory("PQ4x4np")),
    "ivf-pq4": lambda: fill(factory("IVF4,PQ4x4np"), IDS),
    "ivf-pq4-ip": lambda: fill(factory("IVF4,PQ4x4np", "ip")),
    "pq-fast-scan": lambda: fill(factory("PQ4x4fs")),
    "pq1-fast-scan": lambda: fill(factory("PQ1x4fs")),
    "ivf-pq-fast-scan": lambda: fill(residuals("IVF4,PQ4x4fs"), IDS),
    "rabitq": lambda: fill(exact_queries("RaBitQ")),
    "rabitq-ip": lambda: fill(exact_queries("RaBitQ", "ip")),
    "rabitq3-ip": lambda: fill(factory("RaBitQ3", "ip")),
    "rabitq9": lambda: fill(factory("RaBitQ9")),
    "ivf-rabitq": lambda: fill(exact_queries("IVF4,RaBitQ"), IDS),
    "ivf-rabitq-ip": lambda: fill(exact_queries("IVF4,RaBitQ", "ip")),
    "ivf-rabitq4": lambda: fill(factory("IVF4,RaBitQ4"), IDS),
    "ivf-rabitq5-ip": lambda: fill(factory("IVF4,RaBitQ5", "ip")),
    "rr-ivf-rabitq2-ip": lambda: fill(factory("RR8,IVF4,RaBitQ2", "ip"), IDS),
    "pca-flat": lambda: fill(factory("PCA4,Flat")),
    "pca-flat-ip": lambda: fill(factory("PCA4,Flat", "ip")),
    "pcar-ivf-flat": lambda: fill(factory("PCAR6,IVF4,Flat"), IDS),
    "rr-norm-flat-ip": lambda: fill(factory("RR4,L2norm,Flat", "ip")),
    "center-flat-ip": lambda: fill(centered("ip")),
    "opq-pq4": lambda: fill(rotated("OPQ4_4,PQ4x4np")),
    "map-opq-ivf-pq4": lambda: fill(rotated("IDMap,OPQ2,IVF4,PQ2x4np"), IDS),
    "refined-opq-ivf-pq4": lambda: refined(rotated("OPQ4,IVF4,PQ4x4np,RFlat")),
    "refined-sq8": lambda: refined(factory("SQ8,RFlat")),
    "refined-ivf-pq4-ip": lambda: refined(factory("IVF4,PQ4x4np,RFlat", "ip")),
}

# Of these only the refusal is of interest.
REFUSED = {
    "whitened": lambda: fill(factory("PCAW4,Flat")),
    "hadamard": lambda: fill(factory("HR,Flat")),
    "itq": lambda: fill(factory("ITQ4,Flat")),
    "hnsw": lambda: fill(factory("HNSW4,Flat")),
    "rabitq-fast-scan": lambda: fill(factory("RaBitQfs")),
    "ivf-rabitq-fast-scan": lambda: fill(factory("IVF4,RaBitQfs4")),
    "residual": lambda: fill(factory("RQ2x4")),
    "ivf-sq8-rows": lambda: fill(lists_of_scalars(faiss.ScalarQuantizer.QT_8bit, False)),
    "l1": lambda: fill(faiss.IndexFlat(DIMENSION, faiss.METRIC_L1)),
    "untrained": lambda: factory("IVF4,Flat"),
}


def widen(index):
    """Makes FAISS look at all lists, so that what it finds does not depend on their order."""
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexIDMap):
        inner = faiss.downcast_index(inner.index)
    if isinstance(inner, faiss.IndexRefine):
        inner = faiss.downcast_index(inner.base_index)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = inner.nlist


def decoded(index):
    """What the codes of all rows stand for, in the order of rows."""
    if isinstance(index, faiss.IndexIVF):
        index = faiss.clone_index(index)
        place = {int(id): row for row, id in enumerate(IDS)}
        rows = np.empty((index.ntotal, DIMENSION), "float32")
        for list_number in range(index.nlist):
            ids = faiss.rev_swig_ptr(
                index.invlists.get_ids(list_number), index.invlists.list_size(list_number))
            for offset, id in enumerate(ids):
                one = np.empty(DIMENSION, "float32")
                index.reconstruct_from_offset(list_number, offset, faiss.swig_ptr(one))
                rows[place[int(id)]] = one
        return rows
    return index.reconstruct_n(0, index.ntotal)


def write(name, make):
    index = make()
    faiss.write_index(index, str(HERE / f"{name}.faiss"))
    return index


BITS = np.random.default_rng(5).integers(0, 256, (60, 5), dtype="uint8")
BIT_QUERIES = np.random.default_rng(6).integers(0, 256, (6, 5), dtype="uint8")


def lists_of_bits():
    index = faiss.index_binary_factory(40, "BIVF4")
    index.train(BITS)
    index.add_with_ids(BITS, IDS)
    return index


def mapped_bits():
    index = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(40))
    index.add_with_ids(BITS, IDS)
    return index


def flat_bits():
    index = faiss.IndexBinaryFlat(40)
    index.add(BITS)
    return index


BIT_INDEXES = {
    "bits-flat": flat_bits, "bits-ivf": lists_of_bits, "bits-map": mapped_bits,
}


def write_bits():
    for name, make in BIT_INDEXES.items():
        index = make()
        faiss.write_index_binary(index, str(HERE / f"{name}.faiss"))
        if name == "bits-ivf":
            index.nprobe = index.nlist
        scores, ids = index.search(BIT_QUERIES, K)
        found = {
            "queries": BIT_QUERIES.ravel().tolist(), "dimension": 5, "k": K,
            "rows": index.ntotal, "ids": ids.ravel().tolist(),
            "scores": scores.ravel().tolist()}
        (HERE / f"{name}.json").write_text(json.dumps(found) + "\n")
    faiss.write_index_binary(
        faiss.IndexBinaryHNSW(40, 4), str(HERE / "refused-binary.faiss"))


def main():
    HERE.mkdir(exist_ok=True)
    for name, make in INDEXES.items():
        index = write(name, make)
        widen(index)
        if "fast-scan" in name:
            # Fast scans round scores to bytes: what they keep is asked without them.
            flat = faiss.IndexFlatL2(DIMENSION)
            flat.add(decoded(index))
            scores, rows = flat.search(QUERIES, K)
            ids = IDS[rows] if "ivf" in name else rows
        else:
            scores, ids = index.search(QUERIES, K)
        found = {
            "queries": QUERIES.ravel().tolist(), "dimension": DIMENSION, "k": K,
            "rows": index.ntotal, "ids": ids.ravel().tolist() if index.ntotal else [],
            "scores": scores.ravel().tolist() if index.ntotal else []}
        (HERE / f"{name}.json").write_text(json.dumps(found) + "\n")
    for name, make in REFUSED.items():
        write(f"refused-{name}", make)
    write_bits()


if __name__ == "__main__":
    main()
