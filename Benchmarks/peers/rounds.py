"""Measurements in turn: one unmeasured call of each competitor, then every round asks them all."""

import statistics
import sys

import numpy as np

from machine import Others
from peers import Found, Tessera
from truth import Truth

# A competitor this slow is asked once more, and the report says how many samples it has.
SLOW_SECONDS = 60


def measure(competitors: list, truth: Truth, queries: np.ndarray, k: int, one_by_one: bool,
            rounds: int) -> dict:
    others = Others()
    first: dict[str, Found] = {}
    samples: dict[str, list[float]] = {}
    prepare: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for competitor in competitors:
            name = competitor.name
            if number > 1 and first[name].seconds > SLOW_SECONDS:
                continue
            found = competitor.search(queries, k, one_by_one)
            if number == 0:
                first[name], samples[name], prepare[name] = found, [], []
            else:
                samples[name].append(found.seconds)
            if isinstance(competitor, Tessera):
                prepare[name].append(found.details["seconds"]["prepare"])
                if not same_bytes(found, first[name]):
                    raise RuntimeError(f"tessera: round {number} found other bytes than the first")
            else:
                prepare[name] = [competitor.prepare_seconds]
    figures = {}
    for competitor in competitors:
        name = competitor.name
        judgement = truth.judge(first[name].ids, first[name].scores)
        figures[name] = {
            "note": competitor.note,
            "prepareSeconds": statistics.median(prepare[name]),
            "coldSeconds": first[name].seconds,
            "seconds": samples[name],
            "medianSeconds": statistics.median(samples[name]),
            "recall": judgement.recall,
            "isExact": judgement.is_exact,
            "differingIDs": judgement.differing_ids,
            "differingScores": judgement.differing_scores,
            "queriesChecked": judgement.queries_checked,
            "details": {
                key: first[name].details[key] for key in DETAILS if key in first[name].details},
        }
        print(
            f"  {name}: {figures[name]['medianSeconds']:.4g} s, recall {judgement.recall:.6g}",
            file=sys.stderr)
    return {"competitors": figures, "coresBusyWithOthers": others.busy_cores()}


# What of tessera's own report is kept.
DETAILS = [
    "device", "variant", "certified", "candidatesPerQuery", "rescoredPerQuery", "batch", "chunks",
    "peakBytes"]


def same_bytes(one: Found, other: Found) -> bool:
    return one.ids.tobytes() == other.ids.tobytes() and (
        one.scores.tobytes() == other.scores.tobytes())
