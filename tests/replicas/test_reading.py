"""Whoever reads notices that the server that has its consumer was lost, though it is connected to another."""

from __future__ import annotations

import asyncio
import time
from itertools import cycle, islice
from pathlib import Path

from nats.js.errors import APIError

from kigeon.config.settings import ExternalQueue, QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import QueueClient, connected
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.reader import EventLog
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.nats import NatsCluster, NatsNode

SETTINGS = QueueSettings(events_max_bytes=16 * 2**20)
NOTICED = 15.0
"""Seconds for a cluster to elect, and for a reader to notice what it lost."""


ATTEMPTS = 24
"""How often a consumer is made, until one is at another server than its reader: one of three is at the same."""


async def stored(client: QueueClient, payload: bytes) -> None:
    """Store a message, as soon as the cluster can."""
    while True:
        try:
            await client.jetstream().publish(EVENTS_SUBJECT, payload)
            return
        except Exception:  # noqa: BLE001 - whatever a cluster says while it elects
            await asyncio.sleep(0.1)


async def read(log: EventLog) -> list[bytes]:
    """Return what comes next, asked for as a sender does."""
    while True:
        try:
            if found := await log.next():
                return [message.payload for message in found]
        except QueueError:
            await asyncio.sleep(0.1)


async def has_consumer(client: QueueClient, cluster: NatsCluster) -> NatsNode:
    """Return the server that has the only consumer of the events stream, once it knows of a request."""
    while True:
        try:
            (info,) = await client.jetstream().consumers_info(EVENTS)
            if info.num_waiting and info.cluster is not None and info.cluster.leader:
                return cluster.node(info.cluster.leader)
        except (APIError, ValueError):
            pass
        await asyncio.sleep(0.1)


def test_a_request_that_was_lost_with_a_server_is_made_again(tmp_path: Path, cluster: NatsCluster) -> None:
    """The server comes back, and with it the consumer, which knows nothing of any request."""
    queue = cluster.queue(tmp_path / "secrets")
    user, password = Path(queue["usernameFile"]), Path(queue["passwordFile"])

    async def test() -> None:
        for node in islice(cycle(cluster.nodes), ATTEMPTS):
            external = ExternalQueue((node.url,), 3, username_file=user, password_file=password)
            async with connected(external_address(external), "test") as client:
                await declare(client, SETTINGS)
                log = EventLog(client, SETTINGS)
                await log.seek(await log.last_sequence() + 1)
                await stored(client, b"1")
                assert await read(log) == [b"1"]
                reading = asyncio.ensure_future(read(log))
                holder = await has_consumer(client, cluster)
                if holder is node:
                    reading.cancel()
                    await log.seek(1)
                    continue
                holder.kill()
                holder.start()
                await stored(client, b"2")
                began = time.monotonic()
                assert await reading == [b"2"]
                assert time.monotonic() - began < NOTICED
                return
        raise AssertionError("each consumer was at the server that its reader was connected to")

    asyncio.run(test())
