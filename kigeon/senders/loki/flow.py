"""Compares how much streams demand of Loki's rate limit for a stream. Pure: times are passed in.

Loki limits the bytes a second of a stream by a token bucket whose rate and burst are not known here. But at a moment
at which Loki took one stream's bytes, it takes those of any stream that demands less. "Less" is judged by modelled
buckets, one for each of :data:`RATES`: by their levels, the bytes that they would still have to drain.
"""

from __future__ import annotations

from math import inf
from operator import le

RATES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)
"""Bytes a second at which the modelled buckets drain."""

FLOOR_RATE = 2
"""The index in :data:`RATES` of the rate that Loki is assumed to take of any stream: 10 KB/s, 1/300 of its default."""

FLOOR = 20e3
"""The level of that bucket up to which no proof is needed that Loki takes the bytes: two seconds' worth."""

CEILING = 1e6
"""The level of the fastest bucket beyond which nothing proves that: past 1.5 MB/s Loki cuts a stream into shards."""

Levels = tuple[float, ...]


class Flow:
    """The levels of the modelled buckets for one stream's bytes.

    *full_at* is when another process may have filled the buckets to the floor; nothing is known of a higher level.
    """

    __slots__ = ("_at", "_levels")

    def __init__(self, full_at: float = -inf) -> None:
        self._levels: Levels = (FLOOR if full_at > -inf else 0.0,) * len(RATES)
        self._at = max(full_at, 0.0)

    def with_more(self, size: int, now: float) -> Levels:
        """Return the levels as they would be with *size* bytes more."""
        passed = now - self._at
        return tuple([max(level - rate * passed, 0.0) + size for level, rate in zip(self._levels, RATES, strict=True)])

    def add(self, size: int, now: float) -> None:
        """Count *size* bytes."""
        self._levels, self._at = self.with_more(size, now), now


def asks_for_less(levels: Levels, proven: Levels) -> bool:
    """Whether any bucket that takes a stream with *proven* levels also takes a stream with *levels*."""
    return levels[-1] <= CEILING and all(map(le, levels, proven))
