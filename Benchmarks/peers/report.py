"""The Markdown page of a result. Every figure in it is in the JSON beside it."""

from itertools import groupby

# Others may use this much of the machine before the figures are called no evidence.
TOLERATED_CORES = 0.1


def markdown(result: dict) -> str:
    parts = [heading(result)]
    if result["mode"] == "curve":
        parts.append(curve_table(result["cells"]))
    else:
        parts.append(summary(result["cells"]))
        parts += [section(list(cells)) for _, cells in groupby(result["cells"], workload)]
    return "\n\n".join(parts) + "\n"


def heading(result: dict) -> str:
    machine, versions, load = result["machine"], result["versions"], result["load"]
    quiet = (
        f"load average {load['loadAtStart']} at the start"
        + (f" (after {load['secondsWaited']} s of waiting)" if load["secondsWaited"] else "")
        + f", {load['loadAtEnd']} at the end, which is this run itself")
    if load["coresBusyWithOthers"] is not None:
        quiet += f"; other processes kept {load['coresBusyWithOthers']} cores busy on average"
    if not load["wasIdleAtStart"] or (load["coresBusyWithOthers"] or 0) > TOLERATED_CORES:
        quiet += ". **The machine was not idle: these figures are no evidence**"
    lines = [
        f"    {result['command']}",
        "",
        f"- {result['date']}, {result['mode']} mode, {result['rounds']} rounds: one unmeasured "
        "call of every competitor, then all in turn; medians, and the least and most",
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memoryGiB']} GiB, "
        f"{machine['system']}; every competitor has {result['threads']} threads",
        f"- tessera {versions['tessera']}, instruction set {result['variant']}",
        f"- faiss-cpu {versions['faiss-cpu']} ({versions['faissCompileOptions']}), "
        f"usearch {versions['usearch']} ({versions['usearchHardware']}), "
        f"numpy {versions['numpy']}, Python {versions['python']}",
        f"- {quiet}",
    ]
    lines += [f"- left out: {reason}" for reason in result["skipped"]]
    return "\n".join(lines)


def workload(cell: dict) -> tuple:
    return cell["data"], cell["queries"], cell["oneByOne"]


def title(cell: dict) -> str:
    how = "one by one" if cell["oneByOne"] else "at once"
    return (
        f"{cell['data']} {cell['rows']:,} x {cell['dimension']} {cell['element']}, "
        f"{cell['metric']}, {cell['queries']:,} queries {how}")


def summary(cells: list[dict]) -> str:
    """How many times the flat index's time tessera's is, a row for each workload."""
    ks = sorted({cell["k"] for cell in cells})
    lines = ["## Median of faiss flat over median of tessera", ""]
    lines += table_head(["workload", *(f"k={k}" for k in ks)])
    for _, group in groupby(cells, workload):
        by_k = {cell["k"]: cell for cell in group}
        some = next(iter(by_k.values()))
        ratios = [f"{ratio(by_k[k], flat_name(by_k[k])):.2f}" if k in by_k else "" for k in ks]
        lines.append(row([title(some), *ratios]))
    lines += ["", "Above 1 tessera is faster, below 1 faiss is."]
    return "\n".join(lines)


def section(cells: list[dict]) -> str:
    first = cells[0]
    per = "query" if first["oneByOne"] else "batch"
    lines = [f"## {title(first)}", ""]
    lines += table_head(
        ["k", "competitor", f"ms a {per}", "least .. most", "queries/s", "over tessera", "recall",
         "ids unlike the truth", "prepare s"])
    for cell in cells:
        divisor = cell["queries"] if cell["oneByOne"] else 1
        for name, figures in cell["competitors"].items():
            seconds = figures["seconds"]
            samples = "" if len(seconds) > 1 else " (1 sample)"
            milliseconds = [1000 * s / divisor for s in (min(seconds), max(seconds))]
            lines.append(row([
                cell["k"], name, short(1000 * figures["medianSeconds"] / divisor),
                f"{short(milliseconds[0])} .. {short(milliseconds[1])}{samples}",
                short(cell["queries"] / figures["medianSeconds"]),
                f"{ratio(cell, name):.2f}", share(figures["recall"]),
                f"{figures['differingIDs']:,} of {figures['queriesChecked'] * cell['k']:,}",
                short(figures["prepareSeconds"])]))
    lines += ["", *notes(cells), ""]
    lines += table_head(
        ["k", "tessera's candidates a query", "of the rows", "rescored a query", "exact",
         "certified", "peak MiB", "truth"])
    for cell in cells:
        own = cell["competitors"]["tessera"]
        details = own["details"]
        lines.append(row([
            cell["k"], short(details["candidatesPerQuery"]),
            f"{100 * details['candidatesPerQuery'] / cell['rows']:.3g} %",
            short(details["rescoredPerQuery"]), exactness(own), yes(details["certified"]),
            round(details["peakBytes"] / 2**20), cell["truth"]]))
    return "\n".join(lines)


def curve_table(cells: list[dict]) -> str:
    first = cells[0]
    lines = [
        f"## {first['data']} x {first['dimension']}, {first['metric']}, {first['queries']:,} "
        f"queries at once, k={first['k']}", ""]
    lines += table_head(
        ["rows", "competitor", "setting", "ms a batch", "least .. most", "queries/s",
         "over tessera", "recall", "build s", "queries until its build is repaid"])
    for cell in cells:
        for name, figures in cell["competitors"].items():
            seconds = figures["seconds"]
            lines.append(row([
                f"{cell['rows']:,}", name, figures["note"] if "HNSW" in name else "",
                short(1000 * figures["medianSeconds"]),
                f"{short(1000 * min(seconds))} .. {short(1000 * max(seconds))}",
                short(cell["queries"] / figures["medianSeconds"]), f"{ratio(cell, name):.2f}",
                share(figures["recall"]), short(figures["prepareSeconds"]), repaid(cell, name)]))
    return "\n".join(lines)


def repaid(cell: dict, name: str) -> str:
    """After how many queries a slower build and faster search beat tessera's, both counted."""
    own, other = cell["competitors"]["tessera"], cell["competitors"][name]
    saved = (own["medianSeconds"] - other["medianSeconds"]) / cell["queries"]
    extra = other["prepareSeconds"] - own["prepareSeconds"]
    if other is own or extra <= 0:
        return ""
    return f"{extra / saved:,.0f}" if saved > 0 else "never"


def notes(cells: list[dict]) -> list[str]:
    found = {
        name: figures["note"] for cell in cells for name, figures in cell["competitors"].items()}
    return [f"- {name}: {note}" for name, note in found.items() if note]


def flat_name(cell: dict) -> str:
    return next(name for name in cell["competitors"] if name.startswith("faiss IndexFlat"))


def ratio(cell: dict, name: str) -> float:
    competitors = cell["competitors"]
    return competitors[name]["medianSeconds"] / competitors["tessera"]["medianSeconds"]


def exactness(figures: dict) -> str:
    if not figures["isExact"]:
        return "**NO**"
    unlike = figures["differingIDs"] + figures["differingScores"]
    return "yes" if unlike == 0 else f"yes, {unlike} one Float32 unit apart"


def share(recall: float) -> str:
    """Never rounded up to 1."""
    return "1" if recall == 1 else f"{min(recall, 0.999999):.6f}"


def yes(value: bool) -> str:
    return "yes" if value else "**NO**"


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table_head(names: list[str]) -> list[str]:
    return [row(names), "|" + "---|" * len(names)]


def row(values: list) -> str:
    return "| " + " | ".join(str(value) for value in values) + " |"
