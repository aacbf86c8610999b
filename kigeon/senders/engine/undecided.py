"""Events that neither the filter nor the hook can decide now: each is tried again, with backoff."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from kigeon.clock import SteadyClock
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.waits import Wait
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.retry.groups import UNDECIDED, retry_delay
from kigeon.senders.retry.loading import TOO_OLD
from kigeon.senders.retry.scheduler import RetryScheduler


class Undecided:
    """A sender's undecided events in memory, and why they and those in the retry stream are undecided.

    *max_age* is for how many seconds an event is tried.
    """

    def __init__(self, ledger: Ledger, scheduler: RetryScheduler, max_age: float) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._max_age = max_age
        self._clock = SteadyClock()
        self._items: list[tuple[float, Item]] = []
        self._reason = ""
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._items) + self._scheduler.waiting.events_for(UNDECIDED)

    def because(self, reason: str) -> None:
        """Note why an event is undecided."""
        self._reason, self._since = reason, self._since or time.time()

    def forget_why(self) -> None:
        """Forget the reason when no event is undecided any more."""
        if not len(self):
            self._reason, self._since = "", 0.0

    def add(self, items: Sequence[Item]) -> None:
        """Add *items* to the events that are tried again later."""
        for item in items:
            if item.page.is_repeat:
                # The event was sent before, and is not tried again.
                self._ledger.end(item.page, item.index, Outcome.SKIPPED)
                continue
            item.attempts += 1
            self._items.append((time.monotonic() + retry_delay(item.attempts), item))

    async def relieve(self) -> int:
        """Move the events to the retry stream; return how many were moved."""
        waiting, self._items = [item for _, item in self._items], []
        if not waiting:
            return 0
        rest = await self._scheduler.move(waiting, UNDECIDED)
        self.add(rest)
        return len(waiting) - len(rest)

    def take_due(self) -> Sequence[Item]:
        """Take the events that are due and young enough; book those that are too old as evicted."""
        now = time.monotonic()
        due = [item for at, item in self._items if at <= now]
        if not due:
            return ()
        self._items = [(at, item) for at, item in self._items if at > now]
        oldest = self._clock.now() - self._max_age
        for item in due:
            if item.page.stored_at < oldest:
                self._ledger.end(item.page, item.index, Outcome.EVICTED, TOO_OLD)
        return [item for item in due if item.page.stored_at >= oldest]

    def waits(self, now: float) -> Iterator[Wait]:
        """Yield what the events wait for; *now* is in seconds since the epoch."""
        if events := len(self):
            due = min((at - time.monotonic() for at, _ in self._items), default=self._scheduler.waiting.due(UNDECIDED))
            reason = self._reason or "neither the filter nor the hook has decided on them yet"
            yield Wait("", reason, events, since=self._since, next_try=now + max(due, 0.0))
