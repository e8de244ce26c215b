"""What is searched: real sets from a folder of test data, others written by `tessera generate`."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).resolve().parents[2]
GENERATED = Path(__file__).resolve().parent / ".data"


class Missing(Exception):
    """A data set that this machine does not have, and why."""


@dataclass(frozen=True)
class DataSet:
    name: str
    metric: str  # ip or l2, as tessera calls them
    base_path: Path
    queries_path: Path
    truth_prefix: str | None = None  # of files with the true 100 nearest
    has_unit_length: bool = False

    def base(self) -> np.ndarray:
        return np.load(self.base_path)

    def queries(self, count: int) -> np.ndarray:
        return np.load(self.queries_path)[:count]


def wordnet() -> DataSet:
    return DataSet(
        "wordnet-minilm", "ip", real("wordnet-minilm/base.f16.npy"),
        real("wordnet-minilm/queries.f16.npy"), "truth_ip_top100", has_unit_length=True)


def mnist() -> DataSet:
    return DataSet(
        "mnist", "l2", real("mnist/train.u8.npy"), real("mnist/test.u8.npy"), "truth_l2_top100")


def real(name: str) -> Path:
    folder = Path(os.environ.get("TESSERA_TEST_DATA") or PACKAGE.parent / "shared/data")
    if not (folder / name).exists():
        raise Missing(f"no {name} in the folder TESSERA_TEST_DATA names")
    return folder / name


def generated(tessera: str, name: str, metric: str, rows: int, dimension: int,
              clusters: int = 0, query_count: int = 1000) -> DataSet:
    """Rows of one random sequence, and as queries the rows that follow them."""
    GENERATED.mkdir(exist_ok=True)
    stem = f"{rows}x{dimension}-clusters{clusters}"
    base = GENERATED / f"{stem}.base.npy"
    queries = GENERATED / f"{stem}.queries{query_count}.npy"
    for path, first, count in [(base, 0, rows), (queries, rows, query_count)]:
        if not path.exists():
            subprocess.run(
                [tessera, "generate", "--quiet", "--rows", str(count), "--skip", str(first),
                 "--dimension", str(dimension), "--clusters", str(clusters), str(path)], check=True)
    return DataSet(name, metric, base, queries)
