"""The true nearest in Float64, and how well found ones agree with them.

The order is Tessera's: the score rounded to Float32, ties by the lower id. Two Float64 sums in
different orders may round to neighbouring Float32 numbers, so scores one unit apart count as tied.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import DataSet

ROWS_PER_BLOCK = 1 << 15


@dataclass(frozen=True)
class Judgement:
    recall: float  # share of the found that are as good as the true k-th
    differing_ids: int  # positions with another id than the truth's
    is_exact: bool  # every one of those is a tie
    differing_scores: int | None  # positions whose score is not the truth's to the last bit
    queries_checked: int


class Truth:
    """The best ids and scores of some of the queries."""

    def __init__(self, data: DataSet, base: np.ndarray, queries: np.ndarray, k: int, sample: int):
        self.metric, self.base, self.queries = data.metric, base, queries
        if data.truth_prefix and k <= 100:
            folder: Path = data.queries_path.parent
            self.checked = np.arange(len(queries))
            self.ids = np.load(folder / f"{data.truth_prefix}.i32.npy")[: len(queries)]
            self.scores = np.load(folder / f"{data.truth_prefix}.f32.npy")[: len(queries)]
            self.source = "truth file, every query"
        else:
            self.checked = np.unique(
                np.linspace(0, len(queries) - 1, min(sample, len(queries))).astype(int))
            self.ids, self.scores = self._compute(k)
            self.source = f"Float64, {len(self.checked)} queries evenly spread"

    def judge(self, found: np.ndarray, scores: np.ndarray | None = None) -> Judgement:
        """Compares the hits of all queries, of which the checked ones count."""
        k = found.shape[1]
        found = found[self.checked].astype(np.int64)
        differs = found != self.ids[:, :k]
        good, is_exact = 0, True
        for place in range(len(found)):
            columns = np.flatnonzero(differs[place])
            if len(columns) == 0:
                good += k
                continue
            same = found[place][~differs[place]]
            other = found[place][columns]
            valid = other[other >= 0]
            its_scores = self._scores(place, valid)
            truth = self.scores[place]
            reaches_last = self._ties_or_beats(its_scores, truth[k - 1])
            good += len(set(same) | set(valid[reaches_last]))
            is_exact &= (
                len(valid) == len(other) and len(set(found[place])) == k
                and bool(np.all(np.abs(its_scores - truth[columns]) <= unit(truth[columns]))))
        differing_scores = None
        if scores is not None:
            off = np.abs(scores[self.checked] - self.scores[:, :k])
            differing_scores = int(np.count_nonzero(off))
            is_exact &= bool(np.all(off <= unit(self.scores[:, :k])))
        return Judgement(
            good / found.size, int(np.count_nonzero(differs)), is_exact, differing_scores,
            len(self.checked))

    def _ties_or_beats(self, scores: np.ndarray, last: np.float32) -> np.ndarray:
        return scores >= last - unit(last) if self.metric == "ip" else scores <= last + unit(last)

    def _scores(self, place: int, rows: np.ndarray) -> np.ndarray:
        query = self.queries[self.checked[place]].astype(np.float64)
        vectors = self.base[rows].astype(np.float64)
        exact = vectors @ query if self.metric == "ip" else np.square(vectors - query).sum(axis=1)
        return exact.astype(np.float32)

    def _compute(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Candidates by matrix product over blocks of rows, a few too many; then each scored."""
        queries = self.queries[self.checked].astype(np.float64)
        count = min(k + 64, len(self.base))
        best_costs = np.empty((len(queries), 0))
        best_ids = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(self.base), ROWS_PER_BLOCK):
            block = self.base[start : start + ROWS_PER_BLOCK].astype(np.float64)
            costs = -(queries @ block.T)
            if self.metric == "l2":
                costs = 2 * costs + np.square(block).sum(axis=1)
            ids = np.broadcast_to(np.arange(start, start + len(block)), costs.shape)
            costs = np.hstack([best_costs, costs])
            ids = np.hstack([best_ids, ids])
            keep = min(count, costs.shape[1])
            chosen = np.argpartition(costs, keep - 1, axis=1)[:, :keep]
            best_costs = np.take_along_axis(costs, chosen, axis=1)
            best_ids = np.take_along_axis(ids, chosen, axis=1)
        scores = np.stack([self._scores(place, ids) for place, ids in enumerate(best_ids)])
        order = np.lexsort((best_ids, -scores if self.metric == "ip" else scores))[:, :k]
        return np.take_along_axis(best_ids, order, 1), np.take_along_axis(scores, order, 1)


def unit(score: np.ndarray) -> np.ndarray:
    """The distance to the next Float32."""
    return np.spacing(np.abs(score))
