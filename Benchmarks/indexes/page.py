"""The curves as one HTML page, in the style of `tessera bench --html`.

It loads nothing, and follows the reader's choice of light or dark.
"""

import random
from html import escape

import chart
import summary
from engines import PLAIN

# As in Sources/TesseraBenchmark/BenchmarkPage+Style.swift.
LIGHT = ["#2f6f8f", "#c4632d", "#4d7f3a", "#8a4f9e", "#b08a1e", "#b0405c", "#3f8f84", "#6b6b7a"]
DARK = ["#6fb3d3", "#ef9a63", "#8fc47a", "#c792db", "#e0bd5a", "#ec829b", "#74c9bd", "#a9a9b8"]
# Engines are told apart by dashes and marks, specifications by colour; hollow marks are rabitqlib's
# with plain tables.
STROKES = {
    "tessera": ("none", "circle"), "faiss": ("7 4", "square"), "rabitqlib": ("2 4", "triangle")}


def style() -> str:
    def variables(colors):
        return " ".join(f"--c{number}: {color};" for number, color in enumerate(colors))

    series = "\n".join(
        f".s{number} {{ fill: var(--c{number}) }} .t{number} {{ stroke: var(--c{number}) }} "
        f".h{number} {{ fill: var(--card); stroke: var(--c{number}); stroke-width: 1.5 }}"
        for number in range(len(LIGHT)))
    return f"""
:root {{ color-scheme: light dark; --paper: #faf8f4; --ink: #23211d; --faint: #6d675c;
  --line: #ddd6c8; --card: #ffffff; {variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #17181b; --ink: #ece8e0; --faint: #a29c90; --line: #35363b;
    --card: #1f2024; {variables(DARK)} }}
}}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; max-width: 76rem; padding: 0 1.25rem 3rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }}
.mosaic {{ display: block; width: 100%; height: 5rem; margin: 1.25rem 0 1.5rem }}
h1 {{ font-size: 2rem; line-height: 1.15; margin: 0 0 .25rem; font-weight: 650 }}
h2 {{ font-size: 1.1rem; margin: 0 }} h3 {{ font-size: 1rem; margin: 1.5rem 0 .25rem }}
header p, figcaption, footer {{ color: var(--faint); margin: 0 0 .5rem }}
figcaption h2 {{ color: var(--ink) }}
.legend {{ list-style: none; margin: .75rem 0; padding: 0; display: grid; gap: .1rem 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); font-size: .85rem }}
.sample {{ width: 44px; height: 14px; margin-right: .5em; vertical-align: middle }}
main {{ display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; margin-top: 1.5rem }}
figure {{ margin: 0; padding: 1rem 1.1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px }}
figure > .scroll > svg {{ display: block; width: 100%; min-width: 44rem; height: auto }}
svg text {{ fill: var(--ink); font: 13px system-ui, sans-serif }}
svg text.size {{ fill: var(--faint) }} svg line {{ stroke: var(--line) }}
svg polyline {{ fill: none; stroke-width: 2 }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .85rem; white-space: nowrap }}
th, td {{ text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }}
th {{ color: var(--faint); font-weight: 500 }}
td small {{ color: var(--faint); display: block }}
code {{ overflow-wrap: anywhere }}
footer {{ margin-top: 2rem; font-size: .85rem }}
{series}"""


def html(run: dict) -> str:
    specs = list(dict.fromkeys(family(one["spec"]) for one in run["points"]))
    figures = "\n".join(
        figure(run, data, title, specs) for data, title in summary.titles(run).items())
    notes = "\n".join(f"<p>{escape(text)}</p>" for text in summary.notes(run))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tessera: indexes, recall and queries a second</title>
<style>{style()}
</style>
</head>
<body>
<header>
{mosaic(specs)}
<h1>What indexes find, and how fast</h1>
<p>{escape(summary.origin(run))}</p>
<p><code>{escape(run['command'])}</code>, {escape(run['date'])}</p>
</header>
<main>
{figures}
</main>
<footer>
{notes}
</footer>
</body>
</html>
"""


def family(spec: str) -> str:
    """The specification without what fits it to a data set: it has one colour on all charts."""
    return "fast product codes" if ",PQ" in spec else spec.removesuffix(PLAIN)


def mosaic(specs: list[str]) -> str:
    """Tiles in the colours of the specifications, laid the same way for the same ones."""
    choose = random.Random("".join(specs))
    columns, rows, side = 48, 4, 20
    tiles = "".join(
        f'<rect x="{place % columns * side + 1}" y="{place // columns * side + 1}" '
        f'width="{side - 2}" height="{side - 2}" rx="2" '
        f'class="s{choose.randrange(min(len(specs), len(LIGHT)))}" '
        f'opacity="{choose.choice([0.2, 0.45, 0.7, 0.99])}"/>'
        for place in range(columns * rows))
    return (
        f'<svg class="mosaic" viewBox="0 0 {columns * side} {rows * side}" '
        f'preserveAspectRatio="xMidYMid slice" aria-hidden="true">{tiles}</svg>')


def figure(run: dict, data: str, title: str, specs: list[str]) -> str:
    points = [one for one in run["points"] if one["data"] == data]
    kinds = list(dict.fromkeys((one["engine"], one["spec"]) for one in points))
    curves = [
        curve(points, engine, spec, specs)
        for engine, spec in sorted(kinds, key=lambda kind: list(STROKES).index(kind[0]))]
    legend = "\n".join(f"<li>{chart.key(line)}{escape(line.label)}</li>" for line in curves)
    return f"""<figure>
<figcaption><h2>{escape(title)}</h2>
recall@{run['k']}; up and to the right is better. Each mark is a number of probes.</figcaption>
<ul class="legend">
{legend}
</ul>
<div class="scroll">{chart.svg(curves)}</div>
<h3>The best specification of each engine</h3>
{table(summary.BEST_HEADINGS, summary.best_rows(points))}
<h3>Queries a second and recall, by probes</h3>
{every_figure(points, curves)}
<h3>Builds</h3>
{table(summary.BUILD_HEADINGS, summary.build_rows(run, data))}
</figure>"""


def curve(points: list[dict], engine: str, spec: str, specs: list[str]) -> chart.Line:
    dash, mark = STROKES[engine]
    return chart.Line(
        f"{summary.ENGINES[engine]} {spec}", specs.index(family(spec)) % len(LIGHT), dash, mark,
        spec.endswith(PLAIN),
        [(one["recall"], one["queriesPerSecond"], one["probes"]) for one in points
         if (one["engine"], one["spec"]) == (engine, spec)])


def every_figure(points: list[dict], curves: list[chart.Line]) -> str:
    firsts = {
        (f"{summary.ENGINES[one['engine']]} {one['spec']}", one["probes"]): one["firstPerSecond"]
        for one in points if "firstPerSecond" in one}

    def cell(label, recall, rate, probes):
        first = firsts.get((label, probes))
        return (
            f"<td>{rate:,.0f}<small>{recall:.4f}</small>"
            + (f"<small>first {first:,.0f}</small>" if first else "") + "</td>")

    heads = "".join(f"<th>{probes}" for probes in sorted({one["probes"] for one in points}))
    rows = "\n".join(
        f"<tr><td>{chart.key(line)}{escape(line.label)}</td>"
        + "".join(cell(line.label, *point) for point in line.points) + "</tr>" for line in curves)
    return f'<div class="scroll"><table><tr><th>probes{heads}</tr>\n{rows}\n</table></div>'


def table(headings: list[str], rows: list[list[str]]) -> str:
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    head = "".join(f"<th>{escape(text)}" for text in headings)
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}\n</table></div>'
