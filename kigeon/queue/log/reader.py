"""The events stream as a sender reads it: as a log, from a sequence of its own, with no state in the server."""

from __future__ import annotations

from nats.aio.client import Client
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.connection import names_of, queue_errors
from kigeon.queue.broker.scan import FETCH_TIMEOUT, StreamMessage, fetch, last_sequence, leave, subscribe
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.end import stream_was_recreated


class EventLog:
    """Reads envelopes in order; owned by one task. The consumer is made anew whenever it is lost."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self._client = client
        self._names = names_of(client)
        self._settings = settings
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._next = 1
        self._deliveries = 0

    async def seek(self, sequence: int) -> None:
        """Go on from *sequence*, or from the first one after it that is still held."""
        self._next = sequence
        await self._drop()

    async def last_sequence(self) -> int:
        """Return the last sequence of the stream; a stream that is missing is declared."""
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
                if self._subscription is None:
                    self._deliveries = 0
                    self._subscription = await subscribe(
                        self._client, self._names.events, self._names.events_subject, self._next
                    )
                messages = await fetch(self._subscription, most, FETCH_TIMEOUT)
                if not messages:
                    await self._check(self._subscription)
        except QueueError:
            await self._drop()
            raise
        if [message.delivery for message in messages] != list(
            range(self._deliveries + 1, self._deliveries + 1 + len(messages))
        ):
            # One was lost on its way: the server does not keep account of what arrived. A new consumer delivers it.
            await self._drop()
            return []
        self._deliveries += len(messages)
        if messages:
            self._next = messages[-1].sequence + 1
        return messages

    async def _check(self, subscription: JetStreamContext.PullSubscription) -> None:
        """Notice what an empty fetch may hide: the consumer is gone, or the stream was made anew."""
        info = await subscription.consumer_info()
        if info.delivered is not None and info.delivered.consumer_seq > self._deliveries:
            raise QueueError("the last messages were lost on their way")
        if await self.last_sequence() + 1 < self._next:
            raise QueueError("the events stream ends before the sender's position")

    async def _drop(self) -> None:
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            await leave(self._client, subscription)
