"""Pushes, and what their answers mean for each event: sent, parked, or still to be sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

from kigeon.backoff import persistently
from kigeon.senders.lanes import Item, Lane
from kigeon.senders.ledger import Outcome, Page
from kigeon.senders.ports import DeadLetterStore
from kigeon.senders.progress import Progress
from kigeon.senders.sink import Answer, Sink, Verdict

log = logging.getLogger(__name__)


class Delivery:
    """Pushes what a lane holds; the position is durable before the lane's next push."""

    def __init__(self, sink: Sink, progress: Progress, dead_letter: DeadLetterStore, executor: Executor) -> None:
        self._sink = sink
        self._progress = progress
        self._dead_letter = dead_letter
        self._executor = executor

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
                await self.park(piece[0], answer.reason)
            await self._progress.save()
        return []

    async def park(self, item: Item, reason: str) -> None:
        """Keep *item* in the dead-letter stream, and book its end."""
        number = item.page.number(item.index)
        log.warning("an event can't be delivered, it is parked", extra={"number": number, "reason": reason})
        await persistently(
            "parking an event", lambda: self._dead_letter.park(number, item.page.sequence, item.raw, reason)
        )
        self._progress.ledger.end(item.page, item.index, Outcome.PARKED)

    async def park_envelope(self, sequence: int, payload: bytes, reason: str) -> None:
        """Keep a whole envelope that can't be read in the dead-letter stream."""
        log.error("an envelope can't be read, it is parked whole", extra={"sequence": sequence, "reason": reason})
        await persistently("parking an envelope", lambda: self._dead_letter.park_envelope(sequence, payload, reason))

    async def park_damaged(self, sequence: int, payload: bytes, reason: str) -> None:
        """Keep a whole message of the retry stream that can't be read in the dead-letter stream."""
        log.error("a message of the retry stream is parked", extra={"sequence": sequence, "reason": reason})
        await persistently("parking a message", lambda: self._dead_letter.park_retry(sequence, payload, reason))

    async def park_page(self, page: Page, reason: str) -> None:
        """Note in the dead-letter stream that what a page of the retry stream held can't be read."""
        log.error("a page of the retry stream can't be read", extra={"sequence": page.sequence, "reason": reason})
        for index in list(page.open_indexes()):
            parking = partial(self._dead_letter.park, page.number(index), page.sequence, b"{}", reason)
            await persistently("parking an event", parking)

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
