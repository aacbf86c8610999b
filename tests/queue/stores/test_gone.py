"""Retry streams of senders that are in the configuration no more."""

import asyncio
from collections.abc import Iterable

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import former_retry_config
from kigeon.queue.broker.streams import declare, stream_state
from kigeon.queue.stores.gone import GoneSenders
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from tests.support.names import RETRY, retry_stream
from tests.support.writing import run_with_client

DAY = 86400.0
START = 1_800_000_000.0


async def look(client: Client, settings: QueueSettings, configured: Iterable[str], at: float) -> None:
    await GoneSenders(client, settings, set(configured), lambda: START + at).look()


async def streams(client: Client) -> set[str]:
    return {info.config.name or "" for info in await client.jetstream().streams_info()}


def deleted(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    said = [record for record in caplog.records if "did not come back" in record.getMessage()]
    return [(vars(record)["sender"], vars(record)["events"]) for record in said]


def test_it_is_deleted_after_as_long_as_an_event_is_kept_and_said(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        for name in ("kept", "gone"):
            await declare(client, settings, name)
            sequence = await RetryStore(client, name).put("hook", [b"1", b"2", b"3"], [1, 2, 3], 1.0)
        await StateRecord(client, "position.gone").write(b'{"retry": {"%d": "5"}, "retrySequence": 9}' % sequence)
        for at in (0.0, DAY - 1, DAY):
            await look(client, settings, ["kept"], at)
        assert {retry_stream("kept"), retry_stream("gone")} <= await streams(client)
        assert deleted(caplog) == []
        await look(client, settings, ["kept"], DAY + 1)
        assert deleted(caplog) == [("gone", 1)]
        assert retry_stream("gone") not in await streams(client)
        assert retry_stream("kept") in await streams(client)

    run_with_client(server, test)


@pytest.mark.parametrize("way", ["the sender declares its stream", "it is looked after"])
def test_a_sender_that_comes_back_goes_on_with_what_waits(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        await RetryStore(client, "a").put("hook", [b"1"], [1], 1.0)
        await look(client, settings, [], 0.0)
        if way == "it is looked after":
            await look(client, settings, ["a"], DAY / 2)
        else:
            await declare(client, settings, "a")
        await look(client, settings, [], DAY + 1)
        await look(client, settings, [], DAY + 2)
        assert len([message async for message in RetryStore(client, "a").waiting()]) == 1
        await look(client, settings, [], 2 * DAY + 2)
        assert deleted(caplog) == [("a", 1)]

    run_with_client(server, test)


def test_the_note_outlives_the_server_and_a_clock_that_goes_back(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        await RetryStore(client, "a").put("hook", [b"1"], [1], 1.0)
        await look(client, settings, [], 10 * DAY)
        await look(client, settings, [], 0.0)
        await asyncio.to_thread(server.restart)
        async with asyncio.timeout(10):
            while not client.is_connected:
                await asyncio.sleep(0.01)
        await look(client, settings, [], DAY + 1)
        assert deleted(caplog) == [("a", 1)]

    run_with_client(server, test)


def test_what_is_in_the_stream_that_all_senders_shared_is_deleted_by_sender(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        js = client.jetstream()
        await declare(client, settings)
        await js.add_stream(former_retry_config(settings, QueueAddress("")))
        for sender in ("gone", "kept"):
            await js.publish(f"kigeon.retry.{sender}", b"?", headers={"Kigeon-Numbers": "7,8"})
        await look(client, settings, ["kept"], 0.0)
        await look(client, settings, ["kept"], DAY + 1)
        assert deleted(caplog) == [("gone", 2)]
        state = await stream_state(js, RETRY)
        assert state is not None
        assert state.messages == 1
        await look(client, settings, [], DAY + 2)
        await look(client, settings, [], 2 * DAY + 3)
        assert deleted(caplog) == [("gone", 2), ("kept", 2)]
        assert await stream_state(js, RETRY) is None

    run_with_client(server, test)


def test_a_stream_that_goes_while_it_is_looked_at_is_looked_at_again_soon(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def vanish(*found: object) -> None:
        raise NotFoundError(code=404, description="stream not found")

    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        looking = GoneSenders(client, settings, set())
        monkeypatch.setattr("kigeon.queue.stores.gone._note", vanish)
        await looking.look()
        assert bool(looking.is_due) is False
        monkeypatch.setattr("kigeon.queue.stores.gone.SOON", 0.0)
        await looking.look()
        assert looking.is_due
        assert not caplog.records

    run_with_client(server, test)
