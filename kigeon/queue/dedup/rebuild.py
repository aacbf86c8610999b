"""Rebuilds the Deduplicator's memory from the streams.

The age of a message is the sum of the times between it and the messages after it, by the server's clock; each of these
times counts for :data:`GAP` at most. So setting the clock, in either direction, makes no message seem old. After a time
in which nothing was stored, digests are kept for longer than necessary, never shorter.
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
"""Seconds; less than the time for which digests outlive their Events."""


class Recent:
    """The digests of the last *seconds* in the order in which they were stored; older ones are dropped."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: deque[tuple[float, bytes]] = deque()
        self._now = 0.0
        self._stamp: float | None = None
        self.is_whole = True
        """Whether all digests were young enough; False once some were dropped."""

    def pass_to(self, stamp: float) -> None:
        """Let time go on to *stamp*, a time on the server's clock."""
        if self._stamp is not None:
            self._now += min(max(stamp - self._stamp, 0.0), GAP)
        self._stamp = stamp
        while self._kept and self._now - self._kept[0][0] > self._seconds:
            self._kept.popleft()
            self.is_whole = False

    def add(self, digests: bytes, stamp: float) -> None:
        """Add *digests* that were stored at *stamp*."""
        self.pass_to(stamp)
        self._kept.append((self._now, digests))

    def hand_to(self, deduplication: Deduplication) -> None:
        """Have *deduplication* remember all digests."""
        for at, digests in self._kept:
            deduplication.remember(digests, self._now - at)


async def rebuild(client: Client, deduplication: Deduplication) -> int:
    """Fill *deduplication* from the seen stream and from the headers of the events after it.

    Returns the last sequence of the events stream whose digests are included. Raises :class:`QueueError`.
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
        # The server's clock was set, and it evicted digests too early. The headers of the events have them, too.
        return await catch_up(client, deduplication, 0)
    return await catch_up(client, deduplication, known.sequence)


async def catch_up(client: Client, deduplication: Deduplication, known: int) -> int:
    """Add the digests of every envelope after sequence *known*; return the last sequence that was read."""
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
    """Return when the last envelope was stored; where it is gone, the wall clock's time."""
    names = names_of(client)
    newest = time.time()
    end = await last_sequence(client, names.events)
    async for message in scan(client, names.events, names.events_subject, max(end, 1), headers_only=True):
        newest = message.timestamp
    return newest
