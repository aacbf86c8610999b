"""Reads the events stream for a sender: as a log, from the sender's own sequence, without state in the server."""

from __future__ import annotations

import math
import time

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.connection import address_of, names_of, queue_errors
from kigeon.queue.broker.pull import Pull
from kigeon.queue.broker.scan import FETCH_TIMEOUT, StreamMessage, last_sequence, leave, subscribe
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.end import stream_was_recreated

CHECK_EVERY = 10.0
"""Seconds between two questions for what silence may hide, while the connection goes on."""

CHECK_EVERY_IN_CLUSTER = 3.0
"""The same for a cluster: the consumer may be gone with a server that the connection does not lead to."""

ON_ITS_WAY = 1.0
"""Seconds for what the server has sent to arrive."""


class EventLog:
    """Reads envelopes in order; owned by one task. The consumer is made anew whenever it is lost."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self._client = client
        self._names = names_of(client)
        self._settings = settings
        self._pull: Pull | None = None
        self._checked_at = -math.inf
        is_cluster = address_of(client).external is not None
        self._check_every = CHECK_EVERY_IN_CLUSTER if is_cluster else CHECK_EVERY
        self._next = 1
        self._deliveries = 0

    async def seek(self, sequence: int) -> None:
        """Go on from *sequence*, or from the first envelope after it that is still held."""
        self._next = sequence
        await self._drop()

    async def last_sequence(self) -> int:
        """Return the last sequence of the stream; declare the stream if it is missing."""
        try:
            return await last_sequence(self._client, self._names.events)
        except QueueError as error:
            if isinstance(error.__cause__, NotFoundError):
                await declare(self._client, self._settings)
            raise

    async def stream_was_recreated(self, next_sequence: int, next_offset: int) -> bool:
        """Return whether this is not the stream whose envelope *next_sequence* would begin with *next_offset*."""
        return await stream_was_recreated(self._client, next_sequence, next_offset)

    async def next(self, most: int = 8) -> list[StreamMessage]:
        """Return up to *most* envelopes, an empty list when none came for :data:`FETCH_TIMEOUT` seconds.

        Raises :class:`QueueError` when the queue is away; the next call goes on where this one failed.
        """
        try:
            with queue_errors("reading events"):
                pull = self._pull or await self._begin()
                messages = await pull.next(most, FETCH_TIMEOUT)
                if not messages:
                    await self._look(pull)
        except QueueError:
            await self._drop()
            raise
        if [message.delivery for message in messages] != list(
            range(self._deliveries + 1, self._deliveries + 1 + len(messages))
        ):
            # A message was lost on its way; the server does not know what arrived. A new consumer delivers it again.
            await self._drop()
            return []
        self._deliveries += len(messages)
        if messages:
            self._next = messages[-1].sequence + 1
            self._checked_at = -math.inf
        return messages

    async def _begin(self) -> Pull:
        self._deliveries = 0
        self._pull = Pull(
            self._client, await subscribe(self._client, self._names.events, self._names.events_subject, self._next)
        )
        return self._pull

    async def _look(self, pull: Pull) -> None:
        """Check what a silence may hide: when the silence begins, after the connection was lost, and now and then."""
        if pull.may_be_lost or time.monotonic() - self._checked_at >= self._check_every:
            await self._check(pull)
            self._checked_at = time.monotonic()
        if pull.may_be_lost:
            # The open request may have been lost with the connection.
            await self._drop()

    async def _check(self, pull: Pull) -> None:
        """Raise where messages or the request were lost, the consumer is gone, or the stream was made anew."""
        asked_at = pull.asked_at
        info = await pull.consumer_info()
        sent = info.delivered.consumer_seq if info.delivered is not None else 0
        # The server counts messages that are still on their way as sent.
        if sent > self._deliveries and not await pull.wait(1, ON_ITS_WAY):
            raise QueueError("the last messages were lost on their way")
        # A server that was lost comes back with the consumer, and without the request.
        is_unknown = asked_at and not info.num_waiting and not await pull.wait(1, ON_ITS_WAY)
        if is_unknown and pull.asked_at == asked_at:
            raise QueueError("the server knows nothing of the request for messages")
        if await self.last_sequence() + 1 < self._next:
            raise QueueError("the events stream ends before the sender's position")

    async def _drop(self) -> None:
        if self._pull is not None:
            pull, self._pull = self._pull, None
            await leave(self._client, pull.subscription)
