"""What the figures were measured on, and who else was using it meanwhile."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import faiss
import usearch.index

from datasets import PACKAGE


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def describe() -> dict:
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu_model() -> str:
    if sys.platform == "darwin":
        return output(["sysctl", "-n", "machdep.cpu.brand_string"])
    facts = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    name = facts.get("model name", platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    return name


def versions() -> dict:
    return {
        "tessera": commit(),
        "faiss-cpu": version("faiss-cpu"),
        "faissCompileOptions": faiss.get_compile_options().strip(),
        "rabitqlib": version("rabitqlib"),
        "usearch": version("usearch"),
        "usearchHardware": usearch.index.Index(ndim=8).hardware_acceleration,
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


def commit() -> str:
    git = ["git", "-C", str(PACKAGE)]
    try:
        name = output([*git, "rev-parse", "--short", "HEAD"])
        sources = ["Package.swift", "Sources", "Kernels"]
        changed = output([*git, "status", "--porcelain", "--", *sources])
    except (OSError, subprocess.CalledProcessError):
        return "of an unknown commit"
    return f"{name} with changes" if changed else name


def output(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def load() -> float:
    return round(os.getloadavg()[0], 2)


def wait_until_idle(minutes: float) -> dict:
    """Waits for a load below 1, but not for ever; what it found is part of the result."""
    start = time.monotonic()
    while load() >= 1 and time.monotonic() - start < minutes * 60:
        print(f"\rwaiting for an idle machine, load {load():.2f} ", end="", file=sys.stderr)
        time.sleep(5)
    return {
        "loadAtStart": load(), "secondsWaited": round(time.monotonic() - start),
        "wasIdleAtStart": load() < 1}


class Others:
    """The cores that neither this process nor those it started kept busy, on average.

    Hypervisors that run something else on our cores count too: stolen time is somebody's.
    """

    def __init__(self):
        self.start = self._now()

    def busy_cores(self) -> float | None:
        if self.start is None:
            return None
        everything, own, clock = (b - a for a, b in zip(self.start, self._now()))
        return round(max(0.0, everything - own) / clock, 2)

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        if not Path("/proc/stat").exists():
            return None
        first = Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, _, _, irq, softirq, steal = map(int, first[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        own = sum(os.times()[:4])
        return busy, own, time.monotonic()
