"""Parks what can't be delivered or read: it goes to the dead-letter stream, or waits until there is room."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial

from kigeon.backoff import persistently
from kigeon.errors import QueueFull
from kigeon.finding import Trouble
from kigeon.senders.delivery.lane import Item
from kigeon.senders.ports import DeadLetterStore
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

SAY_FULL_EVERY = 60.0
"""Seconds between two errors that say that the dead-letter stream is full."""

LETTERS_CURE = "see why with `kigeon dead-letter list`, and try again with `kigeon dead-letter replay`"


class Parking:
    """The dead letters of one sender. Whatever parks returns False when there is no room, and says so in the log."""

    def __init__(self, ledger: Ledger, store: DeadLetterStore) -> None:
        self._ledger = ledger
        self._store = store
        self._few = Limited(log)
        self._said_full_at = -math.inf
        self.trouble: Trouble | None = None
        """Why an event was parked last."""

    async def park(self, item: Item, reason: str, cure: str = "") -> bool:
        """Store *item*, and book its end. An event that was sent before stays booked as sent."""
        if item.page.is_repeat:
            self._few.warning("an event is not sent again", extra={"offset": item.offset, "reason": reason})
        elif not await self._put(partial(self._store.park, item.offset, item.page.sequence, item.raw, reason)):
            return False
        else:
            self.trouble = Trouble("events can't be delivered", reason, cure or LETTERS_CURE, time.monotonic())
            extra = {"offset": item.offset, "reason": reason, "cure": cure}
            self._few.warning("an event can't be delivered, it is parked", extra=extra)
        self._ledger.end(item.page, item.index, Outcome.PARKED)
        return True

    async def park_envelope(self, sequence: int, payload: bytes, reason: str) -> bool:
        """Store a whole unreadable envelope."""
        if not await self._put(partial(self._store.park_envelope, sequence, payload, reason)):
            return False
        log.error("an envelope can't be read, it is parked whole", extra={"sequence": sequence, "reason": reason})
        return True

    async def park_damaged(self, sequence: int, payload: bytes, reason: str) -> bool:
        """Store an unreadable message of the retry stream."""
        if not await self._put(partial(self._store.park_retry, sequence, payload, reason)):
            return False
        log.error("a message of the retry stream is parked", extra={"sequence": sequence, "reason": reason})
        return True

    async def park_page(self, page: EnvelopeProgress, reason: str) -> bool:
        """Store a letter for each event of an unreadable page of the retry stream."""
        for index in list(page.open_indexes()):
            if not await self._put(partial(self._store.park, page.offset(index), page.sequence, b"{}", reason)):
                return False
        log.error("a page of the retry stream can't be read", extra={"sequence": page.sequence, "reason": reason})
        return True

    async def _put(self, parking: Callable[[], Awaitable[None]]) -> bool:
        async def attempt() -> bool:
            try:
                await parking()
            except QueueFull as error:
                self._say_full(error)
                return False
            return True

        return await persistently("parking", attempt)

    def _say_full(self, error: QueueFull) -> None:
        now = time.monotonic()
        if now - self._said_full_at >= SAY_FULL_EVERY:
            self._said_full_at = now
            cure = "replay or drop dead letters, or raise queue.eventsMaxBytes"
            log.error(
                "the dead-letter stream is full, events that have to be parked wait",
                extra={"error": str(error), "cure": cure},
            )
