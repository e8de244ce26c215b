"""A chart of curves as SVG: recall from left to right, queries a second upwards."""

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 1120, 560
LEFT, RIGHT, TOP, BOTTOM = 84, 16, 14, 56
RECALLS = [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999]
# What finds all that is true is drawn here: a logarithm has no room for it.
HIGHEST = 0.9995


@dataclass
class Line:
    label: str
    color: int
    dash: str  # of the stroke
    mark: str  # its shape: circle, square or triangle
    is_hollow: bool
    points: list[tuple[float, float, int]]  # recall, queries a second, probes


def across(recall: float) -> float:
    """Recall by the logarithm of what is missing: .9 to .99 has as much room as .99 to .999."""
    return -math.log10(1 - min(recall, HIGHEST))


def svg(lines: list[Line]) -> str:
    points = [point for line in lines for point in line.points]
    least = max(tick for tick in RECALLS if tick <= min(point[0] for point in points))
    most = across(min(HIGHEST, max(point[0] for point in points)))
    start, span = across(least), max(most - across(least), 1e-9)
    rates = [point[1] for point in points]
    low, high = math.log10(min(rates) / 1.15), math.log10(max(rates) * 1.15)

    def place(recall, rate):
        x = LEFT + 8 + (across(recall) - start) / span * (WIDTH - LEFT - RIGHT - 16)
        y = TOP + (high - math.log10(rate)) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return x, y

    parts = []
    for tick in RECALLS:
        if start <= across(tick) <= most:
            x, _ = place(tick, 10**low)
            parts.append(
                f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle">'
                f"{tick:g}</text>")
    for tick in rate_ticks(low, high):
        _, y = place(least, tick)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4.5:.1f}" text-anchor="end">{tick:,.0f}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(
        f'<text class="size" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
        "recall, by the logarithm of what is missing</text>"
        f'<text class="size" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        "queries a second</text>")
    parts += [drawn(line, [place(*point[:2]) for point in line.points]) for line in lines]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="queries a second by recall">'
        + "".join(parts) + "</svg>")


def rate_ticks(low: float, high: float) -> list[float]:
    every = [
        digit * 10**power for power in range(math.floor(low), math.ceil(high))
        for digit in (1, 2, 5)]
    return [tick for tick in every if low <= math.log10(tick) <= high]


def drawn(line: Line, places: list[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f"<g><title>{escape(line.label)}, {probes} probes: recall {recall:.4f}, "
        f"{rate:,.0f} queries a second</title>{mark(line, x, y)}</g>"
        for (x, y), (recall, rate, probes) in zip(places, line.points))
    return stroke(line, path) + marks


def stroke(line: Line, points: str) -> str:
    return f'<polyline class="t{line.color}" stroke-dasharray="{line.dash}" points="{points}"/>'


def mark(line: Line, x: float, y: float) -> str:
    style = f'class="{"h" if line.is_hollow else "s"}{line.color}"'
    if line.mark == "circle":
        return f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if line.mark == "square":
        return f'<rect {style} x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    corners = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y + 4:.1f} {x - 5:.1f},{y + 4:.1f}"
    return f'<polygon {style} points="{corners}"/>'


def key(line: Line) -> str:
    """The line as a sample for the legend."""
    return (
        '<svg class="sample" viewBox="0 0 44 14" aria-hidden="true">'
        f'{stroke(line, "1,7 43,7")}{mark(line, 22, 7)}</svg>')
