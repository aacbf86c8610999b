"""Draws a day as a small SVG graph, without a script and without styles of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kigeon.http.markup import Markup, tag

HEIGHT = 60


def graph(values: Sequence[float | None], label: str) -> Markup:
    """Return the area under *values*, which lie evenly apart; a value of None leaves a gap."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    path = "".join(_run(start, run, most) for start, run in _runs(values))
    return tag(
        "svg",
        tag("path", d=path) if path else "",
        class_="graph",
        viewBox=f"0 0 {len(values)} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _runs(values: Sequence[float | None]) -> Iterator[tuple[int, list[float]]]:
    """Yield each run of known values, with the index of the run's first value."""
    run: list[float] = []
    for place, value in enumerate([*values, None]):
        if value is not None:
            run.append(value)
        elif run:
            yield place - len(run), run
            run = []


def _run(start: int, values: Sequence[float], most: float) -> str:
    """Return a path of steps, each as broad as the time of its value."""
    steps = "".join(f"V{_height(value, most)}h1" for value in values)
    return f"M{start} {HEIGHT}{steps}V{HEIGHT}z"


def _height(value: float, most: float) -> int:
    """Return how far below the top *value* lies; any value above 0 is drawn visibly."""
    return min(round(HEIGHT - (HEIGHT - 2) * value / most), HEIGHT - 1 if value else HEIGHT)
