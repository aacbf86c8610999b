"""Drawings as SVG, by hand: lines over a rate, and what a processor did as flames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 34, 46
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a", "#bf3989", "#0a7ea4", "#6e7781")

FLAME_WIDTH, ROW = 1200, 16
NARROW = 0.5
"""Pixels below which a flame is left out."""


def chart(title: str, x_label: str, y_label: str, series: Mapping[str, Points]) -> str:
    """Return lines through the points of each of *series*; both axes begin at 0."""
    right = max((x for points in series.values() for x, _ in points), default=0.0) or 1.0
    top = max((y for points in series.values() for _, y in points), default=0.0) or 1.0
    step_x, step_y = step(right), step(top)
    high = step_y * -(-top // step_y)

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return round(LEFT + x / right * across, 1), round(HEIGHT - BOTTOM - y / high * up, 1)

    parts = [_text(LEFT, 18, title, "font-weight:bold"), _text(LEFT, HEIGHT - 10, x_label), _text(4, TOP - 6, y_label)]
    for value in steps(high, step_y):
        (x, y), (end, _) = at(0, value), at(right, value)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{end}" y2="{y}" stroke="#d0d7de"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{value:,g}", "text-anchor:end"))
    parts += [_text(at(x, 0)[0], HEIGHT - BOTTOM + 16, f"{x:,g}", "text-anchor:middle") for x in steps(right, step_x)]
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [at(*point) for point in sorted(points)]
        line = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 16 * number + 10, name, f"fill:{colour}"))
    return _svg(WIDTH, HEIGHT, parts)


def step(most: float) -> float:
    """Return a round distance between the marks of an axis that reaches to *most*."""
    size = 10.0 ** math.floor(math.log10(most))
    return next(distance for part in (1, 0.5, 0.25, 0.1) if most / (distance := size * part) >= 4)


def steps(most: float, distance: float) -> Iterable[float]:
    """Yield the marks of an axis."""
    return (number * distance for number in range(int(most / distance + 1e-9) + 1))


def flames(title: str, stacks: Mapping[str, int]) -> str:
    """Return what each of *stacks* (frames from the outermost to the innermost, with ``;`` between) was seen in.

    A frame is as wide as the samples in it, and lies on the one that called it.
    """
    tree: dict[tuple[str, ...], int] = {}
    for stack, count in stacks.items():
        frames = tuple(stack.split(";"))
        for depth in range(1, len(frames) + 1):
            tree[frames[:depth]] = tree.get(frames[:depth], 0) + count
    total = sum(stacks.values()) or 1
    deepest = max(map(len, tree), default=0)
    height = ROW * (deepest + 2)
    starts: dict[tuple[str, ...], float] = {(): 0.0}
    parts = [_text(4, 12, f"{title}: {total:,} samples", "font-weight:bold")]
    for path in sorted(tree):
        x, width = starts[path[:-1]], tree[path] / total * FLAME_WIDTH
        starts[path[:-1]], starts[path] = x + width, x
        if width >= NARROW:
            parts.append(_flame(path[-1], x, height - ROW * len(path), width, tree[path] / total))
    return _svg(FLAME_WIDTH, height, parts)


def _flame(frame: str, x: float, y: float, width: float, share: float) -> str:
    hue = 20 + sum(map(ord, frame)) % 35
    shown = escape(frame[: int(width / 7)]) if width > 20 else ""
    return (
        f"<g><title>{escape(frame)} {share:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue},85%,65%)"/>'
        f'<text x="{x + 2:.1f}" y="{y + 11}">{shown}</text></g>'
    )


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" style="{style}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = "font-family:sans-serif;font-size:11px;background:#fff"
    return (
        f'{head} style="{style}">\n<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
