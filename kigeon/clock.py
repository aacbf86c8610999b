"""The wall clock, read once."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """The wall clock as it was at the start, going on evenly: a clock that is set does not cost any memory."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._steady() + self._offset
