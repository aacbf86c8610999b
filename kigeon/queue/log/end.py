"""Finds the end of the events stream, from the stream itself and from an earlier end that is known."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple

import orjson
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from kigeon.errors import UnreadableEnvelope
from kigeon.events.envelope import MOST_OFFSET, Headers, read_headers
from kigeon.queue.broker.connection import lasts, names_of, queue_errors
from kigeon.queue.broker.scan import headers_of, last_sequence, scan
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.log.protocol import LogEnd
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)


class Run(NamedTuple):
    """Digests of events with consecutive offsets; ``first`` is the first offset."""

    first: int
    digests: bytes


async def read_log_end(client: Client, known: LogEnd) -> tuple[LogEnd, list[Run]]:
    """Return the end of the events stream, and the digests of every envelope after *known*, an earlier end.

    An envelope with unreadable headers has no digests; the envelope after it tells how many events it held. Where
    there is none, the senders' positions tell which offsets were given out.
    """
    names = names_of(client)
    end = await last_sequence(client, names.events)
    # Offsets go on in a stream that was made anew, too.
    anew = await stream_was_recreated(client, known.sequence + 1, known.next_offset)
    log_end = replace(known, sequence=0, resource_version="") if anew else known
    runs = []
    async for message in scan(client, names.events, names.events_subject, log_end.sequence + 1, headers_only=True):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            runs.append(Run(headers.first, headers.digests))
            log_end = LogEnd(
                message.sequence, headers.first + headers.count, headers.resource_version, headers.checkpoint
            )
    offset = max(log_end.next_offset, await _highest_offset(client))
    if log_end.sequence < end:
        # All envelopes were evicted before they were read here. Only their age does that, after a crash.
        context = {"envelopes": end - log_end.sequence, "offset": offset}
        log.warning("envelopes are gone before they were read, new offsets follow the highest known one", extra=context)
    return replace(log_end, sequence=max(end, log_end.sequence), next_offset=offset), runs


async def last_log_end(client: Client) -> LogEnd | None:
    """Return the end of the events stream from its last envelope alone; None where that is missing or unreadable.

    Raises :class:`QueueError`.
    """
    names = names_of(client)
    with queue_errors("reading the last envelope"):
        try:
            message = await client.jetstream().get_last_msg(names.events, names.events_subject)
        except NotFoundError:
            return None
    sequence = message.seq or 0
    headers = readable(headers_of(message), sequence)
    if headers is None:
        return None
    offset = max(headers.first + headers.count, await _highest_offset(client))
    return LogEnd(sequence, offset, headers.resource_version, headers.checkpoint)


async def stream_was_recreated(client: Client, next_sequence: int, next_offset: int) -> bool:
    """Return whether the events stream is not the one whose envelope *next_sequence* would begin with *next_offset*.

    A stream that was lost and made anew, or cut short by damage, gives out sequences a second time, while offsets go
    on: its envelopes before *next_sequence* have offsets that are too high.
    """
    if next_sequence <= 1:
        return False
    is_short = await last_sequence(client, names_of(client).events) + 1 < next_sequence
    if lasts(client, "the events stream ends before what is known of it", is_short):
        return True
    first = await _offset_before(client, next_sequence)
    return first is not None and first >= next_offset


async def _offset_before(client: Client, sequence: int) -> int | None:
    """Return the first offset of the envelope before *sequence*, or else of the oldest readable envelope."""
    names = names_of(client)
    with queue_errors("reading an envelope"):
        try:
            message = await client.jetstream().get_msg(names.events, sequence - 1)
        except NotFoundError:
            message = None
    if message is not None and (headers := readable(headers_of(message), sequence - 1)) is not None:
        return headers.first
    async with aclosing(scan(client, names.events, names.events_subject, 1, headers_only=True)) as messages:
        async for stored in messages:
            if stored.sequence >= sequence:
                break
            if (headers := readable(stored.headers, stored.sequence)) is not None:
                return headers.first
    return None


def readable(headers: Mapping[str, str], sequence: int) -> Headers | None:
    """Return what the *headers* at *sequence* say; None, with a warning in the log, when they can't be read."""
    try:
        return read_headers(headers)
    except UnreadableEnvelope as error:
        few.warning("skipping the headers of a damaged envelope", extra={"sequence": sequence, "error": str(error)})
        return None


async def _highest_offset(client: Client) -> int:
    """Return the highest offset that a sender's position waits for."""
    names = names_of(client)
    # nats-py's keys() is not used: when the first keys come early, it returns only these.
    positions = scan(client, f"KV_{names.state}", f"$KV.{names.state}.{POSITION_KEY}.*", 1)
    return max([1, *[_offset_in(message.payload) async for message in positions]])


def _offset_in(position: bytes) -> int:
    try:
        offset = orjson.loads(position)["number"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0
    # An offset that no header could hold is damage, and does not count.
    return offset if isinstance(offset, int) and offset < MOST_OFFSET else 0
