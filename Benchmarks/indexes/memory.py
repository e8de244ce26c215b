"""Builds, compacts and searches indexes in a quarter of their rows' bytes, and in memory: are the bytes the
same, what does it cost, and how much memory does it take?

Counted is private memory (RssAnon and RssShmem), read from /proc every few milliseconds. Pages of mapped
files are not: they are clean, and the system takes them back whenever another needs memory. The plan is the
budget, what a process has that builds next to nothing, and for each row the bytes of ROW, which hold ids,
lists and orders and lie in memory always."""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent
SPECS = ["IVF1024,Flat", "IVF1024,SQ8", "IVF1024,PQ24x8"]
# Bytes in memory for each row: when an index is built or compacted, and when it is opened.
ROW = {"build": 48, "compact": 48, "search": 32}
MIB = 2**20


def run(command):
    """Runs a command to its end. Returns its JSON, its seconds, and its peaks of private and all memory."""
    start = time.monotonic()
    process = subprocess.Popen([*command, "--quiet", "--json"], stdout=subprocess.PIPE)
    status, private, peak = Path(f"/proc/{process.pid}/status"), 0, 0
    while process.poll() is None:
        try:
            fields = dict(
                line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            bytes_of = lambda name: int(fields[name].split()[0]) * 1024 if name in fields else 0
            private = max(private, bytes_of("RssAnon") + bytes_of("RssShmem"))
            peak = max(peak, bytes_of("VmHWM"))
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.004)
    output = process.stdout.read()
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return json.loads(output), time.monotonic() - start, private, peak


def digest(*paths):
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()[:12]


class Case:
    """One specification, in memory and in the budget."""

    def __init__(self, options, folder, spec, idle):
        self.options, self.folder, self.spec, self.idle = options, folder, spec, idle

    def measure(self):
        budget = 4 * self.options.rows * self.options.dimension // 4
        files = {}
        for step in ("build", "search", "compact"):
            whole, within = (self.step(step, name, limit)
                             for name, limit in (("whole", None), ("within", budget)))
            files[step] = whole["digest"] == within["digest"]
            rows, plan = self.options.rows, budget + self.idle + ROW[step] * self.options.rows
            rate = whole["seconds"] / within["seconds"]
            print(
                f"| {self.spec} | {step} | {budget / MIB:.0f} | {whole['rate']:,.0f} | "
                f"{within['rate']:,.0f} | {rate:.2f} | {whole['private'] / MIB:.0f} | "
                f"{within['private'] / MIB:.0f} | {plan / MIB:.0f} | "
                f"{within['private'] / plan:.2f} | {within['peak'] / MIB:.0f} | "
                f"{'yes' if files[step] else 'NO'} |", flush=True)
            if not files[step] or within["private"] > 1.1 * plan:
                self.options.failed = True

    def step(self, step, name, limit):
        index = f"{self.folder}/{name}.index"
        memory = ["--memory", str(limit)] if limit else []
        rounds = []
        for round in range(self.options.rounds if step == "search" else 1):
            rounds.append(run([self.options.tessera, *self.arguments(step, index, name), *memory]))
        seconds = statistics.median(self.seconds(step, *one[:2]) for one in rounds)
        if step == "compact":
            done = digest(index)
        elif step == "build":
            done = digest(index)
            run([self.options.tessera, "add", index, "--base", f"{self.folder}/more.npy"])
            run([self.options.tessera, "remove", index, "--ids", f"0:{self.options.rows // 20}"])
        else:
            done = digest(f"{self.folder}/{name}.ids.npy", f"{self.folder}/{name}.scores.npy")
        amount = self.options.queries if step == "search" else self.options.rows
        return {"digest": done, "seconds": seconds, "rate": amount / seconds,
                "private": max(one[2] for one in rounds), "peak": max(one[3] for one in rounds)}

    def arguments(self, step, index, name):
        device = ["--device", self.options.device]
        if step == "build":
            return ["build", "--spec", self.spec, "--base", f"{self.folder}/rows.npy",
                    "--metric", "l2", "--out", index, *device]
        if step == "compact":
            return ["compact", index, *device]
        return ["search", "--index", index, "--queries", f"{self.folder}/queries.npy", "-k", "10",
                "--probes", str(self.options.probes), "--out", f"{self.folder}/{name}", *device]

    @staticmethod
    def seconds(step, found, wall):
        """Seconds of work: of a search those of all chunks, rows brought to the device and all."""
        if step != "search":
            return wall
        return max(1e-9, wall - found["seconds"].get("load", 0))


def generate(options, folder):
    def write(path, rows, skip):
        subprocess.run(
            [options.tessera, "generate", "--quiet", "--rows", str(rows), "--skip", str(skip),
             "--dimension", str(options.dimension), "--clusters", "2000", f"{folder}/{path}"],
            check=True)
    write("rows.npy", options.rows, 0)
    write("queries.npy", options.queries, options.rows)
    write("more.npy", options.rows // 50, options.rows + options.queries)
    write("few.npy", 1000, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default=str(PACKAGE / ".build/release/tessera"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=96)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--probes", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5, help="searches, of which the median counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", default=SPECS, metavar="SPEC")
    options = parser.parse_args()
    options.failed = False
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        generate(options, folder)
        idle = run([options.tessera, "build", "--spec", "Flat", "--base", f"{folder}/few.npy",
                    "--out", f"{folder}/few.index", "--device", options.device])[2]
        print(f"{options.rows:,} x {options.dimension} float32 rows, l2; {options.queries:,} queries at "
              f"once, k = 10, {options.probes} probes; {options.device}; memory in MiB\n")
        print("| index | work | budget | rate in memory | rate in the budget | ratio | private in memory "
              "| private in the budget | plan | of the plan | VmHWM in the budget | same bytes |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
        for spec in options.only:
            Case(options, folder, spec, idle).measure()
    raise SystemExit(1 if options.failed else 0)


main()
