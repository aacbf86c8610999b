"""Pages of the retry stream, loaded for another try.

Pages that wait for a destination are loaded oldest first, one at a time, before anything newer goes to it. Pages that
wait for their hook (or for a namespace's labels) come back in rounds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from kigeon.clock import SteadyClock
from kigeon.errors import UnreadableEnvelope
from kigeon.events.envelope import unpack
from kigeon.senders.delivery.lane import Item
from kigeon.senders.ports import WaitingMessage
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.damaged import DamagedPages, tell_missing
from kigeon.senders.retry.groups import Group, Groups
from kigeon.senders.retry.pages import Pages, page_of
from kigeon.throttle import Limited

few = Limited(logging.getLogger(__name__))

TOO_OLD = "it waited for longer than the queue keeps any event"

EVENTS_AT_ONCE = 2000
"""From so many on no further page is loaded at the same look at what is due."""

Enter = Callable[[Sequence[Item]], Awaitable[None]]
"""Prepares items and places them on their lanes; what can't be decided now goes back where it came from."""


class PageLoader:
    """One sender's. ``max_age``: seconds that an event stays in the queue."""

    def __init__(
        self, pages: Pages, progress: Progress, waiting: Groups, damaged: DamagedPages, enter: Enter, max_age: float
    ) -> None:
        self._pages = pages
        self._progress = progress
        self._ledger = progress.ledger
        self._waiting = waiting
        self._damaged = damaged
        self._enter = enter
        self._max_age = max_age
        self._clock = SteadyClock()
        self._finding = asyncio.Lock()
        self._parked: set[int] = set()

    async def load_next(self, label: str) -> None:
        """Load the oldest page that waits for the destination *label*, onto the lanes of its events."""
        group = self._waiting.find(label)
        if group is not None:
            await self._load(group)
            self._waiting.forget_empty(group)

    async def load_due(self, most: int = 64) -> None:
        """Load up to *most* pages that have no destination yet and whose time has come."""
        events = 0
        for group in self._waiting.rounds():
            for _ in range(most):
                if not group.pages or group.due > time.monotonic() or events >= EVENTS_AT_ONCE:
                    break
                loaded = await self._load(group)
                if not loaded:
                    break
                events += loaded

    async def _load(self, group: Group) -> int:
        """Load the next page of *group* onto the lanes of its events; return how many those are."""
        async with self._finding:
            found = await self._find(group)
        if found is None:
            return 0
        page, indexes, payload = found
        if self._clock.now() - page.stored_at > self._max_age:
            few.warning("events waited for too long, they count as evicted", extra={"events": len(indexes)})
            await self._pages.end(page, indexes, Outcome.EVICTED, TOO_OLD)
            return len(indexes)
        try:
            events = _unpack(page, payload)
        except UnreadableEnvelope as error:
            await self._damaged.park_page(page, payload, str(error))
            return len(indexes)
        await self._enter([Item(page, index, events[index]) for index in indexes])
        await self._progress.save()
        await self._pages.let_go(page)
        return len(indexes)

    async def _find(self, group: Group) -> tuple[EnvelopeProgress, list[int], bytes] | None:
        """Take the next page of *group* into memory; return it with the indexes to load, and its payload."""
        while group.pages:
            message = await self._pages.next(group.key, group.cursor)
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
        """Park a message whose headers were damaged since the start; what it held is what is missing in the end."""
        if message.sequence in self._parked:
            group.cursor = message.sequence + 1
            return
        self._parked.add(message.sequence)
        group.passed(message.sequence)
        group.pages -= 1
        group.missing_are = Outcome.PARKED
        await self._damaged.park_message(message)
        if not group.pages:
            await self._give_up(group)

    async def _give_up(self, group: Group) -> None:
        """Book what should wait for the key of *group*, and is not there."""
        events = group.give_up()
        if events:
            self._ledger.lose_retry(events, group.missing_are)
            tell_missing(events, group.missing_are)
            await self._progress.save()


def _unpack(page: EnvelopeProgress, payload: bytes) -> list[bytes]:
    events = unpack(payload)
    if len(events) != page.count:
        raise UnreadableEnvelope(f"it holds {len(events)} events, its headers say {page.count}")
    return events
