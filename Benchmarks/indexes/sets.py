"""The sets of rows, their true neighbors, and which indexes of them are measured."""

from dataclasses import dataclass

import numpy as np

import datasets


@dataclass
class Case:
    data: datasets.DataSet
    query_count: int
    truth: np.ndarray | None  # ids of the nearest rows, where a file has them
    table: list[tuple[str, list[int]]]  # specifications, and their probes
    product: str  # the fast product codes of the curves


def wordnet(_):
    return Case(
        datasets.wordnet(), 2000, np.load(datasets.real("wordnet-minilm/truth_ip_top100.i32.npy")),
        [("IVF1024,Flat", [16, 64]), ("IVF1024,PQ96x4fs,RFlat", [64]), ("IVF1024,RaBitQ4", [64]),
         ("IVF1024,SQ8", [64])],
        "PQ96x4fs")


def mnist(_):
    return Case(
        datasets.mnist(), 2000, np.load(datasets.real("mnist/truth_l2_top100.i32.npy")),
        [("IVF256,Flat", [8, 32]), ("IVF256,SQ8", [32])], "PQ98x4fs")


def clustered(tessera):
    data = datasets.generated(
        tessera, "clustered", "l2", 1_000_000, 96, clusters=10_000, query_count=1000)
    return Case(data, 1000, None, [("IVF1024,Flat", [8, 32])], "PQ48x4fs")


SETS = {"wordnet": wordnet, "mnist": mnist, "clustered": clustered}
