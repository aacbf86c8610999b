"""A write that the cluster has not agreed on is neither stored nor lost: who wrote it waits, and guesses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kigeon.config.settings import ExternalQueue, QueueSettings
from kigeon.errors import Fenced, QueueError
from kigeon.events.envelope import read_headers
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import QueueClient, connected
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.log.publisher import Publisher
from kigeon.queue.stores.state import StateRecord
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import wait_until
from tests.support.writing import envelope, stored

SETTINGS = QueueSettings(events_max_bytes=16 * 2**20)


def run(folder: Path, cluster: NatsCluster, node: NatsNode, test: Callable[[QueueClient], Awaitable[None]]) -> None:
    """Run *test* with a connection to *node*."""
    queue = cluster.queue(folder / "secrets")
    user, password = Path(queue["usernameFile"]), Path(queue["passwordFile"])
    external = ExternalQueue((node.url,), 3, username_file=user, password_file=password)

    async def main() -> None:
        async with connected(external_address(external), "test") as client:
            await test(client)

    asyncio.run(main())


def prepared(folder: Path, cluster: NatsCluster, stream: str) -> NatsNode:
    """Declare the streams; return who leads *stream*."""

    async def prepare(client: QueueClient) -> None:
        await declare(client, SETTINGS, "a")

    run(folder, cluster, cluster.nodes[0], prepare)
    wait_until(lambda: cluster.is_whole(stream), what="a stream that is whole")
    leader = cluster.leader(stream)
    assert leader is not None
    return leader


async def thaw(cluster: NatsCluster) -> None:
    for node in cluster.nodes:
        node.thaw()


def freeze_others(cluster: NatsCluster, leader: NatsNode) -> None:
    for node in cluster.nodes:
        if node is not leader:
            node.freeze()


def test_a_batch_is_stored_once_and_its_writer_is_not_fenced(tmp_path: Path, cluster: NatsCluster) -> None:
    leader = prepared(tmp_path, cluster, "kigeon-events")

    async def test(client: QueueClient) -> None:
        publisher = Publisher(client, SETTINGS, 0.5)
        assert await publisher.publish(envelope(1)) == LogEnd(1, 2, "1")
        freeze_others(cluster, leader)
        publishing = asyncio.ensure_future(publisher.publish(envelope(2)))
        await asyncio.wait({publishing}, timeout=3)
        assert not publishing.done()
        await thaw(cluster)
        assert await publishing == LogEnd(2, 3, "2")
        assert await publisher.publish(envelope(3)) == LogEnd(3, 4, "3")
        assert [read_headers(message.headers).first for message in await stored(client)] == [1, 2, 3]

    run(tmp_path, cluster, leader, test)


def test_what_was_on_its_way_before_is_not_taken_for_what_comes_in_its_place(
    tmp_path: Path, cluster: NatsCluster
) -> None:
    """It has the same number and may hold fewer events: taken for the new one, some would be lost."""
    leader = prepared(tmp_path, cluster, "kigeon-events")

    async def test(client: QueueClient) -> None:
        publisher = Publisher(client, SETTINGS, 0.5)
        await publisher.publish(envelope(1))
        freeze_others(cluster, leader)
        first = asyncio.ensure_future(publisher.publish(envelope(2)))
        await asyncio.wait({first}, timeout=1)
        first.cancel()
        await asyncio.wait({first})
        publisher.begin(LogEnd(1, 2, "1"))
        second = asyncio.ensure_future(publisher.publish(envelope(2, 3)))
        await asyncio.wait({second}, timeout=1)
        await thaw(cluster)
        with pytest.raises(Fenced, match="another kigeon writes"):
            await second

    run(tmp_path, cluster, leader, test)


def test_a_record_is_written_by_its_owner_once_that_is_agreed_on(tmp_path: Path, cluster: NatsCluster) -> None:
    leader = prepared(tmp_path, cluster, "KV_kigeon-state")

    async def test(client: QueueClient) -> None:
        record = StateRecord(client, "position.a", timeout=0.5)
        await record.write(b"1")
        freeze_others(cluster, leader)
        for _ in range(3):
            with pytest.raises(QueueError):
                await record.write(b"2")
        await thaw(cluster)
        async with asyncio.timeout(20):
            while True:
                try:
                    await record.write(b"2")
                    break
                except QueueError:
                    await asyncio.sleep(0.05)
        await record.write(b"3")
        assert await StateRecord(client, "position.a").read() == b"3"

    run(tmp_path, cluster, leader, test)
