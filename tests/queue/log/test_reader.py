"""A reader of the events stream."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import StreamMessage
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.reader import EventLog
from tests.queue.readers import readers
from tests.support.names import EVENTS_SUBJECT
from tests.support.writing import durable, envelope, run_with_client, writing


def test_a_reader_goes_on_where_it_was_when_its_consumer_is_gone(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1))
            work.store(envelope(2))
            await work.until(lambda reports: durable(reports) == 2)
            log = EventLog(client, settings)
            await log.seek(2)
            assert [message.sequence for message in await log.next()] == [2]
            os.kill(server.pid, signal.SIGKILL)
            server.restart()
            work.store(envelope(3))
            await work.until(lambda reports: durable(reports) == 3)
            found: list[StreamMessage] = []
            async with asyncio.timeout(20):
                while not found:
                    with suppress(QueueError):
                        found = await log.next()
            assert [message.sequence for message in found] == [3]

    run_with_client(server, test)


def test_a_log_that_seeks_has_one_reader(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        await client.jetstream().publish(EVENTS_SUBJECT, b"{}")
        log = EventLog(client, settings)
        for _ in range(5):
            await log.seek(1)
            assert [stored.sequence for stored in await log.next()] == [1]
        assert await readers(client) == 1

    run_with_client(server, test)
