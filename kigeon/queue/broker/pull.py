"""What a consumer delivers, asked for ahead: one request stays open over many deliveries.

A request for each fetch, and another one where nothing was there yet, would cost more than what is delivered.
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
"""Seconds after which the server ends a request that is still open, and says so: a sign of life of the consumer."""

OVERDUE = 5.0
"""Seconds after its end in which a request that nobody answers counts as lost."""

_ENDED = ("404", "408")
"""What the server says of a request that has ended before all that it asked for had come."""

_IDLE = "100"


class Pull:
    """The deliveries of a *subscription*; owned by one task. At most one request is open at a time."""

    def __init__(self, client: Client, subscription: JetStreamContext.PullSubscription) -> None:
        self._client = client
        self.subscription = subscription
        # nats-py hands out what has come by a task and a timer for each message.
        self._arrived: asyncio.Queue[Msg] = subscription._sub._pending_queue
        self._taken: deque[StreamMessage] = deque()
        self._asked = 0
        self._asked_at = 0.0
        self._reconnects = client.stats["reconnects"]

    async def consumer_info(self) -> ConsumerInfo:
        """Return what the server knows of the consumer; raises what nats-py raises."""
        return await self.subscription.consumer_info()

    @property
    def asked_at(self) -> float:
        """When the open request was made, in seconds on the steady clock; 0.0 where none is open."""
        return self._asked_at if self._asked else 0.0

    @property
    def may_be_lost(self) -> bool:
        """Whether the connection was lost since it was made: the server may know neither request nor consumer."""
        return not self._client.is_connected or self._client.stats["reconnects"] != self._reconnects

    async def next(self, most: int, timeout: float) -> list[StreamMessage]:
        """Return up to *most* messages that have come; an empty list when none came within *timeout* seconds.

        Where no request is open, *most* are asked for. Raises :class:`~kigeon.errors.QueueError` where the consumer
        is gone, and what nats-py raises where it can't ask.
        """
        await self.wait(most, timeout)
        return [self._taken.popleft() for _ in range(min(most, len(self._taken)))]

    async def wait(self, most: int, timeout: float) -> bool:
        """Return whether a message has come within *timeout* seconds; asks and raises as :meth:`next` does."""
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
