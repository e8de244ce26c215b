from dataclasses import dataclass
from os import PathLike
from typing import Any, Callable, Iterable, Literal, Sequence

import numpy as np
import numpy.typing as npt

Metric = Literal["ip", "l2", "cosine", "hamming", "jaccard"]
Path = str | PathLike[str]
# float32, float16, int8 or uint8, rows x columns; whatever has DLPack or the buffer protocol too.
Matrix = npt.NDArray[Any] | Sequence[Sequence[float]] | Any
# A range, flags of all rows, or ids.
Only = range | npt.NDArray[Any] | Sequence[int] | None
# Hears the stage and the share of the whole; False ends the call.
Progress = Callable[[str, float], bool | None] | None
Scores = npt.NDArray[np.float32]
IDs = npt.NDArray[np.int64]

__version__: str

class TesseraError(Exception):
    status: int
    name: str
    def __init__(self, message: str, status: int = 1, name: str = "invalidArgument") -> None: ...

@dataclass(frozen=True)
class Device:
    identifier: str
    kind: str
    name: str
    driver: str
    variant: str
    memory_bytes: int
    compute_units: int

def version() -> str: ...
def devices() -> list[Device]: ...
def search(
    base: Matrix | Path, queries: Matrix, k: int, metric: Metric = "ip",
    device: str | None = "auto", *, only: Only = None, threads: int = 0, progress: Progress = None,
    timeout: float | None = None,
) -> tuple[Scores, IDs]: ...
def search_shard(
    rows: Matrix | Path, queries: Matrix, k: int, first_id: int, metric: Metric = "ip",
    device: str | None = "auto", *, threads: int = 0, progress: Progress = None,
    timeout: float | None = None,
) -> tuple[Scores, IDs]: ...
def merge_top_k(
    parts: Sequence[tuple[Scores, IDs]], k: int, metric: Metric = "ip"
) -> tuple[Scores, IDs]: ...
def convert(input: Path, output: Path, *, device: str | None = "auto") -> None: ...

class Vectors:
    ntotal: int
    d: int
    metric: str
    def __init__(
        self, rows: Matrix | Path, metric: Metric = "ip", device: str | None = "auto",
        threads: int = 0, *, first_id: int = 0,
    ) -> None: ...
    def search(
        self, queries: Matrix, k: int, *, only: Only = None, progress: Progress = None,
        timeout: float | None = None,
    ) -> tuple[Scores, IDs]: ...
    def range_search(
        self, queries: Matrix, score: float, *, only: Only = None, progress: Progress = None,
        timeout: float | None = None,
    ) -> tuple[IDs, Scores, IDs]: ...
    def __len__(self) -> int: ...

class Index:
    spec: str
    d: int
    metric: str
    ntotal: int
    recall: float
    nprobe: int | None
    @property
    def is_trained(self) -> bool: ...
    def __init__(
        self, spec: str, dim: int, metric: Metric = "ip", *, device: str | None = "auto",
        threads: int = 0, seed: int = 1234, training_limit: int = 0,
    ) -> None: ...
    @classmethod
    def load(cls, path: Path, *, device: str | None = "auto", threads: int = 0) -> "Index": ...
    @classmethod
    def open(
        cls, path: Path, *, write: bool = True, device: str | None = "auto", threads: int = 0
    ) -> "Index": ...
    def close(self) -> None: ...
    def __enter__(self) -> "Index": ...
    def __exit__(self, *error: object) -> None: ...
    def train(
        self, rows: Matrix, *, progress: Progress = None, timeout: float | None = None
    ) -> None: ...
    def add(self, rows: Matrix) -> None: ...
    def add_with_ids(self, rows: Matrix, ids: Sequence[int] | npt.NDArray[Any]) -> None: ...
    def update(self, rows: Matrix, ids: Sequence[int] | npt.NDArray[Any]) -> None: ...
    def remove_ids(self, ids: range | Sequence[int] | npt.NDArray[Any]) -> int: ...
    def compact(self, *, progress: Progress = None, timeout: float | None = None) -> None: ...
    def refresh(self) -> None: ...
    def verify(self) -> None: ...
    def build(self, *, progress: Progress = None, timeout: float | None = None) -> "Index": ...
    def search(
        self, queries: Matrix, k: int, *, probes: int | None = None, recall: float | None = None,
        only: Only = None, progress: Progress = None, timeout: float | None = None,
    ) -> tuple[Scores, IDs]: ...
    def range_search(
        self, queries: Matrix, score: float, *, probes: int | None = None,
        recall: float | None = None, only: Only = None, progress: Progress = None,
        timeout: float | None = None,
    ) -> tuple[IDs, Scores, IDs]: ...
    def reconstruct(self, ids: int | Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.float32]: ...
    def save(self, path: Path) -> None: ...
    def measure(self) -> None: ...
    def __len__(self) -> int: ...

