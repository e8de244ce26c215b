"""The OpenCL device of this machine: search against faiss-cpu's flat index, products against
OpenBLAS (the CPU device), start-up of a second process, and the gains of `tessera tune`."""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import machine

BAR_SEARCH, BAR_PRODUCTS, BAR_START, BAR_TUNE = 1.0, 0.95, 100, 1.15


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--device", default="opencl:0")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each competitor")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--k", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--budget", default="120s", help="of tessera tune; 0 leaves it out")
    parser.add_argument("--wait", type=float, default=5, help="minutes to wait for an idle machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TESSERA_THREADS"]:
        os.environ[name] = str(machine.cores())
    idle = machine.wait_until_idle(options.wait)
    others = machine.Others()
    with tempfile.TemporaryDirectory() as cache:
        # The user's own tuning would flatter, and a tuning of ours must not stay.
        os.environ["TESSERA_CACHE"] = cache
        device = describe(options)
        result = {
            "command": command(),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.describe(),
            "versions": machine.versions(),
            "device": device,
            "rounds": options.rounds,
            "search": search(options),
            "products": products(options),
            "startUp": start_up(options),
            "tune": tune(options),
        }
    result["load"] = {
        **idle, "loadAtEnd": machine.load(), "coresBusyWithOthers": others.busy_cores()}
    text = page(result)
    stem = f"{result['date'][:10]}-opencl-{device['variant']}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / f"{stem}.md").write_text(text)
    print(text)
    return 0


def command() -> str:
    hidden = sys.argv.index("--tessera")
    return shlex.join(
        ["Benchmarks/opencl/run.sh", *sys.argv[1:hidden], *sys.argv[hidden + 2 :]])


