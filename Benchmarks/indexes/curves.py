"""Curves: recall and queries a second of each engine and specification, from few probes to many."""

import gc
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import datasets
import machine
import page
import summary
from engines import Faiss, Lists, Queries, Rabitqlib, Tessera, by_turns, exact, recall
from sets import SETS

PROBES = [2**power for power in range(9)]
BITS = [4, 5]
LISTS = 1024
RESULTS = Path(__file__).resolve().parent.parent / "results"


@dataclass
class Sample:
    """Rows and queries of a set, as arrays of Float32 and as files of their own type."""

    name: str
    metric: str
    element: str
    rows: np.ndarray
    rows_path: str
    queries: Queries
    truth: np.ndarray


def run(options, folder):
    idle, others, start = machine.wait_until_idle(5), machine.Others(), time.monotonic()
    builds, points, skipped, variant = [], [], [], ""
    for name in options.data:
        try:
            case = SETS[name](options.tessera)
        except datasets.Missing as reason:
            skipped.append(f"{name}: left out, {reason}")
            print(skipped[-1])
            continue
        sample = take(case, options, folder)
        for group in chosen(case, options):
            engines = build(group, sample, options, folder)
            variant = engines[0].built["variant"]
            for probes in options.probes:
                points += measure(engines, sample, probes, options)
            builds += [built(engine, sample) for engine in engines]
            del engines
            gc.collect()
            minutes = (time.monotonic() - start) / 60
            print(f"{minutes:.1f} minutes so far", file=sys.stderr, flush=True)
    run = {
        "date": str(datetime.now(timezone.utc).date()), "command": command(options),
        "machine": machine.describe(), "versions": machine.versions(), "variant": variant,
        "threads": options.threads, "rounds": options.rounds, "repeat": options.repeat,
        "k": options.k, "idle": idle, "coresBusyWithOthers": others.busy_cores(),
        "minutes": round((time.monotonic() - start) / 60, 1), "skipped": skipped,
        "builds": builds, "points": points}
    write(run, options)


def take(case, options, folder) -> Sample:
    data = case.data
    rows = data.base()[: options.rows]
    asked = data.queries(options.queries or case.query_count)
    queries = Queries(np.ascontiguousarray(asked, dtype=np.float32), f"{folder}/queries.npy")
    np.save(f"{folder}/rows.npy", rows)
    np.save(queries.path, asked)
    values = np.ascontiguousarray(rows, dtype=np.float32)
    truth = case.truth
    if truth is None or options.rows:
        truth = exact(values, queries.values, data.metric, options.k)
    return Sample(
        data.name, data.metric, rows.dtype.name, values, f"{folder}/rows.npy", queries,
        truth[: len(asked), : options.k])


def groups(product: str, bits: list[int]) -> list[list[str]]:
    """Specifications that are measured by turns.

    The first of a group is Tessera's and FAISS's. The others are peers' alone: FAISS rotates rows
    before RaBitQ only where it is told to (RR), Tessera and rabitqlib always; and FAISS has a fast
    scan of RaBitQ codes under a name of its own.
    """
    return [
        [f"IVF{LISTS},Flat"], [f"IVF{LISTS},SQ8"],
        [f"IVF{LISTS},RaBitQ4", f"RR,IVF{LISTS},RaBitQ4", f"RR,IVF{LISTS},RaBitQfs4",
         *(f"rabitqlib {count} bits" for count in bits)],
        [f"IVF{LISTS},{product},RFlat"]]


def chosen(case, options) -> list[list[str]]:
    every = groups(case.product, options.bits)
    if not options.only:
        return every
    return [
        group for group in every if any(text in spec for spec in group for text in options.only)]


def build(group, sample, options, folder) -> list:
    engines = [Tessera(options, folder, group[0], sample.rows_path, sample.metric, options.repeat)]
    engines += [
        Faiss(spec, sample.rows, sample.metric) for spec in group
        if not spec.startswith("rabitqlib")]
    lists = None
    for spec in group:
        if spec.startswith("rabitqlib"):
            lists = lists or Lists(LISTS, sample.rows, sample.metric, options.threads)
            engines.append(Rabitqlib(lists, int(spec.split()[1])))
            engines.append(engines[-1].plain())
    return engines


def measure(engines, sample, probes, options) -> list[dict]:
    found = by_turns(engines, options.rounds, options.k, sample.queries, probes)
    return [point(engine, found[engine.name], sample, probes) for engine in engines]


def point(engine, found, sample, probes) -> dict:
    count = len(sample.queries.values)
    result = {
        "data": sample.name, "engine": engine.name.split()[0], "spec": engine.spec,
        "probes": probes, "queries": count, "recall": recall(found[-1].ids, sample.truth),
        "seconds": [one.seconds for one in found],
        "queriesPerSecond": count / statistics.median(one.seconds for one in found)}
    if isinstance(engine, Tessera):
        searches = [one.details["seconds"]["search"] for one in found]
        result |= {
            "searches": searches,
            "firstPerSecond": count / statistics.median(times[0] for times in searches),
            "stages": found[-1].details["seconds"]["stages"],
            "prepareSeconds": statistics.median(
                one.details["seconds"]["prepare"] for one in found)}
    print(
        f"{sample.name}, {engine.name}, {probes} probes: recall {result['recall']:.4f}, "
        f"{result['queriesPerSecond']:,.0f} queries/s", file=sys.stderr, flush=True)
    return result


def built(engine, sample) -> dict:
    return {
        "data": sample.name, "metric": sample.metric, "element": sample.element,
        "rows": len(sample.rows), "dimension": sample.rows.shape[1],
        "engine": engine.name.split()[0], "spec": engine.spec, "seconds": engine.build_seconds,
        "sizes": engine.sizes}


def command(options) -> str:
    words = ["Benchmarks/indexes/run.sh --curves", f"--threads {options.threads}"]
    words += [f"--rounds {options.rounds}", f"--repeat {options.repeat}"]
    words += ["--data " + " ".join(options.data)]
    if options.only:
        words.append("--only " + " ".join(options.only))
    for name, usual in (("probes", PROBES), ("bits", BITS)):
        if getattr(options, name) != usual:
            words.append(f"--{name} " + " ".join(map(str, getattr(options, name))))
    words += [
        f"--{name} {getattr(options, name)}" for name in ("rows", "queries")
        if getattr(options, name)]
    return " ".join(words)


def write(run, options):
    target = Path(options.out or RESULTS / f"{run['date']}-curves-{run['variant']}.md")
    target.write_text(summary.markdown(run))
    target.with_suffix(".html").write_text(page.html(run))
    target.with_suffix(".json").write_text(json.dumps(run, indent=1) + "\n")
    print(f"wrote {os.path.relpath(target)}, .html and .json in {run['minutes']} minutes")
