"""Events that were sent and may not be held: they are proven from time to time, or sent again from the queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from kigeon.backoff import persistently
from kigeon.errors import QueueError
from kigeon.senders.delivery.delivery import Delivery
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.retry.groups import AGAIN
from kigeon.senders.retry.resending import Resending
from kigeon.senders.retry.scheduler import RetryScheduler

log = logging.getLogger(__name__)

PROVE_EVERY = 10.0
"""Seconds between two looks at events that were sent without a proof."""

DOUBTED_FIRST = 10.0
"""Seconds for which nothing new is read at the start while events in doubt have not been tried."""

PROVE_AT_END = 3.0
"""Seconds at the end for proving events that would be sent again at the next start."""


class DoubtedEvents:
    """Offsets of events that are booked as sent, and that their destinations may not hold."""

    def __init__(self, ledger: Ledger, delivery: Delivery, scheduler: RetryScheduler, resending: Resending) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._scheduler = scheduler
        self._resending = resending
        self._offsets: list[int] = []

    def __bool__(self) -> bool:
        """Whether any event has still to be sent again."""
        return bool(self._offsets)

    def add(self, offsets: Sequence[int]) -> None:
        """Note that the events with these offsets have to be sent again."""
        if offsets:
            log.warning(
                "a known stream was refused, its events without proof are sent again", extra={"events": len(offsets)}
            )
            self._offsets += offsets

    async def restore(self) -> None:
        """Send the events again that an earlier run sent and never saw proven."""
        offsets = list(self._ledger.doubts)
        if offsets:
            log.info("events that were sent without proof are sent again", extra={"events": len(offsets)})
            await persistently("reading events in doubt", lambda: self._resending.send_doubted(offsets))
            self._scheduler.waiting.hurry(AGAIN)

    async def tried(self) -> None:
        """Wait a while until the restored events have been tried: after newer events they may be too late."""
        deadline = time.monotonic() + DOUBTED_FIRST
        while self._scheduler.is_sending_again and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def send(self) -> None:
        """Send the events that were added; where the queue can't be read now, try again later."""
        offsets, self._offsets = self._offsets, []
        if not offsets:
            return
        try:
            await self._resending.send_doubted(offsets)
        except QueueError as error:
            log.warning("events without proof can't be sent again yet, trying again", extra={"error": str(error)})
            self._offsets += offsets

    async def prove(self) -> None:
        """Prove events that were sent without a proof, from time to time, for ever."""
        while True:
            await asyncio.sleep(PROVE_EVERY)
            await self._delivery.prove()

    async def prove_at_end(self) -> None:
        """Prove all events now, as far as a short time allows."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._delivery.prove(0.0), PROVE_AT_END)
