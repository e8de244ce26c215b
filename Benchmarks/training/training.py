"""Times training against PyTorch on the same cores, by turns.

Both sides get the same pairs or digits, the same batch, the same optimiser and the same number of threads. An
epoch of PyTorch is what its users write: embeddings with Adam, sampling of negatives vectorised with NumPy and
counted. The first epoch of each process is left out. Loss and accuracy stand beside the times, so that it can
be seen that both learn the same thing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("TESSERA_TEST_DATA", HERE.parents[2] / "shared" / "data"))


class Pairs:
    """Pairs of users and items, and what each user met."""

    def __init__(self, name: str):
        self.path = DATA / name / "train.i32.npy"
        self.train = np.load(self.path).astype(np.int64)
        self.test_path = DATA / name / "test.i32.npy"
        self.test = np.load(self.test_path).astype(np.int64)
        self.users = int(max(self.train[:, 0].max(), self.test[:, 0].max())) + 1
        self.items = int(max(self.train[:, 1].max(), self.test[:, 1].max())) + 1
        self.keys = np.sort(self.train[:, 0] * self.items + self.train[:, 1])

    def epoch(self, random, with_negatives: bool):
        """All pairs in a new order, with items that users did not meet."""
        order = random.permutation(len(self.train))
        users, items = self.train[order, 0], self.train[order, 1]
        negatives = None
        if with_negatives:
            negatives = random.integers(0, self.items, len(order))
            open_ = np.arange(len(order))
            while len(open_):
                keys = users[open_] * self.items + negatives[open_]
                place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
                open_ = open_[self.keys[place] == keys]
                negatives[open_] = random.integers(0, self.items, len(open_))
            negatives = torch.from_numpy(negatives)
        return torch.from_numpy(users), torch.from_numpy(items), negatives


class TorchRecommender:
    """MF or LightGCN in PyTorch."""

    def __init__(self, pairs: Pairs, model: str, loss: str, batch: int, sparse: bool = False):
        torch.manual_seed(1)
        self.pairs, self.model, self.loss, self.batch = pairs, model, loss, batch
        count = pairs.users + pairs.items
        self.table = torch.nn.Embedding(count, 64, sparse=sparse)
        torch.nn.init.normal_(self.table.weight, std=0.1)
        adam = torch.optim.SparseAdam if sparse else torch.optim.Adam
        self.optimiser = adam(self.table.parameters(), lr=1e-3)
        self.random = np.random.default_rng(1)
        if model == "lightgcn":
            users = torch.from_numpy(pairs.train[:, 0])
            items = torch.from_numpy(pairs.train[:, 1]) + pairs.users
            rows, columns = torch.cat([users, items]), torch.cat([items, users])
            degree = torch.bincount(rows, minlength=count).float()
            values = (degree[rows] * degree[columns]).rsqrt()
            self.graph = torch.sparse_coo_tensor(
                torch.stack([rows, columns]), values, (count, count)).coalesce().to_sparse_csr()

    def vectors(self):
        layer = self.table.weight
        total = layer
        for _ in range(3):
            layer = torch.sparse.mm(self.graph, layer)
            total = total + layer
        return total / 4

    def epoch(self, limit: int | None = None):
        """Returns seconds of an epoch, or of `limit` steps scaled to one."""
        start = time.perf_counter()
        users, items, negatives = self.pairs.epoch(self.random, self.loss == "bpr")
        losses = []
        steps = range(0, len(users), self.batch)
        sampled = time.perf_counter() - start
        start = time.perf_counter()
        done = 0
        for first in steps:
            if limit is not None and done >= limit:
                break
            done += 1
            u, i = users[first:first + self.batch], items[first:first + self.batch] + self.pairs.users
            j = None if negatives is None else negatives[first:first + self.batch] + self.pairs.users
            if self.model == "mf":
                take = self.table
            else:
                all_vectors = self.vectors()
                take = lambda rows, all_vectors=all_vectors: all_vectors[rows]
            uv, iv = take(u), take(i)
            if self.loss == "bpr":
                jv = take(j)
                loss = F.softplus(-(uv * (iv - jv)).sum(1)).mean()
                own = [self.table(u), self.table(i), self.table(j)] if self.model != "mf" else [uv, iv, jv]
                loss = loss + 0.5e-4 * sum((v * v).sum(1) for v in own).mean()
            else:
                uv, iv = F.normalize(uv, dim=1), F.normalize(iv, dim=1)
                alignment = (uv - iv).pow(2).sum(1).mean()
                uniformity = sum(
                    torch.pdist(v, p=2).pow(2).mul(-2).exp().mean().log() for v in (uv, iv)) / 2
                loss = alignment + uniformity
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            losses.append(float(loss.detach()))
        seconds = time.perf_counter() - start
        return sampled + seconds * len(steps) / done, float(np.mean(losses))


class TorchDigits:
    """The networks of the digits study in PyTorch."""

    def __init__(self, network: str):
        torch.manual_seed(1)
        nn = torch.nn
        if network == "mlp":
            self.net = nn.Sequential(
                nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        else:
            self.net = nn.Sequential(
                nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10))
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.x = torch.from_numpy(np.load(DATA / "mnist/train.u8.npy")).float().reshape(-1, 784) / 255
        self.y = torch.from_numpy(np.load(DATA / "mnist/train_labels.u8.npy")).long().reshape(-1)

    def epoch(self, limit=None):
        start = time.perf_counter()
        losses = []
        order = torch.randperm(len(self.x))
        for first in range(0, len(order), 128):
            rows = order[first:first + 128]
            loss = F.cross_entropy(self.net(self.x[rows]), self.y[rows])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            losses.append(float(loss.detach()))
        return time.perf_counter() - start, float(np.mean(losses))


def tessera_recommender(options, pairs: Pairs, model: str, loss: str, batch: int, epochs: int):
    out = "/tmp/tessera-training.safetensors"
    result = run(options, options.tessera, [
        "recommend", "train", "--interactions", str(pairs.path), "--model", model, "--loss", loss,
        "--batch", str(batch), "--epochs", str(epochs), "--decay", "1e-4" if loss == "bpr" else "0",
        "--checkpoint-every", "1000000", "--device", options.device, "--threads", str(options.threads),
        "--json", "--quiet", "--out", out])
    return [(e["seconds"], e["loss"]) for e in result["epochs"]]


def tessera_digits(options, network: str, epochs: int):
    result = run(options, options.studies, [
        "digits", network, "--epochs", str(epochs), "--device", options.device,
        "--threads", str(options.threads)])
    return list(zip(result["epochSeconds"], result["losses"]))


def run(options, program: str, arguments: list[str]) -> dict:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          cwd=HERE.parents[1])
    if done.returncode:
        sys.exit(f"{program} {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def evaluation(options, pairs: Pairs, rounds: int):
    """Full ranking with the trained file of the last run: both sides rank the same vectors."""
    model = "/tmp/tessera-training.safetensors"
    raw = Path(model).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])

    def array(name):
        entry = header[name]
        a, b = entry["data_offsets"]
        return torch.from_numpy(
            np.frombuffer(raw[8 + size + a:8 + size + b], np.float32).reshape(entry["shape"]).copy())

    users, items = array("vectors.users"), array("vectors.items")
    met = [[] for _ in range(pairs.users)]
    for user, item in pairs.train:
        met[user].append(item)
    truth = [set() for _ in range(pairs.users)]
    for user, item in pairs.test:
        truth[user].add(item)
    asked = [user for user in range(pairs.users) if truth[user]]
    ours, theirs = [], []
    for number in range(rounds + 1):
        result = run(options, options.tessera, [
            "recommend", "eval", "--model", model, "--train", str(pairs.path), "--test",
            str(pairs.test_path), "-k", "20", "--device", options.device, "--threads",
            str(options.threads), "--json", "--quiet"])
        start = time.perf_counter()
        recall = 0.0
        for first in range(0, len(asked), 1024):
            some = asked[first:first + 1024]
            scores = users[some] @ items.T
            rows = np.concatenate([np.full(len(met[u]), n) for n, u in enumerate(some)])
            columns = np.concatenate([met[u] for u in some]).astype(np.int64)
            scores[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf
            best = scores.topk(20, dim=1).indices.numpy()
            recall += sum(len(truth[u].intersection(b)) / len(truth[u]) for u, b in zip(some, best))
        seconds = time.perf_counter() - start
        if number:
            ours.append(result["seconds"])
            theirs.append(seconds)
    return ours, theirs, result["recall"], recall / len(asked)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", required=True)
    parser.add_argument("--studies", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []

    def wanted(name):
        return not options.only or any(text in name for text in options.only)

    def compare(name, ours, peer, limit=None):
        """Alternates: a process of ours, then an epoch of the peer's."""
        peer.epoch(limit or 3)
        own, other = [], []
        for _ in range(options.rounds):
            own.append(ours()[-1])
            other.append(peer.epoch(limit))
        rows.append((name, own, other))
        a, b = statistics.median(s for s, _ in own), statistics.median(s for s, _ in other)
        print(f"{name}: {a:.3f} s, PyTorch {b:.3f} s, ratio {b / a:.2f}; "
              f"losses {own[-1][1]:.4f}, {other[-1][1]:.4f}", flush=True)

    print(f"torch {torch.__version__}, {options.threads} threads, device {options.device}", flush=True)
    if wanted("bpr") or wanted("lightgcn") or wanted("evaluation"):
        gowalla = Pairs("gowalla")
    if wanted("bpr"):
        ours = lambda: tessera_recommender(options, gowalla, "mf", "bpr", 2048, 2)
        compare("bpr-mf gowalla, Adam", ours, TorchRecommender(gowalla, "mf", "bpr", 2048))
        compare("bpr-mf gowalla, SparseAdam", ours,
                TorchRecommender(gowalla, "mf", "bpr", 2048, sparse=True))
    if wanted("evaluation"):
        tessera_recommender(options, gowalla, "mf", "bpr", 2048, 1)
        own, other, recall, peer_recall = evaluation(options, gowalla, options.rounds)
        a, b = statistics.median(own), statistics.median(other)
        print(f"evaluation gowalla k=20: {a:.3f} s, PyTorch {b:.3f} s, ratio {b / a:.2f}; "
              f"recall {recall:.6f}, {peer_recall:.6f}", flush=True)
    if wanted("lightgcn"):
        compare("lightgcn gowalla, 3 layers, batch 65536",
                lambda: tessera_recommender(options, gowalla, "lightgcn", "bpr", 65536, 2),
                TorchRecommender(gowalla, "lightgcn", "bpr", 65536), limit=3)
    if wanted("directau"):
        beauty = Pairs("beauty")
        compare("directau-mf beauty, batch 256",
                lambda: tessera_recommender(options, beauty, "mf", "directau", 256, 2),
                TorchRecommender(beauty, "mf", "directau", 256))
    if wanted("mlp"):
        compare("mlp 784-512-512-10 mnist", lambda: tessera_digits(options, "mlp", 2),
                TorchDigits("mlp"))
    if wanted("cnn"):
        compare("cnn mnist", lambda: tessera_digits(options, "cnn", 2), TorchDigits("cnn"))


if __name__ == "__main__":
    main()
