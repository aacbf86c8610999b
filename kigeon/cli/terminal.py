"""What the terminal is like (its width, whether it shows colours), and a screen that is redrawn in place."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

WIDTH = 80
"""Columns where the terminal does not say."""

_CODES = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}


@dataclass(frozen=True, slots=True)
class Look:
    """How text may look. ``width`` is in columns, 0 for no limit; ``coloured`` allows escape sequences."""

    width: int = 0
    coloured: bool = False

    def paint(self, text: str, *styles: str) -> str:
        """Return *text* in *styles*: red, green, yellow, bold, dim; unchanged where nothing may be coloured."""
        codes = ";".join(str(_CODES[style]) for style in styles if style)
        return f"\033[{codes}m{text}\033[0m" if self.coloured and codes and text else text


def look_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Look:
    """Return how text on *stream* may look. Text is cut and coloured only on a terminal; NO_COLOR is honoured."""
    if not stream.isatty():
        return Look()
    coloured = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Look(shutil.get_terminal_size((WIDTH, 24)).columns, coloured)


class Screen:
    """Lines that the next lines overwrite on a terminal; elsewhere the next lines follow."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()

    def show(self, lines: Iterable[str]) -> None:
        """Show *lines* in place of those before; lines beyond the last row are left out."""
        text = list(lines)
        if self._is_terminal:
            rows = shutil.get_terminal_size((WIDTH, 24)).lines
            shown = "\n".join(f"{line}\033[K" for line in text[: rows - 1])
            # Lines are overwritten, not cleared first, so that the screen does not flicker.
            self._stream.write(f"\033[H{shown}\n\033[J")
        else:
            self._stream.write("\n".join(text) + "\n")
        self._stream.flush()
