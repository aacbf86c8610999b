"""What was sent and may not be held: it is proven now and then, and what is doubted is sent again from the queue."""

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
"""Seconds between two looks at what is sent and not proven."""

DOUBTED_FIRST = 10.0
"""Seconds for which nothing new is read at the start while what is in doubt has not been tried."""

PROVE_AT_END = 3.0
"""Seconds that are taken at the end to prove what would be sent again at the next start."""


class DoubtedEvents:
    """Offsets of events that are booked as sent, and that their destinations may not hold."""

    def __init__(self, ledger: Ledger, delivery: Delivery, scheduler: RetryScheduler, resending: Resending) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._scheduler = scheduler
        self._resending = resending
        self._offsets: list[int] = []

    def __bool__(self) -> bool:
        """Whether any of them is still to be sent again."""
        return bool(self._offsets)

    def add(self, offsets: Sequence[int]) -> None:
        """Have events sent again."""
        if offsets:
            log.warning(
                "a stream was refused that was known, what went to it is sent again", extra={"events": len(offsets)}
            )
            self._offsets += offsets

    async def restore(self) -> None:
        """Have what an earlier run sent and never saw proven sent again."""
        offsets = list(self._ledger.doubts)
        if offsets:
            log.info("what was sent and not proven to be held is sent again", extra={"events": len(offsets)})
            await persistently("reading what is in doubt", lambda: self._resending.send_doubted(offsets))
            self._scheduler.hurry(AGAIN)

    async def tried(self) -> None:
        """Wait until what was restored has been tried, for a while: after what is newer it may be too late."""
        deadline = time.monotonic() + DOUBTED_FIRST
        while self._scheduler.is_sending_again and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def send(self) -> None:
        """Send what was added; what can't be read from the queue now is read later."""
        offsets, self._offsets = self._offsets, []
        if not offsets:
            return
        try:
            await self._resending.send_doubted(offsets)
        except QueueError as error:
            log.warning("what is in doubt can't be read again, trying again", extra={"error": str(error)})
            self._offsets += offsets

    async def prove(self) -> None:
        """Have what was sent without a proof proven, now and then, for ever."""
        while True:
            await asyncio.sleep(PROVE_EVERY)
            await self._delivery.prove()

    async def prove_at_end(self) -> None:
        """Have all of it proven now, as far as a short time allows."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._delivery.prove(0.0), PROVE_AT_END)