@dataclass(frozen=True)
class Clusters:
    centroids: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    objective: float
    iterations: int
    converged: bool

def kmeans(
    points: Matrix, k: int, *, metric: Metric = "l2", iterations: int = 20, seed: int = 1234,
    init: Literal["k-means++", "random", "k-means||"] | Matrix = "k-means++",
    algorithm: Literal["lloyd", "minibatch", "hierarchical", "exact1d"] = "lloyd",
    restarts: int = 1, batch_size: int = 0, training_limit: int = 0, tolerance: float = 0.0,
    weights: Sequence[float] | npt.NDArray[Any] | None = None, chunk_rows: int = 0,
    device: str | None = "auto", threads: int = 0, progress: Progress = None,
    timeout: float | None = None,
) -> Clusters: ...

Start = Literal["k-means++", "random"]

def kmeans_start_rows(
    row_count: int, k: int, *, seed: int = 1234, init: Start = "k-means++"
) -> IDs: ...
def kmeans_start(
    rows: Matrix, row_count: int, k: int, *, seed: int = 1234, init: Start = "k-means++",
    metric: Metric = "l2", weights: Sequence[float] | npt.NDArray[Any] | None = None,
    device: str | None = "auto", threads: int = 0, progress: Progress = None,
    timeout: float | None = None,
) -> npt.NDArray[np.float32]: ...
def kmeans_partial(
    rows: Matrix, first_row: int, centroids: Matrix, *, chunk_rows: int, metric: Metric = "l2",
    weights: Sequence[float] | npt.NDArray[Any] | None = None, device: str | None = "auto",
    threads: int = 0, progress: Progress = None, timeout: float | None = None,
) -> bytes: ...
def kmeans_merge(parts: Iterable[bytes]) -> bytes: ...

@dataclass(frozen=True, eq=False)
class KMeansStep:
    centroids: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    objective: float
    repaired: bool
    converged: bool

def kmeans_step(part: bytes, row_count: int, centroids: Matrix) -> KMeansStep: ...

@dataclass(frozen=True, eq=False)
class Shard:
    first_id: int
    count: int
    metric: Metric
    center: npt.NDArray[np.float32]
    radius: float
    @classmethod
    def of(cls, rows: Matrix, first_id: int, metric: Metric = "ip") -> "Shard": ...

def shard_bounds(shards: Iterable[Shard], queries: Matrix) -> Scores: ...
def shards_left(
    bounds: Scores, scores: Scores, metric: Metric = "ip", searched: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.bool_]: ...

class Quantizer:
    spec: str
    d: int
    code_size: int
    def __init__(self, spec: str, *, device: str | None = "auto", threads: int = 0) -> None: ...
    @classmethod
    def load(cls, path: Path, *, device: str | None = "auto", threads: int = 0) -> "Quantizer": ...
    def train(
        self, points: Matrix, *, progress: Progress = None, timeout: float | None = None
    ) -> float: ...
    def save(self, path: Path) -> None: ...
    def encode(self, rows: Matrix) -> npt.NDArray[np.uint8]: ...
    def decode(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...
    def search(
        self, codes: npt.NDArray[np.uint8], queries: Matrix, k: int, metric: Metric = "ip", *,
        only: Only = None, progress: Progress = None, timeout: float | None = None,
    ) -> tuple[Scores, IDs]: ...
