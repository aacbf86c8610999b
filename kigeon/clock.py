"""The wall clock, read once; and how a time of it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

CLOCK_CURE = "have both set by NTP: kigeon keeps events, and reports gaps, by the clock"
"""What an operator can do about two clocks that do not agree."""

NOTICEABLE = 60.0
"""Seconds by which a clock is set that nobody corrects slowly, or by a little."""


class SteadyClock:
    """The wall clock as it was at the start, going on evenly: a clock that is set does not cost any memory."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._steady() + self._offset


class JumpWatch:
    """Notices that the wall clock was set: it and the steady one go on at the same pace otherwise."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def jumped(self) -> float:
        """Return by how many seconds the clock was set since the last look; 0 for less than :data:`NOTICEABLE`."""
        offset = self._wall() - self._steady()
        jump, self._offset = offset - self._offset, offset
        return jump if abs(jump) >= NOTICEABLE else 0.0


def boot_time() -> float:
    """Return seconds on the steady clock that goes on while the machine sleeps; all processes of a machine share it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stamp(seconds: float) -> str:
    """Return a time of day, in seconds since the epoch, as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
