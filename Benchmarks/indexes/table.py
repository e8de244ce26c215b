"""The table: what Tessera and faiss-cpu do for some specifications and probes."""

import json
import os
import statistics
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import datasets
import machine
from engines import Faiss, Queries, Tessera, by_turns, exact, recall
from sets import SETS

RESULTS = Path(__file__).resolve().parent.parent / "results"


def run(options, folder):
    idle, others = machine.wait_until_idle(5), machine.Others()
    builds, lines, samples, variant = [], [], [], ""
    for name in options.data:
        try:
            case = SETS[name](options.tessera)
        except datasets.Missing as reason:
            print(f"{name}: left out, {reason}")
            continue
        data, truth = case.data, case.truth
        base = np.ascontiguousarray(data.base(), dtype=np.float32)
        values = np.ascontiguousarray(data.queries(case.query_count), dtype=np.float32)
        if truth is None:
            truth = exact(base, values, data.metric, options.k)
        rows = f"{folder}/rows.npy"
        np.save(rows, base)
        many, few = (
            Queries(asked, f"{folder}/{name}.npy")
            for asked, name in ((values, "many"), (values[:200], "few")))
        for queries in (many, few):
            np.save(queries.path, queries.values)
        for spec, probe_counts in case.table:
            if options.only and not any(text in spec for text in options.only):
                continue
            theirs = Faiss(spec, base, data.metric)
            ours = Tessera(options, folder, spec, rows, data.metric, options.repeat)
            variant = ours.built["variant"]
            builds.append(
                f"| {data.name} | {spec} | {ours.build_seconds:.2f} | {theirs.build_seconds:.2f} | "
                f"{theirs.build_seconds / ours.build_seconds:.2f} | "
                f"{ours.built['listImbalance']:.2f} |")
            print(builds[-1], flush=True)
            samples.append(
                {"data": data.name, "spec": spec, "build": ours.built["seconds"],
                 "faissTrain": theirs.train_seconds, "faissBuild": theirs.build_seconds})
            for probes in probe_counts:
                for queries, one_by_one in ((many, False), (few, True)):
                    cell = measure(options, ours, theirs, queries, truth, probes, one_by_one)
                    cell |= {"data": data.name, "spec": spec, "probes": probes}
                    samples.append(cell)
                    lines.append(line(cell))
                    print(lines[-1], flush=True)
    write(options, builds, lines, samples, variant, idle, others.busy_cores())


def measure(options, ours, theirs, queries, truth, probes, one_by_one):
    found = by_turns([ours, theirs], options.rounds, options.k, queries, probes, one_by_one)
    mine, other = found[ours.name], found[theirs.name]
    expected = truth[: len(queries.values), : options.k]
    details = mine[-1].details
    return {
        "queries": len(queries.values), "oneByOne": one_by_one,
        "seconds": {
            "tessera": [one.seconds for one in mine], "faiss": [one.seconds for one in other],
            "first": [one.details["seconds"]["search"][0] for one in mine]},
        "recall": recall(mine[-1].ids, expected), "faissRecall": recall(other[-1].ids, expected),
        "stages": details["seconds"]["stages"], "rowsPerQuery": details["rowsPerQuery"],
        "candidatesPerQuery": details["candidatesPerQuery"]}


def line(cell):
    ours, theirs, first = (
        statistics.median(cell["seconds"][name]) for name in ("tessera", "faiss", "first"))
    count = cell["queries"]
    how = "one by one" if cell["oneByOne"] else f"{count} at once"
    return (
        f"| {cell['data']} | {cell['spec']} | {cell['probes']} | {how} | {count / ours:,.0f} | "
        f"{count / first:,.0f} | {count / theirs:,.0f} | {theirs / ours:.2f} | {cell['recall']:.4f} | "
        f"{cell['faissRecall']:.4f} |")


def write(options, builds, lines, samples, variant, idle, busy):
    day = datetime.now(timezone.utc).date()
    page = Path(options.out or RESULTS / f"{day}-indexes-{variant}.md")
    about, versions = machine.describe(), machine.versions()
    page.write_text(
        f"""# Indexes against faiss-cpu, {day}

`Benchmarks/indexes/run.sh --rounds {options.rounds} --threads {options.threads} --data
{' '.join(options.data)}`: queries a second, by the medians of {options.rounds} measurements by turns
after an unmeasured one, k = {options.k}; the ratio is how many times as fast Tessera is. Each has
centroids and codes of its own, of the same specification. FAISS is warm and in the driver's process;
Tessera starts anew each time and searches {options.repeat} times: the median of all but the first search
counts, and the first search stands beside it. Refined indexes score 4 k hits again on
both sides. Builds: seconds to train and add, measured once.

{about['cpu']}, {options.threads} threads of {about['cores']} cores, {about['system']}; tessera
{versions['tessera']} ({variant}), faiss-cpu {versions['faiss-cpu']} ({versions['faissCompileOptions']}).
Load at the start {idle['loadAtStart']}; {busy} cores were busy with other processes during the run.

| data | index | build s | FAISS s | ratio | imbalance |
|---|---|---:|---:|---:|---:|
"""
        + "\n".join(builds)
        + """

| data | index | probes | queries | Tessera/s | first | FAISS/s | ratio | recall | FAISS |
|---|---|---:|---|---:|---:|---:|---:|---:|---:|
"""
        + "\n".join(lines) + "\n")
    page.with_suffix(".json").write_text(json.dumps(samples, indent=1) + "\n")
    print(f"wrote {os.path.relpath(page)}")
