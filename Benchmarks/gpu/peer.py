"""The GPU's own peer: PyTorch's matmul and topk on the same rows, in Float32 and Float16.

peer.py BASE.npy QUERIES.npy K TRUTH.ids.npy; prints one JSON object. Needs torch alone: .npy files
are read here.
"""

import ast
import json
import statistics
import struct
import sys
import time

import torch


def load(path: str) -> torch.Tensor:
    with open(path, "rb") as file:
        data = bytearray(file.read())
    start = 10 if data[6] == 1 else 12
    (length,) = struct.unpack("<H" if start == 10 else "<I", data[8:start])
    header = ast.literal_eval(data[start : start + length].decode("latin1"))
    types = {"<f4": torch.float32, "<i8": torch.int64}
    values = torch.frombuffer(data, dtype=types[header["descr"]], offset=start + length)
    return values.reshape(header["shape"])


def timed(device: torch.device, work, repeats: int = 5) -> dict:
    def once():
        start = time.perf_counter()
        result = work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, result

    cold, result = once()
    return {"coldSeconds": cold, "seconds": [once()[0] for _ in range(repeats)]}, result


def search(base, queries, k: int, cells: int = 1 << 30):
    """Scores of as many queries at a time as fit, and the best of each row."""
    step = max(1, cells // base.shape[0])
    found = [torch.topk(queries[i : i + step] @ base.T, k).indices
             for i in range(0, queries.shape[0], step)]
    return torch.cat(found)


def recall(found, truth) -> float:
    rows = zip(found.cpu().tolist(), truth.tolist())
    return statistics.mean(len(set(a) & set(b)) / len(b) for a, b in rows)


def main() -> None:
    base, queries = load(sys.argv[1]), load(sys.argv[2])
    k, truth = int(sys.argv[3]), load(sys.argv[4])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base, queries = base.to(device), queries.to(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    result = {"torch": torch.__version__, "device": name, "search": [], "matmul": []}
    flops = 2 * base.shape[0] * base.shape[1] * queries.shape[0]
    kinds = [("float32", torch.float32, False), ("tf32", torch.float32, True),
             ("float16", torch.float16, False)]
    for label, kind, tf32 in kinds:
        if device.type == "cpu" and label != "float32":
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        b, q = base.to(kind), queries.to(kind)
        times, found = timed(device, lambda: search(b, q, k))
        median = statistics.median(times["seconds"])
        result["search"].append({
            "type": label, **times, "queriesPerSecond": queries.shape[0] / median,
            "recall": recall(found, truth), "flopsPerSecond": flops / median})
        side = 8192 if device.type == "cuda" else 1024
        square = torch.rand(side, side, device=device, dtype=kind)
        times, _ = timed(device, lambda: square @ square)
        result["matmul"].append({
            "type": label, "side": side, **times,
            "flopsPerSecond": 2 * side**3 / statistics.median(times["seconds"])})
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
