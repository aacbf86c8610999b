"""A wall clock that is wrong by the seconds that a file ``clock`` holds; the steady clock is not touched."""

import time
from pathlib import Path

_wall = time.time


def set_wrong(folder: str) -> None:
    """Let this process, and those that are forked from it, read the wrong clock."""
    file = Path(folder) / "clock"

    def wrong() -> float:
        try:
            return _wall() + float(file.read_text())
        except FileNotFoundError:
            return _wall()

    time.time = wrong
