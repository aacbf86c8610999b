"""Moves events that can't be sent now to the sender's retry stream, durably, and brings them back in order.

Pages that wait for a destination are loaded oldest first, one at a time, before newer events go there. Pages that wait
for their hook (or for a namespace's labels) come back in rounds. A page is loaded only for a try: while the destination
is still away its events leave the memory again. Where events turn out to go to another destination that is away, they
move to a page that waits for that one. Of pages that are not in memory only the number is known
(:mod:`kigeon.senders.retry.groups`), and which of their events have ended (:mod:`kigeon.senders.progress.ledger`).
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
"""Bytes of raw events in a page: packed they must fit into a message, and an envelope may not unpack to more."""

EVENTS_AT_ONCE = 2000
"""Events after which one :meth:`RetryScheduler.load_due` loads no further page."""

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
    """Return the page for a message with readable headers."""
    offsets = message.offsets
    return EnvelopeProgress(message.sequence, offsets[0], len(offsets), 0, offsets, message.stored_at, message.key)


class RetryScheduler:
    """The pages of the retry stream, and when each is due. *max_age*: seconds that an event stays in the queue."""

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
        # Events and pages for which neither the retry stream nor the dead-letter stream has room, and their next try.
        self._held: list[Item] = []
        self._unparked: list[tuple[EnvelopeProgress, bytes, str]] = []
        self._held_due = 0.0
        self._attempts = 0

    # ----------------------------------------------------------------------------------------------------- the start

    async def restore(self) -> None:
        """Take over the stream's pages before the events stream is read, and make the books balance."""
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
        """Yield the pages of events that an operator replays, with the bits of their ended events."""
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
        """Whether events that were booked as sent before still have to be tried again."""
        return self.waits_for(AGAIN) or any(page.key == AGAIN for page in self._ledger.retry.pages)

    def hurry(self, key: str) -> None:
        """Try the pages that wait for *key* as soon as possible."""
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
        """Return the seconds until the pages of *key*, which come in rounds, are tried again."""
        group = self._groups.get(key)
        return max(group.due - time.monotonic(), 0.0) if group is not None else 0.0

    def labels(self) -> list[str]:
        """Return the destinations for which pages wait."""
        return [group.key for group in self._groups.values() if group.pages and not group.goes_round]

    # ------------------------------------------------------------------------------------------------ out of the way

    async def move(self, items: Sequence[Item], key: str) -> list[Item]:
        """Move *items* to pages that wait for *key*; return those that the retry stream did not take.

        The position is durable before a moved event can be sent: otherwise a crash could send it twice. A copy that
        was stored although its answer was lost is never booked, and is deleted.
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
        """Take back events whose destination *label* is away; their pages are the next ones to be tried there."""
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
        """Close or unload the pages of *items* that have no event in memory any more; the position must be saved."""
        for page in {item.page for item in items if item.page.is_retry}:
            await self._let_go(page)

    async def close(self, page: EnvelopeProgress) -> None:
        """Delete a page whose events have all ended."""
        await self._progress.save()
        await self._delete(page.sequence)
        self._ledger.retry.forget(page.sequence)

    def queue(self, page: EnvelopeProgress) -> None:
        """Add *page*, which is not in memory, to the pages that are tried when they are due."""
        self._group(page.key).add(page.sequence, page.open_count, time.monotonic())

    async def _copy(self, chunk: Sequence[Item], key: str) -> EnvelopeProgress:
        offsets = tuple(item.page.offset(item.index) for item in chunk)
        # The latest time counts, so that no event is given up too early.
        stored_at = max(item.page.stored_at for item in chunk)
        return await self.copy(key, [item.raw for item in chunk], offsets, stored_at)

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
        """Try again the events and pages that are in memory only because no stream has room for them."""
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
        """Load the next page of *group* onto the lanes of its events; return how many events."""
        async with self._finding:
            found = await self._find(group)
        if found is None:
            return 0
        page, indexes, payload = found
        if self._clock.now() - page.stored_at > self._max_age:
            few.warning("events waited for too long, they count as evicted", extra={"events": len(indexes)})
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
            # The message's header may name another key than its subject.
            page.key = group.key
        elif not page.waits:
            group.cursor = message.sequence + 1
            return None
        return page, group.take(page, message.sequence)

    async def _find_damaged(self, group: Group, message: WaitingMessage) -> None:
        """Park a message whose headers were damaged since the start; its events are booked at the end as missing."""
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
        """Book the events that should wait for the key of *group* and are missing."""
        events = group.give_up()
        if events:
            self._ledger.lose_retry(events, group.missing_are)
            self._tell_missing(events, group.missing_are)
            await self._progress.save()

    def _tell_missing(self, events: int, booked: Outcome) -> None:
        what = {"events": events, "booked": str(booked)}
        log.error("events are missing in the retry stream", extra=what)

    async def _park_damaged(self, message: WaitingMessage) -> None:
        sequence = message.sequence
        payload = message.payload or await persistently(
            "reading the retry stream", lambda: self._store.payload(sequence)
        )
        # If the dead-letter stream has no room, the message stays where it is, for the next start.
        if await self._delivery.park_damaged(sequence, payload, message.problem):
            await self._delete(sequence)

    async def _park_page(self, page: EnvelopeProgress, payload: bytes, problem: str) -> None:
        """Park a page whose events can't be read; hold it if the dead-letter stream has no room."""
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
