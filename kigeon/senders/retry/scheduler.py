"""The sender's own retry stream: what can't go now moves out of the way, durably, and comes back in order.

A page is loaded (:mod:`kigeon.senders.retry.loading`) only for a try: when the destination is still away its events
leave the memory again. Where that is another destination than the page waits for, they move on to a page that waits
for it. What is not in memory is known by its number alone (:mod:`kigeon.senders.retry.groups`), and which events of it
have ended (:mod:`kigeon.senders.progress.ledger`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from kigeon.errors import QueueError
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.ports import RetryStore
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.damaged import DamagedPages
from kigeon.senders.retry.groups import AGAIN, ROUNDS, UNDECIDED, Groups, retry_delay
from kigeon.senders.retry.loading import PageLoader
from kigeon.senders.retry.pages import Pages, in_pages
from kigeon.senders.retry.recovery import recover, replays

log = logging.getLogger(__name__)

Place = Callable[[Sequence[Item]], Awaitable[list[Item]]]
"""Prepares items and places them on their lanes; returns those that can't be decided now."""


class RetryScheduler:
    """What of a sender waits in its retry stream, and when it is due. ``max_age``: seconds that an event is queued.

    ``waiting`` knows what waits for what, ``pages`` writes the stream, ``loader`` loads for another try.
    """

    def __init__(self, store: RetryStore, progress: Progress, parking: Parking, place: Place, max_age: float) -> None:
        self._progress = progress
        self._ledger = progress.ledger
        self._place = place
        self.waiting = Groups()
        self.pages = Pages(store, progress)
        self._damaged = DamagedPages(self.pages, parking)
        self.loader = PageLoader(self.pages, progress, self.waiting, self._damaged, self._enter, max_age)
        # What found no room in the retry stream, and when it is tried again, with what found none among the letters.
        self._held: list[Item] = []
        self._held_due = 0.0
        self._attempts = 0

    async def restore(self) -> None:
        """Take over what the stream holds, before anything of the events stream is read; see that the books balance."""
        await recover(self.pages, self._ledger, self.waiting, self._damaged)

    def replays(self) -> AsyncIterator[EnvelopeProgress]:
        """Yield the pages that wait because an operator wants another try, with what of them has ended."""
        return replays(self.pages, self._ledger)

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
        return self.waiting.waits_for(AGAIN) or any(page.key == AGAIN for page in self._ledger.retry.pages)

    async def move(self, items: Sequence[Item], key: str) -> list[Item]:
        """Move *items* out of the way, to pages that wait for *key*; return those that the retry stream did not take.

        The position is durable before a moved event can be sent: were it sent first, a crash would send it twice. A
        copy that is stored although its answer was lost is never booked, and deleted.
        """
        return (await self.move_all([(items, key)]))[0]

    async def move_all(self, moves: Sequence[tuple[Sequence[Item], str]]) -> list[list[Item]]:
        """Do several moves with one write of the position; return of each what :meth:`move` does."""
        pages: list[EnvelopeProgress] = []
        rest: list[list[Item]] = []
        for items, key in moves:
            rest.append(list(items) if any(rest) else await self._copy_all(items, key, pages))
        if pages:
            await self._progress.save()
        for page in pages:
            self.waiting.add(page)
        return rest

    async def unload(self, items: Sequence[Item], label: str) -> None:
        """Take back events whose destination *label* is away; their pages are the next ones to be tried for it."""
        self._put_back([item for item in items if item.page.key == label])
        others = [item for item in items if item.page.key != label]
        self._put_back(await self.move(others, label))
        await self.pages.close_done(others)

    async def set_aside(self, items: Sequence[Item]) -> list[Item]:
        """Take back events of the retry stream that can't end now; return the others of *items*."""
        retried = [item for item in items if item.page.is_retry]
        self._put_back([item for item in retried if item.page.key in ROUNDS])
        elsewhere = [item for item in retried if item.page.key not in ROUNDS]
        self._held += await self.move(elsewhere, UNDECIDED)
        await self.pages.close_done(elsewhere)
        return [item for item in items if not item.page.is_retry]

    async def retry_held(self) -> None:
        """Try again what can neither go nor be put back, being in memory for want of room."""
        if not (self._held or self._damaged):
            self._attempts = 0
        elif self._held_due <= time.monotonic():
            self._attempts += 1
            self._held_due = time.monotonic() + retry_delay(self._attempts)
            held, self._held = self._held, []
            rest = await self.move(held, UNDECIDED)
            self._held += await self._place(rest)
            await self._progress.save()
            await self.pages.close_done(held)
            await self._damaged.try_again()

    async def _enter(self, items: Sequence[Item]) -> None:
        await self.set_aside(await self._place(items))

    async def _copy_all(self, items: Sequence[Item], key: str, pages: list[EnvelopeProgress]) -> list[Item]:
        """Book copies of *items*, added to *pages*; return those that the retry stream did not take."""
        for part in in_pages([len(item.raw) for item in items]):
            chunk = items[part]
            try:
                page = await self._copy(chunk, key)
            except QueueError as error:
                log.warning("events can't move to the retry stream, they wait", extra={"error": str(error)})
                return list(items[part.start :])
            self._ledger.move([(item.page, item.index) for item in chunk], page)
            pages.append(page)
        return []

    async def _copy(self, chunk: Sequence[Item], key: str) -> EnvelopeProgress:
        offsets = tuple(item.page.offset(item.index) for item in chunk)
        # The latest: no event is given up before its time.
        stored_at = max(item.page.stored_at for item in chunk)
        return await self.pages.copy(key, [item.raw for item in chunk], offsets, stored_at)

    def _put_back(self, items: Sequence[Item]) -> None:
        for item in items:
            self.waiting.group(item.page.key).put_back(item.page, item.index)
        for page in {item.page for item in items}:
            if not page.in_memory:
                self._ledger.retry.unload(page)
