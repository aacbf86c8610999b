"""What the streams of a destination were seen to take. Pure, but for times that are passed in.

Loki limits how many bytes a second a stream takes by a token bucket whose rate and burst nobody tells. What a bucket
took from one stream it takes from any other that asks for less: so the flow of the streams whose every push was proven
is evidence for all that stay below. "Below" is judged for a bucket of each of :data:`RATES`: by its level, the bytes
that it would still have to work off.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import le

RATES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)
"""Bytes a second at which the modelled buckets drain."""

FLOOR_RATE = 2
"""The index in :data:`RATES` of the rate that any stream is believed to take: 10 KB/s, 1/300 of Loki's default."""

FLOOR = 20e3
"""The level of that bucket up to which no evidence is needed: a bucket of two seconds, as Loki's default has five."""

CEILING = 1e6
"""The level of the fastest bucket up to which evidence counts: beyond 1.5 MB/s Loki cuts a stream into shards."""

GENERATION = 300.0
"""Seconds after which evidence is old; it counts for twice as long at most."""

Levels = tuple[float, ...]


class Flow:
    """The levels that one stream's bytes have in the modelled buckets."""

    __slots__ = ("_at", "_levels")

    def __init__(self) -> None:
        self._levels: Levels = (0.0,) * len(RATES)
        self._at = 0.0

    def with_more(self, size: int, now: float) -> Levels:
        """Return the levels as they would be with *size* bytes more."""
        passed = now - self._at
        return tuple([max(level - rate * passed, 0.0) + size for level, rate in zip(self._levels, RATES, strict=True)])

    def add(self, size: int, now: float) -> Levels:
        """Count *size* bytes; return the levels."""
        self._levels, self._at = self.with_more(size, now), now
        return self._levels


class Evidence:
    """The highest levels that a stream had when a push to it was proven."""

    def __init__(self) -> None:
        self._most = [0.0] * len(RATES)
        self._before = [0.0] * len(RATES)
        self._turned = 0.0
        self._floor = FLOOR

    def learn(self, levels: Iterable[float], now: float) -> None:
        """Note that a stream with these *levels* was not refused."""
        if now - self._turned > GENERATION:
            self._before, self._most, self._turned = self._most, [0.0] * len(RATES), now
        self._most = [max(known, level) for known, level in zip(self._most, levels, strict=True)]

    def covers(self, levels: Levels, also: Levels | None = None) -> bool:
        """Whether a stream with these *levels* can't be refused for them; *also* are levels that are being proven."""
        if levels[FLOOR_RATE] <= self._floor:
            return True
        if levels[-1] > CEILING:
            return False
        known = [max(most, before) for most, before in zip(self._most, self._before, strict=True)]
        return all(map(le, levels, known if also is None else map(max, known, also)))

    def contradict(self, levels: Levels) -> None:
        """Forget everything: a stream with these *levels* was refused for its rate."""
        self._most, self._before = [0.0] * len(RATES), [0.0] * len(RATES)
        self._floor = min(self._floor, levels[FLOOR_RATE] / 4)
