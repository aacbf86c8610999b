"""A JetStream that others keep: how kigeon comes back to it, what it takes for an election, what it changes there."""

import asyncio
import dataclasses
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import NoStreamResponseError

from kigeon.config.settings import ExternalQueue, QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker import connection, unanswered
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import ELECTION, QueueClient, connected, lasts
from kigeon.queue.broker.scan import scan
from kigeon.queue.broker.streams import declare
from tests.queue.broker.nodes import USER, use
from tests.support.nats import NatsNode
from tests.support.nats_credentials import make_operator


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_password_that_changes_is_read_again_and_meanwhile_the_cure_is_told(
    node: NatsNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with connected(external_address(use(node, tmp_path)), "test") as client:
            assert client.problem == ""
            node.stop()
            node.more = USER.format("second")
            node.start()
            await until(lambda: "Authorization Violation" in client.problem)
            (tmp_path / "password").write_text("second\n")
            await until(lambda: client.is_connected and not client.problem)
            assert (await client.jetstream().account_info()).streams == 0

    asyncio.run(test())
    said = [record for record in caplog.records if "refuses kigeon" in record.getMessage()]
    assert {record.levelno for record in said} == {logging.ERROR}
    assert any("check the credentials" in vars(record)["cure"] for record in said)
    assert "second" not in caplog.text


def test_credentials_that_expire_are_read_again(tmp_path: Path) -> None:
    """nats-py itself would give up when the server says so."""
    operator = make_operator(expires=int(time.time()) + 2)
    (tmp_path / "creds").write_text(operator.credentials)

    async def test(node: NatsNode) -> None:
        external = ExternalQueue((node.url,), credentials_file=tmp_path / "creds")
        async with connected(external_address(external), "test") as client:
            (tmp_path / "creds").write_text(operator.renewed)
            await until(lambda: client.stats["reconnects"] == 1 and client.is_connected)
            assert (await client.jetstream().account_info()).streams == 0

    with NatsNode(tmp_path / "operated", more=operator.configuration) as node:
        asyncio.run(test(node))


@pytest.mark.parametrize("answer", [b"", b'{"error":{"code":503,"err_code":10008,"description":"unavailable"}}'])
def test_a_server_that_does_not_do_what_it_is_asked_is_left(
    answer: bytes, node: NatsNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked to restart a server that is not kigeon's."""
    monkeypatch.setattr(unanswered, "SILENCE", 0.2)
    monkeypatch.setattr(unanswered, "REFUSALS", 0.2)
    alarms: list[str] = []

    async def respond(message: Msg) -> None:
        if answer:
            await message.respond(answer)

    async def test() -> None:
        async with connected(external_address(use(node, tmp_path)), "other") as other:
            await other.subscribe("asked", cb=respond)
            await other.flush()
            client = QueueClient(external_address(use(node, tmp_path)), alarms.append)
            await client.open("test")
            while client.stats["reconnects"] == 0:
                with suppress(NatsError):
                    await client.request("asked", timeout=0.15)
            await until(lambda: client.is_connected)
            await client.close()

    asyncio.run(test())
    assert alarms == []


def test_whoever_turns_away_turns_to_another(node: NatsNode, tmp_path: Path) -> None:
    """nats-py would choose among all, and might come back to the same."""

    async def test(other: NatsNode) -> None:
        external = dataclasses.replace(use(node, tmp_path), servers=(node.url, other.url))
        async with connected(external_address(external), "test") as client:
            for number in range(1, 7):
                before = client.server
                client._turn_to_another("it refuses")
                await until(lambda number=number: client.stats["reconnects"] == number and client.is_connected)
                assert client.server != before

    with NatsNode(tmp_path / "other", more=USER.format("first")) as other:
        asyncio.run(test(other))


def test_writes_that_time_out_are_told_with_a_cure() -> None:
    client = QueueClient(external_address(ExternalQueue(("nats://127.0.0.1:1",))))
    client.wrote(TimeoutError())
    assert "disks" in client.unstored


def test_an_election_is_waited_for_and_the_streams_are_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    looked: list[Client] = []

    async def look(client: Client) -> None:
        looked.append(client)

    async def test() -> None:
        client = QueueClient(external_address(ExternalQueue(("nats://127.0.0.1:1",))), None, look)
        client.wrote(NoStreamResponseError())
        assert "elects a leader" in client.unstored
        await until(lambda: looked)
        client.wrote(None)
        assert client.unstored == ""

    asyncio.run(test())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_what_a_cluster_tells_while_it_elects_is_not_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("kigeon.queue.broker.connection.time.monotonic", lambda: now)
    client = QueueClient(external_address(ExternalQueue(("nats://127.0.0.1:1",))))
    for _ in range(2):
        with pytest.raises(QueueError, match="it is gone: a cluster that elects a leader may answer so"):
            lasts(client, "it is gone", True)
    now += ELECTION
    assert lasts(client, "it is gone", True)
    assert not lasts(client, "it is gone", False)
    with pytest.raises(QueueError):
        lasts(client, "it is gone", True)
    assert lasts(Client(), "it is gone", True)


def test_a_bucket_that_seems_to_be_gone_is_not_made_anew_at_once(
    node: NatsNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with connected(external_address(use(node, tmp_path)), "test") as client:
            await declare(client, QueueSettings())
            await client.jetstream().publish("kigeon.events", b"1")
            await client.jetstream().delete_stream("KV_kigeon-state")
            with pytest.raises(QueueError, match="no bucket of the senders' positions"):
                await declare(client, QueueSettings())
            assert "were lost" not in caplog.text
            monkeypatch.setattr(connection, "ELECTION", 0.0)
            await declare(client, QueueSettings())
            assert "positions were lost" in caplog.text

    asyncio.run(test())


def test_a_replica_that_lags_behind_is_waited_for(
    node: NatsNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that nothing is pending; the leader, which told the end, knows better."""
    subscription = JetStreamContext.PullSubscription
    asked = subscription.consumer_info
    looks = 0

    async def lagging(self: Any) -> api.ConsumerInfo:
        nonlocal looks
        looks += 1
        info = await asked(self)
        return dataclasses.replace(info, num_pending=0) if looks < 3 else info

    monkeypatch.setattr(subscription, "consumer_info", lagging)

    async def test() -> list[bytes]:
        async with connected(external_address(use(node, tmp_path, replicas=3)), "test") as client:
            await client.jetstream().add_stream(name="s", subjects=["s.*"])
            for number in range(5):
                await client.jetstream().publish("s.a", b"%d" % number)
            await client.jetstream().publish("s.b", b"the end, under another subject")
            return [message.payload async for message in scan(client, "s", "s.a", 1)]

    assert asyncio.run(test()) == [b"0", b"1", b"2", b"3", b"4"]
    assert looks >= 3
