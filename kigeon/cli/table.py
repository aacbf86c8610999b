"""Tables as kubectl prints them: headers in capitals, columns aligned, three spaces between two."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kigeon.cli.terminal import Look

GAP = "   "
ELLIPSIS = "…"
NARROWEST = 10
"""Least width of the last cell of a row, however narrow the terminal is."""


@dataclass(slots=True)
class Table:
    """Rows of text below *headers*. ``rows`` may be added to until it is printed."""

    headers: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Append a row."""
        self.rows.append([clean(str(cell)) for cell in cells])

    def lines(self, look: Look, shows_headers: bool = True, styles: Sequence[str] = ()) -> Iterator[str]:
        """Yield the lines; the last column is cut where it has no room, *styles* are those of the rows."""
        rows = [list(self.headers), *self.rows] if shows_headers else self.rows
        widths = column_widths(rows)
        for index, row in enumerate(rows):
            style = "bold" if shows_headers and not index else ""
            number = index - bool(shows_headers)
            if 0 <= number < len(styles):
                style = styles[number]
            yield look.paint(fit(row, widths, look.width), style)


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how wide each column is."""
    return [max(map(width_of, column)) for column in zip(*rows, strict=True)]


def fit(row: Sequence[str], widths: Sequence[int], width: int = 0) -> str:
    """Return *row* as a line, cells padded to *widths*; the last cell is cut at *width* columns, 0 for no limit."""
    *cells, last = row
    line = "".join(cell + " " * max(wide - width_of(cell), 0) + GAP for cell, wide in zip(cells, widths, strict=False))
    if width:
        last = cut(last, max(width - width_of(line), NARROWEST))
    return (line + last).rstrip()


def cut(text: str, width: int) -> str:
    """Return *text* in at most *width* columns, marked where it was cut."""
    if width_of(text) <= width:
        return text
    taken, used = "", 0
    for letter in text:
        used += width_of(letter)
        if used > width - 1:
            break
        taken += letter
    return taken + ELLIPSIS


def width_of(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def clean(text: str) -> str:
    """Return *text* on one line, without characters that move a terminal's cursor: anybody may write an event."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def paragraph(title: str, text: str, look: Look, indent: int) -> Iterator[str]:
    """Yield *text* after *title*, both indented; wrapped on a terminal."""
    start = " " * indent + title
    if not look.width:
        yield start + clean(text)
        return
    width = max(look.width, len(start) + 2 * NARROWEST)
    yield from textwrap.wrap(clean(text), width, initial_indent=start, subsequent_indent=" " * len(start)) or [start]


def span(seconds: float) -> str:
    """Return a time as kubectl shows an age: two units at most, as in 45s, 3m20s, 5h, 2d4h."""
    left = max(round(seconds), 0)
    if left < 120:
        return f"{left}s"
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    index = next(index for index, (_, size) in enumerate(units) if left >= 2 * size or size == 1)
    name, size = units[index]
    whole, rest = divmod(left, size)
    # Beside ten or more of the first unit the second one tells little.
    if whole >= 10 or index + 1 == len(units):
        return f"{whole}{name}"
    finer, finer_size = units[index + 1]
    return f"{whole}{name}{rest // finer_size}{finer}" if rest // finer_size else f"{whole}{name}"
