"""The Deduplicator's memory, rebuilt from what the streams hold.

How old something is in it is told by the server's clock alone, and by what came after it: from one message to the next
no more than :data:`GAP` counts. So a clock that was set makes nothing seem old, in either direction. A time in which
nothing was stored has things kept for longer than need be, never shorter.
"""

from __future__ import annotations

import time
from collections import deque

from nats.aio.client import Client

from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.broker.connection import names_of
from kigeon.queue.broker.scan import first_sequence, last_sequence, scan
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.log.compaction import covered
from kigeon.queue.log.end import readable

GAP = 60.0
"""Seconds: less than by what digests are remembered longer than Events live."""


class Recent:
    """Digests in the order in which they were stored, those of the last *seconds*; older ones are dropped meanwhile."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: deque[tuple[float, bytes]] = deque()
        self._now = 0.0
        self._stamp: float | None = None
        self.is_whole = True
        """Whether what it was given is all there is; False once some of it was older than need be."""

    def pass_to(self, stamp: float) -> None:
        """Let time go on to what the server's clock showed as *stamp*."""
        if self._stamp is not None:
            self._now += min(max(stamp - self._stamp, 0.0), GAP)
        self._stamp = stamp
        while self._kept and self._now - self._kept[0][0] > self._seconds:
            self._kept.popleft()
            self.is_whole = False

    def add(self, digests: bytes, stamp: float) -> None:
        """Add what was stored at *stamp*."""
        self.pass_to(stamp)
        self._kept.append((self._now, digests))

    def hand_to(self, deduplication: Deduplication) -> None:
        """Have all of it remembered."""
        for at, digests in self._kept:
            deduplication.remember(digests, self._now - at)


async def rebuild(client: Client, deduplication: Deduplication) -> int:
    """Fill *deduplication* from the seen stream and from the headers of the events after it.

    Returns the last sequence of the events stream that is in it. Raises :class:`QueueError`.
    """
    names = names_of(client)
    known = await covered(client)
    recent = Recent(deduplication.seconds)
    async for message in scan(client, names.seen, names.seen_subject, 1):
        usable = len(message.payload) - len(message.payload) % DIGEST_SIZE
        recent.add(message.payload[:usable], message.timestamp)
    recent.pass_to(await _newest(client))
    recent.hand_to(deduplication)
    if recent.is_whole and await first_sequence(client, names.seen) > 1:
        # The server took some of it for old that is not: its clock was set. The events' own headers have it, too.
        return await catch_up(client, deduplication, 0)
    return await catch_up(client, deduplication, known.sequence)


async def catch_up(client: Client, deduplication: Deduplication, known: int) -> int:
    """Add the digests of every envelope after sequence *known*; return the last sequence that is in it."""
    names = names_of(client)
    reached = known
    recent = Recent(deduplication.seconds)
    async for message in scan(client, names.events, names.events_subject, known + 1, headers_only=True):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            recent.add(headers.digests, message.timestamp)
        reached = message.sequence
    recent.hand_to(deduplication)
    return reached


async def _newest(client: Client) -> float:
    """Return when the last envelope was stored; when it is there no more, what the wall clock says."""
    names = names_of(client)
    newest = time.time()
    end = await last_sequence(client, names.events)
    async for message in scan(client, names.events, names.events_subject, max(end, 1), headers_only=True):
        newest = message.timestamp
    return newest
