"""The curves in short, as Markdown: the best specification of each engine, and what was built."""

TARGETS = [0.90, 0.95, 0.99]
ENGINES = {"tessera": "Tessera", "faiss": "FAISS", "rabitqlib": "rabitqlib"}
# Others may use this much of the machine before the figures are called no evidence.
TOLERATED_CORES = 0.1


def best(points: list[dict], engine: str, target: float) -> dict | None:
    """The point with the most queries a second among those that reach the recall."""
    able = [one for one in points if one["engine"] == engine and one["recall"] >= target]
    return max(able, key=lambda one: one["queriesPerSecond"], default=None)


def best_rows(points: list[dict]) -> list[list[str]]:
    """Cells of one data set, below `BEST_HEADINGS`."""
    rows = []
    for target in TARGETS:
        faiss = best(points, "faiss", target)
        for engine in dict.fromkeys(one["engine"] for one in points):
            one = best(points, engine, target)
            if one is None:
                most = max(point["recall"] for point in points if point["engine"] == engine)
                rows.append(
                    [f"{target:.2f}", ENGINES[engine], f"none: at most {most:.4f}"] + [""] * 5)
                continue
            rows.append([
                f"{target:.2f}", ENGINES[engine], one["spec"], str(one["probes"]),
                f"{one['recall']:.4f}", f"{one['queriesPerSecond']:,.0f}",
                f"{one['firstPerSecond']:,.0f}" if "firstPerSecond" in one else "",
                f"{one['queriesPerSecond'] / faiss['queriesPerSecond']:.2f}" if faiss else ""])
    return rows


BEST_HEADINGS = [
    "recall", "engine", "specification", "probes", "reached", "queries/s", "first", "of FAISS's"]


def build_rows(run: dict, data: str) -> list[list[str]]:
    """Cells of what was built of one data set, below `BUILD_HEADINGS`."""
    rows = []
    for one in run["builds"]:
        if one["data"] != data:
            continue
        prepare = [
            point["prepareSeconds"] for point in run["points"]
            if (point["data"], point["engine"], point["spec"]) == (data, one["engine"], one["spec"])
            and "prepareSeconds" in point]
        rows.append([
            ENGINES[one["engine"]], one["spec"], f"{one['seconds']:.2f}",
            f"{sum(prepare) / len(prepare):.2f}" if prepare else "",
            f"{one['sizes']['memory'] / 1e6:,.0f}",
            f"{one['sizes']['file'] / 1e6:,.0f}" if "file" in one["sizes"] else ""])
    return rows


BUILD_HEADINGS = ["engine", "specification", "build s", "prepare s", "memory MB", "file MB"]


def titles(run: dict) -> dict[str, str]:
    """A line for each data set that was measured."""
    queries = {one["data"]: one["queries"] for one in run["points"]}
    return {
        one["data"]: f"{one['data']}, {one['rows']:,} x {one['dimension']} {one['element']}, "
        f"{one['metric']}, {queries[one['data']]:,} queries at once"
        for one in run["builds"]}


def notes(run: dict) -> list[str]:
    """How it was measured, as sentences."""
    faiss, rabitqlib = run["versions"]["faiss-cpu"], run["versions"]["rabitqlib"]
    texts = [
        f"Medians of {run['rounds']} rounds that ask each engine in turn, after an unmeasured one, "
        f"k = {run['k']}, {run['threads']} threads each. Every engine has centroids and codes of "
        "its own, and the same rows and queries.",
        f"FAISS {faiss} and rabitqlib {rabitqlib} are in the driver's process and warm, and get "
        f"Float32. Tessera is a new process in each round, which searches {run['repeat']} times: "
        "queries a second are by the median of all but the first search, first by the first. It "
        "reads the element type of the set. Preparing (reading the file, decoding codes) is not "
        "searching, and has a column of its own.",
        "Recall is the share of the true k nearest that were found. The best specification is the "
        "fastest measured point that reaches the recall; nothing is interpolated.",
        "RFlat scores 4 k hits again on both sides. FAISS rotates rows before RaBitQ only where it "
        "is told to (RR); the others always do. rabitqlib's lists are from its RaBitQKMeans "
        "with exact assignment, spherical for the inner product; it searches on "
        f"{run['threads']} threads of its own (num_threads), with the look-up tables it chooses "
        "for these bits and with 8-bit ones (high_accuracy=False). The time of its clustering is "
        "part of each of its builds.",
        "Memory is what a search keeps: Tessera's own figure (residentBytes), the peers' indexes "
        "as they write them. Tessera's file is what it maps.",
    ]
    return texts + run["skipped"]


def origin(run: dict) -> str:
    about, versions, idle = run["machine"], run["versions"], run["idle"]
    text = (
        f"{about['cpu']}, {about['cores']} cores, {about['memoryGiB']} GiB, {about['system']}; "
        f"tessera {versions['tessera']} ({run['variant']}), faiss-cpu {versions['faiss-cpu']} "
        f"({versions['faissCompileOptions']}), rabitqlib {versions['rabitqlib']}. Load at the "
        f"start {idle['loadAtStart']}; {run['coresBusyWithOthers']} cores were busy with other "
        f"processes during the {run['minutes']} minutes of the run.")
    if (run["coresBusyWithOthers"] or 0) > TOLERATED_CORES:
        text += " The machine was not idle: these figures are no evidence."
    return text


def table(headings: list[str], rows: list[list[str]], words: int) -> str:
    """A Markdown table whose first columns are words, the others numbers."""
    rule = ["---" if column < words else "---:" for column in range(len(headings))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


def markdown(run: dict) -> str:
    parts = [
        f"# Indexes: recall and queries a second, {run['date']}", f"    {run['command']}",
        *notes(run), origin(run)]
    for data, title in titles(run).items():
        points = [one for one in run["points"] if one["data"] == data]
        parts += [
            f"## {title}", f"The best specification of each engine at a recall@{run['k']}:",
            table(BEST_HEADINGS, best_rows(points), 3),
            table(BUILD_HEADINGS, build_rows(run, data), 2)]
    return "\n\n".join(parts) + "\n"
