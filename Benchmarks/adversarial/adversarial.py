"""TESSERA_FILTER=auto against float32, alternating, on data made to mislead the choice of filter."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import datasets
import machine

FILTERS = ["float32", "auto"]
BAR = 0.9
QUERIES = 500


def normal(random, rows, dimension):
    return random.standard_normal((rows, dimension), dtype=np.float32)


def gaussian(random, rows, dimension):
    return normal(random, rows, dimension)


def wild_norms(random, rows, dimension):
    norms = 10 ** random.uniform(-12, 12, (rows, 1))
    return (normal(random, rows, dimension) * norms).astype(np.float32)


def constant_columns(random, rows, dimension):
    values = np.tile(np.linspace(-1, 1, dimension, dtype=np.float32), (rows, 1))
    values[:, :8] = normal(random, rows, 8)
    return values


def duplicates(random, rows, dimension):
    values = normal(random, rows, dimension)
    values[random.permutation(rows)[: rows // 6]] = values[0]
    values[-QUERIES:] = values[0] + 0.1 * normal(random, QUERIES, dimension)
    return values


def outlier_dimension(random, rows, dimension):
    values = normal(random, rows, dimension)
    values[:, dimension // 2] *= 1000
    return values


def low_rank(random, rows, dimension):
    return normal(random, rows, 8) @ normal(random, 8, dimension)


def biased_sample(random, rows, dimension):
    """All near rows in every 16th group of 32, where thresholds are guessed from."""
    values = normal(random, rows, dimension)
    centre = 2 * normal(random, 1, dimension)
    near = np.arange(rows) // 32 % 16 == 0
    near[-QUERIES:] = True
    values[near] = centre + 0.1 * normal(random, np.count_nonzero(near), dimension)
    return values


def far_away(random, rows, dimension):
    return 100 + normal(random, rows, dimension)


def near_ties(random, rows, dimension):
    return normal(random, 1, dimension) * (1 + 2e-7 * normal(random, rows, dimension))


def unit_lengths(random, rows, dimension):
    values = normal(random, rows, dimension)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def whole(random, rows, dimension):
    return np.clip(np.abs(normal(random, rows, dimension)) * 80, 0, 255).astype(np.uint8)


def real(data):
    """Rows from the folder of test data, to compare with; absent where that is."""
    return lambda random, rows, dimension: np.concatenate([data().base(), data().queries(QUERIES)])


# What the rows are, how many of how many numbers, the metric, and what is done to the queries.
KINDS = [
    ("gaussian", gaussian, 100_000, 128, "ip", None),
    ("gaussian, few dimensions", gaussian, 100_000, 32, "l2", None),
    ("gaussian, many dimensions", gaussian, 50_000, 512, "ip", None),
    ("unit lengths, f16", unit_lengths, 100_000, 96, "cosine", None),
    ("norms 1e-12 to 1e12", wild_norms, 100_000, 64, "ip", None),
    ("norms 1e-12 to 1e12", wild_norms, 100_000, 64, "l2", None),
    ("all columns constant but 8", constant_columns, 80_000, 256, "l2", None),
    ("a sixth of the rows equal", duplicates, 60_000, 128, "l2", None),
    ("one dimension 1000 times larger", outlier_dimension, 80_000, 128, "ip", None),
    ("rank 8", low_rank, 100_000, 128, "l2", None),
    ("hits in every 16th group of 32", biased_sample, 100_000, 64, "l2", None),
    ("far from the origin", far_away, 80_000, 128, "l2", None),
    ("equal but for the last bits", near_ties, 50_000, 128, "l2", None),
    ("whole numbers, u8", whole, 60_000, 256, "l2", None),
    ("whole numbers, u8, queries not whole", whole, 60_000, 256, "ip",
     lambda queries: queries.astype(np.float32) + 0.3),
    ("real: wordnet-minilm, f16", real(datasets.wordnet), 117_659, 384, "ip", None),
    ("real: mnist, u8", real(datasets.mnist), 60_000, 784, "l2", None),
]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help="more are noisier")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each filter")
    parser.add_argument("--k", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--only", metavar="WORD", help="kinds with WORD in their name")
    parser.add_argument("--wait", type=float, default=5, help="minutes to wait for an idle machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results")
    options = parser.parse_args()

    idle = machine.wait_until_idle(options.wait)
    others, started = machine.Others(), datetime.now(timezone.utc)
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            if options.only and options.only not in kind[0]:
                continue
            try:
                cells += measure(kind, Path(folder), options)
            except datasets.Missing as missing:
                print(f"{kind[0]} left out: {missing}", file=sys.stderr)
    if not cells:
        print(f"no kind has \"{options.only}\" in its name", file=sys.stderr)
        return 64
    text = page(cells, started, {**idle, "busy": others.busy_cores()}, options)
    variant = cells[0]["details"]["auto"][0]["variant"]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{started.date()}-adversarial-{variant}.md").write_text(text)
    print(text)
    return 0


def measure(kind, folder: Path, options) -> list[dict]:
    name, rows_of, rows, dimension, metric, change = kind
    # One sequence: the queries are rows like the others that nobody has seen.
    values = rows_of(np.random.default_rng(7), rows + QUERIES, dimension)
    queries = values[rows:] if change is None else change(values[rows:])
    np.save(folder / "base.npy", values[:rows])
    np.save(folder / "queries.npy", queries)
    cells = []
    for k in options.k:
        details, found = {name: [] for name in FILTERS}, {}
        for number in range(options.rounds + 1):
            for filter in FILTERS:
                details[filter].append(search(options, folder, metric, k, filter))
                if number == 0:
                    found[filter] = [
                        (folder / f"found.{part}.npy").read_bytes() for part in ["ids", "scores"]]
        if found["float32"] != found["auto"]:
            raise RuntimeError(f"{name}, k={k}: the filters found other bytes")
        cell = {
            "name": name, "shape": f"{rows:,} x {dimension}", "metric": metric, "k": k,
            # The first of each is not measured.
            "details": {filter: details[filter][1:] for filter in FILTERS}}
        print(f"{name}, {metric}, k={k}: {ratio(cell):.2f}", file=sys.stderr)
        cells.append(cell)
    return cells


def search(options, folder: Path, metric: str, k: int, filter: str) -> dict:
    process = subprocess.run(
        [options.tessera, "search", "--base", folder / "base.npy", "--queries", folder / "queries.npy",
         "-k", str(k), "--metric", metric, "--device", "cpu", "--json", "--quiet",
         "--threads", str(options.threads), "--out", folder / "found"],
        env={**os.environ, "TESSERA_FILTER": filter}, stdout=subprocess.PIPE, check=True)
    return json.loads(process.stdout)


def seconds(cell: dict, filter: str) -> list[float]:
    return [run["seconds"]["search"][0] for run in cell["details"][filter]]


def median(cell: dict, filter: str, value) -> float:
    return statistics.median(value(run) for run in cell["details"][filter])


def ratio(cell: dict) -> float:
    return statistics.median(seconds(cell, "float32")) / statistics.median(seconds(cell, "auto"))


def least_ratio(cell: dict) -> float:
    return min(seconds(cell, "float32")) / min(seconds(cell, "auto"))


def page(cells, started, load, options) -> str:
    facts = machine.describe()
    worst = min(cells, key=ratio)
    below = [cell for cell in cells if ratio(cell) < BAR]
    is_quiet = load["wasIdleAtStart"] and (load["busy"] or 0) < 0.3
    lines = [
        "    " + " ".join(["Benchmarks/adversarial/run.sh", *arguments()]), "",
        f"- {started.isoformat(timespec='seconds')}, {QUERIES} queries at once, "
        f"{options.rounds} rounds: one unmeasured search with each filter, then float32 and auto "
        "in turn, a new process each; medians, and the least and most",
        f"- {facts['cpu']}, {facts['cores']} cores, threads: {options.threads}, {facts['memoryGiB']} GiB, {facts['system']}",
        f"- tessera {machine.commit()}, instruction set "
        f"{cells[0]['details']['auto'][0]['variant']}; all ids and scores the same bytes",
        f"- load average {load['loadAtStart']} at the start; other processes kept {load['busy']} "
        "cores busy on average" + ("" if is_quiet else ": **too busy a machine for evidence**"),
        "",
        f"`float32 over auto` is the time with TESSERA_FILTER=float32 divided by that with auto: "
        f"above 1 the choice paid. The bar is {BAR}: "
        + (f"{len(below)} of {len(cells)} are below." if below else "none is below.")
        + f" The least is {ratio(worst):.2f} ({worst['name']}, {worst['metric']}, "
        f"k={worst['k']}). `of the least` is the same of the fastest searches, which a busy machine "
        "moves less. Candidates and rescored rows are per query; where they are the same, auto most "
        "likely chose float32 too, and a ratio other than 1 shows what the others are worth.",
        "",
        "| rows | shape | metric | k | float32 ms | auto ms | float32 over auto "
        "| of the least | prepare s, float32 / auto | candidates, float32 / auto | rescored, float32 / auto |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        columns = [cell["name"], cell["shape"], cell["metric"], f"{cell['k']:,}"]
        columns += [spread(cell, filter) for filter in FILTERS]
        mark = "**" if ratio(cell) < BAR else ""
        columns += [f"{mark}{ratio(cell):.2f}{mark}", f"{least_ratio(cell):.2f}"]
        for value, form in [
            (lambda run: run["seconds"]["prepare"], "{:.3f}"),
            (lambda run: run["candidatesPerQuery"], "{:,.0f}"),
            (lambda run: run["rescoredPerQuery"], "{:,.0f}"),
        ]:
            columns.append(" / ".join(form.format(median(cell, f, value)) for f in FILTERS))
        lines.append("| " + " | ".join(columns) + " |")
    return "\n".join(lines) + "\n"


def spread(cell: dict, filter: str) -> str:
    times = [1000 * second for second in seconds(cell, filter)]
    return f"{statistics.median(times):.1f} ({min(times):.1f} .. {max(times):.1f})"


def arguments() -> list[str]:
    given = sys.argv[1:]
    place = given.index("--tessera")
    return given[:place] + given[place + 2:]


if __name__ == "__main__":
    sys.exit(main())
