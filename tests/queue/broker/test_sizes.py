"""How large the streams are, as a real nats-server tells it."""

import time

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.sizes import stream_sizes
from tests.support.names import DEAD_LETTER, EVENTS, SEEN
from tests.support.writing import run_with_streams


def test_a_stream_is_as_large_and_as_old_as_what_it_holds(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        began = time.time()
        await client.jetstream().publish("kigeon.events", b"x" * 1000)
        sizes = await stream_sizes(client)
        assert sizes[SEEN] == sizes[DEAD_LETTER] == {"messages": 0, "bytes": 0, "oldest": 0.0}
        assert sizes[EVENTS]["messages"] == 1
        assert 1000 < sizes[EVENTS]["bytes"] < 2000
        assert began - 0.1 <= sizes[EVENTS]["oldest"] <= time.time()

    run_with_streams(server, settings, test)


def test_a_stream_that_is_gone_is_an_error_of_the_queue(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await client.jetstream().delete_stream(DEAD_LETTER)
        with pytest.raises(QueueError, match=DEAD_LETTER):
            await stream_sizes(client)

    run_with_streams(server, settings, test)
