"""For how long the cluster keeps its Events, as far as they show it.

Events that live longer than configured come back after they are forgotten. A list or a deletion that shows some of
them makes the memory last longer: several, for one alone tells of whoever wrote it. And what nothing has shown for a
day is not so any more: it decays.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable

STEP = 600.0
"""Seconds to which an observed lifetime is rounded up: it is said once, not with every Event."""

LONGEST = 7 * 86400.0
"""Events that are older tell of a clock rather than of the cluster's setting."""

SEVERAL = 3
MOST_SHOWN = 64
DECAY = 86400.0
"""Seconds for which what was shown counts."""


class ObservedLifetime:
    """``seconds`` is what was observed: 0 for no longer than *configured*. *clock* is steady."""

    def __init__(self, configured: float, seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = configured
        self._clock = clock
        self._shown: dict[str, tuple[float, float]] = {}
        self._supported_at = clock()
        self.seconds = seconds if seconds > configured else 0.0

    @property
    def least(self) -> float:
        """Return from which age on an Event shows something; what the API server's leases add is remembered anyway."""
        return _with_lease(self._configured)

    def show(self, uid: str, age: float) -> None:
        """An Event was there when it was *age* seconds old."""
        if not self.least < age <= LONGEST:
            return
        self._shown[uid] = (max(age, self._shown.get(uid, (0.0, 0.0))[0]), self._clock())
        if len(self._shown) > MOST_SHOWN:
            del self._shown[min(self._shown, key=lambda key: self._shown[key])]

    def settle(self) -> float | None:
        """Return the lifetime when it has changed, the configured one where it is no longer than that; else None."""
        now = self._clock()
        self._shown = {uid: (age, at) for uid, (age, at) in self._shown.items() if now - at < DECAY}
        oldest = heapq.nlargest(SEVERAL, (age for age, _ in self._shown.values()))
        shown = math.ceil(oldest[-1] / STEP) * STEP if len(oldest) == SEVERAL else 0.0
        if shown >= self.seconds:
            self._supported_at = now
        if len(oldest) == SEVERAL and oldest[-1] > _with_lease(max(self.seconds, self._configured)):
            self.seconds = shown
            return shown
        if self.seconds and now - self._supported_at >= DECAY:
            self._supported_at = now
            self.seconds = shown
            return shown or self._configured
        return None


def _with_lease(lifetime: float) -> float:
    return lifetime * 1.05 + 120.0
