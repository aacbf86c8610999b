"""The one writer of the events stream, fenced.

Every publish says which sequence it expects to be the stream's last. So a publish that timed out but was stored, or a
second kigeon on the same stream, is an answer and not a guess: the publisher looks at what is really there. One
publish is under way at a time; with hundreds of events in each that is enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import BadRequestError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from kigeon.backoff import Backoff
from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced, QueueError, UnreadableEnvelope
from kigeon.events.envelope import Envelope, Headers, read_headers, write_headers
from kigeon.queue.connection import queue_errors
from kigeon.queue.scan import last_sequence, scan
from kigeon.queue.state import WRONG_LAST_SEQUENCE
from kigeon.queue.streams import EVENTS, EVENTS_SUBJECT, declare

log = logging.getLogger(__name__)

TIMEOUTS_BEFORE_ALARM = 2
"""Publishes in a row that time out while the server is connected: its disk was full, and it needs a restart."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the events stream: its last sequence, the next running number, where to resume the watch."""

    sequence: int = 0
    next_number: int = 1
    resource_version: str = ""


class Publisher:
    """Stores envelopes in order; owned by one task. ``alarm`` is called when the server needs a restart."""

    def __init__(
        self, client: Client, settings: QueueSettings, push_timeout: float, alarm: Callable[[str], None]
    ) -> None:
        self._client = client
        self._js = client.jetstream(timeout=push_timeout)
        self._settings = settings
        self._alarm = alarm
        self._writer = uuid4().hex
        self._timeouts = 0
        self.tail = Tail()

    def begin(self, tail: Tail) -> None:
        """Go on from *tail*, the end of the stream as it was found."""
        self.tail = tail

    async def publish(self, envelope: Envelope) -> Tail:
        """Store *envelope*, trying until it is stored; return the stream's new end.

        Raises :class:`Fenced` when somebody else wrote to the stream: read its tail anew before going on.
        """
        backoff = Backoff(base=0.05, cap=5.0)
        headers = write_headers(envelope, self.tail.next_number, self._writer)
        while True:
            try:
                sequence = await self._attempt(envelope.payload, headers)
                break
            except QueueError as error:
                delay = backoff.failed()
                log.warning("storing a batch failed, trying again", extra={"error": str(error), "delay": delay})
                self._count_timeout(error)
                await asyncio.sleep(delay)
        self._timeouts = 0
        self.tail = Tail(sequence, self.tail.next_number + envelope.count, envelope.resource_version)
        return self.tail

    async def _attempt(self, payload: bytes, headers: Mapping[str, str]) -> int:
        expected = {**headers, api.Header.EXPECTED_LAST_SEQUENCE.value: str(self.tail.sequence)}
        with queue_errors("storing a batch"):
            try:
                ack = await self._js.publish(EVENTS_SUBJECT, payload, headers=expected, stream=EVENTS)
                return int(ack.seq)
            except BadRequestError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
            except (NotFoundError, NoStreamResponseError, ServiceUnavailableError):
                await declare(self._client, self._settings)
                raise
        return await self._find_stored(headers["Kigeon-First"])

    async def _find_stored(self, first: str) -> int:
        """Return the sequence at which an earlier attempt, whose answer was lost, has stored the batch."""
        last = await last_sequence(self._client, EVENTS)
        if last == self.tail.sequence + 1:
            with queue_errors("reading the last batch"):
                message = await self._js.get_msg(EVENTS, last)
            found = message.headers or {}
            if found.get("Kigeon-Writer") == self._writer and found.get("Kigeon-First") == first:
                return last
        raise Fenced(f"the events stream ends at {last}, not at {self.tail.sequence}: another kigeon writes to it")

    def _count_timeout(self, error: QueueError) -> None:
        timed_out = isinstance(error.__cause__, TimeoutError) and self._client.is_connected
        self._timeouts = self._timeouts + 1 if timed_out else 0
        if self._timeouts >= TIMEOUTS_BEFORE_ALARM:
            self._timeouts = 0
            self._alarm("storing batches times out although the queue is connected")


async def read_tail(client: Client, known: Tail) -> tuple[Tail, bytes]:
    """Return the end of the events stream, and the digests of every envelope after *known*, an earlier end.

    An envelope whose headers can't be read has no digests; those after it say how many events it held.
    """
    end = await last_sequence(client, EVENTS)
    # A stream that ends before what was known was made anew; running numbers go on all the same.
    tail = known if known.sequence <= end else Tail(next_number=known.next_number)
    digests = bytearray()
    async for message in scan(client, EVENTS, EVENTS_SUBJECT, tail.sequence + 1, headers_only=True):
        headers = readable(message.headers, message.sequence)
        if headers is not None:
            digests += headers.digests
            tail = Tail(message.sequence, headers.first + headers.count, headers.resource_version)
    return Tail(max(end, tail.sequence), tail.next_number, tail.resource_version), bytes(digests)


def readable(headers: Mapping[str, str], sequence: int) -> Headers | None:
    """Return what the *headers* at *sequence* say; None, with a warning in the log, when they can't be read."""
    try:
        return read_headers(headers)
    except UnreadableEnvelope as error:
        log.warning("skipping the headers of a damaged envelope", extra={"sequence": sequence, "error": str(error)})
        return None
