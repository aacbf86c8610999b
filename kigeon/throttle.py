"""Lines of the log that could come by the event: a few of them are said, then how many more there were.

What happens to an event is counted in the accounts. In the log ten thousand lines of the same kind hide the one that
says why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

MOST_LINES = 10
"""Lines of one kind in :data:`SECONDS`."""

SECONDS = 60.0

SUMMARY = "more of the same was not logged"

Later = Callable[[float, Callable[[], None]], None]
"""Calls something after so many seconds, from whatever thread."""


class Throttle:
    """Lets *most* through in *seconds*, beginning with the first; counts what it does not. Thread-safe."""

    def __init__(
        self, seconds: float = SECONDS, most: int = MOST_LINES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._ends = 0.0
        self._passed = self._held = 0

    def passes(self) -> bool:
        """Return whether one more may pass now; one that may not is counted."""
        with self._lock:
            if self._clock() >= self._ends:
                self._ends, self._passed = self._clock() + self._seconds, 0
            if self._passed < self._most:
                self._passed += 1
                return True
            self._held += 1
            return False

    def take(self) -> int:
        """Return how many were held back since the last time."""
        with self._lock:
            held, self._held = self._held, 0
            return held

    @property
    def left(self) -> float:
        """Seconds until it lets something through again."""
        return max(self._ends - self._clock(), 0.0)


def _later(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Limited(logging.LoggerAdapter[logging.Logger]):
    """A logger that says of each message :data:`MOST_LINES` records a minute, and then, once, how many more there were.

    Messages are constant sentences: each is a kind of its own. Its level and its last context are the summary's.
    """

    def __init__(
        self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic, later: Later = _later
    ) -> None:
        super().__init__(logger)
        self._clock = clock
        self._later = later
        self._throttles: dict[str, Throttle] = {}
        self._waiting: set[str] = set()

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log, unless there was enough of it."""
        if not self.isEnabledFor(level):
            return
        throttle = self._throttles.setdefault(str(msg), Throttle(clock=self._clock))
        if throttle.passes():
            self.logger.log(level, msg, *args, stacklevel=2, **kwargs)
        elif msg not in self._waiting:
            self._waiting.add(msg)
            self._later(throttle.left, lambda: self._summarize(level, msg, throttle))

    def _summarize(self, level: int, msg: str, throttle: Throttle) -> None:
        self._waiting.discard(msg)
        self.logger.log(level, SUMMARY, extra={"what": msg, "count": throttle.take(), "seconds": SECONDS})
