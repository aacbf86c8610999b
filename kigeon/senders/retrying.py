"""The sender's own retry stream: what can't go now moves out of the way, durably, and comes back in order.

Pages that wait for a destination are loaded oldest first, one at a time, before anything newer goes to it. Pages that
wait for their hook (or for a namespace's labels) come back each on a schedule of its own. A page is loaded only for
a try: when the destination is still away its events leave the memory again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

from kigeon.backoff import persistently
from kigeon.clock import SteadyClock
from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.senders.delivery import Delivery
from kigeon.senders.lanes import Item
from kigeon.senders.ledger import Outcome, Page
from kigeon.senders.ports import RetryStore, WaitingMessage
from kigeon.senders.progress import Progress

log = logging.getLogger(__name__)

UNDECIDED = "hook"
"""The key of pages whose events have no destination yet."""

REPLAY = "replay"
"""The key of pages of events that were parked: an operator wants another try."""

AGAIN = "again"
"""The key of pages of events that were booked as sent, and that their destination may have refused unnoticed."""

TOO_OLD = "it waited for longer than the queue keeps any event"

MAX_PAGE_EVENTS = 500
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Of raw events: what is packed must fit into a message, and unpack to less than an envelope may."""

Place = Callable[[Sequence[Item]], Awaitable[list[Item]]]
"""Prepares items and places them on their lanes; returns those that can't be decided now."""


