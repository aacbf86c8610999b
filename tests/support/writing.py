"""A writer of the events stream at work on a real nats-server, and envelopes for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings, Settings
from kigeon.events.envelope import Envelope, pack
from kigeon.queue.broker.connection import connect, connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import StreamMessage, scan
from kigeon.queue.broker.streams import declare, declaring
from kigeon.queue.log.protocol import Store, Stored
from kigeon.queue.log.writer import Report, Writer
from tests.support.names import EVENTS, EVENTS_SUBJECT


def envelope(*numbers: int, size: int = 1) -> Envelope:
    """Return a batch whose events have these numbers for digests."""
    raw = [b"%d%s" % (number, os.urandom(size).hex().encode()) for number in numbers]
    return pack(raw, b"".join(number.to_bytes(8, "big") for number in numbers), str(numbers[-1]))


class Writing:
    """A writer at work, and what it reported."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self.reports: list[Report] = []
        self._changed = asyncio.Event()
        self.writer = Writer(client, Settings((), queue=settings), self._note)
        self.task = asyncio.get_running_loop().create_task(self.writer.run())
        self._order = 0

    def _note(self, report: Report) -> None:
        self.reports.append(report)
        self._changed.set()

    def store(self, batch: Envelope, epoch: int = 1) -> None:
        self._order += 1
        self.writer.store(Store(epoch, self._order, self._order, batch))

    async def until(self, enough: Callable[..., Any]) -> None:
        async with asyncio.timeout(20):
            while not enough(self.reports):
                await self._changed.wait()
                self._changed.clear()


@asynccontextmanager
async def writing(client: Client, settings: QueueSettings) -> AsyncIterator[Writing]:
    """Have a writer for the length of a block, its first epoch begun."""
    work = Writing(client, settings)
    work.writer.begin(1)
    await work.until(lambda reports: reports)
    try:
        yield work
    finally:
        work.task.cancel()


async def stored(client: Client) -> list[StreamMessage]:
    return [message async for message in scan(client, EVENTS, EVENTS_SUBJECT, 1)]


def durable(reports: list[Report]) -> int:
    return sum(isinstance(report, Stored) for report in reports)


def run_with_client(server: NatsServer, test: Callable[[Client], Any]) -> None:
    async def main() -> None:
        async with connected(server.address, "test") as client:
            await test(client)

    asyncio.run(main())


def run_with_streams(server: NatsServer, settings: QueueSettings, test: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        client = await connect(server.address, "test", declaring(settings, "a"))
        try:
            await declare(client, settings, "a")
            await test(client)
        finally:
            await client.close()

    asyncio.run(main())
