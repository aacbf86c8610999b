"""A server that is there and does not store: every kind of write notices it."""

import asyncio
import os
import signal

import pytest
from nats.errors import ConnectionReconnectingError

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import QueueClient, connect
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from tests.support.names import EVENTS_SUBJECT
from tests.support.processes import freeze
from tests.support.queue_writes import WRITES


@pytest.mark.parametrize("write", WRITES)
def test_two_writes_in_a_row_that_time_out_raise_the_alarm(
    server: NatsServer, settings: QueueSettings, write: str
) -> None:
    alarms: list[str] = []

    async def test() -> None:
        client = await connect(server.address, "test", alarm=alarms.append)
        try:
            await declare(client, settings, "a")
            await WRITES[write](client)
            freeze(server.pid)
            for expected in (0, 1):
                with pytest.raises(QueueError):
                    await WRITES[write](client)
                assert len(alarms) == expected
        finally:
            os.kill(server.pid, signal.SIGCONT)
            await client.close()

    asyncio.run(test())
    assert "although the queue is connected" in alarms[0]


def test_an_answer_of_any_kind_begins_the_count_anew() -> None:
    alarms: list[str] = []

    class Connected(QueueClient):
        @property
        def is_connected(self) -> bool:
            return True

    client = Connected(QueueAddress(""), alarms.append)
    for error in (TimeoutError(), None, TimeoutError(), OSError(), TimeoutError()):
        client.wrote(error)
    assert alarms == []
    client.wrote(TimeoutError())
    assert len(alarms) == 1


def test_what_times_out_while_the_server_is_away_is_no_alarm() -> None:
    alarms: list[str] = []
    client = QueueClient(QueueAddress(""), alarms.append)
    for _ in range(5):
        client.wrote(TimeoutError())
    assert alarms == []


def test_what_was_asked_on_a_connection_that_is_lost_fails_at_once(server: NatsServer, settings: QueueSettings) -> None:
    """Its answer never comes; whoever asked tries again, long before its time is up."""

    async def test() -> None:
        client = await connect(server.address, "test")
        try:
            await declare(client, settings, "a")
            freeze(server.pid)
            write = asyncio.ensure_future(client.jetstream(timeout=3600.0).publish(EVENTS_SUBJECT, b""))
            while not client._resp_map:
                await asyncio.sleep(0)
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(60):
                with pytest.raises(ConnectionReconnectingError):
                    await write
            server.restart()
            async with asyncio.timeout(60):
                await client.jetstream(timeout=3600.0).publish(EVENTS_SUBJECT, b"")
        finally:
            await client.close()

    asyncio.run(test())
