"""Token reduction probed: does a nearest-class-mean reader of MNIST still know the digits?

Images are cut into 4 x 4 patches of 7 x 7 pixels: a token is a patch, a frame 16 tokens. Two kinds of
sequences:
- images: test images one after the other, a frame each; every frame is read;
- films: one image drifts a pixel a frame, within 2 pixels of the middle; the film is read.

Three readers get each sequence of N tokens:
- all: every token;
- reduced: K tokens and the grid that says where they stand (tessera tokens), so a token for every
  place again;
- pruned: K tokens chosen at random, with their places; the others are unknown. The mean of 5 draws.

The reader knows for each class and position of the frame the mean token of the training images, or of
training films. It adds up squared distances over the positions it has tokens of (the mean of them, in
a film) and takes the nearest class. "1 % of the tokens" is K = N / 100: what that leaves depends on
how long the sequence is, as a longer one has no more kinds of patches. So several lengths are tried.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import datasets
import machine

PATCH, FIELD, DRIFT = 7, 28, 2
SIDE = FIELD // PATCH
POSITIONS, NUMBERS = SIDE * SIDE, PATCH * PATCH
# Kind, frames of a sequence, sequences, percents of the tokens kept.
CELLS = [
    ("images", 100, 100, (1,)),
    ("images", 1000, 10, (0.1, 0.5, 1, 2, 5)),
    ("images", 10000, 1, (1,)),
    ("films", 50, 1000, (1,)),
    ("films", 200, 500, (1,)),
    ("films", 800, 250, (0.1, 1)),
]
TRAINING_FILMS, TRAINING_FRAMES, DRAWS = 5000, 50, 5


def patches(pictures):
    """Pictures x positions x numbers of a patch."""
    cut = pictures.reshape(-1, SIDE, PATCH, SIDE, PATCH).transpose(0, 1, 3, 2, 4)
    return cut.reshape(len(pictures), POSITIONS, NUMBERS).astype(np.float32)


def films(images, frames, random):
    """Films x frames x positions x numbers."""
    padded = np.pad(images, ((0, 0), (DRIFT, DRIFT), (DRIFT, DRIFT)))
    # Every place that a window can have, to choose from.
    windows = np.lib.stride_tricks.sliding_window_view(padded, (FIELD, FIELD), axis=(1, 2))
    place = np.full((len(images), 2), DRIFT)
    result = np.empty((len(images), frames, POSITIONS, NUMBERS), np.float32)
    for frame in range(frames):
        result[:, frame] = patches(windows[np.arange(len(images)), place[:, 0], place[:, 1]])
        place = np.clip(place + random.integers(-1, 2, place.shape), 0, 2 * DRIFT)
    return result


def reduce(program, tokens, keep):
    """Tokens of sequences x places x numbers, each replaced by its codeword."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        np.save(path / "tokens.npy", tokens.reshape(-1, NUMBERS))
        command = [
            program, "tokens", "--input", str(path / "tokens.npy"), "--sequence",
            str(tokens.shape[1]), "--keep", str(keep), "--out", str(path / "out"), "--quiet",
            "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        codebook, grid = np.load(path / "out.codebook.npy"), np.load(path / "out.grid.npy")
    return codebook[grid.ravel()].reshape(tokens.shape)


class Reader:
    """Knows a mean token of every class and position."""

    def __init__(self, tokens, labels):
        self.classes = np.zeros((10, POSITIONS, NUMBERS))
        np.add.at(self.classes, labels, tokens)
        self.classes /= np.bincount(labels, minlength=10)[:, None, None]

    def is_right(self, kind, tokens, known, labels):
        """Whether each frame, or film, was read as what it is."""
        frames = tokens.reshape(len(tokens), -1, POSITIONS, NUMBERS)
        known = known.reshape(frames.shape[:3])
        if kind == "images":
            frames = frames.reshape(-1, 1, POSITIONS, NUMBERS)
            known = known.reshape(-1, 1, POSITIONS)
        weights = known.sum(1)
        values = (frames * known[..., None]).sum(1) / np.maximum(weights, 1)[..., None]
        distances = np.stack([((values - mean) ** 2).sum(-1) for mean in self.classes], 1)
        return (distances * (weights > 0)[:, None]).sum(-1).argmin(1) == labels


def pruned(random, shape, keep):
    known = np.zeros(shape, bool)
    for row in known:
        row[random.choice(shape[1], keep, replace=False)] = True
    return known


def measure(program, reader, kind, tokens, labels, percents, random):
    whole = np.ones(tokens.shape[:2], bool)
    everything = reader.is_right(kind, tokens, whole, labels)
    length = tokens.shape[1]
    for percent in percents:
        keep = max(1, round(length * percent / 100))
        reduced = reader.is_right(kind, reduce(program, tokens, keep), whole, labels)
        less = np.mean([
            reader.is_right(kind, tokens, pruned(random, whole.shape, keep), labels).mean()
            for _ in range(DRAWS)])
        change = reduced.astype(float) - everything
        yield {
            "kind": kind, "sequences": len(tokens), "frames": length // POSITIONS,
            "tokens": length, "kept": keep, "read": len(labels), "all": float(everything.mean()),
            "reduced": float(reduced.mean()), "pruned": float(less),
            "reducedLessAll": float(change.mean()),
            "standardError": float(change.std() / len(change) ** 0.5),
            "densityAll": float(everything.mean() / length),
            "densityReduced": float(reduced.mean() / keep)}


HEAD = """| sequences | frames | tokens N | kept K | of all | all | reduced | pruned | reduced less all \
| pruned less all | density, all | density, reduced |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def line(cell):
    return (
        f"| {cell['sequences']} of {cell['kind']} | {cell['frames']} | {cell['tokens']} | "
        f"{cell['kept']} | {100 * cell['kept'] / cell['tokens']:.2f} % | {100 * cell['all']:.2f} % "
        f"| {100 * cell['reduced']:.2f} % | {100 * cell['pruned']:.2f} % | "
        f"{100 * cell['reducedLessAll']:+.2f} ± {100 * cell['standardError']:.2f} points | "
        f"{100 * (cell['pruned'] - cell['all']):+.2f} points | {100 * cell['densityAll']:.5f} % | "
        f"{100 * cell['densityReduced']:.4f} % |")


def main():
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=["images", "films"], help="one kind of sequence")
    parser.add_argument("--seed", type=int, default=1, help="of drift and pruning (1)")
    parser.add_argument("--out", help="write PREFIX.md and .json; results/<date>-tokens")
    options = parser.parse_args()
    try:
        sets = [np.load(datasets.real(f"mnist/{name}.u8.npy")) for name in (
            "train", "train_labels", "test", "test_labels")]
    except datasets.Missing as reason:
        sys.exit(f"run.sh: {reason}")
    train, test = (images.reshape(-1, FIELD, FIELD) for images in (sets[0], sets[2]))
    train_labels, labels = (numbers.ravel() for numbers in (sets[1], sets[3]))
    random = np.random.default_rng(options.seed)
    readers = {"images": Reader(patches(train), train_labels)}
    shown = np.concatenate([
        films(train[start : start + 500], TRAINING_FRAMES, random).mean(1)
        for start in range(0, TRAINING_FILMS, 500)])
    readers["films"] = Reader(shown, train_labels[:TRAINING_FILMS])
    cells = []
    for kind, frames, sequences, percents in CELLS:
        if options.only not in (None, kind):
            continue
        if kind == "images":
            tokens, known = patches(test[: frames * sequences]), labels[: frames * sequences]
        else:
            tokens, known = films(test[:sequences], frames, random), labels[:sequences]
        tokens = tokens.reshape(sequences, -1, NUMBERS)
        for cell in measure(
                options.tessera, readers[kind], kind, tokens, known, percents, random):
            cells.append(cell)
            print(line(cell), flush=True)
    write(options, cells)


def write(options, cells):
    day = datetime.now(timezone.utc).date()
    results = Path(__file__).resolve().parent.parent / "results"
    path = Path(options.out or results / f"{day}-tokens")
    versions = machine.versions()
    page = path.with_name(path.name + ".md")
    page.write_text(
        f"""# What is still known with few tokens, {day}

`Benchmarks/tokens/run.sh --seed {options.seed}`; tessera {versions['tessera']}. Nothing here depends
on the machine's speed.

{__doc__.split(chr(10), 2)[2].strip()}

Density is the accuracy over the tokens of a sequence that the reader gets; the grid is not counted.
± is the standard error of the mean change.

{HEAD}
"""
        + "\n".join(map(line, cells)) + "\n")
    about = {"date": str(day), "seed": options.seed, **machine.describe(), **versions}
    path.with_name(path.name + ".json").write_text(
        json.dumps({"about": about, "cells": cells}, indent=1) + "\n")
    print(f"wrote {os.path.relpath(page)}")


main()
