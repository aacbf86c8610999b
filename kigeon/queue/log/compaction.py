"""Digests outlive their events: they are compacted into the seen stream before the events can be evicted.

Digests that only the events stream holds are *due*. They are written to the seen stream when there are enough, when
their events come near the events stream's size, or when nothing else happens. Then a record says how far the seen
stream covers the events stream. A crash between the two leaves digests due that are covered already: writing them again
changes nothing. The record also says where the seen stream ended. When the seen stream ends before that, or lacks a
message, all digests that the events stream still holds are due again.
A message of the seen stream is digests, one after the other. Its header ``Kigeon-Numbers`` says which offsets they
belong to, as ``first:count`` for each run of consecutive offsets, comma-separated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

import orjson
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.events.checkpoint import read_checkpoint, write_checkpoint
from kigeon.events.envelope import MOST_OFFSET, Envelope
from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.broker.connection import names_of, queue_errors, writing
from kigeon.queue.broker.scan import first_sequence, last_sequence, scan
from kigeon.queue.log.end import Run, read_log_end, stream_was_recreated
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores.state import StateRecord

log = logging.getLogger(__name__)

COMPACT_DIGESTS = 4096
MAX_MESSAGE_DIGESTS = 64 * 1024
NUMBERS = "Kigeon-Numbers"

LOOK_EVERY = 600.0
"""Seconds between two checks whether the seen stream is full."""

FULL = 0.9

LOST = "the memory of sent events was lost, all or in part, and is rebuilt from the events in the queue"


@dataclass(frozen=True, slots=True)
class Covered:
    """How far the seen stream covers the events stream: up to *log_end*, with its messages up to *seen*.

    Messages *whole* to *seen* of the seen stream must exist; earlier losses were repaired.
    """

    log_end: LogEnd = field(default_factory=LogEnd)
    seen: int = 0
    whole: int = 1


class Compactor:
    """Holds the digests that are due, in the process that writes the events stream."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream()
        self._record = StateRecord(client, "queue.covered")
        self._most_bytes = settings.events_max_bytes // 4
        self._due: list[Run] = []
        self._due_count = 0
        self._due_bytes = 0
        self._seen = 0
        self._whole: int | None = 1
        self._look_at = 0.0

    async def open(self) -> LogEnd:
        """Read how far the seen stream covers the events; return the end of the events stream."""
        found = _read_covered(await self._record.read())
        known, self._seen, self._whole = found.log_end, found.seen, found.whole
        if await _is_lost(self._client, found):
            log.error(LOST)
            known, self._seen, self._whole = replace(known, sequence=0, resource_version=""), 0, None
        log_end, self._due = await read_log_end(self._client, known)
        self._due_count = sum(len(run.digests) for run in self._due) // DIGEST_SIZE
        return log_end

    def stored(self, envelope: Envelope, first: int) -> None:
        """Note that *envelope* is in the events stream, with *first* as its first offset."""
        self._due.append(Run(first, envelope.digests))
        self._due_count += envelope.count
        self._due_bytes += len(envelope.payload)

    @property
    def is_due(self) -> bool:
        """Whether compaction should not wait for a quiet moment."""
        return self._due_count >= COMPACT_DIGESTS or self._due_bytes >= self._most_bytes

    async def compact(self, log_end: LogEnd) -> None:
        """Write the digests that are due; their events are stored up to *log_end*.

        Raises :class:`QueueError`: nothing is lost, try again later.
        """
        if not self._due:
            if self._whole is None:
                # No digests are left to rebuild the seen stream from: it begins after the lost messages.
                last = await last_sequence(self._client, self._names.seen)
                await self._cover(log_end, last, last + 1)
            return
        first, last = await self._publish(self._due)
        whole = self._whole or first
        if first <= self._seen:
            log.error(LOST)
            known = {run.first for run in self._due}
            lost = [run for run in (await read_log_end(self._client, LogEnd()))[1] if run.first not in known]
            last = max(last, (await self._publish(lost))[1])
            whole = first
        await self._cover(log_end, last, whole)
        self._due.clear()
        self._due_count = self._due_bytes = 0
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY
            # This check only writes to the log.
            with suppress(QueueError):
                await _look_for_eviction(self._client)

    async def _cover(self, log_end: LogEnd, seen: int, whole: int) -> None:
        await self._record.write(_write_covered(Covered(log_end, seen, whole)))
        self._seen, self._whole = seen, whole

    async def _publish(self, runs: Iterable[Run]) -> tuple[int, int]:
        """Store the digests of *runs*; return the sequences of the first and the last message of them."""
        sequences = [0]
        with writing(self._client, "compacting digests"):
            for message in _messages(runs):
                digests = b"".join(run.digests for run in message)
                headers = {NUMBERS: _written(message)}
                sequences.append(
                    (
                        await self._js.publish(
                            self._names.seen_subject, digests, headers=headers, stream=self._names.seen
                        )
                    ).seq
                )
        return sequences[:2][-1], sequences[-1]


