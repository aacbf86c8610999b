"""Records, and who may write them."""

import pytest
from nats.aio.client import Client
from nats.js.errors import BucketNotFoundError

from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced, QueueError
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.state import StateRecord
from tests.support.names import STATE
from tests.support.writing import run_with_client, run_with_streams


def test_a_record_has_one_owner(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        first, second = StateRecord(client, "position.a"), StateRecord(client, "position.a")
        assert await first.read() is None
        await first.write(b"1")
        await first.write(b"2")
        assert await second.read() == b"2"
        await second.write(b"3")
        with pytest.raises(Fenced):
            await first.write(b"4")

    run_with_client(server, test)


def test_a_record_that_was_lost_is_still_its_owner_s(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        record = StateRecord(client, "position.a")
        await record.write(b"1")
        await record.write(b"2")
        await client.jetstream().delete_key_value(STATE)
        with pytest.raises(BucketNotFoundError):
            await client.jetstream().key_value(STATE)
        await declare(client, settings)
        with pytest.raises(QueueError, match=r"position\.a was lost"):
            await record.write(b"3")
        await record.write(b"3")
        assert await StateRecord(client, "position.a").read() == b"3"

    run_with_streams(server, settings, test)


def test_a_record_that_was_lost_and_written_by_another_is_the_other_s(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        first, second = StateRecord(client, "position.a"), StateRecord(client, "position.a")
        await first.write(b"0")
        await first.write(b"1")
        await client.jetstream().delete_key_value(STATE)
        await declare(client, settings)
        await second.write(b"2")
        with pytest.raises(Fenced):
            await first.write(b"3")
        assert await second.read() == b"2"

    run_with_streams(server, settings, test)
