"""Finds envelopes that the events stream still holds, by offset or by time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import NotFoundError

from kigeon.queue.broker.connection import names_of, queue_errors
from kigeon.queue.broker.scan import StreamMessage, first_sequence, headers_of, last_sequence, scan
from kigeon.queue.log.end import readable


class EventHistory:
    """The stored envelopes. Methods raise :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = names_of(client)

    async def sequence_of(self, offset: int) -> int:
        """Return the sequence of the envelope that holds the event *offset*, or of the first one still held."""

        def is_before(message: api.RawStreamMsg) -> bool:
            headers = readable(headers_of(message), message.seq or 0)
            return headers is not None and headers.first + headers.count <= offset

        return await self._first_not(is_before)

    async def sequence_since(self, moment: float) -> int:
        """Return the sequence of the first envelope that was stored at *moment* (seconds since the epoch) or later."""
        return await self._first_not(lambda message: message.time is not None and message.time.timestamp() < moment)

    async def read(self, sequence: int) -> AsyncIterator[StreamMessage]:
        """Yield the envelopes from *sequence* to the end that the stream has now."""
        async for stored in scan(self._client, self._names.events, self._names.events_subject, sequence):
            yield stored

    async def _first_not(self, is_before: Callable[[api.RawStreamMsg], bool]) -> int:
        """Return the first sequence whose message is not *before*, by bisection: the messages *before* come first."""
        low = await first_sequence(self._client, self._names.events)
        high = await last_sequence(self._client, self._names.events) + 1
        while low < high:
            middle = (low + high) // 2
            message = await self._at_or_after(middle)
            if message is None or not is_before(message):
                high = middle
            else:
                low = max(message.seq or 0, middle) + 1
        return low

    async def _at_or_after(self, sequence: int) -> api.RawStreamMsg | None:
        with queue_errors("reading an envelope"):
            try:
                return await self._client.jetstream().get_msg(
                    self._names.events, sequence, self._names.events_subject, next=True
                )
            except NotFoundError:
                return None
