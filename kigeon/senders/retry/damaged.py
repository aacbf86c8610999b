"""Messages of the retry stream that can't be read: they are parked, or wait for room in the dead-letter stream."""

from __future__ import annotations

import logging

from kigeon.senders.delivery.parking import Parking
from kigeon.senders.ports import WaitingMessage
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.retry.pages import Pages

log = logging.getLogger(__name__)


def tell_missing(events: int, booked: Outcome) -> None:
    """Say that events are not where they should wait, and what they are booked as."""
    what = {"events": events, "booked": str(booked)}
    log.error("events are missing in the retry stream", extra=what)


class DamagedPages:
    """What of one sender's retry stream can't be read."""

    def __init__(self, pages: Pages, parking: Parking) -> None:
        self._pages = pages
        self._parking = parking
        self._unparked: list[tuple[EnvelopeProgress, bytes, str]] = []

    def __len__(self) -> int:
        return len(self._unparked)

    async def park_message(self, message: WaitingMessage) -> None:
        """Park a message whose headers can't be read."""
        payload = message.payload or await self._pages.payload(message.sequence)
        # One that the dead-letter stream has no room for stays where it is, for the next start.
        if await self._parking.park_damaged(message.sequence, payload, message.problem):
            await self._pages.delete(message.sequence)

    async def park_page(self, page: EnvelopeProgress, payload: bytes, problem: str) -> None:
        """Park a page whose events can't be read; one that the dead-letter stream has no room for is held."""
        parked = await self._parking.park_damaged(page.sequence, payload, problem)
        if parked and await self._parking.park_page(page, f"a page of the retry stream: {problem}"):
            await self._pages.end(page, list(page.open_indexes()), Outcome.PARKED)
        else:
            self._unparked.append((page, payload, problem))

    async def try_again(self) -> None:
        """Try to park what is held."""
        unparked, self._unparked = self._unparked, []
        for page, payload, problem in unparked:
            await self.park_page(page, payload, problem)
