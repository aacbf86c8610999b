"""For how long the cluster keeps its Events, as far as the Events themselves show it.

Events that live longer than configured come back in a list after kigeon has forgotten them. A list or a deletion that
shows several such Events makes kigeon remember Events for longer; a single one tells of its author's clock alone. A
lifetime that no Event has shown for a day no longer counts.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable

STEP = 600.0
"""Seconds to which an observed lifetime is rounded up, so that it is reported once and not with every Event."""

LONGEST = 7 * 86400.0
"""Seconds; an Event that is older tells of a wrong clock rather than of the cluster's setting."""

SEVERAL = 3
MOST_SHOWN = 64
DECAY = 86400.0
"""Seconds for which an Event that was shown counts."""


class ObservedLifetime:
    """The lifetime that was observed, in ``seconds``; 0 where it is no longer than *configured*. *clock* is steady."""

    def __init__(self, configured: float, seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = configured
        self._clock = clock
        self._shown: dict[str, tuple[float, float]] = {}
        self._supported_at = clock()
        self.seconds = seconds if seconds > configured else 0.0

    @property
    def least(self) -> float:
        """The age in seconds from which on an Event tells something; the slack of etcd's leases is covered anyway."""
        return _with_lease(self._configured)

    def show(self, uid: str, age: float) -> None:
        """Note that the cluster still had the Event *uid* when the Event was *age* seconds old."""
        if not self.least < age <= LONGEST:
            return
        self._shown[uid] = (max(age, self._shown.get(uid, (0.0, 0.0))[0]), self._clock())
        if len(self._shown) > MOST_SHOWN:
            del self._shown[min(self._shown, key=lambda key: self._shown[key])]

    def settle(self) -> float | None:
        """Return the lifetime in seconds if it has changed, at least the configured one; None if it has not."""
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
