"""Digests outlive their events: they are compacted into the seen stream before eviction can reach them.

What only the events stream knows is *due*. It is written to the seen stream as one message when there is enough of
it, when it could come near the events stream's size, or when nothing else happens; then a record says how
far the seen stream covers the events stream. A crash between the two leaves digests due that are covered already:
writing them again changes nothing. The record also says where the seen stream ended: when it ends before that, or goes
on elsewhere, it was lost, and what the events stream still holds is due again.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import orjson
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.events.envelope import Envelope
from kigeon.events.mark import read_mark, write_mark
from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.connection import writing
from kigeon.queue.publisher import Tail
from kigeon.queue.scan import last_sequence
from kigeon.queue.state import StateRecord
from kigeon.queue.streams import SEEN, SEEN_SUBJECT
from kigeon.queue.tail import is_another, read_tail

log = logging.getLogger(__name__)

COMPACT_DIGESTS = 4096
MAX_MESSAGE_DIGESTS = 64 * 1024


class Compactor:
    """Keeps what is due, in the process that writes the events stream; ``record`` is the queue's own."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self._client = client
        self._js = client.jetstream()
        self._record = StateRecord(client, "queue.covered")
        self._most_bytes = settings.events_max_bytes // 4
        self._due = bytearray()
        self._due_bytes = 0
        self._seen = 0

    async def open(self) -> Tail:
        """Read how far the seen stream covers the events; return the end of the events stream."""
        known, self._seen = _read_covered(await self._record.read())
        if await _is_lost(self._client, self._seen):
            log.error("the memory of events was lost, it is made anew from those that the queue holds")
            known, self._seen = replace(known, sequence=0, resource_version=""), 0
        tail, digests = await read_tail(self._client, known)
        self._due[:] = digests
        return tail

    def stored(self, envelope: Envelope) -> None:
        """Note that *envelope* is in the events stream."""
        self._due += envelope.digests
        self._due_bytes += len(envelope.payload)

    @property
    def is_due(self) -> bool:
        """Whether compaction should not wait for a quiet moment."""
        return len(self._due) >= COMPACT_DIGESTS * DIGEST_SIZE or self._due_bytes >= self._most_bytes

    async def compact(self, tail: Tail) -> None:
        """Write what is due, all of it stored up to *tail*. :class:`QueueError`: nothing is lost, try again later."""
        if not self._due:
            return
        first, last = await self._publish(self._due)
        if first <= self._seen:
            log.error("the memory of events was lost, it is made anew from those that the queue holds")
            _, digests = await read_tail(self._client, Tail())
            last = max(last, (await self._publish(digests))[1])
        await self._record.write(_write_covered(tail, last))
        self._seen = last
        self._due.clear()
        self._due_bytes = 0

    async def _publish(self, digests: bytes | bytearray) -> tuple[int, int]:
        """Store *digests*; return the sequences of the first and the last message that holds some of them."""
        step = MAX_MESSAGE_DIGESTS * DIGEST_SIZE
        sequences = [0]
        with writing(self._client, "compacting digests"):
            for start in range(0, len(digests), step):
                ack = await self._js.publish(SEEN_SUBJECT, bytes(digests[start : start + step]), stream=SEEN)
                sequences.append(ack.seq)
        return sequences[:2][-1], sequences[-1]


async def _is_lost(client: Client, seen: int) -> bool:
    """Return whether the seen stream does not hold what it held when its last sequence was *seen*."""
    return await last_sequence(client, SEEN) < seen


async def covered(client: Client) -> Tail:
    """Return up to where the seen stream covers the events stream."""
    tail, seen = _read_covered(await StateRecord(client, "queue.covered").read())
    if await _is_lost(client, seen):
        return Tail()
    return Tail() if await is_another(client, tail.sequence + 1, tail.next_number) else tail


def _write_covered(tail: Tail, seen: int) -> bytes:
    return orjson.dumps(
        {
            "sequence": tail.sequence,
            "number": tail.next_number,
            "resourceVersion": tail.resource_version,
            "mark": write_mark(tail.mark),
            "seen": seen,
        }
    )


def _read_covered(value: bytes | None) -> tuple[Tail, int]:
    if value is None:
        return Tail(), 0
    try:
        record = orjson.loads(value)
        mark = read_mark(str(record.get("mark", "")))
        tail = Tail(int(record["sequence"]), int(record["number"]), str(record["resourceVersion"]), mark)
        return tail, int(record.get("seen", 0))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Everything is then read from the events stream itself: slower, and as complete as that is.
        log.warning("the record of compacted digests can't be read", extra={"error": str(error)})
        return Tail(), 0