def tessera(options: argparse.Namespace, *words: str) -> dict:
    done = subprocess.run(
        [options.tessera, *words, "--json", "--quiet"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def describe(options: argparse.Namespace) -> dict:
    devices = tessera(options, "devices")["devices"]
    found = [d for d in devices if d["device"] == options.device]
    if not found:
        sys.exit(f"run.sh: there is no {options.device}; tessera doctor says what is missing")
    return {key: found[0][key] for key in ["device", "name", "driver", "variant", "computeUnits"]}


def search(options: argparse.Namespace) -> dict:
    """Both warm: the median of the rounds of one process, in turn with the peer."""
    import faiss
    import numpy as np

    import datasets

    try:
        data = datasets.wordnet()
    except datasets.Missing as missing:
        return {"skipped": str(missing)}
    faiss.omp_set_num_threads(machine.cores())
    base = data.base().astype(np.float32)
    queries = data.queries(options.queries).astype(np.float32)
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(base)
    cells = []
    for k in options.k:
        times = {"faiss": [], "tessera": []}
        index.search(queries, k)
        for _ in range(options.rounds):
            start = time.perf_counter()
            ids = index.search(queries, k)[1]
            times["faiss"].append(time.perf_counter() - start)
            with tempfile.TemporaryDirectory() as folder:
                report = tessera(
                    options, "search", "--base", str(data.base_path), "--queries",
                    str(data.queries_path), "--limit", str(options.queries), "-k", str(k),
                    "--device", options.device, "--repeat", "3", "--out", f"{folder}/found")
                found = np.load(f"{folder}/found.ids.npy")
            times["tessera"].append(statistics.median(report["seconds"]["search"]))
        medians = {name: statistics.median(values) for name, values in times.items()}
        cells.append({
            "k": k, "seconds": times, "medianSeconds": medians,
            "ratio": medians["faiss"] / medians["tessera"],
            "certified": report["certified"],
            "sharedIDs": float(np.mean([
                len(set(a) & set(b)) / k for a, b in zip(ids.tolist(), found.tolist())])),
        })
        print(f"search k={k}: {cells[-1]['ratio']:.2f} x faiss", file=sys.stderr)
    return {
        "data": f"wordnet-minilm {base.shape[0]:,} x {base.shape[1]}, ip, "
        f"{options.queries:,} queries at once", "cells": cells}


def products(options: argparse.Namespace) -> dict:
    """Processes in turn; each gives the median of its warm calls."""
    rates = {}
    for _ in range(options.rounds):
        for device in ["cpu", options.device]:
            run = tessera(
                options, "bench", "--device", device, "--operations", "multiply", "--sizes",
                "medium,large")
            for one in run["devices"][0]["measurements"]:
                shape = one["shape"]
                name = f"{shape['rows']} x {shape['columns']} x {shape['dimension']}"
                rates.setdefault(name, {}).setdefault(device, []).append(one["rate"])
    cells = []
    for name, by_device in rates.items():
        medians = {device: statistics.median(values) for device, values in by_device.items()}
        cells.append({
            "shape": name, "rates": by_device, "medianRates": medians,
            "ratio": medians[options.device] / medians["cpu"]})
        print(f"products {name}: {cells[-1]['ratio']:.2f} x OpenBLAS", file=sys.stderr)
    return {"cells": cells}


def start_up(options: argparse.Namespace) -> dict:
    """Wall time of a whole process that answers one search of a tiny set."""
    with tempfile.TemporaryDirectory() as folder:
        base = f"{folder}/base.npy"
        subprocess.run(
            [options.tessera, "generate", "--quiet", "--rows", "100", "--dimension", "16", base],
            check=True)
        environment = {
            **os.environ, "TESSERA_CACHE": f"{folder}/cache", "POCL_CACHE_DIR": f"{folder}/pocl"}
        os.mkdir(f"{folder}/pocl")

        def once(device: str) -> float:
            start = time.perf_counter()
            subprocess.run(
                [options.tessera, "search", "--base", base, "--queries", base, "-k", "3",
                 "--device", device, "--quiet"], env=environment, stdout=subprocess.DEVNULL,
                check=True)
            return 1000 * (time.perf_counter() - start)

        first = once(options.device)
        later, cpu = [], []
        for _ in range(4 * options.rounds):
            later.append(once(options.device))
            cpu.append(once("cpu"))
    result = {
        "firstMilliseconds": first, "laterMilliseconds": later,
        "medianMilliseconds": statistics.median(later),
        "cpuMedianMilliseconds": statistics.median(cpu)}
    print(f"second process ready in {result['medianMilliseconds']:.0f} ms", file=sys.stderr)
    return result


def tune(options: argparse.Namespace) -> dict:
    if options.budget == "0":
        return {"skipped": "--budget 0"}
    return tessera(
        options, "tune", "--device", options.device, "--budget", options.budget, "--afresh")


def page(result: dict) -> str:
    device, load, versions = result["device"], result["load"], result["versions"]
    busy = load["coresBusyWithOthers"]
    quiet = load["wasIdleAtStart"] and (busy is None or busy <= 0.1)
    lines = [
        f"    {result['command']}", "",
        f"- {result['date']}, {result['rounds']} rounds, competitors in turn, medians",
        f"- {result['machine']['cpu']}, {result['machine']['cores']} cores",
        f"- {device['device']}: {device['name']}, driver {device['driver']}, {device['variant']}",
        f"- tessera {versions['tessera']}, faiss-cpu {versions['faiss-cpu']}",
        f"- load {load['loadAtStart']} at the start, {load['loadAtEnd']} at the end; other "
        f"processes kept {busy} cores busy"
        + ("" if quiet else ". **The machine was not idle: these figures are no evidence**"), ""]
    lines += ["## Search, against faiss IndexFlatIP", ""]
    if "skipped" in result["search"]:
        lines.append(f"left out: {result['search']['skipped']}")
    else:
        lines += [
            result["search"]["data"] + f"; bar {BAR_SEARCH}", "",
            "| k | faiss s | tessera s | faiss over tessera | ids shared | certified |",
            "|---|---|---|---|---|---|"]
        lines += [
            f"| {c['k']} | {c['medianSeconds']['faiss']:.3f} | "
            f"{c['medianSeconds']['tessera']:.3f} | {c['ratio']:.2f} | {c['sharedIDs']:.5f} | "
            f"{'yes' if c['certified'] else 'no'} |" for c in result["search"]["cells"]]
    lines += [
        "", "## Products, against OpenBLAS", "",
        f"`tessera bench --operations multiply`, packing included; bar {BAR_PRODUCTS}", "",
        "| shape | OpenBLAS GFLOP/s | OpenCL GFLOP/s | OpenCL over OpenBLAS |", "|---|---|---|---|"]
    for cell in result["products"]["cells"]:
        rates = cell["medianRates"]
        lines.append(
            f"| {cell['shape']} | {rates['cpu'] / 1e9:.1f} | "
            f"{rates[device['device']] / 1e9:.1f} | {cell['ratio']:.2f} |")
    start = result["startUp"]
    lines += [
        "", "## Start-up", "",
        f"A whole process that searches 100 rows: {start['firstMilliseconds']:.0f} ms with nothing "
        f"cached, then second process ready in {start['medianMilliseconds']:.0f} ms (median of "
        f"{len(start['laterMilliseconds'])}, {min(start['laterMilliseconds']):.0f} .. "
        f"{max(start['laterMilliseconds']):.0f}; bar {BAR_START}). "
        f"The CPU device: {start['cpuMedianMilliseconds']:.0f} ms.",
        "", "## Tuning", ""]
    if "skipped" in result["tune"]:
        lines.append(f"left out: {result['tune']['skipped']}")
    else:
        done = result["tune"]["classes"]
        lines += [
            f"Time with built-in launch parameters over time with those chosen, nine alternating "
            f"turns, equal results; bar {BAR_TUNE} somewhere. "
            f"{sum(c['finished'] for c in done)} of {len(done)} classes done within "
            f"the budget.", "", "| work | chosen | gain |", "|---|---|---|"]
        for one in done:
            if one["finished"]:
                chosen = ", ".join(f"{k} {v}" for k, v in sorted(one["chosen"].items()))
                lines.append(f"| {one['work']} | {chosen or 'built-in'} | {one['gain']:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
