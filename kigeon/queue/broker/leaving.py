"""A connection to one of several servers that is left for another where it does not do what it is asked."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.cures import cure_of
from kigeon.queue.broker.unanswered import Unanswered, is_refusal
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

TURNING = 0.02
"""Seconds between two looks at whether another server is connected to."""

NO_LEADER = "no server answers for a stream: the cluster elects a leader, or lacks the servers to"
SILENT = "what it is asked times out"
UNAVAILABLE = "JetStream is not available at this server"


class LeavingClient(Client):
    """nats-py's client to the servers of an *address*; the embedded server is not left."""

    def __init__(self, address: QueueAddress) -> None:
        super().__init__()
        self.address = address
        self._unanswered = Unanswered()
        self._turning: asyncio.Future[None] | None = None

    @property
    def server(self) -> str:
        """Host and port of the server that it is connected to, "" where it is to none."""
        url = self.connected_url
        return url.netloc if url is not None else ""

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Ask as nats-py does; leave a server of several that does not do what it is asked again and again."""
        asked_at = time.monotonic()
        try:
            answer = await super().request(subject, payload, timeout, old_style, headers)
        except (NatsError, TimeoutError) as error:
            if self._unanswered.failed(error, asked_at, time.monotonic()):
                self._turn_to_another(SILENT if isinstance(error, TimeoutError) else NO_LEADER)
            raise
        if not is_refusal(answer):
            self._unanswered.answered()
        elif self._unanswered.refused(asked_at, time.monotonic()):
            self._turn_to_another(UNAVAILABLE)
        return answer

    async def turn(self) -> None:
        """Leave the server that it is connected to; return when it is connected to another."""
        await self.force_reconnect()
        while not self.is_connected:
            await asyncio.sleep(TURNING)

    def _turn_to_another(self, why: str) -> None:
        if self.address.external is not None and self.is_connected:
            few.error(
                "a server of the queue does not do what it is asked, kigeon turns to another of them",
                extra={"error": why, "cure": cure_of(why)},
            )
            self._turning = asyncio.ensure_future(self.force_reconnect())
