"""Times Tessera and its peers in turn: A B C A B C ..., one data set and k after the other."""

import argparse
import json
import os
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path

import machine


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "mode", nargs="?", default="quick", choices=["quick", "full", "curve"],
        help="quick: minutes, slow peers at k=10 only; full: every cell, an hour; "
        "curve: against HNSW at recall 0.95 over growing sets, hours")
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of every competitor")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each competitor")
    parser.add_argument("--k", type=int, nargs="+", help="instead of the mode's")
    parser.add_argument("--slow", type=int, nargs="+", help="the k at which slow peers are asked too")
    parser.add_argument("--only", metavar="WORD", help="workloads with WORD in their name")
    parser.add_argument("--rows", type=int, nargs="+", help="sizes of the curve")
    parser.add_argument("--wait", type=float, default=5, help="minutes to wait for an idle machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    # Read when the libraries are loaded, so before they are.
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TESSERA_THREADS"]:
        os.environ[name] = str(options.threads)
    import faiss

    import curve
    import report
    import workloads

    faiss.omp_set_num_threads(options.threads)
    idle = machine.wait_until_idle(options.wait)
    others = machine.Others()
    started, versions = datetime.now(timezone.utc), machine.versions()
    mode = curve if options.mode == "curve" else workloads
    cells, skipped = [], []
    options.out.mkdir(parents=True, exist_ok=True)

    def save() -> str:
        result = {
            "command": command(),
            "date": started.isoformat(timespec="seconds"),
            "mode": options.mode,
            "threads": options.threads,
            "rounds": options.rounds,
            "machine": machine.describe(),
            "variant": cells[0]["competitors"]["tessera"]["details"]["variant"],
            "versions": versions,
            "load": {
                **idle, "loadAtEnd": machine.load(), "coresBusyWithOthers": others.busy_cores()},
            "skipped": skipped,
            "cells": cells,
        }
        page = report.markdown(result)
        stem = options.out / f"{started.date()}-{options.mode}-{result['variant']}"
        stem.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        stem.with_suffix(".md").write_text(page)
        return page

    for cell in mode.run(options, skipped):
        cells.append(cell)
        save()  # already now: a peer that aborts the process takes nothing along
    if not cells:
        print("no workload could run: " + "; ".join(skipped), file=sys.stderr)
        return 66
    print(save())
    wrong = [c for c in cells if not c["competitors"]["tessera"]["isExact"]]
    return 70 if wrong else 0


def command() -> str:
    """As one would type it at the top of the package."""
    forced = os.environ.get("TESSERA_CPU")
    hidden = sys.argv.index("--tessera")
    words = ["Benchmarks/peers/run.sh", *sys.argv[1:hidden], *sys.argv[hidden + 2 :]]
    return (f"TESSERA_CPU={shlex.quote(forced)} " if forced else "") + shlex.join(words)


if __name__ == "__main__":
    sys.exit(main())
