"""The pages of the retry stream: written, read and deleted; what is stored and was never booked is deleted too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

from kigeon.backoff import Backoff, persistently
from kigeon.errors import QueueError
from kigeon.senders.delivery.lane import Item
from kigeon.senders.ports import RetryStore, WaitingMessage
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress

log = logging.getLogger(__name__)

MAX_PAGE_EVENTS = 500
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of raw events in a page: packed they must fit into a message, and an envelope may not unpack to more."""


def in_pages(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut events of these *sizes* (bytes) into pages."""
    start = total = 0
    for end, size in enumerate(sizes):
        if end > start and (end - start >= MAX_PAGE_EVENTS or total + size > MAX_PAGE_BYTES):
            yield slice(start, end)
            start, total = end, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def page_of(message: WaitingMessage) -> EnvelopeProgress:
    """Return the page for a message with readable headers."""
    offsets = message.offsets
    return EnvelopeProgress(message.sequence, offsets[0], len(offsets), 0, offsets, message.stored_at, message.key)


class Pages:
    """The messages of one sender's retry stream. But for :meth:`copy`, what fails is tried until it is done."""

    def __init__(self, store: RetryStore, progress: Progress) -> None:
        self._store = store
        self._progress = progress
        self._ledger = progress.ledger
        self._copying = asyncio.Lock()
        # At first what another owner may have left, or be leaving, where a sender moves from one replica to another.
        self._strays = True
        self._copied = 0

    async def messages(self, after: int = 0) -> AsyncIterator[WaitingMessage]:
        """Yield the messages after sequence *after*, without their events, one at a time."""
        backoff = Backoff(base=0.1, cap=5.0)
        while True:
            try:
                async for message in self._store.waiting(after):
                    after = message.sequence
                    yield message
                return
            except QueueError as error:
                log.warning("reading the retry stream failed, trying again", extra={"error": str(error)})
                await asyncio.sleep(backoff.failed(error.retry_after))

    async def next(self, key: str, start: int) -> WaitingMessage | None:
        """Return the first message that waits for *key* from sequence *start* on; None where there is none."""
        return await persistently("reading the retry stream", lambda: self._store.next(key, start))

    async def payload(self, sequence: int) -> bytes:
        """Return a message as it is stored; nothing when it is gone."""
        return await persistently("reading the retry stream", lambda: self._store.payload(sequence))

    async def copy(
        self, key: str, raw: Sequence[bytes], offsets: tuple[int, ...], stored_at: float
    ) -> EnvelopeProgress:
        """Store a page. The caller has to book it before its next await; the page counts from then on.

        Raises :class:`QueueError`: nothing may be booked then.
        """
        async with self._copying:
            try:
                sequence = await self._store.put(key, raw, offsets, stored_at)
            except QueueError:
                self._strays = True
                raise
            # A gap is an attempt of another owner, whose time is over; to be booked with this copy it would be doubled.
            self._strays |= sequence != self._copied + 1
            self._copied = sequence
            if self._strays:
                # Copies of earlier, failed attempts are in the stream by now, before this one.
                async for stray in self.messages(self._ledger.retry.sequence):
                    if stray.sequence < sequence:
                        await self.delete(stray.sequence)
                self._strays = False
            return EnvelopeProgress(sequence, offsets[0], len(offsets), 0, offsets, stored_at, key)

    async def delete(self, sequence: int) -> None:
        """Delete a message; it may be gone already."""
        await persistently("deleting from the retry stream", lambda: self._store.delete(sequence))

    async def end(self, page: EnvelopeProgress, indexes: Sequence[int], outcome: Outcome, reason: str = "") -> None:
        """Book the end of the events at *indexes* of *page*, and let go of it."""
        for index in indexes:
            self._ledger.end(page, index, outcome, reason)
        await self._progress.save()
        await self.let_go(page)

    async def close_done(self, items: Iterable[Item]) -> None:
        """Let go of the pages among those of *items* of which nothing is in memory; the position must be saved."""
        for page in {item.page for item in items if item.page.is_retry}:
            await self.let_go(page)

    async def let_go(self, page: EnvelopeProgress) -> None:
        """Delete *page* where every event of it has ended; forget it where nothing of it is in memory."""
        if page.is_done:
            await self._progress.save()
            await self.delete(page.sequence)
            self._ledger.retry.forget(page.sequence)
        elif not page.in_memory:
            self._ledger.retry.unload(page)
