"""The sender's own retry stream: what can't go now moves out of the way, durably, and comes back in order.

Pages that wait for a destination are loaded oldest first, one at a time, before anything newer goes to it. Pages that
wait for their hook (or for a namespace's labels) come back in rounds. A page is loaded only for a try: when the
destination is still away its events leave the memory again. Where that is another destination than the page waits
for, they move on to a page that waits for it. What is not in memory is known by its number alone
(:mod:`kigeon.senders.retry.groups`), and which events of it have ended (:mod:`kigeon.senders.progress.ledger`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from kigeon.backoff import Backoff, persistently
from kigeon.clock import SteadyClock
from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.events.envelope import unpack
from kigeon.senders.delivery.delivery import Delivery
from kigeon.senders.delivery.lane import Item
from kigeon.senders.ports import RetryStore, WaitingMessage
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.groups import AGAIN, REPLAY, ROUNDS, UNDECIDED, Group, retry_delay
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

TOO_OLD = "it waited for longer than the queue keeps any event"

MAX_PAGE_EVENTS = 500
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Of raw events: what is packed must fit into a message, and unpack to less than an envelope may."""

EVENTS_AT_ONCE = 2000
"""From so many on no further page is loaded at the same look at what is due."""

Place = Callable[[Sequence[Item]], Awaitable[list[Item]]]
"""Prepares items and places them on their lanes; returns those that can't be decided now."""


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
    """Return the page that a message with readable headers is."""
    offsets = message.offsets
    return EnvelopeProgress(message.sequence, offsets[0], len(offsets), 0, offsets, message.stored_at, message.key)


