"""Whoever reads a stream leaves nothing in the server: it takes a thousand readers of a stream at once, and no more."""

from __future__ import annotations

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import scan
from kigeon.queue.broker.streams import declare
from tests.queue.readers import readers
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.writing import run_with_client

READERS = 1100
"""More than nats-server 2.15 has consumers of a stream at once; one that nobody uses ends after a minute."""


def test_any_number_of_scans_leave_no_reader(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        for _ in range(3):
            await client.jetstream().publish(EVENTS_SUBJECT, b"{}")
        for _ in range(READERS):
            assert (await anext(scan(client, EVENTS, EVENTS_SUBJECT, 1))).sequence == 1
        assert [stored.sequence async for stored in scan(client, EVENTS, EVENTS_SUBJECT, 1)] == [1, 2, 3]
        assert await readers(client) < READERS / 10

    run_with_client(server, test)
