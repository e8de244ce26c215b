"""What an OpenCL device costs before and beside the work.

Start-up: the whole life of processes that search 5 x 200 vectors, on the CPU, and on OpenCL with
programs and trials remembered by a process before, which is timed too. Waiting: a search with a
deadline against one without, in turn.
"""

import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time


def write_vectors(path, rows, dimension):
    """Coarse numbers that differ from row to row, as .fvecs."""
    with open(path, "wb") as file:
        for row in range(rows):
            numbers = [
                ((row * 31 + d * 17) * (row + d + 7) % 255 - 127) / 128 for d in range(dimension)
            ]
            file.write(struct.pack(f"<i{dimension}f", dimension, *numbers))


def cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Process:
    """A `tessera` with an environment of its own, and its times."""

    def __init__(self, name, arguments, cache, **environment):
        self.name = name
        self.arguments = arguments
        self.environment = {**os.environ, "TESSERA_CACHE": cache, **environment}
        self.seconds = []
        self.cpu_seconds = []
        self.search_seconds = []

    def run(self):
        cpu_start, start = cpu_seconds_of_children(), time.perf_counter()
        done = subprocess.run(self.arguments, env=self.environment, capture_output=True, text=True)
        self.seconds.append(time.perf_counter() - start)
        self.cpu_seconds.append(cpu_seconds_of_children() - cpu_start)
        if done.returncode != 0:
            sys.exit(f"{' '.join(self.arguments)}: exit {done.returncode}: {done.stderr}")
        if "--json" in self.arguments:
            report = json.loads(done.stdout)
            self.search_seconds.append(statistics.median(report["seconds"]["search"]))

    def milliseconds(self):
        return 1e3 * statistics.median(self.seconds)

    def cpu_milliseconds(self):
        return 1e3 * statistics.median(self.cpu_seconds)


def take_turns(processes, rounds):
    for process in processes * rounds:
        process.run()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", required=True, help="the program")
    parser.add_argument("--device", default="opencl", help="the OpenCL device (opencl:N)")
    parser.add_argument("--rounds", type=int, default=15, help="processes of each kind")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        base, queries, cache = (os.path.join(folder, name) for name in ("b.fvecs", "q.fvecs", "c"))
        write_vectors(base, 200, 16)
        write_vectors(queries, 5, 16)

        def search(device, *more):
            return [
                options.tessera, "search", "--device", device, "--base", base,
                "--queries", queries, "-k", "3", "--quiet", *more,
            ]  # fmt: skip

        print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, medians")
        first = Process("first process", search(options.device), cache)
        take_turns([first], 1)
        bare = Process("tessera --version", [options.tessera, "--version"], cache)
        cpu = Process("search on the CPU", search("cpu"), cache)
        second = Process("later process", search(options.device), cache)
        take_turns([bare, cpu, second], options.rounds)
        for process in (bare, cpu, first, second):
            print(
                f"{process.name:<20} {process.milliseconds():9.1f} ms"
                f" {process.cpu_milliseconds():9.1f} ms of CPU time"
            )
        cost = second.milliseconds() - bare.milliseconds()
        print(f"{options.device} costs a later process {cost:.1f} ms")

        arms = [
            Process(name, search(options.device, "--json", "--repeat", "300"), cache, **environment)
            for name, environment in (
                ("without a deadline", {"TESSERA_OPENCL_TIMEOUT": "0"}),
                ("with a deadline", {"TESSERA_OPENCL_TIMEOUT": "60"}),
            )
        ]
        take_turns(arms, options.rounds)
        for arm in arms:
            print(f"{arm.name:<20} {1e6 * statistics.median(arm.search_seconds):9.1f} us a search")


if __name__ == "__main__":
    main()
