"""A lane: the events that wait for one destination, in order, and the time of the next try. Pure except for a clock."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kigeon.backoff import Backoff
from kigeon.senders.entry import Destination
from kigeon.senders.progress.envelope import EnvelopeProgress

MAX_PUSH_BYTES = 1024 * 1024
"""Uncompressed bytes of one push. Loki's distributor passes a push on in messages of at most 4 MiB."""

MAX_PUSH_EVENTS = 5000

QUICKER = 1.25
"""The factor by which a slowed-down lane speeds up after each push that was stored."""

TOLD_FOR = 300.0
"""Seconds after which the log says again that a destination takes nothing."""

STALLED_AFTER = 0.5
"""Seconds without an answer after which a push counts as stalled."""


@dataclass(slots=True, eq=False)
class Item:
    """An event in memory: its place in a page, its raw JSON, and its entry once that is known."""

    page: EnvelopeProgress
    index: int
    raw: bytes
    entry: Any = None
    """The :class:`~kigeon.senders.entry.Entry` to push; None before the event is prepared."""
    attempts: int = 0
    accused_at: int = 0
    accused_for: str = ""
    """The number of the answer by which it was refused alone, and that answer's reason; empty where it was not."""

    @property
    def offset(self) -> int:
        """The event's offset."""
        return self.page.offset(self.index)


@dataclass(frozen=True, slots=True)
class Blockage:
    """Why a lane's last try failed, what an operator can do, and whether the lane waits until that is done."""

    reason: str = ""
    cure: str = ""
    held: bool = False


class Lane:
    """The queue of one destination (*key* is ""), or of those of its events that wait on their own, named by *key*.

    Pushes go one after the other, or a few small ones side by side.
    """

    def __init__(self, destination: Destination, key: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.destination = destination
        self.key = key
        self.items: deque[Item] = deque()
        self._pace = 0.0
        self._most = MAX_PUSH_BYTES
        self._backoff = Backoff(base=0.5, cap=30.0)
        self._clock = clock
        self._due = 0.0
        self._asked_at = math.inf
        self._asked: Sequence[Item] = ()
        self._told: tuple[str, float] = ("", -math.inf)
        self._blocked_at = 0.0
        self.blockage: Blockage | None = None
        """Why the last try failed; None where it did not fail."""

    @property
    def label(self) -> str:
        """The destination's name, without secrets, and the key."""
        return self.destination.label + self.key

    @property
    def wait(self) -> float:
        """Seconds until the next try of the destination, 0 for now."""
        return max(self._due - self._clock(), 0.0)

    @property
    def is_blocked(self) -> bool:
        """Whether the last try failed."""
        return self.blockage is not None

    @property
    def blocked_for(self) -> float:
        """Seconds since the first of the failed tries in a row; 0 where the last try did not fail."""
        return self._clock() - self._blocked_at if self.is_blocked else 0.0

    @property
    def waiting(self) -> int:
        """How many events are on the lane, including those of a push that is under way."""
        return len(self.items) + len(self._asked)

    @property
    def stalled(self) -> Sequence[Item]:
        """The events of a push that had no answer for :data:`STALLED_AFTER` seconds; mostly none."""
        return self._asked if self._clock() - self._asked_at > STALLED_AFTER else ()

    @property
    def fills_a_push(self) -> bool:
        """Whether the lane holds enough events for a full push."""
        size = sum(item.entry.size for item in self.items if item.entry)
        return len(self.items) >= MAX_PUSH_EVENTS or size >= self._most

    @property
    def has_retries(self) -> bool:
        """Whether events from the retry stream are loaded on the lane."""
        return bool(self.items) and self.items[0].page.is_retry

    def add(self, items: Iterable[Item]) -> None:
        """Append events that came later than all others; events from the retry stream go before the others."""
        items = list(items)
        retried = [item for item in items if item.page.is_retry]
        if retried:
            others = self.take_if(lambda item: not item.page.is_retry)
            self.items.extend([*retried, *others])
        self.items.extend(item for item in items if not item.page.is_retry)

    def take(self) -> list[Item]:
        """Take the events of the next push off the lane, as many as fit."""
        taken: list[Item] = []
        size = 0
        while self.items and len(taken) < MAX_PUSH_EVENTS:
            entry = self.items[0].entry
            size += entry.size if entry else 0
            if taken and size > self._most:
                break
            taken.append(self.items.popleft())
        return taken

    def take_waiting(self) -> list[Item]:
        """Take every event off the lane that comes from the events stream and was not sent before."""
        return self.take_if(lambda item: not item.page.is_retry and not item.page.is_repeat)

    def take_if(self, belongs_elsewhere: Callable[[Item], bool]) -> list[Item]:
        """Take every event off the lane that belongs elsewhere."""
        kept: deque[Item] = deque()
        taken: list[Item] = []
        for item in self.items:
            (taken if belongs_elsewhere(item) else kept).append(item)
        self.items = kept
        return taken

    def push_started(self, items: Sequence[Item]) -> None:
        """Note that pushes of *items* begin."""
        self._asked_at, self._asked = self._clock(), items

    def push_ended(self) -> None:
        """Note that the pushes have ended, one way or another."""
        self._asked_at, self._asked = math.inf, ()

    def succeeded(self, size: int = 0) -> None:
        """Note that the destination stored *size* bytes. A lane with a pace rests, and then goes a little faster."""
        self._backoff.succeeded()
        self._told = ("", -math.inf)
        self.blockage, self._due = None, self._clock() + size / self._pace if self._pace else 0.0
        self._most = min(int(self._most * QUICKER) + 1, MAX_PUSH_BYTES)
        self._pace *= QUICKER

    def slow_down(self, pace: float, most: int) -> float:
        """Send *pace* bytes a second, *most* in one push; return the seconds for one push (0: the pace is unknown)."""
        self._pace = pace
        self._most = max(most, 1) if most else self._most
        return self._most / pace if pace else 0.0

    def is_news(self, what: str) -> bool:
        """Whether to log *what*: it differs from what was logged last, or that was a while ago."""
        told, at = self._told
        if what == told and self._clock() - at < TOLD_FOR:
            return False
        self._told = (what, self._clock())
        return True

    def refused(
        self, items: Iterable[Item], retry_after: float | None, blockage: Blockage = Blockage()
    ) -> tuple[float, list[Item]]:
        """Put *items* back and wait; return for how many seconds, and the events that are unloaded.

        Events from the retry stream are unloaded: they are safe there, and the destination may be away for long.
        """
        self.items.extendleft(reversed(list(items)))
        unloaded = self.take_if(lambda item: item.page.is_retry)
        delay = self._backoff.failed(retry_after)
        if self.blockage is None:
            self._blocked_at = self._clock()
        self.blockage, self._due = blockage, self._clock() + delay
        return delay, unloaded
