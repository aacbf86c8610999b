"""Finds the offsets of occurrences: reads every digest that the streams hold, one run after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator

from nats.aio.client import Client

from kigeon.queue.broker.connection import names_of
from kigeon.queue.broker.scan import scan
from kigeon.queue.log.compaction import seen_runs
from kigeon.queue.log.end import Run, readable

AT_ONCE = 8
"""Messages of the seen stream that are read at once: each may be half a megabyte."""

HEADERS_AT_ONCE = 64
"""Envelopes whose headers are read at once: the longest headers take as much."""


async def find_offsets(client: Client) -> AsyncIterator[Run]:
    """Yield all known digests with their offsets; some come twice. Raises :class:`QueueError`."""
    names = names_of(client)
    async for message in scan(client, names.seen, names.seen_subject, 1, most=AT_ONCE):
        for run in seen_runs(message.headers, message.payload):
            yield run
    async for message in scan(client, names.events, names.events_subject, 1, headers_only=True, most=HEADERS_AT_ONCE):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            yield Run(headers.first, headers.digests)
