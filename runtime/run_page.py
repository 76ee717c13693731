"""A run as a notebook shows it: its curves and its result, as HTML without scripts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, MARGIN = 420, 140, 34
COLOURS = {"train": "#4269d0", "validation": "#ff725c"}
Curve = tuple[str, Sequence[tuple[float, float]]]


def page(name: str, folder: str, status: str, history: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> str:
    """The run's name and place, a figure for each loss and metric over the epochs, and the table of the result."""
    parts = [f"<b>{escape(name)}</b> · {escape(status)} · <code>{escape(folder)}</code>"]
    figures = [figure(title, curves) for title, curves in curves_of(history).items()]
    if figures:
        parts.append(f'<div style="display:flex;flex-wrap:wrap">{"".join(figures)}</div>')
    parts.append(table({part: values for part, values in result.items() if isinstance(values, Mapping) and values}))
    return f'<div style="font-family:sans-serif;font-size:13px">{"".join(part for part in parts if part)}</div>'


def curves_of(history: Sequence[Mapping[str, Any]]) -> dict[str, list[Curve]]:
    """For each loss and metric its values over the epochs, on each part that has it."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in history:
        for part in COLOURS:
            for name, value in (row.get(part) or {}).items():
                if isinstance(value, int | float):
                    found.setdefault(name, {}).setdefault(part, []).append((float(row["epoch"]), float(value)))
    return {name: list(parts.items()) for name, parts in found.items()}


def figure(title: str, curves: Sequence[Curve]) -> str:
    """A line a part, with the least and greatest value at the side."""
    points = [point for _, line in curves for point in line]
    (left, right), (low, high) = ((min(p[i] for p in points), max(p[i] for p in points)) for i in (0, 1))
    across, up = (right - left) or 1.0, (high - low) or 1.0

    def at(x: float, y: float) -> str:
        px = MARGIN + (x - left) / across * (WIDTH - 2 * MARGIN)
        return f"{px:.1f},{HEIGHT - MARGIN / 2 - (y - low) / up * (HEIGHT - MARGIN - 4):.1f}"

    drawn = []
    for i, (part, line) in enumerate(curves):
        colour = COLOURS[part]
        drawn.append(f'<polyline fill="none" stroke="{colour}" points="{" ".join(at(x, y) for x, y in line)}"/>')
        drawn.append(f'<text x="{WIDTH - MARGIN}" y="{12 + 13 * i}" text-anchor="end" fill="{colour}">{part}</text>')
    ticks = f'<text x="2" y="{MARGIN / 2}">{high:.3g}</text><text x="2" y="{HEIGHT - MARGIN / 2}">{low:.3g}</text>'
    return (
        f'<figure style="margin:4px"><figcaption>{escape(title)}</figcaption>'
        f'<svg width="{WIDTH}" height="{HEIGHT}" font-size="10">{ticks}{"".join(drawn)}</svg></figure>'
    )


def table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a part, a column a loss or metric."""
    if not parts:
        return ""
    names = list(dict.fromkeys(name for values in parts.values() for name in values))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{escape(part)}</th>{''.join(f'<td>{_shown(values.get(name))}</td>' for name in names)}</tr>"
        for part, values in parts.items()
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, int | float) else escape(str(value))
