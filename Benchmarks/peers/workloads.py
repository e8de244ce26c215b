"""The cells of quick and full mode: a data set, how its queries are asked, and k."""

import argparse
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import datasets
from datasets import DataSet
from peers import Tessera, exact_peers
from rounds import measure
from truth import Truth

TRUTH_SAMPLE = 100


@dataclass(frozen=True)
class Batch:
    count: int
    one_by_one: bool = False

    def __str__(self) -> str:
        return f"{self.count} one by one" if self.one_by_one else f"{self.count} at once"


@dataclass(frozen=True)
class Workload:
    name: str
    data: Callable[[], DataSet]
    batches: list[Batch]


def plan(mode: str, tessera: str) -> list[Workload]:
    full = mode == "full"
    workloads = [
        Workload(
            "wordnet-minilm", datasets.wordnet,
            [Batch(2000), Batch(200 if full else 100, one_by_one=True)]),
        Workload("mnist", datasets.mnist, [Batch(10_000 if full else 1000)]),
        Workload(
            "gaussian",
            lambda: datasets.generated(tessera, "gaussian", "ip", 200_000, 128), [Batch(1000)]),
    ]
    if full:
        workloads.append(
            Workload(
                "clustered",
                lambda: datasets.generated(
                    tessera, "clustered", "l2", 2_000_000, 96, clusters=1000), [Batch(1000)]))
    return workloads


def run(options: argparse.Namespace, skipped: list[str]) -> Iterator[dict]:
    """The cells one by one, as they are measured; why some are missing goes into `skipped`."""
    for workload in plan(options.mode, options.tessera):
        if options.only and options.only not in workload.name:
            continue
        try:
            data = workload.data()
        except datasets.Missing as missing:
            skipped.append(f"{workload.name}: {missing}")
            continue
        yield from run_workload(workload, data, options)
        gc.collect()  # indexes of gigabytes


# Beyond so many rows one of the slow peers runs out of memory and aborts the process.
SLOW_PEERS_ROWS = 1_000_000


def asks_slow(options: argparse.Namespace, rows: int, k: int) -> bool:
    if rows > SLOW_PEERS_ROWS:
        return False
    return k in options.slow if options.slow else options.mode == "full" or k == 10


def run_workload(
    workload: Workload, data: DataSet, options: argparse.Namespace) -> Iterator[dict]:
    base = data.base()
    print(f"{data.name}: preparing peers", file=sys.stderr)
    competitors = exact_peers(data, base, options.threads)
    # Between the flat index and the rest, so that the pair that matters most alternates.
    competitors.insert(1, Tessera(options.tessera, data, options.threads))
    for batch in workload.batches:
        queries = data.queries(batch.count)
        truths: dict[int, Truth] = {}
        for k in options.k or [1, 10, 100, 1000]:
            known = 100 if data.truth_prefix and k <= 100 else max(k, 1000)
            if known not in truths:
                truths[known] = Truth(data, base, queries, known, TRUTH_SAMPLE)
            asked = [
                c for c in competitors if not c.is_slow or asks_slow(options, len(base), k)]
            print(f"{data.name}: {batch}, k={k}", file=sys.stderr)
            yield {
                "data": data.name, "metric": data.metric, "rows": len(base),
                "dimension": base.shape[1], "element": base.dtype.name,
                "queries": batch.count, "oneByOne": batch.one_by_one, "k": k,
                "truth": truths[known].source,
                **measure(asked, truths[known], queries, k, batch.one_by_one, options.rounds)}
