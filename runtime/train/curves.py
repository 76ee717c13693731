"""curves.svg of a run folder: the losses and metrics so far, drawn from the journal without any library.

One panel for each quantity: the training loss of the steps, the means of the epochs, and the values on the validation part. Written whole,
so a run that is killed leaves the picture before or the picture after.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..files import write_whole

CURVES = "curves.svg"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, COLUMNS = 420, 240, 56, 30, 28, 2
POINTS = 400  # of a curve, at most: more are averaged
COLOURS = {"step": "#c9d6e8", "train": "#3b6ea5", "validation": "#d1682a"}
Point = tuple[float, float]


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draws the rows of a journal."""
    write_whole(folder / CURVES, drawn(rows).encode())


def series(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Point]]]:
    """By quantity, the points of each curve, over steps."""
    found: dict[str, dict[str, list[Point]]] = {"loss": {"step": [], "train": []}}
    step = 0
    for row in rows:
        if "step" in row:
            step = int(row["step"])
            _add(found, "loss", "step", step, row.get("loss"))
            _add(found, "learning rate", "step", step, row.get("lr"))
        elif "epoch" in row:
            for part in ("train", "validation"):
                for name, value in row.get(part, {}).items():
                    _add(found, name, part, step, value)
    return {name: curves for name, curves in found.items() if any(curves.values())}


def _add(found: dict[str, dict[str, list[Point]]], name: str, curve: str, step: int, value: Any) -> None:
    if isinstance(value, int | float) and math.isfinite(value):
        found.setdefault(name, {}).setdefault(curve, []).append((float(step), float(value)))


def thinned(points: list[Point]) -> list[Point]:
    """At most POINTS of them, each the mean of its neighbours."""
    size = math.ceil(len(points) / POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)] if size > 1 else [[p] for p in points]
    return [(group[-1][0], sum(v for _, v in group) / len(group)) for group in groups]


def drawn(rows: Sequence[Mapping[str, Any]]) -> str:
    """The picture."""
    quantities = series(rows)
    count = max(1, len(quantities))
    width, height = min(COLUMNS, count) * WIDTH, math.ceil(count / COLUMNS) * HEIGHT
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for i, (name, curves) in enumerate(quantities.items()):
        x, y = i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT
        lines += [f'<g transform="translate({x} {y})">', *_panel(name, curves), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _panel(name: str, curves: Mapping[str, list[Point]]) -> list[str]:
    points = [p for curve in curves.values() for p in curve]
    last = max(p[0] for p in points) or 1.0
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    log = low > 0 and high / low > 50
    bottom, top = (math.log10(low), math.log10(high)) if log else (low, high)
    room = (top - bottom) or abs(top) or 1.0
    inner_width, inner_height = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def place(point: Point) -> str:
        value = math.log10(point[1]) if log else point[1]
        return f"{LEFT + point[0] / last * inner_width:.1f},{TOP + (1 - (value - bottom) / room) * inner_height:.1f}"

    lines = [f'<text x="{LEFT}" y="16" font-weight="bold">{escape(name)}{" (log)" if log else ""}</text>']
    for share in (0.0, 0.5, 1.0):
        y = TOP + (1 - share) * inner_height
        value = 10 ** (bottom + share * room) if log else bottom + share * room
        lines.append(f'<line x1="{LEFT}" x2="{LEFT + inner_width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e3e3"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:.3g}</text>')
    lines.append(f'<text x="{LEFT + inner_width}" y="{HEIGHT - 10}" text-anchor="end" fill="#555">step {last:.0f}</text>')
    at = LEFT
    for curve, found in curves.items():
        if not found:
            continue
        path = " ".join(place(point) for point in thinned(found))
        colour = COLOURS[curve]
        if len(found) == 1:
            x, y_ = path.split(",")
            lines.append(f'<circle cx="{x}" cy="{y_}" r="2.5" fill="{colour}"/>')
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        lines.append(f'<text x="{at}" y="{HEIGHT - 10}" fill="{colour}">{curve}</text>')
        at += 8 * len(curve) + 10
    return lines
