"""Which running number an occurrence was given, found by its digest in what the streams hold."""

from __future__ import annotations

from collections.abc import Collection

from nats.aio.client import Client

from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.compaction import seen_runs
from kigeon.queue.scan import scan
from kigeon.queue.streams import EVENTS, EVENTS_SUBJECT, SEEN, SEEN_SUBJECT
from kigeon.queue.tail import Run, readable


async def recall(client: Client, wanted: Collection[bytes]) -> dict[bytes, int]:
    """Return the number of each of the *wanted* digests that is known; raises :class:`QueueError`."""
    looked_for = set(wanted)
    found: dict[bytes, int] = {}

    def look(run: Run) -> None:
        for index in range(len(run.digests) // DIGEST_SIZE):
            digest = run.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE]
            if digest in looked_for:
                found.setdefault(digest, run.first + index)

    async for message in scan(client, SEEN, SEEN_SUBJECT, 1):
        for run in seen_runs(message.headers, message.payload):
            look(run)
    async for message in scan(client, EVENTS, EVENTS_SUBJECT, 1, headers_only=True):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            look(Run(headers.first, headers.digests))
    return found
