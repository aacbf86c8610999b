"""How long the reading of a watch may rest: what comes meanwhile is read at once, and waking costs more than reading.

While a batch is not due, nobody needs what comes; the connection's own buffers hold it. They hold only so much, so the
busier the watch is, the shorter it rests: what was read last tells how much would come.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HELD = 64 * 1024
"""Bytes that may come while the reading rests: the smallest buffers on the way hold as many."""

LEAST = 0.005
"""Seconds below which a rest is not worth its wake."""


class ReadingPace:
    """Owned by the thread that reads. *clock* goes evenly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._size = 0

    def read(self, size: int) -> None:
        """Note that so many bytes were read."""
        self._size += size

    def rest(self, due: float) -> float:
        """Return for how many seconds to rest, everything that came having been read, and a batch being *due* then."""
        now = self._clock()
        rate = self._size / max(now - self._since, LEAST)
        rest = min(due, HELD / rate if rate else due)
        if rest < LEAST:
            return 0.0
        self._since, self._size = now, 0
        return rest
