"""Reads the events stream as a log: admits envelopes to the ledger and unpacks them, or parks damaged ones."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from kigeon.backoff import Backoff, persistently
from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.events.envelope import declared_count, read_headers, unpack
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.engine import window
from kigeon.senders.ports import EventLog, StoredEnvelope
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome, whole

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""Envelopes that are asked for in one go."""


class EnvelopeReader:
    """Reads on from the *ledger*'s place, as far as there is *room*; *start* runs a task beside."""

    def __init__(
        self,
        events: EventLog,
        ledger: Ledger,
        parking: Parking,
        room: window.Window,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._log = events
        self._ledger = ledger
        self._parking = parking
        self._window = room
        self._start = start
        self._most = 8
        self._read: deque[StoredEnvelope] = deque()
        self._backoff = Backoff(base=0.1, cap=5.0)

    async def begin(self) -> None:
        """Find the place to read on from."""
        await persistently("looking at the events stream", self._check_stream)
        await self._log.seek(self._ledger.envelopes.read_from)

    async def next(self) -> list[StoredEnvelope]:
        """Return the next envelopes, as many as fit into the window; none where none came or reading failed."""
        try:
            if not self._read:
                self._read.extend(await self._log.next(self._most))
        except QueueError as error:
            log.warning("reading events failed, trying again", extra={"error": str(error)})
            await asyncio.sleep(self._backoff.failed())
            await persistently("looking at the events stream", self._check_stream)
            return []
        self._backoff.succeeded()
        return self._take_what_fits() if self._read else []

    async def open(self, envelopes: list[StoredEnvelope]) -> list[Item]:
        """Admit *envelopes*; return their events that have not ended."""
        items = [item for envelope in envelopes for item in await self._open(envelope)]
        self._most = max(
            1, min(MOST_AT_ONCE, 2 * window.MAX_WINDOW_EVENTS * len(envelopes) // (3 * max(len(items), 1)))
        )
        return items

    def _take_what_fits(self) -> list[StoredEnvelope]:
        """Take the next envelopes that fit: their numbers of events were not known when they were requested."""
        read = self._read
        taken, events = [read.popleft()], self._ledger.envelopes.open_events
        while read and (events := events + declared_count(taken[-1].headers)) < 2 * window.MAX_WINDOW_EVENTS:
            taken.append(read.popleft())
        return taken

    async def _check_stream(self) -> None:
        """Begin at the start of a stream that was made anew or cut short, whose sequences have changed."""
        envelopes = self._ledger.envelopes
        if await self._log.stream_was_recreated(envelopes.next_sequence, envelopes.next_offset):
            log.error("the events stream was damaged or made anew, reading it from its start")
            envelopes.rewind()
            await self._log.seek(envelopes.read_from)

    async def _open(self, envelope: StoredEnvelope) -> list[Item]:
        try:
            headers = read_headers(envelope.headers)
        except UnreadableEnvelope as error:
            # The number of its events is not known: no later event can be booked before it is parked.
            while not await self._parking.park_envelope(envelope.sequence, envelope.payload, str(error)):
                await asyncio.sleep(window.LOOK_INTERVAL)
            self._ledger.envelopes.admit_unreadable(envelope.sequence)
            return []
        page = self._ledger.envelopes.admit(envelope.sequence, headers.first, headers.count, envelope.timestamp)
        if page is None:
            return []
        try:
            raw = unpack(envelope.payload)
            if len(raw) != page.count:
                raise UnreadableEnvelope(f"the envelope holds {len(raw)} events, its headers say {page.count}")
        except UnreadableEnvelope as error:
            if await self._parking.park_envelope(envelope.sequence, envelope.payload, str(error)):
                self._end_page(page, whole(envelope.sequence))
            else:
                self._start(self._park_envelope(page, envelope, str(error)))
            return []
        return [Item(page, index, raw[index]) for index in page.open_indexes()]

    async def _park_envelope(self, page: EnvelopeProgress, envelope: StoredEnvelope, problem: str) -> None:
        """Park an envelope whose events can't be read, as soon as there is room; other events do not wait for that."""
        while not await self._parking.park_envelope(envelope.sequence, envelope.payload, problem):
            await asyncio.sleep(window.LOOK_INTERVAL)
        self._end_page(page, whole(envelope.sequence))
        self._window.freed()

    def _end_page(self, page: EnvelopeProgress, reason: str) -> None:
        for index in list(page.open_indexes()):
            self._ledger.end(page, index, Outcome.PARKED, reason)
