"""Sends events again that were booked as sent before.

A planner asks for that where the destination may have refused events unnoticed: they are booked as waiting again, and
go on through the retry stream. An operator asks for it where a destination has lost events: these stay booked as sent,
are read from the queue a slice at a time, and are counted as ``resent``. The destination drops events that it still
holds, because the bytes are the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kigeon.errors import UnreadableEnvelope
from kigeon.events.envelope import Headers, read_headers, unpack
from kigeon.events.fields import namespace_of
from kigeon.senders.delivery.lane import Item
from kigeon.senders.ports import EventHistory, StoredEnvelope
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.groups import AGAIN
from kigeon.senders.retry.pages import in_pages
from kigeon.senders.retry.scheduler import RetryScheduler

log = logging.getLogger(__name__)

SLICE_EVENTS = 2000
"""Events after which a slice ends, with the end of an envelope."""

SLICE_TIMEOUT = 10.0
"""Seconds to wait for a slice; events that are still on their way then go on, and the next slice waits for them."""

UNNOTICED = "the destination may have refused it unnoticed, and the queue does not hold it any more"

Found = tuple[int, bytes, float]
"""An event that is read again: its offset, its raw JSON, when it was stored (seconds since the epoch)."""

Enter = Callable[[Sequence[Item]], Awaitable[None]]
"""Prepares items and puts them on their lanes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The events that an operator wants to be sent again: from ``sequence`` on, stored before ``until`` (seconds since

    the epoch), of one namespace or all. ``late`` also sends events that are too far behind by now, to a late stream:
    those that their own stream holds are there twice then.
    """

    sequence: int
    until: float
    namespace: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """The result of a slice: where the next one begins (0: it was the last), and counts of events."""

    next_sequence: int
    resent: int
    under_way: int
    not_sent: int


class Resending:
    """Sends one sender's events again; owned by the sender's event loop."""

    def __init__(self, history: EventHistory, progress: Progress, scheduler: RetryScheduler, enter: Enter) -> None:
        self._history = history
        self._progress = progress
        self._scheduler = scheduler
        self._enter = enter
        self._lock = asyncio.Lock()
        # Pages, and how many events of each are wanted.
        self._under_way: dict[EnvelopeProgress, int] = {}

    async def send_doubted(self, offsets: Sequence[int]) -> None:
        """Book the events with these offsets, as far as they are still in doubt, as waiting again.

        Raises :class:`QueueError`: the rest stays in doubt.
        """
        doubts = self._progress.ledger.doubts
        wanted = {offset for offset in offsets if offset in doubts}
        if not wanted:
            return
        last, found = max(wanted), list[Found]()
        async for stored in self._history.read(await self._history.sequence_of(min(wanted))):
            headers, events = _opened(stored) or (None, [])
            if headers is None:
                continue
            found += [(at, raw, stored.timestamp) for at, raw in enumerate(events, headers.first) if at in wanted]
            if len(found) >= SLICE_EVENTS:
                await self._book(found)
                found.clear()
            if headers.first + headers.count > last:
                break
        await self._book(found)
        self._progress.ledger.evict_sent([offset for offset in sorted(wanted) if offset in doubts], UNNOTICED)
        await self._progress.save()

    async def resend(self, wanted: Wanted) -> Slice:
        """Send a slice of the *wanted* events again. Raises :class:`QueueError`."""
        async with self._lock:
            next_sequence = wanted.sequence
            if not self._open_events():
                next_sequence = await self._read_slice(wanted)
            await self._wait()
            done = {page: wanted for page, wanted in self._under_way.items() if page.is_done}
            self._under_way = {page: wanted for page, wanted in self._under_way.items() if page not in done}
            await self._progress.save()
            resent = sum(page.resent for page in done)
            return Slice(next_sequence, resent, self._open_events(), sum(done.values()) - resent)

    async def sequence_since(self, moment: float) -> int:
        """Return the sequence of the first envelope that was stored since *moment*, seconds since the epoch."""
        return await self._history.sequence_since(moment)

    def _open_events(self) -> int:
        return sum(page.open_count for page in self._under_way)

    async def _book(self, events: Sequence[Found]) -> None:
        for part in in_pages([len(raw) for _, raw, _ in events]):
            offsets = tuple(offset for offset, _, _ in events[part])
            raw, stored_at = [raw for _, raw, _ in events[part]], max(at for _, _, at in events[part])
            page = await self._scheduler.pages.copy(AGAIN, raw, offsets, stored_at)
            self._progress.ledger.replay(page, Outcome.SENT)
            await self._progress.save()
            self._scheduler.waiting.add(page)

    async def _read_slice(self, wanted: Wanted) -> int:
        """Read a slice and send it; return the sequence after it, 0 where there is no more."""
        events = 0
        async for stored in self._history.read(wanted.sequence):
            if stored.timestamp >= wanted.until or stored.sequence >= self._progress.ledger.envelopes.next_sequence:
                return 0
            events += await self._send(stored, wanted)
            if events >= SLICE_EVENTS:
                return stored.sequence + 1
        return 0

    async def _send(self, stored: StoredEnvelope, wanted: Wanted) -> int:
        opened = _opened(stored)
        if opened is None:
            return 0
        headers, events = opened
        page = EnvelopeProgress(stored.sequence, headers.first, headers.count, is_repeat=True, may_be_late=wanted.late)
        items = []
        for index, raw in enumerate(events):
            if self._is_wanted(page, index, raw, wanted):
                items.append(Item(page, index, raw))
            else:
                page.ended |= 1 << index
        if items:
            self._under_way[page] = len(items)
            await self._enter(items)
        return len(events)

    def _is_wanted(self, page: EnvelopeProgress, index: int, raw: bytes, wanted: Wanted) -> bool:
        if self._progress.ledger.is_open(page.offset(index)):
            return False  # It is on its way already.
        return wanted.namespace is None or _namespace(raw) == wanted.namespace

    async def _wait(self) -> None:
        deadline = asyncio.get_running_loop().time() + SLICE_TIMEOUT
        while self._open_events() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)


def _opened(stored: StoredEnvelope) -> tuple[Headers, list[bytes]] | None:
    try:
        headers, events = read_headers(stored.headers), unpack(stored.payload)
    except UnreadableEnvelope as error:
        log.warning("an envelope can't be read again", extra={"sequence": stored.sequence, "error": str(error)})
        return None
    return (headers, events) if len(events) == headers.count else None


def _namespace(raw: bytes) -> str | None:
    try:
        event: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return namespace_of(event) if isinstance(event, dict) else None
