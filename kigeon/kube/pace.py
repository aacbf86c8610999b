"""A rate limit for requests to the API server."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Pace:
    """Lets at most *per_second* calls through in a second, evenly spaced. Thread-safe."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._next = 0.0
        """The time, by the clock, at which the next call may go through."""

    def wait(self) -> float:
        """Block until one more call may go through; return for how many seconds this call was held."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._step
            delay = turn - now
        if delay:
            self._sleep(delay)
        return delay
