"""Pulls a consumer's messages, with one request that stays open over many deliveries.

A request for each fetch, and another one where no message was there yet, would cost more than the messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo
from nats.js.client import JetStreamContext

from kigeon.errors import QueueError
from kigeon.queue.broker.scan import StreamMessage, message_of

EXPIRES = 30.0
"""Seconds after which the server ends an open request with a message, which is a sign of life of the consumer."""

OVERDUE = 5.0
"""Seconds after its end from which on a request without an answer counts as lost."""

_ENDED = ("404", "408")
"""The statuses of a request that has ended before all its messages have come."""

_IDLE = "100"


class Pull:
    """Pulls the messages of a *subscription*, with at most one open request; owned by one task."""

    def __init__(self, client: Client, subscription: JetStreamContext.PullSubscription) -> None:
        self._client = client
        self.subscription = subscription
        # nats-py's own way would take a task and a timer for each message.
        self._arrived: asyncio.Queue[Msg] = subscription._sub._pending_queue
        self._taken: deque[StreamMessage] = deque()
        self._asked = 0
        self._asked_at = 0.0
        self._reconnects = client.stats["reconnects"]

    async def consumer_info(self) -> ConsumerInfo:
        """Return the server's information about the consumer; raises what nats-py raises."""
        return await self.subscription.consumer_info()

    @property
    def asked_at(self) -> float:
        """When the open request was made, in seconds on the steady clock; 0.0 where none is open."""
        return self._asked_at if self._asked else 0.0

    @property
    def may_be_lost(self) -> bool:
        """Whether the connection was lost since the start, so that the server may have lost request and consumer."""
        return not self._client.is_connected or self._client.stats["reconnects"] != self._reconnects

    async def next(self, most: int, timeout: float) -> list[StreamMessage]:
        """Return up to *most* messages; an empty list when none came within *timeout* seconds.

        Where no request is open, a request for *most* messages is sent. Raises :class:`~kigeon.errors.QueueError` where
        the consumer is gone, and nats-py's exceptions where the request can't be sent.
        """
        await self.wait(most, timeout)
        return [self._taken.popleft() for _ in range(min(most, len(self._taken)))]

    async def wait(self, most: int, timeout: float) -> bool:
        """Return whether a message has come within *timeout* seconds; requests and raises as :meth:`next` does."""
        try:
            async with asyncio.timeout(timeout):
                while not self._take_arrived():
                    if not self._asked:
                        await self._ask(most)
                    self._note(await self._arrived.get())
        except TimeoutError:
            self._look_for_an_end()
        return bool(self._taken)

    def _take_arrived(self) -> bool:
        while not self._arrived.empty():
            self._note(self._arrived.get_nowait())
        return bool(self._taken)

    def _note(self, message: Msg) -> None:
        self.subscription._sub._pending_size -= len(message.data)
        status = (message.headers or {}).get("Status")
        if status is None:
            self._asked = max(self._asked - 1, 0)
            self._taken.append(message_of(message))
        elif status in _ENDED:
            self._asked = 0
        elif status != _IDLE:
            raise QueueError(f"the consumer is gone: {status} {(message.headers or {}).get('Description', '')}")

    async def _ask(self, most: int) -> None:
        self._asked, self._asked_at = most, time.monotonic()
        request = orjson.dumps({"batch": most, "expires": int(EXPIRES * 1e9)})
        await self._client.publish(self.subscription._nms, request, self.subscription._deliver)

    def _look_for_an_end(self) -> None:
        if self._asked and time.monotonic() - self._asked_at > EXPIRES + OVERDUE:
            raise QueueError("a request for messages has no answer")
