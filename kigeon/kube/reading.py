"""How long the reading of a watch may rest, since waking the thread costs more than reading what has come.

While no batch is due, nobody needs the events that come; the connection's own buffers hold them. The buffers are
small, so a busy watch rests for a shorter time. The rate of the last reading tells how many bytes would come.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HELD = 64 * 1024
"""Bytes that may come while the reading rests; the smallest buffers on the way hold as many."""

LEAST = 0.005
"""Seconds below which a rest is not worth waking up for."""


class ReadingPace:
    """Decides on the rests of one watch; owned by the thread that reads the watch. *clock* is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._size = 0

    def read(self, size: int) -> None:
        """Note that *size* bytes were read."""
        self._size += size

    def rest(self, due: float) -> float:
        """Return for how many seconds to rest once all bytes are read; the next batch is *due* in so many seconds."""
        now = self._clock()
        rate = self._size / max(now - self._since, LEAST)
        rest = min(due, HELD / rate if rate else due)
        if rest < LEAST:
            return 0.0
        self._since, self._size = now, 0
        return rest
