"""The one writer of the events stream, fenced.

Every publish says which sequence it expects to be the stream's last. So the server reports a publish that timed out
but was stored, and a second kigeon on the same stream, and the publisher reads what the stream really holds. One
publish is under way at a time, with hundreds of events, which is enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import BadRequestError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from kigeon.backoff import Backoff
from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced, QueueError
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.envelope import EMPTY, Envelope, write_headers
from kigeon.queue.broker.connection import address_of, names_of, queue_errors, writing
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.scan import headers_of, last_sequence
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.protocol import LogEnd

log = logging.getLogger(__name__)


_WRONG_LAST_SEQUENCE = (ErrorCode.STREAM_WRONG_LAST_SEQUENCE, ErrorCode.STREAM_WRONG_LAST_SEQUENCE_CONSTANT)


class Publisher:
    """Stores envelopes in order; owned by one task."""

    def __init__(self, client: Client, settings: QueueSettings, push_timeout: float) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream(timeout=push_timeout)
        self._settings = settings
        # A cluster answers so most of the time because it elects a leader; the client sees to the streams beside.
        self._declares = address_of(client).external is None
        self.begin(LogEnd())

    def begin(self, log_end: LogEnd) -> None:
        """Go on from *log_end*, the end of the stream as it was found.

        A batch that was on its way before, and is stored after all, is then not this writer's: what comes now in its
        place may hold other events.
        """
        self.log_end = log_end
        self._writer = uuid4().hex

    def note(self, checkpoint: WatcherCheckpoint) -> None:
        """Note the Watcher's *checkpoint* after a batch of which nothing was stored."""
        self.log_end = replace(self.log_end, checkpoint=checkpoint)

    async def publish(self, envelope: Envelope, checkpoint: WatcherCheckpoint = EMPTY) -> LogEnd:
        """Store *envelope* with *checkpoint*, retrying until it is stored; return the stream's new end.

        Raises :class:`Fenced` when somebody else wrote to the stream: read its end again before going on.
        """
        # An election is over after some seconds, and then nothing should wait.
        backoff = Backoff(base=0.05, cap=5.0 if self._declares else 1.0)
        headers = write_headers(envelope, self.log_end.next_offset, self._writer, checkpoint)
        while True:
            try:
                sequence = await self._attempt(envelope.payload, headers)
                break
            except QueueError as error:
                delay = backoff.failed()
                log.warning("storing a batch failed, trying again", extra={"error": str(error), "delay": delay})
                await asyncio.sleep(delay)
        self.log_end = LogEnd(
            sequence, self.log_end.next_offset + envelope.count, envelope.resource_version, checkpoint
        )
        return self.log_end

    async def _attempt(self, payload: bytes, headers: Mapping[str, str]) -> int:
        expected = {**headers, api.Header.EXPECTED_LAST_SEQUENCE.value: str(self.log_end.sequence)}
        with writing(self._client, "storing a batch"):
            try:
                ack = await self._js.publish(
                    self._names.events_subject, payload, headers=expected, stream=self._names.events
                )
                return int(ack.seq)
            except BadRequestError as error:
                if error.err_code not in _WRONG_LAST_SEQUENCE:
                    raise
            except (NotFoundError, NoStreamResponseError, ServiceUnavailableError):
                if self._declares:
                    await declare(self._client, self._settings)
                raise
        return await self._find_stored(headers["Kigeon-First"])

    async def _find_stored(self, first: str) -> int:
        """Return the sequence at which an earlier attempt stored the batch, although its answer was lost."""
        last = await last_sequence(self._client, self._names.events)
        if last == self.log_end.sequence and not self._declares:
            raise QueueError("the cluster has not agreed on an earlier attempt yet")
        if last == self.log_end.sequence + 1:
            with queue_errors("reading the last batch"):
                message = await self._js.get_msg(self._names.events, last)
            found = headers_of(message)
            if found.get("Kigeon-Writer") == self._writer and found.get("Kigeon-First") == first:
                return last
        reason = "another kigeon writes to it" if last > self.log_end.sequence else "it was damaged, or made anew"
        raise Fenced(f"the events stream ends at {last}, not at {self.log_end.sequence}: {reason}")