def retry_delay(attempts: int) -> float:
    """Return seconds until the next try of something undecided: doubling from half a second to a minute."""
    return float(min(0.5 * 2.0 ** min(attempts, 10), 60.0)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


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


class RetryDesk:
    """The pages of the retry stream, and when each is due. ``max_age``: seconds that an event stays in the queue."""

    def __init__(self, store: RetryStore, progress: Progress, delivery: Delivery, place: Place, max_age: float) -> None:
        self._store = store
        self._progress = progress
        self._delivery = delivery
        self._place = place
        self._max_age = max_age
        self._clock = SteadyClock()
        self._backlogs: defaultdict[str, deque[Page]] = defaultdict(deque)
        self._undecided: list[tuple[float, int, Page]] = []
        self._order = itertools.count()
        self._strays = False

    async def restore(self) -> None:
        """Take over what the stream holds, before anything of the events stream is read; see that the books balance."""
        missing_are = Outcome.EVICTED
        for message in await persistently("reading the retry stream", self._store.waiting):
            if message.problem:
                await self._park_damaged(message)
                missing_are = Outcome.PARKED
                continue
            numbers = message.numbers
            page = Page(message.sequence, numbers[0], len(numbers), 0, numbers, message.stored_at, message.key)
            if not self._progress.ledger.restore_retry(page):
                await self._delete(page.sequence)
            elif page.is_done:
                await self.close(page)
            elif page.key != REPLAY:
                self.queue(page)
        missing = self._progress.ledger.balance(missing_are)
        if missing:
            what = {"events": missing, "booked": str(missing_are)}
            log.error("events that should wait in the retry stream are not there", extra=what)

    async def _park_damaged(self, message: WaitingMessage) -> None:
        payload = await persistently("reading the retry stream", lambda: self._store.payload(message.sequence))
        await self._delivery.park_damaged(message.sequence, payload, message.problem)
        await self._delete(message.sequence)

    @property
    def waiting_events(self) -> int:
        """How many events wait in the retry stream."""
        return sum(page.open_count for page in self._progress.ledger.retry_pages)

    @property
    def loaded_events(self) -> int:
        """How many events of the retry stream are in memory."""
        return sum((page.loaded & ~page.ended).bit_count() for page in self._progress.ledger.retry_pages)

    def waits_for(self, label: str) -> bool:
        """Whether pages wait for the destination *label*."""
        return bool(self._backlogs.get(label))

    def labels(self) -> list[str]:
        """Return the destinations for which pages wait."""
        return [label for label, backlog in self._backlogs.items() if backlog]

    async def move(self, items: Sequence[Item], key: str) -> list[Item]:
        """Move *items* of the events stream out of the way; return those that the retry stream did not take.

        The position is durable before a moved event can be sent: were it sent first, a crash would send it twice. A
        copy that is stored although its answer was lost is never booked, and deleted.
        """
        for part in in_pages([len(item.raw) for item in items]):
            chunk = items[part]
            try:
                page = await self._copy(chunk, key)
            except QueueError as error:
                log.warning("events can't move to the retry stream, they wait", extra={"error": str(error)})
                return list(items[part.start :])
            self._progress.ledger.move([(item.page, item.index) for item in chunk], page)
            await self._progress.save()
            self.queue(page)
        return []

    async def load_next(self, label: str) -> None:
        """Load the oldest page that waits for the destination *label*, onto the lanes of its events."""
        backlog = self._backlogs.get(label)
        if backlog:
            await self._load(backlog.popleft())

    async def load_due(self, most: int = 4) -> None:
        """Load up to *most* undecided pages whose time has come."""
        for _ in range(most):
            if not self._undecided or self._undecided[0][0] > time.monotonic():
                return
            await self._load(heapq.heappop(self._undecided)[2])

    def unload(self, items: Sequence[Item], label: str) -> None:
        """Take back events whose destination *label* is away; their pages are the next ones to be tried for it."""
        pages: dict[Page, None] = {}
        for item in items:
            item.page.loaded &= ~(1 << item.index)
            pages[item.page] = None
        for page in reversed(pages):
            self._backlogs[label].appendleft(page)

    def postpone(self, items: Sequence[Item]) -> None:
        """Take back events whose own time is to come; their pages are tried on a schedule of their own."""
        pages: dict[Page, None] = {}
        for item in items:
            item.page.loaded &= ~(1 << item.index)
            pages[item.page] = None
        for page in pages:
            page.attempts += 1
            self._queue_undecided(page, retry_delay(page.attempts))

    async def close_done(self, items: Sequence[Item]) -> None:
        """Delete the pages among those of *items* of which every event has ended; the position must be saved."""
        for page in {item.page for item in items if item.page.is_retry}:
            if page.is_done:
                await self.close(page)

    async def close(self, page: Page) -> None:
        """Delete a page of which every event has ended."""
        await self._progress.save()
        await self._delete(page.sequence)
        self._progress.ledger.forget_retry(page)

    async def _copy(self, chunk: Sequence[Item], key: str) -> Page:
        numbers = tuple(item.page.number(item.index) for item in chunk)
        # The latest: no event is given up before its time.
        stored_at = max(item.page.stored_at for item in chunk)
        return await self.copy(key, [item.raw for item in chunk], numbers, stored_at)

    async def copy(self, key: str, raw: Sequence[bytes], numbers: tuple[int, ...], stored_at: float) -> Page:
        """Store a page; it counts from when it is booked. Raises :class:`QueueError`: nothing of it is to be booked."""
        try:
            sequence = await self._store.put(key, raw, numbers, stored_at)
        except QueueError:
            self._strays = True
            raise
        if self._strays:
            # By now the stream holds whatever earlier attempts have stored: they are the ones below this one.
            for stray in await self._store.waiting(self._progress.ledger.retry_sequence):
                if stray.sequence < sequence and not stray.problem:
                    await self._delete(stray.sequence)
            self._strays = False
        return Page(sequence, numbers[0], len(numbers), 0, numbers, stored_at, key)

    async def _delete(self, sequence: int) -> None:
        await persistently("deleting from the retry stream", lambda: self._store.delete(sequence))

    async def _load(self, page: Page) -> None:
        indexes = [index for index in page.open_indexes() if not page.loaded >> index & 1]
        if not indexes:
            return
        # Claimed before anything is waited for: a page may be due in two places at once.
        for index in indexes:
            page.loaded |= 1 << index
        if self._clock.now() - page.stored_at > self._max_age:
            log.warning("events waited for longer than the queue keeps any", extra={"events": len(indexes)})
            await self._end(page, indexes, Outcome.EVICTED, TOO_OLD)
            return
        try:
            events = await persistently("reading the retry stream", lambda: self._store.load(page.sequence))
            if len(events) != page.count:
                raise UnreadableEnvelope(f"it holds {len(events)} events, its headers say {page.count}")
        except UnreadableEnvelope as error:
            payload = await persistently("reading the retry stream", lambda: self._store.payload(page.sequence))
            if payload:
                await self._delivery.park_damaged(page.sequence, payload, str(error))
            await self._delivery.park_page(page, f"a page of the retry stream: {error}")
            await self._end(page, indexes, Outcome.PARKED)
            return
        undecided = await self._place([Item(page, index, events[index]) for index in indexes])
        await self._settle(page, undecided)

    async def _settle(self, page: Page, undecided: Sequence[Item]) -> None:
        """Bring a page back later for what is still undecided; close it when nothing of it is open."""
        for item in undecided:
            page.loaded &= ~(1 << item.index)
        if undecided:
            page.attempts += 1
            self._queue_undecided(page, retry_delay(page.attempts))
        elif page.is_done:
            await self._progress.save()
            await self.close(page)

    async def _end(self, page: Page, indexes: Sequence[int], outcome: Outcome, reason: str = "") -> None:
        for index in indexes:
            self._progress.ledger.end(page, index, outcome, reason)
        await self._progress.save()
        if page.is_done:
            await self.close(page)

    def queue(self, page: Page) -> None:
        """Have *page* tried when its time has come."""
        if page.key == UNDECIDED:
            self._queue_undecided(page, retry_delay(page.attempts))
        elif page.key in (REPLAY, AGAIN):
            self._queue_undecided(page, 0.0)
        else:
            self._backlogs[page.key].append(page)

    def _queue_undecided(self, page: Page, delay: float) -> None:
        heapq.heappush(self._undecided, (time.monotonic() + delay, next(self._order), page))