def seen_runs(headers: Mapping[str, str], digests: bytes) -> Iterator[Run]:
    """Return the runs in a message of the seen stream; none where its header does not fit its digests."""
    try:
        spans = [tuple(map(int, span.split(":"))) for span in headers.get(NUMBERS, "").split(",")]
        counts = [count for _, count in spans]
    except ValueError:
        return
    if min(counts) < 1 or sum(counts) * DIGEST_SIZE != len(digests):
        return
    start = 0
    for first, count in spans:
        yield Run(first, digests[start : start + count * DIGEST_SIZE])
        start += count * DIGEST_SIZE


def _messages(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Cut *runs* into messages; one run is an envelope, and always fits into a message."""
    message: list[Run] = []
    size = 0
    for run in runs:
        if message and size + len(run.digests) > MAX_MESSAGE_DIGESTS * DIGEST_SIZE:
            yield message
            message, size = [], 0
        message.append(run)
        size += len(run.digests)
    if message:
        yield message


def _written(runs: Iterable[Run]) -> str:
    spans: list[list[int]] = []
    for run in runs:
        count = len(run.digests) // DIGEST_SIZE
        if spans and sum(spans[-1]) == run.first:
            spans[-1][1] += count
        else:
            spans.append([run.first, count])
    return ",".join(f"{first}:{count}" for first, count in spans)


async def _look_for_eviction(client: Client) -> None:
    """Log an error where the seen stream forgets digests because of its size, not because of their age."""
    names = names_of(client)
    with queue_errors("looking at the seen stream"):
        info = await client.jetstream().stream_info(names.seen)
    wanted, most = info.config.max_age or 0.0, info.config.max_bytes or 0
    if info.state.first_seq <= 1 or info.state.bytes < most * FULL:
        return
    async with aclosing(
        scan(client, names.seen, names.seen_subject, info.state.first_seq, headers_only=True)
    ) as messages:
        oldest = await anext(messages, None)
    kept = time.time() - oldest.timestamp if oldest is not None else wanted
    if kept < wanted * FULL:
        log.error(
            "the memory of sent events is full, an event that the cluster keeps for longer may be sent again",
            extra={"remembered": round(kept), "wanted": round(wanted), "bytes": most},
        )


async def _is_lost(client: Client, known: Covered) -> bool:
    """Return whether the seen stream lacks messages for another reason than their age."""
    names = names_of(client)
    messages = scan(client, names.seen, names.seen_subject, known.whole, headers_only=True)
    held = {message.sequence async for message in messages}
    first = max(await first_sequence(client, names.seen), known.whole)
    return not held.issuperset(range(first, known.seen + 1))


async def covered(client: Client) -> LogEnd:
    """Return the end of the part of the events stream that the seen stream covers."""
    known = _read_covered(await StateRecord(client, "queue.covered").read())
    if await _is_lost(client, known):
        return LogEnd()
    return (
        LogEnd()
        if await stream_was_recreated(client, known.log_end.sequence + 1, known.log_end.next_offset)
        else known.log_end
    )


def _write_covered(known: Covered) -> bytes:
    return orjson.dumps(
        {
            "sequence": known.log_end.sequence,
            "number": known.log_end.next_offset,
            "resourceVersion": known.log_end.resource_version,
            "mark": write_checkpoint(known.log_end.checkpoint),
            "seen": known.seen,
            "whole": known.whole,
        }
    )


def _read_covered(value: bytes | None) -> Covered:
    if value is None:
        return Covered()
    try:
        record = orjson.loads(value)
        checkpoint, version = read_checkpoint(str(record.get("mark", ""))), record["resourceVersion"]
        sequence, offset = record["sequence"], record["number"]
        seen, whole = record.get("seen", 0), record.get("whole", 1)
        if not (0 <= sequence < MOST_OFFSET and 0 < offset < MOST_OFFSET and isinstance(version, str)):
            raise ValueError("it holds what was never written")
        if not (0 <= seen < MOST_OFFSET and 1 <= whole < MOST_OFFSET):
            raise ValueError("it holds what was never written")
        return Covered(LogEnd(int(sequence), int(offset), version, checkpoint), int(seen), int(whole))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # All digests are then read from the events stream itself, which is slower.
        log.warning("the record of compacted digests can't be read", extra={"error": str(error)})
        return Covered()
