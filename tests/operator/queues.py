"""A queue that is written by hand, for what operators read of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.client import Client

from kigeon.operator.event_status import EventStatus, EventStatuses, read_event_statuses
from kigeon.operator.listing import in_order
from kigeon.operator.spool import Texts
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.outcomes import OutcomeStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.senders.progress.envelope import Position
from tests.support.crowd import put_position
from tests.support.operating import SilentAnswer
from tests.support.settings import QUEUE_SETTINGS


class Queue:
    """One sender's part of a queue, written by hand; asked for the fates of events 1 to 20."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self._folder = folder
        self.notes = OutcomeStore(client, "a")
        self.letters = DeadLetterStore(client, "a")
        self.retry = RetryStore(client, "a")

    async def position(self, **more: object) -> None:
        await put_position(self.client, "a", Position(**{"next_offset": 21, "first_offset": 1, **more}))  # type: ignore[arg-type]

    async def statuses(self) -> dict[int, EventStatus]:
        numbers = in_order(range(1, 21))
        with Texts(self._folder) as texts:

            def make(position: Position, problem: str) -> EventStatuses:
                return EventStatuses(position, problem, numbers, texts, self._folder)

            statuses = await read_event_statuses(self.client, "a", make, SilentAnswer())
            return {number: statuses.status(number) for number in numbers}


def run(server: NatsServer, folder: Path, test: Callable[[Queue], Awaitable[None]]) -> None:
    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "a")
            await test(Queue(client, folder))

    asyncio.run(main())
