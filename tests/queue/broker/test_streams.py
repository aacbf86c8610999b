"""A stream that is deleted under way is declared again by whoever writes to it first, and nobody loses what he owns."""

import asyncio

import pytest
from nats.aio.client import Client

from kigeon.backoff import persistently
from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.retry import RetryStore
from tests.support.names import DEAD_LETTER, STATE, retry_stream
from tests.support.queue_writes import WRITES
from tests.support.writing import durable, envelope, run_with_streams, writing

STREAMS = [DEAD_LETTER, retry_stream("a"), f"KV_{STATE}"]


@pytest.mark.parametrize("write", WRITES)
def test_whoever_writes_declares_it(server: NatsServer, settings: QueueSettings, write: str) -> None:
    async def test(client: Client) -> None:
        for stream in STREAMS:
            await client.jetstream().delete_stream(stream)
        async with asyncio.timeout(10):
            await persistently("writing", lambda: WRITES[write](client))

    run_with_streams(server, settings, test)


def test_what_waited_in_a_stream_that_is_gone_is_gone(server: NatsServer, settings: QueueSettings) -> None:
    """Whoever wants to read it is told so, and does not wait for it for ever."""

    async def test(client: Client) -> None:
        store = RetryStore(client, "a")
        sequence = await store.put("hook", [b"1"], [1], 1.0)
        await client.jetstream().delete_stream(retry_stream("a"))
        async with asyncio.timeout(10):
            assert await persistently("reading", lambda: store.next("hook", sequence)) is None

    run_with_streams(server, settings, test)


def test_positions_that_were_lost_are_told(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        assert "positions were lost" not in caplog.text
        async with writing(client, settings) as work:
            work.store(envelope(1))
            await work.until(lambda reports: durable(reports) == 1)
        await client.jetstream().delete_key_value(STATE)
        await declare(client, settings)
        assert "positions were lost" in caplog.text

    run_with_streams(server, settings, test)
