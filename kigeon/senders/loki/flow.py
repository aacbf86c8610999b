"""How much a stream asks of Loki's limit for streams, compared with others. Pure, but for times that are passed in.

Loki limits the bytes a second that a stream takes by a token bucket whose rate and burst nobody tells. But what a
bucket took from one stream it takes, at the same moment, from any that asks for less. "Less" is judged for a bucket of
each of :data:`RATES`: by its level, the bytes that it would still have to work off.
"""

from __future__ import annotations

from math import inf
from operator import le

RATES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)
"""Bytes a second at which the modelled buckets drain."""

FLOOR_RATE = 2
"""The index in :data:`RATES` of the rate that any stream is believed to take: 10 KB/s, 1/300 of Loki's default."""

FLOOR = 20e3
"""The level of that bucket up to which nothing has to show that a stream takes it: two seconds' worth."""

CEILING = 1e6
"""The level of the fastest bucket beyond which nothing shows it: past 1.5 MB/s Loki cuts a stream into shards."""

Levels = tuple[float, ...]


class Flow:
    """The levels that one stream's bytes have in the modelled buckets.

    *full_at* is when somebody else may have filled them to the floor; of what he took beyond that nothing is known.
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
    """Whether a stream with *levels* is taken by whatever bucket takes one with the levels that are *proven*."""
    return levels[-1] <= CEILING and all(map(le, levels, proven))
