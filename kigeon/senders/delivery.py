"""Pushes, and what their answers mean for each event: sent, parked, or still to be sent."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial

from kigeon.backoff import persistently
from kigeon.errors import QueueFull
from kigeon.senders.lanes import Item, Lane
from kigeon.senders.ledger import Outcome, Page
from kigeon.senders.ports import DeadLetterStore
from kigeon.senders.progress import Progress
from kigeon.senders.sink import Answer, Sink, Verdict

log = logging.getLogger(__name__)

SAY_FULL_EVERY = 60.0
"""Seconds between two errors that say that the dead-letter stream is full."""


class Delivery:
    """Pushes what a lane holds; the position is durable before the lane's next push."""

    def __init__(self, sink: Sink, progress: Progress, dead_letter: DeadLetterStore, executor: Executor) -> None:
        self._sink = sink
        self._progress = progress
        self._dead_letter = dead_letter
        self._executor = executor
        self._unparked: list[Item] = []
        self._said_full_at = -math.inf

    async def deliver(self, lane: Lane, push: list[Item]) -> list[Item]:
        """Push; return the events from the retry stream that were unloaded because the destination is away.

        Where the answer is that some of it is invalid, or that it is too large, halves are pushed until the offenders
        are found.
        """
        pieces = [push]
        while pieces:
            piece = pieces.pop()
            answer = await self._push(lane, piece)
            if answer.verdict in (Verdict.RETRY, Verdict.HOLD):
                rest = [item for later in [piece, *reversed(pieces)] for item in later]
                return self._refused(lane, answer, rest)
            lane.succeeded()
            if answer.verdict is Verdict.DELIVERED:
                self._sent(piece)
            elif len(piece) > 1:
                middle = len(piece) // 2
                pieces += [piece[middle:], piece[:middle]]
                continue
            else:
                await self._park_later(piece[0], answer.reason)
            await self._progress.save()
        return []

    async def park(self, item: Item, reason: str) -> bool:
        """Keep *item* in the dead-letter stream, and book its end; False when there is no room: it is to wait."""
        number = item.page.number(item.index)
        if not await self._park(partial(self._dead_letter.park, number, item.page.sequence, item.raw, reason)):
            return False
        log.warning("an event can't be delivered, it is parked", extra={"number": number, "reason": reason})
        self._progress.ledger.end(item.page, item.index, Outcome.PARKED)
        return True

    def take_unparked(self) -> list[Item]:
        """Return what was to be parked after a push, and there was no room for it."""
        taken, self._unparked = self._unparked, []
        return taken

    async def park_envelope(self, sequence: int, payload: bytes, reason: str) -> bool:
        """Keep a whole envelope that can't be read in the dead-letter stream; False when there is no room."""
        if not await self._park(partial(self._dead_letter.park_envelope, sequence, payload, reason)):
            return False
        log.error("an envelope can't be read, it is parked whole", extra={"sequence": sequence, "reason": reason})
        return True

    async def park_damaged(self, sequence: int, payload: bytes, reason: str) -> bool:
        """Keep a message of the retry stream that can't be read in the dead-letter stream; False as above."""
        if not await self._park(partial(self._dead_letter.park_retry, sequence, payload, reason)):
            return False
        log.error("a message of the retry stream is parked", extra={"sequence": sequence, "reason": reason})
        return True

    async def park_page(self, page: Page, reason: str) -> bool:
        """Note in the dead-letter stream that what a page of the retry stream held can't be read; False as above."""
        for index in list(page.open_indexes()):
            if not await self._park(partial(self._dead_letter.park, page.number(index), page.sequence, b"{}", reason)):
                return False
        log.error("a page of the retry stream can't be read", extra={"sequence": page.sequence, "reason": reason})
        return True

    async def _park(self, parking: Callable[[], Awaitable[None]]) -> bool:
        """Store in the dead-letter stream, which discards nothing; return False when it is full, and say so."""

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
            log.error("what is to be parked waits: there is no room for it", extra={"error": str(error), "cure": cure})

    async def _park_later(self, item: Item, reason: str) -> None:
        if not await self.park(item, reason):
            self._unparked.append(item)

    async def _push(self, lane: Lane, piece: Sequence[Item]) -> Answer:
        entries = [item.entry for item in piece if item.entry is not None]
        loop = asyncio.get_running_loop()
        lane.asked(piece)
        try:
            return await loop.run_in_executor(self._executor, self._sink.push, lane.destination, entries)
        finally:
            lane.answered()

    def _sent(self, piece: Sequence[Item]) -> None:
        ledger = self._progress.ledger
        for item in piece:
            ledger.end(item.page, item.index, Outcome.SENT)

    def _refused(self, lane: Lane, answer: Answer, items: list[Item]) -> list[Item]:
        delay, unloaded = lane.refused(items, answer.retry_after)
        held = answer.verdict is Verdict.HOLD
        log.log(
            logging.ERROR if held else logging.WARNING,
            "the destination takes nothing until an operator acts, events are held"
            if held
            else "the destination is away, events wait",
            extra={
                "destination": lane.label,
                "reason": answer.reason,
                "delay": round(delay, 3),
                "events": len(items),
            },
        )
        return unloaded