class RetryScheduler:
    """The pages of the retry stream, and when each is due. ``max_age``: seconds that an event stays in the queue."""

    def __init__(self, store: RetryStore, progress: Progress, delivery: Delivery, place: Place, max_age: float) -> None:
        self._store = store
        self._progress = progress
        self._ledger = progress.ledger
        self._delivery = delivery
        self._place = place
        self._max_age = max_age
        self._clock = SteadyClock()
        self._groups: dict[str, Group] = {}
        self._copying = asyncio.Lock()
        self._finding = asyncio.Lock()
        # At first what another owner may have left, or be leaving, where a sender moves from one replica to another.
        self._strays = True
        self._copied = 0
        self._damaged: set[int] = set()
        # What found no room, neither in the retry stream nor in the dead-letter stream, and when it is tried again.
        self._held: list[Item] = []
        self._unparked: list[tuple[EnvelopeProgress, bytes, str]] = []
        self._held_due = 0.0
        self._attempts = 0

    # ----------------------------------------------------------------------------------------------------- the start

    async def restore(self) -> None:
        """Take over what the stream holds, before anything of the events stream is read; see that the books balance."""
        missing_are = Outcome.EVICTED
        async for message in self._messages():
            if message.problem:
                await self._park_damaged(message)
                missing_are = Outcome.PARKED
                continue
            waiting = self._ledger.retry.restore(message.sequence, len(message.offsets))
            if waiting:
                self._group(message.key).add(message.sequence, waiting, time.monotonic())
            else:
                await self._delete(message.sequence)
        missing = self._ledger.balance(missing_are)
        if missing:
            self._tell_missing(missing, missing_are)

    async def replays(self) -> AsyncIterator[EnvelopeProgress]:
        """Yield the pages that wait because an operator wants another try, with what of them has ended."""
        start = 1
        while True:
            message = await self._next(REPLAY, start)
            if message is None or message.sequence > self._ledger.retry.sequence:
                return
            start = message.sequence + 1
            if not message.problem:
                page = page_of(message)
                self._ledger.retry.load(page)
                self._ledger.retry.unload(page)
                yield page

    async def _messages(self, after: int = 0) -> AsyncIterator[WaitingMessage]:
        """Yield what the stream holds after sequence *after*, without its events, one at a time."""
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

    # ------------------------------------------------------------------------------------------------- what is there

    @property
    def waiting_events(self) -> int:
        """How many events wait in the retry stream."""
        return self._ledger.retry.open_events

    @property
    def loaded_events(self) -> int:
        """How many events of the retry stream are in memory."""
        return sum(page.in_memory for page in self._ledger.retry.pages)

    @property
    def is_sending_again(self) -> bool:
        """Whether anything that was booked as sent before is still to be tried again."""
        return self.waits_for(AGAIN) or any(page.key == AGAIN for page in self._ledger.retry.pages)

    def hurry(self, key: str) -> None:
        """Have the pages that wait for *key* tried as soon as may be."""
        if key in self._groups:
            self._groups[key].due = 0.0

    def waits_for(self, label: str) -> bool:
        """Whether pages wait for the destination *label*."""
        group = self._groups.get(label)
        return group is not None and group.pages > 0

    def events_for(self, label: str) -> int:
        """Return how many events wait for the destination *label*, or the key of a round, and are not in memory."""
        group = self._groups.get(label)
        return group.events if group is not None else 0

    def due(self, key: str) -> float:
        """Return in how many seconds what waits for the *key* of a round is tried again."""
        group = self._groups.get(key)
        return max(group.due - time.monotonic(), 0.0) if group is not None else 0.0

    def labels(self) -> list[str]:
        """Return the destinations for which pages wait."""
        return [group.key for group in self._groups.values() if group.pages and not group.goes_round]

    # ------------------------------------------------------------------------------------------------ out of the way

    async def move(self, items: Sequence[Item], key: str) -> list[Item]:
        """Move *items* out of the way, to pages that wait for *key*; return those that the retry stream did not take.

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
            self._ledger.move([(item.page, item.index) for item in chunk], page)
            await self._progress.save()
            self.queue(page)
        return []

    async def unload(self, items: Sequence[Item], label: str) -> None:
        """Take back events whose destination *label* is away; their pages are the next ones to be tried for it."""
        self._put_back([item for item in items if item.page.key == label])
        others = [item for item in items if item.page.key != label]
        self._put_back(await self.move(others, label))
        await self.close_done(others)

    async def set_aside(self, items: Sequence[Item]) -> list[Item]:
        """Take back events of the retry stream that can't end now; return the others of *items*."""
        retried = [item for item in items if item.page.is_retry]
        self._put_back([item for item in retried if item.page.key in ROUNDS])
        elsewhere = [item for item in retried if item.page.key not in ROUNDS]
        self._held += await self.move(elsewhere, UNDECIDED)
        await self.close_done(elsewhere)
        return [item for item in items if not item.page.is_retry]

    async def close_done(self, items: Sequence[Item]) -> None:
        """Let go of the pages among those of *items* of which nothing is in memory; the position must be saved."""
        for page in {item.page for item in items if item.page.is_retry}:
            await self._let_go(page)

    async def close(self, page: EnvelopeProgress) -> None:
        """Delete a page of which every event has ended."""
        await self._progress.save()
        await self._delete(page.sequence)
        self._ledger.retry.forget(page.sequence)

    def queue(self, page: EnvelopeProgress) -> None:
        """Have *page*, which is not in memory, tried when its time has come."""
        self._group(page.key).add(page.sequence, page.open_count, time.monotonic())

    async def _copy(self, chunk: Sequence[Item], key: str) -> EnvelopeProgress:
        offsets = tuple(item.page.offset(item.index) for item in chunk)
        # The latest: no event is given up before its time.
        stored_at = max(item.page.stored_at for item in chunk)
        return await self.copy(key, [item.raw for item in chunk], offsets, stored_at)

    async def copy(
        self, key: str, raw: Sequence[bytes], offsets: tuple[int, ...], stored_at: float
    ) -> EnvelopeProgress:
        """Store a page; it is to be booked before anything is waited for, and counts from then on.

        Raises :class:`QueueError`: nothing of it is to be booked.
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
                # By now the stream holds whatever earlier attempts have stored: they are the ones below this one.
                async for stray in self._messages(self._ledger.retry.sequence):
                    if stray.sequence < sequence:
                        await self._delete(stray.sequence)
                self._strays = False
            return EnvelopeProgress(sequence, offsets[0], len(offsets), 0, offsets, stored_at, key)

    def _put_back(self, items: Sequence[Item]) -> None:
        for item in items:
            self._group(item.page.key).put_back(item.page, item.index)
        for page in {item.page for item in items}:
            if not page.in_memory:
                self._ledger.retry.unload(page)

    async def _let_go(self, page: EnvelopeProgress) -> None:
        if page.is_done:
            await self.close(page)
        elif not page.in_memory:
            self._ledger.retry.unload(page)

    async def _delete(self, sequence: int) -> None:
        await persistently("deleting from the retry stream", lambda: self._store.delete(sequence))

    # --------------------------------------------------------------------------------------------------- another try

    async def load_next(self, label: str) -> None:
        """Load the oldest page that waits for the destination *label*, onto the lanes of its events."""
        group = self._groups.get(label)
        if group is not None:
            await self._load(group)
            if not group.pages and self._groups.get(label) is group:
                del self._groups[label]

    async def load_due(self, most: int = 64) -> None:
        """Load up to *most* pages that have no destination yet and whose time has come."""
        events = 0
        for group in [self._groups[key] for key in ROUNDS if key in self._groups]:
            for _ in range(most):
                if not group.pages or group.due > time.monotonic() or events >= EVENTS_AT_ONCE:
                    break
                loaded = await self._load(group)
                if not loaded:
                    break
                events += loaded

    async def retry_held(self) -> None:
        """Try again what can neither go nor be put back, being in memory for want of room."""
        if not (self._held or self._unparked):
            self._attempts = 0
        elif self._held_due <= time.monotonic():
            self._attempts += 1
            self._held_due = time.monotonic() + retry_delay(self._attempts)
            held, self._held = self._held, []
            unparked, self._unparked = self._unparked, []
            rest = await self.move(held, UNDECIDED)
            self._held += await self._place(rest)
            await self._progress.save()
            await self.close_done(held)
            for page, payload, problem in unparked:
                await self._park_page(page, payload, problem)

    async def _load(self, group: Group) -> int:
        """Load the next page of *group* onto the lanes of its events; return how many those are."""
        async with self._finding:
            found = await self._find(group)
        if found is None:
            return 0
        page, indexes, payload = found
        if self._clock.now() - page.stored_at > self._max_age:
            few.warning("events waited for longer than the queue keeps any", extra={"events": len(indexes)})
            await self._end(page, indexes, Outcome.EVICTED, TOO_OLD)
            return len(indexes)
        try:
            events = unpack(payload)
            if len(events) != page.count:
                raise UnreadableEnvelope(f"it holds {len(events)} events, its headers say {page.count}")
        except UnreadableEnvelope as error:
            await self._park_page(page, payload, str(error))
            return len(indexes)
        undecided = await self._place([Item(page, index, events[index]) for index in indexes])
        await self.set_aside(undecided)
        await self._progress.save()
        await self._let_go(page)
        return len(indexes)

    async def _find(self, group: Group) -> tuple[EnvelopeProgress, list[int], bytes] | None:
        """Take the next page of *group* into memory; return it with the indexes to load, and its payload."""
        while group.pages:
            message = await self._next(group.key, group.cursor)
            if message is None or message.sequence > group.last:
                if not group.end_round(time.monotonic()):
                    await self._give_up(group)
                elif group.goes_round:
                    return None
            elif message.problem:
                await self._find_damaged(group, message)
            elif taken := self._take(group, message):
                return *taken, message.payload
        return None

    def _take(self, group: Group, message: WaitingMessage) -> tuple[EnvelopeProgress, list[int]] | None:
        page = self._ledger.retry.loaded(message.sequence)
        if page is None:
            page = page_of(message)
            self._ledger.retry.load(page)
            # It may say another key than its subject does.
            page.key = group.key
        elif not page.waits:
            group.cursor = message.sequence + 1
            return None
        return page, group.take(page, message.sequence)

    async def _find_damaged(self, group: Group, message: WaitingMessage) -> None:
        """Park a message whose headers were damaged since the start; what it held is what is missing in the end."""
        if message.sequence in self._damaged:
            group.cursor = message.sequence + 1
            return
        self._damaged.add(message.sequence)
        group.passed(message.sequence)
        group.pages -= 1
        group.missing_are = Outcome.PARKED
        await self._park_damaged(message)
        if not group.pages:
            await self._give_up(group)

    async def _give_up(self, group: Group) -> None:
        """Book what should wait for the key of *group*, and is not there."""
        events = group.give_up()
        if events:
            self._ledger.lose_retry(events, group.missing_are)
            self._tell_missing(events, group.missing_are)
            await self._progress.save()

    def _tell_missing(self, events: int, booked: Outcome) -> None:
        what = {"events": events, "booked": str(booked)}
        log.error("events that should wait in the retry stream are not there", extra=what)

    async def _park_damaged(self, message: WaitingMessage) -> None:
        sequence = message.sequence
        payload = message.payload or await persistently(
            "reading the retry stream", lambda: self._store.payload(sequence)
        )
        # One that the dead-letter stream has no room for stays where it is, for the next start.
        if await self._delivery.park_damaged(sequence, payload, message.problem):
            await self._delete(sequence)

    async def _park_page(self, page: EnvelopeProgress, payload: bytes, problem: str) -> None:
        """Park a page whose events can't be read; one that the dead-letter stream has no room for is held."""
        parked = await self._delivery.park_damaged(page.sequence, payload, problem)
        if parked and await self._delivery.park_page(page, f"a page of the retry stream: {problem}"):
            await self._end(page, list(page.open_indexes()), Outcome.PARKED)
        else:
            self._unparked.append((page, payload, problem))

    async def _end(self, page: EnvelopeProgress, indexes: Sequence[int], outcome: Outcome, reason: str = "") -> None:
        for index in indexes:
            self._ledger.end(page, index, outcome, reason)
        await self._progress.save()
        await self._let_go(page)

    async def _next(self, key: str, start: int) -> WaitingMessage | None:
        return await persistently("reading the retry stream", lambda: self._store.next(key, start))

    def _group(self, key: str) -> Group:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        return group
