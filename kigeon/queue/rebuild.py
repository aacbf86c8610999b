"""The Deduplicator's memory, rebuilt from what the streams hold.

How old something is in it is told by the server's clock alone, against the last envelope that it stored: this
machine's may have been set since. After a time without kigeon that keeps things for longer than need be, never shorter.
"""

from __future__ import annotations

import time

from nats.aio.client import Client

from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.compaction import covered
from kigeon.queue.deduplication import Deduplication
from kigeon.queue.scan import last_sequence, scan
from kigeon.queue.streams import EVENTS, EVENTS_SUBJECT, SEEN, SEEN_SUBJECT
from kigeon.queue.tail import readable


async def rebuild(client: Client, deduplication: Deduplication) -> int:
    """Fill *deduplication* from the seen stream and from the headers of the events after it.

    Returns the last sequence of the events stream that is in it. Raises :class:`QueueError`.
    """
    known = await covered(client)
    newest = await _newest(client)
    async for message in scan(client, SEEN, SEEN_SUBJECT, 1):
        usable = len(message.payload) - len(message.payload) % DIGEST_SIZE
        deduplication.remember(message.payload[:usable], max(newest - message.timestamp, 0.0))
    return await catch_up(client, deduplication, known.sequence)


async def catch_up(client: Client, deduplication: Deduplication, known: int) -> int:
    """Add the digests of every envelope after sequence *known*; return the last sequence that is in it."""
    reached = known
    newest = await _newest(client)
    async for message in scan(client, EVENTS, EVENTS_SUBJECT, known + 1, headers_only=True):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            deduplication.remember(headers.digests, max(newest - message.timestamp, 0.0))
        reached = message.sequence
    return reached


async def _newest(client: Client) -> float:
    """Return when the last envelope was stored; when it is there no more, what the wall clock says."""
    newest = time.time()
    end = await last_sequence(client, EVENTS)
    async for message in scan(client, EVENTS, EVENTS_SUBJECT, max(end, 1), headers_only=True):
        newest = message.timestamp
    return newest
