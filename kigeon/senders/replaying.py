"""What an operator does with parked events: another try, or none.

A replay moves an event from the dead-letter stream back to its sender, by way of the retry stream: the copy there is
booked, the event leaves the dead-letter stream, and only then is the copy tried. A crash before the booking leaves it
parked, one after it is made good at the start: a copy that is there, and booked, is taken out of the dead-letter
stream before anything of it is tried. So it is sent again, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from kigeon.backoff import persistently
from kigeon.senders.ledger import Page
from kigeon.senders.ports import DeadLetterStore
from kigeon.senders.progress import Progress
from kigeon.senders.retrying import REPLAY, RetryDesk, in_pages
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

NOT_THERE = "it is not there (any more)"
NO_EVENT = "it holds no single event that can be read, and can only be shown or dropped"


class ParkedEvents:
    """One sender's parked events; owned by its event loop."""

    def __init__(self, store: DeadLetterStore, progress: Progress, desk: RetryDesk) -> None:
        self._store = store
        self._progress = progress
        self._desk = desk
        self._lock = asyncio.Lock()

    async def restore(self) -> None:
        """Go on with replays that a crash interrupted."""
        for page in self._progress.ledger.retry_pages:
            if page.key == REPLAY:
                await self._go_on(page)

    async def replay(self, names: Sequence[str]) -> dict[str, str]:
        """Have what is parked under *names* tried again; return why not, by name, for those where that can't be.

        Raises :class:`QueueError`: those that were not moved are still parked.
        """
        problems: dict[str, str] = {}
        found: list[tuple[int, bytes]] = []
        async with self._lock:
            for name in dict.fromkeys(names):
                parked = await self._store.load(name)
                event = parked.event() if parked is not None else None
                if parked is None:
                    problems[name] = NOT_THERE
                elif parked.number is None or event is None:
                    problems[name] = NO_EVENT
                else:
                    found.append((parked.number, event))
            for part in in_pages([len(raw) for _, raw in found]):
                await self._replay(found[part])
        return problems

    async def drop(self, names: Sequence[str]) -> dict[str, str]:
        """Delete what is parked under *names*, for good; return and raise as :meth:`replay` does."""
        problems: dict[str, str] = {}
        async with self._lock:
            for name in dict.fromkeys(names):
                parked = await self._store.load(name)
                if parked is None:
                    problems[name] = NOT_THERE
                    continue
                await self._store.delete(name)
                few.warning("an operator dropped what was parked", extra={"parked": name})
        return problems

    async def _replay(self, events: Sequence[tuple[int, bytes]]) -> None:
        numbers = tuple(number for number, _ in events)
        # Its time begins anew: it is as old as the operator's wish.
        page = await self._desk.copy(REPLAY, [raw for _, raw in events], numbers, time.time())
        self._progress.ledger.replay(page)
        await self._progress.save()
        log.warning("an operator has parked events tried again", extra={"events": len(numbers)})
        await self._go_on(page)

    async def _go_on(self, page: Page) -> None:
        for index in page.open_indexes():
            await self._delete(str(page.number(index)))
        self._desk.queue(page)

    async def _delete(self, name: str) -> None:
        await persistently("deleting from the dead-letter stream", lambda: self._store.delete(name))
